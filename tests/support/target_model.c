#include "support/target_model.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define CALLS_MAX 20000 // a run that needs more does not end

static const char *const fault_names[FAULT_COUNT] = {
    [FAULT_NONE] = "none",
    [FAULT_KILL] = "killed before",
    [FAULT_KILL_AFTER] = "killed after",
    [FAULT_LOSE] = "lost",
    [FAULT_LOSE_ANSWER] = "answer lost",
    [FAULT_LATE] = "late",
    [FAULT_TORN] = "torn",
    [FAULT_OUTAGE] = "outage",
    [FAULT_STALL] = "stalled",
    [FAULT_ABORT] = "abort requested",
    [FAULT_PREEMPT] = "pre-empted",
    [FAULT_PROMOTE] = "promoted",
    [FAULT_CRASH] = "instance crashed",
};

const char *fault_name(enum fault fault)
{
    return fault_names[fault];
}

static struct model_driver *driver_of(struct target *t)
{
    return (struct model_driver *)t;
}

static int die(struct model_driver *d, struct error *err)
{
    if (!d->dead) {
        world_say(&d->model->world, "driver %d is killed", d->id);
        d->model->world.marks[MARK_KILLED]++;
        if (d->model->world.holder == d->id && !d->model->world.lease_ms)
            d->model->world.holder = 0;
    }
    d->dead = true;
    return error_set(err, ERR_CANCELLED, "killed");
}

static int unreachable(struct error *err, const char *how)
{
    return error_set(err, ERR_NETWORK, "no answer: %s", how);
}

// What befalls this call.
static enum fault draw_fault(struct model *m)
{
    int call = m->calls++;
    for (size_t i = 0; i < m->script_length; i++)
        if (m->script[i].call == call)
            return m->script[i].fault;
    if (m->budget <= 0 || !world_chance(&m->world, m->chance))
        return FAULT_NONE;
    m->budget--;
    return (enum fault)(1 + world_draw(&m->world, FAULT_COUNT - 1));
}

static void intrude(struct model_driver *d, bool preempt)
{
    struct model *m = d->model;
    struct world *w = &m->world;
    if (m->intruding)
        return;
    m->intruding = true;
    if (!preempt) {
        world_say(w, "driver %d stalls", d->id);
        world_run_until(w, w->now + 20000 + (int64_t)world_draw(w, 40000));
        if (!w->lease_ms)
            w->holder = 0;
    }
    m->intrude(m, preempt);
    m->intruding = false;
    world_say(w, "driver %d goes on", d->id);
}

// Every call begins here: time passes, and what befalls the call is told. -1 when the caller is
// dead, or gets no answer, by now.
static int enter(struct model_driver *d, enum fault *ret, struct error *err)
{
    struct model *m = d->model;
    struct world *w = &m->world;
    if (d->dead)
        world_break(w, "driver %d calls after its death", d->id);
    if (m->calls > CALLS_MAX)
        world_break(w, "it does not end");
    if (d->dead || w->broken[0])
        return die(d, err);
    world_run_until(w, w->now + 1 + (int64_t)world_draw(w, 20));
    if (w->holder == d->id)
        w->lease_until = w->now + w->lease_ms;
    enum fault fault = draw_fault(m);
    if (fault != FAULT_NONE)
        world_say(w, "call %d of driver %d: %s", m->calls - 1, d->id, fault_name(fault));
    switch (fault) {
    case FAULT_KILL:
        return die(d, err);
    case FAULT_OUTAGE:
        w->down_until = w->now + 1000 + (int64_t)world_draw(w, 20000);
        w->marks[MARK_OUTAGE]++;
        break;
    case FAULT_STALL:
    case FAULT_PREEMPT:
        intrude(d, fault == FAULT_PREEMPT);
        break;
    case FAULT_ABORT:
        world_abort(w, "a person");
        break;
    case FAULT_PROMOTE:
        world_promote(w, "a person");
        break;
    case FAULT_CRASH:
        world_crash_one(w);
        break;
    case FAULT_NONE:
    case FAULT_KILL_AFTER:
    case FAULT_LOSE:
    case FAULT_LOSE_ANSWER:
    case FAULT_LATE:
    case FAULT_TORN:
    case FAULT_COUNT:
        break;
    }
    *ret = fault;
    if (w->broken[0])
        return die(d, err);
    if (w->down_until > w->now)
        return unreachable(err, "connection refused");
    return 0;
}

// The effect has been had; what of the answer?
static int leave(struct model_driver *d, enum fault fault, int rc, struct error *err)
{
    if (fault == FAULT_KILL_AFTER)
        return die(d, err);
    if (fault == FAULT_LOSE_ANSWER)
        return unreachable(err, "connection reset");
    if (rc < 0 && err->kind == ERR_CONFLICT && !err->retryable)
        d->fenced = true;
    return rc;
}

static int model_claim(struct target *t, const char *run, const char *who, bool preempt,
    int64_t *ret_epoch, struct error *err)
{
    struct model_driver *d = driver_of(t);
    struct world *w = &d->model->world;
    (void)who;
    bool lapsed = w->lease_ms && w->now >= w->lease_until;
    if (w->holder && !lapsed && !preempt)
        return error_set(err, ERR_CONFLICT, "driver %d holds it", w->holder);
    w->holder = d->id;
    w->lease_until = w->now + w->lease_ms;
    *ret_epoch = d->epoch = ++w->epoch;
    world_say(w, "driver %d (%s) claims: epoch %" PRId64, d->id, run, w->epoch);
    return 0;
}

static int model_begin(
    struct target *t, int64_t epoch, const struct rollout *rollout, struct error *err)
{
    return world_begin(&driver_of(t)->model->world, epoch, rollout, err);
}

static void fill_set(
    struct world *w, int64_t release, const struct world_view *view, struct set_state *ret)
{
    const struct world_set *set = release ? world_set(w, release) : NULL;
    ret->release = release;
    if (!set) {
        ret->exists = ret->current = release && w->rollout.applies && w->standing[release];
        return;
    }
    ret->exists = true;
    ret->slot = set->slot;
    ret->desired = set->desired;
    ret->percent = set->percent;
    ret->retiring = set->retiring;
    for (size_t i = 0; i < WORLD_SETS; i++) {
        const struct world_set *was = &view->sets[i];
        if (!was->exists || was->born != set->born)
            continue;
        ret->current = was->carried_out == set->written;
        snprintf(ret->doomed, sizeof ret->doomed, "%s", was->doomed);
        for (size_t k = 0; k < WORLD_INSTANCES; k++) {
            if (!was->instances[k].used)
                continue;
            struct instance *instance = &ret->instances[ret->instance_count++];
            instance->state = was->instances[k].state;
            instance->index = was->instances[k].index;
            instance->restarts = was->instances[k].restarts;
            ret->present++;
            ret->ready += instance->state == INSTANCE_READY;
        }
    }
}

// The platform's own share is that of the ready instances.
static void fill_native_shares(struct set_state sets[2])
{
    int ready = sets[SET_OLD].ready + sets[SET_NEW].ready;
    for (int i = 0; i < 2; i++)
        sets[i].percent = ready ? (100 * sets[i].ready + ready / 2) / ready : 0;
}

static void fill_objects(struct world *w, const struct world_view *view, struct snapshot *ret)
{
    ret->applied = w->applied;
    ret->settled = view->applies == w->applies && view->settled;
    if (view->applies == w->applies && view->doomed)
        snprintf(ret->apply_doomed, sizeof ret->apply_doomed, "StatefulSet/db: no such image");
    if (!w->rollout.applies)
        return;
    w->marks[MARK_UNSETTLED] += !ret->settled;
    w->marks[MARK_OBJECTS_DOOMED] += ret->apply_doomed[0] != '\0';
}

// How many were begun is written, so it is never older than the last write.
static void fill_hooks(struct world *w, const struct world_view *view, struct snapshot *ret)
{
    ret->hooks_begun = w->hooks_begun;
    ret->hooks_done = view->hooks_done < w->hooks_done ? view->hooks_done : w->hooks_done;
    if (view->hooks_begun == w->hooks_begun && view->hook_doomed && w->hook_doomed)
        snprintf(ret->hook_doomed, sizeof ret->hook_doomed, "Job/migrate: exit 1");
    w->marks[MARK_HOOK_DOOMED] += ret->hook_doomed[0] != '\0';
}

static int model_observe(struct target *t, struct snapshot *ret, struct error *err)
{
    struct model_driver *d = driver_of(t);
    struct model *m = d->model;
    struct world *w = &m->world;
    enum fault fault = FAULT_NONE;
    if (enter(d, &fault, err) < 0)
        return -1;
    if (fault == FAULT_LOSE || fault == FAULT_LATE || fault == FAULT_TORN)
        return unreachable(err, "timed out");
    int64_t lag = world_chance(w, m->lagging) ? 1 + (int64_t)world_draw(w, 3000) : 0;
    w->marks[MARK_LAG] += lag > 0;
    const struct world_view *view = world_look(w, lag);
    *ret = (struct snapshot){
        .epoch = w->epoch,
        .live = w->live,
        .rollout = w->rollout,
        .position = w->position,
        .last = w->last,
        .routed = w->rollout.native_rolling || view->routes == w->routes_written,
        .abort_requested = w->abort_requested,
        .promote_requested = w->promote_requested && w->promote_turns == w->position.turns &&
                             w->promote_step == w->position.step,
    };
    fill_objects(w, view, ret);
    fill_hooks(w, view, ret);
    w->marks[MARK_UNROUTED] += !ret->routed;
    memcpy(ret->abort_who, w->abort_who, sizeof ret->abort_who);
    fill_set(w, w->rollout.from, view, &ret->sets[SET_OLD]);
    fill_set(w, w->rollout.to, view, &ret->sets[SET_NEW]);
    if (w->rollout.native_rolling)
        fill_native_shares(ret->sets);
    d->seen_at = view->at > w->now - lag ? view->at : w->now - lag;
    // Of the old one, what is from before its last write says nothing.
    d->nobody_seen = (ret->sets[SET_OLD].ready == 0 || !ret->sets[SET_OLD].current) &&
                     ret->sets[SET_NEW].ready == 0;
    world_say(w,
        "driver %d sees %s %d%s%s, old %d/%d ready at %d %%%s, new %d/%d at %d %%%s%s (%" PRId64
        " ms ago)",
        d->id, phase_name(w->position.phase), w->position.step,
        ret->routed ? "" : ", not routed yet",
        !w->rollout.applies || ret->settled ? "" : ", not settled yet", ret->sets[SET_OLD].ready,
        ret->sets[SET_OLD].desired, ret->sets[SET_OLD].percent,
        ret->sets[SET_OLD].current ? "" : " (from before)", ret->sets[SET_NEW].ready,
        ret->sets[SET_NEW].desired, ret->sets[SET_NEW].percent,
        ret->sets[SET_NEW].current ? "" : " (from before)",
        ret->sets[SET_NEW].doomed[0] ? ", doomed" : "", lag);
    int rc = leave(d, fault, 0, err);
    d->fenced |= rc == 0 && w->epoch != d->epoch;
    return rc;
}

static int model_wait(struct target *t, int64_t deadline, struct error *err)
{
    struct model_driver *d = driver_of(t);
    struct world *w = &d->model->world;
    enum fault fault = FAULT_NONE;
    struct error ignored;
    if (enter(d, &fault, &ignored) < 0 && (d->dead || w->broken[0]))
        return die(d, err);
    int64_t until = deadline;
    // Most changes are noticed; some notices get lost.
    if (w->down_until <= w->now && !world_chance(w, 10) && world_next(w) < until)
        until = world_next(w);
    if (d->gates_until > w->now && d->gates_until < until)
        until = d->gates_until;
    if (d->model->deaf && world_chance(w, d->model->deaf)) {
        w->marks[MARK_WATCH_LOST]++;
        until += (int64_t)world_draw(w, 30000);
    }
    if (until > w->now)
        world_run_until(w, until);
    return fault == FAULT_KILL_AFTER ? die(d, err) : 0;
}

static void model_wake(struct target *t)
{
    (void)t; // gates end only while wait() looks at the time
}

static int64_t model_now(struct target *t)
{
    return driver_of(t)->model->world.now;
}

// A driver that knows that it was fenced must be silent.
static void check_fenced(struct model_driver *d)
{
    if (d->fenced)
        world_break(
            &d->model->world, "I6: driver %d writes though it was told that it is fenced", d->id);
}

static int model_write(struct target *t, const struct target_write *write, struct error *err)
{
    struct model_driver *d = driver_of(t);
    struct world *w = &d->model->world;
    check_fenced(d);
    AUTO(str) struct str text;
    str_init(&text, 200);
    if (write->step && w->story)
        step_print(write->step, &text);
    enum fault fault = FAULT_NONE;
    if (enter(d, &fault, err) < 0)
        return -1;
    world_say(w, "driver %d writes %s %d: %s", d->id, phase_name(write->position.phase),
        write->position.step, text.data);
    if (fault == FAULT_LOSE)
        return unreachable(err, "timed out");
    if (fault == FAULT_LATE) {
        world_write_late(
            w, write, d->seen_at, d->nobody_seen, w->now + 1 + (int64_t)world_draw(w, 60000));
        return unreachable(err, "timed out");
    }
    bool torn = fault == FAULT_TORN && write->step;
    int rc = world_write(w, write, d->seen_at, d->nobody_seen, torn, err);
    if (rc == 0 && torn)
        return unreachable(err, "internal error");
    return leave(d, fault, rc, err);
}

static int model_finish(struct target *t, const struct target_end *end, struct error *err)
{
    struct model_driver *d = driver_of(t);
    check_fenced(d);
    enum fault fault = FAULT_NONE;
    if (enter(d, &fault, err) < 0)
        return -1;
    if (fault == FAULT_LOSE || fault == FAULT_LATE || fault == FAULT_TORN)
        return unreachable(err, "timed out");
    return leave(d, fault, world_finish(&d->model->world, end, err), err);
}

// What the driver does not call is not there.
static const struct target_ops target_ops = {
    .name = "model",
    .caps = {.weight = WEIGHT_EXACT},
    .claim = model_claim,
    .begin = model_begin,
    .observe = model_observe,
    .wait = model_wait,
    .wake = model_wake,
    .now = model_now,
    .write = model_write,
    .finish = model_finish,
};

// Gates: they last a while, and say what the model says.

static struct model_driver *driver_of_prober(struct prober *p)
{
    return (struct model_driver *)((char *)p - offsetof(struct model_driver, prober));
}

static int gates_start(struct prober *p, enum gate_phase phase, enum set set,
    const struct snapshot *seen, struct error *err)
{
    struct model_driver *d = driver_of_prober(p);
    struct world *w = &d->model->world;
    (void)seen;
    if (set != SET_NEW)
        world_break(w, "gates of the old set");
    d->gate_phase = phase;
    d->gates_until = w->now + 1 + (int64_t)world_draw(w, 8000);
    world_say(w, "driver %d starts the gates %s", d->id, gate_phase_name(phase));
    return world_chance(w, 2) && d->model->gates[phase] == GATE_REJECTED
               ? error_set(err, ERR_SYSTEM, "no descriptors left")
               : 0;
}

static void gates_stop(struct prober *p)
{
    driver_of_prober(p)->gates_until = 0;
}

static void gates_status(struct prober *p, struct gate_status *ret)
{
    struct model_driver *d = driver_of_prober(p);
    *ret = (struct gate_status){.state = GATE_RUNNING};
    if (d->model->world.now < d->gates_until)
        return;
    ret->state = d->model->gates[d->gate_phase];
    snprintf(ret->reason, sizeof ret->reason, "as the model says");
}

static struct value *gates_verdicts(struct prober *p)
{
    (void)p;
    return value_list();
}

static const struct prober_ops prober_ops = {
    .start = gates_start,
    .stop = gates_stop,
    .status = gates_status,
    .verdicts = gates_verdicts,
};

void model_driver_init(struct model_driver *d, struct model *m)
{
    *d = (struct model_driver){
        .target.ops = &target_ops,
        .prober.ops = &prober_ops,
        .model = m,
        .id = ++m->drivers,
    };
}
