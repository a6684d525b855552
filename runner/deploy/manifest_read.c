// A file of manifests as objects: documents taken apart, expressions put in, scalars typed, and
// what is wrong said with its place.
#include <ctype.h>
#include <string.h>

#include "codec/yaml.h"
#include "deploy/manifest.h"
#include "deploy/manifest_object.h"
#include "deploy/manifest_scalar.h"

#define OWN_PREFIX "davit.dev/"

struct reader {
    const struct diag_source *source;
    const struct manifest_values *values;
    struct diag_list *diags;
    struct value *objects;         // all, of earlier files too
    size_t first;                  // of this file
    VEC(struct diag_place) places; // of this file's objects
    size_t substituted;            // bytes
    bool known;                    // the object at hand is of a kind that every cluster has
    bool data;                     // it is a ConfigMap or a Secret
};

// Keys above a value: what it may be depends on them. Lists have the key that they stand under.
struct above {
    const struct above *up;
    const char *key;
    bool list;
};

static const char *key_at(const struct above *above, int up)
{
    while (above && up--)
        above = above->up;
    return above && above->key ? above->key : "";
}

static bool one_of(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(text, *words) == 0)
            return true;
    return false;
}

// Whether the API takes nothing but a string there, so that a scalar of another type is a mistake.
static bool wants_string(const struct reader *r, const struct above *above)
{
    static const char *const fields[] = {"apiVersion", "kind", "name", "namespace", "image", NULL};
    static const char *const maps[] = {
        "labels", "annotations", "matchLabels", "selector", "nodeSelector", NULL};
    static const char *const data[] = {"data", "stringData", "binaryData", NULL};
    static const char *const lists[] = {"command", "args", NULL};
    const char *key = key_at(above, 0), *within = key_at(above, 1);
    bool top = !above->up, second = above->up && !above->up->up;
    if (top || strcmp(key_at(above, 1), "metadata") == 0)
        return one_of(key, fields);
    if (!r->known)
        return strcmp(key_at(above, 2), "metadata") == 0 && one_of(within, maps);
    if (above->list)
        return one_of(key, lists);
    return one_of(within, maps) || one_of(key, fields) ||
           (strcmp(key, "value") == 0 && strcmp(within, "env") == 0) ||
           (r->data && second && one_of(within, data));
}

// Where the nth expression of a scalar stands in the file; the scalar as a whole where that cannot
// be told (an alias, an escape).
static struct diag_place place_of(const struct reader *r, const struct yaml_node *node, size_t nth)
{
    const char *text = r->source->text + node->place.offset;
    const char *end = text + node->place.length;
    for (; end - text >= 3; text++) {
        if (memcmp(text, "${{", 3) != 0 || nth--)
            continue;
        const char *close = memmem(text, (size_t)(end - text), "}}", 2);
        if (!close)
            break;
        return (struct diag_place){(size_t)(text - r->source->text), (size_t)(close + 2 - text)};
    }
    return node->place;
}

static char *trimmed(const char *from, const char *to)
{
    while (from < to && isspace((unsigned char)*from))
        from++;
    while (from < to && isspace((unsigned char)to[-1]))
        to--;
    return mem_strndup(from, (size_t)(to - from));
}

static void substitute(struct reader *r, const struct yaml_node *node, struct str *out)
{
    const char *at = node->text, *open;
    for (size_t nth = 0; (open = strstr(at, "${{")); nth++) {
        const char *close = strstr(open + 3, "}}");
        if (!close) {
            diag_error(r->diags, r->source, place_of(r, node, nth), "\"${{\" is not closed by }}");
            return;
        }
        AUTO_FREE char *name = trimmed(open + 3, close);
        struct error err = {0};
        str_add(out, at, (size_t)(open - at));
        if (r->values->value(r->values->arg, name, out, &err) < 0)
            diag_error(r->diags, r->source, place_of(r, node, nth), "${{ %s }}: %s",
                YAML_SHOW(name), err.message);
        at = close + 2;
    }
    str_puts(out, at);
}

// Text with expressions. Quoted, or where a string is wanted, it is a string; plain, it is what its
// values say: `replicas: ${{ env.REPLICAS }}` is a number.
static struct value *expanded(struct reader *r, const struct yaml_node *node, bool string)
{
    AUTO(str) struct str text;
    str_init(&text, YAML_TEXT_MAX - r->substituted);
    substitute(r, node, &text);
    r->substituted += text.length;
    if (text.overflow)
        diag_error(r->diags, r->source, node->place,
            "the expressions of the file give more than %zu MiB", YAML_TEXT_MAX >> 20);
    return string || !node->plain ? value_string(text.data) : manifest_scalar_given(text.data);
}

static const char *type_name(const struct value *v)
{
    switch (value_type(v)) {
    case VALUE_BOOL:
        return "a bool";
    case VALUE_INT:
    case VALUE_REAL:
        return "a number";
    default:
        return "null";
    }
}

static bool is_mode(const struct above *above)
{
    static const char *const keys[] = {"mode", "defaultMode", NULL};
    return one_of(key_at(above, 0), keys);
}

static struct value *scalar(
    struct reader *r, const struct yaml_node *node, const struct above *above)
{
    bool string = wants_string(r, above);
    if (strstr(node->text, "${{"))
        return expanded(r, node, string);
    if (!node->plain)
        return value_string(node->text);
    const char *remark;
    struct value *v = manifest_scalar(node->text, &remark);
    if (!v) {
        diag_error(r->diags, r->source, node->place,
            "%s has no place in JSON: put it in quotes if a string is meant", node->text);
        return value_null();
    }
    if (string && value_type(v) != VALUE_STRING && value_type(v) != VALUE_NULL)
        diag_error(r->diags, r->source, node->place,
            "a string is wanted here, and %s without quotes is %s", YAML_SHOW(node->text),
            type_name(v));
    else if (remark && !is_mode(above))
        diag_add(r->diags, DIAG_WARNING, r->source, node->place,
            "%s is %s; put it in quotes if a string is meant", YAML_SHOW(node->text), remark);
    return v;
}

// kubectl types keys as well (`on:` is "true"). Where that makes another key of it, somebody is
// mistaken about what it says.
static void check_key(struct reader *r, const struct yaml_node *key)
{
    if (text_starts(key->text, OWN_PREFIX))
        diag_error(r->diags, r->source, key->place,
            "%s: what begins with " OWN_PREFIX " is set by davit alone", YAML_SHOW(key->text));
    if (strstr(key->text, "${{"))
        diag_error(r->diags, r->source, key->place, "an expression cannot be a key");
    if (!key->plain)
        return;
    const char *remark;
    AUTO(value) struct value *typed = manifest_scalar(key->text, &remark);
    AUTO_FREE char *printed = typed ? value_print(typed) : NULL;
    if (value_type(typed) != VALUE_STRING && !text_equal(printed, key->text))
        diag_error(r->diags, r->source, key->place,
            "the key %s without quotes is %s, which would make another key of it: put it in "
            "quotes",
            YAML_SHOW(key->text), typed ? type_name(typed) : "no number");
}

// Not deeper than YAML_DEPTH_MAX.
static struct value *convert(
    struct reader *r, const struct yaml_node *node, const struct above *above)
{
    if (node->type == YAML_SCALAR)
        return scalar(r, node, above);
    struct value *v = node->type == YAML_LIST ? value_list() : value_map();
    for (size_t i = 0; i < node->count; i++) {
        if (node->type == YAML_LIST) {
            struct above item = {above->up, above->key, true};
            value_append(v, convert(r, node->items[i], &item));
            continue;
        }
        const struct yaml_node *key = node->pairs[i].key;
        struct above child = {above, key->text, false};
        check_key(r, key);
        value_set(v, key->text, convert(r, node->pairs[i].value, &child));
    }
    return v;
}

static bool is_list(const struct yaml_node *root)
{
    const struct yaml_node *kind = yaml_get(root, "kind"), *items = yaml_get(root, "items");
    return kind && kind->type == YAML_SCALAR && text_ends(kind->text, "List") && items &&
           items->type == YAML_LIST;
}

static bool has_text(const struct yaml_node *map, const char *key)
{
    const struct yaml_node *node = yaml_get(map, key);
    return node && node->type == YAML_SCALAR && node->length;
}

// At the key that is there, or where the map begins.
static struct diag_place place_in(const struct yaml_node *map, const char *key)
{
    const struct yaml_node *node = yaml_get(map, key);
    return node ? node->place : (struct diag_place){map->place.offset, 1};
}

static bool check_identity(struct reader *r, const struct yaml_node *root)
{
    static const char *const needed[] = {"apiVersion", "kind"};
    const struct yaml_node *metadata = yaml_get(root, "metadata");
    bool ok = true;
    for (size_t i = 0; i < ARRAY_LEN(needed); i++)
        if (!has_text(root, needed[i])) {
            diag_error(r->diags, r->source, place_in(root, needed[i]),
                "an object needs \"%s\", and this one has none", needed[i]);
            ok = false;
        }
    if (has_text(metadata, "name"))
        return ok;
    if (yaml_get(metadata, "generateName"))
        diag_error(r->diags, r->source, place_in(metadata, "generateName"),
            "generateName would make one more object at each release: write \"name\"");
    else
        diag_error(r->diags, r->source, place_in(root, "metadata"),
            "an object needs \"metadata.name\", and this one has none");
    return false;
}

static bool check_duplicate(
    struct reader *r, const struct value *object, const struct yaml_node *root)
{
    struct diag_place place = place_in(yaml_get(root, "metadata"), "name");
    for (size_t i = 0; i < value_length(r->objects); i++) {
        if (!manifest_same(object, value_at(r->objects, i)))
            continue;
        diag_error(r->diags, r->source, place, MANIFEST_OBJECT " is there twice",
            MANIFEST_OBJECT_ARGS(object));
        if (i >= r->first)
            diag_add(r->diags, DIAG_NOTE, r->source, r->places.items[i - r->first],
                "it was there before");
        return false;
    }
    vec_push(&r->places, place);
    return true;
}

static bool is_known(const struct yaml_node *root, struct reader *r)
{
    AUTO(value) struct value *named = value_map();
    value_set_str(named, "apiVersion", yaml_get(root, "apiVersion")->text);
    value_set_str(named, "kind", yaml_get(root, "kind")->text);
    r->data = manifest_is(named, "", "ConfigMap") || manifest_is(named, "", "Secret");
    // A definition holds schemas, whose keys are anything.
    return manifest_kind_of(named) &&
           !manifest_is(named, "apiextensions.k8s.io", "CustomResourceDefinition");
}

// Not deeper than YAML_DEPTH_MAX: lists of lists.
static void take_root(struct reader *r, const struct yaml_node *root)
{
    if (yaml_is_empty(root))
        return;
    if (root->type != YAML_MAP) {
        diag_error(r->diags, r->source, root->place,
            "an object is a map with \"apiVersion\", \"kind\" and \"metadata\"");
        return;
    }
    if (is_list(root)) {
        const struct yaml_node *items = yaml_get(root, "items");
        for (size_t i = 0; i < items->count; i++)
            take_root(r, items->items[i]);
        return;
    }
    if (!check_identity(r, root))
        return;
    r->known = is_known(root, r);
    struct value *object = value_map();
    for (size_t i = 0; i < root->count; i++) {
        struct above top = {NULL, root->pairs[i].key->text, false};
        check_key(r, root->pairs[i].key);
        value_set(object, top.key, convert(r, root->pairs[i].value, &top));
    }
    if (check_duplicate(r, object, root))
        value_append(r->objects, object);
    else
        value_free(object);
}

int manifest_read(const struct diag_source *source, const struct manifest_values *values,
    struct value *ret_objects, struct diag_list *diags)
{
    size_t errors = diags->errors;
    AUTO(yaml_doc) struct yaml_doc *doc = yaml_read_all(source, diags);
    struct reader r = {
        .source = source,
        .values = values,
        .diags = diags,
        .objects = ret_objects,
        .first = value_length(ret_objects),
    };
    for (size_t i = 0; doc && i < yaml_count(doc); i++)
        take_root(&r, yaml_root_at(doc, i));
    vec_free(&r.places);
    return diags->errors == errors ? 0 : -1;
}
