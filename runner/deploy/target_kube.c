#include "deploy/target_kube.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/kube_private.h"
#include "deploy/refused.h"
#include "os/clock.h"

#define SYNC_MS     30000
#define WAIT_MAX_MS (24 * INT64_C(3600000))

static const struct {
    const char *api_version, *kind;
} named[KUBE_OF_COUNT] = {
    [KUBE_LEASE] = {"coordination.k8s.io/v1", "Lease"},
    [KUBE_DEPLOYMENT] = {"apps/v1", "Deployment"},
    [KUBE_SERVICE] = {"v1", "Service"},
    [KUBE_POD] = {"v1", "Pod"},
    [KUBE_REPLICA_SET] = {"apps/v1", "ReplicaSet"},
    [KUBE_SLICE] = {"discovery.k8s.io/v1", "EndpointSlice"},
    [KUBE_REVISION] = {"apps/v1", "ControllerRevision"},
    [KUBE_SECRET] = {"v1", "Secret"},
    [KUBE_EVENT] = {"v1", "Event"},
};
// What a snapshot is made of. Events are followed while a rollout is under way.
static const enum kube_of base[] = {
    KUBE_LEASE, KUBE_DEPLOYMENT, KUBE_SERVICE, KUBE_POD, KUBE_REPLICA_SET, KUBE_SLICE};

// --- following ---

static void on_news(void *arg)
{
    struct kube_target *k = arg;
    k->news = true;
    if (k->waiting)
        loop_stop(k->loop);
}

static struct kube_watch *follow(
    struct kube_target *k, const struct kube_kind *kind, struct error *err)
{
    vec_each (f, &k->followed)
        if (f->kind == kind)
            return f->watch;
    bool all = kind == k->kinds[KUBE_EVENT]; // events bear no label of whom they are about
    struct kube_watch *watch =
        kube_watch_new(k->client, kind, k->ns, all ? NULL : k->selector, on_news, k, err);
    if (watch)
        vec_push(&k->followed, ((struct kube_followed){kind, watch}));
    return watch;
}

struct kube_watch *kube_watch_of(struct kube_target *k, enum kube_of of, struct error *err)
{
    return follow(k, k->kinds[of], err);
}

struct kube_watch *kube_follow(
    struct kube_target *k, const char *api_version, const char *kind, struct error *err)
{
    const struct kube_kind *found;
    return kube_kind_find(k->client, api_version, kind, &found, err) < 0 ? NULL
                                                                         : follow(k, found, err);
}

void kube_own(struct kube_target *k, const struct kube_kind *kind, const char *name,
    const struct value *object)
{
    vec_each (f, &k->followed)
        if (f->kind == kind)
            kube_watch_own(f->watch, name, object);
}

static bool all_synced(const struct kube_target *k)
{
    vec_each (f, &k->followed)
        if (!kube_watch_synced(f->watch))
            return false;
    return true;
}

static int first_error(const struct kube_target *k, struct error *err)
{
    vec_each (f, &k->followed) {
        const struct error *why = kube_watch_error(f->watch);
        if (!why)
            continue;
        if (err)
            *err = *why;
        return -1;
    }
    return 0;
}

int kube_sync(struct kube_target *k, struct error *err)
{
    for (size_t i = 0; i < ARRAY_LEN(base); i++)
        if (!kube_watch_of(k, base[i], err))
            return -1;
    int64_t end = clock_monotonic_ms() + SYNC_MS;
    while (!all_synced(k)) {
        if (first_error(k, err) < 0)
            return -1;
        if (clock_monotonic_ms() >= end) {
            error_set(err, ERR_TIMEOUT, "the cluster does not say what there is of %s", k->app);
            if (err)
                err->retryable = true;
            return -1;
        }
        if (kube_run(k, end, err) < 0)
            return -1;
    }
    return first_error(k, err);
}

// --- waiting ---

static void on_deadline(struct loop_timer *timer)
{
    struct kube_target *k = timer->arg;
    loop_stop(k->loop);
}

int kube_run(struct kube_target *k, int64_t deadline_ms, struct error *err)
{
    if (k->news || k->woken)
        deadline_ms = 0; // the loop gets its turn in any case: signals and gates must not starve
    loop_timer_start(k->loop, &k->deadline, deadline_ms, on_deadline, k);
    k->waiting = true;
    int status = loop_run(k->loop, err);
    k->waiting = k->woken = k->news = false;
    loop_timer_stop(&k->deadline);
    return status;
}

static int kube_wait(struct target *t, int64_t deadline_unix_ms, struct error *err)
{
    struct kube_target *k = kube_of(t);
    if (k->look_again_unix_ms < deadline_unix_ms)
        deadline_unix_ms = k->look_again_unix_ms;
    k->look_again_unix_ms = INT64_MAX; // the next look says it anew
    int64_t left = deadline_unix_ms - clock_unix_ms();
    left = left < 0 ? 0 : left < WAIT_MAX_MS ? left : WAIT_MAX_MS;
    return kube_run(k, clock_monotonic_ms() + left, err);
}

static void kube_wake(struct target *t)
{
    struct kube_target *k = kube_of(t);
    k->woken = true;
    loop_stop(k->loop);
}

static int64_t kube_now(struct target *t)
{
    (void)t;
    return clock_unix_ms();
}

// --- what is asked of the state alone ---

struct request {
    struct kube_target *k;
    const char *what, *who;
};

static int change_request(void *arg, struct kube_state *state, struct error *err)
{
    const struct request *r = arg;
    if (state->position.phase == PHASE_NONE)
        return error_set(err, ERR_CONFLICT, "no rollout of %s is under way", r->k->app);
    if (text_equal(r->what, "abort")) {
        state->abort_requested = true;
        snprintf(state->abort_who, sizeof state->abort_who, "%s", r->who);
        return 0;
    }
    if (text_equal(r->what, "promote")) {
        state->promote_requested = true;
        state->promote_turns = state->position.turns;
        state->promote_step = state->position.step;
        return 0;
    }
    if (text_equal(r->what, "pause") || text_equal(r->what, "resume")) {
        state->pause_requested = text_equal(r->what, "pause");
        return 0;
    }
    return error_set(err, ERR_PROTOCOL, "\"%s\" is nothing that can be requested", r->what);
}

static int kube_request_(struct target *t, const char *what, const char *who, struct error *err)
{
    struct request r = {kube_of(t), what, who};
    return kube_state_change(r.k, 0, change_request, &r, err);
}

static int kube_refused(struct target *t, struct value **ret_list, struct error *err)
{
    AUTO(kube_state) struct kube_state state = {0};
    if (kube_state_read(kube_of(t), &state, err) < 0)
        return -1;
    *ret_list = state.refused ? take_ptr(state.refused) : value_list();
    return 0;
}

struct refusal {
    struct kube_target *k;
    const char *commit, *reason;
};

static int change_refuse(void *arg, struct kube_state *state, struct error *err)
{
    (void)err;
    const struct refusal *r = arg;
    struct value *list = refused_with(state->refused, r->commit, r->reason, 0, clock_unix_ms());
    value_free(state->refused);
    state->refused = list;
    return 0;
}

static int kube_refuse(struct target *t, const char *commit, const char *reason, struct error *err)
{
    struct refusal r = {kube_of(t), commit, reason};
    return kube_state_change(r.k, 0, change_refuse, &r, err);
}

static int change_allow(void *arg, struct kube_state *state, struct error *err)
{
    const struct refusal *r = arg;
    const char *found = refused_match(state->refused, r->k->app, r->commit, err);
    if (!found)
        return -1;
    struct value *list = refused_without(state->refused, found);
    value_free(state->refused);
    state->refused = list;
    return 0;
}

static int kube_allow(struct target *t, const char *commit, struct error *err)
{
    struct refusal r = {.k = kube_of(t), .commit = commit};
    return kube_state_change(r.k, 0, change_allow, &r, err);
}

// --- asking an instance ---

// By the API server, which reaches pods: whoever drives need not be in their network.
static int kube_probe(struct target *t, const struct instance *instance, const char *path,
    struct target_probe *ret, struct error *err)
{
    struct kube_target *k = kube_of(t);
    struct kube_raw raw = {0};
    const char *port = strrchr(instance->address, ':');
    if (!port)
        return error_set(err, ERR_UNSUPPORTED, "pod %s has no port to ask", instance->name);
    AUTO_FREE char *pod = kube_path(k->kinds[KUBE_POD], k->ns, instance->name);
    AUTO_FREE char *whole = mem_printf("%s%s/proxy%s", pod, port, path);
    if (kube_raw_request(k->client, whole, &raw, err) < 0) {
        kube_raw_done(&raw);
        return -1;
    }
    ret->url = take_ptr(raw.url);
    ret->headers = raw.headers;
    ret->request = raw.request;
    ret->request.url = ret->url;
    ret->request.headers = &ret->headers;
    ret->peer = raw.peer;
    ret->request.peer = &ret->peer;
    return 0;
}

// --- life ---

static void kube_free(struct target *t)
{
    struct kube_target *k = kube_of(t);
    kube_unclaim(k);
    loop_timer_stop(&k->deadline);
    vec_each (f, &k->followed)
        kube_watch_free(f->watch);
    vec_free(&k->followed);
    vec_each (known, &k->known)
        kube_known_free(*known);
    vec_free(&k->known);
    free(k->rival);
    free(k->routed_mark);
    free(k->app);
    free(k->ns);
    free(k->identity);
    free(k->selector);
    free(k->lease_name);
    free(k);
}

static const struct target_ops ops = {
    .name = "kubernetes",
    .caps = TARGET_KUBE_CAPS,
    .claim = kube_claim,
    .begin = kube_begin,
    .observe = kube_observe,
    .wait = kube_wait,
    .wake = kube_wake,
    .now = kube_now,
    .write = kube_write,
    .finish = kube_finish,
    .release_put = kube_release_put,
    .release_list = kube_release_list,
    .release_check = kube_release_check,
    .refused = kube_refused,
    .refuse = kube_refuse,
    .allow = kube_allow,
    .request = kube_request_,
    .explain = kube_explain,
    .logs = kube_logs,
    .probe = kube_probe,
    .down = kube_down,
    .free = kube_free,
};

struct target *target_kube_new(struct kube_client *client, const char *app, const char *ns,
    const char *identity, struct error *err)
{
    struct kube_target *k = mem_alloc(sizeof *k);
    k->target.ops = &ops;
    k->client = client;
    k->loop = kube_client_loop(client);
    k->app = mem_strdup(app);
    k->ns = mem_strdup(ns);
    k->identity = mem_strdup(identity);
    k->selector = mem_printf("%s=%s", KUBE_LABEL_APP, app);
    k->lease_name = mem_printf("davit-%s", app);
    k->renewing = -1;
    k->look_again_unix_ms = INT64_MAX;
    for (size_t i = 0; i < KUBE_OF_COUNT; i++)
        if (kube_kind_find(client, named[i].api_version, named[i].kind, &k->kinds[i], err) < 0) {
            kube_free(&k->target);
            return NULL;
        }
    return &k->target;
}
