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

struct drive_result {
    enum outcome outcome; // PENDING: parked
    struct position position;
    struct value *verdicts; // of all gates that ran; the caller's
    int64_t switch_ms;      // of the write that moved the traffic last; -1 when none did
};
void drive_result_done(struct drive_result *r);

// Runs the rollout that is under way at the target to its end. The caller has claimed it.
// ERR_CONFLICT when somebody else took it over: then nothing was written after that. Transient
// failures of the target are retried with back-off.
int drive_rollout(struct target *t, int64_t epoch, struct prober *gates,
    const struct drive_events *events, struct drive_result *ret, struct error *err);
