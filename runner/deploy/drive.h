// The driver: observes, decides, acts, until a rollout has ended. It holds no state that it could
// not read again from the target: killed anywhere, another drive_rollout() goes on from there.
#pragma once

#include "deploy/gate.h"

struct drive_events { // what the driver tells while it works; every slot may be NULL
    void *arg;
    // A step is entered (or written again). Called before the write.
    void (*step)(void *arg, enum phase phase, int index, const struct step *step);
    void (*note)(void *arg, const char *line);
};

struct drive {
    struct target *target; // claimed by the caller
    int64_t epoch;         // of that claim
    struct prober *gates;
    const struct drive_events *events; // may be NULL
    decide_fn *decide;                 // decide(); tests put a wrong one here, to see it caught
};

struct drive_result {
    enum outcome outcome;     // PENDING: parked, unless there has never been a rollout
    struct position position; // as last seen while one was under way; else its phase is NONE
    struct value *verdicts;   // a list, of all gates that ran
    struct rollout_times times;
};
void drive_result_done(struct drive_result *r);

// Runs the rollout that is under way at the target to its end, or until it parks. When none is
// under way, the outcome is that of the one that ended last: a driver before may have died after
// its last write.
//
// What is retryable is tried again with a capped back-off; DRIVE_PATIENCE_MS without any success
// end it with the first error. ERR_CONFLICT when somebody else took the rollout over: nothing was
// written after that was known. After any error the rollout stands where it stands, to be resumed.
// *ret is filled in any case.
#define DRIVE_PATIENCE_MS (10 * 60 * 1000)
int drive_rollout(const struct drive *d, struct drive_result *ret, struct error *err);
