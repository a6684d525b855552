// Scalars that are more than a string: whether a text is one, and if not, what to write instead.
// The schema of files and the types of `env:` entries share these.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum scalar {
    SCALAR_INT,      // a whole decimal number of 64 bits; no leading zeros, so never octal
    SCALAR_BOOL,     // true or false
    SCALAR_PORT,     // 1 to 65535
    SCALAR_DURATION, // "1m30s" → milliseconds
    SCALAR_SIZE,     // "512MiB" → bytes
    SCALAR_CPU,      // "1.5" → percent of one CPU: at least 1, at most two decimals
    SCALAR_URL,      // "scheme://host…" → 0
};
const char *scalar_wants(enum scalar type); // "an int", "a duration such as 90s, 1m30s or 2h", …

bool scalar_read(enum scalar type, const char *text, int64_t *ret);

// For a text that is not of `type`: what it is, and what to write, as in `"30" has no unit: write
// 30s`. `*ret_is`, which may be NULL, is the type that the text has, or -1.
#define SCALAR_ADVICE_MAX 256
const char *scalar_advice(
    enum scalar type, const char *text, char buffer[static SCALAR_ADVICE_MAX], int *ret_is);
