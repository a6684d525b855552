#include "sandbox/prepare.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/fd.h"

struct look {
    bool read_only, devices, foreign, privileged;
};

// What cannot be mapped: a filesystem without the feature, or one that is itself under another user
// namespace.
static int map_ids(int mount_fd, const char *path, struct error *err)
{
    struct stat st;
    if (fstat(mount_fd, &st) < 0)
        return error_errno(err, "%s", path);
    if (st.st_uid >= SANDBOX_ID_BASE && st.st_uid < SANDBOX_ID_BASE + SANDBOX_ID_COUNT)
        return 0; // davit's own already
    int user_ns = sandbox_idmap(st.st_uid, st.st_gid, err);
    if (user_ns < 0)
        return -1;
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (unsigned)user_ns};
    if (syscall(SYS_mount_setattr, mount_fd, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0)
        return error_errno(
            err, "%s: mapping its owner's ids (its filesystem must support idmapped mounts)", path);
    return 0;
}

static int detach(const char *path, struct look look, struct error *err)
{
    unsigned recursive = look.foreign && look.privileged ? 0 : AT_RECURSIVE;
    AUTO_FD int fd = (int)syscall(SYS_open_tree, AT_FDCWD, path,
        (unsigned)OPEN_TREE_CLONE | (unsigned)OPEN_TREE_CLOEXEC | recursive);
    if (fd < 0)
        return error_errno(err, "%s", path);
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_NOSUID};
    if (look.read_only)
        attr.attr_set |= MOUNT_ATTR_RDONLY;
    if (!look.devices)
        attr.attr_set |= MOUNT_ATTR_NODEV;
    if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | recursive, &attr, sizeof attr) < 0)
        return error_errno(err, "%s: restricting its mount", path);
    if (look.foreign && look.privileged && map_ids(fd, path, err) < 0)
        return -1;
    return take_fd(fd);
}

static int prepare_bind(struct sandbox_op *op, bool privileged, struct error *err)
{
    op->mount_fd = detach(op->source,
        (struct look){.read_only = op->read_only,
            .devices = op->devices,
            .foreign = op->foreign,
            .privileged = privileged},
        err);
    struct stat st;
    if (op->mount_fd < 0)
        return -1;
    if (fstat(op->mount_fd, &st) < 0)
        return error_errno(err, "%s", op->source);
    op->is_file = !S_ISDIR(st.st_mode);
    return 0;
}

static int prepare_overlay(struct sandbox_op *op, bool privileged, struct error *err)
{
    vec_each (lower, &op->lowers) {
        struct look look = {.read_only = true, .foreign = lower->foreign, .privileged = privileged};
        lower->mount_fd = detach(lower->path, look, err);
        if (lower->mount_fd < 0)
            return -1;
    }
    if (!op->writable)
        return 0;
    op->writable_fd = detach(op->writable, (struct look){.privileged = privileged}, err);
    return op->writable_fd < 0 ? -1 : 0;
}

int sandbox_prepare(struct sandbox_plan *plan, struct error *err)
{
    vec_each (op, &plan->ops) {
        if (op->kind == SANDBOX_OP_BIND && prepare_bind(op, plan->privileged, err) < 0)
            return -1;
        if (op->kind == SANDBOX_OP_OVERLAY && prepare_overlay(op, plan->privileged, err) < 0)
            return -1;
    }
    return 0;
}

void sandbox_prepare_done(struct sandbox_plan *plan)
{
    vec_each (op, &plan->ops) {
        fd_reset(&op->mount_fd);
        fd_reset(&op->writable_fd);
        vec_each (lower, &op->lowers)
            fd_reset(&lower->mount_fd);
    }
}
