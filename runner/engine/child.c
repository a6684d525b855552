#include "engine/child.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "os/fd.h"

struct child {
    struct loop *loop;
    struct child_options options;
    struct sandbox_child box;
    struct loop_io report;
    struct child_pipe {
        struct child *child;
        struct loop_io io;
        child_output_fn *to;
        int fd; // -1 once it has ended
    } output, text;
    struct loop_timer deadline, grace, last_call;
    bool cancelled, timed_out, known;
    struct child_result result; // once known
};

static void check_end(struct child *c);

static void on_kill(struct loop_timer *timer)
{
    struct child *c = timer->arg;
    sandbox_kill(&c->box);
}

static void ask_to_end(struct child *c)
{
    if (c->known || c->grace.loop)
        return;
    sandbox_signal(&c->box, SIGTERM, NULL);
    loop_timer_start(c->loop, &c->grace, loop_now(c->loop) + c->options.grace_ms, on_kill, c);
}

static void on_deadline(struct loop_timer *timer)
{
    struct child *c = timer->arg;
    c->timed_out = true;
    ask_to_end(c);
}

void child_cancel(struct child *c)
{
    if (!c->known)
        c->cancelled = true;
    ask_to_end(c);
}

void child_kill(struct child *c)
{
    sandbox_kill(&c->box);
}

static void know(struct child *c, enum sandbox_state state, int status, const struct error *err)
{
    c->known = true;
    loop_timer_stop(&c->deadline);
    if (state == SANDBOX_FAILED) {
        c->result = (struct child_result){.end = CHILD_NOT_RUN, .err = *err};
        return;
    }
    bool exited = state == SANDBOX_ENDED && WIFEXITED(status);
    bool signalled = state == SANDBOX_ENDED && WIFSIGNALED(status);
    c->result.code = exited ? WEXITSTATUS(status) : signalled ? WTERMSIG(status) : 0;
    if (c->timed_out)
        c->result.end = CHILD_TIMED_OUT;
    else if (c->cancelled)
        c->result.end = CHILD_WAS_CANCELLED;
    else
        c->result.end = exited ? CHILD_EXITED : signalled ? CHILD_SIGNALLED : CHILD_LOST;
}

static void on_report(struct loop_io *io, uint32_t events)
{
    (void)events;
    struct child *c = io->arg;
    int status = 0;
    struct error err = {0};
    enum sandbox_state state = sandbox_report(&c->box, &status, &err);
    if (state == SANDBOX_STARTED)
        return;
    loop_io_stop(&c->report);
    know(c, state, status, &err);
    check_end(c);
}

static void on_output(struct loop_io *io, uint32_t events)
{
    (void)events;
    struct child_pipe *p = io->arg;
    struct child *c = p->child;
    char buffer[65536];
    ssize_t n = read(p->fd, buffer, sizeof buffer);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n > 0) {
        p->to(c->options.arg, buffer, (size_t)n);
        return;
    }
    loop_io_stop(&p->io);
    fd_reset(&p->fd);
    check_end(c);
}

// The end is known and the output is read: init is dying or dead, so reaping does not block.
static void on_last_call(struct loop_timer *timer)
{
    struct child *c = timer->arg;
    sandbox_reap(&c->box);
    c->options.ended(c->options.arg, &c->result);
}

static void check_end(struct child *c)
{
    if (!c->known || c->output.fd >= 0 || c->text.fd >= 0)
        return;
    loop_timer_stop(&c->grace);
    // From a callback of its own, so that the owner may free us in it.
    loop_timer_start(c->loop, &c->last_call, loop_now(c->loop), on_last_call, c);
}

// *ret_end is the child's end of it.
static int open_pipe(struct child *c, struct child_pipe *p, int *ret_end, struct error *err)
{
    int fds[2];
    if (fd_pipe(fds, err) < 0)
        return -1;
    p->fd = fds[0];
    *ret_end = fds[1];
    if (fd_set_nonblocking(p->fd, err) < 0)
        return -1;
    return loop_io_start(c->loop, &p->io, p->fd, EPOLLIN, on_output, p, err);
}

static int launch(
    struct child *c, const struct sandbox_host *host, struct sandbox_spec spec, struct error *err)
{
    AUTO_FD int output = -1;
    AUTO_FD int text = -1;
    if (c->options.capture) {
        if (open_pipe(c, &c->output, &output, err) < 0 ||
            (c->options.text && open_pipe(c, &c->text, &text, err) < 0))
            return -1;
        spec.stderr_fd = output;
        spec.stdout_fd = text >= 0 ? text : output;
    }
    if (sandbox_spawn(&spec, host, &c->box, err) < 0)
        return -1;
    return loop_io_start(c->loop, &c->report, c->box.report_fd, EPOLLIN, on_report, c, err);
}

struct child *child_start(struct loop *loop, const struct sandbox_host *host,
    const struct sandbox_spec *spec, const struct child_options *options, struct error *err)
{
    struct child *c = mem_alloc(sizeof *c);
    c->loop = loop;
    c->options = *options;
    c->box = SANDBOX_CHILD_NONE;
    c->output = (struct child_pipe){.child = c, .to = options->output, .fd = -1};
    c->text = (struct child_pipe){.child = c, .to = options->text, .fd = -1};
    if (launch(c, host, *spec, err) < 0) {
        child_free(c);
        return NULL;
    }
    if (options->timeout_ms)
        loop_timer_start(loop, &c->deadline, loop_now(loop) + options->timeout_ms, on_deadline, c);
    return c;
}

void child_free(struct child *c)
{
    if (!c)
        return;
    loop_io_stop(&c->report);
    loop_io_stop(&c->output.io);
    loop_io_stop(&c->text.io);
    loop_timer_stop(&c->deadline);
    loop_timer_stop(&c->grace);
    loop_timer_stop(&c->last_call);
    fd_close(c->output.fd);
    fd_close(c->text.fd);
    if (c->box.pidfd >= 0) {
        sandbox_kill(&c->box);
        sandbox_reap(&c->box);
    }
    free(c);
}

pid_t child_pid(const struct child *c)
{
    return c->box.pid;
}

void child_result_print(const struct child_result *result, struct str *out)
{
    switch (result->end) {
    case CHILD_EXITED:
        str_printf(out, "exit %d", result->code);
        break;
    case CHILD_SIGNALLED:
        str_printf(out, "signal %d (%s)", result->code, sigabbrev_np(result->code));
        break;
    case CHILD_NOT_RUN:
        str_puts(out, result->err.message);
        break;
    case CHILD_TIMED_OUT:
        str_puts(out, "timeout");
        break;
    case CHILD_WAS_CANCELLED:
        str_puts(out, "cancelled");
        break;
    case CHILD_LOST:
        str_puts(out, "killed from outside");
        break;
    }
}
