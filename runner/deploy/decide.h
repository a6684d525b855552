// What to do next: a function from a rollout's position and what was observed to one action. No
// clock, no network.
//
// The rules, in order:
//   1. No rollout under way: nothing to do.
//   2. Forward and before COMMIT, and an abort was requested: go back (aborted).
//   3. Forward and before COMMIT, and the new set is doomed, or a gate rejected it: go back with
//   the
//      reason. Going back is setting the position to {BACK, 0}; the act of its first step is
//      written with it. A rollback has nothing to go back to: it settles.
//      The same for objects that can never settle, and a hook that has failed, while they are what
//      is awaited.
//   4. Back, and what is awaited of the old set is doomed: settle. Settling, nothing is
//   final yet, and the choice would
//      be another one now: settle afresh.
//   5. The current step is satisfied by what is observed, and the next one may be entered: go to
//   it,
//      writing its act with the new position; after the last, finish.
//      A pause that was requested holds here, forward and before COMMIT: it parks.
//   6. An act that is not visible in the observation (its write was lost, or it never happened) is
//      written again, if it may be done. One that is visible is not, however long its effect takes:
//      objects that have not settled, traffic that has not followed yet.
//   7. The step's deadline has passed without either: forward, go back; back, settle; after COMMIT
//      or settling, go on: what is left is the target's to end. A PAUSE and a GATE have none (gates
//      bring their own), a hook has that of hooks, and a deadline is absolute: whoever resumes gets
//      no more time.
//   8. Otherwise wait: until something changes, or until the step's deadline.
//
// May be entered (only the first two are ever in question):
//   - an act that moves traffic to a set: when it is known to have a ready instance. If it is to be
//     passed over instead (`if_ready`), it is entered without the act.
//   - an act that takes instances from the old set, or COMMIT, while forward: when the new set is
//     known to be whole. RETIRE new, while going back: when the old set has a ready instance.
// A WEIGHT is satisfied when the traffic has followed, so nothing is taken from a set to which it
// may still go.
//
// So traffic is never sent to a set without a ready instance, and never taken from one before the
// other has one.
//
// Settling is on the set that the traffic favours if it has a ready instance, else on the other if
// that one has, else on the old.
#pragma once

#include "deploy/target.h"

// HELD: those that can tell have passed, and the others wait for data. It may become another one by
// itself; a promotion of the step goes on without.
enum gate_state { GATE_IDLE, GATE_RUNNING, GATE_HELD, GATE_PASSED, GATE_REJECTED };

// How the gates of the current step stand; drive.h asks the prober. A resumed GATE is IDLE: its
// window starts again from zero.
struct gate_status {
    enum gate_state state;
    char reason[400]; // REJECTED, HELD: what was seen and what was wanted
};

enum decision_kind {
    DECIDE_NOTHING, // no rollout is under way
    DECIDE_WRITE,   // `write` the position (and the step's act)
    DECIDE_PROBE,   // start the gates of the current step on its set
    DECIDE_WAIT,    // until something changes, or `until`
    DECIDE_FINISH,  // all is written: finish with `outcome`
    DECIDE_PARK,    // a pause for promotion, or a requested one: end the process; anybody resumes
};

struct decision {
    enum decision_kind kind;
    struct position position; // WRITE
    bool has_act;             // WRITE: the act of `step`
    struct step step;         // WRITE, PROBE
    int64_t until_unix_ms;    // WAIT; INT64_MAX: no deadline
    enum outcome outcome;     // FINISH
};

typedef void decide_fn(const struct snapshot *seen, const struct gate_status *gates,
    int64_t now_unix_ms, struct decision *ret);
decide_fn decide;

// The program of a phase; NONE has no steps. The caller's, by program_done().
void phase_program(const struct rollout *r, enum phase phase, struct program *ret);

// -1 with ERR_PROTOCOL when the snapshot holds a rollout under way whose position is in no program
// of its. decide() must not be given such a one.
int snapshot_check(const struct snapshot *seen, struct error *err);
