// Inside of the room: whether a value is what its schema entry asks for.
#pragma once

#include "base/str.h"
#include "pipeline/model.h"

// The entry that says what values of a name must be: the strongest of stage, environment and
// pipeline that has a schema. NULL: nobody says. Each table may be NULL.
const struct env_entry *env_schema(const struct pipeline *p, const struct environment *environment,
    const struct stage *stage, const char *name);

// What is wrong with the value, as "must be an int; "30s" is a duration: write 30, or declare type:
// duration", appended to why; true when nothing is. A secret's value is never in the text.
#define ENV_WHY_MAX 600
bool env_value_check(const struct env_entry *schema, const char *value, struct str *why);
