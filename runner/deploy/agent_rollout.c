// What drivers write, and whether they may: the contract of deploy/target.h. The state in memory
// only; agent_calls.c saves it.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "codec/digest.h"
#include "deploy/agent_private.h"
#include "deploy/refused.h"
#include "deploy/wire.h"
#include "os/clock.h"

static int check_epoch(const struct agent *a, int64_t epoch, struct error *err)
{
    if (epoch == a->epoch)
        return 0;
    return error_set(err, ERR_CONFLICT,
        "another driver has taken %s over (epoch %" PRId64 " rules, not %" PRId64 ")", a->app,
        a->epoch, epoch);
}

static int later(struct error *err)
{
    if (err)
        err->retryable = true;
    return -1;
}

static int fence(const struct agent *a, int64_t epoch, const char *run, struct error *err)
{
    if (check_epoch(a, epoch, err) < 0)
        return -1;
    if (a->position.phase == PHASE_NONE || strcmp(run, a->rollout.run) != 0) {
        error_set(err, ERR_CONFLICT, "the rollout of run %s is not under way", run);
        return later(err);
    }
    return 0;
}

static void clear_requests(struct agent *a)
{
    a->abort_requested = a->promote_requested = a->pause_requested = false;
    memset(a->abort_who, 0, sizeof a->abort_who);
}

int rollout_begin(struct agent *a, int64_t epoch, const struct rollout *r, struct error *err)
{
    AUTO(release) struct release to = {0};
    const struct value *record = agent_release(a, r->to);
    if (check_epoch(a, epoch, err) < 0)
        return -1;
    if (a->position.phase != PHASE_NONE)
        return error_set(err, ERR_CONFLICT, "the rollout of run %s is under way", a->rollout.run);
    if (r->from != a->live)
        return error_set(err, ERR_CONFLICT,
            "release %" PRId64 " is live, not release %" PRId64 " which the rollout begins from",
            a->live, r->from);
    if (!record)
        return error_set(err, ERR_NOT_FOUND, "there is no release %" PRId64, r->to);
    if (release_from_value(record, &to, err) < 0 || sets_reserve(a, &to, r->from_count, err) < 0 ||
        proxy_ensure(a, to.listen, err) < 0)
        return -1;
    a->rollout = *r;
    a->position = (struct position){.phase = PHASE_FORWARD, .step_began_unix_ms = clock_unix_ms()};
    a->last = OUTCOME_PENDING;
    clear_requests(a);
    return 0;
}

static int act(struct agent *a, const struct step *step, struct error *err)
{
    const struct rollout *r = &a->rollout;
    struct agent_set *old = set_find(a, r->from), *fresh = set_find(a, r->to);
    struct agent_set *set = step->set == SET_OLD ? old : fresh;
    struct agent_set *other = step->set == SET_OLD ? fresh : old;
    switch (step->kind) {
    case STEP_SCALE:
        if (!set)
            set = set_add(a, step->set == SET_OLD ? r->from : r->to,
                step->set == SET_OLD ? r->from_slot : r->to_slot, err);
        if (!set)
            return -1;
        set->desired = step->count;
        return 0;
    case STEP_WEIGHT:
        if (fresh)
            fresh->percent = step->percent;
        if (old)
            old->percent = 100 - step->percent;
        return 0;
    case STEP_COMMIT:
        a->live = r->to;
        return 0;
    case STEP_RETIRE:
        if (!set)
            return 0;
        if (other)
            other->percent += set->percent;
        set->percent = 0;
        set->desired = 0;
        set->retiring = true;
        return 0;
    case STEP_APPLY: // all that an app has here is instances
    case STEP_HOOK:
    case STEP_AWAIT:
    case STEP_DRAIN:
    case STEP_GATE:
    case STEP_PAUSE:
        break;
    }
    return error_set(err, ERR_PROTOCOL, "a step without an act was written as one");
}

int rollout_write(struct agent *a, const struct target_write *w, const char *run, struct error *err)
{
    if (fence(a, w->epoch, run, err) < 0)
        return -1;
    const struct position *at = &a->position, *to = &w->position;
    bool as_seen = at->turns == w->seen_turns && at->step == w->seen_step;
    bool done = at->turns == to->turns && at->step == to->step;
    if (!as_seen && !done) {
        error_set(
            err, ERR_CONFLICT, "the rollout is at %s %d by now", phase_name(at->phase), at->step);
        return later(err);
    }
    if (w->step && act(a, w->step, err) < 0)
        return -1;
    if (!done)
        a->position = *to;
    return 0;
}

// --- releases ---

static void forget_old(struct agent *a)
{
    struct value *kept = value_list();
    for (size_t i = 0; i < value_length(a->releases); i++) {
        struct value *record = value_at(a->releases, i);
        int64_t revision = value_get_int(record, "revision", 0);
        if (i < AGENT_RELEASES_MAX || revision == a->live || set_find(a, revision))
            value_append(kept, value_share(record));
    }
    value_free(a->releases);
    a->releases = kept;
}

int rollout_check_put(
    const struct agent *a, int64_t epoch, const struct value *record, struct error *err)
{
    AUTO(release) struct release checked = {0};
    if (check_epoch(a, epoch, err) < 0 || release_from_value(record, &checked, err) < 0)
        return -1;
    if (strcmp(checked.app, a->app) != 0)
        return error_set(err, ERR_PROTOCOL, "a release of %s, not of %s", checked.app, a->app);
    strv_each (layer, &checked.image.layers)
        if (!digest_ok(*layer)) // it becomes a path
            return error_set(err, ERR_PROTOCOL, "layer \"%s\" is no digest", *layer);
    return 0;
}

void rollout_put(struct agent *a, const struct value *record)
{
    struct value *all = value_list(), *own = value_copy(record);
    value_set_int(own, "revision", ++a->last_revision);
    value_append(all, own);
    for (size_t i = 0; i < value_length(a->releases); i++)
        value_append(all, value_share(value_at(a->releases, i)));
    value_free(a->releases);
    a->releases = all;
    forget_old(a);
}

// --- refused commits ---

static void replace_refused(struct agent *a, struct value *list)
{
    value_free(a->refused);
    a->refused = list;
}

void rollout_refuse(struct agent *a, const char *commit, const char *reason, int64_t release)
{
    replace_refused(a, refused_with(a->refused, commit, reason, release, clock_unix_ms()));
}

int rollout_allow(struct agent *a, const char *commit, struct error *err)
{
    const char *found = refused_match(a->refused, a->app, commit, err);
    if (!found)
        return -1;
    replace_refused(a, refused_without(a->refused, found));
    return 0;
}

int rollout_finish(struct agent *a, int64_t epoch, const char *run, enum outcome outcome,
    const char *reason, const struct rollout_times *times, struct error *err)
{
    if (fence(a, epoch, run, err) < 0)
        return -1;
    struct value *record = agent_release(a, a->rollout.to);
    if (record) {
        value_set_str(record, "outcome", outcome_name(outcome));
        if (*reason)
            value_set_str(record, "reason", reason);
        value_set(record, "times", times_to_value(times));
    }
    replace_refused(a, refused_judged(a->refused, &a->rollout, a->live, a->releases, outcome,
                           reason, clock_unix_ms()));
    a->position = (struct position){0};
    a->last = outcome;
    clear_requests(a);
    return 0;
}

int rollout_request(struct agent *a, const char *what, const char *who, struct error *err)
{
    if (a->position.phase == PHASE_NONE)
        return error_set(err, ERR_CONFLICT, "no rollout of %s is under way", a->app);
    if (strcmp(what, "abort") == 0) {
        a->abort_requested = true;
        snprintf(a->abort_who, sizeof a->abort_who, "%s", who);
        return 0;
    }
    if (strcmp(what, "promote") == 0) {
        a->promote_requested = true;
        a->promote_turns = a->position.turns;
        a->promote_step = a->position.step;
        return 0;
    }
    if (strcmp(what, "pause") == 0 || strcmp(what, "resume") == 0) {
        a->pause_requested = strcmp(what, "pause") == 0;
        return 0;
    }
    return error_set(err, ERR_PROTOCOL, "\"%s\" is nothing that can be requested", what);
}
