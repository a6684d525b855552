// The app's nginx: started once, reloaded only when the app gets more ports, and told where traffic
// goes by one rename(2).
//
//     nginx/nginx.conf         route.h
//     nginx/ports/PORT/        empty: the names that nginx looks for; ports/none is nobody's
//     nginx/links/PORT         a link to ../../ports/PORT, as it is right in routes/N
//     nginx/routes/N/BUCKET    other names of those links
//     nginx/route              link to routes/N: its rename is the switch
//     nginx/run/               log, exit and lock of its sandbox's init
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "deploy/agent_private.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/file.h"

#define LOG_MAX         ((uint64_t)10 << 20)
#define CONFIG_MAX      ((size_t)8 << 20)
#define BACKLOG         4096
#define NOBODY          65534 // inside the sandbox
#define BACK_OFF_MIN_MS 100
#define BACK_OFF_MAX_MS 10000
#define STEADY_MS       60000 // who has run for so long starts again at once
#define RELOAD_MAX_MS   10000
#define RELOAD_LOOK_MS  10
#define LISTEN_FD       4 // the first of a sandbox's extra descriptors
// A directory of links that a request may still be looking through is left alone.
#define ROUTES_KEPT 16

bool proxy_runs(const struct agent *a)
{
    return a->proxy.process.pidfd >= 0;
}

// --- where traffic goes ---

static int64_t read_generation(const struct agent_proxy *p)
{
    char target[64];
    ssize_t n = readlinkat(p->dir, "route", target, sizeof target - 1);
    long long generation = 0;
    if (n <= 0)
        return 0;
    target[n] = '\0';
    return sscanf(target, "routes/%lld", &generation) == 1 ? generation : 0;
}

// A hundred symbolic links are a hundred inodes, which takes ext4 15 to 60 ms; a hundred names of
// one that is there already take less than one.
static int link_bucket(
    const struct agent_proxy *p, const char *port, int dir, const char *bucket, struct error *err)
{
    AUTO_FREE char *made = mem_printf("links/%s", port);
    AUTO_FREE char *target = mem_printf("../../ports/%s", port);
    if (linkat(p->dir, made, dir, bucket, 0) == 0 || symlinkat(target, dir, bucket) == 0)
        return 0;
    return error_errno(err, "nginx/routes/%lld/%s", (long long)p->generation, bucket);
}

static int link_buckets(
    const struct agent_proxy *p, const struct route *route, int dir, struct error *err)
{
    for (int i = 0; i < ROUTE_BUCKETS; i++) {
        char bucket[16], port[16] = "none";
        snprintf(bucket, sizeof bucket, "%d", i);
        if (route->port[i])
            snprintf(port, sizeof port, "%d", route->port[i]);
        if (link_bucket(p, port, dir, bucket, err) < 0)
            return -1;
    }
    return 0;
}

static int switch_route(struct agent_proxy *p, const struct route *route, struct error *err)
{
    p->generation++;
    AUTO_FREE char *path = mem_printf("routes/%lld", (long long)p->generation);
    AUTO_FREE char *old = mem_printf("routes/%lld", (long long)p->generation - ROUTES_KEPT);
    if (dir_remove_tree(p->dir, path, err) < 0 || dir_make(p->dir, path, 0755, err) < 0)
        return -1;
    AUTO_FD int dir = dir_open(p->dir, path, err);
    if (dir < 0 || link_buckets(p, route, dir, err) < 0)
        return -1;
    unlinkat(p->dir, "route.new", 0);
    if (symlinkat(path, p->dir, "route.new") < 0 ||
        renameat(p->dir, "route.new", p->dir, "route") < 0)
        return error_errno(err, "nginx/route");
    p->route = *route;
    return dir_remove_tree(p->dir, old, err);
}

static void on_restart(struct loop_timer *timer)
{
    agent_round_alone(timer->arg);
}

// It has ended, or could not be started: it is tried again after a while.
static void start_later(struct agent *a, const char *why)
{
    struct agent_proxy *p = &a->proxy;
    int64_t pause = BACK_OFF_MIN_MS;
    if (clock_monotonic_ms() - p->started_ms >= STEADY_MS)
        p->failures = 0;
    for (int k = 0; k < p->failures && pause < BACK_OFF_MAX_MS; k++)
        pause *= 2;
    p->failures++;
    log_error("nginx: %s; it is started again in %lld ms", why, (long long)pause);
    loop_timer_start(a->loop, &p->restart, clock_monotonic_ms() + pause, on_restart, a);
}

void proxy_round(struct agent *a)
{
    struct agent_proxy *p = &a->proxy;
    struct route route;
    struct error err = {0};
    if (!p->listen)
        return;
    if (!proxy_runs(a) && !p->restart.loop && !a->going_down &&
        proxy_ensure(a, p->listen, &err) < 0)
        start_later(a, err.message);
    sets_route(a, &route);
    if (!route_equal(&route, &p->route) && switch_route(p, &route, &err) < 0)
        log_error("%s", err.message);
}

// --- the configuration ---

static int make_port_name(const struct agent_proxy *p, const char *port, struct error *err)
{
    AUTO_FREE char *path = mem_printf("ports/%s", port);
    AUTO_FREE char *made = mem_printf("links/%s", port);
    AUTO_FREE char *target = mem_printf("../../ports/%s", port);
    if (dir_make(p->dir, path, 0755, err) < 0)
        return -1;
    if (symlinkat(target, p->dir, made) < 0 && errno != EEXIST)
        return error_errno(err, "nginx/%s", made);
    return 0;
}

static int make_port_names(struct agent *a, struct error *err)
{
    if (dir_make(a->proxy.dir, "links", 0755, err) < 0 ||
        make_port_name(&a->proxy, "none", err) < 0)
        return -1;
    vec_each (block, &a->blocks)
        for (int i = 0; i < block->places * block->stride; i++) {
            char port[16];
            snprintf(port, sizeof port, "%d", block->first + i);
            if (make_port_name(&a->proxy, port, err) < 0)
                return -1;
        }
    return 0;
}

// 1 when the file has changed.
static int write_config(struct agent *a, struct error *err)
{
    struct agent_proxy *p = &a->proxy;
    AUTO(str) struct str text;
    AUTO(str) struct str now;
    VEC(struct route_range) ranges = {0};
    str_init(&text, CONFIG_MAX);
    str_init(&now, CONFIG_MAX);
    vec_each (block, &a->blocks)
        vec_push(&ranges, ((struct route_range){block->first, block->places * block->stride}));
    route_config(p->listen, ranges.items, ranges.length, &text);
    vec_free(&ranges);
    if (str_check(&text, "nginx.conf", err) < 0 || make_port_names(a, err) < 0)
        return -1;
    if (file_read(p->dir, "nginx.conf", &now, NULL) == 0 && now.length == text.length &&
        memcmp(now.data, text.data, text.length) == 0)
        return 0;
    return file_replace(p->dir, "nginx.conf", 0644, text.data, text.length, err) < 0 ? -1 : 1;
}

// --- its address ---

static int bind_address(const struct addrinfo *address, const char *listen_to, struct error *err)
{
    int on = 1;
    // nginx takes an inherited socket as it is, and its workers must not wait in accept(2).
    AUTO_FD int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return error_errno(err, "listen: %s", listen_to);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address->ai_family == AF_INET6) // as nginx has it (ipv6only=on)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, address->ai_addr, address->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0) {
        bool busy = errno == EADDRINUSE;
        error_errno(err, "listen: %s", listen_to);
        if (busy && err)
            err->kind = ERR_CONFLICT;
        return -1;
    }
    return take_fd(fd);
}

// We bind, not nginx: a port below 1024 needs a right that no sandbox has, and an address in use is
// told to whoever asked for it.
static int open_address(const char *listen_to, struct error *err)
{
    const char *colon = strrchr(listen_to, ':');
    AUTO_FREE char *host = mem_strndup(listen_to, (size_t)(colon ? colon - listen_to : 0));
    size_t length = strlen(host);
    bool bracketed = length > 2 && host[0] == '[' && host[length - 1] == ']';
    if (bracketed)
        host[length - 1] = '\0';
    struct addrinfo *found = NULL;
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    int status = colon ? getaddrinfo(host + bracketed, colon + 1, &hints, &found) : EAI_NONAME;
    if (status)
        return error_set(err, ERR_CONFIG, "listen: %s: %s", listen_to, gai_strerror(status));
    int fd = bind_address(found, listen_to, err);
    freeaddrinfo(found);
    return fd;
}

// --- its process ---

static void clean_up(struct agent *a)
{
    struct agent_proxy *p = &a->proxy;
    loop_io_stop(&p->ended);
    loop_io_stop(&p->reported);
    if (p->is_child)
        sandbox_reap(&p->child);
    AUTO_FREE char *group = mem_printf("app-%s/nginx", a->app);
    cgroup_sweep(&a->host, group);
    if (!p->is_child)
        process_done(&p->process);
    p->is_child = false;
    p->process = PROCESS_NONE;
}

static void on_ended(struct loop_io *io, uint32_t events)
{
    (void)events;
    struct agent *a = io->arg;
    clean_up(a);
    if (!a->going_down) {
        AUTO_FREE char *why =
            mem_printf("it has ended (its log: %s/apps/%s/nginx/run/log)", a->state_path, a->app);
        start_later(a, why);
    }
    agent_round_alone(a);
}

static void on_reported(struct loop_io *io, uint32_t events)
{
    (void)events;
    struct agent *a = io->arg;
    struct error why = {0};
    int status;
    loop_io_stop(&a->proxy.reported);
    if (sandbox_report(&a->proxy.child, &status, &why) == SANDBOX_FAILED)
        log_error("nginx cannot be started: %s", why.message);
}

static int spawn(struct agent *a, int directory, int lock, struct error *err)
{
    struct agent_proxy *p = &a->proxy;
    AUTO(strv) struct strv argv = {0}, environment = {0};
    static const char *const words[] = {"nginx", "-e", "stderr", "-p", ROUTE_PREFIX, "-c",
        ROUTE_PREFIX "/nginx.conf", "-g", "daemon off;"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        strv_push(&argv, words[i]);
    strv_push(&environment, "PATH=/usr/sbin:/usr/bin:/sbin:/bin");
    // How an nginx hands its sockets to the next one, and systemd to an nginx: by their numbers.
    strv_pushf(&environment, "NGINX=%d;", LISTEN_FD);
    AUTO_FREE char *source = mem_printf("%s/apps/%s/nginx", a->state_path, a->app);
    AUTO_FREE char *group = mem_printf("app-%s/nginx", a->app);
    struct sandbox_mount own = {
        .kind = SANDBOX_BIND_READ, .target = ROUTE_PREFIX, .source = source};
    struct sandbox_record record = {
        .directory = directory, .log = "log", .log_max = LOG_MAX, .exit = "exit", .lock = lock};
    struct sandbox_spec spec = {
        .name = "nginx",
        .network = SANDBOX_NETWORK_HOST,
        .mounts = &own,
        .mount_count = 1,
        .argv = strv_argv(&argv),
        .environment = strv_argv(&environment),
        .uid = NOBODY,
        .gid = NOBODY,
        .limits = {.open_files = 16384},
        .extra_fds = &p->listen_fd,
        .extra_fd_count = 1,
        .cgroup = group,
        .detached = true,
        .record = &record,
    };
    return sandbox_spawn(&spec, &a->host, &p->child, err);
}

static int start(struct agent *a, struct error *err)
{
    struct agent_proxy *p = &a->proxy;
    p->started_ms = clock_monotonic_ms();
    if (p->listen_fd < 0)
        p->listen_fd = open_address(p->listen, err);
    AUTO_FD int directory = p->listen_fd < 0 ? -1 : dir_open(p->dir, "run", err);
    if (directory < 0)
        return -1;
    AUTO_FD int lock = openat(directory, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0)
        return error_errno(err, "nginx/run/lock");
    if (spawn(a, directory, lock, err) < 0)
        return -1;
    p->is_child = true;
    p->process = (struct process){.pid = p->child.pid, .pidfd = p->child.pidfd};
    log_info("nginx listens on %s", p->listen);
    if (loop_io_start(a->loop, &p->ended, p->child.pidfd, EPOLLIN, on_ended, a, err) < 0)
        return -1;
    return loop_io_start(a->loop, &p->reported, p->child.report_fd, EPOLLIN, on_reported, a, err);
}

// --- its reload ---

static bool serves(pid_t pid)
{
    AUTO(str) struct str text;
    AUTO_FREE char *path = mem_printf("/proc/%d/cmdline", pid);
    str_init(&text, 4096);
    file_read(AT_FDCWD, path, &text, NULL);
    return strcmp(text.data, "nginx: worker process") == 0; // not "… is shutting down"
}

// A worker of before knows none of the new ports. All of them must have stopped taking requests
// before the traffic goes there: this blocks, for some tens of milliseconds, when an app grows.
static int reload(struct agent *a, struct error *err)
{
    struct pids before = {0};
    process_list_namespace(a->proxy.process.pid, &before);
    log_warning("nginx is reloaded, because the app has got more ports");
    int status = process_signal(&a->proxy.process, SIGHUP, err);
    int64_t end = clock_monotonic_ms() + RELOAD_MAX_MS;
    bool still = status == 0;
    while (still && clock_monotonic_ms() < end) {
        still = false;
        vec_each (pid, &before.items)
            still |= serves(*pid);
        if (still)
            poll(NULL, 0, RELOAD_LOOK_MS);
    }
    vec_free(&before.items);
    if (still)
        return error_set(err, ERR_TIMEOUT,
            "nginx was not reloaded within %d s (its log: %s/apps/%s/nginx/run/log)",
            RELOAD_MAX_MS / 1000, a->state_path, a->app);
    return status;
}

int proxy_ensure(struct agent *a, const char *listen_to, struct error *err)
{
    struct agent_proxy *p = &a->proxy;
    if (!listen_to && !p->listen)
        return 0;
    if (p->listen && !text_equal(p->listen, listen_to))
        return error_set(err, ERR_UNSUPPORTED,
            "%s listens on %s, and its new release on %s: an app's address stays what it is "
            "(`davit "
            "down %s` first, or deploy it under another name)",
            a->app, p->listen, listen_to ? listen_to : "none", a->app);
    bool first = !p->listen, runs = proxy_runs(a);
    if (first)
        p->listen = mem_strdup(listen_to);
    int changed = write_config(a, err);
    if (changed < 0 || (!runs && start(a, err) < 0)) {
        if (first) // nothing has come of it: another address may be tried
            mem_replace(&p->listen, NULL);
        return -1;
    }
    if (!runs || !changed)
        return 0;
    return reload(a, err);
}

int proxy_open(struct agent *a, struct error *err)
{
    struct agent_proxy *p = &a->proxy;
    if (dir_make(a->dir, "nginx", 0755, err) < 0)
        return -1;
    p->dir = dir_open(a->dir, "nginx", err);
    if (p->dir < 0 || dir_make(p->dir, "routes", 0755, err) < 0 ||
        dir_make(p->dir, "run", 0755, err) < 0)
        return -1;
    // Init writes its records as the sandbox's root.
    if (a->host.privileged && fchownat(p->dir, "run", SANDBOX_ID_BASE, SANDBOX_ID_BASE, 0) < 0)
        return error_errno(err, "nginx/run");
    p->generation = read_generation(p);
    p->route.port[0] = -1; // not known: the first round writes it
    AUTO_FD int lock = openat(p->dir, "run/lock", O_RDONLY | O_CLOEXEC);
    int found = lock < 0 ? 0 : sandbox_find(lock, &p->process, err);
    if (found < 0)
        return -1;
    if (found > 0)
        return loop_io_start(a->loop, &p->ended, p->process.pidfd, EPOLLIN, on_ended, a, err);
    return 0;
}

void proxy_close(struct agent *a)
{
    struct agent_proxy *p = &a->proxy;
    loop_io_stop(&p->ended);
    loop_io_stop(&p->reported);
    loop_timer_stop(&p->restart);
    if (p->is_child)
        sandbox_release(&p->child);
    else
        process_done(&p->process);
    fd_reset(&p->listen_fd);
    fd_reset(&p->dir);
    mem_replace(&p->listen, NULL);
}

void proxy_stop(struct agent *a)
{
    struct agent_proxy *p = &a->proxy;
    loop_timer_stop(&p->restart);
    fd_reset(&p->listen_fd);
    if (proxy_runs(a))
        process_signal(&p->process, SIGTERM, NULL);
}
