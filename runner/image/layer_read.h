// Reads the blob of a layer, which somebody else may have made: decompresses it, checks that it is
// what its diff id says, makes its index, and unpacks it when asked.
//
// Hostile archives are bounded (bytes, ratio, entries, lengths of names) and cannot reach out of
// the directory: every path is resolved inside it by the kernel (openat2).
#pragma once

#include "image/layer.h"

#define LAYER_BYTES_MAX      ((uint64_t)32 << 30) // unpacked
#define LAYER_RATIO_MAX      ((uint64_t)200)      // unpacked to packed, once a layer is larger than
#define LAYER_RATIO_FREE     ((uint64_t)64 << 20) // this
#define LAYER_ENTRIES_MAX    500000u
#define LAYER_NAME_MAX       ((size_t)4096)
#define LAYER_CAPABILITY_MAX ((size_t)64)

// `directory` is a fresh directory below the store that becomes a lower directory for overlayfs
// (whiteouts are character devices 0:0, opaque directories carry user.overlay.opaque); NULL: only
// the index is made. `below` (directories of the layers below, top first; may be NULL) tell the
// attributes of parent directories that the archive does not list. On failure the directory holds
// half a layer: remove it.
int layer_read(struct store *store, const struct layer *layer, const char *directory,
    const struct strv *below, struct error *err);
