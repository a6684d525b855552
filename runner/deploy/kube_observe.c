// Objects become a snapshot.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/decide.h"
#include "deploy/kube_private.h"
#include "os/clock.h"

#define NODES_FOLLOW_MS 2000 // kube-proxy gathers changes for a second

struct value *kube_items(struct kube_target *k, enum kube_of of, struct error *err)
{
    struct kube_watch *watch = kube_watch_of(k, of, err);
    if (!watch || kube_sync(k, err) < 0)
        return NULL;
    struct value *list = value_list();
    for (size_t i = 0; i < kube_watch_count(watch); i++)
        value_append(list, value_share(kube_watch_item(watch, i)));
    return list;
}

static const struct value *seen(struct kube_target *k, enum kube_of of, const char *name)
{
    struct kube_watch *watch = kube_watch_of(k, of, NULL);
    return watch && name ? kube_watch_get(watch, name) : NULL;
}

const struct value *kube_deployment(
    struct kube_target *k, const struct kube_known *release, enum slot slot)
{
    if (!release->manifest.workload)
        return NULL;
    AUTO_FREE char *name = manifest_slotted_name(&release->manifest, slot);
    return seen(k, KUBE_DEPLOYMENT, name);
}

int64_t kube_release_of(const struct value *object)
{
    const char *text = kube_annotation(object, KUBE_ANNOTATION_RELEASE);
    return text ? strtoll(text, NULL, 10) : 0;
}

void kube_look_again(struct kube_target *k, int64_t unix_ms)
{
    if (unix_ms < k->look_again_unix_ms)
        k->look_again_unix_ms = unix_ms;
}

// What one look at everything works with.
struct look {
    struct kube_target *k;
    const struct kube_state *state;
    struct verdict_input input; // without the Deployment
    struct value *pods, *replica_sets, *events;
    bool has_service;      // by the release's manifest
    struct value *service; // NULL: it is not there
};

// --- sets ---

static bool is_retired(const struct value *deployment, int64_t release)
{
    const char *text = kube_annotation(deployment, KUBE_ANNOTATION_RETIRED);
    return text && strtoll(text, NULL, 10) == release;
}

// In one slot, the pods of the release before are those of the Deployment's older ReplicaSets; to
// end them is the platform's business, whatever RETIRE says.
static void fill_pods(
    struct look *l, enum set which, const struct value *deployment, struct set_state *set)
{
    const struct kube_state *state = l->state;
    struct set_state read = {0};
    bool told = kube_release_of(deployment) == set->release;
    bool native = state->rollout.native_rolling;
    l->input.deployment = deployment;
    if (!told && (!native || (which == SET_NEW && state->position.phase == PHASE_FORWARD)))
        return;
    kube_look_again(l->k, verdict_read(&l->input, told, &read));
    read.release = set->release;
    read.slot = set->slot;
    read.desired = told ? (int)value_get_int(value_get(deployment, "spec"), "replicas", 1) : 0;
    read.retiring = told && is_retired(deployment, set->release);
    read.exists = read.present > 0 || (told && !read.retiring);
    if (!told)
        read.doomed[0] = '\0';
    *set = read;
}

// Only StatefulSets and their like, or Jobs: what was applied is all there is.
static void fill_without_workload(struct look *l, int count, struct set_state *set)
{
    bool applied = l->state->applied == set->release;
    set->exists = applied;
    set->current = true;
    set->desired = set->ready = set->present = applied ? count : 0;
}

// How many there are to be is the autoscaler's business: all of its number count as all of ours.
static void fill_autoscaled(int count, struct set_state *set)
{
    bool all = set->ready >= set->desired;
    set->desired = count;
    if (all || set->ready >= count)
        set->ready = all ? count : count - 1;
}

static int fill_set(struct look *l, enum set which, struct set_state *set, struct error *err)
{
    const struct rollout *r = &l->state->rollout;
    *set = (struct set_state){
        .release = which == SET_OLD ? r->from : r->to,
        .slot = which == SET_OLD ? r->from_slot : r->to_slot,
    };
    if (!set->release)
        return 0;
    struct error why = {0};
    const struct kube_known *known = kube_known(l->k, set->release, &why);
    if (!known && why.kind == ERR_NOT_FOUND && l->state->position.phase == PHASE_NONE)
        return 0; // somebody has taken an old record away
    if (!known) {
        if (err)
            *err = why;
        return -1;
    }
    const struct value *deployment = kube_deployment(l->k, known, set->slot);
    l->input.port = known->manifest.port;
    if (!known->manifest.workload)
        fill_without_workload(l, which == SET_OLD ? r->from_count : r->to_count, set);
    else if (deployment)
        fill_pods(l, which, deployment, set);
    if (set->exists && set->desired > 0 && manifest_autoscaler(&known->manifest))
        fill_autoscaled(which == SET_OLD ? r->from_count : r->to_count, set);
    if (l->state->applied == set->release)
        set->exists = true;
    return 0;
}

// --- traffic ---

static void fill_native_percent(struct snapshot *ret)
{
    struct set_state *old = &ret->sets[SET_OLD], *fresh = &ret->sets[SET_NEW];
    int all = old->ready + fresh->ready;
    fresh->percent = all ? 100 * fresh->ready / all : 0;
    old->percent = all ? 100 - fresh->percent : 0;
}

// What the newer release gets; -1: nobody gets anything.
static int percent_of(const struct look *l, const struct rollout *r)
{
    const char *slot = value_get_str(kube_at(l->service, "spec", "selector"), KUBE_LABEL_SLOT);
    const char *percent = kube_annotation(l->service, KUBE_ANNOTATION_PERCENT);
    if (!l->has_service)
        return l->state->percent;
    if (!l->service || text_equal(slot, KUBE_SLOT_NONE))
        return -1;
    if (text_equal(slot, slot_name(r->to_slot)))
        return 100;
    if (r->from && text_equal(slot, slot_name(r->from_slot)))
        return 0;
    return percent ? atoi(percent) : 0;
}

static void fill_percent(const struct look *l, struct snapshot *ret)
{
    int percent = percent_of(l, &ret->rollout);
    if (percent < 0)
        return;
    ret->sets[SET_NEW].percent = percent;
    ret->sets[SET_OLD].percent = ret->rollout.from ? 100 - percent : 0;
}

static bool is_instance(const struct value *endpoint, const struct set_state *set)
{
    const char *name = value_get_str(value_get(endpoint, "targetRef"), "name");
    for (size_t i = 0; i < set->instance_count; i++)
        if (text_equal(set->instances[i].name, name))
            return true;
    return false;
}

// How many of a slice's endpoints that take traffic are of a set.
static int endpoints_of(const struct value *slice, const struct set_state *set)
{
    int count = 0;
    const struct value *endpoints = value_get(slice, "endpoints");
    for (size_t i = 0; i < value_length(endpoints); i++) {
        const struct value *endpoint = value_at(endpoints, i);
        bool serves = value_get_bool(value_get(endpoint, "conditions"), "ready", true);
        count += serves && is_instance(endpoint, set);
    }
    return count;
}

// Nodes take a moment to do as EndpointSlices say, and nobody tells us of it.
static bool nodes_have_followed(struct kube_target *k, const char *mark)
{
    int64_t now = clock_monotonic_ms();
    if (!text_equal(mark, k->routed_mark)) {
        mem_replace(&k->routed_mark, mark);
        k->routed_since_ms = now;
    }
    int64_t left = k->routed_since_ms + NODES_FOLLOW_MS - now;
    if (left > 0)
        kube_look_again(k, clock_unix_ms() + left);
    return left <= 0;
}

// Whether the EndpointSlices, which nodes go by, have followed the last write to the Service: they
// bear its mark, and hold all who are to have traffic and nobody else.
static int fill_routed(struct look *l, struct snapshot *ret, struct error *err)
{
    ret->routed = true;
    if (!l->service || ret->rollout.native_rolling)
        return 0;
    int there[2] = {0};
    AUTO(value) struct value *slices = kube_items(l->k, KUBE_SLICE, err);
    if (!slices)
        return -1;
    for (size_t i = 0; i < value_length(slices); i++) {
        const struct value *slice = value_at(slices, i);
        if (!text_equal(kube_label(slice, "kubernetes.io/service-name"), kube_name(l->service)))
            continue;
        if (!text_equal(
                kube_label(slice, KUBE_LABEL_ROUTED), kube_label(l->service, KUBE_LABEL_ROUTED)))
            ret->routed = false;
        for (int set = 0; set < 2; set++)
            there[set] += endpoints_of(slice, &ret->sets[set]);
    }
    for (int i = 0; i < 2; i++) {
        const struct set_state *set = &ret->sets[i];
        if (set->percent > 0 ? there[i] < set->ready : there[i] > 0)
            ret->routed = false;
    }
    const char *mark = kube_label(l->service, KUBE_LABEL_ROUTED);
    ret->routed = ret->routed && nodes_have_followed(l->k, mark);
    return 0;
}

// --- the whole ---

static const struct step *step_at(const struct snapshot *s, struct program *program)
{
    phase_program(&s->rollout, s->position.phase, program);
    bool known = s->position.step >= 0 && (size_t)s->position.step < program->steps.length;
    return known ? &program->steps.items[s->position.step] : NULL;
}

static void copy_text(char *to, size_t size, const char *text)
{
    snprintf(to, size, "%.*s", (int)size - 1, text);
}

static int fill_step(struct look *l, struct snapshot *ret, struct error *err)
{
    AUTO(program) struct program program = {0};
    const struct step *step = step_at(ret, &program);
    ret->settled = true;
    if (!step)
        return 0;
    const struct kube_target *k = l->k;
    if (k->refused_turns == ret->position.turns && k->refused_step == ret->position.step)
        copy_text(ret->refused_act, sizeof ret->refused_act, k->refused_act);
    int64_t wanted = step->set == SET_OLD ? ret->rollout.from : ret->rollout.to;
    if (kube_hook_look(l->k, l->state, &l->input, ret, err) < 0)
        return -1;
    if (step->kind != STEP_AWAIT || !step->objects || ret->applied != wanted)
        return 0;
    const struct kube_known *known = kube_known(l->k, wanted, err);
    bool jobs = kube_applies_jobs(&ret->rollout, ret->position.phase);
    l->input.since_unix_ms = ret->position.step_began_unix_ms;
    return known ? kube_settled(l->k, known, jobs, &l->input, &ret->settled, ret->apply_doomed,
                       sizeof ret->apply_doomed, err)
                 : -1;
}

// Kept, because what is looked up after it may run the loop.
static void find_service(struct look *l)
{
    const struct rollout *r = &l->state->rollout;
    const struct kube_known *known = r->to ? kube_known(l->k, r->to, NULL) : NULL;
    struct kube_watch *watch = kube_watch_of(l->k, KUBE_SERVICE, NULL);
    l->has_service = known && known->manifest.service;
    if (!l->has_service || !watch)
        return;
    struct value *found = kube_watch_get(watch, kube_name(known->manifest.service));
    l->service = found ? value_share(found) : NULL;
}

static int fill_sets(struct look *l, struct snapshot *ret, struct error *err)
{
    find_service(l);
    l->input = (struct verdict_input){
        .pods = l->pods,
        .replica_sets = l->replica_sets,
        .events = l->events,
        .since_unix_ms = l->state->rollout.began_unix_ms,
        .now_unix_ms = clock_unix_ms(),
    };
    for (int i = 0; i < 2; i++)
        if (fill_set(l, (enum set)i, &ret->sets[i], err) < 0)
            return -1;
    if (ret->rollout.native_rolling)
        fill_native_percent(ret);
    else
        fill_percent(l, ret);
    return fill_routed(l, ret, err);
}

static int read_objects(struct look *l, struct error *err)
{
    // Whoever is not in the middle of something has no use for the namespace's events.
    bool under_way = l->state->position.phase != PHASE_NONE;
    l->pods = kube_items(l->k, KUBE_POD, err);
    l->replica_sets = l->pods ? kube_items(l->k, KUBE_REPLICA_SET, err) : NULL;
    l->events = !l->replica_sets ? NULL
                : under_way      ? kube_items(l->k, KUBE_EVENT, err)
                                 : value_list();
    return l->events ? 0 : -1;
}

static void fill_holder(const struct value *lease, struct snapshot *ret)
{
    const struct value *spec = value_get(lease, "spec");
    const char *holder = value_get_str(spec, "holderIdentity");
    const char *who = kube_annotation(lease, KUBE_ANNOTATION_WHO);
    ret->epoch = value_get_int(spec, "leaseTransitions", 0);
    if (holder && *holder)
        snprintf(ret->holder, sizeof ret->holder, "%.60s (%.60s)", who ? who : "?", holder);
}

int kube_observe(struct target *t, struct snapshot *ret, struct error *err)
{
    struct kube_target *k = kube_of(t);
    AUTO(kube_state) struct kube_state state = {0};
    *ret = (struct snapshot){0};
    k->look_again_unix_ms = INT64_MAX;
    if (kube_state_read(k, &state, err) < 0)
        return -1;
    fill_holder(seen(k, KUBE_LEASE, k->lease_name), ret);
    ret->live = state.live;
    ret->applied = state.applied;
    ret->rollout = state.rollout;
    ret->position = state.position;
    ret->last = state.last;
    ret->abort_requested = state.abort_requested;
    ret->pause_requested = state.pause_requested;
    ret->promote_requested = state.promote_requested &&
                             state.promote_turns == state.position.turns &&
                             state.promote_step == state.position.step;
    copy_text(ret->abort_who, sizeof ret->abort_who, state.abort_who);
    struct look l = {.k = k, .state = &state};
    int status = read_objects(&l, err);
    if (status == 0)
        status = fill_sets(&l, ret, err);
    if (status == 0)
        status = fill_step(&l, ret, err);
    value_free(l.service);
    value_free(l.pods);
    value_free(l.replica_sets);
    value_free(l.events);
    return status;
}
