#include <inttypes.h>

#include "base/text.h"
#include "pipeline/check.h"
#include "pipeline/limits.h"

static void check_environment(
    struct parsing *parsing, const struct stage *stage, const struct yaml_node *node)
{
    const char *name = value_get_str(stage->deploy, "environment");
    if (!name || stage_environment(parsing->p, stage))
        return;
    AUTO(strv) struct strv names = {0};
    vec_each (environment, &parsing->p->environments)
        strv_push(&names, environment->name);
    struct schema_hint hint =
        schema_suggest(&parsing->walk, name, (const char *const *)(const void *)strv_argv(&names));
    check_error_at(parsing, node_at(node, "deploy", "environment")->place,
        "no environment is called \"%s\"%s%s", YAML_SHOW(name), hint.text,
        *hint.text ? "" : "; `environments` at the top of the file lists them");
}

static bool has_probe(const struct value *gates)
{
    for (size_t i = 0; i < value_length(gates); i++) {
        const struct value *gate = value_at(gates, i);
        const char *kind = value_get_str(gate, "kind");
        if ((text_equal(kind, "http") && !value_get(gate, "url")) || text_equal(kind, "tcp"))
            return true;
    }
    return false;
}

// What only one of the targets knows; `instead` is what does it on the other.
static const struct {
    const char *key, *instead;
} local_keys[] = {
    {"instances", "`replicas` of the Deployment says how many pods run"},
    {"listen", "the Service of the manifests says where the app is reached"},
    {"ports", "`ports` of the container and of the Service say where it answers"},
    {"healthcheck", "readinessProbe of the container says when a pod is ready"},
    {"grace", "terminationGracePeriodSeconds of the pod says how long it has to end"},
    {"drain", "a preStop hook (preStop: {sleep: {seconds: 3}}) keeps a pod until it has left the "
              "traffic"},
};
static const char *const kube_keys[] = {"manifests", "service", "hooks"};

// What asks an instance by its address, or runs beside it, does so on this host.
static void check_kube_gates(struct parsing *parsing, const struct value *gates,
    const struct yaml_node *node, const char *phase)
{
    const struct value *list = value_get(gates, phase);
    for (size_t i = 0; i < value_length(list); i++) {
        const char *kind = value_get_str(value_at(list, i), "kind");
        if (text_equal(kind, "tcp") || text_equal(kind, "exec"))
            check_error_at(parsing, node_at(node, "deploy", "gates", phase)->place,
                "%s gates are for this host; on kubernetes ask by http, or by a readinessProbe",
                kind);
    }
}

// What is a path becomes a plain string.
static void check_manifests(
    struct parsing *parsing, const struct stage *stage, const struct yaml_node *node)
{
    const struct value *items = value_get(stage->deploy, "manifests");
    bool each = node->type == YAML_LIST && node->count == value_length(items); // all were read
    struct value *plain = value_list();
    for (size_t i = 0; i < value_length(items); i++) {
        struct value *item = value_at(items, i), *path = value_get(item, "path");
        bool renders = value_get(item, "render") != NULL;
        const struct diag_place place = each ? node->items[i]->place : node->place;
        if (renders == (path != NULL))
            check_error_at(parsing, place, "an item of `manifests` has one of path and render");
        else if (path && value_get(item, "image"))
            check_error_at(parsing, place,
                "the `image` of `manifests` is what a command runs in: "
                "it needs `render`");
        else
            value_append(plain, value_share(renders ? item : path));
    }
    value_set(stage->deploy, "manifests", plain);
}

static void check_kubernetes(
    struct parsing *parsing, const struct stage *stage, const struct yaml_node *node)
{
    const struct yaml_node *deploy = yaml_get(node, "deploy");
    for (size_t i = 0; i < ARRAY_LEN(local_keys); i++) {
        const struct yaml_node *found = yaml_get(deploy, local_keys[i].key);
        if (found)
            check_error_at(parsing, found->place, "`%s` is for this host; on kubernetes %s",
                local_keys[i].key, local_keys[i].instead);
    }
    // Their defaults are nobody's.
    static const char *const parts[] = {
        "instances", "listen", "ports", "healthcheck", "grace_ms", "drain_ms"};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        value_set(stage->deploy, parts[i], NULL);
    const struct value *strategy = value_get(stage->deploy, "strategy");
    const struct value *before = value_get(value_get(stage->deploy, "gates"), "before_switch");
    if (text_equal(value_get_str(strategy, "kind"), "rolling") && value_length(before))
        check_error_at(parsing, node_at(node, "deploy", "gates", "before_switch")->place,
            "a rolling update of kubernetes has no switch that a gate could come before: use "
            "after_switch, or strategy: blue-green");
    check_kube_gates(parsing, value_get(stage->deploy, "gates"), node, "before_switch");
    check_kube_gates(parsing, value_get(stage->deploy, "gates"), node, "after_switch");
    const struct value *hooks = value_get(stage->deploy, "hooks");
    if (value_length(value_get(hooks, "before")) + value_length(value_get(hooks, "after")) >
        HOOKS_MAX)
        check_error_at(parsing, node_at(node, "deploy", "hooks")->place,
            "a release has at most %d hooks", HOOKS_MAX);
    const struct yaml_node *manifests = yaml_get(deploy, "manifests");
    if (!manifests || (manifests->type == YAML_LIST && !manifests->count))
        check_error_at(parsing,
            manifests ? manifests->place : node_at(node, "deploy", "environment")->place,
            "a deploy to kubernetes needs `manifests`, the files and directories of the workspace "
            "that describe the app, as in manifests: [k8s/]");
    else
        check_manifests(parsing, stage, manifests);
}

static void check_local(
    struct parsing *parsing, const struct stage *stage, const struct yaml_node *node)
{
    const char *name = value_get_str(stage->deploy, "environment");
    for (size_t i = 0; i < ARRAY_LEN(kube_keys); i++) {
        const struct yaml_node *found = node_at(node, "deploy", kube_keys[i]);
        if (found && name)
            check_error_at(parsing, found->place,
                "`%s` is for kubernetes, and apps of environment \"%s\" run on this host: it would "
                "need target: kubernetes",
                kube_keys[i], YAML_SHOW(name));
        else if (found)
            check_error_at(parsing, found->place,
                "`%s` is for kubernetes, and without an `environment` an app runs on this host: "
                "name one that has target: kubernetes",
                kube_keys[i]);
    }
}

// Traffic, health checks and probes go to one port of an instance.
static void check_ports(
    struct parsing *parsing, const struct stage *stage, const struct yaml_node *node)
{
    const struct value *ports = value_get(stage->deploy, "ports");
    const struct value *gates = value_get(stage->deploy, "gates");
    const struct yaml_node *at = node_at(node, "deploy", "ports");
    struct value_cursor cursor = {.map = ports};
    struct value *role;
    const char *name, *who = NULL;
    int http = 0;
    while (value_next(&cursor, &name, &role))
        http += text_equal(value_text(role), "http");
    if (http > 1)
        check_error_at(parsing, at->place,
            "%d ports are http, and the traffic goes to one: make the others private", http);
    if (has_probe(value_get(gates, "before_switch")) || has_probe(value_get(gates, "after_switch")))
        who = "gates";
    if (yaml_get(yaml_get(node, "deploy"), "healthcheck"))
        who = "healthcheck";
    if (yaml_get(yaml_get(node, "deploy"), "listen"))
        who = "listen";
    size_t given = at && at->type == YAML_MAP ? at->count : 0;
    if (http || !who || given > value_length(ports)) // a port that could not be read may be it
        return;
    check_error_at(parsing, node_at(node, "deploy", who)->place,
        "`%s` needs to know where the app answers HTTP: name the variable by which it learns its "
        "port, as in ports: {PORT: http}",
        who);
}

static void check_deadline(
    struct parsing *parsing, const struct stage *stage, const struct yaml_node *node)
{
    int64_t deadline = value_get_int(stage->deploy, "deadline_ms", 0);
    const struct yaml_node *at = node_at(node, "deploy", "deadline");
    char texts[2][DURATION_TEXT_MAX];
    if (!at)
        at = yaml_get(node, "timeout");
    if (!at || !stage->timeout_ms || deadline <= stage->timeout_ms)
        return;
    diag_add(parsing->walk.diags, DIAG_WARNING, parsing->walk.source, at->place,
        "the stage's timeout (%s) ends the rollout before its deadline (%s) can",
        duration_print(stage->timeout_ms, texts[0]), duration_print(deadline, texts[1]));
}

// What a canary's steps are one by one, the table says.
static void check_canary(
    struct parsing *parsing, const struct stage *stage, const struct yaml_node *node)
{
    const struct value *steps = value_get(value_get(stage->deploy, "strategy"), "steps");
    const struct yaml_node *at = node_at(node, "deploy", "strategy");
    at = yaml_get(yaml_get(at, "canary"), "steps");
    size_t count = at && at->type == YAML_LIST ? at->count : 0;
    int64_t last = 0;
    if (!steps || count != value_length(steps)) // one could not be read
        return;
    if (count == 0 || count > CANARY_STEPS_MAX)
        check_error_at(parsing, at->place, "a canary has 1 to %d steps", CANARY_STEPS_MAX);
    for (size_t i = 0; i < count && i < CANARY_STEPS_MAX; i++) {
        int64_t percent = value_get_int(value_at(steps, i), "percent", 0);
        const struct diag_place place = at->items[i]->place;
        if (!percent && !last)
            check_error_at(parsing, place, "a canary begins with a weight, as in {weight: 10}");
        if (percent && percent <= last)
            check_error_at(parsing, place,
                "the weights of a canary rise: %" PRId64 " after %" PRId64 " does not", percent,
                last);
        if (!percent && !last)
            return;
        last = percent ? percent : last;
    }
}

void check_deploy(struct parsing *parsing, const struct stage *stage, const struct yaml_node *node)
{
    const struct environment *environment = stage_environment(parsing->p, stage);
    check_environment(parsing, stage, node);
    if (environment_is_kubernetes(environment)) {
        check_kubernetes(parsing, stage, node);
    } else if (environment || !value_get_str(stage->deploy, "environment")) {
        check_local(parsing, stage, node);
        check_ports(parsing, stage, node);
    }
    check_deadline(parsing, stage, node);
    check_canary(parsing, stage, node);
    check_gates(parsing, node);
}
