// A layer of an image: what a manifest and a configuration say about it, and how it lies in the
// store.
#pragma once

#include "image/layer_index.h"
#include "image/store.h"

enum layer_compression { LAYER_GZIP, LAYER_ZSTD, LAYER_PLAIN };

struct layer {
    char diff_id[DIGEST_SIZE]; // of the tar archive
    char digest[DIGEST_SIZE];  // of the blob
    uint64_t size;             // of the blob
    enum layer_compression compression;
};

struct layer_stack {
    VEC(struct layer) items; // bottom first
};
void layer_stack_done(struct layer_stack *stack);
void layer_stack_copy(struct layer_stack *to, const struct layer_stack *from); // appends
DEFINE_AUTO(layer_stack, struct layer_stack, layer_stack_done)

const char *layer_media_type(enum layer_compression compression); // the OCI one
// Knows OCI's and Docker's types; false for others (foreign and encrypted layers among them).
bool layer_media_parse(const char *media_type, enum layer_compression *ret);

struct value *layer_to_value(const struct layer *layer); // for records of the cache
bool layer_from_value(const struct value *v, struct layer *ret);

// "layers/HEX", the unpacked directory's name in the store; the caller's.
char *layer_directory(const struct layer *layer);
// Can that directory be used? It can when it was made whole and no power cut may have eaten of it.
bool layer_is_unpacked(const struct store *store, const struct layer *layer);
// Moves a finished directory (a name below work/) into its place.
int layer_adopt(
    struct store *store, const char *directory, const struct layer *layer, struct error *err);
// After everything was synced: from now on it is good after a power cut, too.
int layer_settle(struct store *store, const struct layer *layer, struct error *err);

int layer_put_index(
    struct store *store, const struct layer *layer, struct layer_index *index, struct error *err);

// Unpacks the layers of the stack that are not, bottom up.
int layer_stack_unpack(struct store *store, const struct layer_stack *stack, struct error *err);
// Lays the layers of the stack over the tree, numbered by their place in it. What is not unpacked
// stays so: a missing index is made by reading the blob.
int layer_stack_tree(struct store *store, const struct layer_stack *stack, size_t from,
    struct tree *tree, struct error *err);
// The directories, top first, as overlayfs wants them: a layer that appears twice counts once, at
// the top.
void layer_stack_lowers(const struct layer_stack *stack, struct strv *out);
