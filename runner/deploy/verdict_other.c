#include <stdio.h>

#include "base/text.h"
#include "deploy/verdict_private.h"
#include "kube/object.h"

// What an object has come to.
struct progress {
    bool settled;
    struct verdict_cause cause;
};

static int64_t number(const struct value *object, const char *part, const char *key, int64_t absent)
{
    return value_get_int(value_get(object, part), key, absent);
}

static bool on_delete(const struct value *object)
{
    return text_equal(value_get_str(kube_at(object, "spec", "updateStrategy"), "type"), "OnDelete");
}

// The pods that the object's controller made, of one revision when there is one to say.
static void find_pods(const struct verdict_input *in, const struct value *object,
    const char *revision, struct verdict_pods *ret)
{
    for (size_t i = 0; i < value_length(in->pods); i++) {
        const struct value *pod = value_at(in->pods, i);
        if (verdict_owned(pod, object) &&
            (!revision || text_equal(kube_label(pod, "controller-revision-hash"), revision)))
            vec_push(&ret->list, pod);
    }
    verdict_pods_sort(ret);
}

static void judge_own(const struct verdict_input *in, const struct value *object,
    const char *revision, bool runs_on, struct verdict_cause *cause)
{
    AUTO(verdict_pods) struct verdict_pods pods = {0};
    find_pods(in, object, revision, &pods);
    verdict_judge_pods(in, &pods, runs_on, cause);
}

// What controllers count as ready may be a container that crashes between two looks.
static bool are_steady(const struct verdict_input *in, const struct value *object, int64_t wanted,
    struct verdict_cause *cause)
{
    AUTO(verdict_pods) struct verdict_pods pods = {0};
    if (text_equal(value_get_str(object, "kind"), "Deployment"))
        verdict_find_pods(in, object, true, &pods);
    else
        find_pods(in, object, NULL, &pods);
    return verdict_count_ready(in, &pods, object, cause) >= wanted;
}

// These kinds have no condition that says so, only events, which stay when it has gone better.
static void judge_refusal(
    const struct verdict_input *in, const struct value *object, struct verdict_cause *cause)
{
    struct verdict_events e = {.in = in, .object = object, .reason = "FailedCreate"};
    for (const struct value *event; (event = verdict_events_next(&e)) && !cause->text[0];)
        verdict_judge_refusal(in, verdict_event_message(event), verdict_event_first(event), cause);
}

// --- kinds ---

// As `kubectl rollout status` has it.
static void look_at_deployment(
    const struct verdict_input *in, const struct value *object, struct progress *ret)
{
    int64_t wanted = number(object, "spec", "replicas", 1);
    int64_t updated = number(object, "status", "updatedReplicas", 0);
    if (value_get_bool(value_get(object, "spec"), "paused", false)) {
        ret->settled = true; // nobody rolls it out
        return;
    }
    ret->settled = verdict_observed(object) && updated >= wanted &&
                   number(object, "status", "replicas", 0) <= updated &&
                   number(object, "status", "availableReplicas", 0) >= updated &&
                   are_steady(in, object, wanted, &ret->cause);
    if (!ret->settled)
        verdict_judge_deployment(in, object, true, &ret->cause);
}

static void look_at_stateful_set(
    const struct verdict_input *in, const struct value *object, struct progress *ret)
{
    int64_t wanted = number(object, "spec", "replicas", 1);
    int64_t kept =
        value_get_int(kube_at(object, "spec", "updateStrategy", "rollingUpdate"), "partition", 0);
    const char *update = value_get_str(value_get(object, "status"), "updateRevision");
    const char *present = value_get_str(value_get(object, "status"), "currentRevision");
    bool exchanged = kept > 0 ? number(object, "status", "updatedReplicas", 0) >= wanted - kept
                              : text_equal(update, present);
    ret->settled =
        on_delete(object) || (verdict_observed(object) && exchanged &&
                                 number(object, "status", "readyReplicas", 0) >= wanted &&
                                 are_steady(in, object, wanted, &ret->cause));
    if (ret->settled || !verdict_observed(object))
        return;
    judge_own(in, object, update, true, &ret->cause);
    if (!ret->cause.text[0] && number(object, "status", "replicas", 0) < wanted)
        judge_refusal(in, object, &ret->cause);
}

static void look_at_daemon_set(
    const struct verdict_input *in, const struct value *object, struct progress *ret)
{
    int64_t wanted = number(object, "status", "desiredNumberScheduled", 0);
    ret->settled =
        on_delete(object) || (verdict_observed(object) &&
                                 number(object, "status", "updatedNumberScheduled", 0) >= wanted &&
                                 number(object, "status", "numberAvailable", 0) >= wanted &&
                                 are_steady(in, object, wanted, &ret->cause));
    if (ret->settled || !verdict_observed(object))
        return;
    judge_own(in, object, NULL, true, &ret->cause);
    if (!ret->cause.text[0] && number(object, "status", "currentNumberScheduled", 0) < wanted)
        judge_refusal(in, object, &ret->cause);
}

// How the pod that was made last ended.
static void add_end(
    const struct verdict_input *in, const struct value *object, char *ret, size_t size)
{
    AUTO(verdict_pods) struct verdict_pods pods = {0};
    char end[VERDICT_TEXT_MAX] = "";
    int restarts;
    find_pods(in, object, NULL, &pods);
    const struct value *pod = pods.list.length ? pods.list.items[pods.list.length - 1] : NULL;
    if (pod)
        verdict_pod_ends(pod, &restarts, end, sizeof end);
    snprintf(ret, size, "%s%s%s%.64s", end[0] ? "; pod " : "", end[0] ? kube_name(pod) : "",
        end[0] ? ": " : "", end);
}

// How often its pods may fail is its own to say, so their ends do not count.
static void look_at_job(
    const struct verdict_input *in, const struct value *object, struct progress *ret)
{
    static const char *const ends[] = {"Failed", "FailureTarget", NULL};
    ret->settled = value_get_bool(value_get(object, "spec"), "suspend", false) ||
                   verdict_is(verdict_condition(object, "Complete"), "True");
    if (ret->settled)
        return;
    for (size_t i = 0; ends[i]; i++) {
        const struct value *end = verdict_condition(object, ends[i]);
        char last[VERDICT_TEXT_MAX];
        if (!verdict_is(end, "True"))
            continue;
        add_end(in, object, last, sizeof last);
        verdict_say(&ret->cause, "%s%s", value_get_str(end, "message") ?: "it has failed", last);
        return;
    }
    judge_own(in, object, NULL, false, &ret->cause);
    if (!ret->cause.text[0] && !number(object, "status", "active", 0))
        judge_refusal(in, object, &ret->cause);
}

static void look_at_definition(
    const struct verdict_input *in, const struct value *object, struct progress *ret)
{
    (void)in;
    const struct value *names = verdict_condition(object, "NamesAccepted");
    ret->settled = verdict_is(verdict_condition(object, "Established"), "True");
    if (!ret->settled && verdict_is(names, "False"))
        verdict_say(&ret->cause, "%s", value_get_str(names, "message") ?: "its names are taken");
}

int64_t verdict_other(const struct verdict_input *in, const struct value *object, bool *ret_settled,
    char *ret_doomed, size_t size)
{
    static const struct {
        const char *kind;
        void (*look)(
            const struct verdict_input *in, const struct value *object, struct progress *ret);
    } kinds[] = {
        {"Deployment", look_at_deployment},
        {"StatefulSet", look_at_stateful_set},
        {"DaemonSet", look_at_daemon_set},
        {"Job", look_at_job},
        {"CustomResourceDefinition", look_at_definition},
    };
    struct progress progress = {.settled = true};
    const char *kind = value_get_str(object, "kind");
    verdict_cause_init(&progress.cause);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (text_equal(kind, kinds[i].kind))
            kinds[i].look(in, object, &progress);
    *ret_settled = progress.settled;
    *ret_doomed = '\0';
    if (progress.cause.text[0])
        snprintf(ret_doomed, size, "%s/%s: %s", kind, kube_name(object), progress.cause.text);
    return progress.cause.look_again;
}
