// Small questions about text that several rooms ask.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Length of the first invalid position: `length` when all of it is well-formed UTF-8 (RFC 3629: no
// surrogates, no overlong forms, nothing above U+10FFFF).
size_t utf8_valid_prefix(const char *text, size_t length);
// Terminal columns that the text takes, counting every code point as one and a tab as one.
size_t utf8_width(const char *text, size_t length);
// Puts '?' for each byte of a control character (C0, DEL, C1) and for what is no UTF-8.
void text_make_printable(char *text);

// Shell-style patterns on paths and names: `?` and `*` stop at a slash, `**` as a whole component
// crosses them
// ("a/**/b" matches "a/b"), [a-z] and [!a-z] are classes, a backslash quotes. Linear-ish: failures
// prune, so no pattern is exponential.
bool glob_match(const char *pattern, const char *text);
bool glob_is_literal(const char *pattern);

// The candidate nearest to `word`, for "did you mean"; NULL when none is near enough to be worth
// saying. Candidates end with NULL.
const char *suggest(const char *word, const char *const *candidates);

// "90s", "1m30s", "250ms", "2h", "1d": units ms, s, m, h, d, each at most once, largest first,
// whole numbers, at most ten years. False when the text is not that.
bool duration_parse(const char *text, int64_t *ret_ms);
// The shortest exact form ("1m30s", "0s"); `buffer` is returned.
#define DURATION_TEXT_MAX 48
const char *duration_print(int64_t ms, char buffer[static DURATION_TEXT_MAX]);

// A whole decimal number within [min, max] and nothing else.
bool int_parse(const char *text, int64_t min, int64_t max, int64_t *ret);
// A finite decimal number, as JSON or PromQL write it ("0.01", "-1e3"), and nothing else.
bool number_read(const char *text, double *ret);
// "64KiB", "1.5 GiB"-like figures are for people: bytes as a short text with a binary unit.
#define SIZE_TEXT_MAX 24
const char *size_print(uint64_t bytes, char buffer[static SIZE_TEXT_MAX]);
// "512MiB", "2GiB", "100k" (1000), plain bytes; false when it is not that.
bool size_parse(const char *text, uint64_t *ret);
