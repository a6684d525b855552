#include "serve/serve.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "os/fd.h"
#include "os/file.h"
#include "serve/agents.h"
#include "serve/repository.h"
#include "serve/watch.h"
#include "serve/workers.h"

#define RETRY_MS 1000

struct serve {
    struct launcher *launcher;
    struct db *db;
    const struct serve_config *config;
    int lock_fd;
    struct watch *watch;
    struct reaper *reaper;
    struct agents *agents;
    struct workers *workers;
    VEC(struct repository *) repositories;
    struct loop_timer retry; // of the queue, when a run could not be started
};

static struct repository *find(const struct serve *s, const char *path)
{
    vec_each (r, &s->repositories)
        if (strcmp(repository_path(*r), path) == 0)
            return *r;
    return NULL;
}

// --- the queue ---

// One run at a time for a ref of a repository: two pushes deploy in the order of the pushes.
static bool is_busy(const struct run_list *running, const struct run_record *run)
{
    vec_each (other, &running->items)
        if (strcmp(other->repository, run->repository) == 0 && text_equal(other->ref, run->ref))
            return true;
    return false;
}

static int start_run(struct serve *s, const struct run_record *run, struct error *err)
{
    const struct repository *r = find(s, run->repository);
    struct value *order = value_map();
    value_set_str(order, "default_branch", r ? repository_default_branch(r) : NULL);
    value_set(order, "secrets", value_share(s->config->secrets));
    return workers_start(s->workers, run->id, order, err);
}

static int start_queued(struct serve *s, struct error *err)
{
    AUTO(run_list) struct run_list queued = {0}, running = {0};
    if (runs_list(s->db, STATUS_QUEUED, 0, &queued, err) < 0 ||
        runs_list(s->db, STATUS_RUNNING, 0, &running, err) < 0)
        return -1;
    size_t limit = (size_t)s->config->concurrency;
    for (size_t i = queued.items.length; i-- && workers_count(s->workers) < limit;) {
        struct run_record *run = &queued.items.items[i]; // the oldest first
        if (workers_has(s->workers, run->id) || is_busy(&running, run))
            continue;
        if (start_run(s, run, err) < 0)
            return -1;
        vec_push(&running.items, *run);
        *run = (struct run_record){0};
    }
    return 0;
}

static void advance(void *arg);

static void on_retry(struct loop_timer *timer)
{
    advance(timer->arg);
}

static void advance(void *arg)
{
    struct serve *s = arg;
    struct error err = {0};
    loop_timer_stop(&s->retry);
    if (start_queued(s, &err) == 0)
        return;
    log_error("the queue: %s; trying again", err.message);
    struct loop *loop = s->launcher->loop;
    loop_timer_start(loop, &s->retry, loop_now(loop) + RETRY_MS, on_retry, s);
}

// --- watching ---

static void on_change(void *arg, const char *path, const struct error *why)
{
    struct serve *s = arg;
    struct repository *r = find(s, path);
    if (!r)
        return;
    if (why) {
        log_warning("%s: %s; it is looked at twice a minute instead", path, why->message);
        repository_poll(r);
    }
    repository_look(r);
}

static int add_repository(struct serve *s, const struct serve_repository *config, struct error *err)
{
    struct repository *r = repository_new(s->launcher, s->db, config, advance, s);
    vec_push(&s->repositories, r);
    struct error why = {0};
    if (watch_add(s->watch, config->path, &why) < 0) {
        if (why.kind != ERR_LIMIT) {
            *err = why;
            return -1;
        }
        log_warning("%s: %s; it is looked at twice a minute instead", config->path, why.message);
        repository_poll(r);
    }
    repository_look(r); // whatever was pushed while nobody watched
    return 0;
}

// --- the life ---

static int lock(struct serve *s, struct error *err)
{
    s->lock_fd = openat(s->launcher->state->dir, "serve.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->lock_fd < 0)
        return error_errno(err, "serve.lock");
    int got = file_lock(s->lock_fd, err);
    if (got == 0)
        return error_set(
            err, ERR_CONFLICT, "another `davit serve` runs on %s", s->launcher->state->path);
    return got < 0 ? -1 : 0;
}

struct serve *serve_new(
    struct launcher *launcher, struct db *db, const struct serve_config *config, struct error *err)
{
    struct serve *s = mem_alloc(sizeof *s);
    *s = (struct serve){.launcher = launcher, .db = db, .config = config, .lock_fd = -1};
    if (lock(s, err) < 0)
        goto fail;
    s->reaper = reaper_new(launcher->loop);
    s->workers = workers_new(launcher, db, s->reaper, advance, s, err);
    s->agents = s->workers ? agents_new(launcher, s->reaper, err) : NULL;
    s->watch = s->agents ? watch_new(launcher->loop, on_change, s, err) : NULL;
    if (!s->watch || workers_adopt(s->workers, err) < 0)
        goto fail;
    vec_each (repository, &config->repositories)
        if (add_repository(s, repository, err) < 0)
            goto fail;
    return s;
fail:
    serve_free(s);
    return NULL;
}

void serve_free(struct serve *s)
{
    if (!s)
        return;
    loop_timer_stop(&s->retry);
    watch_free(s->watch);
    vec_each (r, &s->repositories)
        repository_free(*r);
    vec_free(&s->repositories);
    workers_free(s->workers);
    agents_free(s->agents);
    reaper_free(s->reaper);
    fd_close(s->lock_fd);
    free(s);
}

static void on_signal(void *arg, int signal)
{
    struct serve *s = arg;
    log_info("signal %s: no longer watching; %zu worker%s go%s on", sigabbrev_np(signal),
        workers_count(s->workers), workers_count(s->workers) == 1 ? "" : "s",
        workers_count(s->workers) == 1 ? "es" : "");
    loop_stop(s->launcher->loop);
}

int serve_run(struct serve *s, struct error *err)
{
    static const int signals[] = {SIGTERM, SIGINT};
    if (loop_signals(s->launcher->loop, signals, ARRAY_LEN(signals), on_signal, s, err) < 0)
        return -1;
    advance(s);
    return loop_run(s->launcher->loop, err);
}
