// One instance: a sandboxed process of the release's image that outlives the agent.
//
//     IDLE ──start──► UP ──leaving: drained, or its time is over──► STOPPING ──grace──► KILLED
//      ▲               │                                                │                 │
//      └── back-off ───┴───────────────── ended ────────────────────────┴─────────────────┘
//
// It ends either because it leaves (then it is gone) or by itself (then it is started again).
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "deploy/agent_private.h"
#include "os/clock.h"
#include "os/failpoint.h"
#include "os/fd.h"
#include "os/file.h"
#include "os/sockets.h"

#define LOG_MAX         ((uint64_t)10 << 20)
#define ENDS_MAX        2 // that a release survives whose instance has never been ready
#define BACK_OFF_MIN_MS 200
#define BACK_OFF_MAX_MS 60000
#define STEADY_MS       60000 // who has run for so long starts again at once
#define DRAIN_LOOK_MS   100
#define DRAIN_MIN_MS    200 // a request that chose it just before the switch has connected by then
#define DRAIN_QUIET     2

char *instance_path(const struct agent_instance *i, const char *name)
{
    return mem_printf("instances/%lld%s%s", (long long)i->kept.id, *name ? "/" : "", name);
}

char *release_log_path(int64_t revision)
{
    return mem_printf("logs/%lld", (long long)revision);
}

struct agent_instance *instance_new(struct agent *a, const struct release *release)
{
    struct agent_instance *i = mem_alloc(sizeof *i);
    i->agent = a;
    i->release = release;
    i->child = SANDBOX_CHILD_NONE;
    i->process = PROCESS_NONE;
    return i;
}

void instance_free(struct agent_instance *i)
{
    if (!i)
        return;
    loop_io_stop(&i->ended);
    loop_io_stop(&i->reported);
    loop_timer_stop(&i->timer);
    health_end(i);
    if (i->is_child)
        sandbox_release(&i->child);
    process_done(&i->process);
    free(i);
}

enum instance_state instance_state_of(const struct agent_instance *i)
{
    if (i->kept.leaving)
        return INSTANCE_DRAINING;
    if (i->phase != RUN_UP)
        return INSTANCE_DOWN;
    return i->ready ? INSTANCE_READY : INSTANCE_STARTING;
}

bool instance_is_gone(const struct agent_instance *i)
{
    return i->kept.leaving && i->phase == RUN_IDLE;
}

int instance_http_port(const struct agent_instance *i)
{
    int offset = 0;
    vec_each (port, &i->release->ports.items) {
        if (port->kind == PORT_HTTP)
            return i->kept.port + offset;
        offset++;
    }
    return 0;
}

// --- its files ---

static int make_owned(struct agent *a, const char *path, struct error *err)
{
    if (dir_make(a->dir, path, 0755, err) < 0)
        return -1;
    if (a->host.privileged && fchownat(a->dir, path, SANDBOX_ID_BASE, SANDBOX_ID_BASE, 0) < 0)
        return error_errno(err, "%s", path);
    return 0;
}

// A new root to write into at each start, as everywhere; log and lock stay.
static int make_files(struct agent_instance *i, struct error *err)
{
    static const char *const fresh[] = {"upper", "work", "exit"};
    struct agent *a = i->agent;
    AUTO_FREE char *own = instance_path(i, "");
    if (make_owned(a, own, err) < 0)
        return -1;
    for (size_t k = 0; k < ARRAY_LEN(fresh); k++) {
        AUTO_FREE char *path = instance_path(i, fresh[k]);
        if (dir_remove_tree(a->dir, path, err) < 0 ||
            (strcmp(fresh[k], "exit") != 0 && make_owned(a, path, err) < 0))
            return -1;
    }
    return 0;
}

static void keep_log(struct agent_instance *i, const char *name, const char *suffix)
{
    struct agent *a = i->agent;
    struct error err = {0};
    AUTO_FREE char *from = instance_path(i, name);
    AUTO_FREE char *dir = release_log_path(i->release->revision);
    AUTO_FREE char *to = mem_printf("%s/%lld%s", dir, (long long)i->kept.id, suffix);
    if (!file_exists(a->dir, from))
        return;
    if (dir_make(a->dir, dir, 0700, &err) < 0)
        log_warning("%s", err.message);
    else if (renameat(a->dir, from, a->dir, to) < 0)
        log_warning("%s: the log of an instance that has ended could not be kept", to);
}

void instance_remove(struct agent_instance *i)
{
    struct error err = {0};
    AUTO_FREE char *path = instance_path(i, "");
    keep_log(i, "log.1", ".log.1");
    keep_log(i, "log", ".log");
    if (dir_remove_tree(i->agent->dir, path, &err) < 0)
        log_warning("%s", err.message);
}

// The end of its log as text.
static void read_tail(const struct agent_instance *i, size_t bytes, struct str *out)
{
    AUTO_FREE char *path = instance_path(i, "log");
    AUTO_FD int fd = openat(i->agent->dir, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    off_t end = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
    off_t from = end > (off_t)bytes ? end - (off_t)bytes : 0;
    if (fd >= 0 && lseek(fd, from, SEEK_SET) == from)
        fd_read_all(fd, out, NULL);
}

void instance_last_lines(
    const struct agent_instance *i, int lines, const char *indent, struct str *out)
{
    AUTO(str) struct str tail;
    str_init(&tail, 64 << 10);
    read_tail(i, 16 << 10, &tail);
    agent_hide_secrets(i->agent, i->release->revision, &tail);
    while (tail.length && tail.data[tail.length - 1] == '\n')
        tail.data[--tail.length] = '\0';
    size_t from = tail.length;
    for (int left = lines; from && left; left -= tail.data[from] == '\n')
        from--;
    from += from && tail.data[from] == '\n';
    char *rest = tail.data + from;
    for (char *line; rest && *rest && (line = strsep(&rest, "\n"));)
        str_printf(out, "%s%s\n", indent, line);
}

// --- why it cannot become ready ---

static void doom(struct agent_instance *i, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void doom(struct agent_instance *i, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    AUTO_FREE char *text = mem_vprintf(format, args);
    va_end(args);
    snprintf(i->doomed, sizeof i->doomed, "instance %d %s", i->kept.index, text);
    log_warning("release %lld: %s", (long long)i->release->revision, i->doomed);
}

static const char *http_port_name(const struct agent_instance *i)
{
    vec_each (port, &i->release->ports.items)
        if (port->kind == PORT_HTTP)
            return port->name;
    return NULL;
}

// It ended before it was ever ready, for the last time.
static void doom_by_end(struct agent_instance *i)
{
    AUTO(str) struct str last;
    str_init(&last, 64 << 10);
    instance_last_lines(i, 1, "", &last);
    while (last.length && last.data[last.length - 1] == '\n')
        last.data[--last.length] = '\0';
    const char *name = http_port_name(i);
    bool busy = strcasestr(last.data, "address already in use") || strstr(last.data, "EADDRINUSE");
    if (busy && name)
        doom(i, "ended with %s: its address is in use; it must listen on $%s (%d): %s",
            i->kept.last_end, name, instance_http_port(i), last.data);
    else
        doom(i, "ended with %s before it was ready%s%s", i->kept.last_end, last.length ? ": " : "",
            last.data);
}

void instance_find_wrong_port(struct agent_instance *i)
{
    int wanted = instance_http_port(i);
    if (!wanted || i->kept.was_ready || i->doomed[0])
        return;
    const struct sockets *all = agent_sockets(i->agent);
    if (!all || sockets_listen(all, wanted))
        return;
    int count = (int)i->release->ports.items.length;
    pid_t init = i->is_child ? i->child.pid : i->process.pid;
    int other = sockets_other_port(all, init, i->kept.port, count);
    if (other)
        doom(i, "listens on %d, not on %d: it must take its port from $%s", other, wanted,
            http_port_name(i));
}

static void on_timer(struct loop_timer *timer);

static void look_again(struct agent_instance *i, int64_t in_ms)
{
    loop_timer_start(i->agent->loop, &i->timer, clock_monotonic_ms() + in_ms, on_timer, i);
}

// --- its end ---

static void print_end(const char *record, char *ret, size_t size)
{
    int number;
    if (sscanf(record, "exit %d", &number) == 1)
        snprintf(ret, size, "exit %d", number);
    else if (sscanf(record, "signal %d", &number) == 1)
        snprintf(ret, size, "signal %d (%s)", number, sigabbrev_np(number) ?: "?");
    else
        snprintf(ret, size, "signal 9 (KILL), with all of its sandbox");
}

static int64_t back_off(const struct agent_instance *i, int64_t ran_ms)
{
    if (ran_ms >= STEADY_MS)
        return 0;
    int64_t ms = BACK_OFF_MIN_MS;
    for (int k = 1; k < i->kept.restarts && ms < BACK_OFF_MAX_MS; k++)
        ms *= 2;
    return ms < BACK_OFF_MAX_MS ? ms : BACK_OFF_MAX_MS;
}

// By itself, not because it leaves: it is started again after a while.
static void ended_by_itself(struct agent_instance *i, int64_t ran_ms)
{
    i->kept.restarts++;
    int64_t pause = back_off(i, ran_ms);
    i->due_ms = clock_monotonic_ms() + pause;
    log_warning("release %lld: instance %d ended with %s; it is started again in %lld ms",
        (long long)i->release->revision, i->kept.index, i->kept.last_end, (long long)pause);
    if (!i->kept.was_ready && !i->doomed[0] && i->kept.restarts >= ENDS_MAX)
        doom_by_end(i);
}

static void read_end(struct agent_instance *i)
{
    AUTO(str) struct str record;
    AUTO_FREE char *path = instance_path(i, "exit");
    str_init(&record, 200);
    file_read(i->agent->dir, path, &record, NULL);
    print_end(record.data, i->kept.last_end, sizeof i->kept.last_end);
}

// What it left behind besides its files.
static void clean_up(struct agent_instance *i)
{
    loop_io_stop(&i->ended);
    loop_io_stop(&i->reported);
    loop_timer_stop(&i->timer);
    health_end(i);
    if (i->is_child)
        sandbox_reap(&i->child);
    AUTO_FREE char *group = mem_printf("app-%s/%lld", i->agent->app, (long long)i->kept.id);
    cgroup_sweep(&i->agent->host, group);
    process_done(&i->process);
    i->is_child = false;
    i->process = PROCESS_NONE;
    i->leaving_ms = 0;
}

// Whether it came to run at all is told once.
static bool could_not_start(struct agent_instance *i)
{
    struct error why = {0};
    int status;
    loop_io_stop(&i->reported);
    if (sandbox_report(&i->child, &status, &why) != SANDBOX_FAILED)
        return false;
    snprintf(i->kept.last_end, sizeof i->kept.last_end, "%.*s", (int)sizeof i->kept.last_end - 1,
        why.message);
    if (!i->doomed[0])
        doom(i, "cannot be started: %s", why.message);
    return true;
}

static void on_reported(struct loop_io *io, uint32_t events)
{
    (void)events;
    could_not_start(io->arg); // its end follows
}

static void on_ended(struct loop_io *io, uint32_t events)
{
    (void)events;
    struct agent_instance *i = io->arg;
    bool told = i->phase != RUN_UP;
    i->phase = RUN_IDLE;
    i->ready = false;
    if (!i->agent->unsaved) // what follows takes its time, and meanwhile its requests fail
        proxy_round(i->agent);
    AUTO_FREE char *path = instance_path(i, "exit");
    if (!file_exists(i->agent->dir, path) && i->reported.loop)
        could_not_start(i);
    else
        read_end(i);
    int64_t ran = clock_monotonic_ms() - i->started_ms;
    clean_up(i);
    i->due_ms = 0;
    if (!i->kept.leaving && !told)
        ended_by_itself(i, ran);
    agent_round_alone(i->agent);
}

static int watch(struct agent_instance *i, int pidfd, struct error *err)
{
    return loop_io_start(i->agent->loop, &i->ended, pidfd, EPOLLIN, on_ended, i, err);
}

// --- its start ---

static int spawn(struct agent_instance *i, int directory, int lock, struct error *err)
{
    const struct release_config *config = &i->release->image.config;
    AUTO(strv) struct strv argv = {0}, environment = {0}, layers = {0};
    struct ids ids;
    strv_copy(&argv, &config->entrypoint);
    strv_copy(&argv, &config->cmd);
    instance_layers(i, &layers);
    if (!argv.length)
        return error_set(err, ERR_CONFIG, "the image says neither ENTRYPOINT nor CMD");
    if (instance_environment(i, &environment, err) < 0 || instance_ids(i, &layers, &ids, err) < 0)
        return -1;
    AUTO_FREE char *own = instance_path(i, "");
    AUTO_FREE char *writable =
        mem_printf("%s/apps/%s/%s", i->agent->state_path, i->agent->app, own);
    AUTO_FREE char *group = mem_printf("app-%s/%lld", i->agent->app, (long long)i->kept.id);
    struct sandbox_record record = {
        .directory = directory, .log = "log", .log_max = LOG_MAX, .exit = "exit", .lock = lock};
    struct sandbox_spec spec = {
        .name = i->agent->app,
        .network = SANDBOX_NETWORK_HOST,
        .root = SANDBOX_ROOT_LAYERS,
        .layers = &layers,
        .writable = writable,
        .argv = strv_argv(&argv),
        .environment = strv_argv(&environment),
        .directory = config->workdir && *config->workdir ? config->workdir : NULL,
        .uid = ids.uid,
        .gid = ids.gid,
        .limits = {.open_files = 65536},
        .cgroup = group,
        .detached = true,
        .record = &record,
    };
    return sandbox_spawn(&spec, &i->agent->host, &i->child, err);
}

static int open_record(
    struct agent_instance *i, int *ret_directory, int *ret_lock, struct error *err)
{
    AUTO_FREE char *own = instance_path(i, "");
    *ret_directory = dir_open(i->agent->dir, own, err);
    if (*ret_directory < 0)
        return -1;
    *ret_lock = openat(*ret_directory, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    return *ret_lock < 0 ? error_errno(err, "%s/lock", own) : 0;
}

static void start(struct agent_instance *i)
{
    struct error err = {0};
    AUTO_FD int directory = -1, lock = -1;
    i->started_ms = clock_monotonic_ms();
    if (make_files(i, &err) < 0 || open_record(i, &directory, &lock, &err) < 0 ||
        spawn(i, directory, lock, &err) < 0) {
        snprintf(i->kept.last_end, sizeof i->kept.last_end, "%.*s",
            (int)sizeof i->kept.last_end - 1, err.message);
        if (!i->kept.was_ready && !i->doomed[0])
            doom(i, "cannot be started: %s", err.message);
        ended_by_itself(i, 0);
        look_again(i, i->due_ms - clock_monotonic_ms());
        agent_changed(i->agent);
        return;
    }
    failpoint("agent.started");
    i->is_child = true;
    i->phase = RUN_UP;
    if (watch(i, i->child.pidfd, &err) < 0 ||
        loop_io_start(
            i->agent->loop, &i->reported, i->child.report_fd, EPOLLIN, on_reported, i, &err) < 0)
        log_error("instance %d: %s", i->kept.index, err.message);
    health_begin(i);
}

void instance_find(struct agent_instance *i)
{
    struct error err = {0};
    AUTO_FREE char *path = instance_path(i, "lock");
    AUTO_FREE char *end = instance_path(i, "exit");
    AUTO_FD int lock = openat(i->agent->dir, path, O_RDONLY | O_CLOEXEC);
    int found = lock < 0 ? 0 : sandbox_find(lock, &i->process, &err);
    if (found < 0)
        log_error("instance %d: %s", i->kept.index, err.message);
    if (found > 0) {
        i->phase = RUN_UP;
        i->ready = i->kept.was_ready; // until its health says otherwise
        i->started_ms = clock_monotonic_ms();
        if (watch(i, i->process.pidfd, &err) < 0)
            log_error("instance %d: %s", i->kept.index, err.message);
        if (!i->kept.leaving)
            health_begin(i);
        return;
    }
    clean_up(i);
    // With a record it ended by itself while nobody looked; without one the machine went down.
    if (!i->kept.leaving && file_exists(i->agent->dir, end)) {
        read_end(i);
        ended_by_itself(i, STEADY_MS);
    }
}

// --- its leaving ---

static void signal_it(struct agent_instance *i, int number)
{
    struct error err = {0};
    int status = i->is_child ? sandbox_signal(&i->child, number, &err)
                             : process_signal(&i->process, number, &err);
    if (status < 0)
        log_error("instance %d: %s", i->kept.index, err.message);
}

static int stop_signal(const struct agent_instance *i)
{
    const char *name = i->release->image.config.stopsignal;
    int64_t number;
    if (!name || !*name)
        return SIGTERM;
    if (int_parse(name, 1, NSIG - 1, &number))
        return (int)number;
    name += text_starts(name, "SIG") ? 3 : 0;
    for (int s = 1; s < NSIG; s++)
        if (text_equal(sigabbrev_np(s), name))
            return s;
    return SIGTERM;
}

static void tell_to_end(struct agent_instance *i)
{
    i->phase = RUN_STOPPING;
    signal_it(i, stop_signal(i));
    look_again(i, i->release->grace_ms);
}

static bool has_drained(struct agent_instance *i)
{
    int port = instance_http_port(i);
    int64_t left_for = clock_monotonic_ms() - i->leaving_ms;
    if (!port || left_for >= i->release->drain_ms)
        return true;
    const struct sockets *all = agent_sockets(i->agent);
    if (!all || sockets_established(all, port))
        i->quiet = 0;
    else if (left_for >= DRAIN_MIN_MS)
        i->quiet++;
    return i->quiet >= DRAIN_QUIET;
}

static void on_timer(struct loop_timer *timer)
{
    struct agent_instance *i = timer->arg;
    switch (i->phase) {
    case RUN_IDLE:
        agent_round_alone(i->agent);
        return;
    case RUN_UP:
        if (!i->leaving_ms)
            health_look(i);
        else if (has_drained(i))
            tell_to_end(i);
        else
            look_again(i, DRAIN_LOOK_MS);
        return;
    case RUN_STOPPING:
        i->phase = RUN_KILLED;
        log_warning("release %lld: instance %d did not end within its grace; it is killed",
            (long long)i->release->revision, i->kept.index);
        signal_it(i, SIGKILL);
        return;
    case RUN_KILLED:
        return;
    }
}

void instance_look_again(struct agent_instance *i, int64_t in_ms)
{
    look_again(i, in_ms);
}

void instance_round(struct agent_instance *i)
{
    if (i->phase == RUN_IDLE && !i->kept.leaving) {
        int64_t left = i->due_ms - clock_monotonic_ms();
        if (left > 0)
            look_again(i, left);
        else
            start(i);
    } else if (i->phase == RUN_UP && i->kept.leaving && !i->leaving_ms) {
        health_end(i);
        i->leaving_ms = clock_monotonic_ms();
        i->quiet = 0;
        look_again(i, i->kept.was_ready ? DRAIN_LOOK_MS : 0);
    } else if (i->phase == RUN_UP && !i->kept.leaving && i->leaving_ms) {
        i->leaving_ms = 0; // it may stay after all
        health_begin(i);
    }
}
