// From a checkout or a queued run to a checked plan: the commit, the pipeline file, the
// environment.
#pragma once

#include "engine/run_private.h"

// A person's checkout: finds its top, asks davit-git about it (a directory without a repository is
// fine), reads the pipeline file, resolves the environment. Blocks on the launcher's loop.
int load_checkout(struct run *run, struct diag_list *diags, struct error *err);

// A queued run: makes the checkout of its commit below the run's directory. `ready` is called from
// the loop.
int load_start_clone(struct run *run, role_ended_fn *ready, struct error *err);
// Then: takes what davit-git said of the commit, and reads the pipeline file in the checkout.
int load_cloned(
    struct run *run, const struct value *cloned, struct diag_list *diags, struct error *err);
