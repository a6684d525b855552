#include "os/clock.h"

#include <time.h>

static int64_t now_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t clock_monotonic_ns(void)
{
    return now_ns(CLOCK_MONOTONIC);
}

int64_t clock_monotonic_ms(void)
{
    return now_ns(CLOCK_MONOTONIC) / 1000000;
}

int64_t clock_unix_ms(void)
{
    return now_ns(CLOCK_REALTIME) / 1000000;
}

const char *clock_print(int64_t unix_ms, char buffer[static CLOCK_TEXT_MAX])
{
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    strftime(buffer, CLOCK_TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", &utc);
    return buffer;
}
