#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "deploy/verdict_private.h"
#include "kube/object.h"

#define FREED_MS   30000 // after the end of a pod its quota may still have to be counted anew
#define REFUSED_MS 10000 // for a refusal that may pass: a webhook that does not answer

// --- whose pods there are ---

// A template as two of them are compared: without what the Deployment's controller adds to that of
// a ReplicaSet.
static struct value *plain_template(const struct value *object)
{
    struct value *template = value_copy(kube_at(object, "spec", "template"));
    struct value *metadata = value_get(template, "metadata");
    struct value *labels = value_get(metadata, "labels");
    if (labels)
        value_set(labels, "pod-template-hash", NULL);
    if (metadata)
        value_set(metadata, "creationTimestamp", NULL);
    return template;
}

// Not by the revision in the annotations: those of a Deployment whose controller has not come to
// its last change are still the ones before.
const struct value *verdict_newest(const struct verdict_input *in, const struct value *deployment)
{
    AUTO(value) struct value *wanted = plain_template(deployment);
    for (size_t i = 0; i < value_length(in->replica_sets); i++) {
        const struct value *set = value_at(in->replica_sets, i);
        if (!verdict_owned(set, deployment) || verdict_leaving(set))
            continue;
        AUTO(value) struct value *template = plain_template(set);
        if (value_equal(template, wanted))
            return set;
    }
    return NULL;
}

static const struct value *owner_among(
    const struct value *pod, const struct value *sets, const struct value *deployment)
{
    for (size_t i = 0; i < value_length(sets); i++) {
        const struct value *set = value_at(sets, i);
        if (verdict_owned(pod, set) && verdict_owned(set, deployment))
            return set;
    }
    return NULL;
}

void verdict_find_pods(const struct verdict_input *in, const struct value *deployment, bool newest,
    struct verdict_pods *ret)
{
    const struct value *wanted = verdict_newest(in, deployment);
    for (size_t i = 0; i < value_length(in->pods); i++) {
        const struct value *pod = value_at(in->pods, i);
        const struct value *set = owner_among(pod, in->replica_sets, deployment);
        if (set && (set == wanted) == newest)
            vec_push(&ret->list, pod);
    }
    verdict_pods_sort(ret);
}

// --- causes ---

void verdict_cause_init(struct verdict_cause *cause)
{
    *cause = (struct verdict_cause){.look_again = INT64_MAX};
}

void verdict_say(struct verdict_cause *cause, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(cause->text, sizeof cause->text, format, args);
    va_end(args);
    text_make_printable(cause->text);
}

void verdict_look_again(struct verdict_cause *cause, int64_t when)
{
    if (when < cause->look_again)
        cause->look_again = when;
}

bool verdict_lasted(
    struct verdict_cause *cause, const struct verdict_input *in, int64_t from, int64_t ms)
{
    if (in->now_unix_ms >= from + ms)
        return true;
    verdict_look_again(cause, from + ms);
    return false;
}

int64_t verdict_count_ready(const struct verdict_input *in, const struct verdict_pods *pods,
    const struct value *owner, struct verdict_cause *cause)
{
    int64_t steady_ms = 1000 * value_get_int(value_get(owner, "spec"), "minReadySeconds", 0);
    int64_t count = 0;
    vec_each (pod, &pods->list) {
        int64_t when = INT64_MAX;
        count +=
            !verdict_leaving(*pod) && verdict_pod_ready(*pod, steady_ms, in->now_unix_ms, &when);
        verdict_look_again(cause, when);
    }
    return count;
}

void verdict_judge_pods(const struct verdict_input *in, const struct verdict_pods *pods,
    bool runs_on, struct verdict_cause *cause)
{
    vec_each (pod, &pods->list) {
        int64_t made = verdict_time(value_get(*pod, "metadata"), "creationTimestamp", 0);
        if (verdict_leaving(*pod) || !verdict_is_of_rollout(in, made))
            continue;
        verdict_judge_pod(in, *pod, runs_on, cause);
        if (cause->text[0])
            return;
    }
}

// --- what controllers say ---

bool verdict_frees(const struct verdict_input *in, struct verdict_cause *cause)
{
    for (size_t i = 0; i < value_length(in->pods); i++)
        if (verdict_leaving(value_at(in->pods, i)))
            return true;
    for (size_t i = 0; i < value_length(in->events); i++) {
        const struct value *event = value_at(in->events, i);
        if (text_equal(value_get_str(event, "reason"), "Killing") &&
            text_starts(verdict_event_message(event), "Stopping container") &&
            !verdict_lasted(cause, in, verdict_event_last(event), FREED_MS))
            return true;
    }
    return false;
}

static bool others_run(const struct verdict_input *in, const struct value *deployment)
{
    const struct value *newest = verdict_newest(in, deployment);
    for (size_t i = 0; i < value_length(in->replica_sets); i++) {
        const struct value *set = value_at(in->replica_sets, i);
        if (set != newest && verdict_owned(set, deployment) &&
            value_get_int(value_get(set, "status"), "replicas", 0) > 0)
            return true;
    }
    return false;
}

void verdict_judge_refusal(
    const struct verdict_input *in, const char *message, int64_t since, struct verdict_cause *cause)
{
    static const char *const passing[] = {"failed calling webhook", "context deadline exceeded",
        "connection refused", "timed out", "timeout", "etcdserver", "internal error",
        "no api token found", NULL};
    if (strstr(message, "exceeded quota") && verdict_frees(in, cause))
        return;
    if (verdict_has(message, passing) && !verdict_lasted(cause, in, since, REFUSED_MS))
        return;
    verdict_say(cause, "no pod can be created: %s", verdict_plain(message));
}

// Of the Deployment itself where its ReplicaSet is not shown: it repeats what that one says.
static void judge_refusal(
    const struct verdict_input *in, const struct value *deployment, struct verdict_cause *cause)
{
    const struct value *set = verdict_newest(in, deployment);
    const struct value *source = set ? set : deployment;
    const struct value *failure = verdict_condition(source, "ReplicaFailure");
    const char *message = value_get_str(failure, "message") ?: "";
    if (!verdict_is(failure, "True") || !verdict_observed(source) ||
        (strstr(message, "exceeded quota") && others_run(in, deployment)))
        return;
    verdict_judge_refusal(in, message, verdict_time(failure, "lastTransitionTime", 0), cause);
}

// Both conditions outlive a rollout: the controller takes them back when it comes to the next one.
static void judge_progress(
    const struct verdict_input *in, const struct value *deployment, struct verdict_cause *cause)
{
    const struct value *progress = verdict_condition(deployment, "Progressing");
    const char *reason = value_get_str(progress, "reason"),
               *message = value_get_str(progress, "message") ?: "";
    if (!verdict_is(progress, "False") || !verdict_observed(deployment) ||
        !verdict_is_of_rollout(in, verdict_time(progress, "lastUpdateTime", 0)))
        return;
    if (text_equal(reason, "ProgressDeadlineExceeded"))
        verdict_say(cause, "the Deployment's progress deadline of %llds is over: %s",
            (long long)value_get_int(value_get(deployment, "spec"), "progressDeadlineSeconds", 600),
            message);
    else if (text_equal(reason, "ReplicaSetCreateError"))
        verdict_say(cause, "no ReplicaSet can be created: %s", message);
}

void verdict_judge_deployment(const struct verdict_input *in, const struct value *deployment,
    bool newest, struct verdict_cause *cause)
{
    AUTO(verdict_pods) struct verdict_pods pods = {0};
    verdict_find_pods(in, deployment, newest, &pods);
    if (newest && verdict_count_ready(in, &pods, deployment, cause) >=
                      value_get_int(value_get(deployment, "spec"), "replicas", 1))
        return;
    verdict_judge_pods(in, &pods, true, cause);
    if (newest && !cause->text[0])
        judge_refusal(in, deployment, cause);
    if (newest && !cause->text[0])
        judge_progress(in, deployment, cause);
}
