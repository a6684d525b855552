// A platform that replaces instances by itself: one thing that is told a release and a count, and
// then has a quarter too many or too few at any time, as a Deployment does by default.
#include "support/model_world.h"

bool world_is_native(const struct world *w, const struct world_set *set)
{
    const struct rollout *r = &w->rollout;
    return r->native_rolling && (set->release == r->from || set->release == r->to);
}

// Which the platform was told, and what else is there.
static struct world_set *find_sets(struct world *w, struct world_set **ret_other)
{
    struct world_set *told = NULL;
    *ret_other = NULL;
    for (size_t i = 0; i < WORLD_SETS; i++) {
        struct world_set *set = &w->sets[i];
        if (!set->exists || !world_is_native(w, set))
            continue;
        if (set->desired)
            told = set;
        else
            *ret_other = set;
    }
    return told;
}

static bool grow(struct world *w, struct world_set *told, const struct world_set *other)
{
    int wanted = told->desired, surge = (wanted + 3) / 4;
    if (world_kept(told) >= wanted ||
        world_kept(told) + (other ? world_kept(other) : 0) >= wanted + surge)
        return false;
    world_add(w, told);
    return true;
}

// Those that are not ready first, but never so many that too few would be there if all of the rest
// came.
static bool shrink(struct world *w, struct world_set *told, struct world_set *other)
{
    int least = told->desired - told->desired / 4;
    if (world_kept(told) > told->desired) {
        world_drop(w, told);
        return true;
    }
    if (!other || world_kept(other) == 0)
        return false;
    bool unready = world_kept(other) > world_ready(other);
    if (world_ready(told) + world_kept(other) <= least ||
        (!unready && world_ready(told) + world_ready(other) <= least))
        return false;
    world_drop(w, other);
    return true;
}

void world_native(struct world *w, bool told_now)
{
    struct world_set *other, *told = find_sets(w, &other);
    if (!told)
        return;
    if (told_now) {
        told->carried_out = told->written;
        told->controller_at = INT64_MAX;
        if (other) {
            other->carried_out = other->written;
            other->controller_at = INT64_MAX;
        }
    }
    if (told->carried_out != told->written)
        return;
    if (w->down_until > w->now) {
        told->controller_at = w->down_until;
        return;
    }
    while (shrink(w, told, other) || grow(w, told, other))
        ;
}
