// Commands that gates run beside an instance: with its image (which they cannot write to), user,
// environment, secrets and network. They belong to the connection that asked, and end with it or
// with the agent.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "deploy/agent_private.h"
#include "os/clock.h"
#include "os/fd.h"

#define EXECS_MAX     128 // of one connection
#define TAIL_MAX      ((size_t)8 << 10)
#define TIMEOUT_MAX   (24 * INT64_C(3600000))
#define MEMORY_OF_TMP ((uint64_t)64 << 20)

struct agent_exec {
    struct agent *agent;
    int64_t id, release;
    struct sandbox_child child; // not running: SANDBOX_CHILD_NONE
    int output_fd;              // -1 once it has ended
    struct loop_io output, reported;
    struct loop_timer deadline;
    int64_t timeout_ms;
    bool timed_out;
    struct str tail; // of its output
    bool known;      // how it ended, which is `how`
    bool succeeded;
    char how[160];
};

static void exec_free(struct agent_exec *e)
{
    loop_io_stop(&e->output);
    loop_io_stop(&e->reported);
    loop_timer_stop(&e->deadline);
    if (e->child.pidfd >= 0) {
        sandbox_kill(&e->child);
        sandbox_reap(&e->child);
    }
    fd_close(e->output_fd);
    str_done(&e->tail);
    free(e);
}

// --- its end ---

static void on_deadline(struct loop_timer *timer)
{
    struct agent_exec *e = timer->arg;
    e->timed_out = true;
    sandbox_kill(&e->child);
}

static void know(
    struct agent_exec *e, enum sandbox_state state, int status, const struct error *why)
{
    char duration[DURATION_TEXT_MAX];
    e->known = true;
    e->succeeded = state == SANDBOX_ENDED && status == 0 && !e->timed_out;
    if (state == SANDBOX_FAILED)
        snprintf(e->how, sizeof e->how, "%.*s", (int)sizeof e->how - 1, why->message);
    else if (e->timed_out)
        snprintf(e->how, sizeof e->how, "killed after %s", duration_print(e->timeout_ms, duration));
    else if (state == SANDBOX_ENDED && WIFEXITED(status))
        snprintf(e->how, sizeof e->how, "exit %d", WEXITSTATUS(status));
    else if (state == SANDBOX_ENDED)
        snprintf(e->how, sizeof e->how, "signal %d (%s)", WTERMSIG(status),
            sigabbrev_np(WTERMSIG(status)) ?: "?");
    else
        snprintf(e->how, sizeof e->how, "killed from outside");
}

static void on_reported(struct loop_io *io, uint32_t events)
{
    (void)events;
    struct agent_exec *e = io->arg;
    struct error why = {0};
    int status = 0;
    enum sandbox_state state = sandbox_report(&e->child, &status, &why);
    if (state == SANDBOX_STARTED)
        return;
    loop_io_stop(&e->reported);
    loop_timer_stop(&e->deadline);
    know(e, state, status, &why);
}

static void on_output(struct loop_io *io, uint32_t events)
{
    (void)events;
    struct agent_exec *e = io->arg;
    char buffer[TAIL_MAX / 2];
    ssize_t n = read(e->output_fd, buffer, sizeof buffer);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0) {
        loop_io_stop(&e->output);
        fd_reset(&e->output_fd);
        return;
    }
    if (e->tail.length + (size_t)n > TAIL_MAX)
        str_drop(&e->tail, e->tail.length + (size_t)n - TAIL_MAX);
    str_add(&e->tail, buffer, (size_t)n);
}

// --- its begin ---

static const struct agent_instance *find_instance(
    const struct agent *a, int64_t release, int64_t index, struct error *err)
{
    const struct agent_set *set = set_find(a, release);
    for (size_t i = 0; set && i < set->instances.length; i++)
        if (set->instances.items[i]->kept.index == index)
            return set->instances.items[i];
    error_set(err, ERR_NOT_FOUND, "instance %lld of release %lld is not there", (long long)index,
        (long long)release);
    return NULL;
}

static int spawn(struct agent_exec *e, const struct agent_instance *i, const struct strv *command,
    int output, struct error *err)
{
    const struct release_config *config = &i->release->image.config;
    AUTO(strv) struct strv environment = {0}, layers = {0};
    struct ids ids;
    instance_layers(i, &layers);
    if (instance_environment(i, &environment, err) < 0 || instance_ids(i, &layers, &ids, err) < 0)
        return -1;
    const struct sandbox_mount tmp = {
        .kind = SANDBOX_TMPFS, .target = "/tmp", .mode = 01777, .size = MEMORY_OF_TMP};
    struct sandbox_spec spec = {
        .name = e->agent->app,
        .network = SANDBOX_NETWORK_HOST,
        .root = SANDBOX_ROOT_LAYERS,
        .layers = &layers,
        .mounts = &tmp,
        .mount_count = 1,
        .argv = strv_argv(command),
        .environment = strv_argv(&environment),
        .directory = config->workdir && *config->workdir ? config->workdir : NULL,
        .uid = ids.uid,
        .gid = ids.gid,
        .stdout_fd = output,
        .stderr_fd = output,
    };
    return sandbox_spawn(&spec, &e->agent->host, &e->child, err);
}

static int start(struct agent_exec *e, const struct agent_instance *i, const struct strv *command,
    struct error *err)
{
    int pipe_fds[2];
    struct loop *loop = e->agent->loop;
    if (fd_pipe(pipe_fds, err) < 0)
        return -1;
    e->output_fd = pipe_fds[0];
    int status = spawn(e, i, command, pipe_fds[1], err);
    fd_close(pipe_fds[1]);
    if (status < 0 || fd_set_nonblocking(e->output_fd, err) < 0 ||
        loop_io_start(loop, &e->output, e->output_fd, EPOLLIN, on_output, e, err) < 0)
        return -1;
    loop_timer_start(loop, &e->deadline, clock_monotonic_ms() + e->timeout_ms, on_deadline, e);
    return loop_io_start(loop, &e->reported, e->child.report_fd, EPOLLIN, on_reported, e, err);
}

static struct agent_exec *begin(
    struct connection *c, int64_t id, const struct value *params, struct error *err)
{
    int64_t release, index, timeout_ms;
    AUTO(strv) struct strv command = {0};
    if (value_need_int(params, "release", 1, INT64_MAX, &release, err) < 0 ||
        value_need_int(params, "index", 0, INT32_MAX, &index, err) < 0 ||
        value_need_int(params, "timeout_ms", 1, TIMEOUT_MAX, &timeout_ms, err) < 0 ||
        value_need_strv(params, "command", &command, err) < 0)
        return NULL;
    const struct agent_instance *i = find_instance(c->agent, release, index, err);
    if (i && !command.length)
        error_set(err, ERR_PROTOCOL, "exec: no command");
    if (i && c->execs.length == EXECS_MAX)
        error_set(err, ERR_LIMIT, "%d commands run at once already", EXECS_MAX);
    if (!i || !command.length || c->execs.length == EXECS_MAX)
        return NULL;
    struct agent_exec *e = mem_alloc(sizeof *e);
    *e = (struct agent_exec){.agent = c->agent,
        .id = id,
        .release = release,
        .child = SANDBOX_CHILD_NONE,
        .output_fd = -1,
        .timeout_ms = timeout_ms};
    str_init(&e->tail, TAIL_MAX);
    if (start(e, i, &command, err) < 0) {
        exec_free(e);
        return NULL;
    }
    vec_push(&c->execs, e);
    return e;
}

// --- asked ---

// The last line that is not blank.
static void last_line(const struct agent_exec *e, char *ret, size_t size)
{
    AUTO(str) struct str text;
    str_init(&text, TAIL_MAX * 2);
    str_add(&text, e->tail.data, e->tail.length);
    agent_hide_secrets(e->agent, e->release, &text);
    size_t end = text.length;
    while (end && strchr(" \t\r\n", text.data[end - 1]))
        end--;
    size_t from = end;
    while (from && text.data[from - 1] != '\n')
        from--;
    snprintf(ret, size, "%.*s", (int)(end - from), text.data + from);
}

int exec_ask(
    struct connection *c, const struct value *params, struct value *result, struct error *err)
{
    int64_t id;
    struct agent_exec *e = NULL;
    if (value_need_int(params, "exec", 1, INT64_MAX, &id, err) < 0)
        return -1;
    for (size_t i = 0; i < c->execs.length; i++)
        if (c->execs.items[i]->id == id)
            e = c->execs.items[i];
    if (!e && !(e = begin(c, id, params, err)))
        return -1;
    char last[sizeof(((struct target_exec_state *)0)->last)] = "";
    bool over = e->known && e->output_fd < 0;
    if (over)
        last_line(e, last, sizeof last);
    value_set_bool(result, "over", over);
    value_set_bool(result, "succeeded", e->succeeded);
    value_set_str(result, "how", e->how);
    value_set_str(result, "last", last);
    return 0;
}

void exec_end(struct connection *c, int64_t id)
{
    for (size_t i = 0; i < c->execs.length; i++)
        if (c->execs.items[i]->id == id) {
            exec_free(c->execs.items[i]);
            c->execs.items[i] = c->execs.items[--c->execs.length];
            return;
        }
}

void exec_end_all(struct connection *c)
{
    vec_each (e, &c->execs)
        exec_free(*e);
    vec_free(&c->execs);
}
