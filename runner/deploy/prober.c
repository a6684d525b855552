#include "deploy/prober.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/text.h"
#include "deploy/gate_check.h"
#include "os/fd.h"

#define TCP_TIMEOUT_MS 5000
#define LOOK_EVERY_MS  250
// What the other probes caused is written after their answers, and on its way to the file then.
#define LOG_LAG_MS   500
#define BLIND_MAX_MS 10000 // of a stable gate: the target does not answer

enum probe_state { PROBE_WAITING, PROBE_RUNNING, PROBE_OVER };

// One gate on one instance, or on the whole set (log, stable).
struct probe {
    struct gate_prober *owner;
    const struct gate_spec *gate;
    const struct instance *instance; // NULL: the set
    enum probe_state state;
    struct gate_verdict verdict;
    int64_t began_ms, ms;
    int64_t request; // http; -1: none
    int fd;          // tcp; -1: none
    struct loop_io io;
    struct loop_timer timer;
    int64_t blind_since_ms; // stable; 0: the last look was a success
};

struct gate_prober {
    struct prober prober; // the first member
    struct loop *loop;
    struct http_client *http;
    struct target *target;
    const struct gate_list *lists[2]; // by gate_phase
    enum gate_phase phase;
    enum set set;
    struct set_state before; // the set, when they began
    struct probe *probes;
    size_t count;
    struct loop_timer settle; // some probe is over: what does that mean for the whole?
    struct gate_status status;
};

static struct gate_prober *prober_of(struct prober *p)
{
    return (struct gate_prober *)p;
}

// The life of a probe.

static void probe_stop(struct probe *probe)
{
    if (probe->request >= 0)
        probe->owner->http->ops->cancel(probe->owner->http, probe->request);
    probe->request = -1;
    loop_io_stop(&probe->io);
    loop_timer_stop(&probe->timer);
    fd_reset(&probe->fd);
}

static void on_settle(struct loop_timer *timer);

static void probe_over(struct probe *probe)
{
    struct gate_prober *p = probe->owner;
    probe_stop(probe);
    probe->state = PROBE_OVER;
    probe->ms = loop_now(p->loop) - probe->began_ms;
    loop_timer_start(p->loop, &p->settle, loop_now(p->loop), on_settle, p);
}

static void probe_reject(struct probe *probe, const char *seen, const char *wanted)
{
    probe->verdict = (struct gate_verdict){0};
    snprintf(probe->verdict.seen, sizeof probe->verdict.seen, "%s", seen);
    snprintf(probe->verdict.wanted, sizeof probe->verdict.wanted, "%s", wanted);
    probe_over(probe);
}

// http

static void on_answer(void *arg, struct http_response *response, const struct error *err)
{
    struct probe *probe = arg;
    probe->request = -1;
    if (err) {
        probe_reject(probe, err->message, "an answer");
        return;
    }
    gate_check_http(probe->gate, response, &probe->verdict);
    probe_over(probe);
}

static void start_http(struct probe *probe)
{
    struct error err = {0};
    struct target *target = probe->owner->target;
    AUTO(target_probe) struct target_probe how = {0};
    if (target->ops->probe(target, probe->instance, probe->gate->path, &how, &err) == 0) {
        how.request.timeout_ms = probe->gate->timeout_ms;
        probe->request = http_start(probe->owner->http, &how.request, on_answer, probe, &err);
    }
    if (probe->request < 0)
        probe_reject(probe, err.message, "an answer");
}

// tcp

static void on_connected(struct loop_io *io, uint32_t events)
{
    struct probe *probe = io->arg;
    int why = 0;
    socklen_t size = sizeof why;
    (void)events;
    getsockopt(probe->fd, SOL_SOCKET, SO_ERROR, &why, &size);
    if (why) {
        probe_reject(probe, strerror(why), "a connection");
        return;
    }
    probe->verdict = (struct gate_verdict){
        .passed = true, .seen = "it accepts connections", .wanted = "a connection"};
    probe_over(probe);
}

static int64_t connect_ms(const struct probe *probe)
{
    return probe->gate->timeout_ms ? probe->gate->timeout_ms : TCP_TIMEOUT_MS;
}

static void on_connect_late(struct loop_timer *timer)
{
    struct probe *probe = timer->arg;
    char duration[DURATION_TEXT_MAX];
    AUTO_FREE char *seen =
        mem_printf("no answer in %s", duration_print(connect_ms(probe), duration));
    probe_reject(probe, seen, "a connection");
}

// "127.0.0.1:80" or "[::1]:80": instances have no names to look up. NULL with *err.
static struct addrinfo *parse_address(const char *address, struct error *err)
{
    const char *colon = strrchr(address, ':');
    struct addrinfo hints = {
        .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    if (!colon) {
        error_set(err, ERR_PROTOCOL, "\"%s\" is not HOST:PORT", address);
        return NULL;
    }
    bool bracketed = address[0] == '[' && colon > address && colon[-1] == ']';
    AUTO_FREE char *host =
        mem_strndup(address + bracketed, (size_t)(colon - address) - (bracketed ? 2 : 0));
    int rc = getaddrinfo(host, colon + 1, &hints, &found);
    if (rc != 0) {
        error_set(err, ERR_PROTOCOL, "\"%s\": %s", address, gai_strerror(rc));
        return NULL;
    }
    return found;
}

static int connect_to(struct probe *probe, struct error *err)
{
    struct addrinfo *to = parse_address(probe->instance->address, err);
    if (!to)
        return -1;
    probe->fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int rc = probe->fd < 0 ? -1 : connect(probe->fd, to->ai_addr, to->ai_addrlen);
    int why = errno;
    freeaddrinfo(to);
    errno = why;
    if (rc < 0 && (probe->fd < 0 || why != EINPROGRESS))
        return error_errno(err, "connect");
    return loop_io_start(
        probe->owner->loop, &probe->io, probe->fd, EPOLLOUT, on_connected, probe, err);
}

static void start_tcp(struct probe *probe)
{
    struct error err = {0};
    struct loop *loop = probe->owner->loop;
    if (connect_to(probe, &err) < 0)
        probe_reject(probe, err.message, "a connection");
    else
        loop_timer_start(
            loop, &probe->timer, loop_now(loop) + connect_ms(probe), on_connect_late, probe);
}

// stable

static void on_look(struct loop_timer *timer)
{
    struct probe *probe = timer->arg;
    struct gate_prober *p = probe->owner;
    int64_t now = loop_now(p->loop);
    struct error err = {0};
    AUTO_FREE struct snapshot *seen = mem_alloc(sizeof *seen);
    bool blind = p->target->ops->observe(p->target, seen, &err) < 0;
    if (blind && !probe->blind_since_ms)
        probe->blind_since_ms = now;
    if (!blind)
        probe->blind_since_ms = 0;
    if (blind && now - probe->blind_since_ms >= BLIND_MAX_MS) {
        probe_reject(probe, err.message, "an answer of the target");
        return;
    }
    if (!blind)
        gate_check_stable(probe->gate, &p->before, &seen->sets[p->set], &probe->verdict);
    if (!blind && (!probe->verdict.passed || now - probe->began_ms >= probe->gate->for_ms))
        probe_over(probe);
    else
        loop_timer_start(p->loop, &probe->timer, now + LOOK_EVERY_MS, on_look, probe);
}

static void start_stable(struct probe *probe)
{
    struct loop *loop = probe->owner->loop;
    loop_timer_start(loop, &probe->timer, loop_now(loop), on_look, probe);
}

// log

static void on_written(struct loop_timer *timer)
{
    struct probe *probe = timer->arg;
    struct error err = {0};
    struct target *t = probe->owner->target;
    AUTO(str) struct str text;
    str_init(&text, STR_TEXT_MAX);
    if (t->ops->logs(t, probe->owner->before.release, &text, &err) < 0 ||
        str_check(&text, "the log", &err) < 0) {
        probe_reject(probe, err.message, "the log");
        return;
    }
    gate_check_log(probe->gate, text.data, text.length, &probe->verdict);
    probe_over(probe);
}

static void start_log(struct probe *probe)
{
    struct loop *loop = probe->owner->loop;
    loop_timer_start(loop, &probe->timer, loop_now(loop) + LOG_LAG_MS, on_written, probe);
}

// All of them.

static void probe_start(struct probe *probe)
{
    probe->state = PROBE_RUNNING;
    probe->began_ms = loop_now(probe->owner->loop);
    switch (probe->gate->kind) {
    case GATE_HTTP:
        start_http(probe);
        return;
    case GATE_TCP:
        start_tcp(probe);
        return;
    case GATE_STABLE:
        start_stable(probe);
        return;
    case GATE_LOG:
        start_log(probe);
        return;
    }
}

static void stop_all(struct gate_prober *p)
{
    loop_timer_stop(&p->settle);
    for (size_t i = 0; i < p->count; i++)
        probe_stop(&p->probes[i]);
}

static void reject(struct gate_prober *p, const struct probe *probe)
{
    AUTO(str) struct str reason;
    str_init(&reason, 2000);
    gate_print(probe->gate, &reason);
    if (probe->instance)
        str_printf(
            &reason, " on instance %d (%s)", probe->instance->index, probe->instance->address);
    str_printf(&reason, ": %s; wanted: %s", probe->verdict.seen, probe->verdict.wanted);
    p->status.state = GATE_REJECTED;
    snprintf(p->status.reason, sizeof p->status.reason, "%s", reason.data);
}

static void on_settle(struct loop_timer *timer)
{
    struct gate_prober *p = timer->arg;
    size_t running = 0, waiting = 0;
    const struct probe *rejected = NULL;
    for (size_t i = 0; i < p->count; i++) {
        const struct probe *probe = &p->probes[i];
        running += probe->state == PROBE_RUNNING;
        waiting += probe->state == PROBE_WAITING;
        if (!rejected && probe->state == PROBE_OVER && !probe->verdict.passed)
            rejected = probe;
    }
    if (rejected) {
        stop_all(p);
        reject(p, rejected);
    } else if (running) {
        return;
    } else if (waiting) {
        for (size_t i = 0; i < p->count; i++)
            if (p->probes[i].state == PROBE_WAITING)
                probe_start(&p->probes[i]);
        return;
    } else {
        p->status.state = GATE_PASSED;
    }
    if (p->prober.changed)
        p->prober.changed(p->prober.changed_arg);
}

static bool on_each_instance(const struct gate_spec *gate)
{
    return gate->kind == GATE_HTTP || gate->kind == GATE_TCP;
}

static void add_probe(
    struct gate_prober *p, const struct gate_spec *gate, const struct instance *instance)
{
    struct probe *probe = &p->probes[p->count++];
    *probe =
        (struct probe){.owner = p, .gate = gate, .instance = instance, .request = -1, .fd = -1};
}

static void make_probes(struct gate_prober *p)
{
    const struct gate_list *list = p->lists[p->phase];
    free(p->probes);
    p->probes = NULL;
    p->count = 0;
    if (!list)
        return;
    p->probes = mem_array(list->items.length * (p->before.instance_count + 1), sizeof *p->probes);
    vec_each (gate, &list->items) {
        if (!on_each_instance(gate))
            add_probe(p, gate, NULL);
        for (size_t i = 0; i < p->before.instance_count && on_each_instance(gate); i++)
            if (p->before.instances[i].state == INSTANCE_READY)
                add_probe(p, gate, &p->before.instances[i]);
    }
}

static int prober_start(struct prober *prober, enum gate_phase phase, enum set set,
    const struct snapshot *seen, struct error *err)
{
    struct gate_prober *p = prober_of(prober);
    stop_all(p);
    p->phase = phase;
    p->set = set;
    p->before = seen->sets[set];
    p->status = (struct gate_status){.state = GATE_RUNNING};
    make_probes(p);
    if (p->before.ready == 0)
        return error_set(err, ERR_FAILED, "no instance is ready that gates could be tried on");
    for (size_t i = 0; i < p->count; i++)
        if (p->probes[i].gate->kind != GATE_LOG)
            probe_start(&p->probes[i]);
    loop_timer_start(p->loop, &p->settle, loop_now(p->loop), on_settle, p);
    return 0;
}

static void prober_stop(struct prober *prober)
{
    stop_all(prober_of(prober));
}

static void prober_status(struct prober *prober, struct gate_status *ret)
{
    *ret = prober_of(prober)->status;
}

static struct value *prober_verdicts(struct prober *prober)
{
    struct gate_prober *p = prober_of(prober);
    struct value *list = value_list();
    for (size_t i = 0; i < p->count; i++) {
        const struct probe *probe = &p->probes[i];
        if (probe->state != PROBE_OVER)
            continue;
        AUTO(str) struct str name;
        str_init(&name, 2000);
        gate_print(probe->gate, &name);
        struct value *v = value_map();
        value_set_str(v, "phase", gate_phase_name(p->phase));
        value_set_str(v, "gate", name.data);
        if (probe->instance)
            value_set_int(v, "instance", probe->instance->index);
        value_set_bool(v, "passed", probe->verdict.passed);
        value_set_str(v, "seen", probe->verdict.seen);
        value_set_str(v, "wanted", probe->verdict.wanted);
        value_set_int(v, "ms", probe->ms);
        value_append(list, v);
    }
    return list;
}

static const struct prober_ops ops = {
    .start = prober_start,
    .stop = prober_stop,
    .status = prober_status,
    .verdicts = prober_verdicts,
};

struct prober *prober_new(struct loop *loop, struct http_client *http, struct target *target,
    const struct gate_list *before, const struct gate_list *after)
{
    struct gate_prober *p = mem_alloc(sizeof *p);
    p->prober.ops = &ops;
    p->loop = loop;
    p->http = http;
    p->target = target;
    p->lists[GATE_BEFORE_SWITCH] = before;
    p->lists[GATE_AFTER_SWITCH] = after;
    return &p->prober;
}

void prober_free(struct prober *prober)
{
    if (!prober)
        return;
    struct gate_prober *p = prober_of(prober);
    stop_all(p);
    free(p->probes);
    free(p);
}
