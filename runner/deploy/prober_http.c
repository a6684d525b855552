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

static int skip_body(void *arg, const void *bytes, size_t length, struct error *err)
{
    (void)arg;
    (void)bytes;
    (void)length;
    (void)err;
    return 0;
}

// A connection that stands may be one to an instance from before the switch.
static void ask_url(const struct gate_spec *gate, struct target_probe *ret)
{
    ret->url = mem_strdup(gate->url);
    ret->request = (struct http_request){.url = ret->url, .once = true};
}

static int ask_instance(const struct probe *probe, struct target_probe *ret, struct error *err)
{
    struct target *target = probe->owner->target;
    return target->ops->probe(target, probe->instance, probe->gate->path, ret, err);
}

void probe_start_http(struct probe *probe)
{
    struct error err = {0};
    const struct gate_spec *gate = probe->gate;
    AUTO(target_probe) struct target_probe how = {0};
    int status = 0;
    if (gate->url)
        ask_url(gate, &how);
    else
        status = ask_instance(probe, &how, &err);
    if (status == 0) {
        how.request.timeout_ms = gate->timeout_ms;
        if (!gate->body && value_length(gate->json) == 0)
            how.request.sink = skip_body; // however large it is
        probe->request = http_start(probe->owner->http, &how.request, on_answer, probe, &err);
    }
    if (probe->request < 0)
        probe_reject(probe, err.message, "an answer");
}
