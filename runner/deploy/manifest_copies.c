#include "deploy/manifest_copies.h"

#include <stdio.h>
#include <string.h>

#include "codec/base64.h"
#include "codec/digest.h"
#include "deploy/manifest_object.h"
#include "kube/object.h"

#define HASH_DIGITS     10
#define OBJECT_NAME_MAX 253

// Where a pod template names a ConfigMap or a Secret: holder[key].
struct reference {
    bool secret;
    struct value *holder;
    const char *key;
};
struct references {
    VEC(struct reference) all;
};

static void references_done(struct references *r)
{
    vec_free(&r->all);
}
DEFINE_AUTO(references, struct references, references_done)

static bool is_config(const struct value *object, bool *ret_secret)
{
    *ret_secret = manifest_is(object, "", "Secret");
    return *ret_secret || manifest_is(object, "", "ConfigMap");
}

static int check_strings(const struct value *object, const char *key, struct error *err)
{
    const struct value *map = value_get(object, key);
    if (value_type(map) == VALUE_NULL)
        return 0;
    if (value_type(map) != VALUE_MAP)
        return error_set(err, ERR_CONFIG, MANIFEST_OBJECT ": %s is not a map",
            MANIFEST_OBJECT_ARGS(object), key);
    struct value_cursor cursor = {.map = map};
    const char *name;
    struct value *item;
    while (value_next(&cursor, &name, &item))
        if (!value_text(item))
            return error_set(err, ERR_CONFIG,
                MANIFEST_OBJECT ": %s.%s is not a string: put it in quotes",
                MANIFEST_OBJECT_ARGS(object), key, name);
    return 0;
}

// As the API server does it: stringData wins over data.
static void encode_strings(struct value *secret)
{
    const struct value *plain = value_get(secret, "stringData");
    struct value_cursor cursor = {.map = plain};
    const char *key;
    struct value *item;
    while (value_type(plain) == VALUE_MAP && value_next(&cursor, &key, &item)) {
        AUTO(str) struct str encoded;
        str_init(&encoded, STR_TEXT_MAX);
        base64_encode(value_text(item), strlen(value_text(item)), &encoded);
        value_set_str(manifest_map_at(secret, "data"), key, encoded.data);
    }
    value_set(secret, "stringData", NULL);
}

int manifest_settle_data(struct value *objects, struct error *err)
{
    for (size_t i = 0; i < value_length(objects); i++) {
        struct value *object = value_at(objects, i);
        bool secret;
        if (!is_config(object, &secret))
            continue;
        if (check_strings(object, "data", err) < 0 ||
            check_strings(object, secret ? "stringData" : "binaryData", err) < 0)
            return -1;
        if (secret)
            encode_strings(object);
    }
    return 0;
}

static void add_reference(struct references *to, bool secret, struct value *holder, const char *key)
{
    if (value_get_str(holder, key))
        vec_push(&to->all, ((struct reference){secret, holder, key}));
}

static void find_in_volumes(struct references *to, const struct value *volumes)
{
    for (size_t i = 0; i < value_length(volumes); i++) {
        struct value *volume = value_at(volumes, i);
        add_reference(to, false, value_get(volume, "configMap"), "name");
        add_reference(to, true, value_get(volume, "secret"), "secretName");
        const struct value *sources = kube_at(volume, "projected", "sources");
        for (size_t n = 0; n < value_length(sources); n++) {
            add_reference(to, false, value_get(value_at(sources, n), "configMap"), "name");
            add_reference(to, true, value_get(value_at(sources, n), "secret"), "name");
        }
    }
}

static const char *const container_lists[] = {"initContainers", "containers"};

static void find_in_container(struct references *to, const struct value *container)
{
    const struct value *from = value_get(container, "envFrom");
    for (size_t i = 0; i < value_length(from); i++) {
        add_reference(to, false, value_get(value_at(from, i), "configMapRef"), "name");
        add_reference(to, true, value_get(value_at(from, i), "secretRef"), "name");
    }
    const struct value *env = value_get(container, "env");
    for (size_t i = 0; i < value_length(env); i++) {
        const struct value *source = value_get(value_at(env, i), "valueFrom");
        add_reference(to, false, value_get(source, "configMapKeyRef"), "name");
        add_reference(to, true, value_get(source, "secretKeyRef"), "name");
    }
}

static void find_references(struct references *to, const struct value *objects)
{
    for (size_t i = 0; i < value_length(objects); i++) {
        const struct value *spec = value_get(manifest_template(value_at(objects, i)), "spec");
        find_in_volumes(to, value_get(spec, "volumes"));
        for (size_t n = 0; n < ARRAY_LEN(container_lists); n++) {
            const struct value *containers = value_get(spec, container_lists[n]);
            for (size_t c = 0; c < value_length(containers); c++)
                find_in_container(to, value_at(containers, c));
        }
    }
}

// The envFrom of every container that runs the image. False when there is none.
static bool add_source(const char *image, struct value *objects, const char *key, const char *name)
{
    bool any = false;
    for (size_t i = 0; i < value_length(objects); i++) {
        const struct value *spec = value_get(manifest_template(value_at(objects, i)), "spec");
        for (size_t n = 0; n < ARRAY_LEN(container_lists); n++) {
            const struct value *containers = value_get(spec, container_lists[n]);
            for (size_t c = 0; c < value_length(containers); c++) {
                struct value *container = value_at(containers, c);
                if (!text_equal(image, value_get_str(container, "image")))
                    continue;
                if (value_type(value_get(container, "envFrom")) != VALUE_LIST)
                    value_set(container, "envFrom", value_list());
                struct value *source = value_map();
                value_set_str(manifest_map_at(source, key), "name", name);
                value_append(value_get(container, "envFrom"), source);
                any = true;
            }
        }
    }
    return any;
}

static int add_one(const struct manifest_input *in, bool secret, struct value *objects,
    struct strv *notes, struct error *err)
{
    const struct value *map = secret ? in->secrets : in->env;
    if (!in->image || value_length(map) == 0)
        return 0;
    AUTO_FREE char *name = mem_printf("%s-%s", in->app, secret ? "secrets" : "env");
    AUTO(value) struct value *object = value_map();
    value_set_str(object, "apiVersion", "v1");
    value_set_str(object, "kind", secret ? "Secret" : "ConfigMap");
    value_set_str(manifest_map_at(object, "metadata"), "name", name);
    value_set(object, secret ? "stringData" : "data", value_copy(map));
    for (size_t i = 0; i < value_length(objects); i++)
        if (manifest_same(object, value_at(objects, i)))
            return error_set(err, ERR_CONFIG,
                MANIFEST_OBJECT ": davit makes one of this name from %s: give yours another",
                MANIFEST_OBJECT_ARGS(object), secret ? "the secrets" : "`env:`");
    if (add_source(in->image, objects, secret ? "secretRef" : "configMapRef", name))
        value_append(objects, take_ptr(object));
    else
        strv_pushf(notes, "no container runs %s: none gets the %s", in->image,
            secret ? "secrets" : "variables of `env:`");
    return 0;
}

int manifest_add_environment(
    const struct manifest_input *in, struct value *objects, struct strv *notes, struct error *err)
{
    if (add_one(in, false, objects, notes, err) < 0)
        return -1;
    return add_one(in, true, objects, notes, err);
}

// With its length before it, so that no two contents read the same.
static void hash_text(struct sha256 *h, const char *text)
{
    char length[32];
    int digits = snprintf(length, sizeof length, "%zu:", strlen(text));
    sha256_add(h, length, (size_t)digits);
    sha256_add(h, text, strlen(text));
}

static void hash_map(struct sha256 *h, const struct value *object, const char *section)
{
    const struct value *map = value_get(object, section);
    AUTO(strv) struct strv keys = {0};
    struct value_cursor cursor = {.map = map};
    const char *key;
    struct value *item;
    while (value_type(map) == VALUE_MAP && value_next(&cursor, &key, &item))
        strv_push(&keys, key);
    strv_sort(&keys);
    hash_text(h, section);
    strv_each (name, &keys) {
        hash_text(h, *name);
        hash_text(h, value_get_str(map, *name));
    }
}

static char *hashed_name(const struct value *object)
{
    struct sha256 h;
    char hex[SHA256_HEX_SIZE];
    const char *type = value_get_str(object, "type");
    sha256_init(&h);
    hash_text(&h, type ? type : "");
    hash_map(&h, object, "data");
    hash_map(&h, object, "binaryData");
    sha256_hex(&h, hex);
    return mem_printf("%s-%.*s", manifest_object_name(object), HASH_DIGITS, hex);
}

// Whether what is said under `key` may be the name of a Secret or ConfigMap, by its key or by the
// key of what it stands in: tls[].secretName, imagePullSecrets[].name, secretRef.name,
// certificateRefs[] with their kind, resourceNames[].
static bool may_name(const char *within, const char *key, const struct value *beside, bool secret)
{
    const char *kind = secret ? "Secret" : "ConfigMap",
               *word = kind + 1; // "ecret" is in both cases
    if (strcmp(key, "name") != 0)
        return strstr(key, word) || strcmp(key, "resourceNames") == 0;
    return strstr(within, word) || text_equal(value_get_str(beside, "kind"), kind);
}

// Names of a Secret or ConfigMap that pods use, outside of what find_references() sees.
static bool named_below(
    const struct value *v, const char *within, const char *key, const struct value *object)
{
    bool secret = manifest_is(object, "", "Secret");
    struct value_cursor cursor = {.map = v};
    const char *its_key;
    struct value *item;
    if (value_type(v) == VALUE_LIST)
        for (size_t i = 0; i < value_length(v); i++) {
            item = value_at(v, i);
            bool hit = value_text(item)
                           ? may_name(within, key, NULL, secret) &&
                                 text_equal(value_text(item), manifest_object_name(object))
                           : named_below(item, within, key, object);
            if (hit)
                return true;
        }
    if (value_type(v) != VALUE_MAP)
        return false;
    while (value_next(&cursor, &its_key, &item)) {
        bool hit = value_text(item) ? may_name(key, its_key, v, secret) &&
                                          text_equal(value_text(item), manifest_object_name(object))
                                    : named_below(item, key, its_key, object);
        if (hit)
            return true;
    }
    return false;
}

static bool named_elsewhere(const struct value *objects, const struct value *object)
{
    for (size_t i = 0; i < value_length(objects); i++) {
        const struct value *other = value_at(objects, i);
        bool secret;
        struct value_cursor cursor = {.map = other};
        const char *key;
        struct value *item;
        while (!is_config(other, &secret) && value_next(&cursor, &key, &item))
            if (strcmp(key, "metadata") != 0 && named_below(item, "", key, object))
                return true;
    }
    return false;
}

static size_t rename_references(
    struct references *in, bool secret, const char *from, const char *to)
{
    size_t count = 0;
    vec_each (r, &in->all) {
        if (!r->holder || r->secret != secret ||
            strcmp(value_get_str(r->holder, r->key), from) != 0)
            continue;
        value_set_str(r->holder, r->key, to);
        r->holder = NULL; // a copy may be called as another original is
        count++;
    }
    return count;
}

int manifest_copy_used(struct value *objects, struct strv *notes, struct error *err)
{
    AUTO(references) struct references references = {0};
    find_references(&references, objects);
    size_t count = value_length(objects);
    for (size_t i = 0; i < count; i++) {
        struct value *object = value_at(objects, i);
        bool secret;
        if (!is_config(object, &secret))
            continue;
        AUTO_FREE char *name = hashed_name(object);
        AUTO_FREE char *original = mem_strdup(manifest_object_name(object));
        if (!rename_references(&references, secret, original, name))
            continue;
        if (strlen(name) > OBJECT_NAME_MAX)
            return error_set(err, ERR_CONFIG,
                MANIFEST_OBJECT ": its copy would be called %s, which is longer than %d characters",
                MANIFEST_OBJECT_ARGS(object), name, OBJECT_NAME_MAX);
        bool stays = named_elsewhere(objects, object);
        if (stays)
            value_append(objects, value_copy(object));
        value_set_str(value_get(object, "metadata"), "name", name);
        value_set_bool(object, "immutable", true);
        manifest_set_label(object, KUBE_LABEL_COPY, "true");
        strv_pushf(notes, "%s/%s is copied as %s%s", manifest_object_kind(object), original, name,
            stays ? ", and stays because not only pods use it" : "");
    }
    return 0;
}
