// Variables in the words of a Dockerfile: $x ${x} ${x:-w} ${x-w} ${x:+w} ${x+w} ${x:?w} ${x#p}
// ${x##p}
// ${x%p} ${x%%p} ${x/p/r} ${x//p/r}; quotes and the escape character as in a shell.
#pragma once

#include "image/dockerfile.h"

// What an instruction sees: names and values, in the order of their first setting.
struct variables {
    struct strv names, values; // in step
};
void variables_done(struct variables *v);
DEFINE_AUTO(variables, struct variables, variables_done)
const char *variables_get(const struct variables *v, const char *name); // NULL when unset
void variables_set(struct variables *v, const char *name, const char *value);
void variables_copy(struct variables *to, const struct variables *from);

// The word without quotes and with its variables replaced (an unset one is empty); the caller's.
// NULL when a mistake went to diags.
char *expand_word(const struct docker_text *word, const struct dockerfile *file,
    const struct variables *variables, struct diag_list *diags);
