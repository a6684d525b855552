// Base64 (RFC 4648, section 4).
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

// Appends it, padded, on one line.
void base64_encode(const void *bytes, size_t length, struct str *out);
// Appends the bytes. White space between digits is skipped, padding may be missing; false for
// anything else, and for what does not fit.
bool base64_decode(const char *text, struct str *out);
