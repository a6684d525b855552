#include "engine/overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/vec.h"
#include "os/fd.h"
#include "os/file.h"

#define DEPTH_MAX 200 // each level holds two descriptors

static int merge(int upper, int lower, int depth, struct error *err);

static bool is_whiteout(const struct stat *st)
{
    return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
}

static bool is_opaque(int dir)
{
    char value;
    return fgetxattr(dir, "user.overlay.opaque", &value, 1) == 1 && value == 'y';
}

// Everything of the lower entry goes, then the upper one takes its name.
static int replace(int upper, int lower, const char *name, struct error *err)
{
    if (dir_remove_tree(lower, name, err) < 0)
        return -1;
    return renameat(upper, name, lower, name) < 0 ? error_errno(err, "%s", name) : 0;
}

static int merge_directory(
    int upper, int lower, const char *name, const struct stat *st, int depth, struct error *err)
{
    AUTO_FD int from = openat(upper, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (from < 0)
        return error_errno(err, "%s", name);
    AUTO_FD int to = openat(lower, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (to < 0 && errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
        return error_errno(err, "%s", name);
    if (to < 0 || is_opaque(from))
        return replace(upper, lower, name, err);
    if (depth > DEPTH_MAX)
        return error_set(err, ERR_LIMIT, "%s: nested too deeply", name);
    if (fchown(to, st->st_uid, st->st_gid) < 0 || fchmod(to, st->st_mode & 07777) < 0)
        return error_errno(err, "%s", name);
    if (merge(from, to, depth + 1, err) < 0)
        return -1;
    return unlinkat(upper, name, AT_REMOVEDIR) < 0 ? error_errno(err, "%s", name) : 0;
}

static int merge_entry(int upper, int lower, const char *name, int depth, struct error *err)
{
    struct stat st;
    if (fstatat(upper, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return error_errno(err, "%s", name);
    if (S_ISDIR(st.st_mode))
        return merge_directory(upper, lower, name, &st, depth, err);
    if (is_whiteout(&st)) {
        if (dir_remove_tree(lower, name, err) < 0)
            return -1;
        return unlinkat(upper, name, 0) < 0 ? error_errno(err, "%s", name) : 0;
    }
    if (renameat(upper, name, lower, name) == 0)
        return 0;
    return errno == EISDIR ? replace(upper, lower, name, err) : error_errno(err, "%s", name);
}

static int merge(int upper, int lower, int depth, struct error *err)
{
    AUTO(strv) struct strv names = {0};
    if (dir_list(upper, ".", &names, err) < 0)
        return -1;
    strv_each (name, &names)
        if (merge_entry(upper, lower, *name, depth, err) < 0)
            return -1;
    return 0;
}

int overlay_merge(int upper, int lower, struct error *err)
{
    return merge(upper, lower, 0, err);
}
