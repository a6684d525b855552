// Runs whose worker has died: nothing of them is left running, and the journal says so. They are
// never rerun by themselves.
#pragma once

#include "engine/launcher.h"
#include "store/runs.h"

// An app whose rollout the dead worker was driving: it can be resumed from what the target says.
// `named` are the words by which `davit resume` knows it: the app, on Kubernetes with options.
typedef void settle_app_fn(void *arg, const struct strv *named);

// Records a run that has not ended by the journal as an error, and removes what its worker left
// on this machine. `app` may be NULL.
int settle_run(struct launcher *launcher, struct db *db, int64_t run_id, settle_app_fn *app,
    void *arg, struct error *err);
// For whoever looks at the runs: all of those whose worker does not live, but for those of the
// daemon's in which a rollout was under way, which it settles itself, and resumes the rollout. What
// fails is logged: one can look all the same.
void settle_all(struct launcher *launcher, struct db *db);

// What no one needs once a run has ended: its checkout, workspaces and artifacts. Logs stay.
void settle_directory(const struct state *state, int64_t run_id);
