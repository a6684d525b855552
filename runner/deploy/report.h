// What a person reads when a rollout has ended: lines, the cause first. Pure.
#pragma once

#include "codec/value.h"
#include "deploy/target.h"

struct report {
    const char *app;      // as a command names it: "web", or with the options that say where it is
    const char *outcome;  // as outcome_name(), or "parked"
    const char *reason;   // "" when there is none
    const char *headline; // of a rollback: from where to where; else NULL
    const struct rollout *rollout;
    struct rollout_times times;
    const struct value *verdicts; // as of drive.h
    // What is so afterwards; each may be NULL: the target could not be asked.
    const struct value *releases, *refused;
    const struct snapshot *seen;
    const char *explained; // as of explain(); ""
};

// A list of lines, the caller's.
struct value *report_lines(const struct report *r);

// "345 ms", "12.3 s", "2m05s"
#define ELAPSED_TEXT_MAX 32
const char *elapsed_print(int64_t ms, char buffer[static ELAPSED_TEXT_MAX]);

// "release 6 serves: commit …, image …, 2 of 2 ready, 100 % of the traffic", or "nothing serves".
void serving_print(const struct snapshot *seen, const struct value *releases, struct str *out);

// What is under way: "release 7 (run 42): step 5 of 8: gates after_switch since 3.0 s", or that it
// waits for its promotion. `app` as above.
void rollout_print(const char *app, const struct snapshot *seen, bool parked, int64_t now_unix_ms,
    struct str *out);
