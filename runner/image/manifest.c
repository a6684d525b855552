#include "image/manifest.h"

#include <string.h>

#include "base/str.h"
#include "image/graph.h"

static const struct {
    const char *media_type;
    bool is_index;
} known[] = {
    {MANIFEST_OCI, false},
    {MANIFEST_OCI_INDEX, true},
    {MANIFEST_DOCKER, false},
    {MANIFEST_DOCKER_LIST, true},
};

void manifest_done(struct manifest *m)
{
    layer_stack_done(&m->layers);
}

// Which type it is: what the text says, else what the sender said, else what its keys tell.
static int find_type(const struct value *v, const char *said, struct manifest *m, struct error *err)
{
    const char *own = value_get_str(v, "mediaType");
    bool list = value_get(v, "manifests") != NULL;
    bool image = value_get(v, "layers") != NULL || value_get(v, "config") != NULL;
    if (list == image)
        return error_set(err, ERR_PROTOCOL,
            list ? "it claims to be both an image and a list of images"
                 : "it is neither an image nor a list of images");
    if (own && said && strcmp(own, said) != 0)
        return error_set(err, ERR_PROTOCOL, "it calls itself %s and was sent as %s", own, said);
    const char *type = own ? own : said ? said : list ? MANIFEST_OCI_INDEX : MANIFEST_OCI;
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (strcmp(known[i].media_type, type) == 0) {
            m->media_type = known[i].media_type;
            m->is_index = known[i].is_index;
            if (m->is_index != list)
                return error_set(err, ERR_PROTOCOL, "its contents are not those of a %s", type);
            return 0;
        }
    return error_set(err, ERR_UNSUPPORTED, "manifests of type %.100s are not known", type);
}

static int read_descriptor(const struct value *v, struct descriptor *ret, struct error *err)
{
    const char *digest;
    int64_t size;
    if (value_need_str(v, "digest", &digest, err) < 0 ||
        value_need_int(v, "size", 0, INT64_MAX, &size, err) < 0)
        return -1;
    if (!digest_ok(digest))
        return error_set(err, ERR_PROTOCOL, "\"%.80s\" is not a sha256 digest", digest);
    memcpy(ret->digest, digest, DIGEST_SIZE);
    ret->size = (uint64_t)size;
    return 0;
}

static int read_layers(const struct value *list, struct manifest *m, struct error *err)
{
    if (value_type(list) != VALUE_LIST)
        return error_set(err, ERR_PROTOCOL, "it has no list of layers");
    if (value_length(list) > LAYERS_MAX)
        return error_set(err, ERR_LIMIT, "it has more than %d layers", LAYERS_MAX);
    for (size_t i = 0; i < value_length(list); i++) {
        const struct value *v = value_at(list, i);
        struct descriptor d;
        const char *type;
        if (read_descriptor(v, &d, err) < 0 || value_need_str(v, "mediaType", &type, err) < 0)
            return error_wrap(err, "layer %zu", i + 1);
        struct layer layer = {.size = d.size};
        memcpy(layer.digest, d.digest, DIGEST_SIZE);
        if (!layer_media_parse(type, &layer.compression))
            return error_set(
                err, ERR_UNSUPPORTED, "layer %zu: the type %.100s is not known", i + 1, type);
        vec_push(&m->layers.items, layer);
    }
    return 0;
}

static int select_image(const struct value *list, struct manifest *m, struct error *err)
{
    for (size_t i = 0; i < value_length(list); i++) {
        const struct value *v = value_at(list, i), *platform = value_get(v, "platform");
        if (text_equal(value_get_str(platform, "os"), PLATFORM_OS) &&
            text_equal(value_get_str(platform, "architecture"), platform_architecture()))
            return read_descriptor(v, &m->selected, err);
    }
    return error_set(
        err, ERR_NOT_FOUND, "it holds no image for %s/%s", PLATFORM_OS, platform_architecture());
}

int manifest_parse(const char *text, size_t length, const char *media_type, struct manifest *ret,
    struct error *err)
{
    AUTO(manifest) struct manifest m = {0};
    AUTO(value) struct value *v = value_parse(text, length, err);
    if (!v)
        return error_wrap(err, "the manifest");
    int status = find_type(v, media_type, &m, err);
    if (status == 0 && m.is_index)
        status = select_image(value_get(v, "manifests"), &m, err);
    else if (status == 0 && (status = read_descriptor(value_get(v, "config"), &m.config, err)) == 0)
        status = read_layers(value_get(v, "layers"), &m, err);
    if (status < 0)
        return error_wrap(err, "the manifest");
    *ret = m;
    m = (struct manifest){0};
    return 0;
}
