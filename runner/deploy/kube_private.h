// The parts of the Kubernetes target and what they know of each other.
//
//   target_kube.c    its life: what is watched, waiting
//   kube_state.c     the state of the app, as the Lease keeps it
//   kube_lease.c     the claim: epoch, renewal, stamps; changes of the state
//   kube_observe.c   objects become a snapshot
//   kube_write.c     a step's act becomes writes to Deployments and the Service
//   kube_apply.c     the other objects of a release: applied, settled, pruned
//   kube_hook.c      Jobs that run once for a release
//   kube_release.c   ControllerRevisions
//   kube_explain.c   causes and logs
//   kube_print.c     a rollback as kubectl commands
//
// All calls run the loop, so a Lease is renewed and watches go on whatever is waited for.
#pragma once

#include "deploy/kube_state.h"
#include "deploy/manifest.h"
#include "deploy/release.h"
#include "deploy/target_kube.h"
#include "deploy/verdict.h"
#include "kube/watch.h"

#define KUBE_ANNOTATION_STATE   "davit.dev/state"   // of the Lease
#define KUBE_ANNOTATION_WHO     "davit.dev/who"     // of the Lease: the person behind the holder
#define KUBE_ANNOTATION_RETIRED "davit.dev/retired" // of a slot: the release that RETIRE was for
#define KUBE_ANNOTATION_PERCENT "davit.dev/percent" // of the Service: what goes to the newer slot
#define KUBE_ANNOTATION_END     "davit.dev/end" // of a ControllerRevision: outcome, reason, times
// Of the Service: the position of the last WEIGHT. Its EndpointSlices bear it once they have
// followed.
#define KUBE_LABEL_ROUTED "davit.dev/routed"
#define KUBE_SLOT_NONE    "none" // of a Service that has no traffic to give yet

#define KUBE_TRIES 10 // of a read, a change and a write that says what was read

// Looked at all the time, so named; others are looked up (kube_kind_find).
enum kube_of {
    KUBE_LEASE,
    KUBE_DEPLOYMENT,
    KUBE_SERVICE,
    KUBE_POD,
    KUBE_REPLICA_SET,
    KUBE_SLICE,
    KUBE_REVISION,
    KUBE_SECRET,
    KUBE_EVENT,
    KUBE_OF_COUNT
};

struct kube_followed {
    const struct kube_kind *kind;
    struct kube_watch *watch;
};

// A release as its record says, read once.
struct kube_known {
    int64_t revision;
    struct release release;
    struct manifest manifest;
};

struct kube_target {
    struct target target; // the first member
    struct kube_client *client;
    struct loop *loop;
    char *app, *ns, *identity;
    char *selector; // of all that is the app's
    char *lease_name;
    const struct kube_kind *kinds[KUBE_OF_COUNT];
    VEC(struct kube_followed) followed;
    VEC(struct kube_known *) known;

    // wait()
    bool waiting, news, woken;
    struct loop_timer deadline;
    int64_t look_again_unix_ms; // something becomes a verdict then although no object changes
    char *routed_mark;          // since when the EndpointSlices have borne that mark
    int64_t routed_since_ms;    // monotonic

    // The claim.
    int64_t epoch; // 0: there is none
    struct loop_timer renew;
    int64_t renewing; // a request; -1: none
    // Another driver's Lease, as it was seen first, to tell whether it is renewed.
    char *rival;
    int64_t rival_since_ms;

    // An act that the server refused for good, at that position.
    int refused_turns, refused_step;
    char refused_act[256];
};

static inline struct kube_target *kube_of(struct target *t)
{
    return (struct kube_target *)t;
}

// The object is not as it was read, or its fence did not let a patch through; nothing was written.
static inline bool kube_has_changed(const struct error *err)
{
    return err->kind == ERR_CONFLICT && err->http_status;
}

// --- target_kube.c ---

// Runs the loop until something is news or `deadline` (monotonic).
int kube_run(struct kube_target *k, int64_t deadline_ms, struct error *err);
// A watch on all of the app's objects of a kind (of KUBE_EVENT: of the namespace), begun when it is
// asked for first. NULL with *err.
struct kube_watch *kube_follow(
    struct kube_target *k, const char *api_version, const char *kind, struct error *err);
struct kube_watch *kube_watch_of(struct kube_target *k, enum kube_of of, struct error *err);
// Until all that is followed is complete. -1 when something cannot be followed.
int kube_sync(struct kube_target *k, struct error *err);
// What a write of ours was answered with (or, with NULL, that it is gone), for the watch on it.
void kube_own(struct kube_target *k, const struct kube_kind *kind, const char *name,
    const struct value *object);

// --- kube_lease.c ---

int kube_claim(struct target *t, const char *run, const char *who, bool preempt, int64_t *ret_epoch,
    struct error *err);
void kube_unclaim(struct kube_target *k);
// The state as it is now; *ret (all-zero) is freed by the caller.
int kube_state_read(struct kube_target *k, struct kube_state *ret, struct error *err);
// Reads, changes and writes the state, again when it has changed meanwhile. `epoch` 0: whatever it
// is. change() returns -1 to leave it be, with *err.
typedef int kube_change_fn(void *arg, struct kube_state *state, struct error *err);
int kube_state_change(
    struct kube_target *k, int64_t epoch, kube_change_fn *change, void *arg, struct error *err);
// Before what cannot be fenced (a creation): whether the Lease can still be ours. A driver that
// slept asks the server first.
int kube_guard(struct kube_target *k, int64_t epoch, struct error *err);
// -1 with ERR_CONFLICT when the object bears the stamp of a newer driver.
int kube_check_stamp(
    const struct kube_target *k, const struct value *object, int64_t epoch, struct error *err);
// ERR_CONFLICT, not retryable, when they differ.
int kube_fenced(const struct kube_target *k, int64_t epoch, int64_t now, struct error *err);

// --- kube_release.c ---

// Lent until the target is freed. NULL with ERR_NOT_FOUND.
const struct kube_known *kube_known(struct kube_target *k, int64_t revision, struct error *err);
void kube_known_free(struct kube_known *known);
// Its record, whose outcome is still to be written. ERR_NOT_FOUND.
int kube_stamp_release(struct kube_target *k, int64_t epoch, int64_t revision, struct error *err);
int kube_release_put(struct target *t, int64_t epoch, const struct value *record,
    const struct value *secrets, int64_t secrets_of, int64_t *ret_revision, struct error *err);
// The ControllerRevision of a record; the caller's.
struct value *kube_release_object(
    const struct kube_target *k, const struct value *record, int64_t revision, int64_t epoch);
int kube_release_list(struct target *t, struct value **ret_list, struct error *err);
int kube_release_check(
    struct target *t, int64_t revision, struct value **ret_missing, struct error *err);
// `hooks`: how many of the release's were begun.
int kube_release_end(
    struct kube_target *k, const struct target_end *end, int hooks, struct error *err);
// Old records go, and the copies of ConfigMaps and Secrets that none of those that stay refers to.
#define KUBE_RELEASES_MAX 20 // that stay; the live one and those of the rollout besides
// `records`: all, as kube_release_list() has them.
int kube_release_trim(struct kube_target *k, int64_t epoch, const struct value *records,
    int64_t live, const struct rollout *rollout, struct error *err);

// --- kube_observe.c ---

void kube_look_again(struct kube_target *k, int64_t unix_ms); // not later than then

// A list of what is followed, sharing its objects; the caller's.
struct value *kube_items(struct kube_target *k, enum kube_of of, struct error *err);
// The Deployment of a release's slot as it is now; NULL: there is none.
const struct value *kube_deployment(
    struct kube_target *k, const struct kube_known *release, enum slot slot);
int64_t kube_release_of(const struct value *object); // by its annotation; 0: none
int kube_observe(struct target *t, struct snapshot *ret, struct error *err);

// --- kube_write.c ---

int kube_begin(struct target *t, int64_t epoch, const struct rollout *rollout, struct error *err);
int kube_write(struct target *t, const struct target_write *w, struct error *err);
int kube_finish(struct target *t, const struct target_end *end, struct error *err);

// --- kube_apply.c ---

// Sets what every object of ours bears besides its labels.
void kube_mark(struct value *object, int64_t epoch, int64_t release);
// One object, fenced: creates it, or applies over what bears no newer stamp.
int kube_apply_one(struct kube_target *k, int64_t epoch, int64_t release,
    const struct value *object, struct error *err);
// `one_slot`: of a native rolling, whose Service never chooses. `jobs`: Jobs too, which nobody
// wants to run once more on the way back.
int kube_apply_others(struct kube_target *k, int64_t epoch, const struct kube_known *release,
    bool one_slot, bool jobs, struct error *err);
bool kube_applies_jobs(const struct rollout *rollout, enum phase phase);
int kube_apply_service(struct kube_target *k, int64_t epoch, const struct kube_known *release,
    bool one_slot, struct error *err);
// Lets the release's HorizontalPodAutoscaler, if it has one, scale its slot.
int kube_point_autoscaler(
    struct kube_target *k, int64_t epoch, const struct kube_known *release, struct error *err);
// Whether they have come to what was applied; *doomed (of 256 bytes) says why they cannot.
int kube_settled(struct kube_target *k, const struct kube_known *release, bool jobs,
    const struct verdict_input *in, bool *ret_settled, char *ret_doomed, size_t size,
    struct error *err);
// Deletes what `before` has and `after` (NULL: nothing) has not.
int kube_prune(struct kube_target *k, int64_t epoch, const struct manifest *before,
    const struct manifest *after, struct error *err);
// Whether a release's other objects have one of that kind: only then davit has rights on it for
// sure.
bool kube_has_kind(const struct value *others, const char *kind);
// Unless it bears the stamp of a newer driver, or is not the app's.
int kube_delete_one(struct kube_target *k, int64_t epoch, const struct kube_kind *kind,
    const char *name, struct error *err);
int kube_down(struct target *t, int64_t epoch, struct error *err);
int kube_stamp_others(
    struct kube_target *k, int64_t epoch, const struct manifest *m, struct error *err);
// Puts the epoch on an object (as it was read), unless a newer one is there: ERR_CONFLICT.
int kube_stamp(struct kube_target *k, int64_t epoch, const struct kube_kind *kind,
    const struct value *object, struct error *err);

// --- kube_hook.c ---

// The act of a HOOK: makes the Job run, unless it was begun before.
int kube_hook_begin(struct kube_target *k, int64_t epoch, const struct kube_known *release,
    int number, struct error *err);
// Fills hooks_begun, hooks_done and hook_doomed of the snapshot.
int kube_hook_look(struct kube_target *k, const struct kube_state *state,
    const struct verdict_input *in, struct snapshot *ret, struct error *err);
// Puts the epoch on all Jobs of a release that are there.
int kube_hook_stamp(
    struct kube_target *k, int64_t epoch, const struct kube_known *release, struct error *err);
// If the release has hooks, all Jobs of hooks go but those of release `kept` (0: none).
int kube_hook_delete(struct kube_target *k, int64_t epoch, const struct kube_known *release,
    int64_t kept, struct error *err);
// Of the first hook that was begun and has not ended well: why, and its last lines. False: there is
// none.
bool kube_hook_explain(struct kube_target *k, const struct kube_known *release,
    const struct value *pods, struct str *out);

// --- kube_explain.c ---

void kube_last_lines(
    struct kube_target *k, const char *pod, const char *container, bool previous, struct str *out);

int kube_explain(struct target *t, int64_t release, struct str *out, struct error *err);
int kube_logs(struct target *t, int64_t release, struct str *out, struct error *err);
