// Where an app's requests go: nginx puts each into one of ROUTE_BUCKETS buckets, and a bucket
// belongs to the port of one instance.
//
// Pure: from weights and ready instances to buckets, and from ports to an nginx.conf.
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "base/str.h"
#include "base/vec.h"

#define ROUTE_BUCKETS 100

struct route {
    int port[ROUTE_BUCKETS]; // 0: nobody; the request is answered by 503
};

struct route_set {
    int percent;
    VEC(int) ports; // of the instances that can take traffic
};

// The first set's share of buckets first. Within a set, every port gets as many as every other, or
// one more. Shares of less than 100 % leave buckets empty.
void route_plan(const struct route_set *sets, size_t count, struct route *ret);
bool route_equal(const struct route *a, const struct route *b);

// The directory as which nginx sees its own (route/, ports/).
#define ROUTE_PREFIX "/davit"

struct route_range {
    int first, count; // ports
};
// The whole nginx.conf: `listen` as nginx's directive takes it; every port of every range is an
// upstream from the start, so that no switch ever changes the file.
void route_config(
    const char *listen, const struct route_range *ranges, size_t count, struct str *out);
