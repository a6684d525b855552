// What rights a release takes.
#include "support/check.h"

#include <stdlib.h>
#include <string.h>

#include "deploy/kube_rights.h"

// As `kubectl auth can-i` has it: "get,list services; …", of kinds beyond the core.
static void print(const struct kube_rights *r, size_t from, struct str *out)
{
    for (size_t i = from; i < r->items.length; i++) {
        const struct kube_right *right = &r->items.items[i];
        const char *comma = "";
        for (int verb = 0; verb < KUBE_VERBS; verb++)
            if (right->verbs & 1U << verb) {
                str_printf(out, "%s%s", comma, kube_verb_names[verb]);
                comma = ",";
            }
        str_printf(out, " %s%s%s%s%s; ", right->resource, *right->group ? "." : "", right->group,
            right->cluster ? " of the cluster" : "", right->guessed_kind ? "?" : "");
    }
}

static struct value *parse(const char *text)
{
    struct error err = {0};
    struct value *v = value_parse(text, strlen(text), &err);
    if (!v)
        fail_msg("%s", err.message);
    return v;
}

static void each_kind_takes_what_is_done_with_it(void **state)
{
    static const struct {
        const char *version, *kind, *rights;
    } rows[] = {
        {"v1", "ConfigMap", "get,list,create,patch,delete configmaps; "},
        {"v1", "Endpoints", "get,create,patch,delete endpoints; "},
        {"v1", "PersistentVolumeClaim", "get,create,patch persistentvolumeclaims; "},
        {"v1", "Namespace", "get,create,patch namespaces of the cluster; "},
        {"apps/v1", "StatefulSet", "get,list,watch,create,patch,delete statefulsets.apps; "},
        {"networking.k8s.io/v1", "Ingress",
            "get,create,patch,delete ingresses.networking.k8s.io; "},
        {"networking.k8s.io/v1", "NetworkPolicy",
            "get,create,patch,delete networkpolicies.networking.k8s.io; "},
        {"rbac.authorization.k8s.io/v1", "ClusterRole",
            "get,create,patch,delete clusterroles.rbac.authorization.k8s.io of the cluster; "},
        {"gateway.networking.k8s.io/v1", "Gateway",
            "get,create,patch,delete gateways.gateway.networking.k8s.io?; "},
    };
    static const struct release_gates no_gates = {0};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(kube_rights) struct kube_rights core = {0}, rights = {0};
        AUTO(str) struct str said;
        str_init(&said, STR_TEXT_MAX);
        struct manifest m = {0};
        kube_rights_of(&m, &no_gates, &core);
        AUTO_FREE char *others = mem_printf(
            "[{\"apiVersion\": \"%s\", \"kind\": \"%s\"}]", rows[i].version, rows[i].kind);
        AUTO(value) struct value *list = parse(others);
        m.others = list;
        kube_rights_of(&m, &no_gates, &rights);
        print(&rights, core.items.length, &said);
        assert_string_equal(said.data, rows[i].rights);
    }
}

static bool is_star(const struct value *list)
{
    for (size_t i = 0; i < value_length(list); i++)
        if (strchr(value_text(value_at(list, i)), '*'))
            return true;
    return false;
}

static void a_role_has_the_core_and_no_wildcard(void **state)
{
    (void)state;
    AUTO(kube_rights) struct kube_rights rights = {0};
    AUTO(value) struct value *service = parse("{\"apiVersion\": \"v1\", \"kind\": \"Service\"}");
    struct gate_spec gate = {.kind = GATE_HTTP, .path = (char[]){"/ping"}};
    const struct release_gates gates = {.after_switch = {.items = {.items = &gate, .length = 1}}};
    const struct manifest m = {.service = service};
    kube_rights_of(&m, &gates, &rights);
    AUTO(value) struct value *rules = kube_rights_rules(&rights, false);
    AUTO(str) struct str out;
    str_init(&out, STR_TEXT_MAX);
    for (size_t i = 0; i < value_length(rules); i++) {
        assert_false(is_star(value_get(value_at(rules, i), "verbs")));
        assert_false(is_star(value_get(value_at(rules, i), "resources")));
        assert_false(is_star(value_get(value_at(rules, i), "apiGroups")));
    }
    kube_rights_print(&rights, "web", "shop", &out);
    assert_non_null(strstr(out.data, "metadata: {name: davit-web, namespace: shop}\n"));
    assert_non_null(strstr(out.data, "    resources: [services]\n"
                                     "    verbs: [get, list, watch, create, patch, delete]\n"));
    assert_non_null(strstr(out.data, "resources: [pods/log, pods/proxy]\n    verbs: [get]\n"));
    assert_null(strstr(out.data, "secrets"));
    assert_null(strstr(out.data, "ClusterRole"));
}

static void what_is_the_clusters_is_a_role_of_its_own(void **state)
{
    static const struct release_gates no_gates = {0};
    (void)state;
    AUTO(kube_rights) struct kube_rights rights = {0};
    AUTO(value)
    struct value *others = parse("[{\"apiVersion\": \"apiextensions.k8s.io/v1\", \"kind\": "
                                 "\"CustomResourceDefinition\"}]");
    const struct manifest m = {.others = others};
    kube_rights_of(&m, &no_gates, &rights);
    AUTO(value) struct value *objects = kube_rights_objects(&rights, "web", "shop");
    assert_int_equal(value_length(objects), 2);
    const struct value *second = value_at(objects, 1);
    assert_string_equal(value_get_str(second, "kind"), "ClusterRole");
    assert_string_equal(value_get_str(value_get(second, "metadata"), "name"), "davit-shop-web");
    assert_null(value_get(value_get(second, "metadata"), "namespace"));
    assert_int_equal(value_length(value_get(second, "rules")), 1);
}

TEST_MAIN(cmocka_unit_test(each_kind_takes_what_is_done_with_it),
    cmocka_unit_test(a_role_has_the_core_and_no_wildcard),
    cmocka_unit_test(what_is_the_clusters_is_a_role_of_its_own))
