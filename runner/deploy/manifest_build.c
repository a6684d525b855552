// From what the user's files say to what a release applies.
#include <string.h>

#include "base/text.h"
#include "deploy/manifest.h"
#include "deploy/manifest_copies.h"
#include "deploy/manifest_jobs.h"
#include "deploy/manifest_object.h"
#include "deploy/manifest_workload.h"
#include "kube/object.h"

// What a server writes into an object, or kubectl (a Secret's annotation would hold its data):
// found in files that somebody exported.
static void drop_written_by_server(struct value *object)
{
    static const char *const keys[] = {
        "creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"};
    struct value *metadata = value_get(object, "metadata");
    value_set(object, "status", NULL);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        value_set(metadata, keys[i], NULL);
    struct value *annotations = value_get(metadata, "annotations");
    if (value_type(annotations) == VALUE_MAP)
        value_set(annotations, "kubectl.kubernetes.io/last-applied-configuration", NULL);
}

// Of a kind that the manifests themselves define, by its CustomResourceDefinition.
static enum manifest_scope defined_scope(const struct value *objects, const struct value *object)
{
    size_t length;
    const char *group = manifest_group(object, &length);
    for (size_t i = 0; i < value_length(objects); i++) {
        const struct value *crd = value_at(objects, i);
        if (!manifest_is(crd, "apiextensions.k8s.io", "CustomResourceDefinition"))
            continue;
        const char *its = value_get_str(value_get(crd, "spec"), "group");
        const char *kind = value_get_str(kube_at(crd, "spec", "names"), "kind");
        const char *scope = value_get_str(value_get(crd, "spec"), "scope");
        if (its && kind && scope && strlen(its) == length && memcmp(its, group, length) == 0 &&
            strcmp(kind, manifest_object_kind(object)) == 0)
            return strcmp(scope, "Cluster") == 0 ? SCOPE_CLUSTER : SCOPE_NAMESPACED;
    }
    return SCOPE_UNKNOWN;
}

static int set_namespace(const struct manifest_input *in, const struct value *objects,
    struct value *object, struct error *err)
{
    const struct manifest_kind *kind = manifest_kind_of(object);
    enum manifest_scope scope = kind ? kind->scope : defined_scope(objects, object);
    struct value *metadata = value_get(object, "metadata");
    const char *given = value_get_str(metadata, "namespace");
    if (scope == SCOPE_CLUSTER) {
        value_set(metadata, "namespace", NULL);
        return 0;
    }
    if (given && *given && strcmp(given, in->namespace) != 0)
        return error_set(err, ERR_CONFIG,
            MANIFEST_OBJECT ": its namespace is %s, but the target's is %s",
            MANIFEST_OBJECT_ARGS(object), given, in->namespace);
    if (scope == SCOPE_NAMESPACED)
        value_set_str(metadata, "namespace", in->namespace);
    return 0;
}

static int check_object(const struct value *objects, size_t index, struct error *err)
{
    const struct value *object = value_at(objects, index);
    if (!value_get_str(object, "apiVersion") || !*manifest_object_kind(object))
        return error_set(
            err, ERR_CONFIG, "object %zu of the manifests has no apiVersion or no kind", index + 1);
    if (!*manifest_object_name(object))
        return error_set(
            err, ERR_CONFIG, "a %s of the manifests has no name", manifest_object_kind(object));
    for (size_t i = 0; i < index; i++)
        if (manifest_same(object, value_at(objects, i)))
            return error_set(
                err, ERR_CONFIG, MANIFEST_OBJECT " is there twice", MANIFEST_OBJECT_ARGS(object));
    return 0;
}

static int prepare(const struct manifest_input *in, struct value *objects, struct error *err)
{
    for (size_t i = 0; i < value_length(objects); i++) {
        struct value *object = value_at(objects, i);
        if (check_object(objects, i, err) < 0)
            return -1;
        drop_written_by_server(object);
        if (set_namespace(in, objects, object, err) < 0)
            return -1;
        manifest_set_label(object, KUBE_LABEL_APP, in->app);
        manifest_set_label(object, KUBE_LABEL_MANAGED_BY, "davit");
        struct value *template = manifest_template(object);
        if (template)
            manifest_set_label(template, KUBE_LABEL_APP, in->app);
    }
    return 0;
}

static struct value *in_order(const struct value *objects)
{
    struct value *sorted = value_list();
    for (int rank = 0; rank < MANIFEST_RANKS; rank++)
        for (size_t i = 0; i < value_length(objects); i++)
            if (manifest_rank(value_at(objects, i)) == rank)
                value_append(sorted, value_share(value_at(objects, i)));
    return sorted;
}

// What may be stored of a Secret.
static struct value *stub_of(const struct value *secret)
{
    struct value *stub = value_map();
    value_set_str(stub, "apiVersion", value_get_str(secret, "apiVersion"));
    value_set_str(stub, "kind", "Secret");
    struct value *metadata = manifest_map_at(stub, "metadata");
    value_set_str(metadata, "name", manifest_object_name(secret));
    value_set_str(metadata, "namespace", value_get_str(value_get(secret, "metadata"), "namespace"));
    value_set(metadata, "labels", value_copy(kube_at(secret, "metadata", "labels")));
    return stub;
}

static bool is_in(const struct value *list, const struct value *object)
{
    for (size_t i = 0; i < value_length(list); i++)
        if (value_at(list, i) == object)
            return true;
    return false;
}

static void sort_out(const struct value *objects, struct manifest *m)
{
    m->others = value_list();
    m->secrets = value_list();
    for (size_t i = 0; i < value_length(objects); i++) {
        struct value *object = value_at(objects, i);
        if (object == m->workload || object == m->service || is_in(m->hooks, object))
            continue;
        bool secret = manifest_is(object, "", "Secret");
        value_append(m->others, secret ? stub_of(object) : value_share(object));
        if (secret)
            value_append(m->secrets, value_share(object));
    }
}

static int check_size(const struct manifest *m, struct error *err)
{
    AUTO(value) struct value *stored = manifest_to_value(m);
    AUTO_FREE char *text = value_print(stored);
    char limit[SIZE_TEXT_MAX];
    if (strlen(text) <= MANIFESTS_MAX)
        return 0;
    return error_set(err, ERR_CONFIG, "the manifests are larger than %s together",
        size_print(MANIFESTS_MAX, limit));
}

int manifest_build(const struct manifest_input *in, struct manifest *ret, struct error *err)
{
    AUTO(value) struct value *objects = value_copy(in->objects);
    AUTO(manifest) struct manifest m = {0};
    if (manifest_add_environment(in, objects, &m.notes, err) < 0 || prepare(in, objects, err) < 0 ||
        manifest_settle_data(objects, err) < 0 || manifest_copy_used(objects, &m.notes, err) < 0 ||
        manifest_name_jobs(in, objects, &m.notes, err) < 0)
        return -1;
    AUTO(value) struct value *sorted = in_order(objects);
    if (manifest_find_workload(in, sorted, &m, err) < 0 ||
        manifest_take_hooks(in, sorted, &m, err) < 0)
        return -1;
    sort_out(sorted, &m);
    if (check_size(&m, err) < 0)
        return -1;
    *ret = m;
    m = (struct manifest){0};
    return 0;
}
