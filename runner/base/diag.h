// Diagnostics: mistakes in a text that a person wrote, collected while reading on, printed
// together.
//
//     .davit.yaml:12:7: error: unknown key "neds" in stage "test"; did you mean "needs"?
//        12 |       neds: [deps]
//           |       ^~~~
//
// A place is a byte offset into a source; lines and columns are computed only to print.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "base/vec.h"

// A text that diagnostics point into. Neither field is owned.
struct diag_source {
    const char *path; // as shown to the person
    const char *text;
    size_t length;
};

struct diag_place {
    size_t offset;
    size_t length; // of what the caret underlines; 0 underlines one column
};

enum diag_severity { DIAG_ERROR, DIAG_WARNING, DIAG_NOTE };

struct diag {
    enum diag_severity severity;
    const struct diag_source *source; // NULL: about the whole (then place is ignored)
    struct diag_place place;
    char *message;
};

// All-zero is empty. At most DIAG_MAX are kept, so that hostile input cannot fill memory; `dropped`
// counts the rest.
#define DIAG_MAX 100
struct diag_list {
    VEC(struct diag) items;
    size_t errors;
    size_t dropped;
};

void diag_add(struct diag_list *list, enum diag_severity severity, const struct diag_source *source,
    struct diag_place place, const char *format, ...) __attribute__((format(printf, 5, 6)));
#define diag_error(list, source, place, ...) diag_add(list, DIAG_ERROR, source, place, __VA_ARGS__)
void diag_done(struct diag_list *list);

// Orders by source, then place; what points at one place keeps its order. Notes stay behind what
// they explain.
void diag_sort(struct diag_list *list);

// 1-based; columns count code points. An offset at or past the end is the end.
struct diag_position {
    size_t line, column;
};
struct diag_position diag_position(const struct diag_source *source, size_t offset);

// Every diagnostic with its line and caret. `color` uses SGR sequences.
void diag_print(const struct diag_list *list, bool color, struct str *out);
const char *diag_severity_name(enum diag_severity severity);

DEFINE_AUTO(diag, struct diag_list, diag_done)
