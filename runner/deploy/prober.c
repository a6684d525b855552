#include <stdio.h>
#include <stdlib.h>

#include "deploy/prober_private.h"
#include "os/fd.h"

#define NAME_MAX_LENGTH 2000 // of a gate, and of what it has to say

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
    if (probe->exec)
        probe->owner->target->ops->exec_end(probe->owner->target, probe->exec);
    probe->exec = 0;
    loop_io_stop(&probe->io);
    loop_timer_stop(&probe->timer);
    fd_reset(&probe->fd);
}

static void on_settle(struct loop_timer *timer);

static void wait_again(struct gate_prober *p);

static void enter(struct probe *probe, enum probe_state state)
{
    struct gate_prober *p = probe->owner;
    if (probe->state == PROBE_HELD && state != PROBE_HELD)
        wait_again(p);
    probe->state = state;
    probe->ms = loop_now(p->loop) - probe->began_ms;
    loop_timer_start(p->loop, &p->settle, loop_now(p->loop), on_settle, p);
}

void probe_over(struct probe *probe)
{
    probe_stop(probe);
    enter(probe, PROBE_OVER);
}

bool probe_hold(struct probe *probe)
{
    if (probe->gate->dry_run)
        probe_over(probe);
    else
        enter(probe, PROBE_HELD);
    return !probe->gate->dry_run;
}

void probe_go_on(struct probe *probe)
{
    if (probe->state == PROBE_HELD)
        enter(probe, PROBE_RUNNING);
}

void probe_reject(struct probe *probe, const char *seen, const char *wanted)
{
    probe->verdict = (struct gate_verdict){0};
    snprintf(probe->verdict.seen, sizeof probe->verdict.seen, "%s", seen);
    snprintf(probe->verdict.wanted, sizeof probe->verdict.wanted, "%s", wanted);
    probe_over(probe);
}

// All of them.

static const struct {
    bool on_each; // instance that is ready; else on the set
    bool last;    // after all others
    void (*start)(struct probe *probe);
} kinds[] = {
    [GATE_HTTP] = {.on_each = true, .start = probe_start_http}, // unless it has a URL
    [GATE_TCP] = {.on_each = true, .start = probe_start_tcp},
    [GATE_LOG] = {.last = true, .start = probe_start_log},
    [GATE_STABLE] = {.start = probe_start_watching},
    [GATE_EXEC] = {.on_each = true, .start = probe_start_exec},
    [GATE_RESTARTS] = {.start = probe_start_watching},
    [GATE_PROMETHEUS] = {.start = probe_start_prometheus},
};

static bool on_each(const struct gate_spec *gate)
{
    return kinds[gate->kind].on_each && !gate->url;
}

static void probe_start(struct probe *probe)
{
    probe->state = PROBE_RUNNING;
    probe->began_ms = loop_now(probe->owner->loop);
    if (on_each(probe->gate) && !probe->instance)
        probe_reject(probe, "no instance is ready", "one that it can be tried on");
    else
        kinds[probe->gate->kind].start(probe);
}

static void start_all(struct gate_prober *p, bool last)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->probes[i].state == PROBE_WAITING && kinds[p->probes[i].gate->kind].last == last)
            probe_start(&p->probes[i]);
}

// Those that come last have come while others were held, which now are not.
static void wait_again(struct gate_prober *p)
{
    for (size_t i = 0; i < p->count; i++)
        if (kinds[p->probes[i].gate->kind].last) {
            probe_stop(&p->probes[i]);
            p->probes[i].state = PROBE_WAITING;
        }
}

static void stop_all(struct gate_prober *p)
{
    loop_timer_stop(&p->settle);
    for (size_t i = 0; i < p->count; i++)
        probe_stop(&p->probes[i]);
}

static void say_reason(struct gate_prober *p, const struct probe *probe)
{
    AUTO(str) struct str reason;
    str_init(&reason, NAME_MAX_LENGTH);
    gate_print(probe->gate, &reason);
    if (probe->instance)
        str_printf(
            &reason, " on instance %d (%s)", probe->instance->index, probe->instance->address);
    str_printf(&reason, ": %s; wanted: %s", probe->verdict.seen, probe->verdict.wanted);
    snprintf(p->status.reason, sizeof p->status.reason, "%s", reason.data);
}

static bool rejects(const struct probe *probe)
{
    return probe->state == PROBE_OVER && !probe->verdict.passed && !probe->gate->dry_run;
}

// The first in that state, or that rejects where that is asked.
static const struct probe *first(
    const struct gate_prober *p, enum probe_state state, bool rejecting)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->probes[i].state == state && (!rejecting || rejects(&p->probes[i])))
            return &p->probes[i];
    return NULL;
}

static void on_settle(struct loop_timer *timer)
{
    struct gate_prober *p = timer->arg;
    enum gate_state before = p->status.state;
    const struct probe *rejected = first(p, PROBE_OVER, true);
    const struct probe *held = first(p, PROBE_HELD, false);
    p->status.state = GATE_RUNNING;
    if (rejected) {
        stop_all(p);
        p->status.state = GATE_REJECTED;
        say_reason(p, rejected);
    } else if (first(p, PROBE_RUNNING, false)) {
        return;
    } else if (first(p, PROBE_WAITING, false)) {
        start_all(p, true);
        return;
    } else if (held) {
        p->status.state = GATE_HELD;
        say_reason(p, held);
    } else {
        p->status.state = GATE_PASSED;
    }
    if (p->prober.changed && p->status.state != before)
        p->prober.changed(p->prober.changed_arg);
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
        size_t count = p->count;
        for (size_t i = 0; i < p->before.instance_count && on_each(gate); i++)
            if (p->before.instances[i].state == INSTANCE_READY)
                add_probe(p, gate, &p->before.instances[i]);
        if (p->count == count)
            add_probe(p, gate, NULL);
    }
}

static bool only_dry_runs(const struct gate_prober *p)
{
    size_t dry = 0;
    for (size_t i = 0; i < p->count; i++)
        dry += p->probes[i].gate->dry_run;
    return dry && dry == p->count;
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
    if (p->before.ready == 0 && !only_dry_runs(p))
        return error_set(err, ERR_FAILED, "no instance is ready that gates could be tried on");
    start_all(p, false);
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

static struct value *verdict_of(const struct gate_prober *p, const struct probe *probe)
{
    AUTO(str) struct str name;
    str_init(&name, NAME_MAX_LENGTH);
    gate_print(probe->gate, &name);
    struct value *v = value_map();
    value_set_str(v, "phase", gate_phase_name(p->phase));
    value_set_str(v, "gate", name.data);
    if (probe->instance)
        value_set_int(v, "instance", probe->instance->index);
    if (probe->gate->dry_run)
        value_set_bool(v, "dry_run", true);
    value_set_bool(v, "passed", probe->verdict.passed);
    if (probe->verdict.held)
        value_set_bool(v, "held", true);
    value_set_str(v, "seen", probe->verdict.seen);
    value_set_str(v, "wanted", probe->verdict.wanted);
    value_set_int(v, "ms", probe->ms);
    return v;
}

static struct value *prober_verdicts(struct prober *prober)
{
    struct gate_prober *p = prober_of(prober);
    struct value *list = value_list();
    for (size_t i = 0; i < p->count; i++)
        if (p->probes[i].state == PROBE_OVER || p->probes[i].state == PROBE_HELD)
            value_append(list, verdict_of(p, &p->probes[i]));
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
