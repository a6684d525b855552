#include "support/gate_bench.h"

#include <stdio.h>
#include <string.h>

struct value *bench_parse(const char *json)
{
    struct value *v = value_parse(json, strlen(json), NULL);
    if (!v)
        fail_msg("bad JSON in a test: %s", json);
    return v;
}

static int shown_observe(struct target *t, struct snapshot *ret, struct error *err)
{
    struct shown_target *s = (struct shown_target *)t;
    if (++s->looks <= s->blind_until)
        return error_set(err, ERR_NETWORK, "no answer");
    if (s->looks == s->restart_at)
        s->shown.sets[SET_NEW].instances[0].restarts++;
    *ret = s->shown;
    return 0;
}

static int shown_logs(struct target *t, int64_t release, struct str *out, struct error *err)
{
    struct shown_target *s = (struct shown_target *)t;
    (void)err;
    assert_int_equal(release, 2);
    s->log_reads++;
    str_puts(out, s->log);
    return 0;
}

static int shown_probe(struct target *t, const struct instance *instance, const char *path,
    struct target_probe *ret, struct error *err)
{
    (void)t;
    (void)err;
    ret->url = mem_printf("http://%s%s", instance->address, path);
    ret->request.url = ret->url;
    return 0;
}

static int shown_exec(struct target *t, const struct target_exec *what,
    struct target_exec_state *ret, struct error *err)
{
    struct shown_target *s = (struct shown_target *)t;
    if (what->id != s->exec.id)
        s->execs_open++;
    s->exec = *what;
    if (++s->exec_looks <= s->blind_until)
        return error_set(err, ERR_NETWORK, "no answer");
    *ret = *s->execs;
    s->execs += !s->execs->over;
    return 0;
}

static void shown_exec_end(struct target *t, int64_t id)
{
    struct shown_target *s = (struct shown_target *)t;
    assert_int_equal(id, s->exec.id);
    s->execs_open--;
}

static const struct target_ops shown_ops = {.observe = shown_observe,
    .logs = shown_logs,
    .probe = shown_probe,
    .exec = shown_exec,
    .exec_end = shown_exec_end};

static void on_changed(void *arg)
{
    struct bench *b = arg;
    loop_stop(b->loop);
}

static void on_too_late(struct loop_timer *timer)
{
    struct bench *b = timer->arg;
    loop_stop(b->loop);
}

void bench_start(struct bench *b, const char *gates, const struct http_answer *script)
{
    static const struct http_answer none[] = {{0}};
    *b = (struct bench){.loop = loop_new(NULL), .target = {.target.ops = &shown_ops, .log = ""}};
    http_script_init(&b->http, b->loop, script ? script : none);
    AUTO(value) struct value *v = bench_parse(gates);
    check_ok(gate_list_from_value(v, "gates", &b->gates, &err));
    struct set_state *set = &b->target.shown.sets[SET_NEW];
    *set = (struct set_state){.exists = true, .release = 2, .desired = 2, .instance_count = 3};
    set->ready = 2;
    for (int i = 0; i < 3; i++) {
        set->instances[i] = (struct instance){.state = INSTANCE_READY, .index = i};
        snprintf(set->instances[i].address, sizeof set->instances[i].address, "app:%d", i);
    }
    set->instances[2].state = INSTANCE_DRAINING; // is not asked
    b->prober = prober_new(b->loop, &b->http.client, &b->target.target, &b->gates, NULL);
    bench_listen(b);
}

void bench_listen(struct bench *b)
{
    b->prober->changed = on_changed;
    b->prober->changed_arg = b;
}

void bench_run(struct bench *b)
{
    check_ok(b->prober->ops->start(b->prober, GATE_BEFORE_SWITCH, SET_NEW, &b->target.shown, &err));
    bench_go_on(b);
}

void bench_go_on(struct bench *b)
{
    loop_timer_start(b->loop, &b->watchdog, loop_now(b->loop) + 20000, on_too_late, b);
    check_ok(loop_run(b->loop, &err));
    loop_timer_stop(&b->watchdog);
    b->prober->ops->status(b->prober, &b->status);
}

void bench_end(struct bench *b)
{
    prober_free(b->prober);
    assert_int_equal(b->http.open, 0);
    gate_list_done(&b->gates);
    loop_free(b->loop);
}
