// Whether an instance is ready: one look after the other, dense while it starts, then at the
// interval that the release asks for.
#include "deploy/agent_private.h"
#include "os/clock.h"
#include "os/sockets.h"

#define FIRST_GAP_MS  20
#define FAILURES_MAX  3    // in a row: then one that was ready is not any more
#define WRONG_PORT_MS 1000 // after its start one looks whether it listens elsewhere

static const struct release_healthcheck *check_of(const struct agent_instance *i)
{
    return &i->release->healthcheck;
}

static int64_t interval(const struct agent_instance *i)
{
    return check_of(i)->interval_ms > 0 ? check_of(i)->interval_ms : 1000;
}

void health_begin(struct agent_instance *i)
{
    i->probe_gap_ms = FIRST_GAP_MS;
    i->failures = 0;
    instance_look_again(i, 0);
}

void health_end(struct agent_instance *i)
{
    if (i->request > 0)
        i->agent->http->ops->cancel(i->agent->http, i->request);
    i->request = 0;
}

static void passed(struct agent_instance *i)
{
    i->failures = 0;
    i->doomed[0] = '\0';
    instance_look_again(i, interval(i));
    if (i->ready)
        return;
    i->ready = i->kept.was_ready = true;
    agent_round_alone(i->agent);
}

static void failed(struct agent_instance *i)
{
    int64_t gap = i->ready ? interval(i) : i->probe_gap_ms;
    i->probe_gap_ms += i->probe_gap_ms / 2;
    if (i->probe_gap_ms > interval(i))
        i->probe_gap_ms = interval(i);
    instance_look_again(i, gap);
    if (!i->ready && clock_monotonic_ms() - i->started_ms >= WRONG_PORT_MS) {
        bool known = i->doomed[0];
        instance_find_wrong_port(i);
        if (!known && i->doomed[0])
            agent_changed(i->agent);
    }
    if (++i->failures < FAILURES_MAX || !i->ready)
        return;
    i->ready = false;
    i->probe_gap_ms = FIRST_GAP_MS;
    agent_round_alone(i->agent);
}

static void on_answer(void *arg, struct http_response *response, const struct error *err)
{
    struct agent_instance *i = arg;
    i->request = 0;
    if (!err && response->status == check_of(i)->status)
        passed(i);
    else
        failed(i);
}

void health_look(struct agent_instance *i)
{
    int port = instance_http_port(i);
    if (i->request)
        return;
    if (!port || !check_of(i)->path) {
        const struct sockets *all = agent_sockets(i->agent);
        if (!port || (all && sockets_listen(all, port)))
            passed(i);
        else
            failed(i);
        return;
    }
    // A connection of its own for each: one that stays open would hold up the draining.
    AUTO_FREE char *url = mem_printf("http://127.0.0.1:%d%s", port, check_of(i)->path);
    struct http_request request = {
        .url = url,
        .once = true,
        .timeout_ms = check_of(i)->timeout_ms > 0 ? check_of(i)->timeout_ms : 5000,
    };
    int64_t id = http_start(i->agent->http, &request, on_answer, i, NULL);
    if (id < 0)
        failed(i);
    else
        i->request = id;
}
