// COPY, planned from one tree into another: which entries the new layer gets, without a byte of the
// target being unpacked.
//
// As BuildKit does it: a directory stands for its contents; links named as a source are followed,
// those below stay links; links on the way to the destination are followed; new parents belong to
// --chown; a wildcard without a match is nothing, a literal without one is an error.
#pragma once

#include "image/passwd.h"
#include "image/tree.h"

struct copy_request {
    struct tree *from, *to;
    const struct strv *sources;
    const char *destination; // absolute; a trailing slash counts
    bool from_context;       // owners are not kept: what is new is root's
    const struct ids *owner; // --chown; NULL: none given
    const char *mode;        // --chmod, octal; NULL: none given
};

struct copy_entry {
    char *path;              // in the layer
    const struct node *node; // whose content it is; NULL: a directory that is new
    enum node_type type;
    mode_t mode;
    uid_t uid;
    gid_t gid;
};
struct copy_plan {
    VEC(struct copy_entry)
    entries; // by path, parents first; parents that exist are listed, too,
             // with their attributes, so that the layer can stand alone
};
void copy_plan_done(struct copy_plan *plan); // accepts an all-zero one
DEFINE_AUTO(copy_plan, struct copy_plan, copy_plan_done)

// ERR_CONFIG with what to do about it when the request makes no sense. Afterwards the target tree
// holds what was copied (so that a later source sees what an earlier one made): it describes the
// root filesystem with the new layer, number `layer`, on it.
int copy_plan(
    const struct copy_request *request, size_t layer, struct copy_plan *ret, struct error *err);

// The nodes that a source names: through links, wildcards expanded. An empty list is a wildcard
// without a match.
struct node_list {
    VEC(struct copy_match {
        struct node *node;
        char *name; // what a file is called in a destination directory
    })
    items;
};
void node_list_done(struct node_list *list);
DEFINE_AUTO(node_list, struct node_list, node_list_done)
int copy_match(struct tree *tree, const char *source, struct node_list *out, struct error *err);

// Plans only the directory `path` (absolute) and what is missing above it, for WORKDIR. An empty
// plan: it is there already.
int copy_plan_directory(struct tree *to, const char *path, const struct ids *owner, size_t layer,
    struct copy_plan *ret, struct error *err);
