// What the jobs of davit-image share: the store, the registries, the worker. Only for role*.c.
#pragma once

#include "codec/role.h"
#include "image/build.h"
#include "image/registry.h"

struct image_host {
    struct rpc *worker;
    struct store store;
    struct strv insecure;
    struct loop *loop; // with http and registries: made at the first need, they cost milliseconds
    struct registry_host registry_host;
    VEC(struct named_registry {
        char *name;
        struct registry *registry;
    })
    registries;
};
void image_host_done(struct image_host *h);
DEFINE_AUTO(image_host, struct image_host, image_host_done)

// The image that a reference means: a digest or a tag in the store, else a registry's, which is
// pulled. `always`: the registry is asked whether the tag has moved.
int image_host_find(
    struct image_host *h, const char *reference, bool always, struct image *ret, struct error *err);
// The same, but only what this host has: ERR_NOT_FOUND says how to see that.
int image_host_local(
    struct image_host *h, const char *reference, struct image *ret, struct error *err);
// Unpacks all layers, pins the image when app is given, and lists the layers in result.
int image_host_unpack(struct image_host *h, const struct image *image, const char *app,
    struct value *result, struct error *err);
int image_host_tag(
    struct image_host *h, const struct image *image, const char *reference, struct error *err);
// Appends what was pushed to `pushed`.
int image_host_push(struct image_host *h, const struct image *image, const char *reference,
    struct value *pushed, struct error *err);
// "digest", "image_id", "reference" and "config" of a result; reference may be NULL.
int image_host_describe(
    const struct image *image, const char *reference, struct value *result, struct error *err);

int image_job_build(
    struct image_host *h, const struct value *job, struct value *result, struct error *err);
