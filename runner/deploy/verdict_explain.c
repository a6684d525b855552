#include <stdio.h>

#include "base/text.h"
#include "deploy/verdict_private.h"
#include "kube/object.h"

#define PODS_MAX   10 // that are told one by one
#define EVENTS_MAX 5  // of each, the latest

static void judge(const struct verdict_input *in, bool newest, struct verdict_cause *ret)
{
    verdict_cause_init(ret);
    if (in->deployment)
        verdict_judge_deployment(in, in->deployment, newest, ret);
}

bool verdict_log_wanted(const struct verdict_input *in, bool newest, struct verdict_log *ret)
{
    struct verdict_cause cause;
    judge(in, newest, &cause);
    if (!cause.log.pod[0])
        return false;
    *ret = cause.log;
    return true;
}

// --- events ---

// The latest warnings of an object, oldest first.
static void add_events(const struct verdict_input *in, const struct value *object, struct str *out)
{
    const struct value *latest[EVENTS_MAX];
    size_t count = 0;
    struct verdict_events e = {.in = in, .object = object};
    for (const struct value *event; (event = verdict_events_next(&e));) {
        if (!text_equal(value_get_str(event, "type"), "Warning"))
            continue;
        size_t at = count;
        while (at > 0 && verdict_event_last(latest[at - 1]) > verdict_event_last(event))
            at--;
        if (count == EVENTS_MAX && at == 0)
            continue;
        if (count == EVENTS_MAX) {
            for (size_t i = 0; i + 1 < at; i++)
                latest[i] = latest[i + 1];
            latest[at - 1] = event;
            continue;
        }
        for (size_t i = count++; i > at; i--)
            latest[i] = latest[i - 1];
        latest[at] = event;
    }
    for (size_t i = 0; i < count; i++) {
        int64_t times = verdict_event_count(latest[i]);
        str_printf(out, "  %s", value_get_str(latest[i], "reason"));
        if (times > 1)
            str_printf(out, " (%lld times)", (long long)times);
        str_printf(out, ": %s\n", verdict_event_message(latest[i]));
    }
}

// --- pods ---

static void add_container(const struct verdict_container *c, struct str *out)
{
    const struct value *end = verdict_last_end(c);
    const struct value *waiting = kube_at(c->status, "state", "waiting");
    const char *message = value_get_str(waiting, "message");
    char how[64];
    str_printf(out, "  %scontainer %s: ", c->ends ? "init " : "", c->name);
    if (waiting)
        str_printf(out, "waits: %s%s%s", value_get_str(waiting, "reason") ?: "?",
            message ? ": " : "", message ? message : "");
    else if (kube_at(c->status, "state", "running"))
        str_printf(
            out, "runs, %s", value_get_bool(c->status, "ready", false) ? "ready" : "not ready");
    else
        str_puts(out, end ? "ended" : "not made yet");
    if (end) {
        verdict_print_end(end, how, sizeof how);
        str_printf(out, "; ended %d times, last with %s at %s", verdict_ends(c), how,
            value_get_str(end, "finishedAt") ?: "?");
    }
    str_putc(out, '\n');
}

static void add_pod(const struct verdict_input *in, const struct value *pod, struct str *out)
{
    const struct value *status = value_get(pod, "status");
    const char *node = value_get_str(value_get(pod, "spec"), "nodeName");
    const char *reason = value_get_str(status, "reason"),
               *message = value_get_str(status, "message");
    const struct value *scheduled = verdict_condition(pod, "PodScheduled");
    str_printf(out, "pod %s: %s, not ready%s%s\n", kube_name(pod),
        value_get_str(status, "phase") ?: "?", node ? ", on " : ", on no node", node ? node : "");
    if (reason)
        str_printf(out, "  %s: %s\n", reason, message ? message : "");
    if (verdict_is(scheduled, "False"))
        str_printf(out, "  %s: %s\n", value_get_str(scheduled, "reason") ?: "not scheduled",
            value_get_str(scheduled, "message") ?: "");
    struct verdict_container c;
    for (size_t at = 0; verdict_container_next(pod, &at, &c);)
        if (c.status)
            add_container(&c, out);
    add_events(in, pod, out);
}

// Returns the first one that is not ready.
static const struct value *add_pods(const struct verdict_input *in, struct str *out)
{
    AUTO(verdict_pods) struct verdict_pods pods = {0};
    const struct value *first = NULL;
    size_t count = 0;
    verdict_find_pods(in, in->deployment, true, &pods);
    vec_each (pod, &pods.list) {
        int64_t when;
        if (verdict_leaving(*pod) ||
            text_equal(value_get_str(value_get(*pod, "status"), "phase"), "Succeeded") ||
            verdict_pod_ready(*pod, 0, in->now_unix_ms, &when))
            continue;
        if (!first)
            first = *pod;
        if (count++ < PODS_MAX)
            add_pod(in, *pod, out);
    }
    if (count > PODS_MAX)
        str_printf(out, "%zu more pods are not ready\n", count - PODS_MAX);
    return first;
}

static void add_command(const struct verdict_input *in, const struct verdict_log *log,
    const struct value *pod, const struct value *refused, const char *ns, struct str *out)
{
    str_printf(out, "kubectl -n %s ", ns);
    if (log->pod[0])
        str_printf(
            out, "logs %s -c %s%s\n", log->pod, log->container, log->previous ? " --previous" : "");
    else if (pod)
        str_printf(out, "describe pod %s\n", kube_name(pod));
    else if (refused)
        str_printf(out, "describe replicaset %s\n", kube_name(refused));
    else
        str_printf(out, "describe deployment %s\n", kube_name(in->deployment));
}

void verdict_explain(const struct verdict_input *in, const char *ns, struct str *out)
{
    struct verdict_cause cause;
    if (!in->deployment) {
        str_puts(out, "there is no Deployment\n");
        return;
    }
    judge(in, true, &cause);
    if (cause.text[0])
        str_printf(out, "%s\n", cause.text);
    const struct value *first = add_pods(in, out);
    const struct value *set = verdict_newest(in, in->deployment);
    const struct value *failure = verdict_condition(set, "ReplicaFailure");
    bool refused = verdict_is(failure, "True");
    if (refused)
        str_printf(
            out, "ReplicaSet %s: %s\n", kube_name(set), value_get_str(failure, "message") ?: "");
    add_command(in, &cause.log, first, refused ? set : NULL, ns, out);
}
