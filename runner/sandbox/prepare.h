// Detached mounts of the host paths that a plan shows: made before the host's tree is out of sight.
//
// As root this is the parent's work (the child, already of other ids, could not reach them, and
// only root may map ids); else the child's, in the mount namespace that it owns. Either way the
// child only attaches what is here.
#pragma once

#include "sandbox/plan.h"

int sandbox_prepare(struct sandbox_plan *plan, struct error *err);
// Closes what prepare opened; fine to call when it failed half-way.
void sandbox_prepare_done(struct sandbox_plan *plan);

// A user namespace in which a mount's owner `uid`:`gid` is SANDBOX_ID_BASE (for uid 0: the whole
// range, shifted). The descriptor is kept for the process's life and not the caller's to close. -1
// with *err.
int sandbox_idmap(uid_t uid, gid_t gid, struct error *err);
