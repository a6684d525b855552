#include "sandbox/apply.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/fd.h"
#include "os/file.h"

#define STAGING                                                                                    \
    "/tmp" // covered in our own mount namespace only; the new root is put together there

struct work {
    const struct sandbox_plan *plan;
    int scratch; // a tmpfs on STAGING: "root", and what overlays are made of
    int root;    // scratch/root, once something is mounted there
    int serial;  // for names in scratch
    bool own;    // all that was attached to root so far is of the skeleton
};

static int attach(int mount_fd, int where, struct error *err)
{
    if (syscall(SYS_move_mount, mount_fd, "", where, "",
            MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
        return error_errno(err, "attaching a mount");
    return 0;
}

// A mount of a filesystem type with up to two options; a detached mount, or -1.
static int make_mount(
    const char *type, const char *const options[][2], uint64_t attributes, struct error *err)
{
    AUTO_FD int fs = (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);
    if (fs < 0)
        return error_errno(err, "fsopen %s", type);
    for (; (*options)[0]; options++)
        if (syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, (*options)[0], (*options)[1], 0) < 0)
            return error_errno(err, "%s: option %s", type, (*options)[0]);
    if (syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return error_errno(err, "%s", type);
    int mount_fd = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, attributes);
    return mount_fd < 0 ? error_errno(err, "fsmount %s", type) : mount_fd;
}

static int make_tmpfs(uint32_t mode, uint64_t size, struct error *err)
{
    char mode_text[16], size_text[32];
    snprintf(mode_text, sizeof mode_text, "%o", mode);
    snprintf(size_text, sizeof size_text, "%llu", (unsigned long long)size);
    const char *const options[][2] = {
        {"mode", mode_text}, {size ? "size" : NULL, size_text}, {NULL, NULL}};
    return make_mount("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, err);
}

static int open_path(int root, const char *path)
{
    struct open_how how = {
        .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    return (int)syscall(SYS_openat2, root, path, &how, sizeof how);
}

// Makes the last component of path in its (existing) parent inside root; what exists is left as it
// is.
static int make_entry(int root, const char *path, bool is_file, uint32_t mode, struct error *err)
{
    const char *base = path_base(path);
    AUTO_FREE char *parent = mem_strndup(path, (size_t)(base - path));
    AUTO_FD int dir = open_path(root, *parent ? parent : "/");
    if (dir < 0)
        return error_errno(err, "%s", path);
    int status = is_file ? mknodat(dir, base, S_IFREG | 0644, 0) : mkdirat(dir, base, mode);
    return status < 0 && errno != EEXIST ? error_errno(err, "%s", path) : 0;
}

// Opens a mount point, making it and its parents where they are missing.
static int open_target(int root, const char *path, bool is_file, uint32_t mode, struct error *err)
{
    int fd = open_path(root, path);
    if (fd >= 0 || errno != ENOENT)
        return fd >= 0 ? fd : error_errno(err, "%s", path);
    AUTO_FREE char *partial = mem_strdup(path);
    for (char *p = partial + 1; *p; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        if (make_entry(root, partial, false, 0755, err) < 0)
            return -1;
        *p = '/';
    }
    if (make_entry(root, path, is_file, mode, err) < 0)
        return -1;
    fd = open_path(root, path);
    return fd >= 0 ? fd : error_errno(err, "%s", path);
}

// In a skeleton every path is ours until a mount of the spec is attached: no symbolic link of
// somebody else's can be on the way, and the kernel's own path walk does. False: the slow way.
static bool attach_fast(const struct work *w, int mount_fd, const char *target, bool is_file)
{
    const char *path = target + 1;
    if (!w->own)
        return false;
    int made = is_file ? mknodat(w->root, path, S_IFREG | 0644, 0) : mkdirat(w->root, path, 0755);
    if (made < 0 && errno != EEXIST)
        return false; // a parent is missing
    return syscall(SYS_move_mount, mount_fd, "", w->root, path, MOVE_MOUNT_F_EMPTY_PATH) == 0;
}

static int attach_at(
    const struct work *w, int mount_fd, const char *target, bool is_file, struct error *err)
{
    if (attach_fast(w, mount_fd, target, is_file))
        return 0;
    AUTO_FD int where = open_target(w->root, target, is_file, 0755, err);
    return where < 0 ? -1 : attach(mount_fd, where, err);
}

// A directory in scratch under a fresh name, with something mounted on it.
static int attach_in_scratch(struct work *w, int mount_fd, char name[static 16], struct error *err)
{
    snprintf(name, 16, "%d", w->serial++);
    if (mkdirat(w->scratch, name, 0755) < 0)
        return error_errno(err, "%s", name);
    AUTO_FD int where = openat(w->scratch, name, O_PATH | O_CLOEXEC);
    return attach(mount_fd, where, err);
}

// The lowest layer of an image's root: a mount point for everything that the plan puts there, so
// that none has to be made in the image's own layers, which may be read-only and whose `upper`
// becomes a layer of somebody's image.
static int make_mount_points(struct work *w, char name[static 16], struct error *err)
{
    snprintf(name, 16, "%d", w->serial++);
    if (mkdirat(w->scratch, name, 0755) < 0)
        return error_errno(err, "%s", name);
    AUTO_FD int dir = openat(w->scratch, name, O_PATH | O_CLOEXEC);
    vec_each (op, &w->plan->ops) {
        if (op->target[0] != '/' || op->target[1] == '\0' || op->kind == SANDBOX_OP_HIDE ||
            op->kind == SANDBOX_OP_FREEZE || op->kind == SANDBOX_OP_LINK ||
            (text_starts(op->target, "/dev/")))
            continue;
        bool is_file = op->kind == SANDBOX_OP_FILE || op->is_file;
        AUTO_FD int made = open_target(dir, op->target, is_file, 0755, err);
        if (made < 0)
            return -1;
    }
    return 0;
}

static int mount_overlay(struct work *w, const struct sandbox_op *op, struct error *err)
{
    bool is_root = strcmp(op->target, "/") == 0;
    AUTO(str) struct str options;
    str_init(&options, 4000);
    str_puts(&options, "userxattr,lowerdir=");
    char name[16], writable[16];
    vec_each (lower, &op->lowers) {
        if (attach_in_scratch(w, lower->mount_fd, name, err) < 0)
            return -1;
        str_printf(&options, "%s:", name);
    }
    if (is_root && make_mount_points(w, name, err) < 0)
        return -1;
    if (!is_root) { // a single lower without an upper is refused by the kernel: an empty one below
                    // changes nothing
        snprintf(name, sizeof name, "%d", w->serial++);
        if (mkdirat(w->scratch, name, 0755) < 0)
            return error_errno(err, "%s", name);
    }
    str_puts(&options, name);
    if (op->writable) {
        if (attach_in_scratch(w, op->writable_fd, writable, err) < 0)
            return -1;
        str_printf(&options, ",upperdir=%s/upper,workdir=%s/work", writable, writable);
    }
    if (str_check(&options, "the list of layers", err) < 0)
        return -1;
    AUTO_FREE char *merged = mem_printf("m%d", w->serial++);
    if (mkdirat(w->scratch, merged, 0755) < 0 || fchdir(w->scratch) < 0 ||
        mount("overlay", merged, "overlay", MS_NOSUID | MS_NODEV | (op->writable ? 0 : MS_RDONLY),
            options.data) < 0)
        return error_errno(err, "overlay of %zu layers", op->lowers.length);
    AUTO_FD int mounted = (int)syscall(
        SYS_open_tree, w->scratch, merged, (unsigned)OPEN_TREE_CLONE | (unsigned)OPEN_TREE_CLOEXEC);
    if (mounted < 0)
        return error_errno(err, "overlay");
    if (!is_root)
        return attach_at(w, mounted, op->target, false, err);
    AUTO_FD int where = openat(w->scratch, "root", O_PATH | O_CLOEXEC);
    if (attach(mounted, where, err) < 0)
        return -1;
    w->root = openat(w->scratch, "root", O_PATH | O_CLOEXEC);
    return w->root < 0 ? error_errno(err, "root") : 0;
}

static int make_root(struct work *w, struct error *err)
{
    AUTO_FD int tmpfs = make_tmpfs(0755, 0, err);
    AUTO_FD int where = openat(w->scratch, "root", O_PATH | O_CLOEXEC);
    if (tmpfs < 0 || attach(tmpfs, where, err) < 0)
        return -1;
    w->root = openat(w->scratch, "root", O_PATH | O_CLOEXEC);
    return w->root < 0 ? error_errno(err, "root") : 0;
}

static int make_link(const struct work *w, const struct sandbox_op *op, struct error *err)
{
    const char *base = path_base(op->target);
    AUTO_FREE char *parent = mem_strndup(op->target, (size_t)(base - op->target));
    AUTO_FD int dir = open_path(w->root, parent);
    if (dir < 0 || symlinkat(op->source, dir, base) < 0)
        return error_errno(err, "%s", op->target);
    return 0;
}

// A file of ours: written into scratch and mounted over the target, so that an image's own layers
// stay as they are.
static int make_file(struct work *w, const struct sandbox_op *op, struct error *err)
{
    AUTO_FREE char *name = mem_printf("f%d", w->serial++);
    AUTO_FD int fd = openat(w->scratch, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, op->mode);
    if (fd < 0 || fd_write_all(fd, op->source, strlen(op->source), err) < 0)
        return error_errno(err, "%s", op->target);
    AUTO_FD int tree = (int)syscall(
        SYS_open_tree, w->scratch, name, (unsigned)OPEN_TREE_CLONE | (unsigned)OPEN_TREE_CLOEXEC);
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
    if (tree < 0 || syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0)
        return error_errno(err, "%s", op->target);
    return attach_at(w, tree, op->target, true, err);
}

static int hide(const struct work *w, const struct sandbox_op *op, struct error *err)
{
    AUTO_FD int where = open_path(w->root, op->target);
    struct stat st;
    if (where < 0 && errno == ENOENT)
        return 0;
    if (where < 0 || fstat(where, &st) < 0)
        return error_errno(err, "%s", op->target);
    AUTO_FD int cover = -1;
    if (S_ISDIR(st.st_mode)) {
        const char *const options[][2] = {{"size", "4096"}, {NULL, NULL}};
        const uint64_t restrict_all = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
        cover = make_mount("tmpfs", options, MOUNT_ATTR_RDONLY | restrict_all, err);
    } else {
        AUTO_FD int null = open_path(w->root, "/dev/null");
        cover = (int)syscall(SYS_open_tree, null, "",
            (unsigned)OPEN_TREE_CLONE | (unsigned)OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
        if (cover < 0)
            error_errno(err, "%s", op->target);
    }
    return cover < 0 ? -1 : attach(cover, where, err);
}

static int freeze(const struct work *w, const struct sandbox_op *op, struct error *err)
{
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
    AUTO_FD int where = open_path(w->root, op->target);
    if (where < 0 && errno == ENOENT)
        return 0;
    if (where < 0)
        return error_errno(err, "%s", op->target);
    if (op->is_mount) {
        if (syscall(SYS_mount_setattr, where, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0)
            return error_errno(err, "%s: making it read-only", op->target);
        return 0;
    }
    AUTO_FD int self = (int)syscall(SYS_open_tree, where, "",
        (unsigned)OPEN_TREE_CLONE | (unsigned)OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE);
    if (self < 0 ||
        syscall(SYS_mount_setattr, self, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) < 0)
        return error_errno(err, "%s: making it read-only", op->target);
    return attach(self, where, err);
}

static int enter(const struct work *w, struct error *err)
{
    if (fchdir(w->root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
        umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
        return error_errno(err, "entering the new root");
    return 0;
}

static int loopback_up(struct error *err)
{
    AUTO_FD int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
        return error_errno(err, "bringing lo up");
    return 0;
}

// For operations that attach a fresh mount at their target.
static int attach_new(
    const struct work *w, const struct sandbox_op *op, int mount_fd, struct error *err)
{
    AUTO_FD int fd = mount_fd;
    return fd < 0 ? -1 : attach_at(w, fd, op->target, false, err);
}

static int apply(struct work *w, const struct sandbox_op *op, struct error *err)
{
    static const char *const no_options[][2] = {{NULL, NULL}};
    static const char *const pts_options[][2] = {
        {"mode", "620"}, {"ptmxmode", "666"}, {NULL, NULL}};
    const uint64_t restrict_all = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
    switch (op->kind) {
    case SANDBOX_OP_ROOT:
        return make_root(w, err);
    case SANDBOX_OP_DIR: {
        AUTO_FD int fd = open_target(w->root, op->target, false, op->mode, err);
        return fd < 0 ? -1 : 0;
    }
    case SANDBOX_OP_LINK:
        return make_link(w, op, err);
    case SANDBOX_OP_FILE:
        return make_file(w, op, err);
    case SANDBOX_OP_BIND:
        return attach_at(w, op->mount_fd, op->target, op->is_file, err);
    case SANDBOX_OP_TMPFS:
        return attach_new(w, op, make_tmpfs(op->mode, op->size, err), err);
    case SANDBOX_OP_OVERLAY:
        return mount_overlay(w, op, err);
    case SANDBOX_OP_PROC:
        return attach_new(w, op, make_mount("proc", no_options, restrict_all, err), err);
    case SANDBOX_OP_PTS:
        return attach_new(w, op,
            make_mount("devpts", pts_options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, err), err);
    case SANDBOX_OP_HIDE:
        return hide(w, op, err);
    case SANDBOX_OP_FREEZE:
        return freeze(w, op, err);
    case SANDBOX_OP_ENTER:
        return enter(w, err);
    case SANDBOX_OP_LOOPBACK:
        return loopback_up(err);
    }
    return error_set(err, ERR_INTERNAL, "no such operation");
}

int sandbox_apply(const struct sandbox_plan *plan, struct error *err)
{
    struct work w = {.plan = plan, .scratch = -1, .root = -1};
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return error_errno(err, "leaving the host's mount propagation");
    AUTO_FD int tmpfs = make_tmpfs(0755, 0, err);
    AUTO_FD int staging = open(STAGING, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (tmpfs < 0 || attach(tmpfs, staging, err) < 0)
        return error_wrap(err, "%s", STAGING);
    w.scratch = open(STAGING, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (w.scratch < 0 || mkdirat(w.scratch, "root", 0755) < 0)
        return error_errno(err, "%s", STAGING);
    int status = 0;
    vec_each (op, &plan->ops) {
        w.own = op->own;
        status = apply(&w, op, err);
        if (status < 0) {
            error_wrap(err, "mounting %s", op->target);
            break;
        }
    }
    fd_close(w.scratch);
    fd_close(w.root);
    return status;
}
