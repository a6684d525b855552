#include "deploy/role_session.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/role.h"
#include "deploy/decide.h"
#include "deploy/releases.h"
#include "deploy/role_cluster.h"
#include "deploy/spec.h"
#include "deploy/target_local.h"
#include "net/http.h"
#include "os/clock.h"
#include "os/failpoint.h"

#define ATTEMPTS       6
#define FIRST_PAUSE_MS 200
#define ABORT_AGAIN_MS 500
#define ABORTER        "its runner, which was told to stop"

// --- the life ---

static int connect_target(void *arg, struct error *err)
{
    struct session *s = arg;
    AUTO(ipc_fds) struct ipc_fds fds = {0};
    struct value *params = value_map();
    value_set_str(params, "app", s->app);
    if (rpc_call(s->worker, "connect_agent", params, NULL, 0, RPC_WAIT_FOREVER, NULL, &fds, err) <
        0)
        return -1;
    if (fds.count != 1)
        return error_set(err, ERR_PROTOCOL, "connect_agent: the worker gave no descriptor");
    fds.count = 0;
    return fds.fd[0];
}

static void on_abort_again(struct loop_timer *timer)
{
    session_abort(timer->arg);
}

// That nothing is under way any more is as well.
void session_abort(struct session *s)
{
    struct error err = {0};
    if (s->target->ops->request(s->target, "abort", ABORTER, &err) < 0 &&
        (err.retryable || err.kind == ERR_NETWORK || err.kind == ERR_TIMEOUT))
        loop_timer_start(
            s->loop, &s->abort_again, clock_monotonic_ms() + ABORT_AGAIN_MS, on_abort_again, s);
    s->target->ops->wake(s->target);
}

static void on_signal(void *arg, int signal)
{
    (void)signal;
    struct session *s = arg;
    s->cancelled = true;
    if (s->aborts)
        session_abort(s);
}

static int open_local(struct session *s, struct error *err)
{
    s->named = mem_strdup(s->app);
    s->target = target_local_new(s->loop, "davit-deploy", connect_target, s, err);
    return s->target ? 0 : -1;
}

static int open_on_cluster(struct session *s, struct error *err)
{
    const char *identity = value_get_str(s->job, "identity");
    s->cluster = role_cluster_new(s->loop, s->worker, err);
    if (!s->cluster)
        return -1;
    s->named = mem_printf("%s --context %s --namespace %s", s->app,
        role_cluster_context(s->cluster), role_cluster_namespace(s->cluster));
    s->target = role_cluster_target(s->cluster, s->app, identity ? identity : s->who, err);
    return s->target ? 0 : -1;
}

int session_open(struct session *s, struct rpc *worker, const struct value *job, struct error *err)
{
    static const int signals[] = {SIGTERM, SIGINT};
    const char *who = value_get_str(job, "who");
    s->worker = worker;
    s->job = job;
    snprintf(s->who, sizeof s->who, "%.*s", (int)sizeof s->who - 1, who ? who : "");
    s->loop = loop_new(err);
    if (!s->loop || loop_signals(s->loop, signals, ARRAY_LEN(signals), on_signal, s, err) < 0 ||
        value_need_str(job, "app", &s->app, err) < 0)
        return -1;
    return value_get(job, "cluster") ? open_on_cluster(s, err) : open_local(s, err);
}

void session_done(struct session *s)
{
    if (s->loop)
        loop_timer_stop(&s->abort_again);
    target_free(s->target);
    role_cluster_free(s->cluster);
    free(s->named);
    http_client_free(s->http);
    loop_free(s->loop);
    value_free(s->releases);
    value_free(s->refused);
}

// --- asking, patiently ---

// A call failed; whether it is worth trying again, after a pause.
static bool try_again(struct session *s, int *attempts, const struct error *why)
{
    struct target *t = s->target;
    bool later = why->retryable || why->kind == ERR_NETWORK || why->kind == ERR_TIMEOUT;
    if (!later || ++*attempts == ATTEMPTS)
        return false;
    int64_t until = t->ops->now(t) + ((int64_t)FIRST_PAUSE_MS << *attempts);
    while (t->ops->now(t) < until)
        if (t->ops->wait(t, until, NULL) < 0)
            return false;
    return true;
}

const char *session_text(const struct session *s, const char *key)
{
    const char *text = value_get_str(s->job, key);
    return text ? text : "";
}

int session_claim(struct session *s, const char *run, bool preempt, struct error *err)
{
    struct target *t = s->target;
    for (int attempts = 0;;)
        if (t->ops->claim(t, run, s->who, preempt, &s->epoch, err) == 0)
            return 0;
        else if (!try_again(s, &attempts, err))
            return -1;
}

static int look_once(struct session *s, struct error *err)
{
    struct target *t = s->target;
    AUTO(value) struct value *releases = NULL;
    AUTO(value) struct value *refused = NULL;
    if (t->ops->observe(t, &s->seen, err) < 0 || t->ops->release_list(t, &releases, err) < 0 ||
        t->ops->refused(t, &refused, err) < 0)
        return -1;
    value_free(s->releases);
    value_free(s->refused);
    s->releases = take_ptr(releases);
    s->refused = take_ptr(refused);
    return 0;
}

int session_look(struct session *s, struct error *err)
{
    for (int attempts = 0;;)
        if (look_once(s, err) == 0)
            return 0;
        else if (!try_again(s, &attempts, err))
            return -1;
}

bool session_under_way(const struct session *s)
{
    return s->seen.position.phase != PHASE_NONE;
}

bool session_parked(const struct session *s)
{
    struct decision todo;
    static const struct gate_status idle = {.state = GATE_IDLE};
    if (!session_under_way(s) || snapshot_check(&s->seen, NULL) < 0)
        return false;
    decide(&s->seen, &idle, clock_unix_ms(), &todo);
    return todo.kind == DECIDE_PARK;
}

static void on_turn_over(struct loop_timer *timer)
{
    loop_stop(timer->arg);
}

bool session_cancelled(struct session *s)
{
    struct loop_timer turn = {0}; // signals are read before timers are run
    loop_timer_start(s->loop, &turn, clock_monotonic_ms(), on_turn_over, s->loop);
    loop_run(s->loop, NULL);
    loop_timer_stop(&turn);
    return s->cancelled;
}

int session_live(const struct session *s, struct release *ret, struct error *err)
{
    if (!s->seen.live)
        return 0;
    const struct value *record = releases_find(s->releases, s->seen.live);
    if (!record)
        return error_set(
            err, ERR_PROTOCOL, "release %lld is live and has no record", (long long)s->seen.live);
    return release_from_value(record, ret, err) < 0 ? -1 : 1;
}

// --- beginning ---

// What two records of the same release may differ in.
static struct value *comparable(const struct value *record)
{
    struct value *v = value_copy(record);
    value_set(v, "revision", NULL);
    value_set(v, "created_unix_ms", NULL);
    return v;
}

// The release as it was put by a call whose answer got lost, or by a role that died.
static bool find_put(const struct session *s, struct release *release)
{
    AUTO(value) struct value *record = release_to_value(release);
    AUTO(value) struct value *wanted = comparable(record);
    for (size_t i = 0; i < value_length(s->releases); i++) {
        const struct value *found = value_at(s->releases, i);
        AUTO(value) struct value *seen = comparable(found);
        if (!value_equal(seen, wanted))
            continue;
        release->revision = value_get_int(found, "revision", 0);
        release->created_unix_ms = value_get_int(found, "created_unix_ms", 0);
        return true;
    }
    return false;
}

int session_put(struct session *s, struct release *release, const struct value *secrets,
    int64_t secrets_of, struct error *err)
{
    struct target *t = s->target;
    for (int attempts = 0;;) {
        if (find_put(s, release))
            return 0;
        AUTO(value) struct value *record = release_to_value(release);
        if (t->ops->release_put(
                t, s->epoch, record, secrets, secrets_of, &release->revision, err) == 0)
            return 0;
        if (!try_again(s, &attempts, err) || session_look(s, err) < 0)
            return -1;
    }
}

static bool has_begun(const struct session *s, const struct rollout *r)
{
    return session_under_way(s) && s->seen.rollout.to == r->to &&
           strcmp(s->seen.rollout.run, r->run) == 0;
}

int session_begin(struct session *s, const struct release *to, const struct release *live,
    bool rollback, struct error *err)
{
    struct target *t = s->target;
    struct rollout rollout;
    if (spec_rollout(to, live, rollback, &t->ops->caps, &rollout, err) < 0)
        return -1;
    for (int attempts = 0;;) {
        int status = t->ops->begin(t, s->epoch, &rollout, err);
        if (status < 0 && !try_again(s, &attempts, err))
            return -1;
        if (session_look(s, err) < 0)
            return -1;
        if (has_begun(s, &rollout))
            break;
        if (status == 0) // somebody has taken it from us
            return error_set(err, ERR_CONFLICT, "the rollout that was begun is gone");
    }
    failpoint("deploy.begun");
    return 0;
}
