#include "tools/load_stats.h"

#include <stdio.h>
#include <string.h>

static const char *const failure_names[FAILURE_KINDS] = {
    [FAILURE_NONE] = "none",
    [FAILURE_CONNECT] = "connect",
    [FAILURE_RESET] = "reset",
    [FAILURE_CLOSED] = "closed",
    [FAILURE_TIMEOUT] = "timeout",
    [FAILURE_STATUS] = "status",
    [FAILURE_BODY] = "body",
    [FAILURE_PROTOCOL] = "protocol",
};

const char *failure_name(enum failure failure)
{
    return failure_names[failure];
}

// Values below HISTOGRAM_SUB have a bucket each; above, every power of two has HISTOGRAM_SUB.
static size_t bucket_of(uint64_t us)
{
    if (us < HISTOGRAM_SUB)
        return (size_t)us;
    unsigned exponent = 63u - (unsigned)__builtin_clzll(us);
    unsigned shift = exponent - 5; // 2^5 == HISTOGRAM_SUB
    return (size_t)(shift + 1) * HISTOGRAM_SUB + (size_t)((us >> shift) - HISTOGRAM_SUB);
}

static uint64_t bucket_top(size_t bucket)
{
    if (bucket < HISTOGRAM_SUB)
        return bucket;
    size_t shift = bucket / HISTOGRAM_SUB - 1;
    return ((uint64_t)(bucket % HISTOGRAM_SUB + HISTOGRAM_SUB + 1) << shift) - 1;
}
_Static_assert(HISTOGRAM_SUB == 32, "bucket_of() shifts by its logarithm");

void histogram_add(struct histogram *h, uint64_t us)
{
    h->count++;
    h->max = us > h->max ? us : h->max;
    h->buckets[bucket_of(us)]++;
}

uint64_t histogram_percentile(const struct histogram *h, double percent)
{
    uint64_t wanted = (uint64_t)((double)h->count * percent / 100.0 + 0.999999), seen = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen && seen >= wanted)
            return bucket_top(i) < h->max ? bucket_top(i) : h->max;
    }
    return 0;
}

bool stats_version(struct stats *s, const char *version, int64_t now_ms, const char **ret_before)
{
    size_t i = 0;
    while (i < s->version_count && strcmp(s->versions[i].name, version) != 0)
        i++;
    bool first = s->version_count == 0;
    if (i == s->version_count && s->version_count < VERSIONS_MAX) {
        s->version_count++;
        s->versions[i].first_ms = now_ms;
        snprintf(s->versions[i].name, sizeof s->versions[i].name, "%s",
            i == VERSIONS_MAX - 1 ? "(other)" : version);
    } else if (i == s->version_count) {
        i = VERSIONS_MAX - 1;
    }
    s->versions[i].answers++;
    s->versions[i].last_ms = now_ms;
    size_t before = s->version_last;
    s->version_last = i;
    if (!first && before == i)
        return false;
    *ret_before = first ? NULL : s->versions[before].name;
    s->version_changes += !first;
    return true;
}

uint64_t stats_failed(const struct stats *s)
{
    uint64_t failed = 0;
    for (int kind = FAILURE_NONE + 1; kind < FAILURE_KINDS; kind++)
        failed += s->failures[kind];
    return failed;
}

static struct value *versions_to_value(const struct stats *s)
{
    struct value *versions = value_map();
    for (size_t i = 0; i < s->version_count; i++) {
        struct value *seen = value_map();
        value_set_int(seen, "answers", (int64_t)s->versions[i].answers);
        value_set_int(seen, "first_ms", s->versions[i].first_ms);
        value_set_int(seen, "last_ms", s->versions[i].last_ms);
        value_set(versions, s->versions[i].name, seen);
    }
    return versions;
}

struct value *stats_to_value(const struct stats *s, int64_t duration_ms)
{
    struct value *report = value_map();
    value_set_int(report, "requests", (int64_t)s->requests);
    value_set_int(report, "failed", (int64_t)stats_failed(s));
    struct value *failures = value_map();
    for (enum failure kind = FAILURE_NONE + 1; kind < FAILURE_KINDS; kind++)
        value_set_int(failures, failure_name(kind), (int64_t)s->failures[kind]);
    value_set(report, "failures", failures);
    struct value *statuses = value_map();
    for (int status = 100; status < 600; status++) {
        char key[8];
        snprintf(key, sizeof key, "%d", status);
        if (s->statuses[status])
            value_set_int(statuses, key, (int64_t)s->statuses[status]);
    }
    value_set(report, "statuses", statuses);
    value_set_int(report, "posts", (int64_t)s->posts);
    value_set_int(report, "connections", (int64_t)s->connections);
    struct value *latency = value_map();
    value_set_int(latency, "p50", (int64_t)histogram_percentile(&s->latency, 50));
    value_set_int(latency, "p99", (int64_t)histogram_percentile(&s->latency, 99));
    value_set_int(latency, "max", (int64_t)s->latency.max);
    value_set(report, "latency_us", latency);
    value_set(report, "versions", versions_to_value(s));
    value_set_int(report, "version_changes", (int64_t)s->version_changes);
    value_set_int(report, "duration_ms", duration_ms);
    return report;
}
