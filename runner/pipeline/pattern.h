// Patterns that a pipeline file gives: POSIX extended regular expressions, kept to what can be
// compiled and matched in little time and memory. (A few bytes such as ((a{255}){255}){255} would
// take all of both.)
#pragma once

#include <regex.h>
#include <stdbool.h>

#define PATTERN_MAX      500  // bytes of a pattern
#define PATTERN_MAX_TEXT 2000 // bytes of what is matched against one; more never matches
#define PATTERN_WHY_MAX  160

// `whole`: the pattern must match all of a text, not a part. False with why in words. regfree()
// what was returned.
bool pattern_compile(
    const char *pattern, bool whole, regex_t *ret, char why[static PATTERN_WHY_MAX]);
// Whether all of text matches; true for a pattern that does not compile.
bool pattern_matches(const char *pattern, const char *text);

// How much work compiling the pattern and matching a text of `length` is at worst, in units of some
// 20 ns. A file with many patterns is held to PATTERN_WORK_MAX by adding these up.
#define PATTERN_WORK_MAX ((size_t)20 << 20)
size_t pattern_work(const char *pattern, size_t length);
