// The upper directory of an overlay, after a RUN step, as a layer.
#pragma once

#include "image/layer.h"

// Writes what `directory` (a name below the store) holds into a new layer, and makes of it the
// unpacked form of that layer: times become `mtime`, the attributes that overlayfs keeps for itself
// go. The directory is then moved to its place among the layers. *ret_empty: nothing was changed,
// there is no layer.
int layer_from_upper(struct store *store, const char *directory, int64_t mtime, struct layer *ret,
    bool *ret_empty, struct error *err);
