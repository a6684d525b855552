// What davit-deploy is told to carry out for a stage (deploy/role.h, "deploy").
#pragma once

#include "engine/run_private.h"

// The stage's environment when that is on Kubernetes, else NULL.
const struct environment *deploy_cluster(const struct stage_run *s);
// Where the app of a stage lives, for whoever resumes its rollout: {"app", "cluster"?: {"context"?,
// "namespace"?}}. The caller's.
struct value *deploy_place(const struct pipeline *p, const struct stage *stage);
// {"context"?, "namespace"?} of an environment on Kubernetes. The caller's.
struct value *deploy_cluster_value(const struct environment *environment);
// The job `op` and the descriptor that goes with it (-1: none), both the caller's. s->image is
// known.
int deploy_job(
    struct stage_run *s, const char *op, struct value **ret_job, int *ret_fd, struct error *err);
