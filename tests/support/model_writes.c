// What is written in the modelled world, and whether it may be: deploy/target.h's contract.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "support/model_world.h"

#define FOLLOW_MAX_MS 5000 // how late the traffic may follow

static const enum mark outcome_marks[] = {
    [OUTCOME_SUCCESS] = MARK_SUCCESS,
    [OUTCOME_ROLLED_BACK] = MARK_ROLLED_BACK,
    [OUTCOME_FAILED] = MARK_FAILED,
    [OUTCOME_CANCELLED] = MARK_CANCELLED,
    [OUTCOME_ROLLBACK_FAILED] = MARK_ROLLBACK_FAILED,
};

static void touch(struct world *w, struct world_set *set)
{
    set->written++;
    int64_t at = w->now + (world_chance(w, 50) ? 0 : 1 + (int64_t)world_draw(w, 1500));
    set->controller_at = at > w->down_until ? at : w->down_until;
}

// More traffic for a set. When nobody is there, it is the writer's fault, unless the world took
// somebody after the writer had looked.
static void raise_share(struct world_set *set, int percent, int64_t decided_at, bool nobody_seen)
{
    if (percent > set->percent && world_ready(set) == 0)
        set->excused = set->lost_at > decided_at || nobody_seen;
    set->percent = percent;
}

// The traffic goes by what was written, by now or soon.
static void route(struct world *w)
{
    w->routes_written++;
    if (w->routes_late && world_chance(w, 60)) {
        w->route_at = w->now + 1 + (int64_t)world_draw(w, FOLLOW_MAX_MS);
        return;
    }
    w->route_at = INT64_MAX;
    w->routes = w->routes_written;
    for (size_t i = 0; i < WORLD_SETS; i++)
        w->sets[i].routed = w->sets[i].percent;
}

// `half`: the call ends in the middle of it.
static void apply(struct world *w, int64_t release, bool half)
{
    w->standing[release] = true;
    if (!half && w->applied == release && w->settled)
        return; // nothing changes
    w->applied = half ? 0 : release;
    w->applies++;
    w->settled = w->doomed = false;
    w->objects_at = INT64_MAX;
    if (!half && w->objects[release] != OBJECTS_SILENT)
        w->objects_at = w->now + 1 + (int64_t)world_draw(w, world_chance(w, 70) ? 2000 : 20000);
    w->marks[MARK_HALF_APPLIED] += half;
}

// Once each, in their order.
static void hook(struct world *w, int number)
{
    if (number <= w->hooks_begun)
        return;
    if (number != w->hooks_begun + 1 || w->hooks_done != w->hooks_begun)
        world_break(
            w, "hook %d begins, while %d of %d have ended", number, w->hooks_done, w->hooks_begun);
    if (w->position.phase != PHASE_FORWARD)
        world_break(w, "hook %d begins on the way back", number);
    w->hooks_begun = number;
    if (w->hooks[number - 1] != OBJECTS_SILENT)
        w->hook_at = w->now + 1 + (int64_t)world_draw(w, world_chance(w, 70) ? 2000 : 20000);
}

// Going forward: instances come after the first hooks; COMMIT after all.
static void check_hooks(struct world *w, const struct rollout *r, enum step_kind kind)
{
    int wanted = kind == STEP_COMMIT ? r->hooks_before + r->hooks_after : r->hooks_before;
    if (w->position.phase == PHASE_FORWARD && w->hooks_done < wanted)
        world_break(w, "an act relies on hooks that have not ended");
}

static struct world_set *ensure_set(struct world *w, const struct rollout *r, enum set which)
{
    int64_t release = which == SET_OLD ? r->from : r->to;
    struct world_set *set = world_set(w, release);
    for (size_t i = 0; !set && i < WORLD_SETS; i++)
        if (!w->sets[i].exists)
            set = &w->sets[i];
    if (set && !set->exists)
        *set = (struct world_set){
            .exists = true,
            .release = release,
            .born = ++w->births,
            .slot = which == SET_OLD ? r->from_slot : r->to_slot,
            .controller_at = INT64_MAX,
            .decided_at = w->now,
        };
    if (!set)
        world_break(w, "a set too many");
    return set;
}

// The platform was told one release, so it was told to let go the other.
static void scale_native(struct world *w, const struct rollout *r, struct world_set *set, int count)
{
    struct world_set *other = world_set(w, set->release == r->from ? r->to : r->from);
    w->marks[MARK_NATIVE_BACK] += set->release == r->from && other && world_kept(other) > 0;
    set->desired = count;
    touch(w, set);
    if (!other)
        return;
    other->desired = 0;
    other->written++;
    other->controller_at = set->controller_at;
}

// Its share goes to the other, and only then it is taken away.
static void retire(struct world *w, const struct rollout *r, struct world_set *set,
    struct world_set *other, int64_t decided_at, bool nobody_seen)
{
    set->retiring = true;
    if (r->native_rolling) {
        touch(w, set);
        return;
    }
    if (other)
        raise_share(other, other->percent + set->percent, decided_at, nobody_seen);
    bool moves = set->percent > 0;
    set->percent = 0;
    set->desired = 0;
    touch(w, set);
    if (!moves)
        return;
    route(w);
    if (w->route_at != INT64_MAX && set->controller_at < w->route_at)
        set->controller_at = w->route_at;
}

// Of a target that applies, going forward: objects come before instances.
static void check_settled(struct world *w, const struct rollout *r)
{
    if (r->applies && w->position.phase == PHASE_FORWARD &&
        (w->applied != r->to || !w->settled_once[r->to]))
        world_break(w, "an act relies on objects that have not settled");
}

static void act(
    struct world *w, const struct target_write *write, int64_t decided_at, bool nobody_seen)
{
    const struct step *step = write->step;
    const struct rollout *r = write->rollout;
    int64_t release = step->set == SET_OLD ? r->from : r->to;
    struct world_set *set =
        step->kind == STEP_SCALE ? ensure_set(w, r, step->set) : world_set(w, release);
    struct world_set *old = world_set(w, r->from), *fresh = world_set(w, r->to);
    if (step->kind != STEP_APPLY)
        check_settled(w, r);
    if (step->kind != STEP_APPLY && step->kind != STEP_HOOK)
        check_hooks(w, r, step->kind);
    switch (step->kind) {
    case STEP_APPLY:
        apply(w, release, false);
        break;
    case STEP_HOOK:
        hook(w, step->hook);
        break;
    case STEP_SCALE:
        if (set && r->native_rolling) {
            scale_native(w, r, set, step->count);
            break;
        }
        if (set && step->count < set->desired)
            set->decided_at = decided_at;
        if (set) {
            set->desired = step->count;
            touch(w, set);
        }
        break;
    case STEP_WEIGHT:
        if (fresh)
            raise_share(fresh, step->percent, decided_at, nobody_seen);
        if (old)
            raise_share(old, 100 - step->percent, decided_at, nobody_seen);
        route(w);
        break;
    case STEP_RETIRE:
        if (set)
            retire(w, r, set, step->set == SET_OLD ? fresh : old, decided_at, nobody_seen);
        else
            w->standing[release] = false;
        break;
    case STEP_COMMIT:
        w->live = r->to;
        break;
    case STEP_AWAIT:
    case STEP_DRAIN:
    case STEP_GATE:
    case STEP_PAUSE:
        world_break(w, "a step without an act was written as one");
    }
}

// I6, by an observer: whatever the target's own check is, it has just let this pass.
static void check_epoch(struct world *w, int64_t epoch)
{
    if (epoch != w->epoch)
        world_break(
            w, "I6: a write of epoch %" PRId64 " landed in epoch %" PRId64, epoch, w->epoch);
}

static int fence(struct world *w, int64_t epoch, const struct rollout *r, struct error *err)
{
    if (epoch != w->epoch) {
        w->marks[MARK_STALE_REFUSED]++;
        if (!w->unfenced)
            return error_set(
                err, ERR_CONFLICT, "epoch %" PRId64 " rules, not %" PRId64, w->epoch, epoch);
    }
    if (w->position.phase == PHASE_NONE || strcmp(r->run, w->rollout.run) != 0) {
        error_set(err, ERR_CONFLICT, "%s is not under way", r->run);
        err->retryable = true;
        return -1;
    }
    return 0;
}

// A pause is left when its time is over, or by a promotion that was made in it.
static void check_pause(struct world *w, const struct position *to)
{
    const struct position *at = &w->position;
    if (at->phase != PHASE_FORWARD || to->turns != at->turns || to->step != at->step + 1)
        return;
    AUTO(program) struct program program;
    program_forward(&w->rollout, &program);
    const struct step *step = &program.steps.items[at->step];
    bool over = step->ms != PAUSE_FOR_PROMOTION && w->now >= at->step_began_unix_ms + step->ms;
    if (step->kind == STEP_PAUSE && !over &&
        !(w->promote_requested && w->promote_turns == at->turns && w->promote_step == at->step))
        world_break(w, "step %d, a pause, is left before it is over", at->step);
}

int world_write(struct world *w, const struct target_write *write, int64_t decided_at,
    bool nobody_seen, bool torn, struct error *err)
{
    if (fence(w, write->epoch, write->rollout, err) < 0)
        return -1;
    const struct position *at = &w->position, *to = &write->position;
    bool as_seen = at->turns == write->seen_turns && at->step == write->seen_step;
    bool done = at->turns == to->turns && at->step == to->step;
    if (!as_seen && !done && !w->unconditional) {
        error_set(err, ERR_CONFLICT, "it is at %s %d by now", phase_name(at->phase), at->step);
        err->retryable = true;
        return -1;
    }
    if (!done) {
        check_pause(w, to);
        w->position = *to;
    }
    check_epoch(w, write->epoch);
    w->marks[MARK_TORN] += torn;
    w->marks[MARK_HOOK_TORN] += torn && write->step->kind == STEP_HOOK;
    int64_t deadline = at->step_began_unix_ms + w->rollout.progress_deadline_ms;
    w->done_late |= done && write->step && w->now + FOLLOW_MAX_MS + 1000 >= deadline;
    if (write->step && !torn)
        act(w, write, decided_at, nobody_seen);
    else if (write->step && write->step->kind == STEP_APPLY && world_chance(w, 70))
        apply(w, write->step->set == SET_OLD ? w->rollout.from : w->rollout.to, true);
    world_changed(w);
    return 0;
}

void world_write_late(struct world *w, const struct target_write *write, int64_t decided_at,
    bool nobody_seen, int64_t at)
{
    for (size_t i = 0; i < WORLD_LATE; i++)
        if (!w->late[i].used) {
            w->late[i] = (struct world_late){
                .used = true,
                .at = at,
                .write = *write,
                .rollout = *write->rollout,
                .decided_at = decided_at,
                .nobody_seen = nobody_seen,
            };
            if (write->step)
                w->late[i].step = *write->step;
            return;
        }
}

void world_abort(struct world *w, const char *who)
{
    if (w->position.phase == PHASE_NONE)
        return;
    w->abort_requested = w->abort_ever = true;
    snprintf(w->abort_who, sizeof w->abort_who, "%s", who);
    world_say(w, "%s requests an abort", who);
}

void world_promote(struct world *w, const char *who)
{
    if (w->position.phase == PHASE_NONE)
        return;
    w->promote_requested = true;
    w->promote_turns = w->position.turns;
    w->promote_step = w->position.step;
    AUTO(program) struct program forward;
    program_forward(&w->rollout, &forward);
    w->marks[MARK_PROMOTED_OUTSIDE] += w->position.phase != PHASE_FORWARD ||
                                       forward.steps.items[w->position.step].kind != STEP_PAUSE;
    world_say(w, "%s promotes", who);
}

static void clear_requests(struct world *w)
{
    w->abort_requested = w->promote_requested = false;
    w->abort_who[0] = '\0';
}

int world_begin(struct world *w, int64_t epoch, const struct rollout *r, struct error *err)
{
    if (epoch != w->epoch)
        return error_set(err, ERR_CONFLICT, "epoch %" PRId64 " rules", w->epoch);
    if (w->position.phase != PHASE_NONE)
        return error_set(err, ERR_CONFLICT, "%s is under way", w->rollout.run);
    w->rollout = *r;
    w->parked = 0;
    w->hooks_begun = w->hooks_done = 0;
    w->hook_doomed = false;
    w->hook_at = INT64_MAX;
    w->done_late = false;
    w->position = (struct position){.phase = PHASE_FORWARD, .step_began_unix_ms = w->now};
    w->last = OUTCOME_PENDING;
    w->ends = 0;
    w->abort_ever = false;
    memset(w->hurt, 0, sizeof w->hurt);
    clear_requests(w);
    AUTO(program) struct program forward;
    program_forward(r, &forward);
    w->peak = program_peak(&forward, r);
    // A set that a rollback settled on may have fewer than it should: no more is asked for.
    int least = r->from_count < r->to_count ? r->from_count : r->to_count;
    w->serving_least = world_serving(w) < least ? world_serving(w) : least;
    // What a platform left there that replaced instances by itself.
    for (size_t i = 0; i < WORLD_SETS; i++)
        if (w->sets[i].retiring && w->sets[i].controller_at == INT64_MAX)
            w->sets[i].controller_at = w->now;
    world_say(w, "%s begins: release %" PRId64 " (%d) to %" PRId64 " (%d), %s%s%s%s", r->run,
        r->from, r->from_count, r->to, r->to_count, strategy_names[r->strategy],
        r->native_rolling ? " by the platform" : "", r->by_ratio ? " by ratio" : "",
        r->applies ? ", with objects" : "");
    world_changed(w);
    return 0;
}

int world_finish(struct world *w, const struct target_end *end, struct error *err)
{
    if (fence(w, end->epoch, end->rollout, err) < 0)
        return -1;
    check_epoch(w, end->epoch);
    w->marks[MARK_SETTLED_OLD] += w->position.phase == PHASE_SETTLE_OLD;
    w->marks[MARK_SETTLED_NEW] += w->position.phase == PHASE_SETTLE_NEW;
    w->marks[outcome_marks[end->outcome]]++;
    w->marks[MARK_NATIVE] += w->rollout.native_rolling && end->outcome == OUTCOME_SUCCESS;
    w->marks[MARK_CANARY] +=
        w->rollout.strategy == STRATEGY_CANARY && end->outcome == OUTCOME_SUCCESS;
    w->marks[MARK_HOOKED] +=
        w->rollout.hooks_before + w->rollout.hooks_after && end->outcome == OUTCOME_SUCCESS;
    for (size_t i = 0; w->rollout.native_rolling && i < WORLD_SETS; i++)
        w->sets[i].percent = w->sets[i].routed = w->sets[i].release == w->live ? 100 : 0;
    w->position = (struct position){0};
    w->last = end->outcome;
    w->ends++;
    clear_requests(w);
    world_say(w, "%s ends: %s %s", end->rollout->run, outcome_name(end->outcome), end->reason);
    world_changed(w);
    return 0;
}
