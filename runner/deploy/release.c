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
const struct field release_times_rows[] = {
    {"total_ms", MS_ANY(struct rollout_times, total_ms)},
    {"switch_ms", MS_ANY(struct rollout_times, switch_ms)},
    {"detect_ms", MS_ANY(struct rollout_times, detect_ms)},
    {"back_ms", MS_ANY(struct rollout_times, back_ms)},
    {0},
};

// clang-format off
#define SECTION_ROWS                                                                               \
    {"app", TEXT(struct release, app)},                                                            \
    {"environment", TEXT(struct release, environment), .optional = true},                          \
    {"secrets", LIST(struct release, secrets), .optional = true},                                  \
    {"instances", FIELD(struct release, instances, FIELD_COUNT), .min = 1, .max = INSTANCES_MAX},  \
    {"listen", TEXT(struct release, listen), .optional = true},                                    \
    {"ports", FIELD(struct release, ports, FIELD_OTHER), .type = &ports_type, .optional = true},   \
    {"healthcheck", FIELD(struct release, healthcheck, FIELD_STRUCT), .rows = healthcheck_rows,    \
        .optional = true},                                                                         \
    {"strategy", FIELD(struct release, strategy, FIELD_STRUCT), .rows = strategy_rows},            \
    {"gates", FIELD(struct release, gates, FIELD_STRUCT), .rows = gates_rows, .optional = true},   \
    {"grace_ms", MS(struct release, grace_ms)},                                                    \
    {"drain_ms", MS(struct release, drain_ms)},                                                    \
    {"deadline_ms", FIELD(struct release, deadline_ms, FIELD_INT), .min = 1, .max = TIME_MAX}
// clang-format on

static const struct field release_rows[] = {
    {"revision", FIELD(struct release, revision, FIELD_INT), .max = INT64_MAX},
    {"created_unix_ms", MS(struct release, created_unix_ms)},
    {"commit", TEXT(struct release, commit)},
    {"who", TEXT(struct release, who)},
    {"why", TEXT(struct release, why)},
    {"run", TEXT(struct release, run)},
    {"trace_id", TEXT(struct release, trace_id)},
    {"image", FIELD(struct release, image, FIELD_STRUCT), .rows = image_rows},
    {"env", FIELD(struct release, env, FIELD_VALUE)},
    {"slot", FIELD(struct release, slot, FIELD_ENUM), .names = slot_names},
    SECTION_ROWS,
    {"outcome", FIELD(struct release, outcome, FIELD_ENUM), .names = outcome_names},
    {"reason", TEXT(struct release, reason), .optional = true},
    {"times", FIELD(struct release, times, FIELD_STRUCT), .rows = release_times_rows,
        .optional = true},
    {0},
};

static const struct field section_rows[] = {SECTION_ROWS, {0}};

void release_done(struct release *r)
{
    fields_done(r, release_rows);
}

struct value *release_to_value(const struct release *r)
{
    struct value *v = fields_write(r, release_rows);
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
    if (fields_read(record, "release", release_rows, ret, err) < 0 ||
        complete_strategy(&ret->strategy, err) < 0)
        return -1;
    return check_env(ret->env, err);
}

int release_from_section(const struct value *section, struct release *ret, struct error *err)
{
    AUTO(value) struct value *part = value_copy(section);
    value_set(part, "image", NULL);
    if (fields_read(part, "deploy", section_rows, ret, err) < 0)
        return -1;
    return complete_strategy(&ret->strategy, err);
}
