#include "net/http_curl.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "net/http_peer.h"
#include "net/http_transfer.h"
#include "os/clock.h"

#define TIMEOUT_MS 30000

// A multi handle, which keeps connections that no other one uses.
struct lane {
    struct http_curl *owner;
    CURLM *multi;
    struct loop_timer timer; // libcurl's own
};

struct http_curl {
    struct http_client client; // first: the client is this
    struct loop *loop;
    struct lane common, apart; // see http_peer_is_apart()
    char *ca_file;
    int64_t last_id;
    struct http_transfer *transfers;
};

static struct http_curl *self(struct http_client *client)
{
    return (struct http_curl *)(void *)client;
}

static CURLM *multi_of(struct http_curl *c, const struct http_transfer *t)
{
    return http_peer_is_apart(t) ? c->apart.multi : c->common.multi;
}

// Takes it out of the list and out of libcurl; it is the caller's.
static void detach(struct http_curl *c, struct http_transfer *t)
{
    for (struct http_transfer **at = &c->transfers; *at; at = &(*at)->next)
        if (*at == t) {
            *at = t->next;
            break;
        }
    loop_timer_stop(&t->timer);
    curl_multi_remove_handle(multi_of(c, t), t->easy);
}

static void end(struct http_curl *c, struct http_transfer *t, enum http_next how)
{
    detach(c, t);
    if (how == HTTP_FAILED)
        t->done(t->arg, NULL, &t->failure);
    else
        t->done(t->arg, &t->response, NULL);
    http_transfer_free(t);
}

static void finish(struct http_curl *c, struct http_transfer *t, CURLcode code)
{
    enum http_next next = http_transfer_finish(t, code);
    if (next != HTTP_REDIRECT) {
        end(c, t, next);
        return;
    }
    curl_multi_remove_handle(multi_of(c, t), t->easy);
    curl_multi_add_handle(multi_of(c, t), t->easy);
}

// What has ended is a queue: all of it is taken. A completion may start and cancel other requests,
// so the queue is asked anew each time.
static void drain(struct lane *lane)
{
    int left;
    for (CURLMsg *message; (message = curl_multi_info_read(lane->multi, &left));) {
        struct http_transfer *t = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&t);
        finish(lane->owner, t, code);
    }
}

static void act(struct lane *lane, curl_socket_t fd, int what)
{
    int running;
    curl_multi_socket_action(lane->multi, fd, what, &running);
    drain(lane);
}

static void on_socket_ready(struct loop_io *io, uint32_t events)
{
    int what = (events & EPOLLIN ? CURL_CSELECT_IN : 0) |
               (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
               (events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
    act(io->arg, io->fd, what);
}

// libcurl tells which sockets it waits for.
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
    (void)easy;
    struct lane *lane = arg;
    struct loop_io *io = known;
    if (what == CURL_POLL_REMOVE) {
        if (io)
            loop_io_stop(io);
        free(io);
        curl_multi_assign(lane->multi, fd, NULL);
        return 0;
    }
    uint32_t events = (what & CURL_POLL_IN ? (uint32_t)EPOLLIN : 0) |
                      (what & CURL_POLL_OUT ? (uint32_t)EPOLLOUT : 0);
    if (io)
        return loop_io_events(io, events, NULL);
    io = mem_alloc(sizeof *io);
    if (loop_io_start(lane->owner->loop, io, fd, events, on_socket_ready, lane, NULL) < 0) {
        free(io);
        return -1;
    }
    curl_multi_assign(lane->multi, fd, io);
    return 0;
}

static void on_timer(struct loop_timer *timer)
{
    act(timer->arg, CURL_SOCKET_TIMEOUT, 0);
}

// libcurl tells when it wants to be called next.
static int on_timer_wanted(CURLM *multi, long ms, void *arg)
{
    (void)multi;
    struct lane *lane = arg;
    if (ms < 0)
        loop_timer_stop(&lane->timer);
    else
        loop_timer_start(
            lane->owner->loop, &lane->timer, clock_monotonic_ms() + ms, on_timer, lane);
    return 0;
}

static int64_t deadline_of(const struct http_transfer *t)
{
    int64_t ms = t->request.timeout_ms ? t->request.timeout_ms : TIMEOUT_MS;
    return ms < 0 ? INT64_MAX : t->started_ms + ms;
}

static int64_t stall_of(const struct http_transfer *t)
{
    return t->request.stall_ms ? t->moved_ms + t->request.stall_ms : INT64_MAX;
}

static void on_deadline(struct loop_timer *timer);

static void watch(struct http_curl *c, struct http_transfer *t)
{
    int64_t deadline = deadline_of(t), stall = stall_of(t);
    int64_t next = deadline < stall ? deadline : stall;
    if (next != INT64_MAX)
        loop_timer_start(c->loop, &t->timer, next, on_deadline, t);
}

static void on_deadline(struct loop_timer *timer)
{
    struct http_transfer *t = timer->arg;
    struct http_curl *c = t->owner;
    int64_t now = clock_monotonic_ms();
    if (now >= deadline_of(t))
        http_transfer_fail(
            t, ERR_TIMEOUT, "no complete answer within %lld ms", (long long)(now - t->started_ms));
    else if (now >= stall_of(t))
        http_transfer_fail(
            t, ERR_TIMEOUT, "no byte moved for %lld ms", (long long)t->request.stall_ms);
    if (t->failed)
        end(c, t, http_transfer_finish(t, CURLE_OPERATION_TIMEDOUT));
    else
        watch(c, t);
}

static int64_t start(struct http_client *client, const struct http_request *request,
    http_done_fn *done, void *arg, struct error *err)
{
    struct http_curl *c = self(client);
    struct http_transfer *t = http_transfer_new(request, c->ca_file, err);
    if (!t)
        return -1;
    t->owner = c;
    t->id = ++c->last_id;
    t->done = done;
    t->arg = arg;
    if (curl_multi_add_handle(multi_of(c, t), t->easy) != CURLM_OK) {
        http_transfer_free(t);
        return error_set(err, ERR_INTERNAL, "libcurl takes no more transfers");
    }
    t->next = c->transfers;
    c->transfers = t;
    watch(c, t);
    return t->id;
}

static void cancel(struct http_client *client, int64_t id)
{
    struct http_curl *c = self(client);
    for (struct http_transfer *t = c->transfers; t; t = t->next)
        if (t->id == id) {
            detach(c, t);
            http_transfer_free(t);
            return;
        }
}

static void lane_free(struct lane *lane)
{
    curl_multi_cleanup(lane->multi); // still tells on_socket what it closes
    loop_timer_stop(&lane->timer);
}

static void free_client(struct http_client *client)
{
    struct http_curl *c = self(client);
    while (c->transfers)
        cancel(client, c->transfers->id);
    lane_free(&c->common);
    lane_free(&c->apart);
    curl_global_cleanup();
    free(c->ca_file);
    free(c);
}

static void lane_init(struct lane *lane, struct http_curl *owner)
{
    lane->owner = owner;
    lane->multi = curl_multi_init();
    if (!lane->multi)
        abort();
    curl_multi_setopt(lane->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(lane->multi, CURLMOPT_SOCKETDATA, lane);
    curl_multi_setopt(lane->multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted);
    curl_multi_setopt(lane->multi, CURLMOPT_TIMERDATA, lane);
}

struct http_client *http_curl_new(struct loop *loop, struct error *err)
{
    static const struct http_ops ops = {.start = start, .cancel = cancel, .free = free_client};
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        error_set(err, ERR_SYSTEM, "libcurl cannot start");
        return NULL;
    }
    struct http_curl *c = mem_alloc(sizeof *c);
    c->client.ops = &ops;
    c->loop = loop;
    c->ca_file = mem_strdup_opt(getenv("SSL_CERT_FILE"));
    lane_init(&c->common, c);
    lane_init(&c->apart, c);
    return &c->client;
}
