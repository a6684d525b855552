// A stage's output: masked, kept in a log file with each line's time, and shown live with the
// stage's name before it.
#pragma once

#include <stdint.h>

#include "codec/mask.h"

// A stage may write this much to its log; what follows is dropped with a notice.
#define OUTPUT_LOG_MAX ((uint64_t)64 << 20)

struct output {
    const struct mask *mask; // lent
    int log_fd;              // owned; -1: no file
    int live_fd;             // -1: not shown; not owned
    char *prefix;            // before each live line
    int64_t began_ms;        // monotonic: times in the log count from here
    uint64_t written;
    struct str pending;  // not yet decided by the mask
    struct str line;     // masked, not yet ended by a newline
    char last_line[200]; // the last one that was not empty: what a failure's reason quotes
    bool cut;
};

// Takes log_fd. `name` is padded to `width` for a tidy column.
void output_init(struct output *o, const struct mask *mask, int log_fd, int live_fd,
    const char *name, int width, bool color, int64_t began_ms);
void output_add(struct output *o, const char *bytes, size_t length);
// A line of davit's own, in between.
void output_note(struct output *o, const char *format, ...) __attribute__((format(printf, 2, 3)));
void output_end(struct output *o); // flushes an unfinished line
void output_done(struct output *o);
