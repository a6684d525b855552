// What is made of a built manifest: its stored form, the Deployment of a slot, the Services.
#include <string.h>

#include "deploy/manifest.h"
#include "deploy/manifest_object.h"
#include "kube/object.h"

void kube_manifest_done(struct manifest *m)
{
    value_free(m->others);
    value_free(m->hooks);
    value_free(m->workload);
    value_free(m->service);
    value_free(m->secrets);
    strv_done(&m->notes);
    *m = (struct manifest){0};
}

static struct value *share_or_null(struct value *v)
{
    return v ? value_share(v) : value_null();
}

struct value *manifest_to_value(const struct manifest *m)
{
    struct value *v = value_map();
    value_set(v, "others", value_share(m->others));
    if (value_length(m->hooks))
        value_set(v, "hooks", value_share(m->hooks));
    value_set(v, "workload", share_or_null(m->workload));
    value_set(v, "service", share_or_null(m->service));
    value_set_int(v, "replicas", m->replicas);
    value_set_int(v, "port", m->port);
    value_set_strv(v, "notes", &m->notes);
    return v;
}

static int take_object(
    const struct value *v, const char *key, struct value **ret, struct error *err)
{
    struct value *object = value_get(v, key);
    if (value_type(object) == VALUE_NULL)
        return 0;
    if (value_type(object) != VALUE_MAP || !kube_name(object))
        return error_set(err, ERR_PROTOCOL, "\"%s\" is not an object", key);
    *ret = value_share(object);
    return 0;
}

// What manifest_build() has made sure of, and the functions below take for granted.
static int check_shape(const struct manifest *m, struct error *err)
{
    if (m->workload && !manifest_template(m->workload))
        return error_set(err, ERR_PROTOCOL, "\"workload\" has no pod template");
    if (m->service && value_type(kube_at(m->service, "spec", "selector")) != VALUE_MAP)
        return error_set(err, ERR_PROTOCOL, "\"service\" has no selector");
    return 0;
}

static int take_hooks(struct value *hooks, struct manifest *m, struct error *err)
{
    if (value_type(hooks) == VALUE_NULL)
        return 0;
    if (value_type(hooks) != VALUE_LIST)
        return error_set(err, ERR_PROTOCOL, "\"hooks\" is not a list");
    for (size_t i = 0; i < value_length(hooks); i++)
        if (!kube_name(value_at(hooks, i)) || !manifest_template(value_at(hooks, i)))
            return error_set(err, ERR_PROTOCOL, "\"hooks\" holds what is not a Job");
    m->hooks = value_share(hooks);
    return 0;
}

int manifest_from_value(const struct value *v, struct manifest *ret, struct error *err)
{
    AUTO(manifest) struct manifest m = {0};
    struct value *others = value_get(v, "others");
    if (value_type(others) != VALUE_LIST)
        return error_set(err, ERR_PROTOCOL, "\"others\" is missing or not a list");
    for (size_t i = 0; i < value_length(others); i++)
        if (!kube_name(value_at(others, i)))
            return error_set(err, ERR_PROTOCOL, "\"others\" holds what is not an object");
    m.others = value_share(others);
    if (take_hooks(value_get(v, "hooks"), &m, err) < 0)
        return -1;
    int64_t replicas, port;
    if (take_object(v, "workload", &m.workload, err) < 0 ||
        take_object(v, "service", &m.service, err) < 0 || check_shape(&m, err) < 0 ||
        value_need_int(v, "replicas", m.workload ? 1 : 0, INSTANCES_MAX, &replicas, err) < 0 ||
        value_need_int(v, "port", 0, 65535, &port, err) < 0 ||
        value_need_strv(v, "notes", &m.notes, err) < 0)
        return -1;
    m.replicas = (int)replicas;
    m.port = (int)port;
    *ret = m;
    m = (struct manifest){0};
    return 0;
}

char *manifest_slotted_name(const struct manifest *m, enum slot slot)
{
    const char *name = manifest_object_name(m->workload);
    return slot == SLOT_BLUE ? mem_strdup(name) : mem_printf("%s-%s", name, slot_name(slot));
}

struct value *manifest_slotted(const struct manifest *m, enum slot slot, int replicas)
{
    struct value *deployment = value_copy(m->workload);
    AUTO_FREE char *name = manifest_slotted_name(m, slot);
    value_set_str(value_get(deployment, "metadata"), "name", name);
    manifest_set_label(deployment, KUBE_LABEL_SLOT, slot_name(slot));
    manifest_set_label(manifest_template(deployment), KUBE_LABEL_SLOT, slot_name(slot));
    struct value *spec = value_get(deployment, "spec");
    struct value *selector = manifest_map_at(spec, "selector");
    value_set_str(manifest_map_at(selector, "matchLabels"), KUBE_LABEL_SLOT, slot_name(slot));
    value_set(spec, "replicas", replicas < 0 ? NULL : value_int(replicas));
    return deployment;
}

struct value *manifest_service(const struct manifest *m, int slot)
{
    struct value *service = value_copy(m->service);
    if (slot != SLOT_ANY)
        value_set_str(
            kube_at(service, "spec", "selector"), KUBE_LABEL_SLOT, slot_name((enum slot)slot));
    return service;
}

struct value *manifest_preview(const struct manifest *m, enum slot slot)
{
    // Whatever belongs to the one address of the real Service, or makes it seen from outside.
    static const char *const outside[] = {"allocateLoadBalancerNodePorts", "clusterIP",
        "clusterIPs", "externalIPs", "externalTrafficPolicy", "healthCheckNodePort",
        "loadBalancerClass", "loadBalancerIP", "loadBalancerSourceRanges"};
    struct value *service = manifest_service(m, (int)slot), *spec = value_get(service, "spec");
    struct value *metadata = value_get(service, "metadata");
    AUTO_FREE char *name = mem_printf("%s-preview", manifest_object_name(service));
    AUTO_FREE char *app = mem_strdup_opt(kube_label(service, KUBE_LABEL_APP));
    bool headless = text_equal(value_get_str(spec, "clusterIP"), "None");
    value_set_str(metadata, "name", name);
    value_set(metadata, "annotations", NULL);
    value_set(metadata, "labels", NULL);
    manifest_set_label(service, KUBE_LABEL_APP, app);
    manifest_set_label(service, KUBE_LABEL_MANAGED_BY, "davit");
    for (size_t i = 0; i < ARRAY_LEN(outside); i++)
        value_set(spec, outside[i], NULL);
    value_set_str(spec, "type", "ClusterIP");
    if (headless)
        value_set_str(spec, "clusterIP", "None");
    struct value *ports = value_get(spec, "ports");
    for (size_t i = 0; i < value_length(ports); i++)
        value_set(value_at(ports, i), "nodePort", NULL);
    return service;
}

static bool is_in(const struct manifest *m, const struct value *object)
{
    for (size_t i = 0; i < value_length(m->others); i++)
        if (manifest_same(object, value_at(m->others, i)))
            return true;
    return (m->workload && manifest_same(object, m->workload)) ||
           (m->service && manifest_same(object, m->service));
}

static bool stays(const struct value *object)
{
    return kube_label(object, KUBE_LABEL_COPY) || manifest_is(object, "", "Namespace") ||
           manifest_is(object, "", "PersistentVolume") ||
           manifest_is(object, "", "PersistentVolumeClaim") ||
           manifest_is(object, "apiextensions.k8s.io", "CustomResourceDefinition");
}

struct value *manifest_pruned(const struct manifest *before, const struct manifest *after)
{
    struct value *pruned = value_list();
    for (size_t i = value_length(before->others); i--;) {
        const struct value *object = value_at(before->others, i);
        if (stays(object) || is_in(after, object))
            continue;
        struct value *named = value_map(), *metadata = manifest_map_at(named, "metadata");
        value_set_str(named, "apiVersion", value_get_str(object, "apiVersion"));
        value_set_str(named, "kind", manifest_object_kind(object));
        value_set_str(metadata, "name", manifest_object_name(object));
        value_set_str(
            metadata, "namespace", value_get_str(value_get(object, "metadata"), "namespace"));
        value_append(pruned, named);
    }
    return pruned;
}
