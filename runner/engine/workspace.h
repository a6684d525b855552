// A stage's workspace: an overlay of its own over the artifacts of its needs over the checkout.
//
// On disk, below the run's directory: stages/NAME/{upper,work} while it runs, artifacts/NAME once
// it has succeeded. Parallel stages cannot disturb each other, and a user's checkout is never
// written.
#pragma once

#include "engine/launcher.h"
#include "pipeline/model.h"

#define WORKSPACE "/workspace"

struct workspace {
    struct strv lowers;    // artifacts of needs (nearest first), then the checkout
    size_t foreign_lowers; // the checkout's index when it belongs to a person, else lowers.length
    char *writable;        // stages/NAME
};
void workspace_done(struct workspace *w);

// What a workspace is made of, for whoever only reads it: artifacts of the needs, then the
// checkout. The same order as in `lowers`.
void workspace_directories(const struct launcher *l, int64_t run_id, const struct strv *needs,
    const char *checkout, struct strv *ret);
// `needs`: names of all stages that this one needs, directly or not, nearest first.
int workspace_make(const struct launcher *l, int64_t run_id, const char *stage,
    const struct strv *needs, const char *checkout, bool checkout_foreign, struct workspace *ret,
    struct error *err);
// Moves what `artifacts` names (paths and globs) out of the upper directory. A path that exists
// nowhere is an error; one that the stage left as it was costs nothing.
int workspace_take_artifacts(const struct launcher *l, int64_t run_id, const char *stage,
    const struct workspace *w, const struct strv *artifacts, struct error *err);
// Removes the stage's upper and work directories.
int workspace_remove(const struct workspace *w, struct error *err);
