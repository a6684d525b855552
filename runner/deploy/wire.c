#include "deploy/wire.h"

#include <string.h>

#include "base/text.h"
#include "deploy/fields.h"
#include "deploy/release.h"

#define TIME_MAX (INT64_MAX / 4)

// By enum; each ends with NULL.
static const char *const step_names[] = {
    [STEP_APPLY] = "apply",
    [STEP_HOOK] = "hook",
    [STEP_SCALE] = "scale",
    [STEP_AWAIT] = "await",
    [STEP_DRAIN] = "drain",
    [STEP_GATE] = "gate",
    [STEP_WEIGHT] = "weight",
    [STEP_PAUSE] = "pause",
    [STEP_COMMIT] = "commit",
    [STEP_RETIRE] = "retire",
    NULL,
};
static const char *const set_names[] = {[SET_OLD] = "old", [SET_NEW] = "new", NULL};
static const char *const gate_phase_names[] = {
    [GATE_BEFORE_SWITCH] = "before_switch", [GATE_AFTER_SWITCH] = "after_switch", NULL};

static const struct field position_rows[] = {
    {"phase", FIELD(struct position, phase, FIELD_ENUM), .names = phase_names},
    {"turns", FIELD(struct position, turns, FIELD_COUNT), .max = INT32_MAX},
    {"step", FIELD(struct position, step, FIELD_COUNT), .max = INT32_MAX},
    {"step_began_unix_ms", FIELD(struct position, step_began_unix_ms, FIELD_INT), .max = TIME_MAX},
    {"turned_unix_ms", FIELD(struct position, turned_unix_ms, FIELD_INT), .max = TIME_MAX},
    {"aborted", FIELD(struct position, aborted, FIELD_BOOL)},
    {"reason", FIELD(struct position, reason, FIELD_TEXT)},
    {0},
};

static const struct field step_rows[] = {
    {"kind", FIELD(struct step, kind, FIELD_ENUM), .names = step_names},
    {"set", FIELD(struct step, set, FIELD_ENUM), .names = set_names},
    {"count", FIELD(struct step, count, FIELD_COUNT), .max = INSTANCES_MAX},
    {"hook", FIELD(struct step, hook, FIELD_COUNT), .optional = true, .max = HOOKS_MAX},
    {"percent", FIELD(struct step, percent, FIELD_COUNT), .max = 100},
    {"phase", FIELD(struct step, phase, FIELD_ENUM), .names = gate_phase_names},
    {"ms", FIELD(struct step, ms, FIELD_INT), .min = PAUSE_FOR_PROMOTION, .max = TIME_MAX},
    {"if_ready", FIELD(struct step, if_ready, FIELD_BOOL)},
    {0},
};

static const struct field instance_rows[] = {
    {"state", FIELD(struct instance, state, FIELD_ENUM), .names = instance_state_names},
    {"index", FIELD(struct instance, index, FIELD_COUNT), .max = INT32_MAX},
    {"name", FIELD(struct instance, name, FIELD_TEXT), .optional = true},
    {"address", FIELD(struct instance, address, FIELD_TEXT)},
    {"restarts", FIELD(struct instance, restarts, FIELD_COUNT), .max = INT32_MAX},
    {"last_end", FIELD(struct instance, last_end, FIELD_TEXT)},
    {0},
};

// Without its instances: they are a list beside it.
static const struct field set_rows[] = {
    {"exists", FIELD(struct set_state, exists, FIELD_BOOL)},
    {"release", FIELD(struct set_state, release, FIELD_INT), .max = INT64_MAX},
    {"slot", FIELD(struct set_state, slot, FIELD_ENUM), .names = slot_names},
    {"desired", FIELD(struct set_state, desired, FIELD_COUNT), .max = INSTANCES_MAX},
    {"percent", FIELD(struct set_state, percent, FIELD_COUNT), .max = 100},
    {"retiring", FIELD(struct set_state, retiring, FIELD_BOOL)},
    {"current", FIELD(struct set_state, current, FIELD_BOOL)},
    {"ready", FIELD(struct set_state, ready, FIELD_COUNT), .max = INT32_MAX},
    {"present", FIELD(struct set_state, present, FIELD_COUNT), .max = INT32_MAX},
    {"doomed", FIELD(struct set_state, doomed, FIELD_TEXT)},
    {0},
};

struct value *position_to_value(const struct position *p)
{
    return fields_write(p, position_rows);
}

int position_from_value(const struct value *v, struct position *ret, struct error *err)
{
    *ret = (struct position){0};
    return fields_read(v, "position", position_rows, ret, err);
}

struct value *step_to_value(const struct step *step)
{
    return fields_write(step, step_rows);
}

int step_from_value(const struct value *v, struct step *ret, struct error *err)
{
    *ret = (struct step){0};
    return fields_read(v, "step", step_rows, ret, err);
}

struct value *times_to_value(const struct rollout_times *times)
{
    return fields_write(times, release_times_rows);
}

int times_from_value(const struct value *v, struct rollout_times *ret, struct error *err)
{
    *ret = (struct rollout_times){0};
    return fields_read(v, "times", release_times_rows, ret, err);
}

int outcome_from_name(const char *name, const char *what, enum outcome *ret, struct error *err)
{
    for (unsigned i = 0; outcome_names[i]; i++)
        if (text_equal(name, outcome_names[i])) {
            *ret = (enum outcome)i;
            return 0;
        }
    return error_set(err, ERR_PROTOCOL, "%s: \"%s\" is no outcome", what, name ? name : "");
}

// --- snapshots ---

static struct value *set_to_value(const struct set_state *set)
{
    struct value *v = fields_write(set, set_rows);
    struct value *instances = value_list();
    for (size_t i = 0; i < set->instance_count; i++)
        value_append(instances, fields_write(&set->instances[i], instance_rows));
    value_set(v, "instances", instances);
    return v;
}

static int set_from_value(const struct value *v, struct set_state *ret, struct error *err)
{
    const struct value *instances = value_get(v, "instances");
    AUTO(value) struct value *own = value_copy(v);
    value_set(own, "instances", NULL);
    if (fields_read(own, "set", set_rows, ret, err) < 0)
        return -1;
    if (value_length(instances) > ARRAY_LEN(ret->instances))
        return error_set(err, ERR_PROTOCOL, "set: %zu instances", value_length(instances));
    for (size_t i = 0; i < value_length(instances); i++)
        if (fields_read(value_at(instances, i), "instance", instance_rows,
                &ret->instances[ret->instance_count++], err) < 0)
            return -1;
    return 0;
}

struct value *snapshot_to_value(const struct snapshot *s)
{
    struct value *v = value_map(), *sets = value_list();
    value_set_int(v, "epoch", s->epoch);
    value_set_int(v, "live", s->live);
    if (s->rollout.to) // else there has never been one
        value_set(v, "rollout", rollout_to_value(&s->rollout));
    value_set(v, "position", position_to_value(&s->position));
    value_set_str(v, "last", outcome_name(s->last));
    for (size_t i = 0; i < ARRAY_LEN(s->sets); i++)
        value_append(sets, set_to_value(&s->sets[i]));
    value_set(v, "sets", sets);
    value_set_bool(v, "abort_requested", s->abort_requested);
    value_set_bool(v, "promote_requested", s->promote_requested);
    value_set_bool(v, "pause_requested", s->pause_requested);
    value_set_str(v, "abort_who", s->abort_who);
    value_set_str(v, "holder", s->holder);
    return v;
}

// Cut where it would not fit.
static void take_text(char *to, size_t size, const char *text)
{
    size_t length = strnlen(text, size - 1);
    memcpy(to, text, length);
    to[length] = '\0';
}

int snapshot_from_value(const struct value *v, struct snapshot *ret, struct error *err)
{
    *ret = (struct snapshot){0};
    const struct value *sets = value_get(v, "sets"), *rollout = value_get(v, "rollout");
    const char *last, *who, *holder;
    if (value_need_int(v, "epoch", 0, INT64_MAX, &ret->epoch, err) < 0 ||
        value_need_int(v, "live", 0, INT64_MAX, &ret->live, err) < 0 ||
        value_need_str(v, "last", &last, err) < 0 ||
        value_need_str(v, "abort_who", &who, err) < 0 ||
        value_need_str(v, "holder", &holder, err) < 0 ||
        outcome_from_name(last, "snapshot", &ret->last, err) < 0 ||
        position_from_value(value_get(v, "position"), &ret->position, err) < 0 ||
        (rollout && rollout_from_value(rollout, &ret->rollout, err) < 0))
        return -1;
    if (value_length(sets) != ARRAY_LEN(ret->sets))
        return error_set(err, ERR_PROTOCOL, "snapshot: %zu sets", value_length(sets));
    for (size_t i = 0; i < ARRAY_LEN(ret->sets); i++)
        if (set_from_value(value_at(sets, i), &ret->sets[i], err) < 0)
            return -1;
    ret->routed = true; // what the agent writes, it does before it answers
    ret->abort_requested = value_get_bool(v, "abort_requested", false);
    ret->promote_requested = value_get_bool(v, "promote_requested", false);
    ret->pause_requested = value_get_bool(v, "pause_requested", false);
    take_text(ret->abort_who, sizeof ret->abort_who, who);
    take_text(ret->holder, sizeof ret->holder, holder);
    return 0;
}
