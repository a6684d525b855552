// Manifests that a command prints: `manifests: {render: helm template …}`. It runs as a `run` stage
// would, in the same sandbox on the same workspace, without network, and without the app's secrets:
// what it prints is kept with the release.
#pragma once

#include <stdbool.h>

#include "base/error.h"

struct stage_run;
struct render;

typedef void render_ended_fn(struct stage_run *s);

// Whether a command of the stage's manifests has not run yet.
bool render_wanted(const struct stage_run *s);
// Runs the next one; what it printed is then the next item of s->rendered, and `ended` is called.
// A failure is the stage's: stage_end() is called instead. -1 when it could not begin.
int render_start(struct stage_run *s, render_ended_fn *ended, struct error *err);
void render_cancel(struct render *r);
void render_free(struct render *r); // accepts NULL
