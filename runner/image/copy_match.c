#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "image/copy.h"
#include "os/file.h"

void node_list_done(struct node_list *list)
{
    vec_each (m, &list->items)
        free(m->name);
    vec_free(&list->items);
}

static int add(struct tree *tree, const char *path, struct node_list *out, struct error *err)
{
    struct node *node;
    if (tree_resolve(tree, path, true, &node, NULL, err) < 0)
        return -1;
    if (!node)
        return error_set(err, ERR_CONFIG, "\"%s\" does not exist there", path);
    *vec_add(&out->items) = (struct copy_match){.node = node, .name = mem_strdup(path_base(path))};
    return 0;
}

// Matches the components of `pattern` one level at a time below `at`, whose path is `path`. A `**`
// is a `*` here.
static int expand(struct tree *tree, struct node *at, const char *path, const char *pattern,
    struct node_list *out, struct error *err)
{
    size_t length = strcspn(pattern, "/");
    AUTO_FREE char *component = mem_strndup(pattern, length);
    const char *rest = pattern[length] ? pattern + length + 1 : NULL;
    if (strcmp(component, "**") == 0)
        component[1] = '\0';
    if (tree_read(tree, at, err) < 0)
        return -1;
    for (size_t i = 0; i < at->children.length; i++) {
        struct node *child = at->children.items[i];
        if (!glob_match(component, child->name))
            continue;
        AUTO_FREE char *child_path = *path ? path_join(path, child->name) : mem_strdup(child->name);
        struct node *target = child;
        if (!rest && child->type == NODE_LINK) {
            if (add(tree, child_path, out, err) < 0)
                return -1;
        } else if (!rest) {
            *vec_add(&out->items) =
                (struct copy_match){.node = target, .name = mem_strdup(child->name)};
        } else if (child->type == NODE_DIRECTORY &&
                   expand(tree, child, child_path, rest, out, err) < 0) {
            return -1;
        }
    }
    return 0;
}

// The pattern's leading components without wildcards; *ret_rest is what follows.
static char *literal_part(const char *pattern, const char **ret_rest)
{
    const char *end = pattern;
    for (const char *p = pattern; *p;) {
        size_t length = strcspn(p, "/");
        AUTO_FREE char *component = mem_strndup(p, length);
        if (!glob_is_literal(component))
            break;
        p += length;
        p += *p == '/';
        end = p;
    }
    *ret_rest = end;
    return mem_strndup(pattern, (size_t)(end - pattern));
}

int copy_match(struct tree *tree, const char *source, struct node_list *out, struct error *err)
{
    const char *pattern;
    AUTO_FREE char *clean = path_clean(source);
    AUTO_FREE char *literal = literal_part(clean, &pattern);
    if (!*pattern)
        return add(tree, clean, out, err);
    struct node *base;
    AUTO_FREE char *path = NULL;
    if (tree_resolve(tree, literal, true, &base, &path, err) < 0)
        return -1;
    if (!base || base->type != NODE_DIRECTORY)
        return 0;
    return expand(tree, base, path, pattern, out, err);
}
