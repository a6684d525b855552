#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

static const struct {
    const char *name;
    int64_t ms;
} units[] = {
    {"d", 86400000},
    {"h", 3600000},
    {"m", 60000},
    {"s", 1000},
    {"ms", 1},
};

#define DURATION_MAX_MS (3653 * INT64_C(86400000))

bool int_parse(const char *text, int64_t min, int64_t max, int64_t *ret)
{
    const char *digits = *text == '-' ? text + 1 : text;
    if (!isdigit((unsigned char)*digits))
        return false;
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (errno || *end || n < min || n > max)
        return false;
    *ret = n;
    return true;
}

bool number_read(const char *text, double *ret)
{
    char *end;
    if (!*text || text[strspn(text, "0123456789+-.eE")] != '\0')
        return false;
    double number = strtod(text, &end);
    if (*end || !isfinite(number))
        return false;
    *ret = number;
    return true;
}

bool duration_parse(const char *text, int64_t *ret_ms)
{
    int64_t total = 0;
    size_t next_unit = 0;
    const char *p = text;
    if (*p == '\0')
        return false;
    while (*p) {
        if (!isdigit((unsigned char)*p))
            return false;
        char *end;
        errno = 0;
        long long n = strtoll(p, &end, 10);
        size_t length = strspn(end, "dhms");
        size_t u = next_unit;
        while (u < ARRAY_LEN(units) &&
               (strlen(units[u].name) != length || strncmp(units[u].name, end, length) != 0))
            u++;
        int64_t part;
        if (errno || u == ARRAY_LEN(units) || __builtin_mul_overflow(n, units[u].ms, &part) ||
            part > DURATION_MAX_MS - total)
            return false;
        total += part;
        next_unit = u + 1;
        p = end + length;
    }
    *ret_ms = total;
    return true;
}

const char *duration_print(int64_t ms, char buffer[static DURATION_TEXT_MAX])
{
    size_t at = 0;
    buffer[0] = '\0';
    for (size_t u = 0; u < ARRAY_LEN(units); u++) {
        int64_t n = ms / units[u].ms;
        ms %= units[u].ms;
        if (n)
            at += (size_t)snprintf(
                buffer + at, DURATION_TEXT_MAX - at, "%" PRId64 "%s", n, units[u].name);
    }
    if (at == 0)
        memcpy(buffer, "0s", sizeof "0s");
    return buffer;
}

static const struct {
    const char *name;
    uint64_t bytes;
} sizes[] = {
    {"", 1},
    {"B", 1},
    {"k", 1000},
    {"K", 1024},
    {"KiB", 1024},
    {"Ki", 1024},
    {"M", 1 << 20},
    {"MiB", 1 << 20},
    {"Mi", 1 << 20},
    {"m", 1 << 20},
    {"G", 1 << 30},
    {"GiB", 1 << 30},
    {"Gi", 1 << 30},
    {"g", 1 << 30},
};

bool size_parse(const char *text, uint64_t *ret)
{
    if (!isdigit((unsigned char)*text))
        return false;
    char *end;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    for (size_t i = 0; i < ARRAY_LEN(sizes) && !errno; i++)
        if (strcmp(end, sizes[i].name) == 0)
            return !__builtin_mul_overflow(n, sizes[i].bytes, ret) && *ret <= INT64_MAX;
    return false;
}

const char *size_print(uint64_t bytes, char buffer[static SIZE_TEXT_MAX])
{
    static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double n = (double)bytes;
    size_t unit = 0;
    while (n >= 1024 && unit + 1 < ARRAY_LEN(names)) {
        n /= 1024;
        unit++;
    }
    snprintf(buffer, SIZE_TEXT_MAX, unit && n < 100 ? "%.1f %s" : "%.0f %s", n, names[unit]);
    return buffer;
}
