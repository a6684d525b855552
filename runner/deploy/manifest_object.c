#include "deploy/manifest_object.h"

#include <string.h>

#include "kube/object.h"

static const char *const in_spec[] = {"spec", "template", NULL};
static const char *const in_job[] = {"spec", "jobTemplate", "spec", "template", NULL};
static const char *const in_itself[] = {NULL};
static const char *const in_template[] = {"template", NULL};

// What others stand on comes first; what sends traffic or work to others comes last.
enum {
    RANK_NAMESPACE,
    RANK_DEFINITION,
    RANK_CLASS,
    RANK_BOUND,
    RANK_ACCOUNT,
    RANK_ROLE,
    RANK_BINDING,
    RANK_CONFIG,
    RANK_VOLUME,
    RANK_CLAIM,
    RANK_SERVICE,
    RANK_WORKLOAD,
    RANK_SCALING,
    RANK_ROUTE,
    RANK_HOOK,
    RANK_OTHER,
};
_Static_assert(RANK_OTHER + 1 == MANIFEST_RANKS, "one list of ranks");

#define RBAC "rbac.authorization.k8s.io"
#define NET  "networking.k8s.io"
#define HOOK "admissionregistration.k8s.io"

static const struct manifest_kind kinds[] = {
    {"", "Namespace", RANK_NAMESPACE, SCOPE_CLUSTER, NULL},
    {"apiextensions.k8s.io", "CustomResourceDefinition", RANK_DEFINITION, SCOPE_CLUSTER, NULL},
    {"scheduling.k8s.io", "PriorityClass", RANK_CLASS, SCOPE_CLUSTER, NULL},
    {"node.k8s.io", "RuntimeClass", RANK_CLASS, SCOPE_CLUSTER, NULL},
    {"storage.k8s.io", "StorageClass", RANK_CLASS, SCOPE_CLUSTER, NULL},
    {"storage.k8s.io", "CSIDriver", RANK_CLASS, SCOPE_CLUSTER, NULL},
    {"storage.k8s.io", "VolumeAttributesClass", RANK_CLASS, SCOPE_CLUSTER, NULL},
    {NET, "IngressClass", RANK_CLASS, SCOPE_CLUSTER, NULL},
    {"", "ResourceQuota", RANK_BOUND, SCOPE_NAMESPACED, NULL},
    {"", "LimitRange", RANK_BOUND, SCOPE_NAMESPACED, NULL},
    {NET, "NetworkPolicy", RANK_BOUND, SCOPE_NAMESPACED, NULL},
    {"", "ServiceAccount", RANK_ACCOUNT, SCOPE_NAMESPACED, NULL},
    {RBAC, "ClusterRole", RANK_ROLE, SCOPE_CLUSTER, NULL},
    {RBAC, "Role", RANK_ROLE, SCOPE_NAMESPACED, NULL},
    {RBAC, "ClusterRoleBinding", RANK_BINDING, SCOPE_CLUSTER, NULL},
    {RBAC, "RoleBinding", RANK_BINDING, SCOPE_NAMESPACED, NULL},
    {"", "ConfigMap", RANK_CONFIG, SCOPE_NAMESPACED, NULL},
    {"", "Secret", RANK_CONFIG, SCOPE_NAMESPACED, NULL},
    {"", "PersistentVolume", RANK_VOLUME, SCOPE_CLUSTER, NULL},
    {"", "PersistentVolumeClaim", RANK_CLAIM, SCOPE_NAMESPACED, NULL},
    {"", "Service", RANK_SERVICE, SCOPE_NAMESPACED, NULL},
    {"", "Endpoints", RANK_SERVICE, SCOPE_NAMESPACED, NULL},
    {"discovery.k8s.io", "EndpointSlice", RANK_SERVICE, SCOPE_NAMESPACED, NULL},
    {"", "Pod", RANK_WORKLOAD, SCOPE_NAMESPACED, in_itself},
    {"", "PodTemplate", RANK_WORKLOAD, SCOPE_NAMESPACED, in_template},
    {"", "ReplicationController", RANK_WORKLOAD, SCOPE_NAMESPACED, in_spec},
    {"apps", "Deployment", RANK_WORKLOAD, SCOPE_NAMESPACED, in_spec},
    {"apps", "StatefulSet", RANK_WORKLOAD, SCOPE_NAMESPACED, in_spec},
    {"apps", "DaemonSet", RANK_WORKLOAD, SCOPE_NAMESPACED, in_spec},
    {"apps", "ReplicaSet", RANK_WORKLOAD, SCOPE_NAMESPACED, in_spec},
    {"batch", "Job", RANK_WORKLOAD, SCOPE_NAMESPACED, in_spec},
    {"batch", "CronJob", RANK_WORKLOAD, SCOPE_NAMESPACED, in_job},
    {"autoscaling", "HorizontalPodAutoscaler", RANK_SCALING, SCOPE_NAMESPACED, NULL},
    {"policy", "PodDisruptionBudget", RANK_SCALING, SCOPE_NAMESPACED, NULL},
    {NET, "Ingress", RANK_ROUTE, SCOPE_NAMESPACED, NULL},
    {"apiregistration.k8s.io", "APIService", RANK_HOOK, SCOPE_CLUSTER, NULL},
    {HOOK, "ValidatingWebhookConfiguration", RANK_HOOK, SCOPE_CLUSTER, NULL},
    {HOOK, "MutatingWebhookConfiguration", RANK_HOOK, SCOPE_CLUSTER, NULL},
    {HOOK, "ValidatingAdmissionPolicy", RANK_HOOK, SCOPE_CLUSTER, NULL},
    {HOOK, "ValidatingAdmissionPolicyBinding", RANK_HOOK, SCOPE_CLUSTER, NULL},
    {HOOK, "MutatingAdmissionPolicy", RANK_HOOK, SCOPE_CLUSTER, NULL},
    {HOOK, "MutatingAdmissionPolicyBinding", RANK_HOOK, SCOPE_CLUSTER, NULL},
};

const char *manifest_group(const struct value *object, size_t *ret_length)
{
    const char *version = value_get_str(object, "apiVersion");
    const char *slash = version ? strchr(version, '/') : NULL;
    *ret_length = slash ? (size_t)(slash - version) : 0;
    return slash ? version : "";
}

bool manifest_is(const struct value *object, const char *group, const char *kind)
{
    size_t length;
    const char *its = manifest_group(object, &length);
    return strlen(group) == length && memcmp(its, group, length) == 0 &&
           strcmp(manifest_object_kind(object), kind) == 0;
}

const struct manifest_kind *manifest_kind_of(const struct value *object)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (manifest_is(object, kinds[i].group, kinds[i].kind))
            return &kinds[i];
    return NULL;
}

int manifest_rank(const struct value *object)
{
    const struct manifest_kind *kind = manifest_kind_of(object);
    return kind ? kind->rank : RANK_OTHER;
}

struct value *manifest_template(struct value *object)
{
    const struct manifest_kind *kind = manifest_kind_of(object);
    if (!kind || !kind->template)
        return NULL;
    struct value *at = kind->template[0] ? kube_at_keys(object, kind->template) : object;
    return value_type(at) == VALUE_MAP ? at : NULL;
}

bool manifest_same(const struct value *a, const struct value *b)
{
    size_t length_a, length_b;
    const char *group_a = manifest_group(a, &length_a), *group_b = manifest_group(b, &length_b);
    return length_a == length_b && memcmp(group_a, group_b, length_a) == 0 &&
           strcmp(manifest_object_kind(a), manifest_object_kind(b)) == 0 &&
           strcmp(manifest_object_name(a), manifest_object_name(b)) == 0;
}

const char *manifest_object_kind(const struct value *object)
{
    const char *kind = value_get_str(object, "kind");
    return kind ? kind : "";
}

const char *manifest_object_name(const struct value *object)
{
    const char *name = kube_name(object);
    return name ? name : "";
}

struct value *manifest_map_at(struct value *map, const char *key)
{
    if (value_type(value_get(map, key)) != VALUE_MAP)
        value_set(map, key, value_map());
    return value_get(map, key);
}

void manifest_set_label(struct value *object, const char *key, const char *text)
{
    struct value *labels = manifest_map_at(manifest_map_at(object, "metadata"), "labels");
    value_set_str(labels, key, text);
}

bool manifest_selects(const struct value *selector, const struct value *labels)
{
    struct value_cursor cursor = {.map = selector};
    const char *key;
    struct value *item;
    if (value_type(selector) != VALUE_MAP || value_length(selector) == 0)
        return false;
    while (value_next(&cursor, &key, &item))
        if (!value_text(item) || !text_equal(value_text(item), value_get_str(labels, key)))
            return false;
    return true;
}
