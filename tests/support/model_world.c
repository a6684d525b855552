#include "support/model_world.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *const mark_names[MARK_COUNT] = {
    [MARK_STALE_REFUSED] = "stale write refused",
    [MARK_LATE_LANDED] = "late write landed",
    [MARK_LATE_REFUSED] = "late write refused",
    [MARK_TORN] = "torn write",
    [MARK_KILLED] = "driver killed",
    [MARK_TAKEN_OVER] = "taken over while stalled",
    [MARK_PREEMPTED] = "pre-empted",
    [MARK_ROLLED_BACK_AFTER] = "rolled back after success",
    [MARK_PARKED] = "parked",
    [MARK_PARKED_AGAIN] = "parked again",
    [MARK_PROMOTED_OUTSIDE] = "promoted outside of a pause",
    [MARK_UNROUTED] = "traffic that had not followed",
    [MARK_UNSETTLED] = "objects that had not settled",
    [MARK_OBJECTS_DOOMED] = "doomed objects",
    [MARK_HALF_APPLIED] = "half applied objects",
    [MARK_HOOKED] = "success with hooks",
    [MARK_HOOK_DOOMED] = "failed hook",
    [MARK_HOOK_TORN] = "hook that was to begin",
    [MARK_NATIVE] = "replaced by the platform",
    [MARK_NATIVE_BACK] = "replaced back by the platform",
    [MARK_CANARY] = "canary",
    [MARK_LEASE_WAITED] = "waited for a lease",
    [MARK_WATCH_LOST] = "watch lost",
    [MARK_OUTAGE] = "outage",
    [MARK_LAG] = "lagging observation",
    [MARK_SETTLED_OLD] = "settled on old",
    [MARK_SETTLED_NEW] = "settled on new",
    [MARK_SUCCESS] = "success",
    [MARK_ROLLED_BACK] = "rolled back",
    [MARK_FAILED] = "failed",
    [MARK_CANCELLED] = "cancelled",
    [MARK_ROLLBACK_FAILED] = "rollback failed",
};

// Chance and story.

// splitmix64: every seed gives its own sequence.
uint64_t world_draw(struct world *w, uint64_t below)
{
    uint64_t z = w->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % below;
}

bool world_chance(struct world *w, unsigned percent)
{
    return world_draw(w, 100) < percent;
}

static int64_t between(struct world *w, int64_t least, int64_t most)
{
    return least + (int64_t)world_draw(w, (uint64_t)(most - least + 1));
}

void world_say(struct world *w, const char *format, ...)
{
    if (!w->story)
        return;
    str_printf(w->story, "%8" PRId64 ".%03d  ", w->now / 1000, (int)(w->now % 1000));
    va_list args;
    va_start(args, format);
    str_vprintf(w->story, format, args);
    va_end(args);
    str_putc(w->story, '\n');
}

void world_break(struct world *w, const char *format, ...)
{
    if (w->broken[0])
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(w->broken, sizeof w->broken, format, args);
    va_end(args);
    world_say(w, "NEVER: %s", w->broken);
}

// Views.

static void record_view(struct world *w)
{
    struct world_view *view = &w->views[w->view_count++ % WORLD_VIEWS];
    view->at = w->now;
    view->applies = w->applies;
    view->routes = w->routes;
    view->hooks_begun = w->hooks_begun;
    view->hooks_done = w->hooks_done;
    view->hook_doomed = w->hook_doomed;
    view->settled = w->settled;
    view->doomed = w->doomed;
    memcpy(view->sets, w->sets, sizeof view->sets);
}

const struct world_view *world_look(const struct world *w, int64_t lag)
{
    unsigned oldest = w->view_count > WORLD_VIEWS ? w->view_count - WORLD_VIEWS : 0;
    unsigned i = w->view_count - 1;
    while (i > oldest && w->views[i % WORLD_VIEWS].at > w->now - lag)
        i--;
    return &w->views[i % WORLD_VIEWS];
}

void world_changed(struct world *w)
{
    record_view(w);
    world_check(w);
}

// Instances.

struct world_set *world_set(struct world *w, int64_t release)
{
    for (size_t i = 0; i < WORLD_SETS; i++)
        if (w->sets[i].exists && w->sets[i].release == release)
            return &w->sets[i];
    return NULL;
}

int world_ready(const struct world_set *set)
{
    int ready = 0;
    for (size_t i = 0; i < WORLD_INSTANCES; i++)
        ready += set->instances[i].used && set->instances[i].state == INSTANCE_READY;
    return ready;
}

static enum fate draw_fate(struct world *w, const struct world_set *set, int index)
{
    switch (w->quality[set->release]) {
    case QUALITY_BROKEN:
        return FATE_BROKEN;
    case QUALITY_SILENT:
        return FATE_SILENT;
    case QUALITY_ONE_BROKEN:
        return index + 1 == set->desired ? FATE_BROKEN : FATE_GOOD;
    case QUALITY_SHAKY:
        return world_chance(w, 40) ? FATE_GOOD : world_chance(w, 50) ? FATE_FLAPPING : FATE_MORTAL;
    case QUALITY_GOOD:
    case QUALITY_COUNT:
        break;
    }
    return FATE_GOOD;
}

static void start_instance(struct world *w, struct world_instance *instance)
{
    instance->state = INSTANCE_STARTING;
    if (instance->fate == FATE_SILENT)
        instance->next_at = INT64_MAX;
    else if (world_chance(w, 15))
        instance->next_at = w->now + between(w, 3000, 12000); // late
    else
        instance->next_at = w->now + between(w, 50, 2000);
}

// The world takes an instance that was ready.
static void lose(struct world *w, struct world_set *set, struct world_instance *instance)
{
    world_say(
        w, "release %" PRId64 " instance %d is not ready any more", set->release, instance->index);
    set->lost_at = w->now;
    w->hurt[set->release] = true;
    if (world_ready(set) == 0)
        set->excused = true;
}

static void end_instance(struct world *w, struct world_instance *instance)
{
    instance->state = INSTANCE_DOWN;
    instance->restarts++;
    instance->next_at = w->now + between(w, 500, 4000);
}

static void instance_ready(struct world *w, struct world_set *set, struct world_instance *instance)
{
    instance->state = INSTANCE_READY;
    instance->was_ready = true;
    set->excused = false;
    bool calm = instance->fate == FATE_GOOD;
    instance->next_at = calm ? INT64_MAX : w->now + between(w, 100, 15000);
}

static void instance_event(struct world *w, struct world_set *set, struct world_instance *instance)
{
    switch (instance->state) {
    case INSTANCE_STARTING:
        if (instance->fate == FATE_BROKEN) {
            end_instance(w, instance);
            if (instance->restarts >= 3)
                snprintf(set->doomed, sizeof set->doomed, "instance %d: exit 2, %d times",
                    instance->index, instance->restarts);
        } else {
            instance_ready(w, set, instance);
        }
        break;
    case INSTANCE_READY:
        if (instance->fate == FATE_FLAPPING) {
            start_instance(w, instance);
        } else {
            end_instance(w, instance);
        }
        if (world_chance(w, 30))
            instance->fate = FATE_GOOD;
        lose(w, set, instance);
        break;
    case INSTANCE_DOWN:
        start_instance(w, instance);
        break;
    case INSTANCE_DRAINING:
        *instance = (struct world_instance){0};
        break;
    }
}

void world_crash_one(struct world *w)
{
    for (size_t i = 0; i < WORLD_SETS; i++)
        for (size_t k = 0; w->sets[i].exists && w->sets[i].percent && k < WORLD_INSTANCES; k++) {
            struct world_instance *instance = &w->sets[i].instances[k];
            if (!instance->used || instance->state != INSTANCE_READY)
                continue;
            end_instance(w, instance);
            lose(w, &w->sets[i], instance);
            world_changed(w);
            return;
        }
}

// The controller: makes a set what was last written.

int world_kept(const struct world_set *set)
{
    int kept = 0;
    for (size_t i = 0; i < WORLD_INSTANCES; i++)
        kept += set->instances[i].used && set->instances[i].state != INSTANCE_DRAINING;
    return kept;
}

void world_add(struct world *w, struct world_set *set)
{
    int index = 0;
    for (size_t i = 0; i < WORLD_INSTANCES; i++)
        if (set->instances[i].used && set->instances[i].state != INSTANCE_DRAINING &&
            set->instances[i].index == index) {
            index++;
            i = (size_t)-1; // look again for the next one
        }
    for (size_t i = 0; i < WORLD_INSTANCES; i++) {
        struct world_instance *instance = &set->instances[i];
        if (instance->used)
            continue;
        *instance =
            (struct world_instance){.used = true, .index = index, .fate = draw_fate(w, set, index)};
        start_instance(w, instance);
        return;
    }
}

// Not ready ones first, then the highest index.
void world_drop(struct world *w, struct world_set *set)
{
    struct world_instance *victim = NULL;
    for (size_t i = 0; i < WORLD_INSTANCES; i++) {
        struct world_instance *other = &set->instances[i];
        if (!other->used || other->state == INSTANCE_DRAINING)
            continue;
        bool other_ready = other->state == INSTANCE_READY;
        bool victim_ready = victim && victim->state == INSTANCE_READY;
        if (!victim || (victim_ready && !other_ready) ||
            (victim_ready == other_ready && other->index > victim->index))
            victim = other;
    }
    bool was_ready = victim->state == INSTANCE_READY;
    victim->state = INSTANCE_DRAINING;
    victim->next_at = w->now + between(w, 20, 4000);
    if (was_ready && world_ready(set) == 0 && set->lost_at > set->decided_at)
        set->excused = true; // the driver saw another one that was ready
}

static void control(struct world *w, struct world_set *set)
{
    int wanted = set->retiring ? 0 : set->desired;
    while (world_kept(set) < wanted)
        world_add(w, set);
    while (world_kept(set) > wanted)
        world_drop(w, set);
    set->carried_out = set->written;
    set->controller_at = INT64_MAX;
}

static void forget_retired(struct world *w, struct world_set *set)
{
    if (!set->exists || !set->retiring || set->desired || set->carried_out != set->written)
        return;
    for (size_t i = 0; i < WORLD_INSTANCES; i++)
        if (set->instances[i].used)
            return;
    w->standing[set->release] = false;
    *set = (struct world_set){0};
}

// Time.

int64_t world_next(const struct world *w)
{
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < WORLD_SETS; i++) {
        const struct world_set *set = &w->sets[i];
        if (!set->exists)
            continue;
        if (set->controller_at < next)
            next = set->controller_at;
        for (size_t k = 0; k < WORLD_INSTANCES; k++)
            if (set->instances[k].used && set->instances[k].next_at < next)
                next = set->instances[k].next_at;
    }
    for (size_t i = 0; i < WORLD_LATE; i++)
        if (w->late[i].used && w->late[i].at < next)
            next = w->late[i].at;
    if (w->route_at < next)
        next = w->route_at;
    if (w->hook_at < next)
        next = w->hook_at;
    return w->objects_at < next ? w->objects_at : next;
}

static void late_event(struct world *w, struct world_late *late)
{
    struct world_late taken = *late;
    late->used = false;
    taken.write.rollout = &taken.rollout;
    if (taken.write.step)
        taken.write.step = &taken.step;
    struct error err = {0};
    bool landed =
        world_write(w, &taken.write, taken.decided_at, taken.nobody_seen, false, &err) == 0;
    w->marks[landed ? MARK_LATE_LANDED : MARK_LATE_REFUSED]++;
    world_say(w, "(that was a late write of epoch %" PRId64 "%s%s)", taken.write.epoch,
        landed ? "" : ": ", landed ? "" : err.message);
}

// What was applied settles, or it shows that it never will.
static void objects_event(struct world *w)
{
    w->objects_at = INT64_MAX;
    if (w->objects[w->applied] == OBJECTS_DOOMED) {
        w->doomed = true;
        return;
    }
    w->settled = w->settled_once[w->applied] = true;
    world_say(w, "the objects of release %" PRId64 " have settled", w->applied);
}

static void hook_event(struct world *w)
{
    w->hook_at = INT64_MAX;
    if (w->hooks[w->hooks_begun - 1] == OBJECTS_DOOMED) {
        w->hook_doomed = true;
        return;
    }
    w->hooks_done = w->hooks_begun;
    world_say(w, "hook %d has ended well", w->hooks_done);
}

static void route_event(struct world *w)
{
    w->route_at = INT64_MAX;
    w->routes = w->routes_written;
    for (size_t i = 0; i < WORLD_SETS; i++)
        w->sets[i].routed = w->sets[i].percent;
    if (w->routes_late)
        world_say(w, "the traffic has followed");
}

static void set_event(struct world *w, struct world_set *set, int64_t at)
{
    if (set->controller_at == at) {
        if (w->down_until > at)
            set->controller_at = w->down_until;
        else if (world_is_native(w, set))
            world_native(w, true);
        else
            control(w, set);
    }
    for (size_t k = 0; k < WORLD_INSTANCES; k++) {
        struct world_instance *instance = &set->instances[k];
        if (!instance->used || instance->next_at != at)
            continue;
        if (instance->state == INSTANCE_DOWN && w->down_until > at)
            instance->next_at = w->down_until; // nobody is there to start it again
        else
            instance_event(w, set, instance);
    }
}

void world_run_until(struct world *w, int64_t until)
{
    for (;;) {
        int64_t next = world_next(w);
        if (next > until)
            break;
        w->now = next > w->now ? next : w->now;
        for (size_t i = 0; i < WORLD_LATE; i++)
            if (w->late[i].used && w->late[i].at == next)
                late_event(w, &w->late[i]);
        if (w->route_at == next)
            route_event(w);
        if (w->objects_at == next)
            objects_event(w);
        if (w->hook_at == next)
            hook_event(w);
        for (size_t i = 0; i < WORLD_SETS; i++)
            if (w->sets[i].exists)
                set_event(w, &w->sets[i], next);
        world_native(w, false);
        for (size_t i = 0; i < WORLD_SETS; i++)
            forget_retired(w, &w->sets[i]);
        world_changed(w);
    }
    if (until > w->now)
        w->now = until;
}

void world_init(struct world *w, uint64_t seed, struct str *story)
{
    memset(w, 0, sizeof *w);
    w->random = seed;
    w->story = story;
    w->now = 1000;
    w->route_at = w->objects_at = w->hook_at = INT64_MAX;
    record_view(w);
}

void world_settled(struct world *w, int64_t release, enum slot slot, int count)
{
    struct world_set *set = &w->sets[0];
    *set = (struct world_set){
        .exists = true,
        .release = release,
        .slot = slot,
        .desired = count,
        .percent = 100,
        .routed = 100,
        .controller_at = INT64_MAX,
    };
    for (int i = 0; i < count; i++) {
        struct world_instance *instance = &set->instances[i];
        *instance = (struct world_instance){.used = true, .index = i, .fate = draw_fate(w, set, i)};
        if (instance->fate == FATE_BROKEN || instance->fate == FATE_SILENT)
            instance->fate = FATE_GOOD; // once it did start
        instance_ready(w, set, instance);
    }
    w->live = release;
    w->applied = release;
    w->standing[release] = w->settled = w->settled_once[release] = true;
    record_view(w);
}
