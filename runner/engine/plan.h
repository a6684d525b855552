// What a run would do, and why: which stages run, with which environment, in which sandbox, and for
// a deploy the steps.
//
// A plan opens no connection and writes nothing. The worker carries out the same plan that `davit
// plan` prints.
#pragma once

#include "engine/context.h"
#include "pipeline/environment.h"

struct plan_stage {
    const struct stage *stage;
    bool selected;
    char *why;             // "runs: …" or "skipped: …", one line
    bool push;             // build: the image is pushed
    struct env_values env; // resolved; empty for a stage that is not selected
};

struct plan {
    const struct pipeline *pipeline; // lent, as is context
    const struct context *context;
    VEC(struct plan_stage) stages; // in the file's order
};

// Mistakes in the environment (missing, ill-typed) go to diags; -1 then.
int plan_make(const struct pipeline *pipeline, const struct context *context,
    const struct env_sources *sources, struct plan *ret, struct diag_list *diags);
void plan_done(struct plan *plan);
DEFINE_AUTO(plan, struct plan, plan_done)

// All names that stage `index` needs, directly or not, nearest first.
void plan_needs(const struct plan *plan, size_t index, struct strv *ret);
