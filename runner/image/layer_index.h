// The index of a layer: what it holds, as a compact text that the store keeps beside it, so that a
// tree can be put together from layers that were never unpacked.
//
// Records end with a NUL: a letter and octal mode, ids, path, and for links a second field.
#pragma once

#include "image/tree.h"

struct layer_index {
    struct str text;
    char *passwd, *group;
};

#define LAYER_INDEX_MAX ((size_t)256 << 20)

void layer_index_init(struct layer_index *index);
void layer_index_done(struct layer_index *index); // accepts an all-zero one
DEFINE_AUTO(layer_index, struct layer_index, layer_index_done)

void layer_index_add(struct layer_index *index, enum node_type type, const char *path, mode_t mode,
    uid_t uid, gid_t gid, const char *target);
void layer_index_hard_link(struct layer_index *index, const char *path, const char *target);
void layer_index_whiteout(struct layer_index *index, const char *path); // of what it hides
void layer_index_opaque(struct layer_index *index, const char *path);   // of the directory
// Is that a file whose text the index keeps? Then it goes here, cut at a megabyte.
bool layer_index_wants_text(const char *path);
void layer_index_text(struct layer_index *index, const char *path, const char *text, size_t length);

char *layer_index_finish(struct layer_index *index, size_t *ret_length); // the caller's

// Lays the layer over the tree as its layer number `layer`. ERR_PROTOCOL on a text that is no
// index.
int layer_index_apply(
    struct tree *tree, const char *text, size_t length, size_t layer, struct error *err);
