#include "deploy/release.h"

#include <stdlib.h>
#include <string.h>

#include "deploy/fields.h"

#define RELEASE_VERSION 1
#define TIME_MAX        (INT64_MAX / 4)

static const char *const port_names[] = {
    [PORT_HTTP] = "http",
    [PORT_PRIVATE] = "private",
    NULL,
};
static const char *const promotion_names[] = {
    [PROMOTION_AUTOMATIC] = "automatic",
    [PROMOTION_MANUAL] = "manual",
    NULL,
};
// What a pipeline may ask for: a rollback is nobody's strategy.
static const char *const kind_names[] = {
    [STRATEGY_ROLLING] = "rolling",
    [STRATEGY_BLUE_GREEN] = "blue-green",
    [STRATEGY_CANARY] = "canary",
    NULL,
};

// Ports: a map from names to kinds.

static int read_ports(const struct value *v, const char *what, void *to, struct error *err)
{
    struct release_ports *ports = to;
    if (value_type(v) != VALUE_MAP)
        return error_set(err, ERR_PROTOCOL, "%s is not a map", what);
    struct value_cursor cursor = {.map = v};
    const char *name;
    struct value *item;
    while (value_next(&cursor, &name, &item)) {
        const char *kind = value_text(item);
        bool http = text_equal(kind, port_names[PORT_HTTP]);
        if (!http && !text_equal(kind, port_names[PORT_PRIVATE]))
            return error_set(
                err, ERR_PROTOCOL, "%s: \"%s\" is neither http nor private", what, name);
        struct release_port *port = vec_add(&ports->items);
        port->name = mem_strdup(name);
        port->kind = http ? PORT_HTTP : PORT_PRIVATE;
    }
    return 0;
}

static struct value *write_ports(const void *from)
{
    const struct release_ports *ports = from;
    struct value *v = value_map();
    vec_each (port, &ports->items)
        value_set_str(v, port->name, port_names[port->kind]);
    return v;
}

static void done_ports(void *of)
{
    struct release_ports *ports = of;
    vec_each (port, &ports->items)
        free(port->name);
    vec_free(&ports->items);
}

static const struct field_type ports_type = {read_ports, write_ports, done_ports};

// Gates.

static int read_gates(const struct value *v, const char *what, void *to, struct error *err)
{
    return gate_list_from_value(v, what, to, err);
}

static struct value *write_gates(const void *from)
{
    return gate_list_to_value(from);
}

static void done_gates(void *of)
{
    gate_list_done(of);
}

static const struct field_type gates_type = {read_gates, write_gates, done_gates};

// Hooks.

static const struct field hook_rows[] = {
    {"job", FIELD(struct release_hook, job, FIELD_STRING)},
    {"irreversible", FIELD(struct release_hook, irreversible, FIELD_BOOL), .optional = true},
    {"timeout_ms", FIELD(struct release_hook, timeout_ms, FIELD_INT), .min = 1, .max = TIME_MAX},
    {0},
};

static int read_hooks(const struct value *v, const char *what, void *to, struct error *err)
{
    struct release_hook_list *hooks = to;
    if (value_type(v) != VALUE_LIST || value_length(v) > HOOKS_MAX)
        return error_set(err, ERR_PROTOCOL, "%s is not a list of at most %d", what, HOOKS_MAX);
    for (size_t i = 0; i < value_length(v); i++)
        if (fields_read(value_at(v, i), what, hook_rows, vec_add(&hooks->items), err) < 0)
            return -1;
    return 0;
}

static struct value *write_hooks(const void *from)
{
    const struct release_hook_list *hooks = from;
    struct value *v = value_list();
    vec_each (hook, &hooks->items)
        value_append(v, fields_write(hook, hook_rows));
    return v;
}

static void done_hooks(void *of)
{
    struct release_hook_list *hooks = of;
    vec_each (hook, &hooks->items)
        fields_done(hook, hook_rows);
    vec_free(&hooks->items);
}

static const struct field_type hooks_type = {read_hooks, write_hooks, done_hooks};

const struct release_hook *release_hook(const struct release *r, int number)
{
    size_t index = (size_t)number - 1, before = r->hooks.before.items.length;
    if (number >= 1 && index < before)
        return &r->hooks.before.items.items[index];
    if (number >= 1 && index - before < r->hooks.after.items.length)
        return &r->hooks.after.items.items[index - before];
    return NULL;
}

// Tables. MS: a time in milliseconds.

#define TEXT(type, member)   FIELD(type, member, FIELD_STRING)
#define MS(type, member)     FIELD(type, member, FIELD_INT), .max = TIME_MAX
#define MS_ANY(type, member) FIELD(type, member, FIELD_INT), .min = -1, .max = TIME_MAX
#define LIST(type, member)   FIELD(type, member, FIELD_STRINGS)

static const struct field config_rows[] = {
    {"entrypoint", LIST(struct release_config, entrypoint)},
    {"cmd", LIST(struct release_config, cmd)},
    {"env", LIST(struct release_config, env)},
    {"user", TEXT(struct release_config, user), .optional = true},
    {"workdir", TEXT(struct release_config, workdir), .optional = true},
    {"stopsignal", TEXT(struct release_config, stopsignal), .optional = true},
    {0},
};
static const struct field image_rows[] = {
    {"reference", TEXT(struct release_image, reference)},
    {"digest", TEXT(struct release_image, digest)},
    {"layers", LIST(struct release_image, layers)},
    {"config", FIELD(struct release_image, config, FIELD_STRUCT), .rows = config_rows},
    {0},
};
// Its layers are the nodes' business, and a reference with a tag is resolved by them too.
static const struct field kube_image_rows[] = {
    {"reference", TEXT(struct release_image, reference)},
    {"digest", TEXT(struct release_image, digest), .optional = true},
    {0},
};
static const struct field healthcheck_rows[] = {
    {"path", TEXT(struct release_healthcheck, path), .optional = true},
    {"status", FIELD(struct release_healthcheck, status, FIELD_COUNT), .min = 100, .max = 599},
    {"interval_ms", FIELD(struct release_healthcheck, interval_ms, FIELD_INT), .min = 1,
        .max = TIME_MAX},
    {"timeout_ms", FIELD(struct release_healthcheck, timeout_ms, FIELD_INT), .min = 1,
        .max = TIME_MAX},
    {0},
};
static const struct field strategy_rows[] = {
    {"kind", FIELD(struct release_strategy, kind, FIELD_ENUM), .names = kind_names},
    {"promotion", FIELD(struct release_strategy, promotion, FIELD_ENUM), .names = promotion_names,
        .optional = true},
    {"scale_down_delay_ms", MS(struct release_strategy, scale_down_delay_ms), .optional = true},
    {"steps", FIELD(struct release_strategy, canary, FIELD_OTHER), .type = &canary_type,
        .optional = true},
    {0},
};
static const struct field gates_rows[] = {
    {"before_switch", FIELD(struct release_gates, before_switch, FIELD_OTHER), .type = &gates_type,
        .optional = true},
    {"after_switch", FIELD(struct release_gates, after_switch, FIELD_OTHER), .type = &gates_type,
        .optional = true},
    {0},
};
static const struct field hooks_rows[] = {
    {"before", FIELD(struct release_hooks, before, FIELD_OTHER), .type = &hooks_type,
        .optional = true},
    {"after", FIELD(struct release_hooks, after, FIELD_OTHER), .type = &hooks_type,
        .optional = true},
    {0},
};
const struct field release_times_rows[] = {
    {"total_ms", MS_ANY(struct rollout_times, total_ms)},
    {"switch_ms", MS_ANY(struct rollout_times, switch_ms)},
    {"detect_ms", MS_ANY(struct rollout_times, detect_ms)},
    {"back_ms", MS_ANY(struct rollout_times, back_ms)},
    {0},
};

// clang-format off
#define NAME_ROWS                                                                                  \
    {"app", TEXT(struct release, app)},                                                            \
    {"environment", TEXT(struct release, environment), .optional = true},                          \
    {"secrets", LIST(struct release, secrets), .optional = true}
#define INSTANCES_ROW                                                                              \
    {"instances", FIELD(struct release, instances, FIELD_COUNT), .min = 1, .max = INSTANCES_MAX}
#define STRATEGY_ROWS                                                                              \
    {"strategy", FIELD(struct release, strategy, FIELD_STRUCT), .rows = strategy_rows},            \
    {"gates", FIELD(struct release, gates, FIELD_STRUCT), .rows = gates_rows, .optional = true}
#define DEADLINE_ROW                                                                               \
    {"deadline_ms", FIELD(struct release, deadline_ms, FIELD_INT), .min = 1, .max = TIME_MAX}

#define SECTION_ROWS                                                                               \
    NAME_ROWS, INSTANCES_ROW,                                                                      \
    {"listen", TEXT(struct release, listen), .optional = true},                                    \
    {"ports", FIELD(struct release, ports, FIELD_OTHER), .type = &ports_type, .optional = true},   \
    {"healthcheck", FIELD(struct release, healthcheck, FIELD_STRUCT), .rows = healthcheck_rows,    \
        .optional = true},                                                                         \
    STRATEGY_ROWS,                                                                                 \
    {"grace_ms", MS(struct release, grace_ms)},                                                    \
    {"drain_ms", MS(struct release, drain_ms)},                                                    \
    DEADLINE_ROW
#define KUBE_SECTION_ROWS                                                                          \
    NAME_ROWS, STRATEGY_ROWS,                                                                      \
    {"hooks", FIELD(struct release, hooks, FIELD_STRUCT), .rows = hooks_rows, .optional = true},   \
    DEADLINE_ROW

#define ORIGIN_ROWS(image_rows)                                                                    \
    {"revision", FIELD(struct release, revision, FIELD_INT), .max = INT64_MAX},                    \
    {"created_unix_ms", MS(struct release, created_unix_ms)},                                      \
    {"commit", TEXT(struct release, commit)},                                                      \
    {"who", TEXT(struct release, who)},                                                            \
    {"why", TEXT(struct release, why)},                                                            \
    {"run", TEXT(struct release, run)},                                                            \
    {"trace_id", TEXT(struct release, trace_id)},                                                  \
    {"image", FIELD(struct release, image, FIELD_STRUCT), .rows = image_rows},                     \
    {"env", FIELD(struct release, env, FIELD_VALUE)},                                              \
    {"slot", FIELD(struct release, slot, FIELD_ENUM), .names = slot_names}
#define OUTCOME_ROWS                                                                               \
    {"outcome", FIELD(struct release, outcome, FIELD_ENUM), .names = outcome_names},               \
    {"reason", TEXT(struct release, reason), .optional = true},                                    \
    {"times", FIELD(struct release, times, FIELD_STRUCT), .rows = release_times_rows,              \
        .optional = true}
// clang-format on

static const struct field release_rows[] = {
    ORIGIN_ROWS(image_rows), SECTION_ROWS, OUTCOME_ROWS, {0}};
static const struct field kube_release_rows[] = {
    ORIGIN_ROWS(kube_image_rows),
    KUBE_SECTION_ROWS,
    INSTANCES_ROW,
    {"manifest", FIELD(struct release, manifest, FIELD_VALUE)},
    {"hooks_run", FIELD(struct release, hooks_run, FIELD_COUNT), .optional = true,
        .max = HOOKS_MAX},
    OUTCOME_ROWS,
    {0},
};
static const struct field section_rows[] = {SECTION_ROWS, {0}};
static const struct field kube_section_rows[] = {KUBE_SECTION_ROWS, {0}};

void release_done(struct release *r)
{
    fields_done(r, release_rows);
    fields_done(&r->hooks, hooks_rows);
    value_free(r->manifest);
    r->manifest = NULL;
}

struct value *release_to_value(const struct release *r)
{
    struct value *v = fields_write(r, r->manifest ? kube_release_rows : release_rows);
    value_set_int(v, "version", RELEASE_VERSION);
    return v;
}

// Steps are a canary's; who gives none gets those that are usual.
static int complete_strategy(struct release_strategy *strategy, struct error *err)
{
    if (strategy->kind != STRATEGY_CANARY && strategy->canary.count)
        return error_set(
            err, ERR_PROTOCOL, "strategy: %s has no steps", strategy_names[strategy->kind]);
    if (strategy->kind == STRATEGY_CANARY && !strategy->canary.count)
        strategy->canary = canary_default;
    return 0;
}

static int check_env(const struct value *env, struct error *err)
{
    struct value_cursor cursor = {.map = env};
    const char *name;
    struct value *item;
    while (value_next(&cursor, &name, &item))
        if (!value_text(item))
            return error_set(err, ERR_PROTOCOL, "release: env: \"%s\" is not a string", name);
    return 0;
}

int release_from_value(const struct value *v, struct release *ret, struct error *err)
{
    int64_t version;
    if (value_need_int(v, "version", 1, INT64_MAX, &version, err) < 0)
        return error_wrap(err, "release");
    if (version > RELEASE_VERSION)
        return error_set(err, ERR_UNSUPPORTED,
            "the release was recorded by a newer davit (version %lld, this one knows %d)",
            (long long)version, RELEASE_VERSION);
    AUTO(value) struct value *record = value_copy(v);
    value_set(record, "version", NULL);
    const struct field *rows = value_get(record, "manifest") ? kube_release_rows : release_rows;
    if (fields_read(record, "release", rows, ret, err) < 0 ||
        complete_strategy(&ret->strategy, err) < 0)
        return -1;
    return check_env(ret->env, err);
}

int release_from_section(const struct value *section, struct release *ret, struct error *err)
{
    AUTO(value) struct value *part = value_copy(section);
    bool kube = value_get(part, "manifests") != NULL;
    value_set(part, "image", NULL);
    value_set(part, "manifests", NULL);
    value_set(part, "service", NULL);
    if (fields_read(part, "deploy", kube ? kube_section_rows : section_rows, ret, err) < 0)
        return -1;
    return complete_strategy(&ret->strategy, err);
}
