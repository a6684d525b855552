#include "deploy/verdict_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "kube/object.h"
#include "os/clock.h"

// --- objects ---

int64_t verdict_time(const struct value *v, const char *key, int64_t absent)
{
    int64_t ms;
    return clock_parse(value_get_str(v, key), &ms) ? ms : absent;
}

bool verdict_leaving(const struct value *object)
{
    return value_get_str(value_get(object, "metadata"), "deletionTimestamp");
}

bool verdict_owned(const struct value *object, const struct value *owner)
{
    const struct value *owners = kube_at(object, "metadata", "ownerReferences");
    for (size_t i = 0; i < value_length(owners); i++) {
        const struct value *reference = value_at(owners, i);
        if (value_get_bool(reference, "controller", false))
            return kube_uid(owner) && text_equal(value_get_str(reference, "uid"), kube_uid(owner));
    }
    return false;
}

const struct value *verdict_condition(const struct value *object, const char *type)
{
    const struct value *conditions = kube_at(object, "status", "conditions");
    for (size_t i = 0; i < value_length(conditions); i++)
        if (text_equal(value_get_str(value_at(conditions, i), "type"), type))
            return value_at(conditions, i);
    return NULL;
}

bool verdict_is(const struct value *condition, const char *status)
{
    return text_equal(value_get_str(condition, "status"), status);
}

bool verdict_observed(const struct value *object)
{
    return value_get_int(value_get(object, "status"), "observedGeneration", 0) >=
           value_get_int(value_get(object, "metadata"), "generation", 0);
}

const struct value *verdict_named(const struct value *list, const char *name)
{
    for (size_t i = 0; i < value_length(list); i++)
        if (text_equal(value_get_str(value_at(list, i), "name"), name))
            return value_at(list, i);
    return NULL;
}

bool verdict_is_of_rollout(const struct verdict_input *in, int64_t unix_ms)
{
    return unix_ms >= in->since_unix_ms / 1000 * 1000;
}

// --- pods ---

void verdict_pods_done(struct verdict_pods *pods)
{
    vec_free(&pods->list);
}

static int compare_age(const void *left, const void *right)
{
    const struct value *a = *(const struct value *const *)left;
    const struct value *b = *(const struct value *const *)right;
    int64_t made_a = verdict_time(value_get(a, "metadata"), "creationTimestamp", 0);
    int64_t made_b = verdict_time(value_get(b, "metadata"), "creationTimestamp", 0);
    if (made_a != made_b)
        return made_a < made_b ? -1 : 1;
    return strcmp(kube_name(a) ?: "", kube_name(b) ?: "");
}

void verdict_pods_sort(struct verdict_pods *pods)
{
    if (pods->list.length)
        qsort(pods->list.items, pods->list.length, sizeof *pods->list.items, compare_age);
}

// --- instances ---

static int replicas_of(const struct value *object)
{
    return (int)value_get_int(value_get(object, "spec"), "replicas", 1);
}

static int others_wanted(const struct verdict_input *in, const struct value *newest)
{
    int sum = 0;
    for (size_t i = 0; i < value_length(in->replica_sets); i++) {
        const struct value *set = value_at(in->replica_sets, i);
        if (set != newest && verdict_owned(set, in->deployment))
            sum += replicas_of(set);
    }
    return sum;
}

// Whether the pods are those that the last write asked for, as far as controllers say so. While
// older pods are exchanged for newer ones, the newest ReplicaSet has its own number.
static bool is_current(const struct verdict_input *in, const struct value *newest, int others)
{
    return verdict_observed(in->deployment) && newest && verdict_observed(newest) &&
           (others || replicas_of(newest) == replicas_of(in->deployment));
}

static void print_address(const struct value *pod, int port, char *ret, size_t size)
{
    const char *ip = value_get_str(value_get(pod, "status"), "podIP");
    if (!ip || !*ip)
        return;
    snprintf(ret, size, strchr(ip, ':') ? "[%s]:%d" : "%s:%d", ip, port);
}

static bool is_down(const struct value *pod)
{
    const struct value *list = kube_at(pod, "status", "containerStatuses");
    for (size_t i = 0; i < value_length(list); i++) {
        const struct value *state = value_get(value_at(list, i), "state");
        if (value_get(state, "terminated") ||
            text_equal(value_get_str(value_get(state, "waiting"), "reason"), "CrashLoopBackOff"))
            return true;
    }
    return false;
}

static void read_instance(const struct value *pod, bool ready, int port, struct instance *ret)
{
    ret->state = verdict_leaving(pod) ? INSTANCE_DRAINING
                 : ready              ? INSTANCE_READY
                 : is_down(pod)       ? INSTANCE_DOWN
                                      : INSTANCE_STARTING;
    snprintf(ret->name, sizeof ret->name, "%s", kube_name(pod) ?: "");
    print_address(pod, port, ret->address, sizeof ret->address);
    verdict_pod_ends(pod, &ret->restarts, ret->last_end, sizeof ret->last_end);
}

static int64_t steady_ms(const struct value *deployment)
{
    return 1000 * value_get_int(value_get(deployment, "spec"), "minReadySeconds", 0);
}

// First those that count, then the ones that leave.
static int64_t read_instances(
    const struct verdict_input *in, const struct verdict_pods *pods, struct set_state *ret)
{
    int64_t look_again = INT64_MAX;
    for (int leaving = 0; leaving <= 1; leaving++)
        vec_each (pod, &pods->list) {
            int64_t when = INT64_MAX;
            if (verdict_pod_gone(*pod) || verdict_leaving(*pod) != leaving)
                continue;
            bool ready = !leaving &&
                         verdict_pod_ready(*pod, steady_ms(in->deployment), in->now_unix_ms, &when);
            ret->present += !leaving;
            ret->ready += ready;
            if (when < look_again)
                look_again = when;
            if (ret->instance_count == INSTANCES_MAX)
                continue;
            struct instance *instance = &ret->instances[ret->instance_count];
            *instance = (struct instance){.index = (int)ret->instance_count++};
            read_instance(*pod, ready, in->port, instance);
        }
    return look_again;
}

int64_t verdict_read(const struct verdict_input *in, bool newest, struct set_state *ret)
{
    ret->desired = ret->ready = ret->present = 0;
    ret->instance_count = 0;
    ret->doomed[0] = '\0';
    ret->current = true;
    if (!in->deployment)
        return INT64_MAX;
    const struct value *newest_set = verdict_newest(in, in->deployment);
    int others = others_wanted(in, newest_set);
    ret->desired = newest ? replicas_of(in->deployment) : others;
    ret->current = newest ? is_current(in, newest_set, others) : verdict_observed(in->deployment);
    AUTO(verdict_pods) struct verdict_pods pods = {0};
    verdict_find_pods(in, in->deployment, newest, &pods);
    int64_t look_again = read_instances(in, &pods, ret);
    if (ret->ready >= ret->desired)
        return look_again;
    struct verdict_cause cause;
    verdict_cause_init(&cause);
    verdict_judge_deployment(in, in->deployment, newest, &cause);
    snprintf(ret->doomed, sizeof ret->doomed, "%s", cause.text);
    return cause.look_again < look_again ? cause.look_again : look_again;
}
