#include "image/role.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "image/role_host.h"
#include "os/fd.h"

#define KEEP_MS ((int64_t)14 * 24 * 3600 * 1000)

static int do_push(
    struct image_host *h, const struct value *job, struct value *result, struct error *err)
{
    const char *reference;
    AUTO(image) struct image image = {0};
    if (value_need_str(job, "reference", &reference, err) < 0 ||
        image_host_local(h, reference, &image, err) < 0)
        return -1;
    struct value *pushed = value_list();
    value_set(result, "pushed", pushed);
    value_set_str(result, "digest", image.digest);
    return image_host_push(h, &image, reference, pushed, err);
}

static int do_unpack(
    struct image_host *h, const struct value *job, struct value *result, struct error *err)
{
    const char *reference;
    AUTO(image) struct image image = {0};
    bool always = value_get_bool(job, "always", false);
    if (value_need_str(job, "reference", &reference, err) < 0 ||
        image_host_find(h, reference, always, &image, err) < 0 ||
        image_host_unpack(h, &image, value_get_str(job, "pin"), result, err) < 0)
        return -1;
    return image_host_describe(&image, reference, result, err);
}

static int do_gc(
    struct image_host *h, const struct value *job, struct value *result, struct error *err)
{
    struct store_swept swept;
    int64_t keep_ms = value_get_int(job, "keep_ms", KEEP_MS);
    const struct value *pins = value_get(job, "pins");
    if ((pins && store_unpin(&h->store, pins, keep_ms, err) < 0) ||
        store_collect(&h->store, keep_ms, &swept, err) < 0)
        return -1;
    value_set_int(result, "blobs", swept.blobs);
    value_set_int(result, "layers", swept.layers);
    value_set_int(result, "records", swept.records);
    value_set_int(result, "mounts", swept.mounts);
    value_set_int(result, "bytes", (int64_t)swept.bytes);
    return 0;
}

// What its layers take as they travel; of an image that cannot be read there is no saying.
static int64_t size_of(const struct store *store, const char *digest)
{
    AUTO(image) struct image image = {0};
    if (!digest || image_load(store, digest, &image, NULL) < 0)
        return 0;
    uint64_t size = image.size;
    vec_each (layer, &image.layers.items)
        size += layer->size;
    return (int64_t)size;
}

static int do_list(
    struct image_host *h, const struct value *job, struct value *result, struct error *err)
{
    (void)job;
    AUTO(value) struct value *tags = store_tags(&h->store, err);
    if (!tags)
        return -1;
    struct value *images = value_list();
    for (size_t i = 0; i < value_length(tags); i++) {
        const struct value *tag = value_at(tags, i);
        struct value *item = value_map();
        value_set_str(item, "reference", value_get_str(value_get(tag, "annotations"), TAG_NAME));
        value_set_str(item, "digest", value_get_str(tag, "digest"));
        value_set_int(item, "size", size_of(&h->store, value_get_str(tag, "digest")));
        value_append(images, item);
    }
    value_set(result, "images", images);
    return 0;
}

static const struct {
    const char *op;
    int (*run)(
        struct image_host *h, const struct value *job, struct value *result, struct error *err);
} jobs[] = {
    {"build", image_job_build},
    {"unpack", do_unpack},
    {"push", do_push},
    {"gc", do_gc},
    {"list", do_list},
};

int image_work(struct rpc *worker, const struct value *job, const struct ipc_fds *fds,
    struct value **ret_result, struct error *err)
{
    (void)fds;
    const char *op;
    AUTO(image_host) struct image_host host = {.worker = worker};
    AUTO(value) struct value *result = value_map();
    const char *store = value_get_str(job, "store");
    if (value_need_str(job, "op", &op, err) < 0 ||
        value_need_strv(job, "insecure", &host.insecure, err) < 0)
        return -1;
    if (store_open(&host.store, store ? store : "/store", err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(jobs); i++)
        if (strcmp(jobs[i].op, op) == 0) {
            if (jobs[i].run(&host, job, result, err) < 0)
                return -1;
            *ret_result = take_ptr(result);
            return 0;
        }
    return error_set(err, ERR_PROTOCOL, "davit-image has no job \"%s\"", op);
}
