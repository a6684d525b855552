// Rollouts in the modelled world, seed by seed: everything that can go wrong goes wrong, and what
// must never be is never.
//
//     test_model                 the tests; DAVIT_MODEL_SEEDS in the environment: of so many seeds
//     test_model SEED            replays one seed and prints its story
//     test_model --seeds COUNT   runs seeds 0 … COUNT − 1; prints the story of the first that fails
//     test_model --pairs         every two faults of the smallest rollouts, which takes a while
#include "support/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "deploy/drive.h"
#include "os/clock.h"
#include "support/target_model.h"

#define SEEDS        10000 // or as many as the environment's DAVIT_MODEL_SEEDS says
#define MUTANT_SEEDS 100000

// What one run is about.
struct scenario {
    struct rollout rollout;
    enum quality quality[2]; // by enum set; for the old one: of instances that start again
    enum objects objects[2];
    enum objects hooks[HOOKS_MAX];
    enum gate_state gates[2];
    unsigned chance; // of a fault, per cent of calls
    int budget;
    unsigned lagging, deaf;
    bool routes_late;
    int64_t lease_ms;
    bool promoted; // a parked rollout is promoted; else aborted
};

// As whoever resumes does: one who has died may still seem to hold the app.
static int claim(
    struct model *m, struct model_driver *d, const char *run, bool preempt, int64_t *ret_epoch)
{
    struct world *w = &m->world;
    struct error err = {0};
    int64_t end = w->now + w->lease_ms;
    while (d->target.ops->claim(&d->target, run, "test", preempt, ret_epoch, &err) < 0) {
        if (w->now >= end) {
            world_break(w, "claim: %s", err.message);
            return -1;
        }
        w->marks[MARK_LEASE_WAITED]++;
        world_run_until(w, w->now + 1000 < end ? w->now + 1000 : end);
    }
    return 0;
}

// Drives the rollout that is under way, by a new driver. 1: it is over, 0: parked; -1: the driver
// came to an end before.
static int drive_on(struct model *m, const char *run, bool preempt)
{
    struct world *w = &m->world;
    struct model_driver d;
    model_driver_init(&d, m);
    int64_t epoch;
    struct error err = {0};
    if (claim(m, &d, run, preempt, &epoch) < 0)
        return -1;
    struct drive drive = {
        .target = &d.target, .epoch = epoch, .gates = &d.prober, .decide = m->decide};
    struct drive_result result;
    int rc = drive_rollout(&drive, &result, &err);
    enum outcome outcome = result.outcome;
    drive_result_done(&result);
    if (rc == 0) {
        world_say(w, "driver %d is done: %s", d.id, outcome_name(outcome));
        if (outcome == OUTCOME_PENDING && w->position.phase == PHASE_NONE)
            world_break(w, "a driver parked what had ended");
        if (outcome != OUTCOME_PENDING && outcome != w->last)
            world_break(
                w, "a driver says %s, the target %s", outcome_name(outcome), outcome_name(w->last));
        w->holder = 0;
        return outcome != OUTCOME_PENDING;
    }
    world_say(w, "driver %d ends: %s", d.id, err.message);
    bool told = d.fenced && err.kind == ERR_CONFLICT;
    if (!d.dead && !told)
        world_break(w, "driver %d gave up: %s", d.id, err.message);
    if (w->holder == d.id && !(d.dead && w->lease_ms))
        w->holder = 0;
    return -1;
}

// `davit rollback` while a rollout may be under way: abort it, then roll back if it was too late.
static void roll_back(struct model *m)
{
    struct world *w = &m->world;
    w->marks[MARK_PREEMPTED]++;
    world_abort(w, "davit rollback");
    if (drive_on(m, "rollback", true) != 1 || w->live != w->rollout.to || !w->rollout.from ||
        w->rollout.strategy == STRATEGY_ROLLBACK)
        return;
    struct rollout r = w->rollout;
    r.strategy = STRATEGY_ROLLBACK;
    snprintf(r.run, sizeof r.run, "rollback-%d", m->drivers);
    r.from = w->rollout.to;
    r.to = 3; // what was there before, as a release of its own
    w->quality[3] = w->quality[1];
    w->objects[3] = w->objects[1];
    r.from_count = w->rollout.to_count;
    r.to_count = w->rollout.from_count;
    r.from_slot = w->rollout.to_slot;
    r.to_slot = slot_other(r.from_slot);
    r.native_rolling = r.by_ratio = false;
    r.hooks_before = r.hooks_after = 0;
    r.canary = (struct canary){0};
    r.began_unix_ms = w->now;
    // It holds the claim of the epoch that it just drove with.
    if (world_begin(w, w->epoch, &r, NULL) == 0)
        w->marks[MARK_ROLLED_BACK_AFTER] += drive_on(m, r.run, true) == 1;
}

static void intrude(struct model *m, bool preempt)
{
    if (preempt)
        roll_back(m);
    else if (drive_on(m, "another", false) >= 0)
        m->world.marks[MARK_TAKEN_OVER]++;
}

// A person's turn, when a rollout is parked.
static void answer_pause(struct world *w, bool promoted)
{
    w->marks[MARK_PARKED]++;
    w->marks[MARK_PARKED_AGAIN] += w->parked++ > 0;
    world_run_until(w, w->now + (int64_t)world_draw(w, 3600000));
    if (promoted)
        world_promote(w, "a person");
    else
        world_abort(w, "a person");
}

// What must come of it, apart from what must never be.
static void check_outcome(struct world *w, const struct model *m, const struct scenario *s)
{
    const struct rollout *r = &w->rollout;
    enum quality quality = w->quality[r->to];
    bool own = r->strategy == s->rollout.strategy && r->to == s->rollout.to;
    bool gated = r->strategy != STRATEGY_ROLLBACK;
    bool rejected = gated && ((r->gates_before && m->gates[GATE_BEFORE_SWITCH] == GATE_REJECTED) ||
                                 (r->gates_after && m->gates[GATE_AFTER_SWITCH] == GATE_REJECTED));
    bool unsettled = r->applies && w->objects[r->to] != OBJECTS_GOOD;
    bool failing = false;
    for (int i = 0; i < r->hooks_before + r->hooks_after; i++)
        failing |= w->hooks[i] != OBJECTS_GOOD;
    bool hopeless = unsettled || failing || (quality != QUALITY_GOOD && quality != QUALITY_SHAKY);
    if (w->last == OUTCOME_SUCCESS && (rejected || hopeless))
        world_break(w, "success, though it could not be one");
    if (own && quality == QUALITY_GOOD && !unsettled && !failing && !w->hurt[r->to] && !rejected &&
        !w->abort_ever && !w->done_late && w->last != OUTCOME_SUCCESS)
        world_break(w, "%s, though nothing was wrong with it", outcome_name(w->last));
    if (w->last == OUTCOME_ROLLBACK_FAILED && !w->done_late && !w->hurt[r->from] &&
        !w->hurt[r->to] && r->strategy != STRATEGY_ROLLBACK &&
        w->quality[r->from] == QUALITY_GOOD && !(r->applies && w->objects[r->from] != OBJECTS_GOOD))
        world_break(w, "going back failed, though nothing was wrong with the old release");
    if (w->last == OUTCOME_CANCELLED && !w->abort_ever)
        world_break(w, "cancelled, though nobody asked for it");
    if (w->last == OUTCOME_ROLLED_BACK && r->strategy == STRATEGY_ROLLBACK)
        world_break(w, "a rollback was rolled back");
}

static void run_scenario(struct model *m, const struct scenario *s)
{
    struct world *w = &m->world;
    struct rollout r = s->rollout;
    m->intrude = intrude;
    m->chance = s->chance;
    m->budget = s->budget;
    m->lagging = s->lagging;
    m->deaf = s->deaf;
    w->routes_late = s->routes_late;
    w->lease_ms = s->lease_ms;
    memcpy(m->gates, s->gates, sizeof m->gates);
    w->quality[1] = s->quality[SET_OLD];
    w->quality[2] = s->quality[SET_NEW];
    w->objects[1] = s->objects[SET_OLD];
    w->objects[2] = s->objects[SET_NEW];
    memcpy(w->hooks, s->hooks, sizeof w->hooks);
    if (r.from)
        world_settled(w, r.from, r.from_slot, r.from_count);
    r.began_unix_ms = w->now;
    world_begin(w, w->epoch, &r, NULL);
    for (int i = 0; w->position.phase != PHASE_NONE && !w->broken[0]; i++) {
        if (i == 100)
            world_break(w, "a hundred drivers did not bring it to its end");
        int rc = drive_on(m, "run", false);
        if (rc == 0)
            answer_pause(w, s->promoted);
        if (rc < 0)
            world_run_until(w, w->now + (int64_t)world_draw(w, 60000));
    }
    world_run_until(w, w->now + 120000); // late writes arrive, instances recover
    if (w->broken[0])
        return;
    world_check_end(w);
    check_outcome(w, m, s);
}

// Seeds.

static void draw_canary(struct world *w, struct canary *ret)
{
    for (int percent = 0; ret->count < CANARY_STEPS_MAX - 2 && percent < 100;) {
        percent += 1 + (int)world_draw(w, 60);
        if (percent > 100 || (ret->count && world_chance(w, 30)))
            break;
        ret->steps[ret->count++].percent = percent;
        if (world_chance(w, 60))
            ret->steps[ret->count++].pause_ms =
                world_chance(w, 40) ? PAUSE_FOR_PROMOTION : 1 + (int64_t)world_draw(w, 30000);
    }
}

static struct scenario draw_scenario(struct world *w)
{
    static const int64_t deadlines[] = {60000, 120000, 600000};
    struct scenario s = {0};
    struct rollout *r = &s.rollout;
    snprintf(r->run, sizeof r->run, "run-1");
    snprintf(r->who, sizeof r->who, "test");
    r->to = 2;
    r->to_count = 1 + (int)world_draw(w, world_chance(w, 80) ? 3 : 5);
    if (world_chance(w, 85)) {
        r->from = 1;
        r->from_count = world_chance(w, 60) ? r->to_count : 1 + (int)world_draw(w, 5);
        r->from_slot = world_chance(w, 50) ? SLOT_BLUE : SLOT_GREEN;
    }
    r->strategy = (enum strategy)world_draw(w, 4);
    if (r->strategy == STRATEGY_CANARY) {
        draw_canary(w, &r->canary);
        r->by_ratio = world_chance(w, 50);
    }
    r->to_slot = r->strategy == STRATEGY_ROLLING ? r->from_slot : slot_other(r->from_slot);
    r->native_rolling = r->from && r->strategy == STRATEGY_ROLLING && world_chance(w, 40);
    r->applies = world_chance(w, 40);
    r->gates_before = !r->native_rolling && world_chance(w, 50);
    r->gates_after = world_chance(w, 50);
    r->manual_promotion = r->strategy == STRATEGY_BLUE_GREEN && world_chance(w, 30);
    r->scale_down_delay_ms = world_chance(w, 50) ? (int64_t)world_draw(w, 30000) : 0;
    r->progress_deadline_ms = deadlines[world_draw(w, ARRAY_LEN(deadlines))];
    s.quality[SET_OLD] =
        world_chance(w, 70) ? QUALITY_GOOD : (enum quality)world_draw(w, QUALITY_COUNT);
    s.quality[SET_NEW] =
        world_chance(w, 50) ? QUALITY_GOOD : (enum quality)world_draw(w, QUALITY_COUNT);
    for (int i = 0; i < 2; i++)
        s.gates[i] = world_chance(w, 80) ? GATE_PASSED : GATE_REJECTED;
    s.chance = world_chance(w, 20) ? 0 : 1 + (unsigned)world_draw(w, 15);
    s.budget = 1 + (int)world_draw(w, 12);
    s.lagging = world_chance(w, 50) ? 0 : (unsigned)world_draw(w, 60);
    for (int i = 0; r->applies && i < 2; i++)
        s.objects[i] =
            world_chance(w, 80) ? OBJECTS_GOOD : (enum objects)world_draw(w, OBJECTS_COUNT);
    r->hook_deadline_ms = deadlines[world_draw(w, ARRAY_LEN(deadlines))];
    if (r->strategy != STRATEGY_ROLLBACK && world_chance(w, 40)) {
        r->hooks_before = (int)world_draw(w, 3);
        r->hooks_after = (int)world_draw(w, 3);
    }
    for (int i = 0; i < r->hooks_before + r->hooks_after; i++)
        s.hooks[i] =
            world_chance(w, 90) ? OBJECTS_GOOD : (enum objects)world_draw(w, OBJECTS_COUNT);
    s.routes_late = world_chance(w, 40);
    s.lease_ms = world_chance(w, 40) ? 15000 : 0;
    s.deaf = world_chance(w, 30) ? (unsigned)world_draw(w, 30) : 0;
    s.promoted = world_chance(w, 70);
    return s;
}

struct mutant { // what is broken on purpose
    decide_fn *decide;
    bool unfenced, unconditional;
};

// false: something was what must never be; it is told in *story, when there is one.
static bool run_seed(
    uint64_t seed, const struct mutant *mutant, struct str *story, int marks[MARK_COUNT])
{
    AUTO_FREE struct model *m = mem_alloc(sizeof *m);
    world_init(&m->world, seed, story);
    m->decide = mutant && mutant->decide ? mutant->decide : decide;
    m->world.unfenced = mutant && mutant->unfenced;
    m->world.unconditional = mutant && mutant->unconditional;
    struct scenario s = draw_scenario(&m->world);
    run_scenario(m, &s);
    for (int i = 0; marks && i < MARK_COUNT; i++)
        marks[i] += m->world.marks[i];
    return !m->world.broken[0];
}

static void tell_seed(uint64_t seed)
{
    AUTO(str) struct str story;
    str_init(&story, STR_TEXT_MAX);
    run_seed(seed, NULL, &story, NULL);
    fwrite(story.data, 1, story.length, stderr);
}

static bool run_seeds(uint64_t count, int marks[MARK_COUNT])
{
    for (uint64_t seed = 0; seed < count; seed++)
        if (!run_seed(seed, NULL, NULL, marks)) {
            tell_seed(seed);
            fprintf(
                stderr, "seed %" PRIu64 " failed; test_model %" PRIu64 " replays it\n", seed, seed);
            return false;
        }
    return true;
}

static void nothing_that_must_never_be_is_in_ten_thousand_seeds(void **state)
{
    (void)state;
    int marks[MARK_COUNT] = {0};
    int64_t seeds = SEEDS;
    const char *asked = getenv("DAVIT_MODEL_SEEDS");
    if (asked && !int_parse(asked, 1, INT64_MAX, &seeds))
        fail_msg("DAVIT_MODEL_SEEDS is no number: %s", asked);
    assert_true(run_seeds((uint64_t)seeds, marks));
    for (int i = 0; i < MARK_COUNT && seeds >= SEEDS; i++)
        if (marks[i] == 0)
            fail_msg("%" PRId64 " seeds, and never: %s", seeds, mark_names[i]);
}

// Every fault at every call of some small rollouts, and every two faults of the smallest.

static const struct small {
    const char *name;
    enum strategy strategy;
    bool live; // something is, before
    enum gate_state gates[2];
    enum quality quality[2];
    bool manual_promotion;
    int64_t scale_down_delay_ms;
    bool native, applies;
    int hooks[2];      // before, after
    enum objects hook; // the last of them
} small[] = {
    {"rolling", STRATEGY_ROLLING, true, {GATE_PASSED, GATE_PASSED}, .manual_promotion = false},
    {"rolling, a gate after it rejects", STRATEGY_ROLLING, true, {GATE_PASSED, GATE_REJECTED},
        .manual_promotion = false},
    {"rolling, a gate after it rejects, the old cannot start again", STRATEGY_ROLLING, true,
        {GATE_PASSED, GATE_REJECTED}, .quality = {QUALITY_BROKEN, QUALITY_GOOD}},
    {"blue-green", STRATEGY_BLUE_GREEN, true, {GATE_PASSED, GATE_PASSED}, .manual_promotion = true},
    {"blue-green, broken", STRATEGY_BLUE_GREEN, true, {GATE_PASSED, GATE_PASSED},
        .quality = {QUALITY_GOOD, QUALITY_BROKEN}},
    {"blue-green, a gate after it rejects", STRATEGY_BLUE_GREEN, true, {GATE_PASSED, GATE_REJECTED},
        .scale_down_delay_ms = 5000},
    {"rollback", STRATEGY_ROLLBACK, true, {GATE_PASSED, GATE_PASSED}, .manual_promotion = false},
    {"rollback to a broken one", STRATEGY_ROLLBACK, true, {GATE_PASSED, GATE_PASSED},
        .quality = {QUALITY_GOOD, QUALITY_BROKEN}},
    {"canary", STRATEGY_CANARY, true, {GATE_PASSED, GATE_PASSED}, .manual_promotion = false},
    {"canary, a gate after it rejects, with objects", STRATEGY_CANARY, true,
        {GATE_PASSED, GATE_REJECTED}, .applies = true},
    {"blue-green, with objects", STRATEGY_BLUE_GREEN, true, {GATE_PASSED, GATE_PASSED},
        .applies = true},
    {"blue-green, with hooks", STRATEGY_BLUE_GREEN, true, {GATE_PASSED, GATE_PASSED},
        .applies = true, .hooks = {2, 1}},
    {"rolling, a hook after it fails", STRATEGY_ROLLING, true, {GATE_PASSED, GATE_PASSED},
        .hooks = {1, 1}, .hook = OBJECTS_DOOMED},
    {"by the platform", STRATEGY_ROLLING, true, {GATE_PASSED, GATE_PASSED}, .native = true,
        .applies = true},
    {"by the platform, a gate after it rejects", STRATEGY_ROLLING, true,
        {GATE_PASSED, GATE_REJECTED}, .native = true, .applies = true},
    {"first", STRATEGY_ROLLING, false, {GATE_PASSED, GATE_PASSED}, .manual_promotion = false},
    {"first, broken", STRATEGY_BLUE_GREEN, false, {GATE_PASSED, GATE_PASSED},
        .quality = {QUALITY_GOOD, QUALITY_BROKEN}},
};

static struct scenario small_scenario(const struct small *row, int instances)
{
    struct scenario s = {
        .rollout =
            {
                .run = "run-1",
                .from = row->live,
                .from_count = row->live ? instances : 0,
                .to = 2,
                .to_count = instances,
                .to_slot = row->strategy == STRATEGY_ROLLING ? SLOT_BLUE : SLOT_GREEN,
                .strategy = row->strategy,
                .native_rolling = row->native,
                .applies = row->applies,
                .gates_before = !row->native,
                .gates_after = true,
                .manual_promotion = row->manual_promotion,
                .scale_down_delay_ms = row->scale_down_delay_ms,
                .progress_deadline_ms = 60000,
                .hooks_before = row->hooks[0],
                .hooks_after = row->hooks[1],
                .hook_deadline_ms = 60000,
            },
        .promoted = true,
    };
    if (row->hooks[0] + row->hooks[1])
        s.hooks[row->hooks[0] + row->hooks[1] - 1] = row->hook;
    if (row->strategy == STRATEGY_CANARY)
        s.rollout.canary = (struct canary){
            .count = 2, .steps = {{.percent = 20}, {.pause_ms = PAUSE_FOR_PROMOTION}}};
    memcpy(s.gates, row->gates, sizeof s.gates);
    memcpy(s.quality, row->quality, sizeof s.quality);
    return s;
}

// How many calls it took; fails the test with the story when something was what must never be.
static int run_script(
    const char *name, const struct scenario *s, const struct fault_at *script, size_t length)
{
    AUTO_FREE struct model *m = mem_alloc(sizeof *m);
    AUTO(str) struct str story;
    str_init(&story, STR_TEXT_MAX);
    for (int telling = 0; telling < 2; telling++) {
        *m = (struct model){.decide = decide, .script = script, .script_length = length};
        world_init(&m->world, 1, telling ? &story : NULL);
        run_scenario(m, s);
        if (!m->world.broken[0])
            return m->calls;
    }
    fwrite(story.data, 1, story.length, stderr);
    fail_msg("%s", name);
    return 0;
}

static void every_fault_at_every_call(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(small); i++) {
        struct scenario s = small_scenario(&small[i], 2);
        int calls = run_script(small[i].name, &s, NULL, 0);
        for (int call = 0; call < calls; call++)
            for (int fault = 1; fault < FAULT_COUNT; fault++) {
                struct fault_at script = {call, (enum fault)fault};
                run_script(small[i].name, &s, &script, 1);
            }
    }
}

static void run_pairs(const enum fault *faults, int count)
{
    for (size_t i = 0; i < ARRAY_LEN(small); i++) {
        struct fault_at script[2];
        struct scenario s = small_scenario(&small[i], 1);
        int calls = run_script(small[i].name, &s, NULL, 0);
        for (int first = 0; first < calls * count; first++) {
            script[0] = (struct fault_at){first / count, faults[first % count]};
            int more = run_script(small[i].name, &s, script, 1);
            for (int second = (script[0].call + 1) * count; second < more * count; second++) {
                script[1] = (struct fault_at){second / count, faults[second % count]};
                run_script(small[i].name, &s, script, 2);
            }
        }
    }
}

static void every_two_of_the_worst_faults(void **state)
{
    static const enum fault worst[] = {
        FAULT_KILL_AFTER, FAULT_LATE, FAULT_TORN, FAULT_STALL, FAULT_ABORT};
    (void)state;
    run_pairs(worst, ARRAY_LEN(worst));
}

static void every_two_faults(void **state)
{
    enum fault all[FAULT_COUNT - 1];
    (void)state;
    for (int i = 0; i < FAULT_COUNT - 1; i++)
        all[i] = (enum fault)(i + 1);
    run_pairs(all, ARRAY_LEN(all));
}

// Mutants: what is wrong on purpose must be found, or the seeds find nothing.

// Takes every set for whole: the traffic goes before anybody is ready.
static void decide_hastily(
    const struct snapshot *seen, const struct gate_status *gates, int64_t now, struct decision *ret)
{
    struct snapshot rosy = *seen;
    for (int i = 0; i < 2; i++) {
        rosy.sets[i].current = true;
        rosy.sets[i].ready = rosy.sets[i].desired;
    }
    decide(&rosy, gates, now, ret);
}

// Does not know that what it sees of the instances may be from before its last write.
static void decide_blind_to_lag(
    const struct snapshot *seen, const struct gate_status *gates, int64_t now, struct decision *ret)
{
    struct snapshot fresh = *seen;
    fresh.sets[SET_OLD].current = fresh.sets[SET_NEW].current = true;
    decide(&fresh, gates, now, ret);
}

// Takes what it once wrote for done.
static void decide_trustingly(
    const struct snapshot *seen, const struct gate_status *gates, int64_t now, struct decision *ret)
{
    decide(seen, gates, now, ret);
    if (ret->kind == DECIDE_WRITE && ret->position.step && // the first act is nobody's yet
        ret->position.step == seen->position.step && ret->position.turns == seen->position.turns)
        *ret = (struct decision){.kind = DECIDE_WAIT, .until_unix_ms = INT64_MAX};
}

// Going back, takes the new set away first and looks for traffic later.
static void decide_capacity_first(
    const struct snapshot *seen, const struct gate_status *gates, int64_t now, struct decision *ret)
{
    decide(seen, gates, now, ret);
    if (ret->kind != DECIDE_WRITE || ret->position.phase != PHASE_BACK || ret->position.step != 0)
        return;
    ret->has_act = true;
    ret->step = (struct step){.kind = STEP_RETIRE, .set = SET_NEW};
}

// Takes objects for settled once they are applied.
static void decide_without_settling(
    const struct snapshot *seen, const struct gate_status *gates, int64_t now, struct decision *ret)
{
    struct snapshot rosy = *seen;
    rosy.settled = true;
    decide(&rosy, gates, now, ret);
}

// Takes a hook for done once it was begun.
static void decide_without_hooks(
    const struct snapshot *seen, const struct gate_status *gates, int64_t now, struct decision *ret)
{
    struct snapshot rosy = *seen;
    rosy.hooks_done = rosy.hooks_begun;
    decide(&rosy, gates, now, ret);
}

// Takes the traffic for routed once that is written.
static void decide_without_routing(
    const struct snapshot *seen, const struct gate_status *gates, int64_t now, struct decision *ret)
{
    struct snapshot rosy = *seen;
    rosy.routed = true;
    decide(&rosy, gates, now, ret);
}

// Leaves a pause for the promotion of another.
static void decide_promoted_once(
    const struct snapshot *seen, const struct gate_status *gates, int64_t now, struct decision *ret)
{
    struct snapshot later = *seen;
    later.promote_requested = seen->position.step > 5;
    decide(&later, gates, now, ret);
}

// Obeys an abort after COMMIT too.
static void decide_without_return(
    const struct snapshot *seen, const struct gate_status *gates, int64_t now, struct decision *ret)
{
    decide(seen, gates, now, ret);
    if (seen->position.phase != PHASE_FORWARD || !seen->abort_requested ||
        (ret->kind == DECIDE_WRITE && ret->position.phase == PHASE_BACK))
        return;
    struct snapshot early = *seen;
    early.position.step = 0;
    decide(&early, gates, now, ret);
}

static const struct {
    const char *name;
    struct mutant mutant;
} mutants[] = {
    {"weight before await", {.decide = decide_hastily}},
    {"blind to lag", {.decide = decide_blind_to_lag}},
    {"acts are not written again", {.decide = decide_trustingly}},
    {"capacity before traffic on the way back", {.decide = decide_capacity_first}},
    {"objects are not awaited", {.decide = decide_without_settling}},
    {"hooks are not awaited", {.decide = decide_without_hooks}},
    {"traffic is not awaited", {.decide = decide_without_routing}},
    {"a promotion passes a later pause", {.decide = decide_promoted_once}},
    {"going back after commit", {.decide = decide_without_return}},
    {"a target without fencing", {.unfenced = true}},
    {"a target that takes writes whatever has become of the position", {.unconditional = true}},
};

static void every_mutant_is_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(mutants); i++) {
        uint64_t seed = 0;
        while (seed < MUTANT_SEEDS && run_seed(seed, &mutants[i].mutant, NULL, NULL))
            seed++;
        if (seed == MUTANT_SEEDS)
            fail_msg("%d seeds, and nobody saw: %s", MUTANT_SEEDS, mutants[i].name);
        print_message("%s: seed %" PRIu64 "\n", mutants[i].name, seed);
    }
}

int main(int argc, char **argv)
{
    int64_t number;
    if (argc == 2 && int_parse(argv[1], 0, INT64_MAX, &number)) {
        tell_seed((uint64_t)number);
        return 0;
    }
    if (argc == 3 && strcmp(argv[1], "--seeds") == 0 && int_parse(argv[2], 1, INT64_MAX, &number)) {
        int marks[MARK_COUNT] = {0};
        int64_t began = clock_monotonic_ms();
        bool ok = run_seeds((uint64_t)number, marks);
        for (int i = 0; i < MARK_COUNT; i++)
            printf("%9d  %s\n", marks[i], mark_names[i]);
        printf("%" PRId64 " seeds in %" PRId64 " ms\n", number, clock_monotonic_ms() - began);
        return ok ? 0 : 1;
    }
    if (argc == 2 && strcmp(argv[1], "--pairs") == 0) {
        const struct CMUnitTest pairs[] = {cmocka_unit_test(every_two_faults)};
        return cmocka_run_group_tests(pairs, NULL, NULL);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_that_must_never_be_is_in_ten_thousand_seeds),
        cmocka_unit_test(every_fault_at_every_call),
        cmocka_unit_test(every_two_of_the_worst_faults),
        cmocka_unit_test(every_mutant_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
