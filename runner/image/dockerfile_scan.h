// From the bytes of a Dockerfile to its logical lines. Only for dockerfile.c.
#pragma once

#include "image/dockerfile.h"

struct docker_scanner {
    const struct diag_source *source;
    size_t at;
    char escape;
};
// The parser directives at the top: "# escape=`"; "# syntax=…" and "# check=…" are accepted.
void docker_scan_directives(struct docker_scanner *s, struct diag_list *diags);
// The next instruction, its continuation lines joined, comments left out; false at the end.
bool docker_scan_line(struct docker_scanner *s, struct docker_text *ret);

// The word at *at (blanks before it are skipped), which is left behind it; false when there is
// none. With `quoted`, quotes and escapes hold blanks together (and stay in the text).
bool docker_scan_word(
    const struct docker_text *line, size_t *at, bool quoted, char escape, struct docker_text *ret);
// What is left from `at` on, without blanks around it.
struct docker_text docker_scan_rest(const struct docker_text *line, size_t at);
