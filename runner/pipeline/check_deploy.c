#include <inttypes.h>

#include "base/text.h"
#include "pipeline/check.h"

#define CANARY_STEPS_MAX 32 // deploy/program.h, a floor above

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
    check_environment(parsing, stage, node);
    check_ports(parsing, stage, node);
    check_deadline(parsing, stage, node);
    check_canary(parsing, stage, node);
    check_gates(parsing, node);
}
