// Gates: what must hold before and after the switch. Specs come from the pipeline file, verdicts go
// into the report.
#pragma once

#include "codec/value.h"
#include "deploy/decide.h"

// Runs gates for the driver. The real one (deploy/prober.h) probes over the network on the driver's
// loop; the model's answers by script.
struct prober;
struct prober_ops {
    // Begins afresh: the gates of `phase` on the instances of the set that is `set` in `seen`.
    int (*start)(struct prober *p, enum gate_phase phase, enum set set, const struct snapshot *seen,
        struct error *err);
    void (*stop)(struct prober *p); // idempotent
    void (*status)(struct prober *p, struct gate_status *ret);
    // Every verdict so far with its numbers: [{gate, instance, passed, seen, wanted, ms}]; the
    // caller's.
    struct value *(*verdicts)(struct prober *p);
};
struct prober {
    const struct prober_ops *ops;
};
