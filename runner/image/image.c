#include <string.h>

#include "image/manifest.h"

void image_done(struct image *image)
{
    value_free(image->config);
    layer_stack_done(&image->layers);
    *image = (struct image){0};
}

// The configuration names the layers a second time, uncompressed: both lists must be of one length.
static int read_diff_ids(struct image *image, struct error *err)
{
    const struct value *ids = value_get(value_get(image->config, "rootfs"), "diff_ids");
    if (value_length(ids) != image->layers.items.length)
        return error_set(err, ERR_PROTOCOL, "the manifest has %zu layers, the configuration %zu",
            image->layers.items.length, value_length(ids));
    for (size_t i = 0; i < value_length(ids); i++) {
        const char *id = value_text(value_at(ids, i));
        if (!id || !digest_ok(id))
            return error_set(err, ERR_PROTOCOL, "diff id %zu is not a sha256 digest", i + 1);
        memcpy(image->layers.items.items[i].diff_id, id, DIGEST_SIZE);
    }
    return 0;
}

int image_load(const struct store *store, const char *digest, struct image *ret, struct error *err)
{
    AUTO(image) struct image image = {0};
    AUTO(manifest) struct manifest m = {0};
    AUTO(str) struct str text;
    str_init(&text, MANIFEST_MAX);
    if (store_read_blob(store, digest, &text, err) < 0 ||
        manifest_parse(text.data, text.length, NULL, &m, err) < 0)
        return error_wrap(err, "image %s", digest);
    if (m.is_index)
        return error_set(err, ERR_PROTOCOL, "image %s is a list of images", digest);
    memcpy(image.digest, digest, DIGEST_SIZE);
    memcpy(image.id, m.config.digest, DIGEST_SIZE);
    image.size = text.length;
    image.media_type = m.media_type;
    image.layers = m.layers;
    m.layers = (struct layer_stack){0};
    image.config = store_read_json(store, image.id, err);
    if (!image.config || read_diff_ids(&image, err) < 0)
        return error_wrap(err, "image %s", digest);
    *ret = image;
    image = (struct image){0};
    return 0;
}

bool image_complete(const struct store *store, const struct image *image)
{
    vec_each (layer, &image->layers.items)
        if (!store_has_blob(store, layer->digest))
            return false;
    return true;
}

static struct value *descriptor(const char *media_type, const char *digest, uint64_t size)
{
    struct value *v = value_map();
    value_set_str(v, "mediaType", media_type);
    value_set_str(v, "digest", digest);
    value_set_int(v, "size", (int64_t)size);
    return v;
}

static int save_config(
    struct store *store, struct image *image, uint64_t *ret_size, struct error *err)
{
    struct value *ids = value_list(), *rootfs = value_map();
    vec_each (layer, &image->layers.items)
        value_append_str(ids, layer->diff_id);
    value_set_str(rootfs, "type", "layers");
    value_set(rootfs, "diff_ids", ids);
    value_set(image->config, "rootfs", rootfs);
    AUTO_FREE char *text = value_print(image->config);
    *ret_size = strlen(text);
    return store_put_blob(store, text, strlen(text), image->id, err);
}

int image_save(
    struct store *store, struct image *image, const struct value *annotations, struct error *err)
{
    uint64_t config_size;
    if (save_config(store, image, &config_size, err) < 0)
        return -1;
    AUTO(value) struct value *m = value_map();
    struct value *layers = value_list();
    value_set_int(m, "schemaVersion", 2);
    value_set_str(m, "mediaType", MANIFEST_OCI);
    value_set(m, "config",
        descriptor("application/vnd.oci.image.config.v1+json", image->id, config_size));
    vec_each (layer, &image->layers.items)
        value_append(
            layers, descriptor(layer_media_type(layer->compression), layer->digest, layer->size));
    value_set(m, "layers", layers);
    if (value_length(annotations))
        value_set(m, "annotations", value_copy(annotations));
    AUTO_FREE char *text = value_print(m);
    image->media_type = MANIFEST_OCI;
    image->size = strlen(text);
    return store_put_blob(store, text, strlen(text), image->digest, err);
}
