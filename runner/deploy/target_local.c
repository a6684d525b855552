#include "deploy/target_local.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "codec/rpc.h"
#include "deploy/wire.h"
#include "os/clock.h"
#include "os/fd.h"

#define ANSWER_MS   30000 // an agent that is busy with a large disk
#define WAIT_MAX_MS (24 * INT64_C(3600000))
#define TAKEOVER_MS 2000 // a sandbox dies after the runner that was killed
#define GREETINGS   3
#define LIST_MAX    ((size_t)64 << 20)

struct local {
    struct target target; // the first member
    struct loop *loop;
    target_local_connect_fn *connect;
    void *arg;
    char *me;
    struct rpc *rpc; // NULL: not connected
    // The claim, to be taken up again; epoch 0: there is none.
    char *run, *who;
    int64_t epoch;
    bool waiting, woken;
    struct loop_io notices; // while waiting
    struct loop_timer deadline;
};

static struct local *local_of(struct target *t)
{
    return (struct local *)t;
}

// --- the connection ---

static void disconnect(struct local *l)
{
    loop_io_stop(&l->notices);
    rpc_free(take_ptr(l->rpc));
}

static void on_notice(struct loop_io *io, uint32_t events);

static int listen_for_notices(struct local *l, struct error *err)
{
    return loop_io_start(l->loop, &l->notices, rpc_fd(l->rpc), EPOLLIN, on_notice, l, err);
}

// Failures of the way to the agent, not of what it was asked.
static int unreachable(struct error *err)
{
    err->kind = ERR_NETWORK;
    err->retryable = true;
    return -1;
}

static int take_up_claim(struct local *l, struct error *err)
{
    struct value *params = value_map();
    value_set_str(params, "run", l->run);
    value_set_str(params, "who", l->who);
    value_set_bool(params, "preempt", false);
    value_set_int(params, "epoch", l->epoch);
    return rpc_call(l->rpc, "claim", params, NULL, 0, ANSWER_MS, NULL, NULL, err);
}

// An agent that is about to die still has its socket, and does not say hello.
static int greet(struct local *l, struct error *err)
{
    for (int i = 0; i < GREETINGS; i++) {
        int fd = l->connect(l->arg, err);
        if (fd < 0)
            return err->kind == ERR_SYSTEM || err->kind == ERR_TIMEOUT ? unreachable(err) : -1;
        l->rpc = rpc_connect(fd, l->me, err);
        if (l->rpc)
            return 0;
        if (err->kind == ERR_PROTOCOL)
            return -1;
    }
    return unreachable(err);
}

static int connect_agent(struct local *l, struct error *err)
{
    if (greet(l, err) < 0)
        return -1;
    if (l->epoch && take_up_claim(l, err) < 0) {
        bool broken = rpc_broken(l->rpc);
        disconnect(l);
        return broken ? unreachable(err) : -1;
    }
    return l->waiting ? listen_for_notices(l, err) : 0;
}

static bool take_notices(struct local *l);

// A call from a callback of the loop that wait() runs has read past the notices, or has lost the
// connection by which they come.
static void pass_notices_on(struct local *l)
{
    if (l->waiting && (!l->rpc || take_notices(l)))
        l->target.ops->wake(&l->target);
}

// params are taken.
static int call(struct local *l, const char *op, struct value *params, int fd, int timeout_ms,
    struct value **ret, struct ipc_fds *ret_fds, struct error *err)
{
    AUTO(value) struct value *owned = params ? params : value_map();
    struct error why = {0};
    int status = l->rpc ? 0 : connect_agent(l, &why);
    if (status == 0)
        status = rpc_call(
            l->rpc, op, value_share(owned), &fd, fd >= 0 ? 1 : 0, timeout_ms, ret, ret_fds, &why);
    if (l->rpc && rpc_broken(l->rpc)) {
        disconnect(l);
        unreachable(&why);
    }
    pass_notices_on(l);
    if (status == 0)
        return 0;
    if (why.kind == ERR_TIMEOUT)
        why.retryable = true;
    if (err)
        *err = why;
    return -1;
}

// For what may be asked twice: an agent that has just died is started by the second call.
static int ask(struct local *l, const char *op, struct value *params, struct value **ret,
    struct ipc_fds *ret_fds, struct error *err)
{
    AUTO(value) struct value *owned = params ? params : value_map();
    struct error why = {0};
    int status = call(l, op, value_share(owned), -1, ANSWER_MS, ret, ret_fds, &why);
    if (status < 0 && why.kind == ERR_NETWORK && !l->rpc)
        status = call(l, op, value_share(owned), -1, ANSWER_MS, ret, ret_fds, &why);
    if (status < 0 && err)
        *err = why;
    return status;
}

// A call that changes something; nothing of its answer is of interest.
static int tell(struct local *l, const char *op, struct value *params, struct error *err)
{
    return call(l, op, params, -1, ANSWER_MS, NULL, NULL, err);
}

// An answer that is the content of a descriptor.
static int ask_text(
    struct local *l, const char *op, struct value *params, struct str *out, struct error *err)
{
    AUTO(ipc_fds) struct ipc_fds fds = {0};
    if (ask(l, op, params, NULL, &fds, err) < 0)
        return -1;
    if (fds.count != 1)
        return error_set(err, ERR_PROTOCOL, "%s: the agent answered without a descriptor", op);
    return fd_read_all(fds.fd[0], out, err);
}

static int take_list(
    const struct value *answer, const char *key, struct value **ret, struct error *err)
{
    struct value *list = value_get(answer, key);
    if (value_type(list) != VALUE_LIST)
        return error_set(err, ERR_PROTOCOL, "the agent's answer: \"%s\" is not a list", key);
    *ret = value_share(list);
    return 0;
}

static struct value *of_release(int64_t revision)
{
    struct value *params = value_map();
    value_set_int(params, "release", revision);
    return params;
}

// --- waiting ---

// Whether any have come. One who has gone is news, too.
static bool take_notices(struct local *l)
{
    bool any = false;
    while (l->rpc) {
        AUTO(value) struct value *notice = NULL;
        int got = rpc_notice(l->rpc, 0, &notice, NULL);
        if (got == 0)
            break;
        any = true;
        if (got < 0)
            disconnect(l);
    }
    return any;
}

static void on_notice(struct loop_io *io, uint32_t events)
{
    (void)events;
    struct local *l = io->arg;
    if (take_notices(l))
        loop_stop(l->loop);
}

static void on_deadline(struct loop_timer *timer)
{
    struct local *l = timer->arg;
    loop_stop(l->loop);
}

// The loop gets a turn in any case: gates and signals must not starve while there are news.
static int local_wait(struct target *t, int64_t deadline_unix_ms, struct error *err)
{
    struct local *l = local_of(t);
    int64_t left = deadline_unix_ms - clock_unix_ms();
    if (take_notices(l) || l->woken || left < 0)
        left = 0;
    if (l->rpc && listen_for_notices(l, err) < 0)
        return -1;
    loop_timer_start(l->loop, &l->deadline,
        clock_monotonic_ms() + (left < WAIT_MAX_MS ? left : WAIT_MAX_MS), on_deadline, l);
    l->waiting = true;
    int status = loop_run(l->loop, err);
    l->waiting = l->woken = false;
    loop_timer_stop(&l->deadline);
    loop_io_stop(&l->notices);
    return status;
}

static void local_wake(struct target *t)
{
    struct local *l = local_of(t);
    l->woken = true;
    loop_stop(l->loop);
}

static int64_t local_now(struct target *t)
{
    (void)t;
    return clock_unix_ms();
}

// --- the rollout ---

static int local_claim(struct target *t, const char *run, const char *who, bool preempt,
    int64_t *ret_epoch, struct error *err)
{
    struct local *l = local_of(t);
    AUTO(value) struct value *answer = NULL;
    struct value *params = value_map();
    value_set_str(params, "run", run);
    value_set_str(params, "who", who);
    value_set_bool(params, "preempt", preempt);
    l->epoch = 0;
    if (ask(l, "claim", params, &answer, NULL, err) < 0 ||
        value_need_int(answer, "epoch", 1, INT64_MAX, ret_epoch, err) < 0)
        return -1;
    mem_replace(&l->run, run);
    mem_replace(&l->who, who);
    l->epoch = *ret_epoch;
    return 0;
}

static int local_begin(
    struct target *t, int64_t epoch, const struct rollout *rollout, struct error *err)
{
    struct value *params = value_map();
    value_set_int(params, "epoch", epoch);
    value_set(params, "rollout", rollout_to_value(rollout));
    return tell(local_of(t), "begin", params, err);
}

static int local_observe(struct target *t, struct snapshot *ret, struct error *err)
{
    struct local *l = local_of(t);
    AUTO(value) struct value *answer = NULL;
    if (!l->waiting)
        take_notices(l); // what they are about is in the answer
    if (ask(l, "observe", NULL, &answer, NULL, err) < 0)
        return -1;
    return snapshot_from_value(answer, ret, err);
}

static int local_write(struct target *t, const struct target_write *w, struct error *err)
{
    struct value *params = value_map();
    value_set_int(params, "epoch", w->epoch);
    value_set_str(params, "run", w->rollout->run);
    value_set_int(params, "seen_turns", w->seen_turns);
    value_set_int(params, "seen_step", w->seen_step);
    value_set(params, "position", position_to_value(&w->position));
    if (w->step)
        value_set(params, "step", step_to_value(w->step));
    return tell(local_of(t), "write", params, err);
}

static int local_finish(struct target *t, const struct target_end *end, struct error *err)
{
    struct value *params = value_map();
    value_set_int(params, "epoch", end->epoch);
    value_set_str(params, "run", end->rollout->run);
    value_set_str(params, "outcome", outcome_name(end->outcome));
    value_set_str(params, "reason", end->reason);
    value_set(params, "times", times_to_value(&end->times));
    return tell(local_of(t), "finish", params, err);
}

static int local_request(struct target *t, const char *what, const char *who, struct error *err)
{
    struct value *params = value_map();
    value_set_str(params, "what", what);
    value_set_str(params, "who", who);
    return ask(local_of(t), "request", params, NULL, NULL, err);
}

// --- releases and commits ---

static int secrets_memory(const struct value *secrets, struct error *err)
{
    AUTO_FREE char *text = value_print(secrets);
    int fd = fd_memory("secrets", text, strlen(text), err);
    explicit_bzero(text, strlen(text));
    return fd;
}

static int local_release_put(struct target *t, int64_t epoch, const struct value *record,
    const struct value *secrets, int64_t secrets_of, int64_t *ret_revision, struct error *err)
{
    AUTO_FD int fd = -1;
    AUTO(value) struct value *answer = NULL;
    if (secrets && (fd = secrets_memory(secrets, err)) < 0)
        return -1;
    struct value *params = value_map();
    value_set_int(params, "epoch", epoch);
    value_set(params, "record", value_copy(record));
    if (secrets_of)
        value_set_int(params, "secrets_of", secrets_of);
    if (call(local_of(t), "put", params, fd, ANSWER_MS, &answer, NULL, err) < 0)
        return -1;
    return value_need_int(answer, "revision", 1, INT64_MAX, ret_revision, err);
}

static int local_release_list(struct target *t, struct value **ret_list, struct error *err)
{
    AUTO(str) struct str text;
    str_init(&text, LIST_MAX);
    if (ask_text(local_of(t), "releases", NULL, &text, err) < 0)
        return -1;
    AUTO(value) struct value *list = value_parse(text.data, text.length, err);
    if (!list)
        return error_wrap(err, "releases");
    if (value_type(list) != VALUE_LIST)
        return error_set(err, ERR_PROTOCOL, "releases: the agent's answer is not a list");
    *ret_list = take_ptr(list);
    return 0;
}

static int local_release_check(
    struct target *t, int64_t revision, struct value **ret_missing, struct error *err)
{
    AUTO(value) struct value *answer = NULL;
    if (ask(local_of(t), "check", of_release(revision), &answer, NULL, err) < 0)
        return -1;
    return take_list(answer, "missing", ret_missing, err);
}

static int local_refused(struct target *t, struct value **ret_list, struct error *err)
{
    AUTO(value) struct value *answer = NULL;
    if (ask(local_of(t), "refused", NULL, &answer, NULL, err) < 0)
        return -1;
    return take_list(answer, "refused", ret_list, err);
}

static int local_refuse(struct target *t, const char *commit, const char *reason, struct error *err)
{
    struct value *params = value_map();
    value_set_str(params, "commit", commit);
    value_set_str(params, "reason", reason);
    return tell(local_of(t), "refuse", params, err);
}

static int local_allow(struct target *t, const char *commit, struct error *err)
{
    struct value *params = value_map();
    value_set_str(params, "commit", commit);
    return tell(local_of(t), "allow", params, err);
}

static int local_explain(struct target *t, int64_t release, struct str *out, struct error *err)
{
    const char *text;
    AUTO(value) struct value *answer = NULL;
    if (ask(local_of(t), "explain", of_release(release), &answer, NULL, err) < 0 ||
        value_need_str(answer, "text", &text, err) < 0)
        return -1;
    str_puts(out, text);
    return 0;
}

static int local_logs(struct target *t, int64_t release, struct str *out, struct error *err)
{
    return ask_text(local_of(t), "logs", of_release(release), out, err);
}

// A connection that stayed open would hold up the draining of the instance.
static int local_probe(struct target *t, const struct instance *instance, const char *path,
    struct target_probe *ret, struct error *err)
{
    (void)t;
    (void)err;
    ret->url = mem_printf("http://%s%s", instance->address, path);
    ret->request = (struct http_request){.url = ret->url, .once = true};
    return 0;
}

static int local_exec(struct target *t, const struct target_exec *what,
    struct target_exec_state *ret, struct error *err)
{
    AUTO(value) struct value *answer = NULL;
    const char *how, *last;
    struct value *params = of_release(what->release);
    value_set_int(params, "exec", what->id);
    value_set_int(params, "index", what->index);
    value_set_strv(params, "command", what->command);
    value_set_int(params, "timeout_ms", what->timeout_ms);
    if (ask(local_of(t), "exec", params, &answer, NULL, err) < 0 ||
        value_need_str(answer, "how", &how, err) < 0 ||
        value_need_str(answer, "last", &last, err) < 0)
        return -1;
    *ret = (struct target_exec_state){
        .over = value_get_bool(answer, "over", false),
        .succeeded = value_get_bool(answer, "succeeded", false),
    };
    snprintf(ret->how, sizeof ret->how, "%s", how);
    snprintf(ret->last, sizeof ret->last, "%s", last);
    return 0;
}

static void local_exec_end(struct target *t, int64_t id)
{
    struct value *params = value_map();
    value_set_int(params, "exec", id);
    tell(local_of(t), "exec_end", params, NULL);
}

static int local_down(struct target *t, int64_t epoch, struct error *err)
{
    struct value *params = value_map();
    value_set_int(params, "epoch", epoch);
    return call(local_of(t), "down", params, -1, RPC_WAIT_FOREVER, NULL, NULL, err);
}

static void local_free(struct target *t)
{
    struct local *l = local_of(t);
    disconnect(l);
    loop_timer_stop(&l->deadline);
    free(l->me);
    free(l->run);
    free(l->who);
    free(l);
}

static const struct target_ops ops = {
    .name = "local",
    .caps = {.weight = WEIGHT_EXACT, .takeover_ms = TAKEOVER_MS},
    .claim = local_claim,
    .begin = local_begin,
    .observe = local_observe,
    .wait = local_wait,
    .wake = local_wake,
    .now = local_now,
    .write = local_write,
    .finish = local_finish,
    .release_put = local_release_put,
    .release_list = local_release_list,
    .release_check = local_release_check,
    .refused = local_refused,
    .refuse = local_refuse,
    .allow = local_allow,
    .request = local_request,
    .explain = local_explain,
    .logs = local_logs,
    .probe = local_probe,
    .exec = local_exec,
    .exec_end = local_exec_end,
    .down = local_down,
    .free = local_free,
};

struct target *target_local_new(struct loop *loop, const char *me, target_local_connect_fn *connect,
    void *arg, struct error *err)
{
    struct local *l = mem_alloc(sizeof *l);
    struct error why = {0};
    l->target.ops = &ops;
    l->loop = loop;
    l->connect = connect;
    l->arg = arg;
    l->me = mem_strdup(me);
    if (connect_agent(l, &why) < 0) {
        local_free(&l->target);
        if (err)
            *err = why;
        return NULL;
    }
    return &l->target;
}
