// The plan of a sandbox: a spec turned into an ordered list of small operations.
//
// Pure: sandbox_plan_make() reads nothing but the spec and the facts about the host that it is
// given. The list can be printed (golden tests, `davit plan`) and is then carried out: prepare.c
// does the parent's part, apply.c the child's.
#pragma once

#include <sys/types.h>

#include "base/str.h"
#include "sandbox/spec.h"

// What the skeleton needs to know of the host.
struct sandbox_host {
    bool privileged; // root: id ranges, idmapped mounts, cgroups, egress
    uid_t uid;       // of who runs davit
    gid_t gid;
    struct strv links;       // "bin=usr/bin": entries of / that are symbolic links (merged /usr)
    struct strv shown;       // entries of / and /etc that exist, of those that a skeleton shows
    char *cgroup;            // root of the cgroup v2 hierarchy; NULL when there is none
    struct strv controllers; // "memory", "pids", "cpu": as v2 offers them
    char *group;             // below which our groups are; NULL: "davit"
};
// Reads the facts of this host (once per process is enough).
int sandbox_host_read(struct sandbox_host *ret, struct error *err);
// Our groups are those of this directory from now on: run 1 or app X of another state directory on
// this host is not ours to sweep.
int sandbox_host_group(struct sandbox_host *host, const char *state_path, struct error *err);
void sandbox_host_done(struct sandbox_host *host);

enum sandbox_op_kind {
    SANDBOX_OP_ROOT,    // a tmpfs becomes the new root
    SANDBOX_OP_DIR,     // make target
    SANDBOX_OP_LINK,    // make target a symbolic link to source
    SANDBOX_OP_FILE,    // make target a file with source as its content
    SANDBOX_OP_BIND,    // show host path source at target
    SANDBOX_OP_TMPFS,   // an empty tmpfs at target
    SANDBOX_OP_OVERLAY, // `lowers` (and `writable`) at target; at "/": as the new root
    SANDBOX_OP_PROC,    // a procfs of the new PID namespace at target
    SANDBOX_OP_PTS,     // a devpts of its own at target
    SANDBOX_OP_HIDE,   // cover target, if it is there: a file by /dev/null, a directory by an empty
                       // one
    SANDBOX_OP_FREEZE, // make the mount at target (by itself if need be) read-only, if it is there
    SANDBOX_OP_ENTER,  // pivot to the new root; the host's mounts are gone
    SANDBOX_OP_LOOPBACK, // bring lo up
};

struct sandbox_lower {
    char *path;
    bool foreign;
    int mount_fd; // set by sandbox_prepare()
};

struct sandbox_op {
    enum sandbox_op_kind kind;
    char *target; // absolute, inside
    char *source;
    bool read_only, foreign;
    bool devices;                     // BIND: device nodes work there
    bool is_mount;                    // FREEZE: something is mounted at target itself
    bool own;                         // of a skeleton: no foreign path is on the way to target
    uint32_t mode;                    // DIR, FILE, TMPFS
    uint64_t size;                    // TMPFS
    VEC(struct sandbox_lower) lowers; // OVERLAY, top first
    char *writable;                   // OVERLAY
    // Set by sandbox_prepare(): detached mounts of the host paths above, -1 where there is none.
    int mount_fd, writable_fd;
    bool is_file; // BIND: of the source
};

struct sandbox_plan {
    const struct sandbox_spec *spec; // lent
    bool privileged;
    uid_t uid; // of who runs davit
    gid_t gid;
    uint64_t namespaces; // CLONE_NEW…
    VEC(struct sandbox_op) ops;
    struct strv executables; // what is tried in order, for argv[0]
};

void sandbox_plan_make(
    const struct sandbox_spec *spec, const struct sandbox_host *host, struct sandbox_plan *ret);
void sandbox_plan_done(struct sandbox_plan *plan);
// The whole confinement as text: namespaces, ids, capabilities, limits, network, then every
// operation.
void sandbox_plan_print(const struct sandbox_plan *plan, struct str *out);

DEFINE_AUTO(sandbox_plan, struct sandbox_plan, sandbox_plan_done)
DEFINE_AUTO(sandbox_host, struct sandbox_host, sandbox_host_done)
