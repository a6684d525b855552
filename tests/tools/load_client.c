#include "tools/load_client.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/fd.h"

#define PIECES            10 // of a slow POST's body
#define TICK_MS           1  // how exactly a rate is kept
#define SWEEP_MS          20 // how exactly a time-out is kept
#define PAUSE_MS          10 // of a connection that could not connect
#define RECEIVE_MAX       65536
#define FAILURES_TOLD_MAX 20
#define VERSIONS_TOLD_MAX 1000
#define REQUEST_HEAD_MAX  8192

enum connection_state {
    FREE,   // may begin a request; its socket may be open
    BUSY,   // a request is under way
    PAUSED, // could not connect a moment ago
};

struct connection {
    struct client *client;
    enum connection_state state;
    int fd;
    bool connecting, unsendable;
    int requests; // that it has had
    struct loop_io io;
    struct loop_timer timer; // BUSY: the next piece of a slow body; PAUSED: the end of it
    struct response response;
    // Of the request under way:
    uint64_t number;
    bool post;
    int64_t due_ns, deadline_ms;
    struct str out;   // head, and what of the body is to be sent by now
    size_t sent;      // of out
    char *body;       // of a POST
    size_t body_left; // of body, not yet in out
};

struct client {
    struct loop *loop;
    const struct load_options *options;
    struct stats *stats;
    struct connection *connections;
    size_t next; // connections take turns
    int64_t began_ns;
    uint64_t begun; // requests
    int busy;
    bool stopping;
    struct loop_timer tick, sweep;
    uint64_t failures_told, versions_told;
};

static void on_socket(struct loop_io *io, uint32_t events);
static void dispatch(struct client *client);

static void disconnect(struct connection *c)
{
    loop_io_stop(&c->io);
    fd_reset(&c->fd);
    c->connecting = false;
    c->requests = 0;
}

static void tell_failure(struct connection *c, enum failure failure)
{
    struct client *client = c->client;
    if (client->failures_told++ >= FAILURES_TOLD_MAX)
        return;
    fprintf(client->options->events, "%lld failed: %s, %s request %llu, status %d\n",
        (long long)clock_monotonic_ms(), failure_name(failure), c->post ? "POST" : "GET",
        (unsigned long long)c->number, c->response.status);
}

// The request has ended, well or not. Whoever calls this calls dispatch() when it is done with the
// connection.
static void end_request(struct connection *c, enum failure failure)
{
    struct client *client = c->client;
    struct stats *stats = client->stats;
    loop_timer_stop(&c->timer);
    mem_replace(&c->body, NULL);
    stats->requests++;
    stats->posts += c->post;
    stats->failures[failure] += failure != FAILURE_NONE;
    histogram_add(&stats->latency, (uint64_t)(clock_monotonic_ns() - c->due_ns) / 1000);
    if (failure != FAILURE_NONE)
        tell_failure(c, failure);
    c->state = FREE;
    client->busy--;
}

static void lose(struct connection *c, enum failure failure)
{
    disconnect(c);
    end_request(c, failure);
}

static void on_pause_over(struct loop_timer *timer)
{
    struct connection *c = timer->arg;
    c->state = FREE;
    dispatch(c->client);
}

// A server that is not there is asked again in a moment, not at once.
static void fail_to_connect(struct connection *c)
{
    lose(c, FAILURE_CONNECT);
    c->state = PAUSED;
    loop_timer_start(c->client->loop, &c->timer, clock_monotonic_ms() + PAUSE_MS, on_pause_over, c);
}

static enum failure judge(const struct connection *c)
{
    const struct response *r = &c->response;
    if (r->status >= 500)
        return FAILURE_STATUS;
    size_t size = c->client->options->body_size;
    if (c->post && (r->body.length != size || memcmp(r->body.data, c->body, size) != 0))
        return FAILURE_BODY;
    return FAILURE_NONE;
}

static void tell_version(struct client *client, const char *version)
{
    const char *before = NULL;
    int64_t now = clock_monotonic_ms();
    if (!stats_version(client->stats, version, now, &before))
        return;
    if (client->versions_told++ < VERSIONS_TOLD_MAX)
        fprintf(client->options->events, "%lld %s -> %s\n", (long long)now,
            before ? before : "(none)", *version ? version : "(unnamed)");
}

static void end_response(struct connection *c)
{
    struct response *r = &c->response;
    c->client->stats->statuses[r->status]++;
    tell_version(c->client, r->version);
    // A response that came before the whole request was sent leaves the rest of it unasked for.
    int limit = c->client->options->requests;
    bool enough = limit && ++c->requests >= limit;
    if (r->close || enough || c->unsendable || c->body_left || c->sent < c->out.length)
        disconnect(c);
    end_request(c, judge(c));
}

// Sends what is in `out`. A peer that takes no more may have answered before: only reading tells.
static void send_out(struct connection *c)
{
    while (c->sent < c->out.length && !c->unsendable) {
        ssize_t n = send(c->fd, c->out.data + c->sent, c->out.length - c->sent, MSG_NOSIGNAL);
        if (n >= 0)
            c->sent += (size_t)n;
        else if (errno == EAGAIN)
            break;
        else
            c->unsendable = true;
    }
    bool more = c->sent < c->out.length && !c->unsendable;
    loop_io_events(&c->io, more ? EPOLLIN | EPOLLOUT : EPOLLIN, NULL);
}

static void on_next_piece(struct loop_timer *timer)
{
    struct connection *c = timer->arg;
    const struct load_options *options = c->client->options;
    size_t piece = options->body_size / PIECES + 1;
    if (piece > c->body_left)
        piece = c->body_left;
    str_add(&c->out, c->body + options->body_size - c->body_left, piece);
    c->body_left -= piece;
    if (c->body_left)
        loop_timer_start(c->client->loop, timer,
            loop_now(c->client->loop) + options->slow_ms / PIECES, on_next_piece, c);
    if (!c->connecting)
        send_out(c);
}

// A body that no other request has: an answer that got crossed is noticed.
static char *make_body(uint64_t number, size_t size)
{
    char *body = mem_alloc(size + 1);
    uint64_t x = number * 0x9e3779b97f4a7c15u + 1;
    for (size_t i = 0; i < size; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        body[i] = (char)('a' + x % 26);
    }
    return body;
}

static void write_request(struct connection *c)
{
    const struct load_options *options = c->client->options;
    str_clear(&c->out);
    c->sent = 0;
    c->body_left = 0;
    c->unsendable = false;
    if (!c->post) {
        str_printf(&c->out, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: davit-load\r\n\r\n",
            options->path, options->host);
        return;
    }
    str_printf(&c->out,
        "POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: davit-load\r\n"
        "Content-Type: application/octet-stream\r\nContent-Length: %zu\r\n\r\n",
        options->post_path, options->host, options->body_size);
    c->body = make_body(c->number, options->body_size);
    if (options->slow_ms) {
        c->body_left = options->body_size;
        loop_timer_start(c->client->loop, &c->timer,
            clock_monotonic_ms() + options->slow_ms / PIECES, on_next_piece, c);
    } else {
        str_add(&c->out, c->body, options->body_size);
    }
}

static void open_connection(struct connection *c)
{
    const struct load_options *options = c->client->options;
    int one = 1;
    c->fd = socket(options->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (c->fd < 0)
        return;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    int failed =
        connect(c->fd, (const struct sockaddr *)&options->address, options->address_length);
    c->connecting = failed && errno == EINPROGRESS;
    if ((failed && !c->connecting) ||
        loop_io_start(c->client->loop, &c->io, c->fd, c->connecting ? EPOLLOUT : EPOLLIN, on_socket,
            c, NULL) < 0)
        fd_reset(&c->fd);
    else if (!c->connecting)
        c->client->stats->connections++;
}

static void begin_request(struct connection *c, int64_t due_ns)
{
    struct client *client = c->client;
    uint64_t n = client->begun++, posts = (uint64_t)client->options->posts;
    c->number = n;
    c->post = (n + 1) * posts / 100 != n * posts / 100; // spread evenly
    c->due_ns = due_ns;
    c->deadline_ms = clock_monotonic_ms() + client->options->timeout_ms;
    c->state = BUSY;
    client->busy++;
    response_begin(&c->response);
    write_request(c);
    if (c->fd < 0)
        open_connection(c);
    if (c->fd < 0)
        fail_to_connect(c);
    else if (!c->connecting)
        send_out(c);
}

static void receive(struct connection *c)
{
    char bytes[RECEIVE_MAX];
    ssize_t n = recv(c->fd, bytes, sizeof bytes, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (c->state != BUSY) { // closed while idle, or spoke without being asked
        disconnect(c);
        return;
    }
    if (n < 0) {
        lose(c, FAILURE_RESET);
        return;
    }
    size_t used = response_feed(&c->response, bytes, (size_t)n);
    bool closed = n == 0 && c->response.part != RESPONSE_TO_END;
    if (n == 0)
        response_end(&c->response);
    if (c->response.part == RESPONSE_DONE && used == (size_t)n)
        end_response(c);
    else if (c->response.part >= RESPONSE_DONE)
        lose(c, closed ? FAILURE_CLOSED : FAILURE_PROTOCOL);
}

static void on_socket(struct loop_io *io, uint32_t events)
{
    struct connection *c = io->arg;
    if (c->connecting) {
        int failed = 0;
        socklen_t length = sizeof failed;
        getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &failed, &length);
        c->connecting = false;
        if (failed) {
            fail_to_connect(c);
            return;
        }
        c->client->stats->connections++;
        send_out(c);
        return;
    }
    if (events & EPOLLOUT)
        send_out(c);
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        receive(c);
    dispatch(c->client);
}

// How many requests should have begun by now.
static uint64_t due(const struct client *client, int64_t now_ns)
{
    if (!client->options->rate)
        return UINT64_MAX;
    double seconds = (double)(now_ns - client->began_ns) / 1e9;
    return (uint64_t)(seconds * client->options->rate) + 1;
}

// Gives what is due to the connections that are free. At a rate, a request that had to wait for a
// connection counts its latency from when it was due: what a user would have felt.
static void dispatch(struct client *client)
{
    int64_t now = clock_monotonic_ns();
    uint64_t until = due(client, now);
    size_t count = (size_t)client->options->connections;
    for (size_t i = 0; i < count && client->begun < until && !client->stopping; i++) {
        struct connection *c = &client->connections[client->next];
        client->next = (client->next + 1) % count;
        if (c->state != FREE)
            continue;
        int64_t due_ns = now;
        if (client->options->rate)
            due_ns =
                client->began_ns + (int64_t)((double)client->begun * 1e9 / client->options->rate);
        begin_request(c, due_ns);
    }
    if (client->stopping && !client->busy)
        loop_stop(client->loop);
}

static void on_tick(struct loop_timer *timer)
{
    struct client *client = timer->arg;
    loop_timer_start(client->loop, timer, loop_now(client->loop) + TICK_MS, on_tick, client);
    dispatch(client);
}

static void on_sweep(struct loop_timer *timer)
{
    struct client *client = timer->arg;
    int64_t now = loop_now(client->loop);
    loop_timer_start(client->loop, timer, now + SWEEP_MS, on_sweep, client);
    for (int i = 0; i < client->options->connections; i++) {
        struct connection *c = &client->connections[i];
        if (c->state == BUSY && c->deadline_ms <= now)
            lose(c, FAILURE_TIMEOUT);
    }
    dispatch(client);
}

struct client *client_new(
    struct loop *loop, const struct load_options *options, struct stats *stats)
{
    struct client *client = mem_alloc(sizeof *client);
    *client = (struct client){.loop = loop, .options = options, .stats = stats};
    client->connections = mem_array((size_t)options->connections, sizeof *client->connections);
    for (int i = 0; i < options->connections; i++) {
        struct connection *c = &client->connections[i];
        c->client = client;
        c->fd = -1;
        str_init(&c->out, options->body_size + REQUEST_HEAD_MAX);
        response_init(&c->response);
    }
    client->began_ns = clock_monotonic_ns();
    loop_timer_start(loop, &client->sweep, loop_now(loop), on_sweep, client);
    if (options->rate)
        loop_timer_start(loop, &client->tick, loop_now(loop), on_tick, client);
    return client;
}

void client_free(struct client *client)
{
    if (!client)
        return;
    loop_timer_stop(&client->tick);
    loop_timer_stop(&client->sweep);
    for (int i = 0; i < client->options->connections; i++) {
        struct connection *c = &client->connections[i];
        loop_timer_stop(&c->timer);
        disconnect(c);
        response_done(&c->response);
        str_done(&c->out);
        mem_freep(&c->body);
    }
    mem_freep(&client->connections);
    mem_freep(&client);
}

void client_stop(struct client *client)
{
    client->stopping = true;
    dispatch(client);
}
