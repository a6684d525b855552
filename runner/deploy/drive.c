#include "deploy/drive.h"

#include <stdio.h>
#include <string.h>

#include "os/failpoint.h"

// However quiet the target is, it is looked at as often as this: a notice may be lost.
#define LOOK_AGAIN_MS   5000
#define BACK_OFF_MIN_MS 100
#define BACK_OFF_MAX_MS 10000

// Calls of one sort that failed in a row.
struct trouble {
    int failures;
    int64_t rested_ms; // not the time that has passed: this process may have been asleep
    struct error first;
};

struct driver {
    const struct drive *d;
    struct drive_result *result;
    struct trouble asking, writing;
    struct snapshot seen;
    // The gates of this step were started.
    bool gating;
    int gate_turns, gate_step;
    bool told_held; // that they wait for data
    bool refused;   // they could not be started
    char refusal[400];
    // The last write that succeeded, to notice that it has no effect.
    struct position written;
    int repeats;
};

void drive_result_done(struct drive_result *r)
{
    value_free(take_ptr(r->verdicts));
}

static int64_t now(struct driver *dr)
{
    return dr->d->target->ops->now(dr->d->target);
}

static int wait_until(struct driver *dr, int64_t until, struct error *err)
{
    return dr->d->target->ops->wait(dr->d->target, until, err);
}

static void note(struct driver *dr, const char *line)
{
    if (dr->d->events && dr->d->events->note)
        dr->d->events->note(dr->d->events->arg, line);
}

// Retries.

static bool transient(const struct error *err)
{
    return err->retryable || err->kind == ERR_NETWORK || err->kind == ERR_TIMEOUT;
}

static int64_t back_off(int failures)
{
    int64_t ms = BACK_OFF_MIN_MS;
    for (int i = 1; i < failures && ms < BACK_OFF_MAX_MS; i++)
        ms *= 2;
    return ms < BACK_OFF_MAX_MS ? ms : BACK_OFF_MAX_MS;
}

// A wait that is over early (something changed) is gone on with.
static int rest(struct driver *dr, int64_t ms, struct error *err)
{
    int64_t until = now(dr) + ms;
    while (now(dr) < until)
        if (wait_until(dr, until, err) < 0)
            return -1;
    return 0;
}

// A call failed with *err. 0 when it may be tried again, after a rest.
static int endure(struct driver *dr, struct trouble *t, struct error *err)
{
    if (!transient(err))
        return -1;
    if (t->failures++ == 0) {
        t->rested_ms = 0;
        t->first = *err;
        AUTO_FREE char *line =
            mem_printf("%s: %s; trying again", dr->d->target->ops->name, err->message);
        note(dr, line);
    }
    if (t->rested_ms >= DRIVE_PATIENCE_MS) {
        *err = t->first;
        return error_wrap(err, "gave up after %d attempts", t->failures);
    }
    int64_t ms = back_off(t->failures);
    t->rested_ms += ms;
    return rest(dr, ms, err);
}

// Gates.

static void gates_end(struct driver *dr)
{
    if (!dr->gating)
        return;
    dr->gating = false;
    struct prober *gates = dr->d->gates;
    AUTO(value) struct value *verdicts = gates->ops->verdicts(gates);
    for (size_t i = 0; i < value_length(verdicts); i++)
        value_append(dr->result->verdicts, value_share(value_at(verdicts, i)));
    gates->ops->stop(gates);
}

static void gates_start(struct driver *dr, const struct step *step)
{
    struct error err = {0};
    struct prober *gates = dr->d->gates;
    dr->gating = true;
    dr->told_held = false;
    dr->gate_turns = dr->seen.position.turns;
    dr->gate_step = dr->seen.position.step;
    dr->refused = gates->ops->start(gates, step->phase, step->set, &dr->seen, &err) < 0;
    snprintf(dr->refusal, sizeof dr->refusal, "%.*s", (int)sizeof dr->refusal - 1, err.message);
}

// Once, each time that it begins.
static void tell_held(struct driver *dr, const struct gate_status *gates)
{
    bool held = gates->state == GATE_HELD;
    if (held && !dr->told_held) {
        AUTO_FREE char *line =
            mem_printf("held: %s; it waits for data, or for a person: `davit promote` goes on "
                       "without, `davit abort` goes back",
                gates->reason);
        note(dr, line);
    }
    dr->told_held = held;
}

static void gates_status(struct driver *dr, struct gate_status *ret)
{
    const struct position *at = &dr->seen.position;
    *ret = (struct gate_status){.state = GATE_IDLE};
    if (dr->gating && (at->turns != dr->gate_turns || at->step != dr->gate_step))
        gates_end(dr);
    if (!dr->gating)
        return;
    if (!dr->refused) {
        dr->d->gates->ops->status(dr->d->gates, ret);
        tell_held(dr, ret);
        return;
    }
    ret->state = GATE_REJECTED;
    memcpy(ret->reason, dr->refusal, sizeof ret->reason);
}

static void wake(void *arg)
{
    struct target *t = arg;
    t->ops->wake(t);
}

// Acting.

static int step_write(struct driver *dr, const struct decision *todo, struct error *err)
{
    struct target *t = dr->d->target;
    const struct drive_events *events = dr->d->events;
    if (events && events->step)
        events->step(events->arg, todo->position.phase, todo->position.step, &todo->step);
    struct target_write w = {
        .epoch = dr->d->epoch,
        .rollout = &dr->seen.rollout,
        .seen_turns = dr->seen.position.turns,
        .seen_step = dr->seen.position.step,
        .position = todo->position,
        .step = todo->has_act ? &todo->step : NULL,
    };
    int64_t before = now(dr);
    failpoint("deploy.before_write");
    if (t->ops->write(t, &w, err) < 0)
        return endure(dr, &dr->writing, err);
    failpoint("deploy.after_write");
    dr->writing.failures = 0;
    if (todo->has_act && todo->step.kind == STEP_WEIGHT)
        dr->result->times.switch_ms = now(dr) - before;
    bool repeated = dr->written.phase != PHASE_NONE && dr->written.turns == todo->position.turns &&
                    dr->written.step == todo->position.step;
    dr->written = todo->position;
    dr->repeats = repeated ? dr->repeats + 1 : 0;
    return repeated ? rest(dr, back_off(dr->repeats), err) : 0;
}

static int finish(struct driver *dr, enum outcome outcome, struct error *err)
{
    struct target *t = dr->d->target;
    const struct position *at = &dr->seen.position;
    struct rollout_times *times = &dr->result->times;
    int64_t began = dr->seen.rollout.began_unix_ms;
    int64_t end = now(dr);
    times->total_ms = end - began;
    if (at->turned_unix_ms) {
        times->detect_ms = at->turned_unix_ms - began;
        times->back_ms = end - at->turned_unix_ms;
    }
    struct target_end w = {
        .epoch = dr->d->epoch,
        .rollout = &dr->seen.rollout,
        .outcome = outcome,
        .reason = at->reason,
        .times = *times,
    };
    failpoint("deploy.before_finish");
    if (t->ops->finish(t, &w, err) < 0)
        return endure(dr, &dr->writing, err);
    failpoint("deploy.after_finish");
    dr->result->outcome = outcome;
    return 1;
}

static int observe(struct driver *dr, struct error *err)
{
    struct target *t = dr->d->target;
    while (t->ops->observe(t, &dr->seen, err) < 0)
        if (endure(dr, &dr->asking, err) < 0)
            return -1;
    dr->asking.failures = 0;
    if (dr->seen.epoch != dr->d->epoch)
        return error_set(err, ERR_CONFLICT,
            "another driver has taken the app over (epoch %lld; ours was %lld)",
            (long long)dr->seen.epoch, (long long)dr->d->epoch);
    if (snapshot_check(&dr->seen, err) < 0)
        return -1;
    if (dr->seen.position.phase != PHASE_NONE)
        dr->result->position = dr->seen.position;
    return 0;
}

// One turn: 0 to go on, 1 when it is over.
static int turn(struct driver *dr, struct error *err)
{
    if (observe(dr, err) < 0)
        return -1;
    struct gate_status gates;
    gates_status(dr, &gates);
    struct decision todo;
    int64_t time = now(dr);
    dr->d->decide(&dr->seen, &gates, time, &todo);
    switch (todo.kind) {
    case DECIDE_NOTHING:
        dr->result->outcome = dr->seen.last; // ours, when an answer to finish() got lost
        return 1;
    case DECIDE_WRITE:
        return step_write(dr, &todo, err);
    case DECIDE_PROBE:
        gates_start(dr, &todo.step);
        return 0;
    case DECIDE_WAIT:
        if (todo.until_unix_ms > time + LOOK_AGAIN_MS)
            todo.until_unix_ms = time + LOOK_AGAIN_MS;
        return wait_until(dr, todo.until_unix_ms, err);
    case DECIDE_FINISH:
        return finish(dr, todo.outcome, err);
    case DECIDE_PARK:
        return 1;
    }
    return 0;
}

int drive_rollout(const struct drive *d, struct drive_result *ret, struct error *err)
{
    *ret = (struct drive_result){
        .verdicts = value_list(),
        .times = {.total_ms = -1, .switch_ms = -1, .detect_ms = -1, .back_ms = -1},
    };
    AUTO_FREE struct driver *dr = mem_alloc(sizeof *dr);
    dr->d = d;
    dr->result = ret;
    d->gates->changed = wake;
    d->gates->changed_arg = d->target;
    int over;
    do
        over = turn(dr, err);
    while (over == 0);
    gates_end(dr);
    d->gates->changed = NULL;
    return over < 0 ? -1 : 0;
}
