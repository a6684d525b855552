#include "deploy/prober_private.h"

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

void probe_start_http(struct probe *probe)
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
