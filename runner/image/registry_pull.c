#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "image/registry.h"

#define BLOB_TRIES 3

int registry_digest(struct registry *r, const struct reference *reference,
    char ret[static DIGEST_SIZE], struct error *err)
{
    AUTO_FREE char *path =
        mem_printf("/v2/%s/manifests/%s", reference->repository, reference_object(reference));
    const struct registry_call call = {.method = "HEAD",
        .url = path,
        .repository = reference->repository,
        .accept = MANIFEST_ACCEPT,
        .absent_fine = true};
    struct http_response response = {0};
    if (registry_send(r, &call, &response, err) < 0)
        return -1;
    const char *digest = http_response_header(&response, "docker-content-digest");
    ret[0] = '\0';
    if (response.status == 200 && digest && digest_ok(digest))
        memcpy(ret, digest, DIGEST_SIZE);
    http_response_done(&response);
    return 0;
}

// The manifest under that tag or digest, into the store. Its digest is taken over the bytes as they
// came, and compared with whatever was said about it.
static int fetch_manifest(struct registry *r, struct store *store,
    const struct reference *reference, const char *object, struct manifest *ret,
    struct descriptor *ret_self, struct error *err)
{
    AUTO_FREE char *path = mem_printf("/v2/%s/manifests/%s", reference->repository, object);
    const struct registry_call call = {.method = "GET",
        .url = path,
        .repository = reference->repository,
        .accept = MANIFEST_ACCEPT,
        .body_max = MANIFEST_MAX};
    struct http_response response = {0};
    if (registry_send(r, &call, &response, err) < 0)
        return -1;
    const char *said = http_response_header(&response, "docker-content-digest");
    const char *type = http_response_header(&response, "content-type");
    AUTO_FREE char *media = type ? mem_strndup(type, strcspn(type, "; ")) : NULL;
    digest_bytes(response.body.data, response.body.length, ret_self->digest);
    ret_self->size = response.body.length;
    int status = 0;
    if (digest_ok(object) && strcmp(object, ret_self->digest) != 0)
        status = error_set(err, ERR_PROTOCOL, "%s was sent for %s", ret_self->digest, object);
    else if (said && text_starts(said, "sha256:") && strcmp(said, ret_self->digest) != 0)
        status = error_set(err, ERR_PROTOCOL, "the manifest is %s, not %.80s as the registry says",
            ret_self->digest, said);
    if (status == 0)
        status = manifest_parse(response.body.data, response.body.length, media, ret, err);
    if (status == 0 && store_put_blob(store, response.body.data, response.body.length,
                           ret_self->digest, err) < 0) {
        manifest_done(ret);
        status = -1;
    }
    http_response_done(&response);
    return status;
}

struct download {
    struct blob_writer blob;
    uint64_t size; // as announced
};

static int on_bytes(void *arg, const void *bytes, size_t length, struct error *err)
{
    struct download *d = arg;
    if (d->blob.size + length > d->size)
        return error_set(err, ERR_PROTOCOL, "it is larger than the %llu bytes that were announced",
            (unsigned long long)d->size);
    return blob_add(&d->blob, bytes, length, err);
}

static int fetch_once(struct registry *r, struct store *store, const char *repository,
    const char *digest, uint64_t size, struct error *err)
{
    AUTO_FREE char *path = mem_printf("/v2/%s/blobs/%s", repository, digest);
    struct download d = {.size = size};
    const struct registry_call call = {
        .method = "GET", .url = path, .repository = repository, .sink = on_bytes, .sink_arg = &d};
    struct http_response response = {0};
    char found[DIGEST_SIZE];
    if (blob_begin(store, &d.blob, err) < 0)
        return -1;
    int status = registry_send(r, &call, &response, err);
    http_response_done(&response);
    if (status == 0)
        return blob_commit(&d.blob, digest, found, err);
    blob_abandon(&d.blob);
    return -1;
}

static int fetch_blob(struct registry *r, struct store *store, const char *repository,
    const char *digest, uint64_t size, struct error *err)
{
    if (store_has_blob(store, digest))
        return 0;
    for (int tries = 1;; tries++) {
        struct error why = {0};
        if (fetch_once(r, store, repository, digest, size, &why) == 0)
            return 0;
        bool broken = why.kind == ERR_NETWORK || why.kind == ERR_TIMEOUT;
        if (broken && tries < BLOB_TRIES)
            continue;
        if (err)
            *err = why;
        return error_wrap(err, "blob %s", digest);
    }
}

static int fetch_all(struct registry *r, struct store *store, const char *repository,
    const struct manifest *m, struct error *err)
{
    if (m->config.size > CONFIG_MAX)
        return error_set(err, ERR_LIMIT, "the configuration is larger than %zu bytes", CONFIG_MAX);
    if (fetch_blob(r, store, repository, m->config.digest, m->config.size, err) < 0)
        return -1;
    vec_each (layer, &m->layers.items)
        if (fetch_blob(r, store, repository, layer->digest, layer->size, err) < 0)
            return -1;
    return 0;
}

static int pull(struct registry *r, struct store *store, const struct reference *reference,
    struct image *ret, struct error *err)
{
    AUTO(manifest) struct manifest m = {0};
    struct descriptor source, self;
    if (fetch_manifest(r, store, reference, reference_object(reference), &m, &source, err) < 0)
        return -1;
    self = source;
    if (m.is_index) {
        struct descriptor selected = m.selected;
        AUTO(manifest) struct manifest list = m;
        m = (struct manifest){0};
        if (fetch_manifest(r, store, reference, selected.digest, &m, &self, err) < 0)
            return -1;
        if (m.is_index)
            return error_set(err, ERR_PROTOCOL, "a list of images in a list of images");
    }
    if (fetch_all(r, store, reference->repository, &m, err) < 0 ||
        image_load(store, self.digest, ret, err) < 0)
        return -1;
    AUTO_FREE char *name = reference_name(reference);
    AUTO(value) struct value *descriptor = value_map();
    value_set_str(descriptor, "mediaType", ret->media_type);
    value_set_str(descriptor, "digest", ret->digest);
    value_set_int(descriptor, "size", (int64_t)ret->size);
    if (store_tag(store, name, descriptor, source.digest, err) < 0) {
        image_done(ret);
        return -1;
    }
    return 0;
}

int registry_pull(struct registry *r, struct store *store, const struct reference *reference,
    struct image *ret, struct error *err)
{
    if (pull(r, store, reference, ret, err) == 0)
        return 0;
    AUTO_FREE char *name = reference_name(reference);
    return error_wrap(err, "pulling %s", name);
}
