// davit-service: a small honest HTTP/1.1 server, which the end-to-end tests put into images and
// deploy. Linked statically, so that it runs FROM scratch.
//
//     GET /ping           {"message": "pong"}
//     GET /version        {"version": "$VERSION"}; every answer has it as X-App-Version, too
//     GET /slow?ms=N      the same, N milliseconds later
//     GET /headers        the request's head, as it arrived
//     GET /secret-length  {"length": "of $TOKEN"}
//     POST /echo          the body
//
// It listens on 127.0.0.1:$PORT (in a pod, which has an address of its own, on $HOST),
// logs JSON lines to stdout, and at SIGTERM takes no new connections, answers what has been asked,
// and exits with 0, as PID 1 too. Its mistakes come by environment:
//
//     LISTEN_PORT=N       listens there, whatever PORT says
//     EXIT_AT_START=CODE  says why, and exits before it listens
//     START_DELAY_MS=N    listens late
//     NEVER_READY=1       /ping answers 503
//     FAIL_PATH=PATH      answers 500 there
//     CRASH_AFTER_MS=N    aborts, that long after its start
//
// and, for clients that keep connections and may ask just when it closes them:
//
//     LINGER_MS=N         after SIGTERM it keeps idle connections so long: an answer says that they
//                         are over
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 1000
#define REQUEST_MAX     (((size_t)1 << 20) + 65536)
#define NEVER           INT64_MAX

struct connection {
    int fd;
    char *in; // what has arrived and is not answered yet
    size_t in_length;
    char *out; // the answer; NULL: none is under way
    size_t out_length, sent;
    int64_t due; // when the answer may go
    bool last;   // the connection is closed after it
};

static struct connection connections[CONNECTIONS_MAX];
static size_t connection_count;
static volatile sig_atomic_t stopping;

static void on_signal(int signal)
{
    (void)signal;
    stopping = 1;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static const char *setting(const char *name)
{
    const char *value = getenv(name);
    return value ? value : "";
}

static long number(const char *name)
{
    return strtol(setting(name), NULL, 10);
}

// One line of JSON; the arguments are ours, so nothing in them needs to be escaped.
static void say(const char *level, const char *message, const char *detail)
{
    printf("{\"level\":\"%s\",\"msg\":\"%s\",\"detail\":\"%s\",\"version\":\"%s\"}\n", level,
        message, detail, setting("VERSION"));
    fflush(stdout);
}

static _Noreturn void die(const char *message)
{
    say("error", message, strerror(errno));
    exit(1);
}

static void drop(struct connection *c)
{
    close(c->fd);
    free(c->in);
    free(c->out);
    *c = connections[--connection_count];
}

// --- answers ---

static void answer(struct connection *c, int status, const char *body, size_t length)
{
    char head[512];
    int n = snprintf(head, sizeof head,
        "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
        "X-App-Version: %.64s\r\n%s\r\n",
        status, status == 200 ? "OK" : "No", *body == '{' ? "application/json" : "text/plain",
        length, setting("VERSION"), c->last || stopping ? "Connection: close\r\n" : "");
    c->out_length = (size_t)n + length;
    c->sent = 0;
    c->out = malloc(c->out_length);
    if (!c->out)
        die("out of memory");
    memcpy(c->out, head, (size_t)n);
    memcpy(c->out + n, body, length);
}

static void answer_json(struct connection *c, int status, const char *key, const char *value)
{
    char body[256];
    int n = snprintf(body, sizeof body, "{\"%s\": \"%.128s\"}\n", key, value);
    answer(c, status, body, (size_t)n);
}

// The request is c->in: a head of that length with its empty line, then the body.
static void respond(struct connection *c, size_t head, size_t body)
{
    char method[8] = "", target[256] = "", length[24];
    sscanf(c->in, "%7s %255s", method, target);
    c->due = 0;
    char *query = strchr(target, '?');
    if (query)
        *query++ = '\0';
    if (strcmp(target, setting("FAIL_PATH")) == 0) {
        say("error", "panic", target);
        answer_json(c, 500, "error", "told to fail here");
    } else if (strcmp(target, "/echo") == 0 && strcmp(method, "POST") == 0) {
        answer(c, 200, c->in + head, body);
    } else if (strcmp(target, "/ping") == 0) {
        bool ready = !number("NEVER_READY");
        answer_json(c, ready ? 200 : 503, "message", ready ? "pong" : "not yet");
    } else if (strcmp(target, "/version") == 0) {
        answer_json(c, 200, "version", setting("VERSION"));
    } else if (strcmp(target, "/slow") == 0) {
        answer_json(c, 200, "version", setting("VERSION"));
        c->due = now_ms() + (query ? strtol(query + strcspn(query, "0123456789"), NULL, 10) : 0);
    } else if (strcmp(target, "/headers") == 0) {
        answer(c, 200, c->in, head);
    } else if (strcmp(target, "/secret-length") == 0) {
        snprintf(length, sizeof length, "%zu", strlen(setting("TOKEN")));
        answer_json(c, 200, "length", length);
    } else {
        answer_json(c, 404, "error", "no such page");
    }
}

// --- connections: each of these returns false when the connection is over ---

// Answers the first request that has arrived whole, if there is one.
static bool take_request(struct connection *c)
{
    if (c->out || !c->in_length)
        return true;
    c->in[c->in_length] = '\0';
    const char *end = strstr(c->in, "\r\n\r\n");
    if (!end)
        return c->in_length < REQUEST_MAX;
    size_t head = (size_t)(end - c->in) + 4;
    const char *length = strcasestr(c->in, "\r\ncontent-length:");
    const char *last = strcasestr(c->in, "\r\nconnection: close");
    size_t body = length && length < end ? strtoul(length + 17, NULL, 10) : 0;
    if (body > REQUEST_MAX - head)
        return false;
    if (c->in_length < head + body)
        return true;
    c->last = last && last < end;
    respond(c, head, body);
    c->in_length -= head + body;
    memmove(c->in, c->in + head + body, c->in_length);
    return true;
}

static bool receive(struct connection *c)
{
    ssize_t n = recv(c->fd, c->in + c->in_length, REQUEST_MAX - c->in_length, 0);
    if (n <= 0)
        return n < 0 && (errno == EAGAIN || errno == EINTR);
    c->in_length += (size_t)n;
    return take_request(c);
}

static bool transmit(struct connection *c)
{
    ssize_t n = send(c->fd, c->out + c->sent, c->out_length - c->sent, MSG_NOSIGNAL);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    c->sent += (size_t)n;
    if (c->sent < c->out_length)
        return true;
    free(c->out);
    c->out = NULL;
    return !c->last && take_request(c);
}

static void take_connection(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    char *in = fd < 0 ? NULL : malloc(REQUEST_MAX + 1); // what is not touched costs nothing
    if (in)
        connections[connection_count++] = (struct connection){.fd = fd, .in = in};
    else if (fd >= 0)
        close(fd);
}

// --- the life ---

static int start_listening(void)
{
    long port = number(*setting("LISTEN_PORT") ? "LISTEN_PORT" : "PORT");
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const char *host = *setting("HOST") ? setting("HOST") : "127.0.0.1";
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
        die(host);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 512) < 0)
        die("cannot listen");
    char text[64];
    snprintf(text, sizeof text, "%s:%ld", host, port);
    say("info", "listening", text);
    return fd;
}

// Waits for whatever comes next; the listener's answer stands behind those of the connections.
static void wait_for(struct pollfd *polled, int listener, int64_t until, const sigset_t *signals)
{
    int64_t now = now_ms();
    for (size_t i = 0; i < connection_count; i++) {
        const struct connection *c = &connections[i];
        bool held = c->out && c->due > now;
        if (held && c->due < until)
            until = c->due;
        polled[i] = (struct pollfd){c->fd, held ? 0 : c->out ? POLLOUT : POLLIN, 0};
    }
    bool full = connection_count == CONNECTIONS_MAX;
    polled[connection_count] = (struct pollfd){full ? -1 : listener, POLLIN, 0};
    int64_t ms = until > now ? until - now : 0;
    struct timespec timeout = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    if (ppoll(polled, connection_count + 1, until == NEVER ? NULL : &timeout, signals) <= 0)
        for (size_t i = 0; i <= connection_count; i++)
            polled[i].revents = 0;
}

static void serve(int listener, int64_t crash_at, const sigset_t *signals)
{
    int64_t linger_until = NEVER;
    while (!stopping || connection_count) {
        struct pollfd polled[CONNECTIONS_MAX + 1];
        size_t count = connection_count;
        wait_for(polled, listener, crash_at < linger_until ? crash_at : linger_until, signals);
        if (now_ms() >= crash_at) {
            say("error", "crashing", "as told");
            abort();
        }
        if (stopping) {
            close(listener);
            listener = -1;
            if (linger_until == NEVER)
                linger_until = now_ms() + number("LINGER_MS");
        }
        for (size_t i = count; i-- > 0;) { // from the end: drop() moves the last one
            struct connection *c = &connections[i];
            bool asked = stopping ? !c->out : polled[i].revents & POLLIN; // perhaps just now
            bool fine = asked ? receive(c) : !polled[i].revents || (c->out && transmit(c));
            if (!fine || (now_ms() >= linger_until && !c->out && !c->in_length))
                drop(c);
        }
        if (polled[count].revents && !stopping)
            take_connection(listener);
    }
}

int main(void)
{
    int64_t crash_at = number("CRASH_AFTER_MS") ? now_ms() + number("CRASH_AFTER_MS") : NEVER;
    if (*setting("EXIT_AT_START")) {
        say("error", "cannot open the database", "told to exit");
        return (int)number("EXIT_AT_START");
    }

    sigset_t signals, waiting;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, &waiting);
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);

    long delay = number("START_DELAY_MS");
    ppoll(NULL, 0, &(struct timespec){delay / 1000, delay % 1000 * 1000000}, &waiting);
    if (!stopping)
        serve(start_listening(), crash_at, &waiting);
    say("info", "stopped", "all requests are answered");
    return 0;
}
