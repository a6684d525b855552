#include "engine/workspace.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "os/fd.h"
#include "os/file.h"

#define MATCHES_MAX 100000 // of one stage's artifacts

void workspace_done(struct workspace *w)
{
    strv_done(&w->lowers);
    free(w->writable);
    *w = (struct workspace){0};
}

static char *artifacts_path(const struct launcher *l, int64_t run_id, const char *stage)
{
    return state_path(l->state, "runs/%lld/artifacts/%s", (long long)run_id, stage);
}

void workspace_directories(const struct launcher *l, int64_t run_id, const struct strv *needs,
    const char *checkout, struct strv *ret)
{
    strv_each (need, needs) {
        char *path = artifacts_path(l, run_id, *need);
        if (file_exists(AT_FDCWD, path))
            strv_push_take(ret, path);
        else
            free(path);
    }
    strv_push(ret, checkout);
}

int workspace_make(const struct launcher *l, int64_t run_id, const char *stage,
    const struct strv *needs, const char *checkout, bool checkout_foreign, struct workspace *ret,
    struct error *err)
{
    struct workspace w = {0};
    workspace_directories(l, run_id, needs, checkout, &w.lowers);
    w.foreign_lowers = checkout_foreign ? w.lowers.length - 1 : w.lowers.length;
    w.writable = state_path(l->state, "runs/%lld/stages/%s", (long long)run_id, stage);
    AUTO_FREE char *upper = path_join(w.writable, "upper");
    AUTO_FREE char *work = path_join(w.writable, "work");
    if (launcher_make_owned(l, w.writable, err) < 0 || launcher_make_owned(l, upper, err) < 0 ||
        launcher_make_owned(l, work, err) < 0) {
        workspace_done(&w);
        return -1;
    }
    *ret = w;
    return 0;
}

// Lists the paths below dir that a pattern matches. A match is taken whole: nothing below it is
// looked at.
static int find_matches(
    int dir, const char *prefix, const char *pattern, struct strv *ret, struct error *err)
{
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    if (!stream) {
        fd_close(fd);
        return error_errno(err, "%s", prefix);
    }
    int status = 0;
    for (struct dirent *entry; status == 0 && (entry = readdir(stream));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        AUTO_FREE char *path = mem_printf("%s%s%s", prefix, *prefix ? "/" : "", entry->d_name);
        if (glob_match(pattern, path)) {
            strv_push(ret, path);
            if (ret->length > MATCHES_MAX)
                status = error_set(err, ERR_LIMIT, "artifacts: more than %d matches", MATCHES_MAX);
        } else if (entry->d_type == DT_DIR) {
            AUTO_FD int below =
                openat(dirfd(stream), entry->d_name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            status = below < 0 ? 0 : find_matches(below, path, pattern, ret, err);
        }
    }
    closedir(stream);
    return status;
}

// Makes the directories above path in `to`, with the mode and owner that they have in `from`: the
// artifacts are a layer over the checkout, and its directories decide.
static int make_parents(int from, int to, const char *path, struct error *err)
{
    AUTO_FREE char *partial = mem_strdup(path);
    for (char *p = partial + 1; *p; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        struct stat st;
        if (fstatat(from, partial, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
            return error_set(err, ERR_FAILED, "artifact %s: %s is not a directory", path, partial);
        if (mkdirat(to, partial, st.st_mode & 07777) < 0 && errno != EEXIST)
            return error_errno(err, "artifact %s", path);
        if (fchownat(to, partial, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
            return error_errno(err, "artifact %s", path);
        *p = '/';
    }
    return 0;
}

// Only what lies below `from` without a symbolic link on the way: the stage made these names.
static int move(int from, int to, const char *path, struct error *err)
{
    const char *base = path_base(path);
    AUTO_FREE char *parent = mem_strndup(path, (size_t)(base - path));
    AUTO_FD int dir = file_open_beneath(from, *parent ? parent : ".", O_PATH | O_DIRECTORY, 0, err);
    if (dir < 0 || make_parents(from, to, path, err) < 0)
        return -1;
    if (renameat(dir, base, to, path) < 0)
        return error_errno(err, "artifact %s", path);
    return 0;
}

static bool exists_below(const struct workspace *w, const char *path)
{
    strv_each (lower, &w->lowers) {
        AUTO_FD int dir = open(*lower, O_PATH | O_DIRECTORY | O_CLOEXEC);
        AUTO_FD int fd = dir < 0 ? -1 : file_open_beneath(dir, path, O_PATH, 0, NULL);
        if (fd >= 0)
            return true;
    }
    return false;
}

static char *without_slashes(const char *path)
{
    while (text_starts(path, "./"))
        path += 2;
    size_t n = strlen(path);
    while (n && path[n - 1] == '/')
        n--;
    return mem_strndup(path, n);
}

static int take_one(
    const struct workspace *w, const char *pattern, int upper, int to, struct error *err)
{
    AUTO(strv) struct strv matches = {0};
    AUTO_FREE char *path = without_slashes(pattern);
    if (glob_is_literal(path)) {
        struct stat st;
        if (fstatat(upper, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
            strv_push(&matches, path);
        else if (!exists_below(w, path))
            return error_set(err, ERR_FAILED, "artifact %s was not made by the stage", pattern);
    } else if (find_matches(upper, "", path, &matches, err) < 0) {
        return -1;
    }
    strv_each (match, &matches)
        if (move(upper, to, *match, err) < 0)
            return -1;
    return 0;
}

int workspace_take_artifacts(const struct launcher *l, int64_t run_id, const char *stage,
    const struct workspace *w, const struct strv *artifacts, struct error *err)
{
    if (!artifacts->length)
        return 0;
    AUTO_FREE char *to_path = artifacts_path(l, run_id, stage);
    if (launcher_make_owned(l, to_path, err) < 0)
        return -1;
    AUTO_FREE char *upper_path = path_join(w->writable, "upper");
    AUTO_FD int upper = dir_open(AT_FDCWD, upper_path, err);
    AUTO_FD int to = dir_open(AT_FDCWD, to_path, err);
    if (upper < 0 || to < 0)
        return -1;
    strv_each (pattern, artifacts)
        if (take_one(w, *pattern, upper, to, err) < 0)
            return -1;
    return 0;
}

int workspace_remove(const struct workspace *w, struct error *err)
{
    return w->writable ? dir_remove_tree(AT_FDCWD, w->writable, err) : 0;
}
