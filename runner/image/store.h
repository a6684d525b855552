// What davit-image keeps on disk, one directory for all images of a machine:
//
//     oci-layout, index.json   an OCI image layout (tags are annotations of the index)
//     blobs/sha256/HEX         manifests, configurations, layers as they travel
//     layers/HEX/              a layer unpacked, by its diff id: a lower directory for overlayfs
//     layers/HEX.state         how far that directory can be trusted (store_layers.c)
//     layers/HEX.index         what the layer holds (layer_index.h)
//     cache/HEX                what a step of a build gave, by the step's key
//     pins/APP/HEX             manifests that a release of an app needs
//     mounts/ID/               cache mounts of RUN steps
//     work/ID-N                files and directories in the making
//     lock, users              writers of the index one after the other; who uses the store at all
//
// Everything is written under work/ and renamed into place, so that what has a final name is whole.
// Several processes may use one store at a time. All names that callers see are relative to it.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"
#include "base/vec.h"
#include "codec/digest.h"
#include "codec/value.h"

struct store {
    int dir;
    int users_fd; // holds a shared lock as long as the store is open
    int blobs_dir;
    char *work_id; // chosen at the first need; NULL: nothing was made
    unsigned serial;
};

// Opens it, making what is missing. Leftovers of dead processes go when nobody else is using it.
int store_open(struct store *store, const char *path, struct error *err);
void store_close(struct store *store); // removes what is left of its own below work/
DEFINE_AUTO(store, struct store, store_close)
// A name below work/ that nobody else uses, "work/ID-7"; nothing is made there. The caller's.
char *store_temporary(struct store *store);
// Becomes the only user: 1; 0 when there are others; -1 with *err.
int store_alone(struct store *store, struct error *err);

// Blobs.
bool store_has_blob(const struct store *store, const char *digest);
int store_open_blob(const struct store *store, const char *digest, struct error *err); // fd or -1
// Appends the blob's bytes; ERR_PROTOCOL when they are not what the digest says.
int store_read_blob(
    const struct store *store, const char *digest, struct str *out, struct error *err);
int store_put_blob(struct store *store, const void *bytes, size_t length,
    char ret_digest[static DIGEST_SIZE], struct error *err);
// A JSON blob, parsed; ERR_PROTOCOL when it is none. NULL with *err.
struct value *store_read_json(const struct store *store, const char *digest, struct error *err);

// A blob that is being written.
struct blob_writer {
    struct store *store;
    int fd;
    char *name;
    struct sha256 hash;
    uint64_t size, flushed;
};
int blob_begin(struct store *store, struct blob_writer *w, struct error *err);
int blob_add(struct blob_writer *w, const void *bytes, size_t length, struct error *err);
// Puts it in its place, on disk for good. `expected` (may be NULL) is what its digest must be:
// ERR_PROTOCOL otherwise. It is over either way.
int blob_commit(
    struct blob_writer *w, const char *expected, char ret[static DIGEST_SIZE], struct error *err);
void blob_abandon(struct blob_writer *w); // accepts an all-zero one, and one that is over
DEFINE_AUTO(blob, struct blob_writer, blob_abandon)

// Tags. A reference is one as of reference_name(); what it points at is a manifest's descriptor:
// {mediaType, digest, size}. `source` is the digest that a registry has under that name (an index,
// perhaps); may be NULL.
int store_tag(struct store *store, const char *reference, const struct value *descriptor,
    const char *source, struct error *err);
// *ret is NULL when there is no such tag; otherwise the descriptor with its annotations.
int store_find(
    const struct store *store, const char *reference, struct value **ret, struct error *err);
// All descriptors of the index.
struct value *store_tags(const struct store *store, struct error *err);
#define TAG_NAME   "org.opencontainers.image.ref.name"
#define TAG_SOURCE "io.davit.source"

// Everything written so far survives a power cut from now on, unpacked layers included.
int store_sync(struct store *store, struct error *err);

// Pins. What an app's release runs on is not collected.
int store_pin(struct store *store, const char *app, const char *digest, struct error *err);
// `kept` says what each app still needs: {APP: [digest]}; null: nobody knows, all of it. Other pins
// go that are older than keep_ms: a rollout pins before its release is recorded.
int store_unpin(struct store *store, const struct value *kept, int64_t keep_ms, struct error *err);

// Records of the build cache: small maps by a hex key. *ret is NULL when there is none (or none
// that can be read). A record that is found counts as used now.
void store_recall(const struct store *store, const char *key, struct value **ret);
int store_remember(
    struct store *store, const char *key, const struct value *record, struct error *err);

// Removes what no tag, no pin and no cache record younger than `keep_ms` reaches. ERR_CONFLICT
// while somebody else is using the store.
struct store_swept {
    unsigned blobs, layers, records, mounts;
    uint64_t bytes;
};
int store_collect(struct store *store, int64_t keep_ms, struct store_swept *ret, struct error *err);
