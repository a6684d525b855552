#include "image/layer_upper.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "image/layer_read.h"
#include "image/layer_write.h"
#include "os/fd.h"
#include "os/file.h"

#define DEPTH_MAX       1000
#define ATTRIBUTES_MAX  ((size_t)65536)
#define LINK_TARGET_MAX 4096

struct upper {
    struct layer_writer *writer;
    int64_t mtime;
    VEC(struct linked { // files with several names: where the first of each was written
        ino_t inode;
        char *path;
    })
    linked;
};

static const char *first_name(struct upper *u, const struct stat *st, const char *path)
{
    vec_each (l, &u->linked)
        if (l->inode == st->st_ino)
            return l->path;
    *vec_add(&u->linked) = (struct linked){.inode = st->st_ino, .path = mem_strdup(path)};
    return NULL;
}

// Reads and cleans the attributes. *ret_opaque as overlayfs has marked it.
static int take_attributes(int fd, const char *path, bool *ret_opaque, unsigned char *capability,
    size_t *ret_size, struct error *err)
{
    AUTO_FREE char *names = mem_alloc(ATTRIBUTES_MAX);
    ssize_t length = flistxattr(fd, names, ATTRIBUTES_MAX);
    *ret_opaque = false;
    *ret_size = 0;
    if (length < 0)
        return errno == ENOTSUP ? 0 : error_errno(err, "%s: attributes", path);
    for (const char *name = names; name < names + length; name += strlen(name) + 1) {
        bool overlay = text_starts(name, "user.overlay.") || text_starts(name, "trusted.overlay.");
        const char *last = strrchr(name, '.') + 1;
        if (strcmp(name, "security.capability") == 0) {
            ssize_t n = fgetxattr(fd, name, capability, LAYER_CAPABILITY_MAX);
            if (n < 0)
                return error_errno(err, "%s: %s", path, name);
            *ret_size = (size_t)n;
        } else if (overlay && strcmp(last, "opaque") == 0) {
            *ret_opaque = true;
        } else if (overlay && (strcmp(last, "redirect") == 0 || strcmp(last, "metacopy") == 0)) {
            return error_set(err, ERR_UNSUPPORTED,
                "%s: the overlay was mounted with %s, whose result cannot stand alone", path, last);
        } else if (text_starts(name, "user.") && fremovexattr(fd, name) < 0) {
            return error_errno(err, "%s: %s", path, name);
        }
    }
    return 0;
}

static int set_times(const struct upper *u, int dir, const char *name, struct error *err)
{
    struct timespec times[2] = {{.tv_sec = u->mtime}, {.tv_sec = u->mtime}};
    return utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? error_errno(err, "%s", name) : 0;
}

static int add_file(struct upper *u, int dir, const char *name, struct layer_entry *e,
    const struct stat *st, struct error *err)
{
    bool opaque;
    unsigned char capability[LAYER_CAPABILITY_MAX];
    const char *first = st->st_nlink > 1 ? first_name(u, st, e->path) : NULL;
    if (first) {
        e->item = LAYER_HARD_LINK;
        e->target = first;
        return layer_writer_add(u->writer, e, err);
    }
    AUTO_FD int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return error_errno(err, "%s", e->path);
    if (take_attributes(fd, e->path, &opaque, capability, &e->capability_size, err) < 0)
        return -1;
    e->capability = e->capability_size ? capability : NULL;
    e->type = NODE_FILE;
    e->size = (uint64_t)st->st_size;
    e->fd = fd;
    if (layer_writer_add(u->writer, e, err) < 0)
        return -1;
    return set_times(u, dir, name, err);
}

static int add_link(
    struct upper *u, int dir, const char *name, struct layer_entry *e, struct error *err)
{
    char target[LINK_TARGET_MAX];
    ssize_t n = readlinkat(dir, name, target, sizeof target - 1);
    if (n < 0)
        return error_errno(err, "%s", e->path);
    target[n] = '\0';
    e->type = NODE_LINK;
    e->target = target;
    if (layer_writer_add(u->writer, e, err) < 0)
        return -1;
    return set_times(u, dir, name, err);
}

static int add_directory(struct upper *u, int dir, const char *name, struct layer_entry *e,
    int depth, struct error *err);

static int add_entry(
    struct upper *u, int dir, const char *name, const char *path, int depth, struct error *err)
{
    struct stat st;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return error_errno(err, "%s", path);
    struct layer_entry e = {
        .path = path, .mode = st.st_mode & 07777, .uid = st.st_uid, .gid = st.st_gid, .fd = -1};
    if (S_ISDIR(st.st_mode))
        return add_directory(u, dir, name, &e, depth, err);
    if (S_ISREG(st.st_mode))
        return add_file(u, dir, name, &e, &st, err);
    if (S_ISLNK(st.st_mode))
        return add_link(u, dir, name, &e, err);
    if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0)) {
        e.item = LAYER_WHITEOUT;
        if (layer_writer_add(u->writer, &e, err) < 0)
            return -1;
        return set_times(u, dir, name, err);
    }
    if (S_ISFIFO(st.st_mode)) {
        e.type = NODE_FIFO;
        if (layer_writer_add(u->writer, &e, err) < 0)
            return -1;
        return set_times(u, dir, name, err);
    }
    return unlinkat(dir, name, 0) < 0 ? error_errno(err, "%s", path) : 0; // sockets, devices
}

static int list(int fd, struct strv *out, struct error *err)
{
    // Not a duplicate: that would share the position of an earlier reading.
    DIR *stream = fdopendir(openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!stream)
        return error_errno(err, "readdir");
    for (struct dirent *entry; (entry = readdir(stream));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            strv_push(out, entry->d_name);
    closedir(stream);
    strv_sort(out);
    return 0;
}

static int add_children(struct upper *u, int fd, const char *path, int depth, struct error *err)
{
    AUTO(strv) struct strv names = {0};
    if (depth > DEPTH_MAX)
        return error_set(err, ERR_LIMIT, "%s: nested too deeply", path);
    if (list(fd, &names, err) < 0)
        return -1;
    strv_each (name, &names) {
        AUTO_FREE char *child = *path ? path_join(path, *name) : mem_strdup(*name);
        // A file of that name would become a whiteout of another.
        if (text_starts(*name, ".wh."))
            return error_set(err, ERR_FAILED,
                "the step has made %s, and a name that starts with .wh. cannot be in a layer",
                child);
        if (add_entry(u, fd, *name, child, depth, err) < 0)
            return -1;
    }
    return 0;
}

static int add_directory(
    struct upper *u, int dir, const char *name, struct layer_entry *e, int depth, struct error *err)
{
    bool opaque;
    unsigned char capability[LAYER_CAPABILITY_MAX];
    size_t size;
    AUTO_FD int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return error_errno(err, "%s", e->path);
    if (take_attributes(fd, e->path, &opaque, capability, &size, err) < 0)
        return -1;
    e->type = NODE_DIRECTORY;
    if (layer_writer_add(u->writer, e, err) < 0)
        return -1;
    struct layer_entry mark = {.item = LAYER_OPAQUE, .path = e->path, .mode = 0644};
    if (opaque && layer_writer_add(u->writer, &mark, err) < 0)
        return -1;
    if (opaque && fsetxattr(fd, "user.overlay.opaque", "y", 1, 0) < 0)
        return error_errno(err, "%s: opaque", e->path);
    if (add_children(u, fd, e->path, depth + 1, err) < 0)
        return -1;
    return set_times(u, fd, ".", err);
}

int layer_from_upper(struct store *store, const char *directory, int64_t mtime, struct layer *ret,
    bool *ret_empty, struct error *err)
{
    bool opaque;
    unsigned char capability[LAYER_CAPABILITY_MAX];
    size_t size;
    AUTO_FD int fd = dir_open(store->dir, directory, err);
    if (fd < 0)
        return -1;
    AUTO(strv) struct strv names = {0};
    if (list(fd, &names, err) < 0)
        return -1;
    *ret_empty = names.length == 0;
    if (*ret_empty)
        return 0;
    AUTO(layer_writer) struct layer_writer *writer = layer_writer_new(store, mtime, err);
    if (!writer)
        return -1;
    struct upper u = {.writer = writer, .mtime = mtime};
    int status = take_attributes(fd, "/", &opaque, capability, &size, err);
    if (status == 0)
        status = add_children(&u, fd, "", 0, err);
    if (status == 0)
        status = set_times(&u, fd, ".", err);
    vec_each (l, &u.linked)
        free(l->path);
    vec_free(&u.linked);
    if (status < 0 || layer_writer_finish(writer, ret, err) < 0)
        return -1;
    return layer_adopt(store, directory, ret, err);
}
