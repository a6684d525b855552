#include "image/role_host.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/http_curl.h"

void image_host_done(struct image_host *h)
{
    vec_each (r, &h->registries) {
        free(r->name);
        registry_free(r->registry);
    }
    vec_free(&h->registries);
    http_client_free(h->registry_host.http);
    loop_free(h->loop);
    if (h->store.users_fd > 0)
        store_close(&h->store);
    strv_done(&h->insecure);
}

static int ask_credentials(void *arg, const char *registry, struct value **ret, struct error *err)
{
    struct image_host *h = arg;
    struct value *params = value_map();
    value_set_str(params, "registry", registry);
    return rpc_call(h->worker, "credentials", params, NULL, 0, RPC_WAIT_FOREVER, ret, NULL, err);
}

static void log_line(void *arg, const char *line)
{
    struct image_host *h = arg;
    role_log(h->worker, "%s", line);
}

static struct registry *registry_of(struct image_host *h, const char *name, struct error *err)
{
    vec_each (r, &h->registries)
        if (strcmp(r->name, name) == 0)
            return r->registry;
    if (!h->loop && !(h->loop = loop_new(err)))
        return NULL;
    if (!h->registry_host.http) {
        struct http_client *http = http_curl_new(h->loop, err);
        if (!http)
            return NULL;
        h->registry_host = (struct registry_host){.loop = h->loop,
            .http = http,
            .credentials = ask_credentials,
            .log = log_line,
            .arg = h,
            .insecure = &h->insecure};
    }
    struct registry *registry = registry_new(&h->registry_host, name);
    *vec_add(&h->registries) =
        (struct named_registry){.name = mem_strdup(name), .registry = registry};
    return registry;
}

// Has the tag moved at the registry since it was pulled? One that cannot be asked about is an
// error: who says `always` wants to know.
static int moved(struct image_host *h, const struct reference *r, const struct value *tag,
    bool *ret, struct error *err)
{
    char digest[DIGEST_SIZE];
    const char *source = value_get_str(value_get(tag, "annotations"), TAG_SOURCE);
    struct registry *registry = registry_of(h, r->registry, err);
    if (!registry || registry_digest(registry, r, digest, err) < 0)
        return -1;
    *ret = !source || strcmp(source, digest) != 0;
    return 0;
}

static int pull(
    struct image_host *h, const struct reference *r, struct image *ret, struct error *err)
{
    AUTO_FREE char *name = reference_name(r);
    struct registry *registry = registry_of(h, r->registry, err);
    if (!registry)
        return -1;
    role_log(h->worker, "pulling %s", name);
    return registry_pull(registry, &h->store, r, ret, err);
}

// What the store has under that name, whole; 1, 0 or -1.
static int find_here(struct image_host *h, const struct reference *r, bool always,
    struct image *ret, struct error *err)
{
    AUTO_FREE char *name = reference_name(r);
    AUTO(value) struct value *tag = NULL;
    if (store_find(&h->store, name, &tag, err) < 0)
        return -1;
    const char *digest = tag ? value_get_str(tag, "digest") : r->digest;
    if (!digest || !digest_ok(digest) || !store_has_blob(&h->store, digest))
        return 0;
    bool stale = false;
    if (always && !r->digest && tag && moved(h, r, tag, &stale, err) < 0)
        return -1;
    AUTO(image) struct image image = {0};
    if (stale || image_load(&h->store, digest, &image, NULL) < 0 ||
        !image_complete(&h->store, &image))
        return 0;
    *ret = image;
    image = (struct image){0};
    return 1;
}

int image_host_find(
    struct image_host *h, const char *reference, bool always, struct image *ret, struct error *err)
{
    AUTO(reference) struct reference r = {0};
    if (digest_ok(reference))
        return image_load(&h->store, reference, ret, err);
    if (reference_parse(reference, &r, err) < 0)
        return -1;
    int here = find_here(h, &r, always, ret, err);
    return here < 0 ? -1 : here ? 0 : pull(h, &r, ret, err);
}

int image_host_local(
    struct image_host *h, const char *reference, struct image *ret, struct error *err)
{
    AUTO(reference) struct reference r = {0};
    if (digest_ok(reference))
        return image_load(&h->store, reference, ret, err);
    if (reference_parse(reference, &r, err) < 0)
        return -1;
    int here = find_here(h, &r, false, ret, err);
    if (here == 0)
        return error_set(err, ERR_NOT_FOUND,
            "%s is not in this host's store (`davit image list` shows what is)", reference);
    return here < 0 ? -1 : 0;
}

// A release starts from its layers at boot, without us: they are on disk for good before the pin
// says so.
static int pin(struct image_host *h, const struct image *image, const char *app, struct error *err)
{
    if (store_sync(&h->store, err) < 0)
        return -1;
    vec_each (layer, &image->layers.items)
        if (layer_settle(&h->store, layer, err) < 0)
            return -1;
    return store_pin(&h->store, app, image->digest, err);
}

int image_host_unpack(struct image_host *h, const struct image *image, const char *app,
    struct value *result, struct error *err)
{
    AUTO(strv) struct strv layers = {0};
    if (layer_stack_unpack(&h->store, &image->layers, err) < 0)
        return -1;
    if (app && pin(h, image, app, err) < 0)
        return -1;
    layer_stack_lowers(&image->layers, &layers);
    value_set_strv(result, "layers", &layers);
    return 0;
}

int image_host_tag(
    struct image_host *h, const struct image *image, const char *reference, struct error *err)
{
    AUTO(reference) struct reference r = {0};
    if (reference_parse(reference, &r, err) < 0)
        return -1;
    if (r.digest)
        return error_set(
            err, ERR_CONFIG, "\"%s\" is not a tag: a digest cannot be given", reference);
    AUTO_FREE char *name = reference_name(&r);
    AUTO(value) struct value *descriptor = value_map();
    value_set_str(descriptor, "mediaType", image->media_type);
    value_set_str(descriptor, "digest", image->digest);
    value_set_int(descriptor, "size", (int64_t)image->size);
    return store_tag(&h->store, name, descriptor, NULL, err);
}

int image_host_push(struct image_host *h, const struct image *image, const char *reference,
    struct value *pushed, struct error *err)
{
    bool present = false;
    AUTO(reference) struct reference r = {0};
    if (reference_parse(reference, &r, err) < 0)
        return -1;
    AUTO_FREE char *name = reference_name(&r);
    struct registry *registry = registry_of(h, r.registry, err);
    if (!registry || registry_push(registry, &h->store, image, &r, &present, err) < 0)
        return -1;
    role_log(h->worker, "%s %s@%s", present ? "already there:" : "pushed", name, image->digest);
    value_append_str(pushed, reference);
    return 0;
}

static void copy_list(
    const struct value *config, const char *from, struct value *to, const char *name)
{
    const struct value *list = value_get(config, from);
    value_set(to, name, value_type(list) == VALUE_LIST ? value_copy(list) : value_list());
}

static void copy_text(
    const struct value *config, const char *from, struct value *to, const char *name)
{
    const char *text = value_get_str(config, from);
    value_set_str(to, name, text ? text : "");
}

int image_host_describe(
    const struct image *image, const char *reference, struct value *result, struct error *err)
{
    const struct value *config = value_get(image->config, "config");
    struct value *shown = value_map(), *exposed = value_list();
    copy_list(config, "Entrypoint", shown, "entrypoint");
    copy_list(config, "Cmd", shown, "cmd");
    copy_list(config, "Env", shown, "env");
    copy_text(config, "User", shown, "user");
    copy_text(config, "WorkingDir", shown, "workdir");
    copy_text(config, "StopSignal", shown, "stopsignal");
    struct value_cursor c = {.map = value_get(config, "ExposedPorts")};
    const char *port;
    struct value *item;
    while (c.map && value_next(&c, &port, &item))
        value_append_str(exposed, port);
    value_set(shown, "exposed", exposed);
    value_set(result, "config", shown);
    value_set_str(result, "digest", image->digest);
    value_set_str(result, "image_id", image->id);
    if (!reference || digest_ok(reference)) {
        value_set_str(result, "reference", image->digest);
        return 0;
    }
    AUTO(reference) struct reference r = {0};
    if (reference_parse(reference, &r, err) < 0)
        return -1;
    AUTO_FREE char *full = mem_printf("%s/%s@%s", r.registry, r.repository, image->digest);
    value_set_str(result, "reference", full);
    return 0;
}
