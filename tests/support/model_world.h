// A small modelled place for apps to run, in virtual time, all of it drawn from one seed: instances
// start late, fail, flap and die; whoever carries out what is written lags behind; writes arrive
// late. Traffic may follow late, a platform may replace instances by itself, and releases may have
// objects beside their instances, which settle late or never. It keeps the contract of
// deploy/target.h, and it watches: after every event it looks for what must never be.
// support/target_model.h is how drivers see it.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "deploy/target.h"

#define WORLD_SETS      3
#define WORLD_INSTANCES 12
#define WORLD_VIEWS     16
#define WORLD_LATE      4

// What becomes of an instance.
enum fate {
    FATE_GOOD,
    FATE_BROKEN,   // ends soon after each start
    FATE_SILENT,   // runs, and is never ready
    FATE_FLAPPING, // ready, not ready, ready, …; may become good
    FATE_MORTAL,   // is ready, ends, starts again; may become good
};

// What a release's instances are like.
enum quality {
    QUALITY_GOOD,
    QUALITY_BROKEN,
    QUALITY_SILENT,
    QUALITY_ONE_BROKEN, // the last of them
    QUALITY_SHAKY,      // flapping and mortal ones among good ones
    QUALITY_COUNT,
};

// What becomes of a release's objects beside its instances, once they are applied.
enum objects {
    OBJECTS_GOOD, // they settle, sooner or later
    OBJECTS_SILENT,
    OBJECTS_DOOMED,
    OBJECTS_COUNT,
};

struct world_instance {
    bool used;
    int index;
    enum instance_state state;
    enum fate fate;
    bool was_ready; // whatever it is now: that is the world's doing
    int restarts;
    int64_t next_at; // when something happens to it
};

struct world_set {
    bool exists, retiring;
    int64_t release;
    int born; // a release that comes back is another set
    enum slot slot;
    int desired, percent;
    int routed;            // of the traffic, by now
    int written;           // writes to it so far
    int carried_out;       // how many of those the controller has come to
    int64_t controller_at; // when it comes next
    int64_t decided_at; // when that was seen on which the last write that takes from it was decided
    int64_t lost_at;    // when the world last took an instance of it that was ready
    bool excused;       // nobody is ready, and it was the world
    char doomed[64];
    struct world_instance instances[WORLD_INSTANCES];
};

struct world_view {
    int64_t at;
    int applies, routes;
    int hooks_begun, hooks_done;
    bool hook_doomed;
    bool settled, doomed;
    struct world_set sets[WORLD_SETS];
};

struct world_late { // a write that is on its way
    bool used;
    int64_t at;
    struct target_write write;
    struct rollout rollout;
    struct step step;
    int64_t decided_at;
    bool nobody_seen;
};

// Things that the tests are there for: over many seeds, each must have happened.
enum mark {
    MARK_STALE_REFUSED, // a write of an epoch that rules no more
    MARK_LATE_LANDED,   // a late write that still fitted
    MARK_LATE_REFUSED,  // and one that did not
    MARK_TORN,
    MARK_KILLED,
    MARK_TAKEN_OVER, // a rollout, to its end, while its driver stalled
    MARK_PREEMPTED,
    MARK_ROLLED_BACK_AFTER, // by a pre-empting rollback, since the rollout had succeeded
    MARK_PARKED,
    MARK_PARKED_AGAIN,
    MARK_PROMOTED_OUTSIDE, // a promotion where nothing pauses: it must count for nothing
    MARK_UNROUTED,         // traffic that had not followed was seen
    MARK_UNSETTLED,        // objects that had not settled were seen
    MARK_OBJECTS_DOOMED,
    MARK_HALF_APPLIED,
    MARK_HOOKED, // a rollout with hooks succeeded
    MARK_HOOK_DOOMED,
    MARK_HOOK_TORN,
    MARK_NATIVE,      // a platform replaced instances by itself, to the end
    MARK_NATIVE_BACK, // and was told the old release again in the middle of it
    MARK_CANARY,
    MARK_LEASE_WAITED, // a dead driver seemed to hold the app
    MARK_WATCH_LOST,
    MARK_OUTAGE,
    MARK_LAG,
    MARK_SETTLED_OLD,
    MARK_SETTLED_NEW,
    MARK_SUCCESS,
    MARK_ROLLED_BACK,
    MARK_FAILED,
    MARK_CANCELLED,
    MARK_ROLLBACK_FAILED,
    MARK_COUNT,
};
extern const char *const mark_names[MARK_COUNT];

struct world {
    uint64_t random;
    int64_t now;
    struct str *story; // NULL: nobody listens
    int marks[MARK_COUNT];
    char broken[400]; // the first thing that must never be and was; "" while all is well

    // On disk.
    int64_t epoch, live;
    struct rollout rollout;
    struct position position;
    enum outcome last;
    int ends; // of the rollout: finish() took effect
    bool abort_requested, promote_requested;
    int promote_turns, promote_step; // where
    bool abort_ever;                 // of the rollout: an abort was requested
    int parked;                      // how often
    // An act that had got lost was done when its step's time was all but over, so the traffic may
    // have followed too late: a deadline is absolute.
    bool done_late;
    char abort_who[128];
    struct world_set sets[WORLD_SETS];

    int births;
    int holder;          // driver that has the claim; 0: none
    int64_t lease_ms;    // how long a driver that says nothing still has it; 0: it goes with it
    int64_t lease_until; // of the holder
    int64_t down_until;  // the target's agent is dead
    struct world_late late[WORLD_LATE];
    struct world_view views[WORLD_VIEWS];
    unsigned view_count;
    // Traffic.
    bool routes_late;
    int64_t route_at;           // when it follows; INT64_MAX: it has
    int routes_written, routes; // how often it was to go elsewhere, and what of that it follows
    // Objects, by release: whether any are there that only it has; whether they ever settled.
    enum objects objects[4];
    bool standing[4], settled_once[4];
    int64_t applied;
    int applies;        // how often objects were applied
    int64_t objects_at; // when something becomes of the applied ones
    bool settled, doomed;
    // Hooks of the rollout: what becomes of each, how many were begun and have ended; when
    // something becomes of the last.
    enum objects hooks[HOOKS_MAX];
    int hooks_begun, hooks_done;
    bool hook_doomed;
    int64_t hook_at;

    enum quality quality[4]; // by release
    bool hurt[4];            // by release: the world took an instance that was ready
    int peak;                // of the forward program
    int serving_least;       // how many serve at least, until it is committed or settles

    // What a broken target does.
    bool unfenced;      // does not look at the epoch
    bool unconditional; // does not look at the position that a write was decided on
};

void world_init(struct world *w, uint64_t seed, struct str *story);
uint64_t world_draw(struct world *w, uint64_t below); // 0 … below − 1
bool world_chance(struct world *w, unsigned percent);
void world_say(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
void world_break(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

// A release that is live and whole.
void world_settled(struct world *w, int64_t release, enum slot slot, int count);
struct world_set *world_set(struct world *w, int64_t release); // NULL when there is none
int world_ready(const struct world_set *set);

int world_kept(const struct world_set *set); // all but those that drain
void world_add(struct world *w, struct world_set *set);
void world_drop(struct world *w, struct world_set *set);

// support/model_native.c: a platform that replaces instances by itself, as a Deployment does. It is
// called after every event, and comes to what was written only when it is `told`.
void world_native(struct world *w, bool told);
bool world_is_native(const struct world *w, const struct world_set *set);

// Virtual time.
int64_t world_next(const struct world *w); // of the next event; INT64_MAX: none
void world_run_until(struct world *w, int64_t until);
void world_changed(struct world *w); // after every change: what can be seen, and what must never be
// What could be seen `lag` ago.
const struct world_view *world_look(const struct world *w, int64_t lag);

// The target's side (support/model_writes.c). `decided_at` and `nobody_seen`: what the caller last
// saw: when that was, and whether it showed nobody ready at all.
int world_begin(struct world *w, int64_t epoch, const struct rollout *r, struct error *err);
int world_write(struct world *w, const struct target_write *write, int64_t decided_at,
    bool nobody_seen, bool torn, struct error *err);
void world_write_late(struct world *w, const struct target_write *write, int64_t decided_at,
    bool nobody_seen, int64_t at);
int world_finish(struct world *w, const struct target_end *end, struct error *err);
void world_abort(struct world *w, const char *who);
void world_promote(struct world *w, const char *who);
// Takes one ready instance from a set that has traffic.
void world_crash_one(struct world *w);

// How many serve, or would if the world had let them.
int world_serving(const struct world *w);

// support/model_check.c: called by the world after each event, and at the very end.
void world_check(struct world *w);
void world_check_end(struct world *w);
