// `${{ … }}` in davit's own fields: image references and tags, build arguments, cache keys and
// `env:` values. Script text is never rewritten.
//
//     ${{ git.sha }}  ${{ git.short_sha }}  ${{ git.branch }}  ${{ git.tag }}
//     ${{ env.NAME }}  ${{ hashFiles('go.sum', 'vendor/**') }}
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/str.h"
#include "base/vec.h"

enum expr_kind {
    EXPR_GIT_SHA,
    EXPR_GIT_SHORT_SHA,
    EXPR_GIT_BRANCH,
    EXPR_GIT_TAG,
    EXPR_ENV,        // args[0] is the name
    EXPR_HASH_FILES, // args are globs, at least one
};

struct expr {
    enum expr_kind kind;
    struct strv args;
    size_t offset, length; // of the whole `${{ … }}` in the text
};
void expr_done(struct expr *e);
DEFINE_AUTO(expr, struct expr, expr_done)

struct expr_fault {
    size_t offset, length; // in the text
    size_t open;           // where the expression begins
    char message[256];
};

// Finds the first expression at or behind *at. 1: *ret is filled (expr_done() it) and *at stands
// behind it. 0: there is none. -1: there is one that is wrong; *fault says how, and *at stands
// behind it.
int expr_next(const char *text, size_t *at, struct expr *ret, struct expr_fault *fault);
bool expr_any(const char *text); // whether `${{` is in it
// The environment variable that says the same in a script ("CI_COMMIT_SHA", "NAME"); NULL for
// hashFiles.
const char *expr_variable(const struct expr *e);

// Gives an expression's value by appending it to out. Where there is none (git.tag of a branch), an
// error says so: half a reference is worse than no image.
typedef int expr_lookup_fn(void *arg, const struct expr *e, struct str *out, struct error *err);
struct expr_lookup {
    expr_lookup_fn *value;
    void *arg;
};
// Appends text with every expression replaced. What a lookup gave is not looked at again.
int expr_expand(
    const char *text, const struct expr_lookup *lookup, struct str *out, struct error *err);
