#include "deploy/agent.h"

#include <errno.h>
#include <fcntl.h>
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
#include "net/http_curl.h"
#include "os/clock.h"
#include "os/failpoint.h"
#include "os/fd.h"
#include "os/file.h"

#define SOCKET_FILE      "agent.sock"
#define READY_FD         4
#define LOG_MAX          (1 << 20)
#define SOCKETS_FRESH_MS 15 // below the densest look at an instance that starts
#define SAVE_AGAIN_MS    1000
#define PEERS_MAX        256  // connections at once: descriptors are for instances, too
#define FIRST_WAIT_MS    5000 // for the agent that was started at the same moment

// --- telling observers ---

static void on_notice(struct loop_timer *timer)
{
    struct agent *a = timer->arg;
    vec_each (c, &a->connections) {
        // One that does not read must not hold us up; it looks by itself now and then.
        struct pollfd poller = {.fd = rpc_fd((*c)->rpc), .events = POLLOUT};
        if (poll(&poller, 1, 0) > 0 && (poller.revents & POLLOUT))
            rpc_notify((*c)->rpc, "changed", NULL);
    }
}

void agent_changed(struct agent *a)
{
    if (!a->notice.loop)
        loop_timer_start(a->loop, &a->notice, clock_monotonic_ms(), on_notice, a);
}

// --- looking ---

const struct sockets *agent_sockets(struct agent *a)
{
    struct error err = {0};
    int64_t now = clock_monotonic_ms();
    if (a->sockets_ms && now - a->sockets_ms < SOCKETS_FRESH_MS)
        return &a->sockets;
    sockets_done(&a->sockets);
    a->sockets_ms = 0;
    if (sockets_read(&a->sockets, &err) < 0) {
        log_error("%s", err.message);
        return NULL;
    }
    a->sockets_ms = now;
    return &a->sockets;
}

// --- the round ---

static void on_saving(struct loop_timer *timer)
{
    agent_round_alone(timer->arg);
}

static int save(struct agent *a, struct error *err)
{
    a->unsaved = true;
    if (agent_save(a, err) < 0) {
        loop_timer_start(a->loop, &a->saving, clock_monotonic_ms() + SAVE_AGAIN_MS, on_saving, a);
        if (err)
            err->retryable = true; // a full disk does not stay full
        return error_wrap(err, "the state of %s could not be saved, so nothing was done", a->app);
    }
    a->unsaved = false;
    failpoint("agent.saved");
    return 0;
}

static bool all_gone(const struct agent *a)
{
    return !a->sets.length;
}

static void finish_down(struct agent *a)
{
    if (proxy_runs(a)) {
        proxy_stop(a); // its end brings us back here
        return;
    }
    struct error err = {0};
    AUTO_FREE char *path = mem_printf("%s/apps/%s", a->state_path, a->app);
    int status = dir_remove_tree(AT_FDCWD, path, &err);
    if (status < 0)
        rpc_fail(a->going_down->rpc, a->down_id, &err);
    else
        rpc_reply(a->going_down->rpc, a->down_id, NULL, NULL, 0);
    log_info("%s is gone", a->app);
    loop_stop(a->loop);
}

int agent_round(struct agent *a, struct error *err)
{
    agent_changed(a);
    sets_settle(a);
    if (save(a, err) < 0)
        return -1;
    proxy_round(a); // who leaves has left the traffic before it is drained
    vec_each (set, &a->sets)
        vec_each (instance, &(*set)->instances)
            instance_round(*instance);
    if (a->going_down && all_gone(a))
        finish_down(a);
    return 0;
}

void agent_round_alone(struct agent *a)
{
    struct error err = {0};
    if (agent_round(a, &err) < 0)
        log_error("%s", err.message);
}

// --- connections ---

static void drop_connection(struct connection *c)
{
    struct agent *a = c->agent;
    for (size_t i = 0; i < a->connections.length; i++)
        if (a->connections.items[i] == c)
            a->connections.items[i] = a->connections.items[--a->connections.length];
    if (a->holder == c)
        a->holder = NULL;
    exec_end_all(c);
    rpc_free(c->rpc);
    free(c->run);
    free(c->who);
    free(c);
}

static void on_closed(struct rpc *rpc, const struct error *why)
{
    struct connection *c = rpc_arg(rpc);
    if (why)
        log_warning("a connection was closed: %s", why->message);
    if (c->agent->going_down == c) // what has begun goes on; nobody waits for it any more
        return;
    drop_connection(c);
}

static int check_peer(int fd, struct error *err)
{
    struct ipc_peer peer;
    if (ipc_peer(fd, &peer, err) < 0)
        return -1;
    if (peer.uid == 0 || peer.uid == getuid())
        return 0;
    return error_set(
        err, ERR_DENIED, "process %d of uid %u may not speak to this agent", peer.pid, peer.uid);
}

static void on_accept(struct loop_io *io, uint32_t events)
{
    (void)events;
    struct agent *a = io->arg;
    struct error err = {0};
    AUTO_FD int fd = accept4(io->fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    if (check_peer(fd, &err) < 0) {
        log_warning("%s", err.message);
        return;
    }
    if (a->connections.length == PEERS_MAX) {
        log_warning("%d connections are open already: one more was closed", PEERS_MAX);
        return;
    }
    struct connection *c = mem_alloc(sizeof *c);
    c->agent = a;
    c->rpc = rpc_serve(a->loop, take_fd(fd), agent_methods, 1, on_closed, c, &err);
    if (!c->rpc) {
        log_error("%s", err.message);
        free(c);
        return;
    }
    vec_push(&a->connections, c);
}

// --- the life ---

// So that an agent that has much to say for years does not fill the disk.
static void rotate_log(const struct agent *a)
{
    struct stat st;
    if (fstatat(a->dir, "agent.log", &st, 0) == 0 && st.st_size > LOG_MAX)
        renameat(a->dir, "agent.log", a->dir, "agent.log.1");
}

// The agent's own directory, its log, and the lock by which there is only one.
static int enter(struct agent *a, struct error *err)
{
    AUTO_FREE char *path = mem_printf("%s/apps/%s", a->state_path, a->app);
    a->dir = dir_open(AT_FDCWD, path, err);
    if (a->dir < 0)
        return -1;
    rotate_log(a);
    AUTO_FD int log = openat(a->dir, "agent.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log < 0 || dup2(log, STDERR_FILENO) < 0)
        return error_errno(err, "%s/agent.log", path);
    a->lock_fd = openat(a->dir, "agent.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (a->lock_fd < 0)
        return error_errno(err, "%s/agent.lock", path);
    return 0;
}

// Two verbs at once may each start one: the second waits until the first listens. 1: somebody else
// is the agent; 0: this one is, whoever had the lock was about to end.
static int elect(const struct agent *a, struct error *err)
{
    for (int64_t end = clock_monotonic_ms() + FIRST_WAIT_MS; clock_monotonic_ms() < end;) {
        int got = file_lock(a->lock_fd, err);
        if (got)
            return got < 0 ? -1 : 0;
        AUTO_FD int fd = ipc_connect(a->dir, SOCKET_FILE, err);
        if (fd >= 0)
            return 1;
        poll(NULL, 0, 10); // there is nothing to watch before it listens
    }
    return -1;
}

static void tell_ready(void)
{
    if (write(READY_FD, "", 1) == 1)
        close(READY_FD);
}

static int start(struct agent *a, struct error *err)
{
    a->loop = loop_new(err);
    a->http = a->loop ? http_curl_new(a->loop, err) : NULL;
    if (!a->http || sandbox_host_read(&a->host, err) < 0 ||
        sandbox_host_group(&a->host, a->state_path, err) < 0 || agent_load(a, err) < 0 ||
        dir_make(a->dir, "instances", 0700, err) < 0 || proxy_open(a, err) < 0)
        return -1;
    vec_each (set, &a->sets)
        vec_each (instance, &(*set)->instances)
            instance_find(*instance);
    agent_round_alone(a); // whoever asks is answered on a full disk, too
    a->listen_fd = ipc_listen(a->dir, SOCKET_FILE, 0600, err);
    if (a->listen_fd < 0)
        return -1;
    return loop_io_start(a->loop, &a->accepting, a->listen_fd, EPOLLIN, on_accept, a, err);
}

static void on_signal(void *arg, int signal)
{
    struct agent *a = arg;
    log_info("signal %s: the agent ends; its instances and nginx go on", sigabbrev_np(signal));
    loop_stop(a->loop);
}

static void stop(struct agent *a)
{
    while (a->connections.length)
        drop_connection(a->connections.items[0]);
    vec_free(&a->connections);
    loop_io_stop(&a->accepting);
    loop_timer_stop(&a->notice);
    loop_timer_stop(&a->saving);
    agent_forget(a);
    sockets_done(&a->sockets);
    proxy_close(a);
    http_client_free(a->http);
    loop_free(a->loop);
    sandbox_host_done(&a->host);
    fd_close(a->listen_fd);
    fd_close(a->lock_fd);
    fd_close(a->dir);
    free(a->state_path);
    free(a->app);
}

static int serve(struct agent *a, struct error *err)
{
    static const int signals[] = {SIGTERM, SIGINT};
    int other = enter(a, err) < 0 ? -1 : elect(a, err);
    if (other < 0)
        return -1;
    if (other) {
        tell_ready();
        return 0;
    }
    log_to(log_sink_json, log_fd(STDERR_FILENO), LOG_INFO);
    if (start(a, err) < 0 ||
        loop_signals(a->loop, signals, ARRAY_LEN(signals), on_signal, a, err) < 0)
        return -1;
    log_info("the agent of %s is there", a->app);
    tell_ready();
    return loop_run(a->loop, err);
}

int agent_main(int argc, char **argv)
{
    process_harden();
    if (argc != 3 || argv[1][0] != '/' || !path_component_ok(argv[2])) {
        fprintf(stderr, "davit-agent: it is started by davit, not by hand: STATE APP\n");
        return EXIT_USAGE;
    }
    umask(022);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    struct error err = {0};
    struct agent a = {
        .state_path = mem_strdup(argv[1]),
        .app = mem_strdup(argv[2]),
        .dir = -1,
        .lock_fd = -1,
        .listen_fd = -1,
        .proxy = {.dir = -1, .listen_fd = -1, .child = SANDBOX_CHILD_NONE, .process = PROCESS_NONE},
    };
    int status = serve(&a, &err);
    if (status < 0)
        log_error("%s", err.message);
    stop(&a);
    return status < 0 ? (int)error_exit_code(err.kind) : EXIT_OK;
}
