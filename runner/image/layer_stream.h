// The tar archive inside a layer's blob as a stream of bytes: decompressed, counted, hashed.
#pragma once

#include "image/layer.h"

struct layer_stream;
struct layer_stream *layer_stream_open(
    const struct store *store, const struct layer *layer, struct error *err);
void layer_stream_close(struct layer_stream *s); // accepts NULL
// The next piece, lent until the next call; 0 at the end, -1 with *err.
ssize_t layer_stream_next(struct layer_stream *s, const void **ret, struct error *err);
// Bytes of files: holes of sparse ones are made out of nothing, so these count apart.
int layer_stream_count(struct layer_stream *s, uint64_t bytes, struct error *err);
// Reads what is left, and compares the digest of everything with the layer's diff id.
int layer_stream_verify(struct layer_stream *s, struct error *err);

DEFINE_AUTO_PTR(layer_stream, struct layer_stream, layer_stream_close)
