// Drivers of the modelled world: each is a target handle (and a prober) of its own, as each real
// driver has its own connection. Here is where calls fail, answers get lost and drivers die.
#pragma once

#include "deploy/gate.h"
#include "support/model_world.h"

enum fault {
    FAULT_NONE,
    FAULT_KILL,        // the driver dies before the call has an effect
    FAULT_KILL_AFTER,  // … after it
    FAULT_LOSE,        // the call never arrives; an error comes back
    FAULT_LOSE_ANSWER, // it has its effect, and an error comes back
    FAULT_LATE,        // an error comes back, and it has its effect (or tries) some time later
    FAULT_TORN,        // the position is stored, the act is not done, an error comes back
    FAULT_OUTAGE,      // the target is dead for a while
    FAULT_STALL,   // the driver sleeps; meanwhile another takes over, to the end or its own death
    FAULT_ABORT,   // a person requests an abort
    FAULT_PREEMPT, // a person runs `davit rollback`
    FAULT_PROMOTE, // a person promotes, whether it pauses or not
    FAULT_CRASH,   // the world takes a ready instance that has traffic
    FAULT_COUNT,
};
const char *fault_name(enum fault fault);

struct fault_at {
    int call; // the how-manieth call of a target, from 0
    enum fault fault;
};

struct model;
// Runs another driver while one is in a call; see FAULT_STALL and FAULT_PREEMPT.
typedef void model_intrude_fn(struct model *m, bool preempt);

// One run of the world with its drivers.
struct model {
    struct world world;
    decide_fn *decide; // of all drivers
    int drivers;
    int calls;
    bool intruding; // another driver runs within a driver's call: one is enough
    model_intrude_fn *intrude;
    // Faults: either these, or by chance.
    const struct fault_at *script;
    size_t script_length;
    unsigned chance;          // per cent of calls; 0: none
    int budget;               // how many more by chance
    unsigned deaf;            // per cent of waits that end late: the watch was lost
    unsigned lagging;         // per cent of observations that show the past
    enum gate_state gates[2]; // what they say, by phase: PASSED or REJECTED
};

struct model_driver {
    struct target target; // the first member
    struct prober prober;
    struct model *model;
    int id;
    int64_t epoch; // of its claim
    bool dead;
    bool fenced;         // was told that another epoch rules
    int64_t seen_at;     // what it last saw is of then
    bool nobody_seen;    // and showed nobody ready
    int64_t gates_until; // 0: none are running
    enum gate_phase gate_phase;
};

void model_driver_init(struct model_driver *d, struct model *m);
