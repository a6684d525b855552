// The daemon's workers: processes that outlive it. It starts one per queued run, finds those of an
// earlier daemon again, and cleans up after one that died.
#pragma once

#include "codec/value.h"
#include "engine/launcher.h"
#include "serve/reaper.h"
#include "store/runs.h"

struct workers;

// `changed` is called whenever a worker has ended.
typedef void workers_changed_fn(void *arg);
struct workers *workers_new(struct launcher *launcher, struct db *db, struct reaper *reaper,
    workers_changed_fn *changed, void *arg, struct error *err);
void workers_free(struct workers *w); // accepts NULL; the workers live on

// Takes up the runs that are under way by the database: watches those whose worker lives, and
// settles the others.
int workers_adopt(struct workers *w, struct error *err);
// Starts the worker of a queued run; `order` is what it may know (see cli/cmd_run.c) and is taken.
int workers_start(struct workers *w, int64_t run_id, struct value *order, struct error *err);
size_t workers_count(const struct workers *w);
// Whether one was started for this run, also while it has not claimed it yet.
bool workers_has(const struct workers *w, int64_t run_id);
