// The state directory: everything that davit keeps on this machine.
//
//     davit.db            runs, stages, events, the queue (store/runs.h)
//     runs/ID/            one run: lock, checkout, stages/NAME/{upper,work}, artifacts/NAME,
//     logs/NAME.log cache/HEX/          what stages keep between runs (engine/cache.h) images/ the
//     OCI layout and its extracted layers (image/store.h) apps/APP/           an app's agent
//     (deploy/agent.h)
#pragma once

#include "base/error.h"
#include "base/memory.h"

struct state {
    char *path; // absolute
    int dir;    // of it
};

// Opens it, making it when missing. `path` NULL: $DAVIT_STATE, else /var/lib/davit for root, else
// $XDG_STATE_HOME/davit, else ~/.local/state/davit. A directory that others may write is refused.
int state_open(const char *path, struct state *ret, struct error *err);
// The path that state_open would take, without touching it; the caller's. NULL when there is no
// home either.
char *state_default_path(void);
void state_done(struct state *state);
// An absolute path below it, printf-like; the caller's.
char *state_path(const struct state *state, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
DEFINE_AUTO(state, struct state, state_done)
