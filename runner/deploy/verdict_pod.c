#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "deploy/verdict_private.h"
#include "kube/object.h"

// Without a probe a container is ready as soon as it runs, so one that crashes is ready for some
// 100 ms again and again. The API's dates are whole seconds: two of these three are certain.
#define UNPROBED_STEADY_MS 3000
#define UNSCHEDULABLE_MS   10000
#define REFUSALS_MAX       3

bool verdict_pod_gone(const struct value *pod)
{
    const char *phase = value_get_str(value_get(pod, "status"), "phase");
    return text_equal(phase, "Failed") || text_equal(phase, "Succeeded");
}

static bool all_probed(const struct value *pod)
{
    const struct value *list = kube_at(pod, "spec", "containers");
    for (size_t i = 0; i < value_length(list); i++)
        if (!value_get(value_at(list, i), "readinessProbe") &&
            !value_get(value_at(list, i), "startupProbe"))
            return false;
    return true;
}

bool verdict_pod_ready(const struct value *pod, int64_t steady_ms, int64_t now, int64_t *ret_when)
{
    const struct value *ready = verdict_condition(pod, "Ready");
    if (!verdict_is(ready, "True"))
        return false;
    if (steady_ms < UNPROBED_STEADY_MS && !all_probed(pod))
        steady_ms = UNPROBED_STEADY_MS;
    int64_t when = verdict_time(ready, "lastTransitionTime", 0) + steady_ms;
    if (now >= when)
        return true;
    *ret_when = when;
    return false;
}

void verdict_pod_ends(const struct value *pod, int *ret_restarts, char *ret_last, size_t size)
{
    const struct value *last = NULL;
    struct verdict_container c;
    *ret_restarts = 0;
    *ret_last = '\0';
    for (size_t at = 0; verdict_container_next(pod, &at, &c);) {
        const struct value *end = verdict_last_end(&c);
        *ret_restarts += (int)value_get_int(c.status, "restartCount", 0);
        if (!end || (c.ends && !value_get_int(end, "exitCode", 0)))
            continue;
        if (!last || verdict_time(end, "finishedAt", 0) >= verdict_time(last, "finishedAt", 0))
            last = end;
    }
    if (last)
        verdict_print_end(last, ret_last, size);
}

// --- causes ---

// How many pods of the same owner have failed for the same reason.
static int count_alike(const struct verdict_input *in, const struct value *pod, const char *reason)
{
    const struct value *owner = value_at(kube_at(pod, "metadata", "ownerReferences"), 0);
    const char *uid = value_get_str(owner, "uid");
    int count = 0;
    for (size_t i = 0; i < value_length(in->pods); i++) {
        const struct value *other = value_at(in->pods, i);
        const struct value *its = value_at(kube_at(other, "metadata", "ownerReferences"), 0);
        count += text_equal(value_get_str(its, "uid"), uid) &&
                 text_equal(value_get_str(value_get(other, "status"), "reason"), reason);
    }
    return count;
}

// Only a node ends a whole pod whose containers are restarted for ever. One that it gives up (its
// event says Evicted; the pod itself may say nothing) is replaced. So is one that a kubelet refuses
// to take; but when it refuses those that follow, too, it will go on.
static void judge_failed(
    const struct verdict_input *in, const struct value *pod, struct verdict_cause *cause)
{
    static const char *const evictions[] = {
        "Evicted", "Preempting", "Shutdown", "NodeLost", "Terminated", NULL};
    const struct value *status = value_get(pod, "status");
    const char *reason = value_get_str(status, "reason");
    if (!reason || verdict_has(reason, evictions) || count_alike(in, pod, reason) < REFUSALS_MAX)
        return;
    verdict_say(cause, "pod %s: %s: %s", kube_name(pod), reason,
        value_get_str(status, "message") ?: "its node does not take it");
}

// Long enough for whoever makes room: a preemption names its node at once, an autoscaler says what
// it does within its round of 10 s, a volume is bound, a node comes back.
static void judge_unscheduled(
    const struct verdict_input *in, const struct value *pod, struct verdict_cause *cause)
{
    const struct value *scheduled = verdict_condition(pod, "PodScheduled");
    struct verdict_events scales = {.in = in, .object = pod, .reason = "TriggeredScaleUp"};
    if (!verdict_is(scheduled, "False") ||
        !text_equal(value_get_str(scheduled, "reason"), "Unschedulable") ||
        value_get_str(value_get(pod, "status"), "nominatedNodeName") ||
        verdict_events_next(&scales) || verdict_frees(in, cause))
        return;
    int64_t since = verdict_time(scheduled, "lastTransitionTime", 0);
    if (verdict_lasted(cause, in, since, UNSCHEDULABLE_MS))
        verdict_say(cause, "pod %s: no node takes it: %s", kube_name(pod),
            value_get_str(scheduled, "message") ?: "the scheduler does not say why");
}

static bool waits_for_volumes(const struct value *pod)
{
    struct verdict_container c;
    for (size_t at = 0; verdict_container_next(pod, &at, &c);) {
        const char *reason = value_get_str(kube_at(c.status, "state", "waiting"), "reason");
        if (c.status && !text_equal(reason, "ContainerCreating") &&
            !text_equal(reason, "PodInitializing"))
            return false;
    }
    return true;
}

// "kube-root-ca.crt" is put into every new namespace, after a moment.
static void judge_volumes(
    const struct verdict_input *in, const struct value *pod, struct verdict_cause *cause)
{
    static const char *const missing[] = {"configmap \"", "secret \"", "config key", NULL};
    static const char *const never[] = {"not found", "non-existent", NULL};
    struct verdict_events e = {.in = in, .object = pod, .reason = "FailedMount"};
    if (!waits_for_volumes(pod))
        return;
    for (const struct value *event; (event = verdict_events_next(&e)) && !cause->text[0];) {
        const char *message = verdict_event_message(event);
        if (verdict_has(message, missing) && verdict_has(message, never) &&
            !strstr(message, "kube-root-ca.crt"))
            verdict_say(cause, "pod %s: %s", kube_name(pod), verdict_plain(message));
    }
}

void verdict_judge_pod(const struct verdict_input *in, const struct value *pod, bool runs_on,
    struct verdict_cause *cause)
{
    int64_t when;
    if (verdict_pod_ready(pod, 0, in->now_unix_ms, &when))
        return;
    if (verdict_pod_gone(pod)) {
        if (runs_on)
            judge_failed(in, pod, cause);
        return;
    }
    judge_unscheduled(in, pod, cause);
    if (!cause->text[0])
        judge_volumes(in, pod, cause);
    struct verdict_container c;
    for (size_t at = 0; !cause->text[0] && verdict_container_next(pod, &at, &c);)
        verdict_judge_container(in, &c, runs_on, cause);
}
