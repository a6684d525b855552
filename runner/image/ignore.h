// .dockerignore: which files of a build context do not count.
//
// A `#` in column 0 is a comment; patterns are trimmed, cleaned, and have their leading slash
// removed; `*` and `?` stop at a slash, `**` does not; `!` takes back what an earlier pattern has
// excluded; the last pattern that matches decides. What matches a directory counts for all below
// it, pattern by pattern.
#pragma once

#include "base/diag.h"
#include "base/vec.h"

struct ignore {
    VEC(struct ignore_pattern {
        char *text; // cleaned
        bool negated;
    })
    patterns;
    bool negations;
};

// Patterns that make no sense are reported to diags.
void ignore_parse(const struct diag_source *source, struct ignore *ret, struct diag_list *diags);
void ignore_done(struct ignore *ignore); // accepts an all-zero one
DEFINE_AUTO(ignore, struct ignore, ignore_done)

// Is `path` (clean, relative) excluded? `parent` holds, for each pattern, whether it matched the
// directory that path is in (NULL: path is at the top), and `ret_matched` (patterns.length flags)
// the same for what is below path.
bool ignore_match(
    const struct ignore *ignore, const char *path, const bool *parent, bool *ret_matched);
