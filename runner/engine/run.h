// One run from its beginning to its end: the worker.
//
// `davit run` makes a run of the checkout that it stands in; a worker of the daemon takes one from
// the queue. Either way the worker owns the run: its loop, its deadlines, its logs, its rows in the
// database.
#pragma once

#include "engine/kube_preview.h"
#include "engine/launcher.h"
#include "engine/plan.h"
#include "store/runs.h"

struct run;

struct run_options {
    const char *file;      // of the pipeline; NULL: the default
    const char *directory; // the checkout; NULL: here. Not for a queued run
    const char *dotenv;    // NULL: `.env` beside the pipeline file, if it is there
    const char *who, *why;
    const char *default_branch;       // of a queued run's repository; NULL: unknown
    const struct value *secret_files; // {NAME: path}, of server.yaml; NULL: none
    int live_fd;                      // where output is shown; -1: nowhere
    bool color;
    int64_t grace_ms; // between TERM and KILL
};
#define RUN_GRACE_MS 10000

// The files that a run was read from. The caller's: diagnostics point into them, and so does the
// run.
struct run_files {
    struct diag_source pipeline, dotenv;
    struct kube_previews *previews; // of its deploys to Kubernetes
};
void run_files_done(struct run_files *files);
DEFINE_AUTO(run_files, struct run_files, run_files_done)

// A run of a checkout, by hand. The pipeline is read and checked here, so that mistakes are told
// before anything exists: they go to diags, and NULL is returned with ERR_CONFIG when there are
// any. Without a database (db NULL) nothing is made: such a run can only be planned.
struct run *run_of_checkout(struct launcher *launcher, struct db *db,
    const struct run_options *options, struct run_files *files, struct diag_list *diags,
    struct error *err);
// A queued run, claimed by this call. The checkout is made and the pipeline read when it starts.
struct run *run_of_queue(struct launcher *launcher, struct db *db, int64_t id,
    const struct run_options *options, struct run_files *files, struct error *err);
void run_free(struct run *run); // accepts NULL

// Carries it out on the launcher's loop. Returns when everything has ended and is recorded; the
// exit code.
int run_execute(struct run *run);
// Asks it to end: TERM, grace, KILL; a second call kills at once. From a signal callback of the
// loop.
void run_cancel(struct run *run);

const struct run_record *run_record(const struct run *run);
const struct plan *run_plan(const struct run *run);
