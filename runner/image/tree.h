// A file tree in memory: what a root filesystem made of layers, or a build context, holds, without
// anything being unpacked. COPY is planned from one tree into another.
//
// A directory may be left unread until somebody looks into it (a build context is).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/str.h"
#include "base/vec.h"

enum node_type { NODE_FILE, NODE_DIRECTORY, NODE_LINK, NODE_FIFO };

struct node {
    char *name;
    struct node *parent; // NULL: the root
    enum node_type type;
    mode_t mode; // permission bits, setuid and friends
    uid_t uid;
    gid_t gid;
    char *target;    // link: where to
    size_t layer;    // file: number of the layer that holds its bytes
    char *content;   // file: its path in that layer
    bool shared;     // file: another one has the same layer and content: they are hard links
    bool unread;     // directory: its children are to be asked for
    size_t inherits; // directory, for an ignore file: index into the context's own records
    VEC(struct node *) children; // by name, bytewise
};

struct tree;
// Adds the children of `directory`.
typedef int tree_read_fn(struct tree *tree, struct node *directory, struct error *err);
struct tree {
    struct node *root;
    tree_read_fn *read; // NULL: nothing is unread
    void *arg;
    char *passwd, *group; // the text of those files under /etc; NULL when there are none
};

void tree_init(struct tree *tree); // an empty root directory, 0755, of root
void tree_done(struct tree *tree); // accepts an all-zero tree
DEFINE_AUTO(tree, struct tree, tree_done)

// The child with that name, or NULL with *err untouched; NULL with *err when reading failed. `err`
// starts as ERR_NONE.
struct node *tree_child(
    struct tree *tree, struct node *directory, const char *name, size_t length, struct error *err);
int tree_read(struct tree *tree, struct node *directory, struct error *err); // when it is unread

// A new child, or the old one emptied when the name exists: a plain file until the caller says
// otherwise.
struct node *node_add(struct node *directory, const char *name, size_t length)
    __attribute__((returns_nonnull));
void node_remove(struct node *node);      // from its parent, with all below it
char *node_path(const struct node *node); // "usr/bin/x"; "" for the root; the caller's

// Follows `path` from the root with every symbolic link resolved as if the root were "/"; the last
// component's link only when `follow`. *ret_node is NULL when nothing is there, and *ret_path (may
// be NULL) is then where it would be: the part that exists, resolved, and the rest as it was given.
// ERR_CONFIG: a component is not a directory, or the links have no end.
int tree_resolve(struct tree *tree, const char *path, bool follow, struct node **ret_node,
    char **ret_path, struct error *err);

// Lexically clean and without a leading slash: "/a/./b//../c" is "a/c"; ".." stops at the root; the
// caller's.
char *path_clean(const char *path);
