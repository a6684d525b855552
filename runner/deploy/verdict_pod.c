#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "deploy/verdict_private.h"
#include "kube/object.h"

// Without a probe a container is ready as soon as it runs, so one that crashes is ready for some
// 100 ms again and again. The API's dates are whole seconds: two of these three are certain.
#define UNPROBED_STEADY_MS 3000

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

// --- how it ended ---

bool verdict_cannot_start(const struct value *terminated)
{
    const char *reason = value_get_str(terminated, "reason");
    return text_equal(reason, "StartError") || text_equal(reason, "ContainerCannotRun");
}

void verdict_print_end(const struct value *terminated, char *ret, size_t size)
{
    int code = (int)value_get_int(terminated, "exitCode", 0);
    int number = (int)value_get_int(terminated, "signal", code > 128 ? code - 128 : 0);
    const char *reason = value_get_str(terminated, "reason") ?: "";
    if (text_equal(reason, "OOMKilled"))
        snprintf(ret, size, "OOMKilled");
    else if (verdict_cannot_start(terminated))
        snprintf(ret, size, "cannot be started");
    else if (number && sigabbrev_np(number))
        snprintf(ret, size, "signal %d (%s)", number, sigabbrev_np(number));
    else
        snprintf(ret, size, "exit %d", code);
}

const struct value *verdict_last_end(const struct value *status)
{
    const struct value *now = kube_at(status, "state", "terminated");
    return now ? now : kube_at(status, "lastState", "terminated");
}

static void add_ends(const struct value *list, bool init, int *restarts, const struct value **last)
{
    for (size_t i = 0; i < value_length(list); i++) {
        const struct value *status = value_at(list, i), *end = verdict_last_end(status);
        *restarts += (int)value_get_int(status, "restartCount", 0);
        // An init container is meant to end.
        if (!end || (init && !value_get_int(end, "exitCode", 0)))
            continue;
        if (!*last || verdict_time(end, "finishedAt", 0) >= verdict_time(*last, "finishedAt", 0))
            *last = end;
    }
}

void verdict_pod_ends(const struct value *pod, int *ret_restarts, char *ret_last, size_t size)
{
    const struct value *last = NULL;
    *ret_restarts = 0;
    add_ends(kube_at(pod, "status", "initContainerStatuses"), true, ret_restarts, &last);
    add_ends(kube_at(pod, "status", "containerStatuses"), false, ret_restarts, &last);
    if (last)
        verdict_print_end(last, ret_last, size);
    else
        *ret_last = '\0';
}

void verdict_judge_pod(const struct verdict_input *in, const struct value *pod, bool runs_on,
    struct verdict_cause *cause)
{
    (void)in, (void)pod, (void)runs_on, (void)cause;
}
