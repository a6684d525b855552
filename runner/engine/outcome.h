// How the outcome of a rollout (deploy/role.h) ends a stage or a verb: one table.
#pragma once

#include "base/error.h"
#include "store/runs.h"

struct outcome_end {
    const char *outcome;
    enum status status;
    enum exit_code exit_code;
};
// NULL for a word that davit-deploy does not say.
const struct outcome_end *outcome_end(const char *outcome);
