#include "support/role_test.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "codec/role.h"
#include "os/fd.h"
#include "os/process.h"
#include "support/check.h"

#define PATIENCE_MS 60000

struct value *role_job(const char *key, ...)
{
    struct value *job = value_map();
    va_list args;
    va_start(args, key);
    for (; key; key = va_arg(args, const char *))
        value_set_str(job, key, va_arg(args, const char *));
    va_end(args);
    return job;
}

static void on_job(struct rpc *rpc, int64_t id, struct value *params, struct ipc_fds *fds)
{
    (void)params;
    (void)fds;
    struct role_test *t = rpc_arg(rpc);
    rpc_reply(rpc, id, take_ptr(t->job), t->fds, t->fd_count);
}

static void on_log(struct rpc *rpc, int64_t id, struct value *params, struct ipc_fds *fds)
{
    (void)fds;
    struct role_test *t = rpc_arg(rpc);
    const char *line = value_get_str(params, "line");
    strv_push(&t->log, line);
    if (t->logged)
        t->logged(t, line);
    rpc_reply(rpc, id, NULL, NULL, 0);
}

static void on_done(struct rpc *rpc, int64_t id, struct value *params, struct ipc_fds *fds)
{
    (void)fds;
    struct role_test *t = rpc_arg(rpc);
    const struct value *failure = value_get(params, "error");
    if (failure)
        error_from_value(failure, &t->error);
    else
        t->result = value_copy(value_get(params, "result"));
    rpc_reply(rpc, id, NULL, NULL, 0);
}

static void on_closed(struct rpc *rpc, const struct error *why)
{
    (void)rpc;
    if (why)
        fail_msg("the role broke the protocol: %s", why->message);
}

static const struct rpc_method own_methods[] = {
    {"job", 1, on_job}, {"log", 1, on_log}, {"done", 1, on_done}};

struct wait {
    struct loop *loop;
    struct loop_io exited;
    struct loop_timer patience;
    int pidfd;
};

static void on_role_exit(struct loop_io *io, uint32_t events)
{
    (void)events;
    loop_stop(((struct wait *)io->arg)->loop);
}

static void on_patience(struct loop_timer *timer)
{
    struct wait *w = timer->arg;
    syscall(SYS_pidfd_send_signal, w->pidfd, SIGKILL, NULL, 0);
}

static pid_t start(const char *program, int socket)
{
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(n > 0);
    self[n] = '\0';
    *strrchr(self, '/') = '\0';
    AUTO_FREE char *path = mem_printf("%s/%s", self, program);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid)
        return pid;
    // dup2() of a descriptor on itself would leave it close-on-exec.
    int moved = socket == ROLE_SOCKET_FD ? dup(socket) : socket;
    if (dup2(moved, ROLE_SOCKET_FD) == ROLE_SOCKET_FD) {
        close_range(ROLE_SOCKET_FD + 1, ~0u, 0);
        execl(path, program, (char *)NULL);
    }
    _exit(127);
}

static void serve(struct role_test *t, int socket, pid_t pid)
{
    VEC(struct rpc_method) methods = {0};
    for (size_t i = 0; i < ARRAY_LEN(own_methods); i++)
        vec_push(&methods, own_methods[i]);
    for (const struct rpc_method *m = t->methods; m && m->op; m++)
        vec_push(&methods, *m);
    vec_add(&methods);
    struct wait w = {.loop = loop_new(NULL), .pidfd = (int)syscall(SYS_pidfd_open, pid, 0)};
    assert_true(w.pidfd >= 0);
    struct rpc *rpc = rpc_serve(w.loop, socket, methods.items, 1, on_closed, t, NULL);
    assert_non_null(rpc);
    check_ok(loop_io_start(w.loop, &w.exited, w.pidfd, EPOLLIN, on_role_exit, &w, &err));
    loop_timer_start(w.loop, &w.patience, loop_now(w.loop) + PATIENCE_MS, on_patience, &w);
    check_ok(loop_run(w.loop, &err));
    loop_timer_stop(&w.patience);
    loop_io_stop(&w.exited);
    check_ok(process_reap(w.pidfd, &t->status, &err));
    fd_close(w.pidfd);
    rpc_free(rpc);
    loop_free(w.loop);
    vec_free(&methods);
}

void role_test_run(struct role_test *t)
{
    int pair[2];
    check_ok(ipc_pair(pair, &err));
    t->pid = start(t->program, pair[1]);
    fd_close(pair[1]);
    serve(t, pair[0], t->pid);
    if (!t->may_die && !t->result && t->error.kind == ERR_NONE)
        fail_msg("%s ended without a word (wait status %#x)", t->program, (unsigned)t->status);
}

void role_test_done(struct role_test *t)
{
    value_free(t->job);
    value_free(t->result);
    strv_done(&t->log);
}
