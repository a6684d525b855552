#include "deploy/prober_private.h"

#define LOOK_EVERY_MS 100

static void on_look(struct loop_timer *timer);

static void look_later(struct probe *probe)
{
    struct loop *loop = probe->owner->loop;
    loop_timer_start(loop, &probe->timer, loop_now(loop) + LOOK_EVERY_MS, on_look, probe);
}

static void look(struct probe *probe)
{
    struct error err = {0};
    struct target *target = probe->owner->target;
    struct target_exec_state state;
    const struct target_exec what = {
        .id = probe->exec,
        .release = probe->owner->before.release,
        .index = probe->instance->index,
        .command = &probe->gate->command,
        .timeout_ms = probe->gate->timeout_ms,
    };
    if (target->ops->exec(target, &what, &state, &err) < 0) {
        if (!err.retryable && err.kind != ERR_NETWORK && err.kind != ERR_TIMEOUT)
            probe_reject(probe, err.message, "exit 0");
        else if (!probe_blind(probe, &err))
            look_later(probe);
        return;
    }
    probe->blind_since_ms = 0;
    if (!state.over) {
        look_later(probe);
        return;
    }
    gate_check_exec(&state, &probe->verdict);
    probe_over(probe);
}

static void on_look(struct loop_timer *timer)
{
    look(timer->arg);
}

void probe_start_exec(struct probe *probe)
{
    const struct target_ops *ops = probe->owner->target->ops;
    if (!ops->exec) {
        AUTO_FREE char *why = mem_printf("target %s runs no commands for gates", ops->name);
        probe_reject(probe, why, "exit 0");
        return;
    }
    probe->exec = ++probe->owner->execs;
    look(probe);
}
