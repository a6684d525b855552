// Tells at once when the refs of repositories on this machine may have changed, by inotify(7).
//
// It does not read refs and does not know what changed: whoever is told lists them
// (davit-git refs) and compares (refs.h). It is told too often rather than too late: packing moves
// no branch and still rewrites packed-refs. On file systems where other machines write (NFS)
// inotify sees nothing: those want polling.
#pragma once

#include "os/loop.h"

struct watch;

// The refs of `repository` (as it was given to watch_add) may have changed, or it has vanished, or
// has come back. At most one call a turn of the loop and repository. `why`: parts of it cannot be
// watched any more, so that it must be polled; NULL otherwise. May call watch_add() and
// watch_remove(), for its own repository too.
typedef void watch_fn(void *arg, const char *repository, const struct error *why);

struct watch *watch_new(struct loop *loop, watch_fn *changed, void *arg, struct error *err);
void watch_free(struct watch *watch); // accepts NULL; not from the callback

// Watches a repository, bare or with a directory .git, by its absolute path without a slash at the
// end. It may be absent yet: it is noticed when it comes. Only what changes from now on is told:
// call this first, then list. -1: nothing of it is watched; ERR_LIMIT names the limit to raise,
// ERR_CONFLICT: it is watched already.
int watch_add(struct watch *watch, const char *repository, struct error *err);
void watch_remove(struct watch *watch, const char *repository); // an unknown one is fine
