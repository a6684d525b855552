// The seam to where an app runs. target_local (the agent of this host), the tests' modelled world
// and, later, target_kube implement it; deploy/drive.h runs every strategy on any of them.
//
// The target is the truth: releases, the position of a rollout, the epoch, refused commits and
// requests live there, on disk before a call returns. A call may fail after it took effect (the
// answer got lost): every write is idempotent, and the driver observes again before it decides.
//
// Errors of all calls: what may go better later is `retryable`, ERR_NETWORK or ERR_TIMEOUT: the
// driver observes again. ERR_CONFLICT that is not retryable means fenced: a newer epoch rules, and
// this caller must not write any more. Anything else is for a person.
#pragma once

#include "deploy/program.h"
#include "net/http.h"

struct target;

// What a target can do; whoever compiles a rollout looks at it.
struct target_caps {
    bool native_rolling; // the platform replaces instances by itself: see set_state
    bool applies;        // a release has objects beside its instances, which APPLY applies
    enum { WEIGHT_NONE, WEIGHT_RATIO, WEIGHT_EXACT } weight;
    int64_t takeover_ms; // how long a driver that has died may still seem to hold the app
};

enum instance_state {
    INSTANCE_STARTING, // runs, not ready yet
    INSTANCE_READY,    // its health check passes
    INSTANCE_DRAINING, // has left the traffic
    INSTANCE_DOWN,     // has ended and waits for its restart (back-off)
};
extern const char *const instance_state_names[]; // "starting", …; ends with NULL
const char *instance_state_name(enum instance_state state);

struct instance {
    enum instance_state state;
    int index;          // stable name within the set: 0, 1, …
    char name[254];     // what the platform calls it; "" where the index says all
    char address[64];   // "127.0.0.1:20001", where gates reach it; "" while it has none
    int restarts;       // unexpected ends since it was created
    char last_end[160]; // how it ended last: "exit 2", "signal 9 (KILL)", "listens on 8080, not on
                        // 20001"; "" if never
};

// Of a native rolling (rollout.native_rolling), both sets are of one thing that the platform keeps
// (a Deployment), which is told one release at a time: SCALE of a set tells it that release and the
// count; from then on that set's `desired` is the count, and the other's is 0. Instances are each
// release's own, `current` is the same for both, and `percent` is the share of the ready ones that
// are the set's: nobody writes it. RETIRE takes no instances here (the platform does); it ends what
// else there is of the release.
struct set_state {
    // From the first APPLY or SCALE of it (so the live release's always does) until a RETIRE has
    // been carried out: nothing of it is left, neither instances nor, where the target applies,
    // objects that only its release has.
    bool exists;
    int64_t release;
    enum slot slot;
    int desired;   // what was last written
    int percent;   // of the traffic, as last written
    bool retiring; // RETIRE was written: it goes as soon as it has drained
    // Whether the instances below are those after the last write to this set. false: whoever
    // creates and ends instances has not come to it yet (Kubernetes: observedGeneration <
    // generation), and what is shown is from before (but never of an earlier set of the same
    // release). A target without such a lag always says true.
    bool current;
    int ready;             // of instances, those READY
    int present;           // of instances, all (also STARTING, DRAINING, DOWN)
    char doomed[256];      // why it can never become ready, in one line; "" while it may
    size_t instance_count; // listed; when there are more, draining ones are left out first
    struct instance instances[INSTANCES_MAX];
};

// SETTLE: even going back failed, or there was nothing to go back to; the set that can serve gets
// the traffic and becomes all there is.
enum phase { PHASE_NONE, PHASE_FORWARD, PHASE_BACK, PHASE_SETTLE_OLD, PHASE_SETTLE_NEW };
extern const char
    *const phase_names[]; // "none", "forward", "back", "settle on old", …; ends with NULL
const char *phase_name(enum phase phase);

// Where a rollout stands. Stored with the target before each act.
struct position {
    enum phase phase; // NONE: no rollout is under way
    int turns;        // how often the phase has changed; with `step` it names the position
    int step;         // of the phase's program
    int64_t step_began_unix_ms;
    int64_t turned_unix_ms; // when it stopped going forward; 0: it has not
    bool aborted;           // went back because a person asked, not because something failed
    char reason[512];       // why it went back; the report's first line
};

// How a rollout ended.
enum outcome {
    OUTCOME_PENDING,
    OUTCOME_SUCCESS,
    OUTCOME_ROLLED_BACK,     // a gate or the start failed; the old release serves
    OUTCOME_FAILED,          // the same, and there was no old release
    OUTCOME_CANCELLED,       // aborted by a person; the old release serves
    OUTCOME_ROLLBACK_FAILED, // the old release could not be restored whole, or a rollback failed;
                             // the one that serves (if any does) is the live one
};
extern const char *const outcome_names[]; // "pending", "success", "rolled back", …; ends with NULL
const char *outcome_name(enum outcome outcome);

// Everything that `decide` may know. Sets are those of the rollout in `rollout` (SET_OLD, SET_NEW).
// Whatever was written (epoch, live, position, desired, percent, applied) is shown as of now, never
// older than the caller's own last successful write. Instances may lag: see `current`.
struct snapshot {
    int64_t epoch;          // of the target, now
    int64_t live;           // the release that is live by the last commit; 0: none
    struct rollout rollout; // of the rollout under way; when none is, of the one that ended last
    struct position position;
    enum outcome last;        // when no rollout is under way: how the one in `rollout` ended
    struct set_state sets[2]; // by enum set
    // Whether the traffic goes by `percent` already (Kubernetes: EndpointSlices have followed the
    // selector), by a controller that has seen the last write: that it still is where it was before
    // the last two says nothing. A target without such a lag always says true.
    bool routed;
    // Of a target that applies: the release whose objects, besides instances, were applied last,
    // all of them; 0: none were yet, or an APPLY of others has begun since and has not come to its
    // end (so that going back from it applies the old ones again). `settled`: they have become what
    // was applied (StatefulSets are rolled out, …), by a controller that has seen it.
    // `apply_doomed`: why they never will, in one line; "" while they may. Both are about `applied`
    // only.
    int64_t applied;
    bool settled;
    char apply_doomed[256];
    // Of the new release's hooks, which run in their order: how many were begun, and how many of
    // those have ended well. `hook_doomed`: why the one that was begun last has failed, in one
    // line; "" while it may end well.
    int hooks_begun, hooks_done;
    char hook_doomed[256];
    // Why the target will never do the act of the current step, which it was asked to (an object
    // that is not valid, a right that is missing), in one line; "" while it may.
    char refused_act[256];
    bool abort_requested;
    bool promote_requested; // at the very position where the rollout stands; see request()
    bool pause_requested;   // and not taken back yet by "resume"
    char abort_who[128];
    char holder[128]; // who drives the app now, as they said in claim(); "": nobody does
};

// One write: the new position, and the act of the step that it names (AWAIT, DRAIN, GATE and PAUSE
// have none). The position is stored no later than the act takes effect.
//
// A target holds to this, so that a write that was thought lost can do no harm when it arrives
// late:
//   - another epoch than the target's: ERR_CONFLICT, nothing is changed;
//   - another rollout than the one under way, or the stored position is neither the one that was
//     decided on nor already the new one: ERR_CONFLICT and retryable, nothing is changed;
//   - it is already the new one: the stored one stays as it is (its begin too), the act is done
//   again.
// The act of a HOOK that was done before changes nothing: a hook runs once for its release, whoever
// drives, and one that has vanished is doomed and not begun again.
// Scaling down lets go instances that are not ready first, then those with the highest index.
struct target_write {
    int64_t epoch;
    const struct rollout *rollout;
    int seen_turns, seen_step; // of the position that was decided on
    struct position position;
    const struct step *step; // NULL: the position only
};

// Of a whole rollout, in milliseconds; -1 where it does not apply.
struct rollout_times {
    int64_t total_ms;
    int64_t switch_ms; // of the write that moved the traffic last
    int64_t detect_ms; // from the begin until it was decided to go back
    int64_t back_ms;   // from there to the end
};

struct target_end {
    int64_t epoch;
    const struct rollout *rollout;
    enum outcome outcome;
    const char *reason; // "" for a success
    struct rollout_times times;
};

// A GET of a path of an instance, as its target reaches it.
struct target_probe {
    struct http_request request; // what the target says of it; its texts live as long as this
    char *url;
    struct strv headers;
    struct http_peer peer;
};
void target_probe_done(struct target_probe *p);
DEFINE_AUTO(target_probe, struct target_probe, target_probe_done)

// A command beside an instance.
struct target_exec {
    int64_t id; // of this caller
    int64_t release;
    int index; // of the instance
    const struct strv *command;
    int64_t timeout_ms; // after which it is killed
};
struct target_exec_state {
    bool over, succeeded;
    char how[160];  // over: "exit 1", "signal 9 (KILL)", "killed after 5s", why it could not run
    char last[160]; // the last line that it wrote; ""
};

struct target_ops {
    const char *name; // "local"
    struct target_caps caps;
    // Takes the app over for a run: the epoch goes up by one. ERR_CONFLICT, naming who, when a live
    // driver holds it and preempt is false. target_free() lets it go. A verb that pre-empts a
    // rollout claims, requests its abort, drives it to its end, and then begins its own.
    int (*claim)(struct target *t, const char *run, const char *who, bool preempt,
        int64_t *ret_epoch, struct error *err);
    // Stores the rollout's parameters with position FORWARD, step 0 (begun now; its act is not
    // done), and clears requests. Refused with ERR_CONFLICT when one is under way.
    int (*begin)(struct target *t, int64_t epoch, const struct rollout *rollout, struct error *err);
    // *ret is filled whole.
    int (*observe)(struct target *t, struct snapshot *ret, struct error *err);
    // Returns when something may have changed, at the deadline (of `now`), or after wake(). A
    // target that cannot be reached is no error here: then it waits until the deadline.
    int (*wait)(struct target *t, int64_t deadline_unix_ms, struct error *err);
    // Makes the wait() under way, or the next one, return at once. From callbacks that wait() runs.
    void (*wake)(struct target *t);
    int64_t (*now)(struct target *t); // Unix milliseconds
    int (*write)(struct target *t, const struct target_write *w, struct error *err);
    // Ends the rollout: position NONE, the outcome, its reason and times, and how many hooks were
    // begun go into the record of release `to`, requests are cleared, and the commit that failed
    // (of `to`, unless it was a success or cancelled; of `from`, when a rollback was a success) is
    // refused from now on. In one step on disk. Fenced as write() is; the end of another rollout
    // than the one under way is ERR_CONFLICT and retryable.
    int (*finish)(struct target *t, const struct target_end *end, struct error *err);

    // Releases. A record is a JSON map (deploy/release.h); put gives it the next revision. Not
    // idempotent: after a lost answer, look for the record in the list. The values of its secrets
    // stay with the target: those of `secrets` (a map of strings; on Kubernetes the list of Secrets
    // that manifest_build() made; or NULL), or with secrets_of (else 0) those of that release once
    // more.
    int (*release_put)(struct target *t, int64_t epoch, const struct value *record,
        const struct value *secrets, int64_t secrets_of, int64_t *ret_revision, struct error *err);
    int (*release_list)(
        struct target *t, struct value **ret_list, struct error *err); // newest first
    // What it would take to start a release again and is not there any more, a list of lines:
    // empty when it can be gone back to at once. ERR_NOT_FOUND when there is no such release.
    int (*release_check)(
        struct target *t, int64_t revision, struct value **ret_missing, struct error *err);
    // Commits that are not to be deployed again by a watcher: [{commit, reason, release, unix_ms}]
    int (*refused)(struct target *t, struct value **ret_list, struct error *err);
    int (*refuse)(struct target *t, const char *commit, const char *reason, struct error *err);
    int (*allow)(struct target *t, const char *commit,
        struct error *err); // ERR_NOT_FOUND when it was not refused
    // Data that any machine may write and the driver obeys: "abort", "promote", "pause", and
    // "resume", which takes the pause back. They are about the rollout under way. A promotion is
    // stored with the position (turns and step) that it finds, and counts there only: it passes the
    // pause that a person saw, and no later one.
    int (*request)(struct target *t, const char *what, const char *who, struct error *err);
    // The cause, in lines: what the instances of a set did, how they ended, their last log lines.
    int (*explain)(struct target *t, int64_t release, struct str *out, struct error *err);
    // All that the instances of a release have logged so far (or since byte offsets kept by the
    // target), for log gates; of very much the last.
    int (*logs)(struct target *t, int64_t release, struct str *out, struct error *err);
    // How to ask an instance over HTTP. *ret (all-zero before) is to be freed in any case.
    int (*probe)(struct target *t, const struct instance *instance, const char *path,
        struct target_probe *ret, struct error *err);
    // Runs a command beside an instance, as the instance would run it: with its image, user,
    // environment, secrets and network. Returns at once: asked again with the same id it tells how
    // that one stands, and one that is not known (any more) is begun. NULL: it cannot be done here.
    int (*exec)(struct target *t, const struct target_exec *what, struct target_exec_state *ret,
        struct error *err);
    void (*exec_end)(struct target *t, int64_t id); // forgets it; what still runs is killed
    // Takes the app away whole: instances (drained first), proxy, releases, secrets. Nothing else
    // may be asked afterwards.
    int (*down)(struct target *t, int64_t epoch, struct error *err);
    void (*free)(struct target *t);
};

struct target {
    const struct target_ops *ops;
};

void target_free(struct target *t); // accepts NULL
DEFINE_AUTO_PTR(target, struct target, target_free)
