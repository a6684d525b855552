// What a verb prints: text for people, JSON for programs, colour only on a terminal.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "codec/value.h"

struct out {
    bool json;
    bool color; // stdout is a terminal and NO_COLOR is not set (no-color.org)
};
void out_init(struct out *out, bool json);

// At the end: whether all that was written to standard output got there. A reader that has gone is
// not an error.
int out_check(struct error *err);
// Text to standard output.
void out_text(const struct str *text);
// A value as indented JSON.
void out_value(const struct value *v);

// A table with aligned columns: the header, then rows of cells.
struct out_table {
    size_t columns;
    struct strv cells; // row by row
};
void out_table_row(
    struct out_table *t, const char *const *cells); // copies `columns` cells; NULL is "-"
void out_table_print(const struct out_table *t, struct str *out);
void out_table_done(struct out_table *t);

// "3m ago", "2026-11-22T23:48:48Z": how people read a time.
#define OUT_AGO_MAX 32
const char *out_ago(int64_t unix_ms, char buffer[static OUT_AGO_MAX]);
// "1.2s", "340ms", "-" for a negative one.
const char *out_elapsed(int64_t ms, char buffer[static OUT_AGO_MAX]);

#define OUT_BOLD  "\033[1m"
#define OUT_RED   "\033[31m"
#define OUT_GREEN "\033[32m"
#define OUT_RESET "\033[0m"
