#include "codec/rpc.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "os/clock.h"
#include "os/fd.h"

#define HELLO_TIMEOUT_MS 10000

struct rpc {
    int fd;
    void *arg;
    struct str packet;
    bool broken;
    // serving
    struct loop_io io;
    const struct rpc_method *methods;
    unsigned allow;
    rpc_closed_fn *closed;
    bool greeted;
    bool deaf;   // was cut off because it does not read
    bool *freed; // set by rpc_free() while a handler runs
    // calling
    int64_t last_id;
    VEC(struct value *) notices;
};

struct value *error_to_value(const struct error *err)
{
    struct value *v = value_map();
    value_set_int(v, "kind", err->kind);
    value_set_str(v, "message", err->message);
    value_set_int(v, "errno", err->os_errno);
    value_set_int(v, "http", err->http_status);
    value_set_bool(v, "retryable", err->retryable);
    return v;
}

void error_from_value(const struct value *v, struct error *ret)
{
    const char *message = value_get_str(v, "message");
    int64_t kind = value_get_int(v, "kind", ERR_PROTOCOL);
    if (kind <= ERR_NONE || kind > ERR_INTERNAL)
        kind = ERR_PROTOCOL;
    error_set(ret, (enum error_kind)kind, "%s", message ? message : "an error without a message");
    if (!ret)
        return;
    ret->os_errno = (int)value_get_int(v, "errno", 0);
    ret->http_status = (int)value_get_int(v, "http", 0);
    ret->retryable = value_get_bool(v, "retryable", false);
}

static struct rpc *rpc_new(int fd)
{
    struct rpc *rpc = mem_alloc(sizeof *rpc);
    rpc->fd = fd;
    str_init(&rpc->packet, IPC_PACKET_MAX);
    return rpc;
}

void rpc_free(struct rpc *rpc)
{
    if (!rpc)
        return;
    if (rpc->freed)
        *rpc->freed = true;
    loop_io_stop(&rpc->io);
    fd_close(rpc->fd);
    str_done(&rpc->packet);
    vec_each (notice, &rpc->notices)
        value_free(*notice);
    vec_free(&rpc->notices);
    free(rpc);
}

void *rpc_arg(const struct rpc *rpc)
{
    return rpc->arg;
}

int rpc_fd(const struct rpc *rpc)
{
    return rpc->fd;
}

bool rpc_broken(const struct rpc *rpc)
{
    return rpc->broken;
}

static int send_value(struct rpc *rpc, const struct value *message, const int *fds, size_t fd_count,
    struct error *err)
{
    struct error why = {0};
    AUTO_FREE char *text = value_print(message);
    // Who serves many must not wait for one: a peer asks, reads the answer, and asks again, so
    // there is always room for an answer unless it has stopped to read them.
    bool serves = rpc->methods != NULL;
    int status =
        (serves ? ipc_send_now : ipc_send)(rpc->fd, text, strlen(text), fds, fd_count, &why);
    if (status == 0)
        return 0;
    if (serves && why.kind == ERR_TIMEOUT) {
        rpc->deaf = true;
        shutdown(rpc->fd, SHUT_RDWR); // the loop's next turn closes it
    }
    rpc->broken |= why.kind != ERR_LIMIT;
    if (err)
        *err = why;
    return -1;
}

// The next packet, for the calling end: to it, a peer that has closed is a failure.
static int receive(struct rpc *rpc, int timeout_ms, struct ipc_fds *ret_fds, struct error *err)
{
    struct error why = {0};
    int got = ipc_receive(rpc->fd, timeout_ms, &rpc->packet, ret_fds, &why);
    if (got > 0)
        return 0;
    if (got == 0)
        error_set(&why, ERR_CONFLICT, "the other end has closed the connection");
    rpc->broken |= why.kind != ERR_TIMEOUT;
    if (err)
        *err = why;
    return -1;
}

void rpc_reply(struct rpc *rpc, int64_t id, struct value *result, const int *fds, size_t fd_count)
{
    AUTO(value) struct value *message = result ? result : value_map();
    struct error err = {0};
    value_set_int(message, "reply", id);
    if (send_value(rpc, message, fds, fd_count, &err) < 0 && err.kind == ERR_LIMIT)
        rpc_fail(rpc, id, &err);
}

void rpc_fail(struct rpc *rpc, int64_t id, const struct error *why)
{
    AUTO(value) struct value *message = value_map();
    value_set_int(message, "reply", id);
    value_set(message, "error", error_to_value(why));
    send_value(rpc, message, NULL, 0, NULL);
}

void rpc_notify(struct rpc *rpc, const char *op, struct value *params)
{
    AUTO(value) struct value *message = params ? params : value_map();
    value_set_str(message, "op", op);
    send_value(rpc, message, NULL, 0, NULL);
}

static void close_connection(struct rpc *rpc, const struct error *why)
{
    loop_io_stop(&rpc->io);
    rpc->closed(rpc, why);
}

static int hello(struct rpc *rpc, int64_t id, const struct value *params, struct error *err)
{
    int64_t theirs = value_get_int(params, "protocol", 0);
    const char *who = value_get_str(params, "from");
    if (theirs != RPC_PROTOCOL)
        return error_set(err, ERR_PROTOCOL,
            "%s speaks protocol %lld and this davit speaks %d: they are of different releases",
            who ? who : "the peer", (long long)theirs, RPC_PROTOCOL);
    rpc->greeted = true;
    rpc_reply(rpc, id, NULL, NULL, 0);
    return 0;
}

static const struct rpc_method *find_method(const struct rpc *rpc, const char *op)
{
    for (const struct rpc_method *m = rpc->methods; m->op; m++)
        if (strcmp(m->op, op) == 0 && (m->allow & rpc->allow))
            return m;
    return NULL;
}

// Answers one call. -1: the peer has broken the form and is to be cut off.
static int dispatch(struct rpc *rpc, struct value *message, struct ipc_fds *fds, struct error *err)
{
    const char *op;
    int64_t id;
    if (value_need_str(message, "op", &op, err) < 0 ||
        value_need_int(message, "id", 0, INT64_MAX, &id, err) < 0)
        return -1;
    if (!rpc->greeted) {
        if (strcmp(op, "hello") != 0)
            return error_set(err, ERR_PROTOCOL, "\"%s\" before hello", op);
        if (hello(rpc, id, message, err) < 0) {
            rpc_fail(rpc, id, err);
            return -1;
        }
        return 0;
    }
    const struct rpc_method *method = find_method(rpc, op);
    if (!method) {
        struct error why;
        error_set(&why, ERR_DENIED, "\"%s\" may not be asked here", op);
        rpc_fail(rpc, id, &why);
        return 0;
    }
    method->handler(rpc, id, message, fds);
    return 0;
}

static void on_readable(struct loop_io *io, uint32_t events)
{
    (void)events;
    struct rpc *rpc = io->arg;
    struct error err = {0};
    AUTO(ipc_fds) struct ipc_fds fds = {0};
    if (rpc->deaf) {
        error_set(&err, ERR_PROTOCOL, "it does not read its answers");
        close_connection(rpc, &err);
        return;
    }
    int got = ipc_receive(rpc->fd, 0, &rpc->packet, &fds, &err);
    if (got == 0) {
        close_connection(rpc, NULL);
        return;
    }
    AUTO(value) struct value *message = NULL;
    if (got > 0)
        message = value_parse(rpc->packet.data, rpc->packet.length, &err);
    bool freed = false;
    rpc->freed = &freed;
    int status = message ? dispatch(rpc, message, &fds, &err) : -1;
    if (freed)
        return;
    rpc->freed = NULL;
    if (status < 0)
        close_connection(rpc, &err);
}

struct rpc *rpc_serve(struct loop *loop, int fd, const struct rpc_method *methods, unsigned allow,
    rpc_closed_fn *closed, void *arg, struct error *err)
{
    struct rpc *rpc = rpc_new(fd);
    rpc->methods = methods;
    rpc->allow = allow;
    rpc->closed = closed;
    rpc->arg = arg;
    if (loop_io_start(loop, &rpc->io, fd, EPOLLIN, on_readable, rpc, err) < 0) {
        rpc_free(rpc);
        return NULL;
    }
    return rpc;
}

// Waits for the answer to `id`, keeping the notices that come before it.
static int await_reply(struct rpc *rpc, int64_t id, int timeout_ms, struct value **ret,
    struct ipc_fds *ret_fds, bool *ret_answered, struct error *err)
{
    int64_t deadline = clock_monotonic_ms() + timeout_ms;
    for (;;) {
        AUTO(ipc_fds) struct ipc_fds fds = {0};
        int64_t left = timeout_ms < 0 ? -1 : deadline - clock_monotonic_ms();
        if (receive(rpc, left < 0 && timeout_ms >= 0 ? 0 : (int)left, &fds, err) < 0)
            return -1;
        AUTO(value) struct value *message = value_parse(rpc->packet.data, rpc->packet.length, err);
        if (!message)
            return -1;
        if (!value_get(message, "reply")) { // an answer may well have an "op" of its own: a job has
            vec_push(&rpc->notices, take_ptr(message));
            continue;
        }
        if (value_get_int(message, "reply", -1) != id)
            continue; // of a call that timed out
        const struct value *failure = value_get(message, "error");
        if (failure) {
            *ret_answered = true; // what it says is meant for people as it is
            error_from_value(failure, err);
            return -1;
        }
        if (ret)
            *ret = take_ptr(message);
        if (ret_fds) {
            *ret_fds = fds;
            fds.count = 0;
        }
        return 0;
    }
}

int rpc_call(struct rpc *rpc, const char *op, struct value *params, const int *fds, size_t fd_count,
    int timeout_ms, struct value **ret, struct ipc_fds *ret_fds, struct error *err)
{
    AUTO(value) struct value *message = params ? params : value_map();
    int64_t id = ++rpc->last_id;
    value_set_str(message, "op", op);
    value_set_int(message, "id", id);
    bool answered = false;
    if (send_value(rpc, message, fds, fd_count, err) < 0 ||
        await_reply(rpc, id, timeout_ms, ret, ret_fds, &answered, err) < 0)
        return answered ? -1 : error_wrap(err, "%s", op);
    return 0;
}

int rpc_notice(struct rpc *rpc, int timeout_ms, struct value **ret, struct error *err)
{
    if (rpc->notices.length == 0) {
        AUTO(ipc_fds) struct ipc_fds fds = {0};
        struct error why = {0};
        if (receive(rpc, timeout_ms, &fds, &why) < 0) {
            if (why.kind == ERR_TIMEOUT)
                return 0;
            if (err)
                *err = why;
            return -1;
        }
        *ret = value_parse(rpc->packet.data, rpc->packet.length, err);
        return *ret ? 1 : -1;
    }
    *ret = rpc->notices.items[0];
    memmove(rpc->notices.items, rpc->notices.items + 1,
        --rpc->notices.length * sizeof *rpc->notices.items);
    return 1;
}

struct rpc *rpc_connect(int fd, const char *me, struct error *err)
{
    struct rpc *rpc = rpc_new(fd);
    struct value *greeting = value_map();
    value_set_int(greeting, "protocol", RPC_PROTOCOL);
    value_set_str(greeting, "from", me);
    if (rpc_call(rpc, "hello", greeting, NULL, 0, HELLO_TIMEOUT_MS, NULL, NULL, err) < 0) {
        rpc_free(rpc);
        return NULL;
    }
    return rpc;
}
