// The seam to where an app runs. target_local (the agent of this host), target_model (the tests'
// small world) and, later, target_kube implement it; deploy/drive.h runs every strategy on any of
// them.
//
// The target is the truth: releases, the position of a rollout, the epoch, refused commits and
// requests live there, on disk before a call returns. A call may fail after it took effect (the
// answer got lost): every write is idempotent, and the driver observes again before it decides.
#pragma once

#include "deploy/program.h"

struct target;

// What a target can do; `davit plan` and the compiler of programs look at it.
struct target_caps {
    bool native_rolling; // the platform replaces instances by itself: a rolling program is SCALE
                         // and AWAIT only
    enum { WEIGHT_NONE, WEIGHT_RATIO, WEIGHT_EXACT } weight;
};

enum instance_state {
    INSTANCE_STARTING, // runs, not ready yet
    INSTANCE_READY,    // its health check passes
    INSTANCE_DRAINING, // has left the traffic
    INSTANCE_DOWN,     // has ended and waits for its restart (back-off)
};

#define INSTANCES_MAX 64
struct instance {
    enum instance_state state;
    int index;          // stable name within the set: 0, 1, …
    char address[64];   // "127.0.0.1:20001", where gates reach it; "" while it has none
    int restarts;       // unexpected ends since it was created
    char last_end[160]; // how it ended last: "exit 2", "signal 9 (KILL)", "listens on 8080, not on
                        // 20001"; "" if never
};

struct set_state {
    bool exists;
    int64_t release;
    enum slot slot;
    int desired;      // what was last written
    int ready;        // of instances, those READY
    int present;      // of instances, all (also STARTING, DRAINING, DOWN)
    int percent;      // of the traffic
    char doomed[256]; // why it can never become ready, in one line; "" while it may
    size_t instance_count;
    struct instance instances[INSTANCES_MAX];
};

enum phase { PHASE_NONE, PHASE_FORWARD, PHASE_BACK };

// Where a rollout stands. Stored with the target before each act.
struct position {
    enum phase phase; // NONE: no rollout is under way
    int step;         // of the phase's program
    int64_t step_began_unix_ms;
    bool aborted;     // went back because a person asked, not because something failed
    char reason[512]; // why it went back; the report's first line
};

// Everything that `decide` may know. Sets are those of the rollout in `rollout` (SET_OLD, SET_NEW).
struct snapshot {
    int64_t epoch;          // of the target, now
    int64_t live;           // the release that is live by the last commit; 0: none
    struct rollout rollout; // meaningful when position.phase is not NONE
    struct position position;
    struct set_state sets[2]; // by enum set
    bool abort_requested, promote_requested;
    char abort_who[128];
};

// One write: the new position, and the act of the step that it names (AWAIT, GATE and PAUSE have
// none).
struct target_write {
    int64_t
        epoch; // refused with ERR_CONFLICT unless it is the target's: somebody else has taken over
    struct position position;
    const struct rollout *rollout;
    const struct step *step; // NULL: the position only
};

enum outcome {
    OUTCOME_PENDING,
    OUTCOME_SUCCESS,
    OUTCOME_ROLLED_BACK, // a gate or the start failed; the old release serves
    OUTCOME_FAILED,      // the same, and there was no old release
    OUTCOME_CANCELLED,   // aborted by a person; the old release serves
    OUTCOME_ROLLBACK_FAILED,
};
const char *outcome_name(enum outcome outcome); // "success", "rolled back", …

struct target_ops {
    const char *name; // "local"
    struct target_caps caps;
    // Takes the app over for a run. ERR_CONFLICT, naming who, when a live driver holds it and
    // preempt is false.
    int (*claim)(struct target *t, const char *run, const char *who, bool preempt,
        int64_t *ret_epoch, struct error *err);
    // Stores the rollout's parameters with position FORWARD, step 0 (not begun). Refused when one
    // is under way.
    int (*begin)(struct target *t, int64_t epoch, const struct rollout *rollout, struct error *err);
    // *ret is filled whole.
    int (*observe)(struct target *t, struct snapshot *ret, struct error *err);
    // Returns when something may have changed, or at the deadline (of `now`), or when interrupted
    // by target_wake().
    int (*wait)(struct target *t, int64_t deadline_unix_ms, struct error *err);
    int64_t (*now)(struct target *t); // Unix milliseconds
    int (*write)(struct target *t, const struct target_write *w, struct error *err);
    // Ends the rollout after COMMIT and RETIRE: position NONE, the release's outcome, duration and
    // reason recorded.
    int (*finish)(struct target *t, int64_t epoch, enum outcome outcome, const char *reason,
        struct error *err);

    // Releases. A record is a JSON map (deploy/release.h); put gives it the next revision.
    int (*release_put)(struct target *t, int64_t epoch, const struct value *record,
        int64_t *ret_revision, struct error *err);
    int (*release_list)(
        struct target *t, struct value **ret_list, struct error *err); // newest first
    // Commits that are not to be deployed again by a watcher: [{commit, reason, release, unix_ms}]
    int (*refused)(struct target *t, struct value **ret_list, struct error *err);
    int (*refuse)(struct target *t, const char *commit, const char *reason, struct error *err);
    int (*allow)(struct target *t, const char *commit,
        struct error *err); // ERR_NOT_FOUND when it was not refused
    // Data that any machine may write and the driver obeys: "abort", "promote".
    int (*request)(struct target *t, const char *what, const char *who, struct error *err);
    // The cause, in lines: what the instances of a set did, how they ended, their last log lines.
    int (*explain)(struct target *t, int64_t release, struct str *out, struct error *err);
    // All that the instances of a release have logged so far (or since byte offsets kept by the
    // target), for log gates.
    int (*logs)(struct target *t, int64_t release, struct str *out, struct error *err);
    void (*free)(struct target *t);
};

struct target {
    const struct target_ops *ops;
};

void target_free(struct target *t); // accepts NULL
