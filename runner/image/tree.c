#include "image/tree.h"

#include <stdlib.h>
#include <string.h>

#define LINKS_MAX 40

static void node_free(struct node *node)
{
    vec_each (child, &node->children)
        node_free(*child);
    vec_free(&node->children);
    free(node->name);
    free(node->target);
    free(node->content);
    free(node);
}

void tree_init(struct tree *tree)
{
    *tree = (struct tree){.root = mem_alloc(sizeof *tree->root)};
    tree->root->name = mem_strdup("");
    tree->root->type = NODE_DIRECTORY;
    tree->root->mode = 0755;
}

void tree_done(struct tree *tree)
{
    if (tree->root)
        node_free(tree->root);
    free(tree->passwd);
    free(tree->group);
    *tree = (struct tree){0};
}

static int compare(const char *name, size_t length, const char *other)
{
    int order = strncmp(name, other, length);
    return order ? order : other[length] ? -1 : 0;
}

// Where the name stands among the children, or would; true when it is there.
static bool find(const struct node *directory, const char *name, size_t length, size_t *ret)
{
    size_t low = 0, high = directory->children.length;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare(name, length, directory->children.items[middle]->name);
        if (order == 0) {
            *ret = middle;
            return true;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    *ret = low;
    return false;
}

int tree_read(struct tree *tree, struct node *directory, struct error *err)
{
    if (!directory->unread)
        return 0;
    directory->unread = false;
    return tree->read(tree, directory, err);
}

struct node *tree_child(
    struct tree *tree, struct node *directory, const char *name, size_t length, struct error *err)
{
    size_t at;
    if (directory->type != NODE_DIRECTORY || tree_read(tree, directory, err) < 0)
        return NULL;
    return find(directory, name, length, &at) ? directory->children.items[at] : NULL;
}

struct node *node_add(struct node *directory, const char *name, size_t length)
{
    size_t at;
    if (find(directory, name, length, &at))
        node_remove(directory->children.items[at]);
    struct node *node = mem_alloc(sizeof *node);
    node->name = mem_strndup(name, length);
    node->parent = directory;
    vec_push(&directory->children, NULL);
    memmove(&directory->children.items[at + 1], &directory->children.items[at],
        (directory->children.length - 1 - at) * sizeof node);
    directory->children.items[at] = node;
    return node;
}

void node_remove(struct node *node)
{
    struct node *parent = node->parent;
    size_t at;
    if (find(parent, node->name, strlen(node->name), &at)) {
        memmove(&parent->children.items[at], &parent->children.items[at + 1],
            (parent->children.length - 1 - at) * sizeof node);
        parent->children.length--;
    }
    node_free(node);
}

char *node_path(const struct node *node)
{
    if (!node->parent)
        return mem_strdup("");
    AUTO_FREE char *parent = node_path(node->parent);
    return *parent ? mem_printf("%s/%s", parent, node->name) : mem_strdup(node->name);
}

// One walk: what is still to be followed, and how many links have been.
struct walk {
    struct tree *tree;
    char *rest;
    int links;
};

// Puts the link's target before what is left of the walk; where it goes on is returned.
static struct node *follow_link(struct walk *w, struct node *link, const char *rest)
{
    char *joined = mem_printf("%s/%s", link->target, rest);
    struct node *next = link->target[0] == '/' ? w->tree->root : link->parent;
    free(w->rest);
    w->rest = joined;
    return next;
}

static char *unresolved(const struct node *at, const char *rest)
{
    AUTO_FREE char *here = node_path(at);
    AUTO_FREE char *whole = mem_printf("%s/%s", here, rest);
    return path_clean(whole);
}

static int walk(
    struct walk *w, bool follow, struct node **ret_node, char **ret_path, struct error *err)
{
    struct node *at = w->tree->root;
    for (char *p = w->rest;;) {
        p += strspn(p, "/");
        size_t length = strcspn(p, "/");
        if (length == 0)
            break;
        char *rest = p + length;
        rest += strspn(rest, "/");
        if (length <= 2 && p[0] == '.' && p[length - 1] == '.') {
            if (length == 2 && at->parent)
                at = at->parent;
            p = rest;
            continue;
        }
        struct error why = {0};
        struct node *child = tree_child(w->tree, at, p, length, &why);
        if (why.kind) {
            if (err)
                *err = why;
            return -1;
        }
        if (!child) {
            *ret_node = NULL;
            if (ret_path)
                *ret_path = unresolved(at, p);
            return 0;
        }
        if (child->type == NODE_LINK && (*rest || follow)) {
            if (++w->links > LINKS_MAX)
                return error_set(err, ERR_CONFIG, "too many symbolic links");
            at = follow_link(w, child, rest);
            p = w->rest;
            continue;
        }
        if (*rest && child->type != NODE_DIRECTORY)
            return error_set(err, ERR_CONFIG, "\"%s\" is not a directory", child->name);
        at = child;
        p = rest;
    }
    *ret_node = at;
    if (ret_path)
        *ret_path = node_path(at);
    return 0;
}

int tree_resolve(struct tree *tree, const char *path, bool follow, struct node **ret_node,
    char **ret_path, struct error *err)
{
    struct walk w = {.tree = tree, .rest = mem_strdup(path)};
    int status = walk(&w, follow, ret_node, ret_path, err);
    free(w.rest);
    return status;
}

char *path_clean(const char *path)
{
    AUTO(str) struct str out;
    str_init(&out, strlen(path) + 1);
    for (const char *p = path;;) {
        p += strspn(p, "/");
        size_t length = strcspn(p, "/");
        if (length == 0)
            break;
        if (length == 2 && p[0] == '.' && p[1] == '.') {
            const char *slash = strrchr(out.data, '/');
            size_t kept = slash ? (size_t)(slash - out.data) : 0;
            AUTO_FREE char *shorter = mem_strndup(out.data, kept);
            str_clear(&out);
            str_puts(&out, shorter);
        } else if (length != 1 || p[0] != '.') {
            if (out.length)
                str_putc(&out, '/');
            str_add(&out, p, length);
        }
        p += length;
    }
    return str_take(&out);
}
