#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "deploy/verdict_private.h"
#include "kube/object.h"

#define PULL_AGAIN_MS      30000 // where events are not shown: two failures of a pull
#define READINESS_LEAST_MS 10000

// --- what it is ---

bool verdict_container_next(const struct value *pod, size_t *at, struct verdict_container *ret)
{
    const struct value *first = kube_at(pod, "spec", "initContainers");
    bool init = *at < value_length(first);
    const struct value *list = init ? first : kube_at(pod, "spec", "containers");
    size_t index = init ? *at : *at - value_length(first);
    if (index >= value_length(list))
        return false;
    const struct value *spec = value_at(list, index);
    const char *name = value_get_str(spec, "name") ?: "";
    const struct value *statuses = init ? kube_at(pod, "status", "initContainerStatuses")
                                        : kube_at(pod, "status", "containerStatuses");
    *ret = (struct verdict_container){.pod = pod,
        .spec = spec,
        .status = verdict_named(statuses, name),
        .name = name,
        .ends = init && !text_equal(value_get_str(spec, "restartPolicy"), "Always")};
    ++*at;
    return true;
}

static const struct value *state_of(const struct verdict_container *c, const char *which)
{
    return kube_at(c->status, "state", which);
}

const struct value *verdict_last_end(const struct verdict_container *c)
{
    const struct value *now = state_of(c, "terminated");
    return now ? now : kube_at(c->status, "lastState", "terminated");
}

int verdict_ends(const struct verdict_container *c)
{
    int restarts = (int)value_get_int(c->status, "restartCount", 0);
    return restarts + (verdict_last_end(c) && !state_of(c, "running"));
}

// --- how it ended ---

// An exit status of 128 is also that of a container whose layers were not ready: it may start
// later.
bool verdict_cannot_start(const struct value *end)
{
    const char *reason = value_get_str(end, "reason");
    return text_equal(reason, "StartError") ||
           (text_equal(reason, "ContainerCannotRun") && value_get_int(end, "exitCode", 0) != 128);
}

void verdict_print_end(const struct value *end, char *ret, size_t size)
{
    int code = (int)value_get_int(end, "exitCode", 0);
    // Runtimes tell a signal as shells do.
    int number = (int)value_get_int(end, "signal", code > 128 ? code - 128 : 0);
    if (text_equal(value_get_str(end, "reason"), "OOMKilled"))
        snprintf(ret, size, "OOMKilled");
    else if (verdict_cannot_start(end))
        snprintf(ret, size, "cannot be started");
    else if (number && sigabbrev_np(number))
        snprintf(ret, size, "signal %d (%s)", number, sigabbrev_np(number));
    else
        snprintf(ret, size, "exit %d", code);
}

// --- causes ---

#define SAY(cause, c, format, ...)                                                                 \
    verdict_say(                                                                                   \
        (cause), "pod %s, container %s: " format, kube_name((c)->pod), (c)->name, __VA_ARGS__)

static void want_log(struct verdict_cause *cause, const struct verdict_container *c)
{
    snprintf(cause->log.pod, sizeof cause->log.pod, "%s", kube_name(c->pod));
    snprintf(cause->log.container, sizeof cause->log.container, "%s", c->name);
    cause->log.previous = !state_of(c, "terminated") && verdict_last_end(c);
}

static const char *image_of(const struct verdict_container *c)
{
    return value_get_str(c->spec, "image") ?: "?";
}

static void say_pull(
    struct verdict_cause *cause, const struct verdict_container *c, const char *message)
{
    const char *image = image_of(c), *why = verdict_plain(message);
    if (text_starts(why, image) && text_starts(why + strlen(image), ": "))
        why += strlen(image) + 2;
    SAY(cause, c, "image %s cannot be pulled: %s", image, why);
}

static bool failed_twice(
    const struct verdict_input *in, const struct verdict_container *c, struct verdict_cause *cause)
{
    struct verdict_events e = {
        .in = in, .object = c->pod, .reason = "Failed", .container = c->name};
    int64_t failures = 0;
    for (const struct value *event; (event = verdict_events_next(&e));)
        if (text_starts(verdict_event_message(event), "Failed to pull image"))
            failures += verdict_event_count(event);
    if (failures)
        return failures >= 2;
    int64_t made = verdict_time(value_get(c->pod, "metadata"), "creationTimestamp", 0);
    return verdict_lasted(cause, in, made, PULL_AGAIN_MS);
}

// What the registry answers stays; that it does not answer may pass.
static void judge_pull(const struct verdict_input *in, const struct verdict_container *c,
    const char *message, struct verdict_cause *cause)
{
    static const char *const final[] = {"not found", "manifest unknown", "name unknown",
        "unauthorized", "denied", "forbidden", "authorization failed", "authentication required",
        "does not exist", "no match for platform", "invalid reference", NULL};
    static const char *const passing[] = {
        "no such host", "certificate signed by unknown authority", NULL};
    if ((verdict_has(message, final) && !verdict_has(message, passing)) ||
        failed_twice(in, c, cause))
        say_pull(cause, c, message);
}

static bool may_pass(const char *message)
{
    static const char *const passing[] = {"failed to sync", "have not yet been read",
        "context deadline exceeded", "deadlineexceeded", "is reserved for", NULL};
    return verdict_has(message, passing);
}

static void judge_waiting(
    const struct verdict_input *in, const struct verdict_container *c, struct verdict_cause *cause)
{
    static const char *const pulls[] = {"ErrImagePull", "ImagePullBackOff", NULL};
    static const char *const final[] = {
        "ErrImageNeverPull", "InvalidImageName", "SignatureValidationFailed", NULL};
    static const char *const made[] = {"CreateContainerConfigError", "CreateContainerError", NULL};
    const struct value *waiting = state_of(c, "waiting");
    const char *reason = value_get_str(waiting, "reason") ?: "";
    const char *message = value_get_str(waiting, "message") ?: reason;
    if (verdict_has(reason, pulls))
        judge_pull(in, c, message, cause);
    else if (verdict_has(reason, final))
        SAY(cause, c, "image %s: %s: %s", image_of(c), reason, verdict_plain(message));
    else if (verdict_has(reason, made) && !may_pass(message))
        SAY(cause, c, "cannot be made: %s", verdict_plain(message));
    else if (text_equal(reason, "RunContainerError") && !may_pass(message))
        SAY(cause, c, "cannot be started: %s", verdict_plain(message));
}

// The kubelet tells what went wrong up to a second before it shows the container's new state.
static void judge_failed(
    const struct verdict_input *in, const struct verdict_container *c, struct verdict_cause *cause)
{
    static const char *const makes[] = {
        "\" not found", "couldn't find key", "has runAsNonRoot", NULL};
    static const char *const starts[] = {"unable to start container process", NULL};
    const char *reason = value_get_str(state_of(c, "waiting"), "reason");
    if (c->status && !text_equal(reason, "ContainerCreating") &&
        !text_equal(reason, "PodInitializing"))
        return;
    struct verdict_events e = {
        .in = in, .object = c->pod, .reason = "Failed", .container = c->name};
    for (const struct value *event; (event = verdict_events_next(&e)) && !cause->text[0];) {
        const char *message = verdict_event_message(event);
        if (text_starts(message, "Failed to pull image"))
            judge_pull(in, c, message, cause);
        else if (text_starts(message, "Error: ") && verdict_has(message, makes))
            SAY(cause, c, "cannot be made: %s", verdict_plain(message));
        else if (text_starts(message, "Error: ") && verdict_has(message, starts))
            SAY(cause, c, "cannot be started: %s", verdict_plain(message));
    }
}

static void print_ran(const struct value *end, char *ret, size_t size)
{
    char duration[DURATION_TEXT_MAX];
    int64_t from = verdict_time(end, "startedAt", 0), to = verdict_time(end, "finishedAt", 0);
    if (to > from)
        snprintf(ret, size, "after %s", duration_print(to - from, duration));
    else
        snprintf(ret, size, "at once");
}

// The last line of what the container itself left as its reason.
static const char *own_words(const struct value *end, char *ret, size_t size)
{
    const char *message = value_get_str(end, "message") ?: "";
    size_t to = strlen(message);
    while (to > 0 && message[to - 1] == '\n')
        to--;
    size_t from = to;
    while (from > 0 && message[from - 1] != '\n')
        from--;
    snprintf(ret, size, "%s%.*s", to > from ? ": " : "", (int)(to - from), message + from);
    return ret;
}

static void say_killed(struct verdict_cause *cause, const struct verdict_container *c)
{
    const char *limit = value_get_str(kube_at(c->spec, "resources", "limits"), "memory");
    SAY(cause, c, "OOMKilled%s%s", limit ? ": its memory limit is " : "", limit ? limit : "");
    want_log(cause, c);
}

static void say_ended(struct verdict_cause *cause, const struct verdict_container *c)
{
    const struct value *end = verdict_last_end(c), *waiting = state_of(c, "waiting");
    char how[64], ran[64], words[VERDICT_TEXT_MAX];
    verdict_print_end(end, how, sizeof how);
    print_ran(end, ran, sizeof ran);
    own_words(end, words, sizeof words);
    if (text_equal(value_get_str(waiting, "reason"), "PostStartHookError"))
        SAY(cause, c, "ended %d times by its postStart hook: %s", verdict_ends(c),
            verdict_plain(value_get_str(waiting, "message") ?: ""));
    else
        SAY(cause, c, "ended %d times, last with %s %s%s", verdict_ends(c), how, ran, words);
    want_log(cause, c);
}

// Once may be the wait for something that starts at the same time. Some ends tell that the next
// start can do no better.
static void judge_ends(const struct verdict_container *c, struct verdict_cause *cause)
{
    const struct value *end = verdict_last_end(c);
    bool back_off = text_equal(value_get_str(state_of(c, "waiting"), "reason"), "CrashLoopBackOff");
    bool recovered =
        c->ends ? state_of(c, "terminated") && !value_get_int(end, "exitCode", 0)
                : value_get_bool(c->status, "ready", false) && value_get(c->spec, "readinessProbe");
    if (!end || recovered || text_equal(value_get_str(end, "reason"), "ContainerStatusUnknown"))
        return;
    if (text_equal(value_get_str(end, "reason"), "OOMKilled"))
        say_killed(cause, c);
    else if (verdict_cannot_start(end))
        SAY(cause, c, "cannot be started: %s",
            verdict_plain(value_get_str(end, "message") ?: "the runtime does not say why"));
    else if (back_off || verdict_ends(c) >= 2)
        say_ended(cause, c);
}

// --- probes ---

// What a probe says of the container's present run, told last; *ret_since: when it failed first.
static const char *probe_words(const struct verdict_input *in, const struct verdict_container *c,
    const char *prefix, int64_t *ret_since)
{
    struct verdict_events e = {
        .in = in, .object = c->pod, .reason = "Unhealthy", .container = c->name};
    int64_t started = verdict_time(state_of(c, "running"), "startedAt", 0), last = 0;
    const char *words = NULL;
    *ret_since = INT64_MAX;
    for (const struct value *event; (event = verdict_events_next(&e));) {
        if (!text_starts(verdict_event_message(event), prefix) ||
            verdict_event_last(event) < started)
            continue;
        if (verdict_event_first(event) < *ret_since)
            *ret_since = verdict_event_first(event);
        if (verdict_event_last(event) >= last)
            words = verdict_event_message(event) + strlen(prefix);
        last = verdict_event_last(event) > last ? verdict_event_last(event) : last;
    }
    return words;
}

static void judge_restart(
    const struct verdict_input *in, const struct verdict_container *c, struct verdict_cause *cause)
{
    static const struct {
        const char *sign, *prefix, *name;
    } probes[] = {{"failed liveness probe", "Liveness probe failed: ", "liveness"},
        {"failed startup probe", "Startup probe failed: ", "startup"}};
    struct verdict_events e = {
        .in = in, .object = c->pod, .reason = "Killing", .container = c->name};
    for (const struct value *event; (event = verdict_events_next(&e));)
        for (size_t i = 0; i < ARRAY_LEN(probes); i++) {
            if (!strstr(verdict_event_message(event), probes[i].sign))
                continue;
            int64_t since;
            const char *why = probe_words(in, c, probes[i].prefix, &since);
            SAY(cause, c, "is restarted, its %s probe failed%s%s", probes[i].name, why ? ": " : "",
                why ? why : "");
            want_log(cause, c);
            return;
        }
}

static int64_t probe_ms(const struct value *probe, const char *key, int64_t absent)
{
    return 1000 * value_get_int(probe, key, absent);
}

// What does not answer yet, or says "wait" (5xx), gets a least: a short period is often meant for
// quick switches, not for quick starts. A second is for the API's whole ones.
static int64_t grace_of(const struct value *probe, const char *why)
{
    int64_t grace =
        probe_ms(probe, "periodSeconds", 10) * value_get_int(probe, "failureThreshold", 3) +
        probe_ms(probe, "timeoutSeconds", 1) + 1000;
    return grace < READINESS_LEAST_MS && !strstr(why, "statuscode: 4") ? READINESS_LEAST_MS : grace;
}

// It has as long as its own settings would give it, once ready, until it is taken out; counted from
// the first failure.
static void judge_readiness(
    const struct verdict_input *in, const struct verdict_container *c, struct verdict_cause *cause)
{
    const struct value *probe = value_get(c->spec, "readinessProbe");
    const struct value *running = state_of(c, "running");
    int64_t since;
    if (!probe || !running || value_get_bool(c->status, "ready", false) ||
        !value_get_bool(c->status, "started", true))
        return;
    const char *why = probe_words(in, c, "Readiness probe failed: ", &since);
    int64_t begun =
        verdict_time(running, "startedAt", 0) + probe_ms(probe, "initialDelaySeconds", 0);
    int64_t unready = verdict_time(verdict_condition(c->pod, "Ready"), "lastTransitionTime", 0);
    if (since < begun)
        since = begun;
    if (since < unready)
        since = unready;
    if (!why || !verdict_lasted(cause, in, since, grace_of(probe, why)))
        return;
    SAY(cause, c, "its readiness probe fails: %s", why);
    want_log(cause, c);
    cause->log.previous = false;
}

void verdict_judge_container(const struct verdict_input *in, const struct verdict_container *c,
    bool runs_on, struct verdict_cause *cause)
{
    judge_waiting(in, c, cause);
    if (!cause->text[0])
        judge_failed(in, c, cause);
    if (!cause->text[0] && runs_on)
        judge_restart(in, c, cause);
    if (!cause->text[0] && runs_on)
        judge_ends(c, cause);
    if (!cause->text[0])
        judge_readiness(in, c, cause);
}
