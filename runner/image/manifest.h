// Manifests: what a registry or a store says that an image is made of. OCI's and Docker's (version
// 2, schema 2), images and lists of images.
#pragma once

#include "image/layer.h"

#define MANIFEST_OCI         "application/vnd.oci.image.manifest.v1+json"
#define MANIFEST_OCI_INDEX   "application/vnd.oci.image.index.v1+json"
#define MANIFEST_DOCKER      "application/vnd.docker.distribution.manifest.v2+json"
#define MANIFEST_DOCKER_LIST "application/vnd.docker.distribution.manifest.list.v2+json"
#define MANIFEST_ACCEPT                                                                            \
    MANIFEST_OCI ", " MANIFEST_OCI_INDEX ", " MANIFEST_DOCKER ", " MANIFEST_DOCKER_LIST
#define MANIFEST_MAX ((size_t)4 << 20)
#define CONFIG_MAX   ((size_t)8 << 20)
#define LAYERS_MAX   127 // what overlayfs stacks

struct descriptor {
    char digest[DIGEST_SIZE];
    uint64_t size;
};

struct manifest {
    const char *media_type; // one of the above
    bool is_index;
    struct descriptor config;   // of an image
    struct layer_stack layers;  // of an image; diff ids are still empty
    struct descriptor selected; // of a list: the image for this machine
};
void manifest_done(struct manifest *m); // accepts an all-zero one
DEFINE_AUTO(manifest, struct manifest, manifest_done)

// Reads a manifest whose bytes were checked against their digest. `media_type` is what the sender
// called it (NULL: nothing). What could be read in two ways (both an image and a list, a type that
// contradicts another) is ERR_PROTOCOL: CVE-2021-41190. A list without an image for this machine is
// ERR_NOT_FOUND.
int manifest_parse(const char *text, size_t length, const char *media_type, struct manifest *ret,
    struct error *err);

// An image as the store has it.
struct image {
    char digest[DIGEST_SIZE]; // of the manifest
    uint64_t size;            // of the manifest
    char id[DIGEST_SIZE];     // of the configuration
    const char *media_type;
    struct value *config;
    struct layer_stack layers;
};
void image_done(struct image *image); // accepts an all-zero one
DEFINE_AUTO(image, struct image, image_done)

// Reads manifest and configuration from the store, and checks that they fit each other.
int image_load(const struct store *store, const char *digest, struct image *ret, struct error *err);
// Do all blobs of the image lie in the store?
bool image_complete(const struct store *store, const struct image *image);
// Writes configuration and manifest into the store: image->config and image->layers are given, the
// rest is filled in. `annotations` of the manifest may be NULL.
int image_save(
    struct store *store, struct image *image, const struct value *annotations, struct error *err);
