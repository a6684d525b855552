// prometheus: one query for the whole set, again and again.
#include <string.h>

#include "deploy/prober_private.h"
#include "net/url.h"

static void ask(struct probe *probe);

static void on_due(struct loop_timer *timer)
{
    ask(timer->arg);
}

// The next sample: after the interval, but not after the time that it has to hold for.
static void ask_later(struct probe *probe)
{
    struct loop *loop = probe->owner->loop;
    const struct metric_window *w = &probe->metric;
    int64_t now = loop_now(loop);
    int64_t due = probe->asked_ms + probe->gate->interval_ms;
    int64_t end = w->began_ms + probe->gate->for_ms;
    if (w->holding && w->errors == 0 && end < due)
        due = end;
    loop_timer_start(loop, &probe->timer, due > now ? due : now, on_due, probe);
}

static void take(struct probe *probe, const struct metric_sample *sample)
{
    int64_t now = loop_now(probe->owner->loop);
    switch (metric_take(probe->gate, &probe->metric, sample, now, &probe->verdict)) {
    case METRIC_OVER:
        probe_over(probe);
        return;
    case METRIC_HOLD:
        if (probe_hold(probe))
            ask_later(probe);
        return;
    case METRIC_AGAIN:
        probe_go_on(probe);
        ask_later(probe);
        return;
    }
}

static void on_answer(void *arg, struct http_response *response, const struct error *err)
{
    struct probe *probe = arg;
    struct metric_sample sample;
    probe->request = -1;
    if (err)
        metric_error(err->message, &sample);
    else
        metric_read(probe->gate, response, &sample);
    take(probe, &sample);
}

static char *query_url(const struct gate_spec *gate)
{
    size_t length = strlen(gate->url);
    while (length && gate->url[length - 1] == '/')
        length--;
    AUTO_FREE char *query = url_escape(gate->query);
    return mem_printf("%.*s/api/v1/query?query=%s", (int)length, gate->url, query);
}

static void ask(struct probe *probe)
{
    struct error err = {0};
    AUTO_FREE char *url = query_url(probe->gate);
    struct http_request request = {.url = url, .timeout_ms = probe->gate->timeout_ms};
    probe->asked_ms = loop_now(probe->owner->loop);
    probe->request = http_start(probe->owner->http, &request, on_answer, probe, &err);
    if (probe->request >= 0)
        return;
    struct metric_sample sample;
    metric_error(err.message, &sample);
    take(probe, &sample);
}

void probe_start_prometheus(struct probe *probe)
{
    probe->metric = (struct metric_window){0};
    ask(probe);
}
