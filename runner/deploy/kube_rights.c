#include "deploy/kube_rights.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "deploy/manifest_object.h"

const char *const kube_verb_names[KUBE_VERBS] = {
    "get", "list", "watch", "create", "patch", "delete"};

#define FOLLOWED (KUBE_LIST | KUBE_WATCH)
// A server-side apply of what is not there yet asks for both.
#define APPLIED (KUBE_GET | KUBE_CREATE | KUBE_PATCH)

// Whatever is deployed: kube_lease.c, kube_release.c, kube_observe.c, kube_explain.c.
static const struct {
    const char *group, *resource;
    unsigned verbs;
} core[] = {
    {"coordination.k8s.io", "leases", APPLIED | FOLLOWED | KUBE_DELETE},
    {"apps", "controllerrevisions", APPLIED | KUBE_LIST | KUBE_DELETE},
    {"apps", "deployments", FOLLOWED},
    {"apps", "replicasets", FOLLOWED},
    {"", "services", FOLLOWED},
    {"", "pods", FOLLOWED},
    {"", "pods/log", KUBE_GET},
    {"", "events", FOLLOWED},
    {"discovery.k8s.io", "endpointslices", FOLLOWED},
};

// What is applied needs APPLIED, and KUBE_DELETE to be pruned; these are exceptions.
static const struct {
    const char *group, *kind;
    unsigned more;
    bool kept; // never deleted, for it holds data: kube_apply.c
} special[] = {
    {"apps", "StatefulSet", FOLLOWED, false},
    {"apps", "DaemonSet", FOLLOWED, false},
    {"apps", "Deployment", FOLLOWED, false},
    {"batch", "Job", FOLLOWED, false},
    {"", "ConfigMap", KUBE_LIST, false}, // copies are found by their label
    {"", "Secret", KUBE_LIST, false},
    {"apiextensions.k8s.io", "CustomResourceDefinition", FOLLOWED, true},
    {"", "PersistentVolumeClaim", 0, true},
    {"", "PersistentVolume", 0, true},
    {"", "Namespace", 0, true},
    {"storage.k8s.io", "StorageClass", 0, true},
};

void kube_rights_done(struct kube_rights *r)
{
    vec_each (right, &r->items) {
        free(right->group);
        free(right->resource);
        free(right->guessed_version);
        free(right->guessed_kind);
    }
    vec_free(&r->items);
}

static struct kube_right *need(
    struct kube_rights *r, const char *group, const char *resource, unsigned verbs, bool cluster)
{
    vec_each (right, &r->items)
        if (text_equal(right->group, group) && text_equal(right->resource, resource) &&
            right->cluster == cluster) {
            right->verbs |= verbs;
            return right;
        }
    vec_push(&r->items, ((struct kube_right){.group = mem_strdup(group),
                            .resource = mem_strdup(resource),
                            .verbs = verbs,
                            .cluster = cluster}));
    return &r->items.items[r->items.length - 1];
}

void kube_rights_add(
    struct kube_rights *r, const char *group, const char *resource, unsigned verbs, bool cluster)
{
    need(r, group, resource, verbs, cluster);
}

// --- kinds ---

static bool ends_in_any(const char *text, const char *const *ends)
{
    for (; *ends; ends++)
        if (text_ends(text, *ends))
            return true;
    return false;
}

// As the API's own names are made of kinds: "ingresses", "networkpolicies", "gateways".
static char *plural_of(const char *kind)
{
    static const char *const hissing[] = {"s", "x", "z", "ch", "sh", NULL};
    static const char *const vowels[] = {"ay", "ey", "oy", "uy", NULL};
    AUTO_FREE char *lower = mem_strdup(kind);
    for (char *c = lower; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    if (text_equal(lower, "endpoints"))
        return take_ptr(lower);
    if (ends_in_any(lower, hissing))
        return mem_printf("%ses", lower);
    if (text_ends(lower, "y") && !ends_in_any(lower, vowels))
        return mem_printf("%.*sies", (int)strlen(lower) - 1, lower);
    return mem_printf("%ss", lower);
}

static unsigned verbs_of(const struct value *object)
{
    for (size_t i = 0; i < ARRAY_LEN(special); i++)
        if (manifest_is(object, special[i].group, special[i].kind))
            return APPLIED | special[i].more | (special[i].kept ? 0 : KUBE_DELETE);
    return APPLIED | KUBE_DELETE;
}

static void need_object(struct kube_rights *r, const struct value *object)
{
    size_t length;
    const char *start = manifest_group(object, &length);
    const struct manifest_kind *kind = manifest_kind_of(object);
    AUTO_FREE char *group = mem_strndup(start, length);
    AUTO_FREE char *plural = plural_of(manifest_object_kind(object));
    bool cluster = kind && kind->scope == SCOPE_CLUSTER;
    struct kube_right *right = need(r, group, plural, verbs_of(object), cluster);
    if (!kind && !right->guessed_kind) {
        right->guessed_version = mem_strdup_opt(value_get_str(object, "apiVersion"));
        right->guessed_kind = mem_strdup(manifest_object_kind(object));
    }
}

static void need_gates(struct kube_rights *r, const struct gate_list *gates)
{
    vec_each (gate, &gates->items)
        if (gate->kind == GATE_HTTP && gate->path) // by the API server, which reaches pods
            need(r, "", "pods/proxy", KUBE_GET, false);
}

void kube_rights_of(
    const struct manifest *m, const struct release_gates *gates, struct kube_rights *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(core); i++)
        need(ret, core[i].group, core[i].resource, core[i].verbs, false);
    if (m->workload)
        need_object(ret, m->workload);
    if (m->service)
        need_object(ret, m->service);
    for (size_t i = 0; i < value_length(m->others); i++)
        need_object(ret, value_at(m->others, i));
    need_gates(ret, &gates->before_switch);
    need_gates(ret, &gates->after_switch);
}

// --- as rules ---

static struct value *list_of(const char *text)
{
    struct value *list = value_list();
    value_append_str(list, text);
    return list;
}

static struct value *verbs_value(unsigned verbs)
{
    struct value *list = value_list();
    for (int i = 0; i < KUBE_VERBS; i++)
        if (verbs & 1U << i)
            value_append_str(list, kube_verb_names[i]);
    return list;
}

// The rule of that group and those verbs, begun when there is none.
static struct value *rule_for(struct value *rules, const struct kube_right *right)
{
    AUTO(value) struct value *groups = list_of(right->group);
    AUTO(value) struct value *verbs = verbs_value(right->verbs);
    for (size_t i = 0; i < value_length(rules); i++) {
        struct value *rule = value_at(rules, i);
        if (value_equal(value_get(rule, "apiGroups"), groups) &&
            value_equal(value_get(rule, "verbs"), verbs))
            return rule;
    }
    struct value *rule = value_map();
    value_set(rule, "apiGroups", take_ptr(groups));
    value_set(rule, "resources", value_list());
    value_set(rule, "verbs", take_ptr(verbs));
    value_append(rules, rule);
    return rule;
}

struct value *kube_rights_rules(const struct kube_rights *r, bool cluster)
{
    struct value *rules = value_list();
    vec_each (right, &r->items)
        if (right->cluster == cluster && right->verbs)
            value_append_str(value_get(rule_for(rules, right), "resources"), right->resource);
    return rules;
}

static void print_list(const struct value *list, struct str *out)
{
    str_putc(out, '[');
    for (size_t i = 0; i < value_length(list); i++) {
        const char *text = value_text(value_at(list, i));
        str_printf(out, "%s%s", i ? ", " : "", *text ? text : "\"\"");
    }
    str_puts(out, "]\n");
}

void kube_rules_print(const struct value *rules, int indent, struct str *out)
{
    static const char *const keys[] = {"apiGroups", "resources", "verbs"};
    for (size_t i = 0; i < value_length(rules); i++)
        for (size_t j = 0; j < ARRAY_LEN(keys); j++) {
            str_pad(out, ' ', (size_t)indent);
            str_printf(out, "%s %s: ", j ? " " : "-", keys[j]);
            print_list(value_get(value_at(rules, i), keys[j]), out);
        }
}

// --- as objects ---

#define RBAC_VERSION "rbac.authorization.k8s.io/v1"

// A ClusterRole is one for the cluster, where another namespace may have an app of that name.
static char *name_of(bool cluster, const char *app, const char *ns)
{
    return cluster && ns ? mem_printf("davit-%s-%s", ns, app) : mem_printf("davit-%s", app);
}

static void print_guesses(const struct kube_rights *r, struct str *out)
{
    vec_each (right, &r->items)
        if (right->guessed_kind)
            str_printf(out,
                "# %s (%s) is no kind that every cluster has: \"%s\" is a guess, and so is that "
                "it\n# is in a namespace; `kubectl api-resources` knows\n",
                right->guessed_kind, right->guessed_version, right->resource);
}

static void print_object(
    const struct kube_rights *r, bool cluster, const char *app, const char *ns, struct str *out)
{
    AUTO(value) struct value *rules = kube_rights_rules(r, cluster);
    AUTO_FREE char *name = name_of(cluster, app, ns);
    if (!value_length(rules))
        return;
    str_printf(out, "%sapiVersion: " RBAC_VERSION "\nkind: %sRole\nmetadata: {name: %s",
        cluster ? "---\n" : "", cluster ? "Cluster" : "", name);
    if (ns && !cluster)
        str_printf(out, ", namespace: %s", ns);
    str_puts(out, "}\nrules:\n");
    kube_rules_print(rules, 2, out);
}

void kube_rights_print(
    const struct kube_rights *r, const char *app, const char *ns, struct str *out)
{
    print_guesses(r, out);
    print_object(r, false, app, ns, out);
    print_object(r, true, app, ns, out);
}

static void add_object(
    const struct kube_rights *r, bool cluster, const char *app, const char *ns, struct value *list)
{
    AUTO(value) struct value *rules = kube_rights_rules(r, cluster);
    AUTO_FREE char *name = name_of(cluster, app, ns);
    if (!value_length(rules))
        return;
    struct value *object = value_map(), *metadata = value_map();
    value_set_str(object, "apiVersion", RBAC_VERSION);
    value_set_str(object, "kind", cluster ? "ClusterRole" : "Role");
    value_set_str(metadata, "name", name);
    if (!cluster)
        value_set_str(metadata, "namespace", ns);
    value_set(object, "metadata", metadata);
    value_set(object, "rules", take_ptr(rules));
    value_append(list, object);
}

struct value *kube_rights_objects(const struct kube_rights *r, const char *app, const char *ns)
{
    struct value *list = value_list();
    add_object(r, false, app, ns, list);
    add_object(r, true, app, ns, list);
    return list;
}
