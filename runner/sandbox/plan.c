#include "sandbox/plan.h"

#include <linux/capability.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "os/file.h"
#include "sandbox/skeleton.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

const sandbox_caps sandbox_caps_run = SANDBOX_CAP(CAP_CHOWN) | SANDBOX_CAP(CAP_DAC_OVERRIDE) |
                                      SANDBOX_CAP(CAP_FOWNER) | SANDBOX_CAP(CAP_FSETID) |
                                      SANDBOX_CAP(CAP_KILL) | SANDBOX_CAP(CAP_NET_BIND_SERVICE) |
                                      SANDBOX_CAP(CAP_SETFCAP) | SANDBOX_CAP(CAP_SETGID) |
                                      SANDBOX_CAP(CAP_SETPCAP) | SANDBOX_CAP(CAP_SETUID);
const sandbox_caps sandbox_caps_image = SANDBOX_CAP(CAP_CHOWN) | SANDBOX_CAP(CAP_DAC_OVERRIDE) |
                                        SANDBOX_CAP(CAP_FOWNER) | SANDBOX_CAP(CAP_FSETID) |
                                        SANDBOX_CAP(CAP_SETFCAP);

// Files of /etc that every root gets from us: one user, no name service but the local files and
// DNS.
static const struct {
    const char *path, *content;
} own_etc[] = {
    {"/etc/passwd",
        "root:x:0:0:root:/home/davit:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"},
    {"/etc/group", "root:x:0:\nnogroup:x:65534:\n"},
    {"/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"},
};

static struct sandbox_op *add(
    struct sandbox_plan *plan, enum sandbox_op_kind kind, const char *target)
{
    struct sandbox_op *op = vec_add(&plan->ops);
    op->kind = kind;
    op->target = mem_strdup(target);
    op->mount_fd = op->writable_fd = -1;
    return op;
}

static void add_dir(struct sandbox_plan *plan, const char *target, uint32_t mode)
{
    add(plan, SANDBOX_OP_DIR, target)->mode = mode;
}

static void add_file(struct sandbox_plan *plan, const char *target, const char *content)
{
    struct sandbox_op *op = add(plan, SANDBOX_OP_FILE, target);
    op->source = mem_strdup(content);
    op->mode = 0644;
}

static void add_tmpfs(struct sandbox_plan *plan, const char *target, uint32_t mode, uint64_t size)
{
    struct sandbox_op *op = add(plan, SANDBOX_OP_TMPFS, target);
    op->mode = mode;
    op->size = size;
}

static struct sandbox_op *add_bind(
    struct sandbox_plan *plan, const char *target, const char *source, bool read_only)
{
    struct sandbox_op *op = add(plan, SANDBOX_OP_BIND, target);
    op->source = mem_strdup(source);
    op->read_only = read_only;
    return op;
}

static void add_overlay(struct sandbox_plan *plan, const char *target, const struct strv *lowers,
    size_t foreign_from, const char *writable)
{
    struct sandbox_op *op = add(plan, SANDBOX_OP_OVERLAY, target);
    for (size_t i = 0; i < lowers->length; i++)
        vec_push(&op->lowers, ((struct sandbox_lower){
                                  .path = mem_strdup(lowers->items[i]),
                                  .foreign = i >= foreign_from,
                                  .mount_fd = -1,
                              }));
    op->writable = mem_strdup_opt(writable);
    op->read_only = !writable;
}

static void plan_skeleton(struct sandbox_plan *plan, const struct sandbox_host *host)
{
    add(plan, SANDBOX_OP_ROOT, "/");
    strv_each (item, &host->links) {
        const char *equals = strchr(*item, '=');
        AUTO_FREE char *name = mem_strndup(*item, (size_t)(equals - *item));
        AUTO_FREE char *target = path_join("/", name);
        add(plan, SANDBOX_OP_LINK, target)->source = mem_strdup(equals + 1);
    }
    strv_each (item, &host->shown)
        add_bind(plan, *item, *item, true);
    for (size_t i = 0; i < ARRAY_LEN(own_etc); i++)
        add_file(plan, own_etc[i].path, own_etc[i].content);
    add_tmpfs(plan, "/tmp", 01777, 0);
}

static void plan_devices(struct sandbox_plan *plan)
{
    add_tmpfs(plan, "/dev", 0755, 1 << 20);
    for (const char *const *name = skeleton_devices; *name; name++) {
        AUTO_FREE char *path = path_join("/dev", *name);
        add_bind(plan, path, path, false)->devices = true;
    }
    static const char *const links[][2] = {
        {"/dev/fd", "/proc/self/fd"},
        {"/dev/stdin", "/proc/self/fd/0"},
        {"/dev/stdout", "/proc/self/fd/1"},
        {"/dev/stderr", "/proc/self/fd/2"},
        {"/dev/ptmx", "pts/ptmx"},
    };
    for (size_t i = 0; i < ARRAY_LEN(links); i++)
        add(plan, SANDBOX_OP_LINK, links[i][0])->source = mem_strdup(links[i][1]);
    add(plan, SANDBOX_OP_PTS, "/dev/pts");
    add_tmpfs(plan, "/dev/shm", 01777, 0);
}

static void plan_network(struct sandbox_plan *plan, const struct sandbox_spec *spec)
{
    AUTO_FREE char *hosts =
        mem_printf("127.0.0.1 localhost %s\n::1 localhost ip6-localhost\n", spec->name);
    AUTO_FREE char *hostname = mem_printf("%s\n", spec->name);
    add_file(plan, "/etc/hostname", hostname);
    if (spec->network == SANDBOX_NETWORK_HOST) {
        add_bind(plan, "/etc/hosts", "/etc/hosts", true);
        add_bind(plan, "/etc/resolv.conf", "/etc/resolv.conf", true);
        return;
    }
    add_file(plan, "/etc/hosts", hosts);
    if (spec->network == SANDBOX_NETWORK_EGRESS)
        add_file(plan, "/etc/resolv.conf", "nameserver 10.0.2.3\n"); // the helper's, see network.c
    add(plan, SANDBOX_OP_LOOPBACK, "lo");
}

static void plan_mount(struct sandbox_plan *plan, const struct sandbox_mount *mount)
{
    switch (mount->kind) {
    case SANDBOX_BIND:
    case SANDBOX_BIND_READ:
        add_bind(plan, mount->target, mount->source, mount->kind == SANDBOX_BIND_READ)->foreign =
            mount->foreign;
        break;
    case SANDBOX_TMPFS:
        add_tmpfs(plan, mount->target, mount->mode ? mount->mode : 0755, mount->size);
        break;
    case SANDBOX_OVERLAY:
        add_overlay(plan, mount->target, mount->lowers, mount->foreign_lowers, mount->writable);
        break;
    }
}

static const char *find_path(char *const *environment)
{
    for (char *const *item = environment; item && *item; item++)
        if (text_starts(*item, "PATH="))
            return *item + strlen("PATH=");
    return DEFAULT_PATH;
}

static void plan_command(struct sandbox_plan *plan, const struct sandbox_spec *spec)
{
    if (spec->exec_fd > 0)
        return;
    if (strchr(spec->argv[0], '/')) {
        strv_push(&plan->executables, spec->argv[0]);
        return;
    }
    AUTO_FREE char *path = mem_strdup(find_path(spec->environment));
    char *rest = path;
    for (char *dir; (dir = strsep(&rest, ":"));)
        if (*dir)
            strv_push_take(&plan->executables, path_join(dir, spec->argv[0]));
}

static void plan_root(
    struct sandbox_plan *plan, const struct sandbox_spec *spec, const struct sandbox_host *host)
{
    bool layers = spec->root == SANDBOX_ROOT_LAYERS;
    if (layers)
        add_overlay(plan, "/", spec->layers, spec->layers->length, spec->writable);
    else
        plan_skeleton(plan, host);
    plan_devices(plan);
    add(plan, SANDBOX_OP_PROC, "/proc");
    plan_network(plan, spec);
    vec_each (op, &plan->ops)
        op->own = !layers;
    for (size_t i = 0; i < spec->mount_count; i++)
        plan_mount(plan, &spec->mounts[i]);
    if (spec->directory)
        add_dir(plan, spec->directory, 0755);
    // Last: a root that is read-only from the start could take no mount points. (An overlay without
    // `writable` is so by itself; its mount points are in a lower layer of ours.)
    for (const char *const *path = hidden_paths; *path; path++)
        add(plan, SANDBOX_OP_HIDE, *path);
    for (const char *const *path = frozen_paths; *path; path++)
        add(plan, SANDBOX_OP_FREEZE, *path);
    add(plan, SANDBOX_OP_FREEZE, "/dev")->is_mount = true;
    if (!layers)
        add(plan, SANDBOX_OP_FREEZE, "/")->is_mount = true;
    add(plan, SANDBOX_OP_ENTER, "/");
}

void sandbox_plan_make(
    const struct sandbox_spec *spec, const struct sandbox_host *host, struct sandbox_plan *ret)
{
    *ret = (struct sandbox_plan){
        .spec = spec, .privileged = host->privileged, .uid = host->uid, .gid = host->gid};
    plan_command(ret, spec);
    if (spec->isolation == SANDBOX_NONE)
        return;
    ret->namespaces =
        CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
    if (spec->network != SANDBOX_NETWORK_HOST)
        ret->namespaces |= CLONE_NEWNET;
    plan_root(ret, spec, host);
}

void sandbox_plan_done(struct sandbox_plan *plan)
{
    vec_each (op, &plan->ops) {
        vec_each (lower, &op->lowers)
            free(lower->path);
        vec_free(&op->lowers);
        free(op->target);
        free(op->source);
        free(op->writable);
    }
    vec_free(&plan->ops);
    strv_done(&plan->executables);
    *plan = (struct sandbox_plan){0};
}
