#include "image/layer_index.h"

#include <stdlib.h>
#include <string.h>

#define HEADER   "davit layer index 1"
#define TEXT_MAX ((size_t)1 << 20)

static const char types[] = {
    [NODE_FILE] = 'f', [NODE_DIRECTORY] = 'd', [NODE_LINK] = 'l', [NODE_FIFO] = 'p'};

void layer_index_init(struct layer_index *index)
{
    *index = (struct layer_index){0};
    str_init(&index->text, LAYER_INDEX_MAX);
    str_add(&index->text, HEADER, sizeof HEADER);
}

void layer_index_done(struct layer_index *index)
{
    if (index->text.data)
        str_done(&index->text);
    free(index->passwd);
    free(index->group);
    *index = (struct layer_index){0};
}

static void add_text(struct layer_index *index, const char *text)
{
    str_add(&index->text, text, strlen(text) + 1);
}

void layer_index_add(struct layer_index *index, enum node_type type, const char *path, mode_t mode,
    uid_t uid, gid_t gid, const char *target)
{
    if (type == NODE_LINK)
        mode = 0777; // it has none of its own
    str_printf(&index->text, "%c%o %u %u ", types[type], (unsigned)mode, uid, gid);
    add_text(index, path);
    if (type == NODE_LINK)
        add_text(index, target);
}

void layer_index_hard_link(struct layer_index *index, const char *path, const char *target)
{
    str_puts(&index->text, "h0 0 0 ");
    add_text(index, path);
    add_text(index, target);
}

void layer_index_whiteout(struct layer_index *index, const char *path)
{
    str_puts(&index->text, "w0 0 0 ");
    add_text(index, path);
}

void layer_index_opaque(struct layer_index *index, const char *path)
{
    str_puts(&index->text, "o0 0 0 ");
    add_text(index, path);
}

static char **slot_of(struct layer_index *index, const char *path)
{
    if (strcmp(path, "etc/passwd") == 0)
        return &index->passwd;
    return strcmp(path, "etc/group") == 0 ? &index->group : NULL;
}

bool layer_index_wants_text(const char *path)
{
    return strcmp(path, "etc/passwd") == 0 || strcmp(path, "etc/group") == 0;
}

void layer_index_text(struct layer_index *index, const char *path, const char *text, size_t length)
{
    char **slot = slot_of(index, path);
    if (length > TEXT_MAX)
        length = TEXT_MAX;
    free(*slot);
    *slot = mem_strndup(text, strnlen(text, length));
}

char *layer_index_finish(struct layer_index *index, size_t *ret_length)
{
    if (index->passwd) {
        str_puts(&index->text, "P0 0 0 ");
        add_text(index, index->passwd);
    }
    if (index->group) {
        str_puts(&index->text, "G0 0 0 ");
        add_text(index, index->group);
    }
    str_puts(&index->text, "E0 0 0 ");
    add_text(index, "");
    *ret_length = index->text.length;
    return str_take(&index->text);
}

struct record {
    char letter;
    mode_t mode;
    uid_t uid;
    gid_t gid;
    const char *path, *target;
};

// Reads the record at *at and moves behind it; false when the text is not one.
static bool next_record(const char **at, const char *end, struct record *ret)
{
    const char *text = *at, *stop = memchr(text, '\0', (size_t)(end - text));
    if (!stop)
        return false;
    *ret = (struct record){.letter = *text++};
    char *rest;
    ret->mode = (mode_t)strtoul(text, &rest, 8);
    ret->uid = (uid_t)strtoul(rest, &rest, 10);
    ret->gid = (gid_t)strtoul(rest, &rest, 10);
    if (*rest != ' ')
        return false;
    ret->path = rest + 1;
    *at = stop + 1;
    if (ret->letter != 'l' && ret->letter != 'h')
        return true;
    stop = memchr(*at, '\0', (size_t)(end - *at));
    if (!stop)
        return false;
    ret->target = *at;
    *at = stop + 1;
    return true;
}

// The directory that holds the last component of path, made when it is missing (a layer need not
// list the parents of what it holds); *ret_name is the component.
static struct node *parent_of(struct tree *tree, const char *path, const char **ret_name)
{
    struct node *at = tree->root;
    for (const char *slash; (slash = strchr(path, '/')); path = slash + 1) {
        struct node *child = tree_child(tree, at, path, (size_t)(slash - path), NULL);
        if (!child || child->type != NODE_DIRECTORY) {
            child = node_add(at, path, (size_t)(slash - path));
            child->type = NODE_DIRECTORY;
            child->mode = 0755;
        }
        at = child;
    }
    *ret_name = path;
    return at;
}

static struct node *exact(struct tree *tree, const char *path)
{
    struct node *at = tree->root;
    while (*path) {
        size_t length = strcspn(path, "/");
        at = tree_child(tree, at, path, length, NULL);
        if (!at)
            return NULL;
        path += length;
        path += *path == '/';
    }
    return at;
}

static void forget_text(struct tree *tree, const char *path)
{
    if (strcmp(path, "etc/passwd") == 0)
        mem_replace(&tree->passwd, NULL);
    if (strcmp(path, "etc/group") == 0)
        mem_replace(&tree->group, NULL);
}

// Whiteouts hide what lower layers hold, wherever in the layer they stand: they go first.
static void hide(struct tree *tree, const struct record *r)
{
    struct node *node = exact(tree, r->path);
    if (r->letter == 'w')
        forget_text(tree, r->path);
    if (r->letter == 'w' && node && node->parent)
        node_remove(node);
    if (r->letter == 'o' && node)
        while (node->children.length)
            node_remove(node->children.items[node->children.length - 1]);
}

// A fresh node at the record's path; a directory that is one already keeps its children.
static struct node *node_at(struct tree *tree, const struct record *r)
{
    const char *name;
    struct node *parent = parent_of(tree, r->path, &name);
    struct node *old = tree_child(tree, parent, name, strlen(name), NULL);
    if (old && old->type == NODE_DIRECTORY && r->letter == 'd')
        return old;
    return node_add(parent, name, strlen(name));
}

static void place(struct tree *tree, const struct record *r, size_t layer)
{
    if (r->letter == 'P' || r->letter == 'G') {
        mem_replace(r->letter == 'P' ? &tree->passwd : &tree->group, r->path);
        return;
    }
    if (strchr("woE", r->letter))
        return;
    forget_text(tree, r->path); // what follows may bring another
    struct node *node = *r->path ? node_at(tree, r) : tree->root;
    struct node *first = r->letter == 'h' ? exact(tree, r->target) : NULL;
    node->shared = first != NULL;
    if (first)
        first->shared = true;
    node->layer = layer;
    node->mode = first ? first->mode : r->mode;
    node->uid = first ? first->uid : r->uid;
    node->gid = first ? first->gid : r->gid;
    switch (r->letter) {
    case 'd':
        node->type = NODE_DIRECTORY;
        break;
    case 'l':
        node->type = NODE_LINK;
        mem_replace(&node->target, r->target);
        break;
    case 'p':
        node->type = NODE_FIFO;
        break;
    default:
        mem_replace(&node->content, r->letter == 'h' ? r->target : r->path);
    }
}

int layer_index_apply(
    struct tree *tree, const char *text, size_t length, size_t layer, struct error *err)
{
    const char *end = text + length;
    if (length < sizeof HEADER || memcmp(text, HEADER, sizeof HEADER) != 0)
        return error_set(err, ERR_PROTOCOL, "not an index of a layer");
    struct record r = {0};
    for (const char *at = text + sizeof HEADER; at < end; hide(tree, &r))
        if (!next_record(&at, end, &r))
            return error_set(err, ERR_PROTOCOL, "a damaged index of a layer");
    if (r.letter != 'E')
        return error_set(err, ERR_PROTOCOL, "an index of a layer that was cut off");
    for (const char *at = text + sizeof HEADER; at < end; place(tree, &r, layer))
        next_record(&at, end, &r);
    return 0;
}
