#include "engine/expand.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "codec/digest.h"
#include "os/fd.h"
#include "os/file.h"
#include "pipeline/expr.h"

#define VALUE_MAX ((size_t)64 << 10)
#define FILES_MAX 20000 // that hashFiles looks at
#define SHORT_ID  8

static int add_known(struct str *out, const char *value, const char *what, struct error *err)
{
    if (!value)
        return error_set(err, ERR_CONFIG, "%s has no value in this run", what);
    str_puts(out, value);
    return 0;
}

// Every regular file below dir whose path matches one of the globs, as paths.
static int find_files(
    int dir, const char *prefix, const struct strv *globs, struct strv *ret, struct error *err)
{
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    if (!stream) {
        fd_close(fd);
        return error_errno(err, "%s", prefix);
    }
    int status = 0;
    for (struct dirent *entry; status == 0 && (entry = readdir(stream));) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, ".git") == 0)
            continue;
        AUTO_FREE char *path = mem_printf("%s%s%s", prefix, *prefix ? "/" : "", name);
        if (entry->d_type == DT_DIR) {
            AUTO_FD int below =
                openat(dirfd(stream), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            status =
                below < 0 ? error_errno(err, "%s", path) : find_files(below, path, globs, ret, err);
        } else if (entry->d_type == DT_REG) {
            bool hit = false;
            strv_each (glob, globs)
                hit |= glob_match(*glob, path);
            if (hit)
                strv_push(ret, path);
            if (ret->length > FILES_MAX)
                status = error_set(err, ERR_LIMIT, "more than %d files match", FILES_MAX);
        }
    }
    closedir(stream);
    return status;
}

// Of the files' names and contents in the order of their names: the same tree gives the same value
// anywhere. No match is the hash of nothing, as elsewhere, so that a first run has a key too.
static int hash_files(int checkout, const struct strv *globs, struct str *out, struct error *err)
{
    if (checkout < 0)
        return error_set(err, ERR_CONFIG, "hashFiles() has no files to look at here");
    AUTO(strv) struct strv paths = {0};
    if (find_files(checkout, "", globs, &paths, err) < 0)
        return error_wrap(err, "hashFiles");
    strv_sort(&paths);
    struct sha256 h;
    sha256_init(&h);
    strv_each (path, &paths) {
        char digest[DIGEST_SIZE];
        AUTO_FD int fd = file_open_beneath(checkout, *path, O_RDONLY | O_NOFOLLOW, 0, err);
        if (fd < 0 || digest_fd(fd, digest, NULL, err) < 0)
            return error_wrap(err, "hashFiles");
        sha256_add(&h, *path, strlen(*path) + 1);
        sha256_add(&h, digest, sizeof digest);
    }
    char hex[SHA256_HEX_SIZE];
    sha256_hex(&h, hex);
    str_puts(out, hex);
    return 0;
}

static int look_up(void *arg, const struct expr *x, struct str *out, struct error *err)
{
    const struct expander *e = arg;
    const struct run_record *run = e->context->run;
    switch (x->kind) {
    case EXPR_GIT_SHA:
        return add_known(out, run->commit, "git.sha", err);
    case EXPR_GIT_SHORT_SHA:
        if (!run->commit)
            return add_known(out, NULL, "git.short_sha", err);
        str_add(out, run->commit, strnlen(run->commit, SHORT_ID));
        return 0;
    case EXPR_GIT_BRANCH:
        return add_known(out, run->branch, "git.branch", err);
    case EXPR_GIT_TAG:
        return add_known(out, run->tag, "git.tag", err);
    case EXPR_ENV: {
        AUTO_FREE char *what = mem_printf("env.%s", x->args.items[0]);
        const char *value = e->env ? env_values_get(e->env, x->args.items[0]) : NULL;
        return add_known(out, value, what, err);
    }
    case EXPR_HASH_FILES:
        return hash_files(e->checkout, &x->args, out, err);
    }
    return error_set(err, ERR_INTERNAL, "no such expression");
}

struct expr_lookup expander_lookup(struct expander *e)
{
    return (struct expr_lookup){.value = look_up, .arg = e};
}

char *expand(const struct expander *e, const char *text, struct error *err)
{
    struct expander copy = *e;
    const struct expr_lookup lookup = expander_lookup(&copy);
    struct str out;
    str_init(&out, VALUE_MAX);
    if (expr_expand(text, &lookup, &out, err) < 0 ||
        str_check(&out, "the expanded value", err) < 0) {
        str_done(&out);
        return NULL;
    }
    return str_take(&out);
}
