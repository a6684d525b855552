// A rollout as a small program: what a strategy compiles to, and what every target runs.
//
// Pure: a rollout's parameters in, steps out. The parameters are stored with the target when a
// rollout begins, so whoever resumes it compiles the very same program and needs only the position.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"
#include "base/vec.h"
#include "codec/value.h"
#include "pipeline/limits.h"

struct field_type;

// An app has two places for instances. Blue-green fills the other one; rolling replaces within one.
enum slot { SLOT_BLUE, SLOT_GREEN };
const char *slot_name(enum slot slot); // "blue", "green"
enum slot slot_other(enum slot slot);
extern const char *const slot_names[]; // by enum slot; ends with NULL

enum strategy {
    STRATEGY_ROLLING,    // one instance after the other, never fewer than before
    STRATEGY_BLUE_GREEN, // all of the new beside the old, then traffic at once
    STRATEGY_CANARY,   // the traffic in steps, each as long as is asked for; no step for the first
                       // deployment
    STRATEGY_ROLLBACK, // as blue-green, without pauses and gates: what `davit rollback` runs.
                       // There is nothing to go back to: when it fails, it settles.
};
extern const char
    *const strategy_names[]; // "rolling", "blue-green", "canary", "rollback"; ends with NULL

// The two sets of instances that a rollout is about. A set is the instances of one release in one
// slot.
enum set { SET_OLD, SET_NEW };
static inline enum set set_other(enum set set)
{
    return set == SET_OLD ? SET_NEW : SET_OLD;
}

enum step_kind {
    STEP_APPLY, // apply the objects that the set's release has beside its instances, all of them
    STEP_HOOK,  // let the new release's hook `hook` run: a task of its own, begun once and never
                // again
    STEP_SCALE, // let the set have `count` instances; fewer: they leave the traffic, drain, and end
    STEP_AWAIT, // until `count` of the set are ready, and no other is; with `objects`: until those
                // that were applied have settled (target.h, `applied`); with `hook`: until that one
                // has ended well
    STEP_DRAIN, // until no more than `count` of the set are there, ready or not: what is broken
                // already must not hold up its own replacement
    STEP_GATE,  // until the gates of `phase` have passed on the set
    STEP_WEIGHT, // send `percent` of the traffic to the new set, the rest to the old
    STEP_PAUSE, // for `ms`; PAUSE_FOR_PROMOTION parks until somebody promotes. A promotion ends any
    STEP_COMMIT, // the new release is the live one; from here on nothing goes back
    STEP_RETIRE, // the set leaves the traffic (its share is the other's), drains, ends and is
                 // forgotten, with all objects of its release that the other's does not have
};
#define PAUSE_FOR_PROMOTION (-1)

enum gate_phase { GATE_BEFORE_SWITCH, GATE_AFTER_SWITCH };
const char *gate_phase_name(enum gate_phase phase); // "before_switch", "after_switch"

struct step {
    enum step_kind kind;
    enum set set;
    int count;             // SCALE, AWAIT, DRAIN
    bool objects;          // AWAIT: of objects, not of instances
    int hook;              // HOOK, AWAIT: which of the release's, from 1; 0: none
    int percent;           // WEIGHT, of the new set
    enum gate_phase phase; // GATE
    int64_t ms;            // PAUSE
    bool if_ready; // WEIGHT: passed over while the set that it favours has nobody ready (never
                   // empties the traffic)
};

struct program {
    VEC(struct step) steps;
};

#define INSTANCES_MAX 64 // of one set

// The steps of a canary: it begins with a weight, and weights rise. As JSON a list of
// {"kind": "weight", "percent": 5}, {"kind": "pause", "for_ms": 60000} and
// {"kind": "pause", "for": "manual"}.
struct canary_step {
    int percent; // of the traffic, to the new set; 0: a pause
    int64_t pause_ms;
};
struct canary {
    int count;
    struct canary_step steps[CANARY_STEPS_MAX];
};
extern const struct canary canary_default;  // for who gives no steps
extern const struct field_type canary_type; // deploy/fields.h: of a FIELD_OTHER, struct canary

// What a rollout is compiled from. Releases are revisions, counted from 1; from == 0 means that
// nothing is live.
struct rollout {
    char run[64];  // the run's id, or "rollback-…" for a verb: tells whose position it is
    char who[128]; // the person or the ref
    int64_t from, to;
    int from_count, to_count; // instances
    enum slot from_slot, to_slot;
    enum strategy strategy;
    bool native_rolling; // rolling: the target replaces instances by itself. Never of the
                         // first release: there is nothing to replace
    bool applies;        // releases have objects beside their instances
    bool gates_before, gates_after; // whether there are any
    // How many of the new release's hooks run before its first instance starts, and how many once
    // it has the traffic, one after the other. Their deadline is of one AWAIT each.
    int hooks_before, hooks_after;
    int64_t hook_deadline_ms;
    bool manual_promotion;        // blue-green: park before the switch
    struct canary canary;         // canary: at least one weight
    bool by_ratio;                // canary: the share of a set is that of its instances
    int64_t scale_down_delay_ms;  // blue-green: how long the old set stays up after the switch
    int64_t progress_deadline_ms; // of one AWAIT, from the step's start; absolute: flapping does
                                  // not reset it
    int64_t began_unix_ms;
};

// Forward: what is asked for. A canary has, at a weight of w, ceil(to_count × w / 100) instances
// beside all of the old ones; by ratio, new and old together are from_count or one more, whatever
// comes closest to w (ties to the new), and neither is ever none. It is as many as asked for before
// it gets all of the traffic. Gates before_switch come before its first weight, after_switch after
// each weight and its pauses. Hooks run after the release's objects have settled, before its first
// instance; and as the last thing before COMMIT. A GATE, a PAUSE and such a hook take time, so what
// follows one awaits the new set once more: traffic and COMMIT only ever come right after all of it
// was seen ready.
void program_forward(const struct rollout *r, struct program *ret);
// Back: what undoes it from any point: traffic first, capacity second. No hook runs here.
void program_back(const struct rollout *r, struct program *ret);
// Settle: when going back failed too (or there is nothing to go back to): the set `keep` gets all
// of the traffic (the old one: if it can carry any) and its objects, and the other is retired.
// Waits for nobody.
void program_settle(const struct rollout *r, enum set keep, struct program *ret);
void program_done(struct program *p);
DEFINE_AUTO(program, struct program, program_done)

// "scale new to 2", "await new: 2 ready", … as `davit plan` and reports say it.
void step_print(const struct step *step, struct str *out);
// The table of `davit plan`: each step of a forward program with the instance counts and the
// traffic after it, and the peak. The value is {"strategy", "from", "to", "peak", "steps":
// [{"step", "old", "new", "percent"}]}.
void program_print(const struct program *p, const struct rollout *r, struct str *out);
struct value *program_to_value(const struct program *p, const struct rollout *r);
// The most instances that exist at once, draining ones included. A program that goes back may have
// as many as both sets together beside what still drains.
int program_peak(const struct program *p, const struct rollout *r);

// As it is stored with the target. A stored rollout of a davit whose programs are others is
// ERR_UNSUPPORTED: positions in them would mean other steps.
struct value *rollout_to_value(const struct rollout *r);
int rollout_from_value(const struct value *v, struct rollout *ret, struct error *err);
