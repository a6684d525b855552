// What a child process is to be confined to: a plain description that its launcher fills in.
//
// Everything that davit launches goes through here: stages, RUN steps, roles, instances of an app,
// nginx, workers and agents. All-zero is the strictest: every namespace, no network, no capability,
// an empty environment, three descriptors, a read-only skeleton of the host as root. A spec owns
// nothing; what it points at must outlive sandbox_spawn().
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/vec.h"

// The ids that a sandbox's 0..65535 are on the host when davit runs as root. No account and no
// /etc/subuid uses them
// (`davit doctor` checks). Everything that sandboxed processes leave on disk belongs to this range.
#define SANDBOX_ID_BASE  0x7e000000u // 2113929216
#define SANDBOX_ID_COUNT 65536u

enum sandbox_isolation {
    SANDBOX_FULL, // user, mount, pid, ipc, uts, cgroup and network namespaces; seccomp; own root
    SANDBOX_NONE, // davit's own trusted children (workers, agents): a session and clean
                  // descriptors, nothing else
};

enum sandbox_network {
    SANDBOX_NETWORK_NONE,   // its own namespace, with only lo
    SANDBOX_NETWORK_EGRESS, // its own namespace, with a way out that does not reach the host's
                            // loopback
    SANDBOX_NETWORK_HOST,   // the host's
};

enum sandbox_root {
    SANDBOX_ROOT_SKELETON, // tmpfs; /usr, /bin, /lib*, /opt and a named list of /etc of the host,
                           // read-only
    SANDBOX_ROOT_LAYERS,   // an image's filesystem: `layers`, with `upper` over them
};

enum sandbox_mount_kind {
    SANDBOX_BIND,      // a host file or directory
    SANDBOX_BIND_READ, // the same, read-only
    SANDBOX_TMPFS,     // empty, gone with the sandbox
    SANDBOX_OVERLAY,   // lower directories under an upper one
};

struct sandbox_mount {
    enum sandbox_mount_kind kind;
    const char *target; // absolute, inside; made if it is missing (parents too), mode 0755
    const char *source; // bind: host path
    // bind: the source belongs to a host account rather than to SANDBOX_ID_BASE…: its owner appears
    // as the sandbox's root (an idmapped mount; unprivileged this is so by itself)
    bool foreign;
    // overlay: host paths, top first; those from index `foreign_lowers` on are foreign (as above)
    const struct strv *lowers;
    size_t foreign_lowers; // lowers.length when none is
    // overlay: a host directory holding `upper` (what is written) and `work` (overlayfs' own), both
    // existing; NULL: read-only
    const char *writable;
    uint64_t size; // tmpfs: limit in bytes; 0 is the default (half of the memory)
    uint32_t mode; // tmpfs: 0 is 0755
};

// A capability set by number (capabilities(7)): only ever within the sandbox's user namespace.
typedef uint64_t sandbox_caps;
#define SANDBOX_CAP(number) ((sandbox_caps)1 << (number))
extern const sandbox_caps
    sandbox_caps_run; // RUN steps: Docker's default less MKNOD, NET_RAW, AUDIT_WRITE, SYS_CHROOT
extern const sandbox_caps
    sandbox_caps_image; // davit-image: CHOWN, DAC_OVERRIDE, FOWNER, FSETID, SETFCAP

struct sandbox_limits {   // 0: davit's default for that limit
    uint64_t memory;      // bytes; by cgroup only
    uint32_t processes;   // default 4096; cgroup or RLIMIT_NPROC
    uint32_t open_files;  // default 1024 soft, the hard limit as it is
    uint32_t cpu_percent; // of one CPU; by cgroup only
};

// What the init of a detached child does for it when nobody is there to read its output.
struct sandbox_record {
    int directory;    // where the files below are written (a descriptor; not owned)
    const char *log;  // file name: output is appended; at log_max it becomes LOG.1
    uint64_t log_max; // bytes
    const char
        *exit; // file name of the exit record: "exit CODE\n" or "signal NUMBER\n", written whole
    // An open file (not owned) on which init holds a POSIX lock (fcntl(2)) as long as it lives, so
    // that sandbox_find() finds it again.
    int lock;
};

struct sandbox_spec {
    const char
        *name; // for errors, the hostname and the cgroup: a component as of path_component_ok()
    enum sandbox_isolation isolation;
    enum sandbox_network network;

    enum sandbox_root root;
    const struct strv *layers; // host directories, top first, ids as on disk (SANDBOX_ID_BASE…)
    const char *writable; // as of an overlay mount: the root can be written, and `upper` has it;
                          // NULL: read-only

    const struct sandbox_mount *mounts;
    size_t mount_count;

    // What runs. `exec_fd` (not owned, -1 or 0 for none) is executed when given, else argv[0] is
    // looked up in PATH of `environment` inside the sandbox.
    int exec_fd;
    char *const *argv;        // NULL-terminated
    char *const *environment; // NULL-terminated; NULL is empty
    const char *directory;    // working directory inside, made when missing; NULL is "/"
    uint32_t uid, gid;        // inside
    sandbox_caps caps;

    int stdin_fd; // 0: /dev/null. Otherwise a descriptor of the caller's, as the next two
    int stdout_fd, stderr_fd; // 0: /dev/null
    int socket_fd;            // 0: none; else it becomes descriptor 3 (ROLE_SOCKET_FD)
    const int *extra_fds;     // become 4, 5, … (davit's own children only)
    size_t extra_fd_count;

    struct sandbox_limits limits;
    const char *cgroup; // group below davit's own, "RUN/STAGE"; NULL: none

    // false: the whole sandbox dies with the thread that spawned it. true: it lives on, in a
    // session of its own.
    bool detached;
    const struct sandbox_record *record; // detached children of SANDBOX_FULL only; may be NULL
};
