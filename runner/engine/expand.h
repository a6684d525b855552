// Values for `${{ }}` in davit's own fields.
#pragma once

#include "engine/context.h"
#include "pipeline/environment.h"

struct expander {
    const struct context *context;
    const struct env_values *env; // may be NULL: env.NAME is then an error
    int checkout;                 // directory for hashFiles; -1: hashFiles is an error
};
// The same as a lookup for others who expand; e must outlive it.
struct expr_lookup expander_lookup(struct expander *e);
// The text with its expressions replaced, the caller's; NULL with *err.
char *expand(const struct expander *e, const char *text, struct error *err);
