#include "image/context.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/fd.h"
#include "os/file.h"

#define IGNORE_MAX ((size_t)1 << 20)
#define TARGET_MAX 4096

static int read_directory(struct tree *tree, struct node *directory, struct error *err);

// Does the directory hold anything that a negated pattern takes back? Only then does an excluded
// one exist.
static int keeps_something(struct tree *tree, struct node *directory, bool *ret, struct error *err)
{
    *ret = false;
    if (tree_read(tree, directory, err) < 0)
        return -1;
    for (size_t i = directory->children.length; i-- > 0;) {
        struct node *child = directory->children.items[i];
        bool kept = true;
        if (child->type == NODE_DIRECTORY && child->inherits &&
            keeps_something(tree, child, &kept, err) < 0)
            return -1;
        *ret |= kept;
    }
    return 0;
}

static int fill(
    struct context *c, struct node *node, int dir, const struct stat *st, struct error *err)
{
    node->mode = st->st_mode & 07777;
    if (S_ISDIR(st->st_mode)) {
        node->type = NODE_DIRECTORY;
        node->unread = true;
    } else if (S_ISLNK(st->st_mode)) {
        char target[TARGET_MAX];
        ssize_t n = readlinkat(dir, node->name, target, sizeof target - 1);
        if (n < 0)
            return error_errno(err, "%s", node->name);
        node->type = NODE_LINK;
        node->target = mem_strndup(target, (size_t)n);
    } else if (S_ISREG(st->st_mode)) {
        node->type = NODE_FILE;
        node->content = node_path(node);
    } else { // sockets, pipes and devices mean nothing in another place
        vec_push(&c->skipped, node_path(node));
        node_remove(node);
    }
    return 0;
}

// One name of a directory: asks the patterns, and adds it unless they leave it out.
static int add(struct context *c, struct node *parent, int dir, const char *name, struct error *err)
{
    struct stat st;
    AUTO_FREE char *above = node_path(parent);
    AUTO_FREE char *path = *above ? path_join(above, name) : mem_strdup(name);
    size_t count = c->ignore.patterns.length;
    AUTO_FREE bool *matched = mem_array(count + 1, sizeof *matched);
    const bool *inherited = c->matched.items[parent->inherits];
    bool excluded = ignore_match(&c->ignore, path, inherited, matched);
    if (excluded && !c->ignore.negations)
        return 0;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : error_errno(err, "%s", path);
    if (excluded && !S_ISDIR(st.st_mode))
        return 0;
    struct node *node = node_add(parent, name, strlen(name));
    if (fill(c, node, dir, &st, err) < 0)
        return -1;
    if (!S_ISDIR(st.st_mode))
        return 0;
    node->inherits = c->matched.length;
    vec_push(&c->matched, take_ptr(matched));
    bool kept = true;
    if (excluded && keeps_something(&c->tree, node, &kept, err) < 0)
        return -1;
    if (!kept)
        node_remove(node);
    return 0;
}

static int read_directory(struct tree *tree, struct node *directory, struct error *err)
{
    struct context *c = tree->arg;
    AUTO_FREE char *path = node_path(directory);
    int fd =
        file_open_beneath(c->dir, *path ? path : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, err);
    if (fd < 0)
        return error_wrap(err, "the build context");
    DIR *stream = fdopendir(fd);
    if (!stream)
        abort();
    int status = 0;
    for (struct dirent *entry; status == 0 && (entry = readdir(stream));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            status = add(c, directory, fd, entry->d_name, err);
    closedir(stream);
    return status;
}

static int read_ignore(
    struct context *c, const char *dockerfile, struct str *text, char **ret_name, struct error *err)
{
    AUTO_FREE char *own = mem_printf("%s.dockerignore", dockerfile);
    const char *const names[] = {own, ".dockerignore"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct error why = {0};
        AUTO_FD int fd = file_open_beneath(c->dir, names[i], O_RDONLY | O_NONBLOCK, 0, &why);
        if (fd >= 0) {
            *ret_name = mem_strdup(names[i]);
            return fd_read_all(fd, text, err);
        }
        if (why.kind != ERR_NOT_FOUND) {
            if (err)
                *err = why;
            return -1;
        }
    }
    return 0;
}

int context_open(
    struct context *c, int dir, const char *dockerfile, struct diag_list *diags, struct error *err)
{
    AUTO(str) struct str text;
    char *name = NULL;
    str_init(&text, IGNORE_MAX);
    *c = (struct context){.dir = dir};
    if (read_ignore(c, dockerfile, &text, &name, err) < 0) {
        free(name);
        return -1;
    }
    c->ignore_source = (struct diag_source){.path = name, .length = text.length};
    c->ignore_source.text = str_take(&text);
    ignore_parse(&c->ignore_source, &c->ignore, diags);
    tree_init(&c->tree);
    c->tree.read = read_directory;
    c->tree.arg = c;
    c->tree.root->unread = true;
    vec_push(&c->matched, NULL);
    return 0;
}

void context_close(struct context *c)
{
    tree_done(&c->tree);
    ignore_done(&c->ignore);
    free((void *)(uintptr_t)c->ignore_source.path);
    free((void *)(uintptr_t)c->ignore_source.text);
    vec_each (matched, &c->matched)
        free(*matched);
    vec_free(&c->matched);
    vec_each (path, &c->skipped)
        free(*path);
    vec_free(&c->skipped);
    *c = (struct context){.dir = -1};
}

int context_open_file(const struct context *c, const char *path, struct error *err)
{
    int fd = file_open_beneath(c->dir, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, err);
    return fd < 0 ? error_wrap(err, "the build context") : fd;
}
