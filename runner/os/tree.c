// Whole trees: removal and change of owner, without recursion on the C stack being a danger (its
// depth is bounded) and without following links: foreign code made these trees.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "os/fd.h"
#include "os/file.h"

#define DEPTH_MAX 100 // each level holds a descriptor

// What to do with one entry that is not a directory, and with a directory once its inside is done.
struct visitor {
    dev_t device; // never left
    uid_t uid;
    gid_t gid;
    bool open_up; // a directory that denies its owner access is given it first
    // What lies deeper than DEPTH_MAX is moved here, to be visited by the next round; -1: an error
    int hoist;
    bool hoisted; // this round
    int (*leaf)(const struct visitor *v, int dir, const char *name);
    int (*after)(const struct visitor *v, int dir, const char *name);
};

static DIR *open_dir(int dir, const char *name)
{
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    DIR *stream = fdopendir(fd);
    if (!stream)
        fd_close(fd);
    return stream;
}

// Foreign code may nest directories as deep as it likes.
static int hoist(struct visitor *v, int dir, const char *name, struct error *err)
{
    if (v->hoist < 0)
        return error_set(err, ERR_LIMIT, "%s: nested too deeply", name);
    for (unsigned i = 0;; i++) {
        char place[32];
        snprintf(place, sizeof place, ".davit-deep-%u", i);
        if (renameat2(dir, name, v->hoist, place, RENAME_NOREPLACE) == 0)
            break;
        if (errno != EEXIST)
            return error_errno(err, "%s", name);
    }
    v->hoisted = true;
    return 0;
}

static int visit(struct visitor *v, int dir, const char *name, int depth, struct error *err)
{
    struct stat st;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : error_errno(err, "%s", name);
    if (!S_ISDIR(st.st_mode))
        return v->leaf(v, dir, name) < 0 ? error_errno(err, "%s", name) : 0;
    if (st.st_dev != v->device)
        return error_set(err, ERR_SYSTEM, "%s: something is mounted there", name);
    if (v->open_up && (st.st_mode & S_IRWXU) != S_IRWXU && fchmodat(dir, name, S_IRWXU, 0) < 0)
        return error_errno(err, "%s", name);
    if (depth > DEPTH_MAX)
        return hoist(v, dir, name, err);
    DIR *stream = open_dir(dir, name);
    if (!stream)
        return error_errno(err, "%s", name);
    int status = 0;
    for (struct dirent *entry; status == 0 && (entry = readdir(stream));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            status = visit(v, dirfd(stream), entry->d_name, depth + 1, err);
    closedir(stream);
    bool again = depth == 0 && v->hoisted;
    if (status == 0 && !again && v->after(v, dir, name) < 0)
        status = error_errno(err, "%s", name);
    return status;
}

static int start(struct visitor *v, int dir, const char *path, struct error *err)
{
    struct stat st;
    if (fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : error_errno(err, "%s", path);
    v->device = st.st_dev;
    do {
        v->hoisted = false;
        if (visit(v, dir, path, 0, err) < 0)
            return error_wrap(err, "%s", path);
    } while (v->hoisted);
    return 0;
}

static int unlink_leaf(const struct visitor *v, int dir, const char *name)
{
    (void)v;
    return unlinkat(dir, name, 0);
}

static int remove_dir(const struct visitor *v, int dir, const char *name)
{
    (void)v;
    return unlinkat(dir, name, AT_REMOVEDIR);
}

int dir_remove_tree(int dir, const char *path, struct error *err)
{
    AUTO_FD int top = openat(dir, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct visitor v = {.open_up = true, .hoist = top, .leaf = unlink_leaf, .after = remove_dir};
    return start(&v, dir, path, err);
}

static int chown_entry(const struct visitor *v, int dir, const char *name)
{
    return fchownat(dir, name, v->uid, v->gid, AT_SYMLINK_NOFOLLOW);
}

int dir_chown_tree(int dir, const char *path, uid_t uid, gid_t gid, struct error *err)
{
    struct visitor v = {
        .uid = uid, .gid = gid, .hoist = -1, .leaf = chown_entry, .after = chown_entry};
    return start(&v, dir, path, err);
}

int dir_list(int dir, const char *path, struct strv *out, struct error *err)
{
    AUTO(strv) struct strv names = {0};
    int fd = dir_open(dir, path, err);
    if (fd < 0)
        return -1;
    DIR *stream = fdopendir(fd);
    if (!stream) {
        fd_close(fd);
        return error_errno(err, "%s", path);
    }
    for (struct dirent *entry; (entry = readdir(stream));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            strv_push(&names, entry->d_name);
    closedir(stream);
    strv_sort(&names);
    strv_copy(out, &names);
    return 0;
}
