// The parts of the verdict and what they know of each other.
//
//   verdict.c            whose pods there are, how many are ready
//   verdict_deployment.c why a Deployment can never become ready: the first of its pods, or its
//                        controllers
//   verdict_pod.c        … a pod
//   verdict_container.c  … a container
//   verdict_event.c      what events say, and messages in their shortest form
//   verdict_other.c      kinds that are no Deployment of a slot
//   verdict_explain.c    all of it in lines
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
void verdict_look_again(struct verdict_cause *cause, int64_t when);
// Whether a sign that shows since `from` has lasted for `ms`; else it is to be looked at then.
bool verdict_lasted(
    struct verdict_cause *cause, const struct verdict_input *in, int64_t from, int64_t ms);

// --- objects ---

bool verdict_owned(const struct value *object, const struct value *owner);    // by its controller
bool verdict_leaving(const struct value *object);                             // is being deleted
int64_t verdict_time(const struct value *v, const char *key, int64_t absent); // RFC 3339
// Whether a date of the API, in whole seconds, is of the rollout.
bool verdict_is_of_rollout(const struct verdict_input *in, int64_t unix_ms);
const struct value *verdict_condition(const struct value *object, const char *type); // or NULL
bool verdict_is(const struct value *condition, const char *status); // "True", "False"
bool verdict_observed(const struct value *object); // its controller has come to its last change
const struct value *verdict_named(const struct value *list, const char *name); // or NULL

// Pods, oldest first. They are the input's.
struct verdict_pods {
    VEC(const struct value *) list;
};
void verdict_pods_done(struct verdict_pods *pods);
DEFINE_AUTO(verdict_pods, struct verdict_pods, verdict_pods_done)
void verdict_pods_sort(struct verdict_pods *pods);

// --- Deployments ---

// The ReplicaSet that the Deployment's template asks for; NULL: there is none (yet).
const struct value *verdict_newest(const struct verdict_input *in, const struct value *deployment);
// The pods of a Deployment, of its newest ReplicaSet or of the others.
void verdict_find_pods(const struct verdict_input *in, const struct value *deployment, bool newest,
    struct verdict_pods *ret);
// Unless as many are ready as are wanted: the first pod that is doomed; and, of the newest, what
// the controllers say: pods that the API refuses, the deadline.
void verdict_judge_deployment(const struct verdict_input *in, const struct value *deployment,
    bool newest, struct verdict_cause *cause);
// `runs_on`: what ends is restarted for ever, so ends count.
void verdict_judge_pods(const struct verdict_input *in, const struct verdict_pods *pods,
    bool runs_on, struct verdict_cause *cause);
// How many are ready and stay.
int64_t verdict_count_ready(const struct verdict_input *in, const struct verdict_pods *pods,
    const struct value *owner, struct verdict_cause *cause);
// A pod that the API refuses, with this message since `since`.
void verdict_judge_refusal(const struct verdict_input *in, const char *message, int64_t since,
    struct verdict_cause *cause);
// Whether pods that are on their way out still hold what new ones need.
bool verdict_frees(const struct verdict_input *in, struct verdict_cause *cause);

// --- pods ---

bool verdict_pod_gone(const struct value *pod); // has failed or succeeded: it is replaced
// Ready for `steady_ms`, and it can be believed. *ret_when: when it is to be asked again if it is
// not yet.
bool verdict_pod_ready(const struct value *pod, int64_t steady_ms, int64_t now, int64_t *ret_when);
// Unexpected ends of its containers, and how the one that ended last did ("exit 2"; "": none has).
void verdict_pod_ends(const struct value *pod, int *ret_restarts, char *ret_last, size_t size);
void verdict_judge_pod(const struct verdict_input *in, const struct value *pod, bool runs_on,
    struct verdict_cause *cause);

// --- containers ---

struct verdict_container {
    const struct value *pod, *spec, *status;
    const char *name;
    bool ends; // an init container: it is meant to end
};
// All of them, in the order in which they start: false after the last. *at is 0 at first.
bool verdict_container_next(const struct value *pod, size_t *at, struct verdict_container *ret);
const struct value *verdict_last_end(const struct verdict_container *c); // NULL: it has not ended
int verdict_ends(const struct verdict_container *c);                     // how often it has
bool verdict_cannot_start(const struct value *end); // it has not even come to run
// "exit 2", "signal 9 (KILL)", "OOMKilled"
void verdict_print_end(const struct value *end, char *ret, size_t size);
void verdict_judge_container(const struct verdict_input *in, const struct verdict_container *c,
    bool runs_on, struct verdict_cause *cause);

// --- events ---

// struct verdict_events e = {.in = in, .object = pod, .reason = "Killing"}; of an object, since the
// rollout began. NULL after the last.
struct verdict_events {
    const struct verdict_input *in;
    const struct value *object;
    const char *reason;    // NULL: any
    const char *container; // NULL: any
    size_t next;
};
const struct value *verdict_events_next(struct verdict_events *e);
int64_t verdict_event_first(const struct value *event),
    verdict_event_last(const struct value *event);
int64_t verdict_event_count(const struct value *event);
const char *verdict_event_message(const struct value *event);

// Where a message begins to say something: behind the layers that have passed it on.
const char *verdict_plain(const char *message);
bool verdict_has(const char *message, const char *const *parts); // any of them, in any case
