// The parts of the verdict and what they know of each other.
//
//   verdict.c          whose pods there are, how many are ready, the first cause of all
//   verdict_pod.c      why one pod can never become ready
//   verdict_container.c   … by what a container of it does
//   verdict_event.c    what events say of a pod
//   verdict_other.c    kinds that are no Deployment of a slot
//   verdict_explain.c  all of it in lines
#pragma once

#include "base/vec.h"
#include "deploy/verdict.h"

#define VERDICT_TEXT_MAX 256

// Why something can never become ready.
struct verdict_cause {
    char text[VERDICT_TEXT_MAX]; // "": it still may
    struct verdict_log log;      // `pod` is "": no log says more
    int64_t look_again;          // Unix ms when time alone may show a cause; INT64_MAX: never
};
void verdict_cause_init(struct verdict_cause *cause);
void verdict_say(struct verdict_cause *cause, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
// Whether a sign that shows since `from` has lasted for `ms`; else it is to be looked at again
// then.
bool verdict_lasted(
    struct verdict_cause *cause, const struct verdict_input *in, int64_t from, int64_t ms);

// Pods, oldest first. They are the input's.
struct verdict_pods {
    VEC(const struct value *) list;
};
void verdict_pods_done(struct verdict_pods *pods);
DEFINE_AUTO(verdict_pods, struct verdict_pods, verdict_pods_done)
void verdict_pods_sort(struct verdict_pods *pods);

// Of objects.
bool verdict_owned(const struct value *object, const struct value *owner);    // by its controller
bool verdict_leaving(const struct value *object);                             // is being deleted
int64_t verdict_time(const struct value *v, const char *key, int64_t absent); // RFC 3339
const struct value *verdict_condition(const struct value *object, const char *type); // or NULL
bool verdict_is(const struct value *condition, const char *status); // "True", "False"
bool verdict_observed(const struct value *object); // its controller has come to its last change
// The ReplicaSet that the Deployment's template asks for; NULL: there is none (yet).
const struct value *verdict_newest(const struct verdict_input *in, const struct value *deployment);
// The pods of a Deployment, of its newest ReplicaSet or of the others.
void verdict_find_pods(const struct verdict_input *in, const struct value *deployment, bool newest,
    struct verdict_pods *ret);
// What the controllers of a Deployment say: pods that the API refuses, the deadline.
void verdict_judge_deployment(
    const struct verdict_input *in, const struct value *deployment, struct verdict_cause *cause);
// Stops at the first pod that is doomed. `runs_on`: what ends is restarted for ever, so ends count.
void verdict_judge_pods(const struct verdict_input *in, const struct verdict_pods *pods,
    bool runs_on, struct verdict_cause *cause);

// A pod.
bool verdict_pod_gone(const struct value *pod); // has failed or succeeded: it is replaced
// Ready, and it can be believed. *ret_when: when it is to be asked again if it is not yet.
bool verdict_pod_ready(const struct value *pod, int64_t steady_ms, int64_t now, int64_t *ret_when);
bool verdict_cannot_start(const struct value *terminated);        // it has not even come to run
const struct value *verdict_last_end(const struct value *status); // of a container; NULL: none
void verdict_print_end(const struct value *terminated, char *ret, size_t size);
// Unexpected ends of its containers, and how the one that ended last did ("exit 2"; "": none has).
void verdict_pod_ends(const struct value *pod, int *ret_restarts, char *ret_last, size_t size);
void verdict_judge_pod(const struct verdict_input *in, const struct value *pod, bool runs_on,
    struct verdict_cause *cause);
