// What a Prometheus answers, and what a gate makes of it sample by sample: pure, so that every case
// can be tested.
//
// A sample is good, bad (a bound is passed), without data, or an error of the asking. One that is
// bad rejects. Good ones have to hold for the gate's time. One without data is as good as a good
// one, or rejects, or (`hold`) says nothing: then what has held so far is forgotten, and only data
// or a person goes on. More than METRIC_ERRORS_MAX errors in a row reject; fewer say nothing.
#pragma once

#include "deploy/gate_check.h"

#define METRIC_ERRORS_MAX 4

enum metric_kind { METRIC_GOOD, METRIC_BAD, METRIC_NO_DATA, METRIC_ERROR };

struct metric_sample {
    enum metric_kind kind;
    double margin;  // GOOD and BAD: how far from the nearest bound; beyond it, less than 0
    char text[160]; // "0.25 of {pod="b"}, the worst of 3 series"; why there is no data; the error
};

// The answer to an instant query. Of several series the worst counts; one that is NaN has no data,
// which is worse than good.
void metric_read(
    const struct gate_spec *gate, const struct http_response *response, struct metric_sample *ret);
// No answer.
void metric_error(const char *message, struct metric_sample *ret);

// What has been seen so far; all-zero at first.
struct metric_window {
    int taken;  // samples
    int errors; // in a row
    bool held;
    int holding; // samples that hold, the first of them at began_ms
    int64_t began_ms;
    struct metric_sample worst; // of those
};

enum metric_next {
    METRIC_AGAIN, // ask again
    METRIC_HOLD,  // … and meanwhile nobody knows
    METRIC_OVER,  // the verdict stands
};
// Takes a sample of now. *ret is the verdict so far.
enum metric_next metric_take(const struct gate_spec *gate, struct metric_window *w,
    const struct metric_sample *sample, int64_t now_ms, struct gate_verdict *ret);
