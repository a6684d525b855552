// The clocks. Deadlines are on the monotonic clock, in milliseconds; dates that people and other
// machines see are Unix time.
#pragma once

#include <stdbool.h>
#include <stdint.h>

int64_t clock_monotonic_ms(void);
int64_t clock_monotonic_ns(void);
int64_t clock_unix_ms(void);

// "2026-11-22T23:48:48Z"
#define CLOCK_TEXT_MAX 32
const char *clock_print(int64_t unix_ms, char buffer[static CLOCK_TEXT_MAX]);
// A date as RFC 3339 has it ("2026-11-22T23:48:48Z", "…48.250+02:00"); what is finer than a
// millisecond is cut off. False when the text is not that; NULL is not.
bool clock_parse(const char *text, int64_t *ret_unix_ms);
