// What to do next: a function from a rollout's position and what was observed to one action. No
// clock, no network.
//
// The rules, in order:
//   1. No rollout under way: nothing to do.
//   2. Forward, and an abort was requested: go back (aborted).
//   3. Forward, and the new set is doomed, or a gate failed, or an AWAIT passed its deadline: go
//   back with the reason.
//      Going back is setting the position to {BACK, 0}; the act of its first step is written with
//      it.
//   4. The current step is satisfied by what is observed: go to the next one, writing its act with
//   the new position.
//   5. An act that is not visible in the observation (its write was lost, or it never happened) is
//   written again.
//   6. Otherwise wait: until something changes, or until the step's deadline.
//   7. Back, and an AWAIT passes its deadline: the traffic stays where somebody is ready;
//   OUTCOME_ROLLBACK_FAILED.
// Traffic is never sent to a set without a ready instance, and never taken from one before the
// other has one.
#pragma once

#include "deploy/target.h"

enum gate_state { GATE_IDLE, GATE_RUNNING, GATE_PASSED, GATE_REJECTED };

// How the gates of the current step stand; drive.h asks the prober.
struct gate_status {
    enum gate_state state;
    char reason[400]; // REJECTED: what was seen and what was wanted
};

enum decision_kind {
    DECIDE_WRITE,  // `write` the position (and the step's act)
    DECIDE_PROBE,  // start the gates of the current step on its set
    DECIDE_WAIT,   // until something changes, or `until`
    DECIDE_FINISH, // all is written: finish with `outcome`
    DECIDE_PARK,   // a pause for promotion: end the process; anybody resumes
};

struct decision {
    enum decision_kind kind;
    struct position position; // WRITE
    bool has_act;             // WRITE: the act of `step`
    struct step step;         // WRITE, PROBE
    int64_t until_unix_ms;    // WAIT; INT64_MAX: no deadline
    enum outcome outcome;     // FINISH
};

void decide(const struct snapshot *seen, const struct gate_status *gates, int64_t now_unix_ms,
    struct decision *ret);
