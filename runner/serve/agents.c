#include "serve/agents.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/log.h"
#include "os/fd.h"
#include "os/file.h"
#include "os/ipc.h"

#define BACK_OFF_MIN_MS 1000
#define BACK_OFF_MAX_MS 60000

#define ARRIVALS    (IN_CREATE | IN_MOVED_TO | IN_ONLYDIR)
#define EVENTS_SIZE ((size_t)16 << 10)

// One of: awaited (its directory is there, and has no state yet), starting, held, resting.
struct app {
    struct agents *owner;
    char *name;
    int wd;        // awaited: the watch of its directory; else -1
    int fd;        // starting: see launcher_start_agent(); held: the connection; else -1
    bool starting; // which of the two
    struct loop_io io;
    struct loop_timer rest;
    int64_t rest_ms; // how long the next rest is
    int64_t held_since_ms;
};

struct agents {
    struct launcher *launcher;
    struct reaper *reaper;
    int inotify;
    int wd; // of the directory of all apps
    struct loop_io events;
    VEC(struct app *) apps;
};

static void look(struct app *a);

static void app_free(struct app *a)
{
    loop_io_stop(&a->io);
    loop_timer_stop(&a->rest);
    fd_close(a->fd);
    free(a->name);
    free(a);
}

static void forget(struct app *a)
{
    struct agents *all = a->owner;
    for (size_t i = 0; i < all->apps.length; i++)
        if (all->apps.items[i] == a)
            all->apps.items[i] = all->apps.items[--all->apps.length];
    if (a->wd >= 0)
        inotify_rm_watch(all->inotify, a->wd);
    app_free(a);
}

// --- apps that have no state (yet, or any more) ---

static bool has_state(const struct app *a)
{
    AUTO_FREE char *path = mem_printf("apps/%s/state.json", a->name);
    return file_exists(a->owner->launcher->state->dir, path);
}

// Waits until its agent has written down that there is an app. May free it.
static void await_state(struct app *a)
{
    AUTO_FREE char *path = state_path(a->owner->launcher->state, "apps/%s", a->name);
    a->wd = inotify_add_watch(a->owner->inotify, path, ARRIVALS);
    if (a->wd < 0) {
        if (errno != ENOENT && errno != ENOTDIR)
            log_warning("%s: inotify: %s; its agent is not kept", path, strerror(errno));
        forget(a);
    } else if (has_state(a)) { // it came just now
        look(a);
    }
}

// --- apps that have one ---

static void on_rested(struct loop_timer *timer)
{
    look(timer->arg);
}

// Whatever it was that we had of it is over. May free it.
static void lose(struct app *a)
{
    struct loop *loop = a->owner->launcher->loop;
    loop_io_stop(&a->io);
    fd_reset(&a->fd);
    if (!a->starting && loop_now(loop) - a->held_since_ms >= BACK_OFF_MAX_MS)
        a->rest_ms = BACK_OFF_MIN_MS;
    if (!has_state(a)) {
        await_state(a);
        return;
    }
    log_warning("the agent of %s has ended; it is started again in %lld ms", a->name,
        (long long)a->rest_ms);
    loop_timer_start(loop, &a->rest, loop_now(loop) + a->rest_ms, on_rested, a);
    a->rest_ms = 2 * a->rest_ms < BACK_OFF_MAX_MS ? 2 * a->rest_ms : BACK_OFF_MAX_MS;
}

static void on_ready(struct loop_io *io, uint32_t events)
{
    (void)events;
    struct app *a = io->arg;
    char byte;
    if (read(a->fd, &byte, 1) != 1) {
        lose(a);
        return;
    }
    loop_io_stop(&a->io);
    fd_reset(&a->fd);
    look(a);
}

// It says nothing that concerns us; its end does.
static void on_connection(struct loop_io *io, uint32_t events)
{
    (void)events;
    struct app *a = io->arg;
    AUTO(str) struct str packet;
    AUTO(ipc_fds) struct ipc_fds fds = {0};
    str_init(&packet, IPC_PACKET_MAX);
    if (ipc_receive(a->fd, 0, &packet, &fds, NULL) <= 0)
        lose(a);
}

static int start_or_hold(struct app *a, struct error *err)
{
    struct launcher *l = a->owner->launcher;
    struct error why = {0};
    int pidfd;
    a->fd = launcher_connect_agent(l, a->name, AGENT_CONNECT, &why);
    a->starting = a->fd < 0;
    if (a->starting && why.kind != ERR_NOT_FOUND) {
        *err = why;
        return -1;
    }
    if (!a->starting) {
        a->held_since_ms = loop_now(l->loop);
        return loop_io_start(l->loop, &a->io, a->fd, EPOLLIN, on_connection, a, err);
    }
    log_info("starting the agent of %s", a->name);
    if (launcher_start_agent(l, a->name, &pidfd, &a->fd, err) < 0)
        return -1;
    reaper_take(a->owner->reaper, pidfd);
    return loop_io_start(l->loop, &a->io, a->fd, EPOLLIN, on_ready, a, err);
}

// Takes it up from wherever it is. May free it.
static void look(struct app *a)
{
    if (a->fd >= 0 || a->rest.loop)
        return;
    if (a->wd >= 0)
        inotify_rm_watch(a->owner->inotify, a->wd);
    a->wd = -1;
    struct error err = {0};
    if (!has_state(a)) {
        await_state(a);
    } else if (start_or_hold(a, &err) < 0) {
        log_error("%s", err.message);
        lose(a);
    }
}

// --- finding them ---

static void take_up(struct agents *all, const char *name)
{
    vec_each (a, &all->apps)
        if (strcmp((*a)->name, name) == 0) {
            look(*a);
            return;
        }
    if (!path_component_ok(name) || name[0] == '.')
        return;
    struct app *a = mem_alloc(sizeof *a);
    *a = (struct app){
        .owner = all, .name = mem_strdup(name), .wd = -1, .fd = -1, .rest_ms = BACK_OFF_MIN_MS};
    vec_push(&all->apps, a);
    look(a);
}

static int take_up_all(struct agents *all, struct error *err)
{
    AUTO(strv) struct strv names = {0};
    if (dir_list(all->launcher->state->dir, "apps", &names, err) < 0)
        return -1;
    strv_each (name, &names)
        take_up(all, *name);
    return 0;
}

static void on_event(struct agents *all, const struct inotify_event *event)
{
    struct error err = {0};
    if (event->mask & IN_Q_OVERFLOW) {
        if (take_up_all(all, &err) < 0)
            log_error("%s", err.message);
        return;
    }
    if (event->wd == all->wd) {
        if (event->mask & IN_ISDIR)
            take_up(all, event->name);
        return;
    }
    vec_each (a, &all->apps)
        if ((*a)->wd == event->wd) {
            if (event->mask & IN_IGNORED) // its directory has gone, and the watch with it
                (*a)->wd = -1;
            look(*a);
            return;
        }
}

static void on_events(struct loop_io *io, uint32_t ready)
{
    (void)ready;
    struct agents *all = io->arg;
    _Alignas(struct inotify_event) char buffer[EVENTS_SIZE];
    ssize_t n = read(all->inotify, buffer, sizeof buffer);
    for (char *at = buffer; n > 0 && at < buffer + n;) {
        const struct inotify_event *event = (const void *)at;
        on_event(all, event);
        at += sizeof *event + event->len;
    }
}

struct agents *agents_new(struct launcher *launcher, struct reaper *reaper, struct error *err)
{
    AUTO_FREE char *path = state_path(launcher->state, "apps");
    struct agents *all = mem_alloc(sizeof *all);
    *all = (struct agents){.launcher = launcher, .reaper = reaper};
    all->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (all->inotify < 0) {
        error_errno(err, "inotify");
        goto fail;
    }
    if (dir_make(launcher->state->dir, "apps", 0711, err) < 0)
        goto fail;
    all->wd = inotify_add_watch(all->inotify, path, ARRIVALS);
    if (all->wd < 0) {
        error_errno(err, "%s: inotify", path);
        goto fail;
    }
    if (loop_io_start(launcher->loop, &all->events, all->inotify, EPOLLIN, on_events, all, err) <
            0 ||
        take_up_all(all, err) < 0)
        goto fail;
    return all;
fail:
    agents_free(all);
    return NULL;
}

void agents_free(struct agents *all)
{
    if (!all)
        return;
    loop_io_stop(&all->events);
    vec_each (a, &all->apps)
        app_free(*a);
    vec_free(&all->apps);
    fd_close(all->inotify);
    free(all);
}
