#include "os/clock.h"

#include <stdio.h>
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

// ".250": up to three digits count. Returns what follows.
static const char *parse_fraction(const char *at, int *ret_ms)
{
    *ret_ms = 0;
    if (*at != '.')
        return at;
    int worth = 100;
    for (at++; *at >= '0' && *at <= '9'; at++, worth /= 10)
        *ret_ms += worth * (*at - '0');
    return at;
}

// "Z", "+02:00". False when it is neither.
static bool parse_offset(const char *at, int *ret_minutes)
{
    char sign[2];
    int hours, minutes, length = 0;
    *ret_minutes = 0;
    if ((*at == 'Z' || *at == 'z') && !at[1])
        return true;
    if (sscanf(at, "%1[+-]%2d:%2d%n", sign, &hours, &minutes, &length) != 3 || at[length])
        return false;
    *ret_minutes = (hours * 60 + minutes) * (*sign == '-' ? -1 : 1);
    return true;
}

bool clock_parse(const char *text, int64_t *ret_unix_ms)
{
    struct tm utc = {0};
    int ms, offset;
    const char *rest = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &utc) : NULL;
    if (!rest || !parse_offset(parse_fraction(rest, &ms), &offset))
        return false;
    *ret_unix_ms = ((int64_t)timegm(&utc) - offset * 60) * 1000 + ms;
    return true;
}
