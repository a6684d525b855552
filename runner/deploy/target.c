#include "deploy/target.h"

#include <stdlib.h>

const char *const instance_state_names[] = {
    [INSTANCE_STARTING] = "starting",
    [INSTANCE_READY] = "ready",
    [INSTANCE_DRAINING] = "draining",
    [INSTANCE_DOWN] = "down",
    NULL,
};

const char *const phase_names[] = {
    [PHASE_NONE] = "none",
    [PHASE_FORWARD] = "forward",
    [PHASE_BACK] = "back",
    [PHASE_SETTLE_OLD] = "settle on old",
    [PHASE_SETTLE_NEW] = "settle on new",
    NULL,
};

const char *const outcome_names[] = {
    [OUTCOME_PENDING] = "pending",
    [OUTCOME_SUCCESS] = "success",
    [OUTCOME_ROLLED_BACK] = "rolled back",
    [OUTCOME_FAILED] = "failed",
    [OUTCOME_CANCELLED] = "cancelled",
    [OUTCOME_ROLLBACK_FAILED] = "rollback failed",
    NULL,
};

const char *instance_state_name(enum instance_state state)
{
    return instance_state_names[state];
}

const char *phase_name(enum phase phase)
{
    return phase_names[phase];
}

const char *outcome_name(enum outcome outcome)
{
    return outcome_names[outcome];
}

void target_free(struct target *t)
{
    if (t)
        t->ops->free(t);
}

void target_probe_done(struct target_probe *p)
{
    free(p->url);
    p->url = NULL;
    strv_done(&p->headers);
}
