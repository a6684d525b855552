// A rollout's writes: the position to the Lease first, then the act to its object.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "deploy/kube_private.h"
#include "deploy/refused.h"
#include "os/clock.h"
#include "os/failpoint.h"

// --- the position ---

static int later(struct error *err)
{
    if (err)
        err->retryable = true;
    return -1;
}

static int check_run(const struct kube_state *state, const char *run, struct error *err)
{
    if (state->position.phase != PHASE_NONE && strcmp(run, state->rollout.run) == 0)
        return 0;
    error_set(err, ERR_CONFLICT, "the rollout of run %s is not under way", run);
    return later(err);
}

// What of an act is the state's own. Objects that are about to change are those of no release.
static void change_by_act(const struct target_write *w, struct kube_state *state)
{
    const struct step *step = w->step;
    int64_t release = step->set == SET_OLD ? w->rollout->from : w->rollout->to;
    if (step->kind == STEP_COMMIT)
        state->live = w->rollout->to;
    else if (step->kind == STEP_WEIGHT)
        state->percent = step->percent;
    else if (step->kind == STEP_APPLY && state->applied != release)
        state->applied = 0;
}

static int change_position(void *arg, struct kube_state *state, struct error *err)
{
    const struct target_write *w = arg;
    const struct position *at = &state->position, *to = &w->position;
    if (check_run(state, w->rollout->run, err) < 0)
        return -1;
    bool as_seen = at->turns == w->seen_turns && at->step == w->seen_step;
    bool done = at->turns == to->turns && at->step == to->step;
    if (!as_seen && !done) {
        error_set(
            err, ERR_CONFLICT, "the rollout is at %s %d by now", phase_name(at->phase), at->step);
        return later(err);
    }
    if (!done)
        state->position = *to;
    if (w->step)
        change_by_act(w, state);
    return 0;
}

static int change_applied(void *arg, struct kube_state *state, struct error *err)
{
    (void)err;
    state->applied = *(const int64_t *)arg;
    return 0;
}

// --- acts ---

struct act {
    struct kube_target *k;
    const struct target_write *w;
    const struct kube_known *release; // of the step's set
    enum slot slot;
    int64_t epoch;
    char stamp[24]; // the epoch as the objects bear it
};

// A patch that begins with the fence.
static struct value *fenced_patch(const struct act *a)
{
    struct value *patch = value_list();
    kube_patch_row(patch, "test", value_string(a->stamp), "metadata", "annotations",
        KUBE_ANNOTATION_EPOCH, NULL);
    return patch;
}

// The fence did not let it through: because of a newer driver (-1), or because somebody has taken
// our stamp away (put again: 0).
static int look_at_fence(const struct act *a, enum kube_of of, const char *name, struct error *err)
{
    AUTO(value) struct value *now = NULL;
    struct kube_target *k = a->k;
    if (kube_get(k->client, k->kinds[of], k->ns, name, &now, err) < 0)
        return -1;
    return kube_stamp(k, a->epoch, k->kinds[of], now, err);
}

static int patch(const struct act *a, enum kube_of of, const char *name, struct value *operations,
    struct error *err)
{
    struct kube_target *k = a->k;
    AUTO(value) struct value *owned = operations;
    struct error why = {0};
    for (int tries = 0; tries < KUBE_TRIES; tries++) {
        AUTO(value) struct value *answer = NULL;
        if (kube_patch(k->client, k->kinds[of], k->ns, name, owned, &answer, &why) == 0) {
            kube_own(k, k->kinds[of], name, answer);
            return 0;
        }
        if (!kube_has_changed(&why))
            break;
        if (look_at_fence(a, of, name, err) < 0)
            return -1;
    }
    if (err)
        *err = why;
    return -1;
}

static int create_slot(const struct act *a, struct error *err)
{
    struct kube_target *k = a->k;
    AUTO(value) struct value *answer = NULL;
    AUTO(value) struct value *object = manifest_slotted(&a->release->manifest, a->slot, 0);
    kube_mark(object, a->epoch, a->release->revision);
    if (kube_apply_one(k, a->epoch, a->release->revision, object, err) < 0)
        return -1;
    return 0;
}

static int scale_to(const struct act *a, const char *name, int count, struct error *err)
{
    struct value *operations = fenced_patch(a);
    kube_patch_row(operations, "add", value_int(count), "spec", "replicas", NULL);
    return patch(a, KUBE_DEPLOYMENT, name, operations, err);
}

static int show_preview(const struct act *a, struct error *err)
{
    if (!a->release->manifest.service || a->w->rollout->native_rolling)
        return 0;
    AUTO(value) struct value *preview = manifest_preview(&a->release->manifest, a->slot);
    return kube_apply_one(a->k, a->epoch, a->release->revision, preview, err);
}

// A slot that is to hold another release gets its template and count in one write; one that does
// not exist is created empty first, because a creation cannot be fenced.
static int scale(const struct act *a, int count, struct error *err)
{
    const struct manifest *m = &a->release->manifest;
    if (!m->workload)
        return 0;
    AUTO_FREE char *name = manifest_slotted_name(m, a->slot);
    const struct value *now = kube_deployment(a->k, a->release, a->slot);
    bool retired = kube_annotation(now, KUBE_ANNOTATION_RETIRED) != NULL;
    if (now && kube_release_of(now) == a->release->revision && !retired)
        return scale_to(a, name, count, err);
    if (!now && create_slot(a, err) < 0)
        return -1;
    if (!now)
        return show_preview(a, err) < 0 ? -1 : scale_to(a, name, count, err);
    // An autoscaler's number stays where it goes on scaling the same Deployment.
    bool autoscaled = manifest_autoscaler(m) && a->w->rollout->native_rolling;
    AUTO(value) struct value *object = manifest_slotted(m, a->slot, autoscaled ? -1 : count);
    if (kube_apply_one(a->k, a->epoch, a->release->revision, object, err) < 0)
        return -1;
    if (retired) {
        struct value *operations = fenced_patch(a);
        kube_patch_row(
            operations, "remove", NULL, "metadata", "annotations", KUBE_ANNOTATION_RETIRED, NULL);
        if (patch(a, KUBE_DEPLOYMENT, name, operations, err) < 0)
            return -1;
    }
    return show_preview(a, err);
}

static const char *slot_for(const struct rollout *r, int percent)
{
    if (percent == 100)
        return slot_name(r->to_slot);
    if (percent == 0)
        return r->from ? slot_name(r->from_slot) : KUBE_SLOT_NONE;
    return NULL; // both
}

static int weigh(const struct act *a, int percent, struct error *err)
{
    const struct manifest *m = &a->release->manifest;
    if (!m->service)
        return 0;
    AUTO(value) struct value *operations = fenced_patch(a);
    AUTO(value) struct value *wanted = manifest_service(m, SLOT_ANY);
    struct value *selector = value_copy(kube_at(wanted, "spec", "selector"));
    value_set_str(selector, KUBE_LABEL_SLOT, slot_for(a->w->rollout, percent));
    AUTO_FREE char *text = mem_printf("%d", percent);
    AUTO_FREE char *mark = mem_printf("%d-%d", a->w->position.turns, a->w->position.step);
    kube_patch_row(operations, "add", selector, "spec", "selector", NULL);
    kube_patch_row(operations, "add", value_string(text), "metadata", "annotations",
        KUBE_ANNOTATION_PERCENT, NULL);
    kube_patch_row(
        operations, "add", value_string(mark), "metadata", "labels", KUBE_LABEL_ROUTED, NULL);
    struct error why = {0};
    if (patch(a, KUBE_SERVICE, kube_name(m->service), value_share(operations), &why) == 0)
        return 0;
    // Somebody has deleted it: made again, it gives no traffic before the patch.
    if (why.kind == ERR_NOT_FOUND &&
        kube_apply_service(a->k, a->epoch, a->release, false, &why) == 0)
        return patch(a, KUBE_SERVICE, kube_name(m->service), value_share(operations), err);
    if (err)
        *err = why;
    return -1;
}

// In one slot the other release has taken the Deployment over already.
static int empty_slot(const struct act *a, struct error *err)
{
    const struct value *now = kube_deployment(a->k, a->release, a->slot);
    bool shared = a->w->rollout->native_rolling && a->w->rollout->from;
    if (!now || shared || kube_release_of(now) != a->release->revision)
        return 0;
    AUTO_FREE char *release = mem_printf("%" PRId64, a->release->revision);
    struct value *operations = fenced_patch(a);
    kube_patch_row(operations, "add", value_int(0), "spec", "replicas", NULL);
    kube_patch_row(operations, "add", value_string(release), "metadata", "annotations",
        KUBE_ANNOTATION_RETIRED, NULL);
    AUTO_FREE char *name = mem_strdup(kube_name(now));
    return patch(a, KUBE_DEPLOYMENT, name, operations, err);
}

static int forget_applied(void *arg, struct kube_state *state, struct error *err)
{
    (void)err;
    if (state->applied == *(const int64_t *)arg)
        state->applied = 0;
    return 0;
}

// Its other objects go when the rollout ends, which is done again if it was not done to its end.
static int retire(const struct act *a, struct error *err)
{
    int64_t revision = a->release->revision;
    if (empty_slot(a, err) < 0)
        return -1;
    return kube_state_change(a->k, a->epoch, forget_applied, &revision, err);
}

static int apply(const struct act *a, struct error *err)
{
    int64_t revision = a->release->revision;
    bool jobs = kube_applies_jobs(a->w->rollout, a->w->position.phase);
    if (kube_apply_others(a->k, a->epoch, a->release, a->w->rollout->native_rolling, jobs, err) < 0)
        return -1;
    return kube_state_change(a->k, a->epoch, change_applied, &revision, err);
}

static int act(struct kube_target *k, const struct target_write *w, struct error *err)
{
    const struct rollout *r = w->rollout;
    const struct step *step = w->step;
    int64_t revision = step->set == SET_OLD ? r->from : r->to;
    struct act a = {
        .k = k,
        .w = w,
        .slot = step->set == SET_OLD ? r->from_slot : r->to_slot,
        .epoch = w->epoch,
    };
    snprintf(a.stamp, sizeof a.stamp, "%" PRId64, w->epoch);
    a.release = kube_known(k, revision, err);
    if (!a.release)
        return -1;
    switch (step->kind) {
    case STEP_APPLY:
        return apply(&a, err);
    case STEP_HOOK:
        return kube_hook_begin(k, w->epoch, a.release, step->hook, err);
    case STEP_SCALE:
        return scale(&a, step->count, err);
    case STEP_WEIGHT:
        return weigh(&a, step->percent, err);
    case STEP_RETIRE:
        return retire(&a, err);
    case STEP_COMMIT: // went with the position
        return kube_point_autoscaler(k, w->epoch, a.release, err);
    case STEP_AWAIT:
    case STEP_DRAIN:
    case STEP_GATE:
    case STEP_PAUSE:
        break;
    }
    return error_set(err, ERR_PROTOCOL, "a step without an act was written as one");
}

// What the server said no to, and will again: invalid, forbidden, another's field or object. It is
// told as the doom of the set at the next look, so that the rollout goes back rather than stands.
static bool is_final(const struct error *err)
{
    return !err->retryable && (err->kind == ERR_NOT_FOUND || err->kind == ERR_DENIED ||
                                  (err->http_status >= 400 && err->http_status < 500));
}

int kube_write(struct target *t, const struct target_write *w, struct error *err)
{
    struct kube_target *k = kube_of(t);
    struct target_write copy = *w;
    struct error why = {0};
    if (kube_state_change(k, w->epoch, change_position, &copy, err) < 0)
        return -1;
    failpoint("deploy.position_written");
    if (!w->step || act(k, w, &why) == 0)
        return 0;
    if (is_final(&why)) {
        k->refused_turns = w->position.turns;
        k->refused_step = w->position.step;
        snprintf(k->refused_act, sizeof k->refused_act, "%.*s", (int)sizeof k->refused_act - 1,
            why.message);
        return 0;
    }
    if (err)
        *err = why;
    return -1;
}

// --- begin and end ---

struct beginning {
    struct kube_target *k;
    const struct rollout *rollout;
};

static int change_begin(void *arg, struct kube_state *state, struct error *err)
{
    const struct beginning *b = arg;
    if (state->position.phase != PHASE_NONE)
        return error_set(
            err, ERR_CONFLICT, "the rollout of run %s is under way", state->rollout.run);
    if (b->rollout->from != state->live)
        return error_set(err, ERR_CONFLICT,
            "release %" PRId64 " is live, not release %" PRId64 " which the rollout begins from",
            state->live, b->rollout->from);
    state->rollout = *b->rollout;
    state->position =
        (struct position){.phase = PHASE_FORWARD, .step_began_unix_ms = clock_unix_ms()};
    state->last = OUTCOME_PENDING;
    state->percent = state->hooks = 0;
    state->abort_requested = state->promote_requested = state->pause_requested = false;
    state->abort_who[0] = '\0';
    return 0;
}

int kube_begin(struct target *t, int64_t epoch, const struct rollout *rollout, struct error *err)
{
    struct kube_target *k = kube_of(t);
    struct beginning b = {k, rollout};
    // What a rollout will look at is followed now: a right that is missing stops it here,
    // untouched.
    if (!kube_known(k, rollout->to, err) || !kube_watch_of(k, KUBE_EVENT, err) ||
        kube_sync(k, err) < 0)
        return -1;
    k->refused_act[0] = '\0';
    return kube_state_change(k, epoch, change_begin, &b, err);
}

struct ending {
    const struct target_end *end;
    const struct value *records;
};

static int change_end(void *arg, struct kube_state *state, struct error *err)
{
    const struct ending *e = arg;
    const struct target_end *end = e->end;
    if (check_run(state, end->rollout->run, err) < 0)
        return -1;
    struct value *refused = refused_judged(state->refused, &state->rollout, state->live, e->records,
        end->outcome, end->reason, clock_unix_ms());
    value_free(state->refused);
    state->refused = refused;
    state->position = (struct position){0};
    state->last = end->outcome;
    state->abort_requested = state->promote_requested = state->pause_requested = false;
    state->abort_who[0] = '\0';
    return 0;
}

// What only the release that does not serve has.
static int prune(
    struct kube_target *k, const struct target_end *end, int64_t live, struct error *err)
{
    const struct rollout *r = end->rollout;
    const struct kube_known *kept = live ? kube_known(k, live, err) : NULL;
    if (live && !kept)
        return -1;
    const int64_t both[] = {r->from, r->to};
    for (size_t i = 0; i < ARRAY_LEN(both); i++) {
        const struct kube_known *gone = both[i] ? kube_known(k, both[i], err) : NULL;
        // Hooks that ran now stay for who wants to know what they said.
        if (both[i] && (!gone || kube_hook_delete(k, end->epoch, gone, r->to, err) < 0))
            return -1;
        if (!gone || both[i] == live)
            continue;
        if (kube_prune(k, end->epoch, &gone->manifest, kept ? &kept->manifest : NULL, err) < 0)
            return -1;
    }
    return 0;
}

// Once more: whoever committed may have died before he did.
static int autoscale(struct kube_target *k, int64_t epoch, int64_t live, struct error *err)
{
    const struct kube_known *release = live ? kube_known(k, live, err) : NULL;
    return !live ? 0 : release ? kube_point_autoscaler(k, epoch, release, err) : -1;
}

// What the server will not let us take away stays: it must not keep the rollout from its end.
static int tidy(struct kube_target *k, const struct target_end *end, int64_t live,
    const struct value *records, struct error *err)
{
    struct error why = {0};
    bool done = prune(k, end, live, &why) == 0 || is_final(&why);
    done = done && (autoscale(k, end->epoch, live, &why) == 0 || is_final(&why));
    done = done && (kube_release_trim(k, end->epoch, records, live, end->rollout, &why) == 0 ||
                       is_final(&why));
    if (done)
        return 0;
    if (err)
        *err = why;
    return -1;
}

// The state last: whoever is killed before it does all of this again.
int kube_finish(struct target *t, const struct target_end *end, struct error *err)
{
    struct kube_target *k = kube_of(t);
    AUTO(value) struct value *records = NULL;
    AUTO(kube_state) struct kube_state state = {0};
    if (kube_state_read(k, &state, err) < 0 || check_run(&state, end->rollout->run, err) < 0 ||
        kube_release_end(k, end, state.hooks, err) < 0 || kube_release_list(t, &records, err) < 0 ||
        tidy(k, end, state.live, records, err) < 0)
        return -1;
    struct ending e = {end, records};
    return kube_state_change(k, end->epoch, change_end, &e, err);
}
