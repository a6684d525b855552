// Writes a layer: a canonical tar archive, compressed, straight into the store, with all digests
// taken on the way in one pass.
//
// Canonical: entries come sorted by path with their parents before them (the caller's duty), times
// are whole seconds and all the same, there are no names of users, no device numbers, nothing of
// the machine. The recipe is LAYER_RECIPE: whoever changes a byte of what comes out changes it, as
// it is part of every key of the build cache.
#pragma once

#include "image/layer.h"

#define LAYER_RECIPE "davit tar 1, isa-l gzip 1"

enum layer_item { LAYER_NODE, LAYER_HARD_LINK, LAYER_WHITEOUT, LAYER_OPAQUE };

struct layer_entry {
    enum layer_item item;
    const char *path;    // no leading or trailing slash; of what a whiteout hides
    enum node_type type; // LAYER_NODE
    mode_t mode;
    uid_t uid;
    gid_t gid;
    const char *target;     // link: where to; hard link: path of an earlier file in this layer
    uint64_t size;          // file
    int fd;                 // file: read from position 0
    const void *capability; // value of security.capability; NULL: none
    size_t capability_size;
};

struct layer_writer;
struct layer_writer *layer_writer_new(struct store *store, int64_t mtime, struct error *err);
void layer_writer_free(struct layer_writer *w); // accepts NULL; what was not finished is gone
int layer_writer_add(struct layer_writer *w, const struct layer_entry *entry, struct error *err);
// Puts the blob and the index into the store. *ret describes the layer.
int layer_writer_finish(struct layer_writer *w, struct layer *ret, struct error *err);

DEFINE_AUTO_PTR(layer_writer, struct layer_writer, layer_writer_free)
