#include "image/copy.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "os/file.h"

#define ENTRIES_MAX 500000u

struct copier {
    const struct copy_request *request;
    size_t layer;
    mode_t mode;         // of --chmod
    struct tree written; // the layer alone; a node's `inherits` is its entry's number
    VEC(struct copy_entry) entries;
};

void copy_plan_done(struct copy_plan *plan)
{
    vec_each (e, &plan->entries)
        free(e->path);
    vec_free(&plan->entries);
}

static char *below(const char *directory, const char *name)
{
    return *directory ? path_join(directory, name) : mem_strdup(name);
}

// The entry at that path, a new one when there is none yet.
static struct copy_entry *entry_at(struct copier *c, const char *path)
{
    struct node *at = c->written.root;
    for (const char *p = path; *p;) {
        size_t length = strcspn(p, "/");
        struct node *child = tree_child(&c->written, at, p, length, NULL);
        if (!child) {
            child = node_add(at, p, length);
            child->type = NODE_DIRECTORY; // only so that it may have children
            child->inherits = SIZE_MAX;
        }
        at = child;
        p += length;
        p += *p == '/';
    }
    if (at->inherits == SIZE_MAX) {
        at->inherits = c->entries.length;
        *vec_add(&c->entries) = (struct copy_entry){.path = mem_strdup(path)};
    }
    return &c->entries.items[at->inherits];
}

// The directory at `path` (resolved), made with what is missing above it; existing ones are only
// listed. NULL with *err.
static struct node *need_directory(struct copier *c, const char *path, struct error *err)
{
    struct node *at = c->request->to->root;
    for (const char *p = path; *p;) {
        size_t length = strcspn(p, "/");
        AUTO_FREE char *prefix = mem_strndup(path, (size_t)(p - path) + length);
        struct node *child = tree_child(c->request->to, at, p, length, NULL);
        if (child && child->type != NODE_DIRECTORY) {
            error_set(err, ERR_CONFIG, "\"/%s\" exists and is not a directory", prefix);
            return NULL;
        }
        if (!child) {
            child = node_add(at, p, length);
            child->type = NODE_DIRECTORY;
            child->mode = 0755;
            child->uid = c->request->owner ? c->request->owner->uid : 0;
            child->gid = c->request->owner ? c->request->owner->gid : 0;
        }
        struct copy_entry *e = entry_at(c, prefix);
        e->type = NODE_DIRECTORY;
        e->mode = child->mode;
        e->uid = child->uid;
        e->gid = child->gid;
        at = child;
        p += length;
        p += *p == '/';
    }
    return at;
}

static void set_attributes(const struct copier *c, const struct node *from, struct node *to)
{
    const struct copy_request *r = c->request;
    to->type = from->type;
    to->mode = r->mode && from->type != NODE_LINK ? c->mode : from->mode;
    to->uid = r->owner ? r->owner->uid : r->from_context ? 0 : from->uid;
    to->gid = r->owner ? r->owner->gid : r->from_context ? 0 : from->gid;
    mem_replace(&to->target, from->target);
}

static int put_leaf(struct copier *c, const struct node *from, const char *path, struct error *err)
{
    const char *base = path_base(path);
    AUTO_FREE char *above = mem_strndup(path, base > path ? (size_t)(base - path) - 1 : 0);
    struct node *parent = need_directory(c, above, err);
    if (!parent)
        return -1;
    struct node *old = tree_child(c->request->to, parent, base, strlen(base), NULL);
    if (old && old->type == NODE_DIRECTORY)
        return error_set(err, ERR_CONFIG, "\"/%s\" is a directory, a file cannot replace it", path);
    struct node *node = node_add(parent, base, strlen(base));
    set_attributes(c, from, node);
    node->layer = c->layer;
    struct copy_entry *e = entry_at(c, path);
    e->node = from;
    e->type = node->type;
    e->mode = node->mode;
    e->uid = node->uid;
    e->gid = node->gid;
    node->content = from->type == NODE_FILE ? mem_strdup(path) : NULL;
    return 0;
}

static int put_directory(
    struct copier *c, struct node *from, const char *path, bool top, struct error *err);

static int put(struct copier *c, struct node *from, const char *path, struct error *err)
{
    if (c->entries.length > ENTRIES_MAX)
        return error_set(err, ERR_LIMIT, "more than %u files", ENTRIES_MAX);
    // In a layer that name would hide another file.
    if (text_starts(path_base(path), ".wh."))
        return error_set(err, ERR_CONFIG,
            "\"%s\": a name that starts with .wh. cannot be in an image (there it would hide "
            "another file); rename it, or list it in .dockerignore",
            path);
    if (from->type == NODE_DIRECTORY)
        return put_directory(c, from, path, false, err);
    return put_leaf(c, from, path, err);
}

// The contents of a directory. The destination itself (`top`) keeps its attributes when it exists;
// what lies below takes the source's.
static int put_directory(
    struct copier *c, struct node *from, const char *path, bool top, struct error *err)
{
    struct node *node = need_directory(c, path, err);
    if (!node)
        return -1;
    if (!top) {
        struct copy_entry *e = entry_at(c, path);
        set_attributes(c, from, node);
        e->mode = node->mode;
        e->uid = node->uid;
        e->gid = node->gid;
    }
    if (tree_read(c->request->from, from, err) < 0)
        return -1;
    for (size_t i = 0; i < from->children.length; i++) {
        AUTO_FREE char *child = below(path, from->children.items[i]->name);
        if (put(c, from->children.items[i], child, err) < 0)
            return -1;
    }
    return 0;
}

static bool names_a_directory(const char *destination)
{
    const char *base = path_base(destination);
    return !*base || strcmp(base, ".") == 0 || strcmp(base, "..") == 0;
}

static int put_sources(struct copier *c, const struct node_list *sources, const char *path,
    bool directory, struct error *err)
{
    for (size_t i = 0; i < sources->items.length; i++) {
        const struct copy_match *m = &sources->items.items[i];
        if (m->node->type == NODE_DIRECTORY) {
            if (put_directory(c, m->node, path, true, err) < 0)
                return -1;
            continue;
        }
        AUTO_FREE char *file = directory ? below(path, m->name) : mem_strdup(path);
        if (put(c, m->node, file, err) < 0)
            return -1;
    }
    return 0;
}

static int plan(struct copier *c, struct error *err)
{
    const struct copy_request *r = c->request;
    AUTO(node_list) struct node_list sources = {0};
    strv_each (source, r->sources)
        if (copy_match(r->from, *source, &sources, err) < 0)
            return -1;
    struct node *existing;
    AUTO_FREE char *path = NULL;
    if (tree_resolve(r->to, r->destination, true, &existing, &path, err) < 0)
        return error_wrap(err, "the destination \"%s\"", r->destination);
    bool directory =
        names_a_directory(r->destination) || (existing && existing->type == NODE_DIRECTORY);
    bool many = r->sources->length > 1 || sources.items.length > 1;
    if (many && !directory)
        return error_set(err, ERR_CONFIG,
            "several files cannot become one: end the destination with a slash, \"%s/\"",
            r->destination);
    if (names_a_directory(r->destination) && sources.items.length && !need_directory(c, path, err))
        return -1;
    return put_sources(c, &sources, path, directory, err);
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct copy_entry *)a)->path, ((const struct copy_entry *)b)->path);
}

static void start(struct copier *c)
{
    tree_init(&c->written);
    c->written.root->inherits = SIZE_MAX;
}

static int finish(struct copier *c, int status, struct copy_plan *ret)
{
    tree_done(&c->written);
    struct copy_plan result = {0};
    result.entries.items = c->entries.items;
    result.entries.length = c->entries.length;
    result.entries.capacity = c->entries.capacity;
    if (status < 0) {
        copy_plan_done(&result);
        return -1;
    }
    if (result.entries.length)
        qsort(result.entries.items, result.entries.length, sizeof *result.entries.items, by_path);
    *ret = result;
    return 0;
}

int copy_plan(
    const struct copy_request *request, size_t layer, struct copy_plan *ret, struct error *err)
{
    struct copier c = {.request = request, .layer = layer};
    if (request->mode)
        c.mode = (mode_t)strtoul(request->mode, NULL, 8);
    start(&c);
    int status = plan(&c, err);
    return finish(&c, status, ret);
}

int copy_plan_directory(struct tree *to, const char *path, const struct ids *owner, size_t layer,
    struct copy_plan *ret, struct error *err)
{
    struct node *existing;
    AUTO_FREE char *resolved = NULL;
    if (tree_resolve(to, path, true, &existing, &resolved, err) < 0)
        return error_wrap(err, "the directory \"%s\"", path);
    if (existing && existing->type != NODE_DIRECTORY)
        return error_set(err, ERR_CONFIG, "\"%s\" exists and is not a directory", path);
    *ret = (struct copy_plan){0};
    if (existing)
        return 0;
    const struct copy_request request = {.to = to, .owner = owner};
    struct copier c = {.request = &request, .layer = layer};
    start(&c);
    int status = need_directory(&c, resolved, err) ? 0 : -1;
    return finish(&c, status, ret);
}
