// What must never be, looked for from outside.
#include <inttypes.h>

#include "support/model_world.h"

// I1. Once something is live, every set that has a share of the traffic has a ready instance. The
// only excuse is the world's: it took the last one that was ready, or took one after the driver had
// looked, or the driver had looked and seen nobody ready anywhere (then there is no right choice).
//
// Where the platform replaces instances by itself, it is the one that keeps enough of them.
static void check_native(struct world *w)
{
    bool excused = false;
    int ready = 0;
    for (size_t i = 0; i < WORLD_SETS; i++) {
        ready += w->sets[i].exists ? world_ready(&w->sets[i]) : 0;
        excused |= w->sets[i].exists && w->sets[i].excused;
    }
    if (w->live && ready == 0 && !excused)
        world_break(w, "I1: nobody is ready, and the world is not to blame");
}

static void check_traffic(struct world *w)
{
    int sum = 0;
    if (w->rollout.native_rolling) {
        check_native(w);
        return;
    }
    for (size_t i = 0; i < WORLD_SETS; i++) {
        const struct world_set *set = &w->sets[i];
        if (!set->exists)
            continue;
        sum += set->routed;
        if (w->live && set->routed && world_ready(set) == 0 && !set->excused)
            world_break(w,
                "I1: %d %% of the traffic goes to release %" PRId64
                ", where nobody is ready, and the world is not to blame",
                set->routed, set->release);
    }
    if (w->live && sum != 100)
        world_break(w, "I1: %d %% of the traffic goes somewhere", sum);
}

int world_serving(const struct world *w)
{
    int serving = 0;
    for (size_t i = 0; i < WORLD_SETS; i++) {
        // Not what an earlier rollout has left.
        if (w->sets[i].release != w->rollout.from && w->sets[i].release != w->rollout.to)
            continue;
        for (size_t k = 0; w->sets[i].exists && k < WORLD_INSTANCES; k++) {
            const struct world_instance *instance = &w->sets[i].instances[k];
            serving +=
                instance->used && instance->was_ready && instance->state != INSTANCE_DRAINING;
        }
    }
    return serving;
}

// Forward until COMMIT, and back: those that serve, or would if the world had let them, are never
// fewer than before (or than asked for, if that is fewer).
static void check_capacity(struct world *w)
{
    const struct rollout *r = &w->rollout;
    bool judged = w->position.phase == PHASE_FORWARD || w->position.phase == PHASE_BACK;
    if (!judged || !r->from || w->live != r->from || r->native_rolling)
        return;
    int serving = world_serving(w);
    if (serving < w->serving_least)
        world_break(w, "capacity: %d instances instead of at least %d", serving, w->serving_least);
}

// Never more than the plan said; draining ones count while going forward.
static void check_peak(struct world *w)
{
    const struct rollout *r = &w->rollout;
    bool forward = w->position.phase == PHASE_FORWARD;
    if (w->position.phase == PHASE_NONE)
        return;
    int present = 0;
    for (size_t i = 0; i < WORLD_SETS; i++) {
        const struct world_set *set = &w->sets[i];
        if (!set->exists || (set->release != r->from && set->release != r->to))
            continue;
        for (size_t k = 0; k < WORLD_INSTANCES; k++)
            present +=
                set->instances[k].used && (forward || set->instances[k].state != INSTANCE_DRAINING);
    }
    int most = forward ? w->peak : r->from_count + r->to_count;
    if (present > most)
        world_break(w, "peak: %d instances instead of at most %d", present, most);
}

void world_check(struct world *w)
{
    if (w->broken[0])
        return;
    check_traffic(w);
    check_capacity(w);
    check_peak(w);
    // I2: a rollout ends once.
    if (w->ends > 1)
        world_break(w, "I2: %s ended %d times", w->rollout.run, w->ends);
}

// What is left of a release that is not live: the platform does not let it go before enough of the
// other are there.
static bool may_remain(const struct world *w, const struct world_set *set)
{
    const struct world_set *told = NULL;
    for (size_t i = 0; i < WORLD_SETS; i++)
        if (w->sets[i].exists && w->sets[i].release == w->live)
            told = &w->sets[i];
    return w->rollout.native_rolling && set->retiring && set->desired == 0 && told &&
           world_ready(told) < told->desired;
}

static void check_objects(struct world *w)
{
    if (!w->rollout.applies)
        return;
    if (w->live && w->applied != w->live)
        world_break(w, "I3: release %" PRId64 " is live, with the objects of release %" PRId64,
            w->live, w->applied);
    for (int i = 1; i < 4; i++) {
        const struct world_set *set = world_set(w, i);
        bool remains = set && may_remain(w, set);
        if (w->standing[i] != (i == w->live) && !remains)
            world_break(w, "I3: objects of release %d are %s, while release %" PRId64 " is live", i,
                w->standing[i] ? "left" : "gone", w->live);
    }
}

// I3. Wholly old or wholly new: the live release is all there is, has all of the traffic, and is as
// many as it was asked to be.
void world_check_end(struct world *w)
{
    const struct rollout *r = &w->rollout;
    bool success = w->last == OUTCOME_SUCCESS;
    if (w->ends != 1 || w->position.phase != PHASE_NONE)
        world_break(w, "I2: %s has not ended", r->run);
    if (w->last != OUTCOME_ROLLBACK_FAILED && w->live != (success ? r->to : r->from))
        world_break(w, "I3: release %" PRId64 " is live after: %s", w->live, outcome_name(w->last));
    if (w->live != r->from && w->live != r->to)
        world_break(w, "I3: release %" PRId64 " is live, of neither side", w->live);
    int sets = 0;
    for (size_t i = 0; i < WORLD_SETS; i++) {
        const struct world_set *set = &w->sets[i];
        if (!set->exists || may_remain(w, set))
            continue;
        sets++;
        int wanted = set->release == r->to ? r->to_count : r->from_count;
        if (set->release != w->live || set->percent != 100 || set->desired != wanted)
            world_break(w,
                "I3: release %" PRId64 " has %d %% of the traffic and %d instances, while %" PRId64
                " is live",
                set->release, set->percent, set->desired, w->live);
        // Time has passed since: whatever the world took once is back, unless it cannot be.
        if (w->quality[set->release] == QUALITY_GOOD && world_ready(set) != wanted)
            world_break(w, "I3: %d of %d instances are ready in the end", world_ready(set), wanted);
    }
    if (sets != (w->live ? 1 : 0))
        world_break(w, "I3: %d releases are there, while %" PRId64 " is live", sets, w->live);
    check_objects(w);
}
