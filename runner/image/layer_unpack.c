#include "image/layer_unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "os/fd.h"
#include "os/file.h"

int unpacker_init(struct unpacker *u, int store_dir, const char *directory,
    const struct strv *below, struct error *err)
{
    *u = (struct unpacker){.store_dir = store_dir, .below = below, .parent_fd = -1};
    u->root = dir_open(store_dir, directory, err);
    return u->root < 0 ? -1 : 0;
}

void unpacker_done(struct unpacker *u)
{
    if (u->parent)
        fd_close(u->parent_fd);
    free(u->parent);
    vec_each (d, &u->directories)
        free(d->path);
    vec_free(&u->directories);
    if (u->root > 0)
        fd_close(u->root);
    *u = (struct unpacker){.root = -1};
}

// In a user namespace of a single id the others do not exist (EINVAL): files are then our own.
static int own(int dir, const char *name, const struct layer_entry *e, struct error *err)
{
    int flags = AT_SYMLINK_NOFOLLOW | (*name ? 0 : AT_EMPTY_PATH);
    if (fchownat(dir, name, e->uid, e->gid, flags) == 0)
        return 0;
    return errno == EINVAL ? 0 : error_errno(err, "%s: owner", e->path);
}

static bool is_whiteout(const struct stat *st)
{
    return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
}

static int make_opaque(int dir, const char *name, struct error *err)
{
    AUTO_FD int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fsetxattr(fd, "user.overlay.opaque", "y", 1, 0) < 0)
        return error_errno(err, "%s: opaque", name);
    return 0;
}

// A parent that the archive does not list looks as it does in the layers below.
static void inherit(struct unpacker *u, const char *path, struct layer_entry *ret)
{
    *ret = (struct layer_entry){.path = path, .mode = 0755};
    if (!u->below)
        return;
    strv_each (layer, u->below) {
        AUTO_FD int dir = dir_open(u->store_dir, *layer, NULL);
        if (dir < 0)
            continue;
        AUTO_FD int fd = file_open_in_root(dir, path, O_PATH | O_NOFOLLOW, 0, NULL);
        struct stat st;
        if (fd < 0 || fstat(fd, &st) < 0)
            continue;
        if (S_ISDIR(st.st_mode)) {
            ret->mode = st.st_mode & 07777;
            ret->uid = st.st_uid;
            ret->gid = st.st_gid;
        }
        return;
    }
}

static int open_parent(struct unpacker *u, const char *path, struct error *err);

static int make_parent(struct unpacker *u, const char *path, struct error *err)
{
    struct layer_entry attributes;
    const char *base = path_base(path);
    AUTO_FREE char *above = mem_strndup(path, (size_t)(base - path));
    AUTO_FD int dir = open_parent(u, above, err);
    if (dir < 0)
        return -1;
    inherit(u, path, &attributes);
    struct stat st;
    bool hidden = fstatat(dir, base, &st, AT_SYMLINK_NOFOLLOW) == 0 && is_whiteout(&st);
    if (hidden && unlinkat(dir, base, 0) < 0)
        return error_errno(err, "%s", path);
    if (mkdirat(dir, base, 0755) < 0)
        return error_errno(err, "%s", path);
    if (hidden && make_opaque(dir, base, err) < 0)
        return -1;
    if (own(dir, base, &attributes, err) < 0)
        return -1;
    if (fchmodat(dir, base, attributes.mode, 0) < 0)
        return error_errno(err, "%s", path);
    *vec_add(&u->directories) = (struct unpacked_directory){.path = mem_strdup(path)};
    return 0;
}

// A descriptor of the directory `path` ("" is the root, a trailing slash is fine), made when it is
// missing.
static int open_parent(struct unpacker *u, const char *path, struct error *err)
{
    size_t length = strlen(path);
    while (length && path[length - 1] == '/')
        length--;
    AUTO_FREE char *clean = length ? mem_strndup(path, length) : mem_strdup(".");
    struct error why = {0};
    int fd = file_open_in_root(u->root, clean, O_PATH | O_DIRECTORY, 0, &why);
    if (fd >= 0)
        return fd;
    // ENOTDIR: a whiteout may stand there, of what was a directory below.
    if (why.os_errno != ENOENT && why.os_errno != ENOTDIR) {
        if (err)
            *err = why;
        return -1;
    }
    if (make_parent(u, clean, err) < 0)
        return -1;
    return file_open_in_root(u->root, clean, O_PATH | O_DIRECTORY, 0, err);
}

// The same, kept from entry to entry: most follow a sibling. The descriptor stays the unpacker's.
static int parent_of(struct unpacker *u, const char *path, const char **ret_base, struct error *err)
{
    *ret_base = path_base(path);
    AUTO_FREE char *parent = mem_strndup(path, (size_t)(*ret_base - path));
    if (u->parent && strcmp(u->parent, parent) == 0)
        return u->parent_fd;
    int fd = open_parent(u, parent, err);
    if (fd < 0)
        return -1;
    if (u->parent)
        fd_close(u->parent_fd);
    free(u->parent);
    u->parent = take_ptr(parent);
    u->parent_fd = fd;
    return fd;
}

static void forget_parent(struct unpacker *u)
{
    if (u->parent)
        fd_close(u->parent_fd);
    mem_replace(&u->parent, NULL);
    u->parent_fd = -1;
}

// Removes what stands at the entry's place. *ret_hidden: a whiteout was there, so that what comes
// must hide what the layers below have.
static int clear_place(struct unpacker *u, int dir, const char *base, bool keep_directory,
    bool *ret_hidden, bool *ret_kept, struct error *err)
{
    struct stat st;
    *ret_hidden = *ret_kept = false;
    if (fstatat(dir, base, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : error_errno(err, "%s", base);
    if (S_ISDIR(st.st_mode) && keep_directory) {
        *ret_kept = true;
        return 0;
    }
    *ret_hidden = is_whiteout(&st);
    if (!S_ISDIR(st.st_mode))
        return unlinkat(dir, base, 0) < 0 ? error_errno(err, "%s", base) : 0;
    AUTO_FD int held = fcntl(dir, F_DUPFD_CLOEXEC, 0);
    forget_parent(u);
    return dir_remove_tree(held, base, err);
}

static int set_times(int dir, const char *name, int64_t mtime, struct error *err)
{
    struct timespec times[2] = {{.tv_sec = mtime}, {.tv_sec = mtime}};
    if (utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW) < 0)
        return error_errno(err, "%s: times", name);
    return 0;
}

static int add_whiteout(int dir, const char *base, int64_t mtime, struct error *err)
{
    struct stat st;
    if (fstatat(dir, base, &st, AT_SYMLINK_NOFOLLOW) == 0) // it hides lower layers only
        return S_ISDIR(st.st_mode) ? make_opaque(dir, base, err) : 0;
    if (mknodat(dir, base, S_IFCHR, makedev(0, 0)) < 0)
        return error_errno(err, "whiteout %s", base);
    return set_times(dir, base, mtime, err);
}

static int add_opaque(struct unpacker *u, const char *path, struct error *err)
{
    AUTO_FD int dir = open_parent(u, path, err);
    return dir < 0 ? -1 : make_opaque(dir, ".", err);
}

static int add_directory(
    struct unpacker *u, const struct layer_entry *e, int64_t mtime, struct error *err)
{
    bool hidden, kept;
    const char *base = ".";
    int dir = u->root;
    if (*e->path) {
        dir = parent_of(u, e->path, &base, err);
        if (dir < 0 || clear_place(u, dir, base, true, &hidden, &kept, err) < 0)
            return -1;
        if (!kept && mkdirat(dir, base, 0700) < 0)
            return error_errno(err, "%s", e->path);
        if (hidden && make_opaque(dir, base, err) < 0)
            return -1;
    }
    *vec_add(&u->directories) =
        (struct unpacked_directory){.path = mem_strdup(e->path), .mtime = mtime};
    if (own(dir, base, e, err) < 0)
        return -1;
    return fchmodat(dir, base, e->mode, 0) < 0 ? error_errno(err, "%s", e->path) : 0;
}

static int add_hard_link(
    struct unpacker *u, int dir, const char *base, const struct layer_entry *e, struct error *err)
{
    const char *target_base = path_base(e->target);
    AUTO_FREE char *above = mem_strndup(e->target, (size_t)(target_base - e->target));
    AUTO_FREE char *where = *above ? mem_strdup(above) : mem_strdup(".");
    AUTO_FD int from = file_open_in_root(u->root, where, O_PATH | O_DIRECTORY, 0, err);
    if (from < 0)
        return error_wrap(err, "%s: a hard link", e->path);
    if (linkat(from, target_base, dir, base, 0) < 0)
        return error_errno(err, "%s: a hard link to %s", e->path, e->target);
    return 0;
}

// Everything that is neither a directory nor a whiteout.
static int add_leaf(
    struct unpacker *u, const struct layer_entry *e, int64_t mtime, int *ret_fd, struct error *err)
{
    bool hidden, kept;
    const char *base;
    int dir = parent_of(u, e->path, &base, err);
    if (dir < 0 || clear_place(u, dir, base, false, &hidden, &kept, err) < 0)
        return -1;
    dir = parent_of(u, e->path, &base, err);
    if (dir < 0)
        return -1;
    if (e->item == LAYER_HARD_LINK)
        return add_hard_link(u, dir, base, e, err);
    if (e->type == NODE_FILE) {
        *ret_fd = openat(dir, base, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        return *ret_fd < 0 ? error_errno(err, "%s", e->path) : 0;
    }
    int status = e->type == NODE_LINK ? symlinkat(e->target, dir, base) : mkfifoat(dir, base, 0600);
    if (status < 0)
        return error_errno(err, "%s", e->path);
    if (own(dir, base, e, err) < 0)
        return -1;
    if (e->type == NODE_FIFO && fchmodat(dir, base, e->mode, 0) < 0)
        return error_errno(err, "%s", e->path);
    return set_times(dir, base, mtime, err);
}

int unpacker_add(
    struct unpacker *u, const struct layer_entry *e, int64_t mtime, int *ret_fd, struct error *err)
{
    const char *base;
    *ret_fd = -1;
    if (e->item == LAYER_OPAQUE)
        return add_opaque(u, e->path, err);
    if (e->item == LAYER_WHITEOUT) {
        int dir = parent_of(u, e->path, &base, err);
        return dir < 0 ? -1 : add_whiteout(dir, base, mtime, err);
    }
    if (e->item == LAYER_NODE && e->type == NODE_DIRECTORY)
        return add_directory(u, e, mtime, err);
    return add_leaf(u, e, mtime, ret_fd, err);
}

int unpacker_end_file(const struct layer_entry *e, int64_t mtime, int fd, struct error *err)
{
    struct timespec times[2] = {{.tv_sec = mtime}, {.tv_sec = mtime}};
    if (own(fd, "", e, err) < 0)
        return -1;
    if (fchmod(fd, e->mode) < 0 ||
        (e->capability &&
            fsetxattr(fd, "security.capability", e->capability, e->capability_size, 0) < 0) ||
        futimens(fd, times) < 0)
        return error_errno(err, "%s", e->path);
    return 0;
}

int unpacker_finish(struct unpacker *u, struct error *err)
{
    if (set_times(u->root, ".", 0, err) < 0) // unless the archive lists it
        return -1;
    vec_each (d, &u->directories) {
        AUTO_FD int fd = file_open_in_root(
            u->root, *d->path ? d->path : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, NULL);
        if (fd >= 0 && set_times(fd, ".", d->mtime, err) < 0)
            return -1;
    }
    return 0;
}
