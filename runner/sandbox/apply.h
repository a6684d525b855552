// The child's part of a plan, after it was cloned into its namespaces and its ids were mapped.
#pragma once

#include "sandbox/plan.h"

// Builds the root and enters it. Runs in the child, which is single-threaded; every descriptor that
// it opens is close-on-exec. *err names the operation that failed.
int sandbox_apply(const struct sandbox_plan *plan, struct error *err);
