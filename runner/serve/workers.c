#include "serve/workers.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/log.h"
#include "codec/value.h"
#include "engine/settle.h"
#include "engine/worker_file.h"
#include "os/fd.h"
#include "sandbox/spawn.h"

#define PROGRAMS_AT 4 // descriptors of davit's executables in a worker

struct worker {
    struct workers *owner;
    int64_t run_id;
    struct process process;
    bool child; // ours to reap
    struct loop_io ended;
};

struct workers {
    struct launcher *launcher;
    struct db *db;
    struct reaper *reaper;
    workers_changed_fn *changed;
    void *arg;
    VEC(struct worker *) items;
};

struct workers *workers_new(struct launcher *launcher, struct db *db, struct reaper *reaper,
    workers_changed_fn *changed, void *arg, struct error *err)
{
    if (launcher_open_programs(launcher, err) < 0)
        return NULL;
    struct workers *w = mem_alloc(sizeof *w);
    *w = (struct workers){
        .launcher = launcher, .db = db, .reaper = reaper, .changed = changed, .arg = arg};
    return w;
}

static void forget(struct worker *worker)
{
    struct workers *w = worker->owner;
    for (size_t i = 0; i < w->items.length; i++)
        if (w->items.items[i] == worker)
            w->items.items[i] = w->items.items[--w->items.length];
    loop_io_stop(&worker->ended);
    process_done(&worker->process);
    free(worker);
}

void workers_free(struct workers *w)
{
    if (!w)
        return;
    while (w->items.length)
        forget(w->items.items[0]);
    vec_free(&w->items);
    free(w);
}

size_t workers_count(const struct workers *w)
{
    return w->items.length;
}

bool workers_has(const struct workers *w, int64_t run_id)
{
    vec_each (worker, &w->items)
        if ((*worker)->run_id == run_id)
            return true;
    return false;
}

static int spawn(struct workers *w, const char *name, const struct strv *argv, int order_fd,
    struct sandbox_child *ret, struct error *err)
{
    struct launcher *l = w->launcher;
    // What davit itself understands; the rest of our environment is nobody's business.
    static const char *const passed[] = {"DAVIT_FAILPOINT", "DOCKER_CONFIG", "HOME", "KUBECONFIG",
        "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "SSL_CERT_FILE", "ASAN_OPTIONS"};
    AUTO(strv) struct strv environment = {0};
    strv_push(&environment, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    for (size_t i = 0; i < ARRAY_LEN(passed); i++)
        if (getenv(passed[i]))
            strv_pushf(&environment, "%s=%s", passed[i], getenv(passed[i]));
    struct sandbox_spec spec = {
        .name = name,
        .isolation = SANDBOX_NONE,
        .exec_fd = l->programs[PROGRAM_DAVIT],
        .argv = strv_argv(argv),
        .environment = strv_argv(&environment),
        .stdin_fd = order_fd,
        .stderr_fd = STDERR_FILENO,
        .extra_fds = l->programs,
        .extra_fd_count = PROGRAM_COUNT,
        .detached = true,
    };
    return sandbox_spawn(&spec, &l->host, ret, err);
}

// --- what a dead worker leaves ---

// A rollout does not die with its runner: it is resumed from what the target says, by a process of
// its own.
static void resume_app(void *arg, const struct strv *named)
{
    struct workers *w = arg;
    AUTO(strv) struct strv argv = {0};
    static const char *const words[] = {"davit", "resume", "--state"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        strv_push(&argv, words[i]);
    strv_push(&argv, w->launcher->state->path);
    strv_each (word, named)
        strv_push(&argv, *word);
    struct sandbox_child child;
    struct error err = {0};
    log_warning("resuming the rollout of %s", named->items[0]);
    if (spawn(w, "resume", &argv, 0, &child, &err) < 0) {
        log_error("%s", err.message);
        return;
    }
    reaper_take(w->reaper, take_fd(child.pidfd));
    sandbox_release(&child);
}

static int find_or_settle(struct workers *w, int64_t run_id, struct error *err);

static void on_ended(struct loop_io *io, uint32_t events)
{
    (void)events;
    struct worker *worker = io->arg;
    struct workers *w = worker->owner;
    int64_t run_id = worker->run_id;
    int status;
    if (worker->child)
        process_reap(worker->process.pidfd, &status, NULL);
    forget(worker);
    struct error err = {0};
    if (find_or_settle(w, run_id, &err) < 0)
        log_error("run %lld: %s", (long long)run_id, err.message);
    w->changed(w->arg);
}

// --- starting and finding ---

// Takes the process.
static int hold(
    struct workers *w, int64_t run_id, struct process process, bool child, struct error *err)
{
    struct worker *worker = mem_alloc(sizeof *worker);
    *worker = (struct worker){.owner = w, .run_id = run_id, .process = process, .child = child};
    vec_push(&w->items, worker);
    if (loop_io_start(
            w->launcher->loop, &worker->ended, process.pidfd, EPOLLIN, on_ended, worker, err) < 0) {
        forget(worker);
        return -1;
    }
    return 0;
}

// A run's worker is the process that has claimed it: after a daemon that died while it started one,
// that need not be the one whose end we saw.
static int find_or_settle(struct workers *w, int64_t run_id, struct error *err)
{
    struct process process = PROCESS_NONE;
    int found = worker_find(w->launcher->state, run_id, &process, err);
    if (found < 0)
        return -1;
    return found ? hold(w, run_id, process, false, err)
                 : settle_run(w->launcher, w->db, run_id, resume_app, w, err);
}

int workers_start(struct workers *w, int64_t run_id, struct value *order, struct error *err)
{
    AUTO(value) struct value *owned = order;
    AUTO(strv) struct strv argv = {0};
    static const char *const words[] = {"davit", "run", "--state"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        strv_push(&argv, words[i]);
    strv_push(&argv, w->launcher->state->path);
    strv_push(&argv, "--id");
    strv_pushf(&argv, "%lld", (long long)run_id);
    value_set_int(owned, "programs", PROGRAMS_AT);
    AUTO_FREE char *text = value_print(owned);
    AUTO_FD int order_fd = fd_memory("order", text, strlen(text), err);
    struct sandbox_child child;
    if (order_fd < 0 || spawn(w, "worker", &argv, order_fd, &child, err) < 0)
        return -1;
    struct process process = {.pid = child.pid, .pidfd = take_fd(child.pidfd)};
    sandbox_release(&child);
    return hold(w, run_id, process, true, err);
}

int workers_adopt(struct workers *w, struct error *err)
{
    AUTO(run_list) struct run_list running = {0};
    if (runs_list(w->db, STATUS_RUNNING, 0, &running, err) < 0)
        return -1;
    vec_each (run, &running.items)
        if (find_or_settle(w, run->id, err) < 0)
            return -1;
    return 0;
}
