// What drivers and verbs may ask of the agent: a row each. Who is connected is root or our own
// user.
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "deploy/agent_private.h"
#include "deploy/wire.h"
#include "os/fd.h"
#include "os/file.h"

#define SECRETS_MAX  ((size_t)4 << 20)
#define LOGS_MAX     ((size_t)64 << 20)
#define EXPLAIN_MAX  ((size_t)32 << 10)
#define EXPLAIN_LAST 10 // lines of each instance

struct call {
    struct agent *agent;
    struct connection *from;
    const struct value *params;
    struct ipc_fds *fds;
    struct value *result; // a map to be filled
    int fd;               // goes along with it; -1: none
};
typedef int call_fn(struct call *c, struct error *err);

static void answer(
    struct rpc *rpc, int64_t id, struct value *params, struct ipc_fds *fds, call_fn *call)
{
    struct connection *from = rpc_arg(rpc);
    struct error err = {0};
    struct call c = {from->agent, from, params, fds, value_map(), -1};
    if (call(&c, &err) < 0)
        rpc_fail(rpc, id, &err);
    else
        rpc_reply(rpc, id, take_ptr(c.result), &c.fd, c.fd >= 0 ? 1 : 0);
    value_free(c.result);
    fd_close(c.fd);
}

// A handler that answers at once.
#define CALL(name)                                                                                 \
    static void call_##name(                                                                       \
        struct rpc *rpc, int64_t id, struct value *params, struct ipc_fds *fds)                    \
    {                                                                                              \
        answer(rpc, id, params, fds, do_##name);                                                   \
    }

static int reply_text(const char *text, size_t length, int *ret_fd, struct error *err)
{
    *ret_fd = fd_memory("answer", text, length, err);
    return *ret_fd < 0 ? -1 : 0;
}

static int reply_list(const struct value *list, int *ret_fd, struct error *err)
{
    AUTO_FREE char *text = value_print(list);
    return reply_text(text, strlen(text), ret_fd, err);
}

// --- the claim ---

// Who holds it besides this one. One whose end we have only not come to yet does not.
static const struct connection *other_holder(const struct connection *c)
{
    const struct connection *holder = c->agent->holder;
    struct pollfd poller = {.fd = holder ? rpc_fd(holder->rpc) : -1};
    bool gone = poll(&poller, 1, 0) > 0 && (poller.revents & (POLLHUP | POLLERR));
    return holder == c || gone ? NULL : holder;
}

static int check_free(const struct connection *c, bool preempt, struct error *err)
{
    const struct connection *holder = other_holder(c);
    if (!holder || preempt)
        return 0;
    return error_set(err, ERR_CONFLICT, "run %s of %s holds %s: it is being deployed right now",
        holder->run, holder->who, c->agent->app);
}

// A driver whose agent was started again takes its claim up, if nobody else has come meanwhile.
static int claim_again(struct connection *c, int64_t epoch, struct error *err)
{
    if (epoch == c->agent->epoch && !other_holder(c))
        return 0;
    return error_set(err, ERR_CONFLICT, "another driver has taken %s over", c->agent->app);
}

static int do_claim(struct call *c, struct error *err)
{
    struct agent *a = c->agent;
    const char *run, *who;
    int64_t again = value_get_int(c->params, "epoch", 0);
    bool preempt = value_get_bool(c->params, "preempt", false);
    if (value_need_str(c->params, "run", &run, err) < 0 ||
        value_need_str(c->params, "who", &who, err) < 0)
        return -1;
    if (again ? claim_again(c->from, again, err) < 0 : check_free(c->from, preempt, err) < 0)
        return -1;
    if (!again) {
        a->epoch++;
        if (agent_round(a, err) < 0) {
            a->epoch--; // who could not have it has not taken it from anybody
            return -1;
        }
    }
    mem_replace(&c->from->run, run);
    mem_replace(&c->from->who, who);
    a->holder = c->from;
    value_set_int(c->result, "epoch", a->epoch);
    return 0;
}
CALL(claim)

// --- what drivers write ---

// Whatever is set up while all is taken down would be started again, and down would never end.
static int check_stays(const struct agent *a, struct error *err)
{
    return a->going_down ? error_set(err, ERR_CONFLICT, "%s is being taken down", a->app) : 0;
}

static int do_begin(struct call *c, struct error *err)
{
    int64_t epoch;
    struct rollout rollout;
    if (check_stays(c->agent, err) < 0 ||
        value_need_int(c->params, "epoch", 0, INT64_MAX, &epoch, err) < 0 ||
        rollout_from_value(value_get(c->params, "rollout"), &rollout, err) < 0 ||
        rollout_begin(c->agent, epoch, &rollout, err) < 0)
        return -1;
    return agent_round(c->agent, err);
}
CALL(begin)

// A gate has seen what an instance answered, which may be a secret of its.
static void hide_in_reason(const struct agent *a, char *reason, size_t size)
{
    AUTO(str) struct str text;
    str_init(&text, size);
    str_puts(&text, reason);
    agent_hide_secrets(a, a->rollout.to, &text);
    snprintf(reason, size, "%s", text.data);
}

static int do_write(struct call *c, struct error *err)
{
    struct target_write w = {0};
    struct step step;
    const struct value *act = value_get(c->params, "step");
    const char *run;
    int64_t turns, at;
    if (check_stays(c->agent, err) < 0 ||
        value_need_int(c->params, "epoch", 0, INT64_MAX, &w.epoch, err) < 0 ||
        value_need_str(c->params, "run", &run, err) < 0 ||
        value_need_int(c->params, "seen_turns", 0, INT32_MAX, &turns, err) < 0 ||
        value_need_int(c->params, "seen_step", 0, INT32_MAX, &at, err) < 0 ||
        position_from_value(value_get(c->params, "position"), &w.position, err) < 0 ||
        (act && step_from_value(act, &step, err) < 0))
        return -1;
    hide_in_reason(c->agent, w.position.reason, sizeof w.position.reason);
    w.seen_turns = (int)turns;
    w.seen_step = (int)at;
    w.step = act ? &step : NULL;
    if (rollout_write(c->agent, &w, run, err) < 0)
        return -1;
    return agent_round(c->agent, err);
}
CALL(write)

static int do_finish(struct call *c, struct error *err)
{
    int64_t epoch;
    const char *run, *name, *reason;
    enum outcome outcome;
    struct rollout_times times;
    if (value_need_int(c->params, "epoch", 0, INT64_MAX, &epoch, err) < 0 ||
        value_need_str(c->params, "run", &run, err) < 0 ||
        value_need_str(c->params, "outcome", &name, err) < 0 ||
        value_need_str(c->params, "reason", &reason, err) < 0 ||
        outcome_from_name(name, "finish", &outcome, err) < 0 ||
        times_from_value(value_get(c->params, "times"), &times, err) < 0)
        return -1;
    char shown[sizeof c->agent->position.reason];
    snprintf(shown, sizeof shown, "%s", reason);
    hide_in_reason(c->agent, shown, sizeof shown);
    if (rollout_finish(c->agent, epoch, run, outcome, shown, &times, err) < 0)
        return -1;
    return agent_round(c->agent, err);
}
CALL(finish)

// --- releases ---

// At a pipe or a socket we would wait for whoever holds its other end.
static int read_descriptor(int fd, struct str *ret, struct error *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return error_errno(err, "secrets");
    if (!S_ISREG(st.st_mode))
        return error_set(err, ERR_PROTOCOL, "secrets: what came along is no file");
    return fd_read_all(fd, ret, err);
}

static int read_secrets(const struct agent *a, const struct value *params, struct ipc_fds *fds,
    struct str *ret, struct error *err)
{
    int64_t of = value_get_int(params, "secrets_of", 0);
    if (of) {
        AUTO_FREE char *path = agent_secrets_path(of);
        return file_exists(a->dir, path) ? file_read(a->dir, path, ret, err) : 0;
    }
    return fds->count ? read_descriptor(fds->fd[0], ret, err) : 0;
}

// They are there before the record that needs them is on disk, if only to say that none has a
// value: a release whose file is missing cannot be started.
static int keep_secrets(struct agent *a, int64_t revision, struct str *secrets, struct error *err)
{
    AUTO_FREE char *path = agent_secrets_path(revision);
    if (!secrets->length)
        str_puts(secrets, "{}");
    int status = dir_make(a->dir, "secrets", 0700, err);
    if (status == 0)
        status = file_replace(a->dir, path, 0600, secrets->data, secrets->length, err);
    explicit_bzero(secrets->data, secrets->length);
    return status;
}

static int do_put(struct call *c, struct error *err)
{
    struct agent *a = c->agent;
    int64_t epoch, revision = a->last_revision + 1;
    const struct value *record = value_get(c->params, "record");
    AUTO(str) struct str secrets;
    str_init(&secrets, SECRETS_MAX);
    if (check_stays(a, err) < 0 ||
        value_need_int(c->params, "epoch", 0, INT64_MAX, &epoch, err) < 0 ||
        rollout_check_put(a, epoch, record, err) < 0 ||
        read_secrets(a, c->params, c->fds, &secrets, err) < 0)
        return -1;
    if (value_length(value_get(record, "secrets")) && keep_secrets(a, revision, &secrets, err) < 0)
        return -1;
    rollout_put(a, record);
    if (agent_round(a, err) < 0)
        return -1;
    agent_sweep(a);
    value_set_int(c->result, "revision", revision);
    return 0;
}
CALL(put)

static int do_releases(struct call *c, struct error *err)
{
    return reply_list(c->agent->releases, &c->fd, err);
}
CALL(releases)

static void check_secrets(const struct agent *a, const struct release *r, struct value *missing)
{
    AUTO_FREE char *path = agent_secrets_path(r->revision);
    if (!r->secrets.length || file_exists(a->dir, path))
        return;
    AUTO_FREE char *line = mem_printf(
        "the secrets of release %lld are not there any more (%s)", (long long)r->revision, path);
    value_append_str(missing, line);
}

static void check_layers(const struct agent *a, const struct release *r, struct value *missing)
{
    strv_each (layer, &r->image.layers) {
        AUTO_FREE char *path = agent_layer_path(a, *layer);
        if (file_exists(AT_FDCWD, path))
            continue;
        AUTO_FREE char *line = mem_printf("layer %.19s… of image %.19s… is not there any more (%s)",
            *layer, r->image.digest, path);
        value_append_str(missing, line);
    }
}

static int do_check(struct call *c, struct error *err)
{
    int64_t revision;
    AUTO(release) struct release r = {0};
    if (value_need_int(c->params, "release", 1, INT64_MAX, &revision, err) < 0)
        return -1;
    const struct value *record = agent_release(c->agent, revision);
    if (!record)
        return error_set(err, ERR_NOT_FOUND, "there is no release %lld", (long long)revision);
    if (release_from_value(record, &r, err) < 0)
        return -1;
    struct value *missing = value_list();
    check_layers(c->agent, &r, missing);
    check_secrets(c->agent, &r, missing);
    value_set(c->result, "missing", missing);
    return 0;
}
CALL(check)

static int do_refused(struct call *c, struct error *err)
{
    (void)err;
    value_set(c->result, "refused", value_copy(c->agent->refused));
    return 0;
}
CALL(refused)

static int do_refuse(struct call *c, struct error *err)
{
    const char *commit, *reason;
    if (value_need_str(c->params, "commit", &commit, err) < 0 ||
        value_need_str(c->params, "reason", &reason, err) < 0)
        return -1;
    rollout_refuse(c->agent, commit, reason, 0);
    return agent_round(c->agent, err);
}
CALL(refuse)

static int do_allow(struct call *c, struct error *err)
{
    const char *commit;
    if (value_need_str(c->params, "commit", &commit, err) < 0 ||
        rollout_allow(c->agent, commit, err) < 0)
        return -1;
    return agent_round(c->agent, err);
}
CALL(allow)

static int do_request(struct call *c, struct error *err)
{
    const char *what, *who;
    if (value_need_str(c->params, "what", &what, err) < 0 ||
        value_need_str(c->params, "who", &who, err) < 0 ||
        rollout_request(c->agent, what, who, err) < 0)
        return -1;
    return agent_round(c->agent, err);
}
CALL(request)

// --- looking ---

static int do_observe(struct call *c, struct error *err)
{
    (void)err;
    struct snapshot seen;
    sets_observe(c->agent, &seen);
    value_free(c->result);
    c->result = snapshot_to_value(&seen);
    return 0;
}
CALL(observe)

// The logs of a release's instances that have gone, by their age.
static void old_logs(const struct agent *a, int64_t release, struct str *out)
{
    AUTO_FREE char *dir = release_log_path(release);
    AUTO(strv) struct strv names = {0};
    if (dir_list(a->dir, dir, &names, NULL) < 0)
        return;
    strv_each (name, &names) {
        AUTO_FREE char *path = path_join(dir, *name);
        file_read(a->dir, path, out, NULL);
    }
}

static void live_logs(const struct agent *a, int64_t release, struct str *out)
{
    static const char *const files[] = {"log.1", "log"};
    const struct agent_set *set = set_find(a, release);
    if (!set)
        return;
    vec_each (item, &set->instances)
        for (size_t i = 0; i < ARRAY_LEN(files); i++) {
            AUTO_FREE char *path = instance_path(*item, files[i]);
            if (file_exists(a->dir, path))
                file_read(a->dir, path, out, NULL);
        }
}

static int do_logs(struct call *c, struct error *err)
{
    int64_t release;
    AUTO(str) struct str text;
    str_init(&text, LOGS_MAX);
    if (value_need_int(c->params, "release", 1, INT64_MAX, &release, err) < 0)
        return -1;
    old_logs(c->agent, release, &text);
    live_logs(c->agent, release, &text);
    agent_hide_secrets(c->agent, release, &text);
    size_t skipped = text.length > STR_TEXT_MAX ? text.length - STR_TEXT_MAX : 0;
    return reply_text(text.data + skipped, text.length - skipped, &c->fd, err);
}
CALL(logs)

static void explain_instance(const struct agent_instance *i, struct str *out)
{
    str_printf(out, "instance %d: %s", i->kept.index, instance_state_name(instance_state_of(i)));
    if (i->kept.restarts)
        str_printf(
            out, ", ended by itself %d times, last with %s", i->kept.restarts, i->kept.last_end);
    str_puts(out, "; its last lines:\n");
    instance_last_lines(i, EXPLAIN_LAST, "  ", out);
}

// Of one that has gone: the end of the newest log.
static void explain_gone(const struct agent *a, int64_t release, struct str *out)
{
    AUTO(str) struct str text;
    str_init(&text, LOGS_MAX);
    old_logs(a, release, &text);
    agent_hide_secrets(a, release, &text);
    size_t from = text.length;
    for (int lines = EXPLAIN_LAST + 1; from && lines; lines -= text.data[from - 1] == '\n')
        from--;
    while (from < text.length && text.data[from] == '\n')
        from++;
    if (from < text.length)
        str_puts(out, "the last lines of its instances:\n");
    char *rest = text.data + from;
    for (char *line; rest && *rest && (line = strsep(&rest, "\n"));)
        str_printf(out, "  %s\n", line);
}

static int do_explain(struct call *c, struct error *err)
{
    int64_t release;
    AUTO(str) struct str text;
    str_init(&text, EXPLAIN_MAX);
    if (value_need_int(c->params, "release", 1, INT64_MAX, &release, err) < 0)
        return -1;
    const struct agent_set *set = set_find(c->agent, release);
    if (set && set->instances.length) {
        vec_each (item, &set->instances)
            explain_instance(*item, &text);
    } else {
        explain_gone(c->agent, release, &text);
    }
    value_set_str(c->result, "text", text.data);
    return 0;
}
CALL(explain)

// --- what gates run ---

static int do_exec(struct call *c, struct error *err)
{
    return check_stays(c->agent, err) < 0 ? -1 : exec_ask(c->from, c->params, c->result, err);
}
CALL(exec)

static int do_exec_end(struct call *c, struct error *err)
{
    int64_t id;
    if (value_need_int(c->params, "exec", 0, INT64_MAX, &id, err) < 0)
        return -1;
    exec_end(c->from, id);
    return 0;
}
CALL(exec_end)

// --- taking the app away ---

static void call_down(struct rpc *rpc, int64_t id, struct value *params, struct ipc_fds *fds)
{
    (void)fds;
    struct connection *c = rpc_arg(rpc);
    struct agent *a = c->agent;
    struct error err = {0};
    int64_t epoch;
    if (value_need_int(params, "epoch", 0, INT64_MAX, &epoch, &err) < 0 || epoch != a->epoch) {
        if (err.kind == ERR_NONE)
            error_set(&err, ERR_CONFLICT, "another driver has taken %s over", a->app);
        rpc_fail(rpc, id, &err);
        return;
    }
    if (a->going_down && a->going_down != c) {
        error_set(&err, ERR_CONFLICT, "another call takes %s down by now", a->app);
        rpc_fail(a->going_down->rpc, a->down_id, &err);
    }
    a->position = (struct position){0};
    vec_each (set, &a->sets) {
        (*set)->percent = (*set)->desired = 0;
        (*set)->retiring = true;
    }
    a->going_down = c;
    a->down_id = id;
    agent_round_alone(a);
}

#define ALL 1

const struct rpc_method agent_methods[] = {
    {"claim", ALL, call_claim},
    {"begin", ALL, call_begin},
    {"write", ALL, call_write},
    {"finish", ALL, call_finish},
    {"put", ALL, call_put},
    {"releases", ALL, call_releases},
    {"check", ALL, call_check},
    {"refused", ALL, call_refused},
    {"refuse", ALL, call_refuse},
    {"allow", ALL, call_allow},
    {"request", ALL, call_request},
    {"observe", ALL, call_observe},
    {"logs", ALL, call_logs},
    {"explain", ALL, call_explain},
    {"exec", ALL, call_exec},
    {"exec_end", ALL, call_exec_end},
    {"down", ALL, call_down},
    {0},
};
