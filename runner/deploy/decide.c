#include "deploy/decide.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define REASON_MAX 2000 // while it is put together; the position keeps as much as it can hold

// What a decision is made from; `step` is where the position is.
struct scene {
    const struct snapshot *seen;
    const struct gate_status *gates;
    int64_t now;
    struct program program;
    const struct step *step;
    size_t commit; // index of COMMIT; the program's length when it has none
};

void phase_program(const struct rollout *r, enum phase phase, struct program *ret)
{
    switch (phase) {
    case PHASE_NONE:
        *ret = (struct program){0};
        return;
    case PHASE_FORWARD:
        program_forward(r, ret);
        return;
    case PHASE_BACK:
        program_back(r, ret);
        return;
    case PHASE_SETTLE_OLD:
        program_settle(r, SET_OLD, ret);
        return;
    case PHASE_SETTLE_NEW:
        program_settle(r, SET_NEW, ret);
        return;
    }
}

int snapshot_check(const struct snapshot *seen, struct error *err)
{
    const struct position *at = &seen->position;
    if (at->phase == PHASE_NONE)
        return 0;
    AUTO(program) struct program program;
    phase_program(&seen->rollout, at->phase, &program);
    if (at->step < 0 || (size_t)at->step >= program.steps.length)
        return error_set(err, ERR_PROTOCOL,
            "the target says that %s is at step %d of %zu (%s): it was written by something else",
            seen->rollout.run, at->step, program.steps.length, phase_name(at->phase));
    return 0;
}

// What is known of a set.

// The new set is only ever scaled up, so whoever of it was ready before its last write still
// counts. The old one may have been scaled down and up again: what is from before that says
// nothing. Where the platform replaces instances by itself, that goes for both.
static bool someone_ready(const struct snapshot *seen, enum set which)
{
    const struct set_state *set = &seen->sets[which];
    bool only_grows = which == SET_NEW && !seen->rollout.native_rolling;
    return set->exists && !set->retiring && (set->current || only_grows) && set->ready > 0;
}

static bool whole(const struct set_state *set)
{
    return set->exists && set->current && set->ready >= set->desired;
}

static bool is_act(const struct step *step)
{
    return step->kind == STEP_APPLY || step->kind == STEP_HOOK || step->kind == STEP_SCALE ||
           step->kind == STEP_WEIGHT || step->kind == STEP_COMMIT || step->kind == STEP_RETIRE;
}

static bool applied(const struct snapshot *seen, const struct step *step)
{
    const struct rollout *r = &seen->rollout;
    return seen->applied == (step->set == SET_OLD ? r->from : r->to);
}

// Whether the act of the step has been done, as far as can be seen: it is not written again.
static bool stands(const struct snapshot *seen, const struct step *step)
{
    const struct set_state *set = &seen->sets[step->set];
    switch (step->kind) {
    case STEP_APPLY:
        return applied(seen, step);
    case STEP_HOOK:
        return seen->hooks_begun >= step->hook;
    case STEP_SCALE:
        return set->exists && set->desired == step->count;
    case STEP_WEIGHT:
        return seen->sets[SET_NEW].percent == step->percent &&
               (!seen->rollout.from || seen->sets[SET_OLD].percent == 100 - step->percent);
    case STEP_COMMIT:
        return seen->live == seen->rollout.to;
    case STEP_RETIRE:
        return !set->exists || set->retiring;
    case STEP_AWAIT:
    case STEP_DRAIN:
    case STEP_GATE:
    case STEP_PAUSE:
        break;
    }
    return true;
}

// Whether the step has done what it is there for.
static bool satisfied(const struct scene *s, const struct step *step)
{
    const struct set_state *set = &s->seen->sets[step->set];
    switch (step->kind) {
    case STEP_APPLY:
    case STEP_HOOK:
    case STEP_SCALE:
    case STEP_COMMIT:
        return stands(s->seen, step);
    case STEP_AWAIT:
        if (step->hook)
            return s->seen->hooks_done >= step->hook;
        if (step->objects)
            return applied(s->seen, step) && s->seen->settled;
        return set->exists && set->current && set->desired == step->count &&
               set->ready == step->count;
    case STEP_DRAIN:
        return !set->exists || (set->current && set->present <= step->count);
    case STEP_GATE:
        return s->gates->state == GATE_PASSED ||
               (s->gates->state == GATE_HELD && s->seen->promote_requested);
    case STEP_WEIGHT:
        return stands(s->seen, step) && s->seen->routed;
    case STEP_PAUSE:
        return s->seen->promote_requested ||
               (step->ms != PAUSE_FOR_PROMOTION &&
                   s->now >= s->seen->position.step_began_unix_ms + step->ms);
    case STEP_RETIRE:
        return !set->exists;
    }
    return false;
}

// Whether a step of `phase` may be entered with its act now. Steps without one always may.
static bool may_act(const struct snapshot *seen, enum phase phase, const struct step *step)
{
    const struct set_state *sets = seen->sets;
    switch (step->kind) {
    case STEP_WEIGHT:
        return someone_ready(seen, step->set);
    case STEP_SCALE:
        return phase != PHASE_FORWARD || step->set == SET_NEW || whole(&sets[SET_NEW]);
    case STEP_COMMIT:
        return phase != PHASE_FORWARD || whole(&sets[SET_NEW]);
    case STEP_RETIRE:
        return phase != PHASE_BACK || !seen->rollout.from || someone_ready(seen, SET_OLD);
    case STEP_APPLY:
    case STEP_HOOK:
    case STEP_AWAIT:
    case STEP_DRAIN:
    case STEP_GATE:
    case STEP_PAUSE:
        break;
    }
    return true;
}

// Whether the act of the current step is to be written again. A COMMIT that was entered stands.
static bool act_missing(const struct scene *s)
{
    const struct step *step = s->step;
    if (!is_act(step) || stands(s->seen, step))
        return false;
    return step->kind == STEP_COMMIT || may_act(s->seen, s->seen->position.phase, step);
}

// A WEIGHT that is to be passed over: it is certain that nobody is there to take the traffic.
static bool passed_over(const struct scene *s, const struct step *step)
{
    const struct set_state *set = &s->seen->sets[step->set];
    return step->kind == STEP_WEIGHT && step->if_ready && !satisfied(s, step) &&
           (!set->exists || (set->current && set->ready == 0));
}

static bool before_commit(const struct scene *s)
{
    return s->seen->position.phase == PHASE_FORWARD && (size_t)s->seen->position.step < s->commit;
}

// Decisions.

static void wait_until(struct decision *ret, int64_t until)
{
    *ret = (struct decision){.kind = DECIDE_WAIT, .until_unix_ms = until};
}

static void write_step(
    struct decision *ret, const struct position *at, const struct step *step, bool with_act)
{
    *ret = (struct decision){
        .kind = DECIDE_WRITE, .position = *at, .has_act = with_act, .step = *step};
}

// Sets the position to the first step of another phase. What is not possible at once is found out
// there.
static void turn(
    struct scene *s, enum phase phase, bool aborted, const char *reason, struct decision *ret)
{
    struct position at = s->seen->position;
    at.phase = phase;
    at.turns++;
    at.step = 0;
    at.step_began_unix_ms = s->now;
    at.aborted = aborted;
    if (!at.turned_unix_ms)
        at.turned_unix_ms = s->now;
    snprintf(at.reason, sizeof at.reason, "%s", reason);
    AUTO(program) struct program program;
    phase_program(&s->seen->rollout, phase, &program);
    const struct step *first = &program.steps.items[0];
    bool acts = is_act(first) && !stands(s->seen, first) && may_act(s->seen, phase, first);
    write_step(ret, &at, first, acts);
}

static enum phase choose_settle(const struct snapshot *seen)
{
    const struct set_state *sets = seen->sets;
    enum set favoured = sets[SET_NEW].percent > sets[SET_OLD].percent ? SET_NEW : SET_OLD;
    enum set keep = someone_ready(seen, favoured)              ? favoured
                    : someone_ready(seen, set_other(favoured)) ? set_other(favoured)
                                                               : SET_OLD;
    return keep == SET_OLD ? PHASE_SETTLE_OLD : PHASE_SETTLE_NEW;
}

static void settle(struct scene *s, const char *reason, struct decision *ret)
{
    turn(s, choose_settle(s->seen), false, reason, ret);
}

// Settling, and it can still be the other way.
static bool unsettled(const struct snapshot *seen)
{
    const struct set_state *fresh = &seen->sets[SET_NEW];
    return seen->position.phase == PHASE_SETTLE_OLD   ? fresh->exists && !fresh->retiring
           : seen->position.phase == PHASE_SETTLE_NEW ? seen->live != seen->rollout.to
                                                      : false;
}

static void go_back(struct scene *s, bool aborted, const char *reason, struct decision *ret)
{
    if (s->seen->rollout.strategy == STRATEGY_ROLLBACK && s->seen->rollout.from && !aborted)
        settle(s, reason, ret);
    else
        turn(s, PHASE_BACK, aborted, reason, ret);
}

static void give_up_going_back(struct scene *s, const char *why, struct decision *ret)
{
    AUTO(str) struct str reason;
    str_init(&reason, REASON_MAX);
    str_printf(&reason, "%s; going back: %s", s->seen->position.reason, why);
    settle(s, reason.data, ret);
}

static int64_t time_of(const struct scene *s)
{
    const struct rollout *r = &s->seen->rollout;
    return s->step->hook ? r->hook_deadline_ms : r->progress_deadline_ms;
}

// Why a step did not come to its end: how many are ready, and what the first of the others does.
static void explain_late(const struct scene *s, struct str *out)
{
    const struct step *step = s->step;
    char duration[DURATION_TEXT_MAX];
    duration_print(time_of(s), duration);
    // When nothing is awaited, the step after this one could not be entered, because the set that
    // it relies on was not ready any more.
    enum set which = step->kind == STEP_AWAIT || step->kind == STEP_DRAIN ? step->set
                     : s->seen->position.phase == PHASE_BACK              ? SET_OLD
                                                                          : SET_NEW;
    const struct set_state *set = &s->seen->sets[which];
    str_printf(out, "release %lld: ", (long long)set->release);
    if (step->hook) {
        str_printf(out, "its hook %d has not ended after %s", step->hook, duration);
        return;
    }
    if (step->kind == STEP_APPLY || step->objects) {
        str_printf(out, "its objects have not settled after %s", duration);
        return;
    }
    if (step->kind == STEP_WEIGHT && stands(s->seen, step) && !s->seen->routed) {
        str_printf(out, "the traffic has not followed after %s", duration);
        return;
    }
    if (step->kind == STEP_DRAIN)
        str_printf(
            out, "%d instances left instead of %d after %s", set->present, step->count, duration);
    else
        str_printf(out, "%d of %d ready after %s", set->ready, set->desired, duration);
    for (size_t i = 0; i < set->instance_count; i++) {
        const struct instance *instance = &set->instances[i];
        if (instance->state == INSTANCE_READY)
            continue;
        str_printf(
            out, "; instance %d is %s", instance->index, instance_state_name(instance->state));
        if (instance->restarts)
            str_printf(out, ", restarted %d times", instance->restarts);
        if (instance->last_end[0])
            str_printf(out, ", ended last with: %s", instance->last_end);
        return;
    }
}

// Why what the current step does to the set, or awaits of it, can never come; "" while it may.
static const char *doomed(const struct scene *s, enum set which)
{
    if (s->step->set != which)
        return "";
    if (s->seen->refused_act[0])
        return s->seen->refused_act;
    if (s->step->kind != STEP_AWAIT)
        return "";
    if (s->step->hook)
        return s->seen->hook_doomed;
    if (s->step->objects)
        return applied(s->seen, s->step) ? s->seen->apply_doomed : "";
    return s->seen->sets[which].doomed;
}

// Rules 2 to 4: what ends a phase whatever the step is.
static bool broken_off(struct scene *s, struct decision *ret)
{
    const struct snapshot *seen = s->seen;
    AUTO(str) struct str reason;
    str_init(&reason, REASON_MAX);
    if (before_commit(s)) {
        if (seen->abort_requested)
            str_printf(&reason, "aborted by %s", seen->abort_who);
        else if (seen->sets[SET_NEW].doomed[0])
            str_puts(&reason, seen->sets[SET_NEW].doomed);
        else if (doomed(s, s->step->set)[0])
            str_puts(&reason, doomed(s, s->step->set));
        else if (s->step->kind == STEP_GATE && s->gates->state == GATE_REJECTED)
            str_printf(&reason, "%s: %s", gate_phase_name(s->step->phase), s->gates->reason);
        else
            return false;
        go_back(s, seen->abort_requested, reason.data, ret);
        return true;
    }
    if (seen->position.phase == PHASE_BACK && doomed(s, SET_OLD)[0]) {
        give_up_going_back(s, doomed(s, SET_OLD), ret);
        return true;
    }
    if (unsettled(seen) && choose_settle(seen) != seen->position.phase) {
        settle(s, seen->position.reason, ret);
        return true;
    }
    return false;
}

static enum outcome outcome_of(const struct snapshot *seen)
{
    const struct rollout *r = &seen->rollout;
    if (seen->position.phase == PHASE_FORWARD)
        return OUTCOME_SUCCESS;
    if (seen->position.phase != PHASE_BACK)
        return OUTCOME_ROLLBACK_FAILED;
    if (seen->position.aborted)
        return OUTCOME_CANCELLED;
    if (r->strategy == STRATEGY_ROLLBACK)
        return OUTCOME_ROLLBACK_FAILED;
    return r->from ? OUTCOME_ROLLED_BACK : OUTCOME_FAILED;
}

// Goes to the step after this one. false (wait) when that may not be entered yet.
static bool advance(struct scene *s, struct decision *ret)
{
    wait_until(ret, INT64_MAX);
    const struct snapshot *seen = s->seen;
    size_t next = (size_t)seen->position.step + 1;
    if (next == s->program.steps.length) {
        *ret = (struct decision){.kind = DECIDE_FINISH, .outcome = outcome_of(seen)};
        return true;
    }
    const struct step *step = &s->program.steps.items[next];
    bool acts = is_act(step) && !stands(seen, step);
    bool allowed = may_act(seen, seen->position.phase, step);
    if (acts && !allowed && !step->if_ready)
        return false;
    struct position at = seen->position;
    at.step = (int)next;
    at.step_began_unix_ms = s->now;
    write_step(ret, &at, step, acts && allowed);
    return true;
}

// Rule 7.
static void overdue(struct scene *s, struct decision *ret)
{
    AUTO(str) struct str why;
    str_init(&why, REASON_MAX);
    explain_late(s, &why);
    bool ending = s->step->kind == STEP_RETIRE && s->seen->sets[s->step->set].retiring;
    if (before_commit(s))
        go_back(s, false, why.data, ret);
    else if (s->seen->position.phase == PHASE_BACK && !ending && !s->step->if_ready)
        give_up_going_back(s, why.data, ret);
    else
        advance(s, ret);
}

static void decide_step(struct scene *s, struct decision *ret)
{
    const struct position *at = &s->seen->position;
    const struct step *step = s->step;
    if (broken_off(s, ret))
        return;
    bool done = satisfied(s, step) || passed_over(s, step);
    if (done && s->seen->pause_requested && before_commit(s)) {
        *ret = (struct decision){.kind = DECIDE_PARK};
        return;
    }
    if (done && advance(s, ret))
        return;
    if (act_missing(s)) {
        write_step(ret, at, step, true);
        return;
    }
    if (!done && step->kind == STEP_GATE) {
        if (s->gates->state == GATE_IDLE)
            *ret = (struct decision){.kind = DECIDE_PROBE, .step = *step};
        else
            wait_until(ret, INT64_MAX);
        return;
    }
    if (!done && step->kind == STEP_PAUSE) {
        if (step->ms == PAUSE_FOR_PROMOTION)
            *ret = (struct decision){.kind = DECIDE_PARK};
        else
            wait_until(ret, at->step_began_unix_ms + step->ms);
        return;
    }
    int64_t deadline = at->step_began_unix_ms + time_of(s);
    if (s->now >= deadline)
        overdue(s, ret);
    else
        wait_until(ret, deadline);
}

void decide(const struct snapshot *seen, const struct gate_status *gates, int64_t now_unix_ms,
    struct decision *ret)
{
    struct scene s = {.seen = seen, .gates = gates, .now = now_unix_ms};
    if (seen->position.phase == PHASE_NONE) {
        *ret = (struct decision){.kind = DECIDE_NOTHING};
        return;
    }
    phase_program(&seen->rollout, seen->position.phase, &s.program);
    s.step = &s.program.steps.items[seen->position.step];
    while (s.commit < s.program.steps.length && s.program.steps.items[s.commit].kind != STEP_COMMIT)
        s.commit++;
    decide_step(&s, ret);
    program_done(&s.program);
}
