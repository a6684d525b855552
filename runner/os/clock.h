// The clocks. Deadlines are on the monotonic clock, in milliseconds; dates that people and other
// machines see are Unix time.
#pragma once

#include <stdint.h>

int64_t clock_monotonic_ms(void);
int64_t clock_monotonic_ns(void);
int64_t clock_unix_ms(void);

// "2026-11-22T23:48:48Z"
#define CLOCK_TEXT_MAX 32
const char *clock_print(int64_t unix_ms, char buffer[static CLOCK_TEXT_MAX]);
