#include "os/loop.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/memory.h"
#include "os/clock.h"
#include "os/fd.h"

#define EVENTS_PER_TURN 64

struct loop {
    int epoll_fd;
    bool stopped;
    int64_t now_ms;
    struct loop_io *ready;     // got events this turn and not yet called
    struct loop_timer *timers; // by deadline; there are few
    struct loop_io signals;
    int signal_fd;
    sigset_t old_mask;
    loop_signal_fn *on_signal;
    void *signal_arg;
};

struct loop *loop_new(struct error *err)
{
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0) {
        error_errno(err, "epoll_create1");
        return NULL;
    }
    struct loop *loop = mem_alloc(sizeof *loop);
    loop->epoll_fd = epoll_fd;
    loop->signal_fd = -1;
    loop->now_ms = clock_monotonic_ms();
    return loop;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    if (loop->signal_fd >= 0) {
        loop_io_stop(&loop->signals);
        fd_close(loop->signal_fd);
        sigprocmask(SIG_SETMASK, &loop->old_mask, NULL);
    }
    fd_close(loop->epoll_fd);
    mem_freep(&loop);
}

void loop_stop(struct loop *loop)
{
    loop->stopped = true;
}

int64_t loop_now(const struct loop *loop)
{
    return loop->now_ms;
}

int loop_io_start(struct loop *loop, struct loop_io *io, int fd, uint32_t events,
    loop_io_fn *callback, void *arg, struct error *err)
{
    struct epoll_event event = {.events = events, .data.ptr = io};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        return error_errno(err, "epoll_ctl");
    *io = (struct loop_io){
        .loop = loop, .fd = fd, .events = events, .callback = callback, .arg = arg};
    return 0;
}

int loop_io_events(struct loop_io *io, uint32_t events, struct error *err)
{
    if (io->events == events)
        return 0;
    struct epoll_event event = {.events = events, .data.ptr = io};
    if (epoll_ctl(io->loop->epoll_fd, EPOLL_CTL_MOD, io->fd, &event) < 0)
        return error_errno(err, "epoll_ctl");
    io->events = events;
    return 0;
}

void loop_io_stop(struct loop_io *io)
{
    if (!io->loop)
        return;
    for (struct loop_io **at = &io->loop->ready; *at; at = &(*at)->next_ready)
        if (*at == io) {
            *at = io->next_ready;
            break;
        }
    epoll_ctl(io->loop->epoll_fd, EPOLL_CTL_DEL, io->fd, NULL);
    io->loop = NULL;
}

void loop_timer_start(struct loop *loop, struct loop_timer *timer, int64_t deadline_ms,
    loop_timer_fn *callback, void *arg)
{
    loop_timer_stop(timer);
    *timer = (struct loop_timer){
        .loop = loop, .deadline_ms = deadline_ms, .callback = callback, .arg = arg};
    struct loop_timer **at = &loop->timers;
    while (*at && (*at)->deadline_ms <= deadline_ms)
        at = &(*at)->next;
    timer->next = *at;
    *at = timer;
}

void loop_timer_stop(struct loop_timer *timer)
{
    if (!timer->loop)
        return;
    for (struct loop_timer **at = &timer->loop->timers; *at; at = &(*at)->next)
        if (*at == timer) {
            *at = timer->next;
            break;
        }
    timer->loop = NULL;
}

// A callback may start, move and stop timers, its own too; one that restarts itself in the past
// waits for the next turn.
static void run_timers(struct loop *loop)
{
    int64_t until = loop->now_ms;
    for (int budget = EVENTS_PER_TURN; budget && !loop->stopped; budget--) {
        struct loop_timer *timer = loop->timers;
        if (!timer || timer->deadline_ms > until)
            return;
        loop_timer_stop(timer);
        timer->callback(timer);
    }
}

static int timeout(const struct loop *loop)
{
    if (!loop->timers)
        return -1;
    int64_t left = loop->timers->deadline_ms - clock_monotonic_ms();
    return left <= 0 ? 0 : left > 60000 ? 60000 : (int)left;
}

int loop_run(struct loop *loop, struct error *err)
{
    loop->stopped = false;
    loop->ready = NULL; // of a run around this one: what is left of its turn is told again
    while (!loop->stopped) {
        struct epoll_event events[EVENTS_PER_TURN];
        int n = epoll_wait(loop->epoll_fd, events, EVENTS_PER_TURN, timeout(loop));
        if (n < 0 && errno != EINTR)
            return error_errno(err, "epoll_wait");
        loop->now_ms = clock_monotonic_ms();
        // All of this turn's events are put aside first: a callback may stop a source that has not
        // been called yet.
        for (int i = n - 1; i >= 0; i--) {
            struct loop_io *io = events[i].data.ptr;
            io->ready = events[i].events;
            io->next_ready = loop->ready;
            loop->ready = io;
        }
        while (loop->ready && !loop->stopped) {
            struct loop_io *io = loop->ready;
            loop->ready = io->next_ready;
            io->callback(io, io->ready);
        }
        loop->ready = NULL;
        if (!loop->stopped)
            run_timers(loop);
    }
    return 0;
}

static void read_signals(struct loop_io *io, uint32_t events)
{
    (void)events;
    struct loop *loop = io->arg;
    struct signalfd_siginfo info;
    if (read(loop->signal_fd, &info, sizeof info) == sizeof info)
        loop->on_signal(loop->signal_arg, (int)info.ssi_signo);
}

int loop_signals(struct loop *loop, const int *signals, size_t count, loop_signal_fn *callback,
    void *arg, struct error *err)
{
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < count; i++)
        sigaddset(&set, signals[i]);
    AUTO_FD int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        return error_errno(err, "signalfd");
    if (loop_io_start(loop, &loop->signals, fd, EPOLLIN, read_signals, loop, err) < 0)
        return -1;
    loop->signal_fd = take_fd(fd);
    loop->on_signal = callback;
    loop->signal_arg = arg;
    sigprocmask(SIG_BLOCK, &set, &loop->old_mask);
    return 0;
}
