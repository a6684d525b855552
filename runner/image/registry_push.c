#include <stdlib.h>
#include <string.h>

#include "image/registry.h"
#include "net/url.h"
#include "os/failpoint.h"
#include "os/fd.h"

static int has_blob(
    struct registry *r, const char *repository, const char *digest, bool *ret, struct error *err)
{
    AUTO_FREE char *path = mem_printf("/v2/%s/blobs/%s", repository, digest);
    const struct registry_call call = {
        .method = "HEAD", .url = path, .repository = repository, .push = true, .absent_fine = true};
    struct http_response response = {0};
    if (registry_send(r, &call, &response, err) < 0)
        return -1;
    *ret = response.status == 200;
    http_response_done(&response);
    return 0;
}

// Where the upload goes: the registry's Location as it is (it may be relative, and may be another
// host), with the digest added. NULL with *err.
static char *upload_url(const struct http_response *response, const char *digest, struct error *err)
{
    const char *location = http_response_header(response, "location");
    if (!location) {
        error_set(err, ERR_PROTOCOL, "the registry accepts an upload and does not say where");
        return NULL;
    }
    AUTO_FREE char *url = url_join(response->effective_url, location, err);
    if (!url)
        return NULL;
    AUTO_FREE char *escaped = url_escape(digest);
    return mem_printf("%s%sdigest=%s", url, strchr(url, '?') ? "&" : "?", escaped);
}

static int upload(struct registry *r, const struct store *store, const char *repository,
    const char *digest, struct error *err)
{
    AUTO_FREE char *path = mem_printf("/v2/%s/blobs/uploads/", repository);
    struct registry_call call = {
        .method = "POST", .url = path, .repository = repository, .push = true};
    struct http_response response = {0};
    AUTO_FD int fd = store_open_blob(store, digest, err);
    if (fd < 0 || registry_send(r, &call, &response, err) < 0)
        return -1;
    AUTO_FREE char *url = upload_url(&response, digest, err);
    http_response_done(&response);
    if (!url)
        return -1;
    failpoint("image.push.upload");
    call.method = "PUT";
    call.url = url;
    call.body_fd = fd;
    if (registry_send(r, &call, &response, err) < 0)
        return -1;
    http_response_done(&response);
    return 0;
}

static int send_blob(struct registry *r, const struct store *store, const char *repository,
    const char *digest, struct error *err)
{
    bool there = false;
    if (has_blob(r, repository, digest, &there, err) < 0 ||
        (!there && upload(r, store, repository, digest, err) < 0))
        return error_wrap(err, "blob %s", digest);
    return 0;
}

static int send_manifest(struct registry *r, const struct store *store, const struct image *image,
    const struct reference *reference, struct error *err)
{
    AUTO(str) struct str text;
    str_init(&text, MANIFEST_MAX);
    if (store_read_blob(store, image->digest, &text, err) < 0)
        return -1;
    AUTO_FREE char *path =
        mem_printf("/v2/%s/manifests/%s", reference->repository, reference_object(reference));
    const struct registry_call call = {.method = "PUT",
        .url = path,
        .repository = reference->repository,
        .push = true,
        .content_type = image->media_type,
        .body = text.data,
        .body_length = text.length};
    struct http_response response = {0};
    failpoint("image.push.manifest");
    if (registry_send(r, &call, &response, err) < 0)
        return -1;
    const char *said = http_response_header(&response, "docker-content-digest");
    int status = 0;
    if (said && strcmp(said, image->digest) != 0)
        status = error_set(
            err, ERR_PROTOCOL, "the registry stored %.80s instead of %s", said, image->digest);
    http_response_done(&response);
    return status;
}

static int push(struct registry *r, const struct store *store, const struct image *image,
    const struct reference *reference, bool *ret_present, struct error *err)
{
    char there[DIGEST_SIZE];
    if (registry_digest(r, reference, there, err) < 0)
        return -1;
    *ret_present = strcmp(there, image->digest) == 0;
    if (*ret_present)
        return 0;
    vec_each (layer, &image->layers.items)
        if (send_blob(r, store, reference->repository, layer->digest, err) < 0)
            return -1;
    if (send_blob(r, store, reference->repository, image->id, err) < 0)
        return -1;
    return send_manifest(r, store, image, reference, err);
}

int registry_push(struct registry *r, const struct store *store, const struct image *image,
    const struct reference *reference, bool *ret_present, struct error *err)
{
    if (push(r, store, image, reference, ret_present, err) == 0)
        return 0;
    AUTO_FREE char *name = reference_name(reference);
    return error_wrap(err, "pushing %s", name);
}
