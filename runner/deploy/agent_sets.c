// The sets of instances: what is desired becomes instances that start and leave.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/agent_private.h"
#include "deploy/ports.h"
#include "os/fd.h"
#include "os/sockets.h"

struct agent_set *set_find(const struct agent *a, int64_t release)
{
    vec_each (set, &a->sets)
        if (release && (*set)->release == release)
            return *set;
    return NULL;
}

struct agent_set *set_add(struct agent *a, int64_t release, enum slot slot, struct error *err)
{
    const struct value *record = agent_release(a, release);
    if (!record) {
        error_set(err, ERR_NOT_FOUND, "there is no release %lld", (long long)release);
        return NULL;
    }
    struct agent_set *set = mem_alloc(sizeof *set);
    set->release = release;
    set->slot = slot;
    if (release_from_value(record, &set->spec, err) < 0) {
        set_free(set);
        return NULL;
    }
    vec_push(&a->sets, set);
    return set;
}

void set_free(struct agent_set *set)
{
    vec_each (instance, &set->instances)
        instance_free(*instance);
    vec_free(&set->instances);
    release_done(&set->spec);
    free(set);
}

// --- ports ---

static bool port_is_ours(const struct agent *a, int port)
{
    vec_each (set, &a->sets)
        vec_each (instance, &(*set)->instances)
            if ((*instance)->kept.port == port)
                return true;
    return false;
}

static bool all_free(int first, int count)
{
    for (int i = 0; i < count; i++)
        if (!port_is_free(first + i))
            return false;
    return true;
}

// The first of `count` ports in a row that nobody has.
static int find_ports(const struct agent *a, int count, int *ret, struct error *err)
{
    *ret = 0;
    if (count == 0)
        return 0;
    vec_each (block, &a->blocks)
        for (int place = 0; block->stride >= count && place < block->places; place++) {
            int port = block->first + place * block->stride;
            if (!port_is_ours(a, port) && all_free(port, count)) {
                *ret = port;
                return 0;
            }
        }
    return error_set(err, ERR_LIMIT,
        "no port of the app's own is free: others on this host listen on them (%d to %d)",
        a->blocks.length ? a->blocks.items[0].first : 0,
        a->blocks.length
            ? a->blocks.items[0].first + a->blocks.items[0].places * a->blocks.items[0].stride - 1
            : 0);
}

int sets_reserve(struct agent *a, const struct release *to, int from_count, struct error *err)
{
    int count = (int)to->ports.items.length;
    // Both sets of this rollout, and as much again for what still drains and for the next one.
    int larger = to->instances > from_count ? to->instances : from_count;
    int wanted = 4 * larger, places = 0;
    vec_each (block, &a->blocks)
        places += block->stride >= count ? block->places : 0;
    if (count == 0 || places >= 2 * larger + 2)
        return 0;
    struct port_block block = {.places = wanted < 8 ? 8 : wanted, .stride = count < 2 ? 2 : count};
    AUTO_FD int lock = -1;
    if (ports_reserve(a->state_path, block.places * block.stride, &block.first, &lock, err) < 0)
        return -1;
    vec_push(&a->blocks, block);
    if (agent_save(a, err) == 0) // while the lock is held, so that no other app takes the same
        return 0;
    a->blocks.length--;
    return -1;
}

// --- counts ---

// Who goes first: whoever is not ready, then the highest index.
static struct agent_instance *choose_leaver(const struct agent_set *set)
{
    struct agent_instance *chosen = NULL;
    vec_each (item, &set->instances) {
        struct agent_instance *i = *item;
        if (i->kept.leaving)
            continue;
        bool rather = !chosen || (chosen->ready && !i->ready) ||
                      (chosen->ready == i->ready && i->kept.index > chosen->kept.index);
        if (rather)
            chosen = i;
    }
    return chosen;
}

// One that still drains may as well stay.
static struct agent_instance *choose_returner(const struct agent_set *set)
{
    vec_each (item, &set->instances)
        if ((*item)->kept.leaving && (*item)->phase == RUN_UP)
            return *item;
    return NULL;
}

static bool index_is_taken(const struct agent_set *set, int index)
{
    vec_each (item, &set->instances)
        if ((*item)->kept.index == index)
            return true;
    return false;
}

static int add_instance(struct agent *a, struct agent_set *set, struct error *err)
{
    int port;
    if (find_ports(a, (int)set->spec.ports.items.length, &port, err) < 0)
        return -1;
    struct agent_instance *i = instance_new(a, &set->spec);
    i->kept = (struct kept_instance){.id = ++a->last_instance, .port = port};
    while (index_is_taken(set, i->kept.index))
        i->kept.index++;
    vec_push(&set->instances, i);
    return 0;
}

static void settle_count(struct agent *a, struct agent_set *set)
{
    int staying = 0;
    struct error err = {0};
    memset(set->trouble, 0, sizeof set->trouble);
    vec_each (item, &set->instances)
        staying += !(*item)->kept.leaving;
    for (; staying > set->desired; staying--)
        choose_leaver(set)->kept.leaving = true;
    for (; staying < set->desired; staying++) {
        struct agent_instance *back = choose_returner(set);
        if (back) {
            back->kept.leaving = false;
        } else if (add_instance(a, set, &err) < 0) {
            snprintf(set->trouble, sizeof set->trouble, "%.*s", (int)sizeof set->trouble - 1,
                err.message);
            return;
        }
    }
}

static void drop_gone(struct agent *a)
{
    for (size_t s = a->sets.length; s--;) {
        struct agent_set *set = a->sets.items[s];
        for (size_t i = set->instances.length; i--;)
            if (instance_is_gone(set->instances.items[i])) {
                instance_remove(set->instances.items[i]);
                instance_free(set->instances.items[i]);
                set->instances.items[i] = set->instances.items[--set->instances.length];
            }
        if (set->retiring && !set->instances.length) {
            set_free(set);
            a->sets.items[s] = a->sets.items[--a->sets.length];
        }
    }
}

void sets_settle(struct agent *a)
{
    drop_gone(a); // their names and ports are free again
    vec_each (set, &a->sets)
        settle_count(a, *set);
    drop_gone(a); // who did not run when it was to leave
}

// --- what is seen ---

static void observe_instance(const struct agent_instance *i, struct set_state *ret)
{
    ret->present++;
    ret->ready += instance_state_of(i) == INSTANCE_READY;
    if (i->doomed[0] && !i->kept.leaving && !ret->doomed[0])
        memcpy(ret->doomed, i->doomed, sizeof ret->doomed);
}

static void list_instance(const struct agent_instance *i, struct set_state *ret)
{
    if (ret->instance_count == ARRAY_LEN(ret->instances))
        return;
    struct instance *seen = &ret->instances[ret->instance_count++];
    int port = instance_http_port(i);
    seen->state = instance_state_of(i);
    seen->index = i->kept.index;
    seen->restarts = i->kept.restarts;
    memcpy(seen->last_end, i->kept.last_end, sizeof seen->last_end);
    if (port)
        snprintf(seen->address, sizeof seen->address, "127.0.0.1:%d", port);
}

static void observe_set(const struct agent *a, int64_t release, struct set_state *ret)
{
    const struct agent_set *set = set_find(a, release);
    *ret = (struct set_state){.release = release, .current = true};
    if (!set)
        return;
    ret->exists = true;
    ret->slot = set->slot;
    ret->desired = set->desired;
    ret->percent = set->percent;
    ret->retiring = set->retiring;
    memcpy(ret->doomed, set->trouble, sizeof ret->doomed);
    vec_each (item, &set->instances)
        observe_instance(*item, ret);
    for (int leaving = 0; leaving <= 1; leaving++) // those that drain last
        vec_each (item, &set->instances)
            if ((*item)->kept.leaving == (leaving == 1))
                list_instance(*item, ret);
}

void sets_observe(const struct agent *a, struct snapshot *ret)
{
    *ret = (struct snapshot){
        .epoch = a->epoch,
        .live = a->live,
        .rollout = a->rollout,
        .position = a->position,
        .last = a->last,
        .routed = true,
        .abort_requested = a->abort_requested,
        .pause_requested = a->pause_requested,
        .promote_requested = a->promote_requested && a->promote_turns == a->position.turns &&
                             a->promote_step == a->position.step,
    };
    memcpy(ret->abort_who, a->abort_who, sizeof ret->abort_who);
    if (a->holder)
        snprintf(ret->holder, sizeof ret->holder, "%s", a->holder->who);
    // The live release is an old set when no rollout says otherwise.
    bool none = !a->rollout.to;
    observe_set(a, none ? a->live : a->rollout.from, &ret->sets[SET_OLD]);
    observe_set(a, none ? 0 : a->rollout.to, &ret->sets[SET_NEW]);
}

// Who of a set can take requests: the ready ones; while there is none, those that were and still
// run.
static void collect_ports(const struct agent_set *set, struct route_set *ret)
{
    ret->percent = set->percent;
    for (int resort = 0; resort <= 1 && !ret->ports.length; resort++)
        vec_each (item, &set->instances) {
            const struct agent_instance *i = *item;
            bool can =
                i->phase == RUN_UP && !i->kept.leaving && (resort ? i->kept.was_ready : i->ready);
            if (can && instance_http_port(i))
                vec_push(&ret->ports, instance_http_port(i));
        }
}

void sets_route(const struct agent *a, struct route *ret)
{
    VEC(struct route_set) sets = {0};
    vec_each (set, &a->sets)
        if ((*set)->percent > 0)
            collect_ports(*set, vec_add(&sets));
    route_plan(sets.items, sets.length, ret);
    vec_each (set, &sets)
        vec_free(&set->ports);
    vec_free(&sets);
}
