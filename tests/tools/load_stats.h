// What a load generator saw: counts, latencies, and which version of the application answered when.
#pragma once

#include <stdint.h>

#include "base/vec.h"
#include "codec/value.h"
#include "tools/load_response.h"

enum failure {
    FAILURE_NONE,
    FAILURE_CONNECT, // no connection
    FAILURE_RESET,   // the connection was reset
    FAILURE_CLOSED,  // the connection was closed before the response was whole
    FAILURE_TIMEOUT,
    FAILURE_STATUS,   // 500 and above
    FAILURE_BODY,     // not what was sent to be echoed
    FAILURE_PROTOCOL, // not HTTP
    FAILURE_KINDS
};
const char *failure_name(enum failure failure);

// Latencies in microseconds, in buckets of at most 1/32 of their value: memory is bounded whatever
// comes.
#define HISTOGRAM_SUB     32
#define HISTOGRAM_BUCKETS (60 * HISTOGRAM_SUB)
struct histogram {
    uint64_t count, max;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};
void histogram_add(struct histogram *h, uint64_t us);
// The upper edge of the bucket where `percent` of all are reached; 0 when there are none.
uint64_t histogram_percentile(const struct histogram *h, double percent);

struct version_seen {
    char name[RESPONSE_VERSION_MAX];
    uint64_t answers;
    int64_t first_ms, last_ms; // monotonic
};

// Of more versions than this the rest is counted under "(other)".
#define VERSIONS_MAX 32

struct stats {
    uint64_t requests, posts, connections; // requests: those that ended, well or not
    uint64_t failures[FAILURE_KINDS];
    uint64_t statuses[600];
    struct histogram latency;
    struct version_seen versions[VERSIONS_MAX];
    size_t version_count, version_last;
    uint64_t version_changes;
};

// Notes which version answered at now_ms. True when it is not the one that answered before it; then
// *ret_before names that one (NULL: this is the first answer). "" is an answer without a version.
bool stats_version(struct stats *s, const char *version, int64_t now_ms, const char **ret_before);
uint64_t stats_failed(const struct stats *s);
// The report: a map, the caller's.
struct value *stats_to_value(const struct stats *s, int64_t duration_ms);
