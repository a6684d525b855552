#include "deploy/program.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "deploy/fields.h"

// Changes whenever a rollout compiles to other steps than before. What an older version could store
// still compiles to the same ones, back to PROGRAM_OLDEST.
#define PROGRAM_VERSION 2
#define PROGRAM_OLDEST  1

const char *const slot_names[] = {[SLOT_BLUE] = "blue", [SLOT_GREEN] = "green", NULL};
const char *const strategy_names[] = {[STRATEGY_ROLLING] = "rolling",
    [STRATEGY_BLUE_GREEN] = "blue-green",
    [STRATEGY_CANARY] = "canary",
    [STRATEGY_ROLLBACK] = "rollback",
    NULL};

const char *slot_name(enum slot slot)
{
    return slot_names[slot];
}

enum slot slot_other(enum slot slot)
{
    return slot == SLOT_BLUE ? SLOT_GREEN : SLOT_BLUE;
}

const char *gate_phase_name(enum gate_phase phase)
{
    return phase == GATE_BEFORE_SWITCH ? "before_switch" : "after_switch";
}

// Steps.

static void apply(struct program *p, const struct rollout *r, enum set set)
{
    if (r->applies)
        vec_push(&p->steps, ((struct step){.kind = STEP_APPLY, .set = set}));
}

static void scale(struct program *p, enum set set, int count)
{
    vec_push(&p->steps, ((struct step){.kind = STEP_SCALE, .set = set, .count = count}));
}

static void await(struct program *p, enum set set, int count)
{
    vec_push(&p->steps, ((struct step){.kind = STEP_AWAIT, .set = set, .count = count}));
}

static void drain(struct program *p, enum set set, int count)
{
    vec_push(&p->steps, ((struct step){.kind = STEP_DRAIN, .set = set, .count = count}));
}

// As with instances, waiting is a step of its own: its time begins once they are applied.
static void apply_whole(struct program *p, const struct rollout *r, enum set set)
{
    apply(p, r, set);
    if (r->applies)
        vec_push(&p->steps, ((struct step){.kind = STEP_AWAIT, .set = set, .objects = true}));
}

// The first of them is the release's `first`, from 1.
static void hooks(struct program *p, int first, int count)
{
    for (int i = first; i < first + count; i++) {
        vec_push(&p->steps, ((struct step){.kind = STEP_HOOK, .set = SET_NEW, .hook = i}));
        vec_push(&p->steps, ((struct step){.kind = STEP_AWAIT, .set = SET_NEW, .hook = i}));
    }
}

static void gate(struct program *p, enum gate_phase phase)
{
    vec_push(&p->steps, ((struct step){.kind = STEP_GATE, .set = SET_NEW, .phase = phase}));
}

static void weight(struct program *p, int percent, bool if_ready)
{
    enum set favoured = percent ? SET_NEW : SET_OLD;
    vec_push(&p->steps,
        ((struct step){
            .kind = STEP_WEIGHT, .set = favoured, .percent = percent, .if_ready = if_ready}));
}

static void pause_for(struct program *p, int64_t ms)
{
    vec_push(&p->steps, ((struct step){.kind = STEP_PAUSE, .set = SET_NEW, .ms = ms}));
}

static void commit(struct program *p)
{
    vec_push(&p->steps, ((struct step){.kind = STEP_COMMIT, .set = SET_NEW}));
}

static void retire(struct program *p, enum set set)
{
    vec_push(&p->steps, ((struct step){.kind = STEP_RETIRE, .set = set}));
}

// A gate, a pause or a hook lasts, and the set may have changed meanwhile.
static void await_again(struct program *p, int count)
{
    const struct step *last = &p->steps.items[p->steps.length - 1];
    if (last->kind == STEP_GATE || last->kind == STEP_PAUSE || last->hook)
        await(p, SET_NEW, count);
}

// Strategies.

// All of the new beside the old (or beside nothing), then the traffic at once.
static void compile_beside(const struct rollout *r, struct program *p)
{
    bool careful = r->strategy != STRATEGY_ROLLBACK;
    scale(p, SET_NEW, r->to_count);
    await(p, SET_NEW, r->to_count);
    if (careful && r->gates_before)
        gate(p, GATE_BEFORE_SWITCH);
    if (r->strategy == STRATEGY_BLUE_GREEN && r->manual_promotion)
        pause_for(p, PAUSE_FOR_PROMOTION);
    await_again(p, r->to_count);
    weight(p, 100, false);
    if (careful && r->gates_after)
        gate(p, GATE_AFTER_SWITCH);
    if (r->strategy == STRATEGY_BLUE_GREEN && r->from && r->scale_down_delay_ms > 0)
        pause_for(p, r->scale_down_delay_ms);
}

// Of `fresh` new and `stale` old instances, what the new ones carry. Whoever has an instance has a
// share.
static int share(int fresh, int stale)
{
    if (stale == 0)
        return 100;
    int percent = (200 * fresh + fresh + stale) / (2 * (fresh + stale));
    return percent < 1 ? 1 : percent > 99 ? 99 : percent;
}

// One more new instance, then as many old ones fewer as it stands for.
static void compile_rolling(const struct rollout *r, struct program *p)
{
    int stale = r->from_count;
    int percent = 0;
    for (int fresh = 1; fresh <= r->to_count; fresh++) {
        scale(p, SET_NEW, fresh);
        await(p, SET_NEW, fresh);
        if (fresh == 1 && r->gates_before) {
            gate(p, GATE_BEFORE_SWITCH);
            await_again(p, fresh);
        }
        int replaced = (fresh * r->from_count + r->to_count - 1) / r->to_count;
        int left = r->from_count - replaced;
        int now = share(fresh, left);
        if (now != percent)
            weight(p, now, false);
        if (left != stale) {
            scale(p, SET_OLD, left);
            drain(p, SET_OLD, left);
        }
        percent = now;
        stale = left;
    }
    if (r->gates_after)
        gate(p, GATE_AFTER_SWITCH);
}

// How many there are while `percent` of the traffic is the canary's.
struct mix {
    int fresh, stale;
};

// The set of candidates is the same for every weight, so that rising weights never take a new
// instance away, nor bring an old one back.
static struct mix mix_by_ratio(const struct rollout *r, int percent)
{
    struct mix best = {1, r->from_count};
    int best_off = INT_MAX, best_of = 1; // how far off, as a fraction
    for (int total = r->from_count; total <= r->from_count + 1; total++)
        for (int fresh = 1; fresh < total && fresh <= r->to_count; fresh++) {
            int off = abs(100 * fresh - percent * total);
            int64_t left = (int64_t)off * best_of, right = (int64_t)best_off * total;
            if (left > right || (left == right && fresh * best_of < best.fresh * total))
                continue;
            best = (struct mix){fresh, total - fresh};
            best_off = off;
            best_of = total;
        }
    return best;
}

static void canary_weight(const struct rollout *r, struct program *p, int percent, struct mix *now)
{
    struct mix then = {(r->to_count * percent + 99) / 100, now->stale};
    if (r->by_ratio && percent < 100)
        then = mix_by_ratio(r, percent);
    if (then.fresh != now->fresh)
        scale(p, SET_NEW, then.fresh);
    await(p, SET_NEW, then.fresh);
    if (now->fresh == 0 && r->gates_before) {
        gate(p, GATE_BEFORE_SWITCH);
        await(p, SET_NEW, then.fresh);
    }
    weight(p, percent, false);
    if (then.stale != now->stale) {
        scale(p, SET_OLD, then.stale);
        drain(p, SET_OLD, then.stale);
    }
    *now = then;
}

static void compile_canary(const struct rollout *r, struct program *p)
{
    struct mix now = {0, r->from_count};
    int percent = 0;
    for (int i = 0; i < r->canary.count; i++) {
        const struct canary_step *step = &r->canary.steps[i];
        if (!step->percent) {
            pause_for(p, step->pause_ms);
            continue;
        }
        if (percent && r->gates_after)
            gate(p, GATE_AFTER_SWITCH);
        canary_weight(r, p, step->percent, &now);
        percent = step->percent;
    }
    if (percent < 100) {
        if (r->gates_after)
            gate(p, GATE_AFTER_SWITCH);
        canary_weight(r, p, 100, &now);
    }
    if (r->gates_after)
        gate(p, GATE_AFTER_SWITCH);
}

static void compile_native(const struct rollout *r, struct program *p)
{
    scale(p, SET_NEW, r->to_count);
    await(p, SET_NEW, r->to_count);
    if (r->gates_after)
        gate(p, GATE_AFTER_SWITCH);
}

void program_forward(const struct rollout *r, struct program *ret)
{
    *ret = (struct program){0};
    apply_whole(ret, r, SET_NEW);
    hooks(ret, 1, r->hooks_before);
    if (r->native_rolling)
        compile_native(r, ret);
    else if (r->strategy == STRATEGY_ROLLING && r->from)
        compile_rolling(r, ret);
    else if (r->strategy == STRATEGY_CANARY && r->from)
        compile_canary(r, ret);
    else
        compile_beside(r, ret);
    hooks(ret, r->hooks_before + 1, r->hooks_after);
    await_again(ret, r->to_count);
    commit(ret);
    if (r->from)
        retire(ret, SET_OLD);
}

void program_back(const struct rollout *r, struct program *ret)
{
    *ret = (struct program){0};
    if (r->from) {
        if (!r->native_rolling)
            weight(ret, 0, true);
        apply_whole(ret, r, SET_OLD);
        scale(ret, SET_OLD, r->from_count);
        await(ret, SET_OLD, r->from_count);
        if (!r->native_rolling)
            weight(ret, 0, false);
    }
    retire(ret, SET_NEW);
}

void program_settle(const struct rollout *r, enum set keep, struct program *ret)
{
    *ret = (struct program){0};
    if (!r->native_rolling)
        weight(ret, keep == SET_NEW ? 100 : 0, keep == SET_OLD);
    if (keep == SET_NEW || r->from)
        apply(ret, r, keep);
    if (keep == SET_NEW) {
        commit(ret);
        scale(ret, SET_NEW, r->to_count);
    } else if (r->from && (r->applies || r->native_rolling)) {
        scale(ret, SET_OLD, r->from_count); // going back may not have come to that
    }
    retire(ret, set_other(keep));
}

void program_done(struct program *p)
{
    vec_free(&p->steps);
}

// Printing.

static const char *set_name(enum set set)
{
    return set == SET_OLD ? "old" : "new";
}

void step_print(const struct step *step, struct str *out)
{
    char duration[DURATION_TEXT_MAX];
    switch (step->kind) {
    case STEP_APPLY:
        str_printf(out, "apply the objects of %s", set_name(step->set));
        return;
    case STEP_HOOK:
        str_printf(out, "run hook %d", step->hook);
        return;
    case STEP_SCALE:
        str_printf(out, "scale %s to %d", set_name(step->set), step->count);
        return;
    case STEP_AWAIT:
        if (step->hook)
            str_printf(out, "await hook %d", step->hook);
        else if (step->objects)
            str_printf(out, "await %s: its objects", set_name(step->set));
        else
            str_printf(out, "await %s: %d ready", set_name(step->set), step->count);
        return;
    case STEP_DRAIN:
        str_printf(out, "drain %s to %d", set_name(step->set), step->count);
        return;
    case STEP_GATE:
        str_printf(out, "gates %s", gate_phase_name(step->phase));
        return;
    case STEP_WEIGHT:
        str_printf(out, "traffic %d %% to new%s", step->percent,
            step->if_ready ? ", if it can take it" : "");
        return;
    case STEP_PAUSE:
        if (step->ms == PAUSE_FOR_PROMOTION)
            str_puts(out, "pause until promoted");
        else
            str_printf(out, "pause %s", duration_print(step->ms, duration));
        return;
    case STEP_COMMIT:
        str_puts(out, "commit: new is live");
        return;
    case STEP_RETIRE:
        str_printf(out, "retire %s", set_name(step->set));
        return;
    }
}

// How many instances there are, and where the traffic goes, as a program runs.
struct tally {
    int present[2]; // by enum set; those that drain too
    int percent;    // to the new set
    int peak;
};

static struct tally tally_start(const struct rollout *r)
{
    return (struct tally){.present = {r->from_count, 0}, .peak = r->from_count};
}

static void tally_step(struct tally *t, const struct step *step)
{
    int *present = &t->present[step->set];
    if (step->kind == STEP_SCALE && step->count > *present)
        *present = step->count;
    else if (step->kind == STEP_DRAIN)
        *present = step->count;
    else if (step->kind == STEP_RETIRE)
        *present = 0;
    else if (step->kind == STEP_WEIGHT)
        t->percent = step->percent;
    if (t->present[SET_OLD] + t->present[SET_NEW] > t->peak)
        t->peak = t->present[SET_OLD] + t->present[SET_NEW];
}

int program_peak(const struct program *p, const struct rollout *r)
{
    struct tally tally = tally_start(r);
    vec_each (step, &p->steps)
        tally_step(&tally, step);
    return tally.peak;
}

void program_print(const struct program *p, const struct rollout *r, struct str *out)
{
    struct tally tally = tally_start(r);
    str_printf(out, "%4s  %-28s %4s %4s  %s\n", "", strategy_names[r->strategy], "old", "new",
        "traffic to new");
    int number = 0;
    vec_each (step, &p->steps) {
        AUTO(str) struct str text;
        str_init(&text, 200);
        step_print(step, &text);
        tally_step(&tally, step);
        str_printf(out, "%4d  %-28s %4d %4d %11d %%\n", ++number, text.data, tally.present[SET_OLD],
            tally.present[SET_NEW], tally.percent);
    }
    str_printf(out, "      at most %d instances at once\n", tally.peak);
}

struct value *program_to_value(const struct program *p, const struct rollout *r)
{
    struct tally tally = tally_start(r);
    struct value *steps = value_list();
    vec_each (step, &p->steps) {
        AUTO(str) struct str text;
        str_init(&text, 200);
        step_print(step, &text);
        tally_step(&tally, step);
        struct value *row = value_map();
        value_set_str(row, "step", text.data);
        value_set_int(row, "old", tally.present[SET_OLD]);
        value_set_int(row, "new", tally.present[SET_NEW]);
        value_set_int(row, "percent", tally.percent);
        value_append(steps, row);
    }
    struct value *v = value_map();
    value_set_str(v, "strategy", strategy_names[r->strategy]);
    value_set_int(v, "from", r->from);
    value_set_int(v, "to", r->to);
    value_set_int(v, "peak", tally.peak);
    value_set(v, "steps", steps);
    return v;
}

// Storing.

#define TIME_MAX (INT64_MAX / 4) // so that sums of two do not overflow

const struct canary canary_default = {
    .count = 4,
    .steps = {{.percent = 10}, {.pause_ms = 60000}, {.percent = 50}, {.pause_ms = 60000}},
};

static const char *const canary_kinds[] = {"weight", "pause", NULL};

// A step as it is in JSON; which of them are there goes by `kind`.
struct canary_entry {
    enum { CANARY_WEIGHT, CANARY_PAUSE } kind;
    int percent;
    int64_t for_ms;
    char until[8]; // "manual"
};

static const struct field canary_rows[] = {
    {"kind", FIELD(struct canary_entry, kind, FIELD_ENUM), .names = canary_kinds},
    {"percent", FIELD(struct canary_entry, percent, FIELD_COUNT), .optional = true, .min = 1,
        .max = 100},
    {"for_ms", FIELD(struct canary_entry, for_ms, FIELD_INT), .optional = true, .min = 1,
        .max = TIME_MAX},
    {"for", FIELD(struct canary_entry, until, FIELD_TEXT), .optional = true},
    {0},
};

static int read_canary_step(const struct value *v, const char *what, int percent,
    struct canary_step *ret, struct error *err)
{
    struct canary_entry entry = {0};
    if (fields_read(v, what, canary_rows, &entry, err) < 0)
        return -1;
    bool manual = strcmp(entry.until, "manual") == 0;
    if (entry.kind == CANARY_PAUSE && !percent)
        return error_set(err, ERR_PROTOCOL, "%s: a canary begins with a weight", what);
    if (entry.kind == CANARY_PAUSE && !manual && (!entry.for_ms || entry.until[0]))
        return error_set(err, ERR_PROTOCOL, "%s: how long a pause lasts is not said", what);
    if (entry.kind == CANARY_WEIGHT && entry.percent <= percent)
        return error_set(err, ERR_PROTOCOL, "%s: a weight of %d after one of %d: weights rise",
            what, entry.percent, percent);
    if (entry.kind == CANARY_WEIGHT)
        ret->percent = entry.percent;
    else
        ret->pause_ms = manual ? PAUSE_FOR_PROMOTION : entry.for_ms;
    return 0;
}

static int read_canary(const struct value *v, const char *what, void *to, struct error *err)
{
    struct canary read = {0};
    int percent = 0;
    size_t count = value_length(v);
    if (value_type(v) != VALUE_LIST || count == 0 || count > CANARY_STEPS_MAX)
        return error_set(
            err, ERR_PROTOCOL, "%s is not a list of 1 to %d steps", what, CANARY_STEPS_MAX);
    for (size_t i = 0; i < count; i++) {
        struct canary_step *step = &read.steps[read.count++];
        if (read_canary_step(value_at(v, i), what, percent, step, err) < 0)
            return -1;
        percent = step->percent ? step->percent : percent;
    }
    memcpy(to, &read, sizeof read);
    return 0;
}

static struct value *write_canary(const void *from)
{
    const struct canary *canary = from;
    struct value *v = value_list();
    for (int i = 0; i < canary->count; i++) {
        const struct canary_step *step = &canary->steps[i];
        struct canary_entry entry = {
            .kind = step->percent ? CANARY_WEIGHT : CANARY_PAUSE, .percent = step->percent};
        if (!step->percent && step->pause_ms == PAUSE_FOR_PROMOTION)
            memcpy(entry.until, "manual", sizeof "manual");
        else
            entry.for_ms = step->pause_ms;
        value_append(v, fields_write(&entry, canary_rows));
    }
    return v;
}

static void done_canary(void *of)
{
    memset(of, 0, sizeof(struct canary));
}

const struct field_type canary_type = {read_canary, write_canary, done_canary};

static const struct field rows[] = {
    {"run", FIELD(struct rollout, run, FIELD_TEXT)},
    {"who", FIELD(struct rollout, who, FIELD_TEXT)},
    {"from", FIELD(struct rollout, from, FIELD_INT), .min = 0, .max = INT64_MAX},
    {"to", FIELD(struct rollout, to, FIELD_INT), .min = 1, .max = INT64_MAX},
    {"from_count", FIELD(struct rollout, from_count, FIELD_COUNT), .min = 0, .max = INSTANCES_MAX},
    {"to_count", FIELD(struct rollout, to_count, FIELD_COUNT), .min = 1, .max = INSTANCES_MAX},
    {"from_slot", FIELD(struct rollout, from_slot, FIELD_ENUM), .names = slot_names},
    {"to_slot", FIELD(struct rollout, to_slot, FIELD_ENUM), .names = slot_names},
    {"strategy", FIELD(struct rollout, strategy, FIELD_ENUM), .names = strategy_names},
    {"native_rolling", FIELD(struct rollout, native_rolling, FIELD_BOOL)},
    {"applies", FIELD(struct rollout, applies, FIELD_BOOL), .optional = true},
    {"gates_before", FIELD(struct rollout, gates_before, FIELD_BOOL)},
    {"gates_after", FIELD(struct rollout, gates_after, FIELD_BOOL)},
    {"hooks_before", FIELD(struct rollout, hooks_before, FIELD_COUNT), .optional = true,
        .max = HOOKS_MAX},
    {"hooks_after", FIELD(struct rollout, hooks_after, FIELD_COUNT), .optional = true,
        .max = HOOKS_MAX},
    {"hook_deadline_ms", FIELD(struct rollout, hook_deadline_ms, FIELD_INT), .optional = true,
        .max = TIME_MAX},
    {"manual_promotion", FIELD(struct rollout, manual_promotion, FIELD_BOOL)},
    {"canary", FIELD(struct rollout, canary, FIELD_OTHER), .type = &canary_type, .optional = true},
    {"by_ratio", FIELD(struct rollout, by_ratio, FIELD_BOOL), .optional = true},
    {"scale_down_delay_ms", FIELD(struct rollout, scale_down_delay_ms, FIELD_INT), .max = TIME_MAX},
    {"progress_deadline_ms", FIELD(struct rollout, progress_deadline_ms, FIELD_INT),
        .max = TIME_MAX},
    {"began_unix_ms", FIELD(struct rollout, began_unix_ms, FIELD_INT), .max = TIME_MAX},
    {0},
};

struct value *rollout_to_value(const struct rollout *r)
{
    struct value *v = value_map();
    value_set_int(v, "program", PROGRAM_VERSION);
    value_set(v, "rollout", fields_write(r, rows));
    return v;
}

// What no strategy could compile: sets that are one and the same, or a set of nobody.
static int check_rollout(const struct rollout *r, struct error *err)
{
    if (r->from == r->to)
        return error_set(
            err, ERR_PROTOCOL, "rollout: from and to are both release %lld", (long long)r->to);
    if ((r->from > 0) != (r->from_count > 0))
        return error_set(err, ERR_PROTOCOL, "rollout: release %lld cannot have %d instances",
            (long long)r->from, r->from_count);
    bool rolling = r->strategy == STRATEGY_ROLLING;
    bool one_slot = rolling || r->native_rolling;
    if (r->native_rolling && !rolling && r->strategy != STRATEGY_ROLLBACK)
        return error_set(
            err, ERR_PROTOCOL, "rollout: %s is never native", strategy_names[r->strategy]);
    if (r->from && one_slot != (r->from_slot == r->to_slot))
        return error_set(err, ERR_PROTOCOL, "rollout: %s goes %s slot", strategy_names[r->strategy],
            one_slot ? "within one" : "to the other");
    if (r->native_rolling && !r->from)
        return error_set(err, ERR_PROTOCOL, "rollout: there is nothing to replace");
    if ((r->strategy == STRATEGY_CANARY) != (r->canary.count > 0))
        return error_set(err, ERR_PROTOCOL, "rollout: %s with %d steps of a canary",
            strategy_names[r->strategy], r->canary.count);
    return 0;
}

int rollout_from_value(const struct value *v, struct rollout *ret, struct error *err)
{
    int64_t version;
    if (value_need_int(v, "program", 0, INT64_MAX, &version, err) < 0)
        return error_wrap(err, "rollout");
    if (version < PROGRAM_OLDEST || version > PROGRAM_VERSION)
        return error_set(err, ERR_UNSUPPORTED,
            "the rollout under way was begun by a davit whose steps are others (version %lld, this "
            "one has %d): finish it with that davit",
            (long long)version, PROGRAM_VERSION);
    struct rollout read = {0};
    if (fields_read(value_get(v, "rollout"), "rollout", rows, &read, err) < 0 ||
        check_rollout(&read, err) < 0)
        return -1;
    *ret = read;
    return 0;
}
