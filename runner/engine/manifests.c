#include "engine/manifests.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "deploy/manifest.h"
#include "os/fd.h"
#include "os/file.h"

#define FILES_MAX 500
_Static_assert(MANIFESTS_TEXT_MAX == MANIFESTS_MAX, "one limit");

struct reading {
    const struct strv *directories;
    struct value *list;
    size_t bytes;
};

// What lies at `path` in the nearest directory that has it: a descriptor of the caller's, -1. From
// *at on, which then stands behind that directory.
static int find(const struct reading *r, const char *path, size_t *at, struct error *err)
{
    while (*at < r->directories->length) {
        AUTO_FD int top = open(r->directories->items[(*at)++], O_PATH | O_DIRECTORY | O_CLOEXEC);
        int fd = top < 0 ? error_errno(err, "the workspace")
                         : file_open_beneath(
                               top, path, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC, 0, err);
        if (fd >= 0 || err->kind != ERR_NOT_FOUND)
            return fd;
    }
    return error_set(err, ERR_NOT_FOUND, "%s: the workspace has no such file or directory", path);
}

static int too_much(const char *path, struct error *err)
{
    return error_set(
        err, ERR_LIMIT, "manifests: with %s, more than %zu KiB", path, MANIFESTS_MAX >> 10);
}

static void add_text(struct reading *r, const char *path, const char *text, size_t length)
{
    struct value *file = value_map();
    value_set_str(file, "path", path);
    value_set(file, "text", value_string_n(text, length));
    value_append(r->list, file);
    r->bytes += length;
}

static int add_file(struct reading *r, const char *path, int fd, struct error *err)
{
    struct stat st;
    AUTO(str) struct str text;
    str_init(&text, MANIFESTS_MAX - r->bytes);
    if (fstat(fd, &st) < 0)
        return error_errno(err, "%s", path);
    if (!S_ISREG(st.st_mode))
        return error_set(err, ERR_CONFIG, "%s is not a file", path);
    if (value_length(r->list) == FILES_MAX)
        return error_set(err, ERR_LIMIT, "manifests: more than %d files", FILES_MAX);
    if (fd_read_all(fd, &text, err) < 0)
        return err->kind == ERR_LIMIT ? too_much(path, err) : error_wrap(err, "%s", path);
    add_text(r, path, text.data, text.length);
    return 0;
}

static bool is_manifest(const char *name)
{
    return name[0] != '.' &&
           (text_ends(name, ".yaml") || text_ends(name, ".yml") || text_ends(name, ".json"));
}

static int add_names(int fd, struct strv *names, struct error *err)
{
    AUTO(strv) struct strv all = {0};
    if (dir_list(fd, ".", &all, err) < 0)
        return -1;
    strv_each (name, &all)
        if (is_manifest(*name) && !strv_has(names, *name))
            strv_push(names, *name);
    return 0;
}

static bool is_directory(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

// `fd` is the nearest of the directories of that name; those below it show through.
static int add_directory(struct reading *r, const char *path, int fd, size_t at, struct error *err)
{
    AUTO(strv) struct strv names = {0};
    if (add_names(fd, &names, err) < 0)
        return error_wrap(err, "%s", path);
    struct error none = {0};
    for (;;) {
        AUTO_FD int below = find(r, path, &at, &none);
        if (below < 0 || !is_directory(below))
            break;
        if (add_names(below, &names, err) < 0)
            return error_wrap(err, "%s", path);
    }
    if (!names.length)
        return error_set(err, ERR_CONFIG, "%s holds no manifest: no *.yaml, *.yml or *.json", path);
    strv_sort(&names);
    strv_each (name, &names) {
        size_t from = 0;
        AUTO_FREE char *file = path_join(path, *name);
        AUTO_FD int found = find(r, file, &from, err);
        if (found < 0 || add_file(r, file, found, err) < 0)
            return -1;
    }
    return 0;
}

// As people write it ("./k8s/") and as it is shown ("k8s").
static char *plain(const char *path)
{
    while (text_starts(path, "./") && path[2])
        path += 2;
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    return mem_strndup(path, n);
}

static int add_path(struct reading *r, const char *written, struct error *err)
{
    size_t at = 0;
    AUTO_FREE char *path = plain(written);
    AUTO_FD int fd = find(r, path, &at, err);
    if (fd < 0 && err->kind == ERR_NOT_FOUND && !glob_is_literal(path))
        return error_set(err, ERR_NOT_FOUND,
            "%s: the workspace has no such file; patterns are not looked at: name the directory",
            path);
    if (fd < 0)
        return -1;
    return is_directory(fd) ? add_directory(r, path, fd, at, err) : add_file(r, path, fd, err);
}

static int add_rendered(struct reading *r, const char *text, struct error *err)
{
    if (!text)
        return error_set(err, ERR_PROTOCOL, "manifests: a command has not run");
    if (strlen(text) > MANIFESTS_MAX - r->bytes)
        return too_much("what a command printed", err);
    add_text(r, "render", text, strlen(text));
    return 0;
}

bool manifests_rendered(const struct value *items)
{
    for (size_t i = 0; i < value_length(items); i++)
        if (value_type(value_at(items, i)) == VALUE_MAP)
            return true;
    return false;
}

int manifests_read(const struct strv *directories, const struct value *items,
    const struct value *rendered, struct value **ret, struct error *err)
{
    AUTO(value) struct value *list = value_list();
    struct reading r = {.directories = directories, .list = list};
    size_t commands = 0;
    for (size_t i = 0; i < value_length(items); i++) {
        const char *path = value_text(value_at(items, i));
        if (path ? add_path(&r, path, err) < 0
                 : add_rendered(&r, value_text(value_at(rendered, commands++)), err) < 0)
            return -1;
    }
    *ret = take_ptr(list);
    return 0;
}
