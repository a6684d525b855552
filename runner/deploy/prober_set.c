// What is known of a set by asking its target, again and again.
#include "deploy/prober_private.h"

#define LOOK_EVERY_MS 250
// What the other probes caused is written after their answers, and on its way to the file then.
#define LOG_LAG_MS   500
#define BLIND_MAX_MS 10000 // the target does not answer

// stable, restarts

static void check(struct probe *probe, const struct set_state *now)
{
    const struct set_state *before = &probe->owner->before;
    if (probe->gate->kind == GATE_STABLE)
        gate_check_stable(probe->gate, before, now, &probe->verdict);
    else
        gate_check_restarts(probe->gate, before, now, &probe->verdict);
}

bool probe_blind(struct probe *probe, const struct error *err)
{
    int64_t now = loop_now(probe->owner->loop);
    if (!probe->blind_since_ms)
        probe->blind_since_ms = now;
    if (now - probe->blind_since_ms < BLIND_MAX_MS)
        return false;
    probe_reject(probe, err->message, "an answer of the target");
    return true;
}

static void on_look(struct loop_timer *timer)
{
    struct probe *probe = timer->arg;
    struct gate_prober *p = probe->owner;
    int64_t now = loop_now(p->loop);
    struct error err = {0};
    bool over = false;
    AUTO_FREE struct snapshot *seen = mem_alloc(sizeof *seen);
    if (p->target->ops->observe(p->target, seen, &err) < 0) {
        if (probe_blind(probe, &err))
            return;
    } else {
        probe->blind_since_ms = 0;
        check(probe, &seen->sets[p->set]);
        over = !probe->verdict.passed || now - probe->began_ms >= probe->gate->for_ms;
    }
    if (over)
        probe_over(probe);
    else
        loop_timer_start(p->loop, &probe->timer, now + LOOK_EVERY_MS, on_look, probe);
}

void probe_start_watching(struct probe *probe)
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

void probe_start_log(struct probe *probe)
{
    struct loop *loop = probe->owner->loop;
    loop_timer_start(loop, &probe->timer, loop_now(loop) + LOG_LAG_MS, on_written, probe);
}
