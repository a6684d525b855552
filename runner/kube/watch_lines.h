// A stream of lines: an event is one of them, in pieces as they come.
#pragma once

#include "base/str.h"

struct kube_lines {
    struct str part; // of a line whose end is not there yet
};
void kube_lines_init(struct kube_lines *l, size_t maximum); // of one line's length
void kube_lines_done(struct kube_lines *l);                 // accepts an all-zero struct

// The line is without its end, not terminated by a NUL, and lent. -1 ends it all.
typedef int kube_line_fn(void *arg, const char *line, size_t length, struct error *err);
// Calls `take` for each line that is complete now; empty ones are left out. -1 with take's error,
// or ERR_LIMIT.
int kube_lines_feed(struct kube_lines *l, const char *bytes, size_t length, kube_line_fn *take,
    void *arg, struct error *err);
