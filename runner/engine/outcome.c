#include "engine/outcome.h"

#include <string.h>

static const struct outcome_end ends[] = {
    {"success", STATUS_SUCCESS, EXIT_OK},
    {"parked", STATUS_SUCCESS, EXIT_OK}, // waits for `davit promote`; no process does
    {"rolled back", STATUS_FAILURE, EXIT_ROLLED_BACK},
    {"failed", STATUS_FAILURE, EXIT_STAGE_FAILED},  // and there was nothing to go back to
    {"refused", STATUS_FAILURE, EXIT_STAGE_FAILED}, // `davit allow`
    {"cancelled", STATUS_CANCELLED, EXIT_CANCELLED},
    {"rollback failed", STATUS_FAILURE, EXIT_ROLLBACK_FAILED},
};

const struct outcome_end *outcome_end(const char *outcome)
{
    for (size_t i = 0; outcome && i < ARRAY_LEN(ends); i++)
        if (strcmp(ends[i].outcome, outcome) == 0)
            return &ends[i];
    return NULL;
}
