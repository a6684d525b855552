// A sandboxed child on the loop: its output, its deadline, its end.
//
// Cancelling is TERM to everything inside, one grace period, then KILL from outside; `ended` comes
// in every case.
#pragma once

#include "os/loop.h"
#include "sandbox/spawn.h"

enum child_end {
    CHILD_EXITED,    // `code`
    CHILD_SIGNALLED, // `code` is the signal
    CHILD_NOT_RUN,   // `err`: set-up or execve failed
    CHILD_TIMED_OUT, // the deadline passed; it was made to end
    CHILD_WAS_CANCELLED,
    CHILD_LOST, // killed from outside davit, no status
};

struct child_result {
    enum child_end end;
    int code;
    struct error err;
};

struct child;
typedef void child_output_fn(void *arg, const char *bytes, size_t length);
typedef void child_ended_fn(void *arg, const struct child_result *result);

struct child_options {
    int64_t timeout_ms; // 0: none
    int64_t grace_ms;   // between TERM and KILL
    bool capture;       // stdout and stderr go to `output` (the spec's are then ignored)
    child_output_fn *output;
    child_output_fn *text; // of what is captured, stdout goes here; NULL: to `output` like stderr
    child_ended_fn *ended; // exactly once, from the loop, after the last output; child_free() may
                           // be called in it
    void *arg;
};

// NULL when nothing was started.
struct child *child_start(struct loop *loop, const struct sandbox_host *host,
    const struct sandbox_spec *spec, const struct child_options *options, struct error *err);
void child_cancel(struct child *child); // asks it to end; idempotent
void child_kill(struct child *child);   // ends it without asking
void child_free(struct child *child);   // accepts NULL; what still runs is killed
pid_t child_pid(const struct child *child);

// "exit 2", "signal 9 (KILL)", "timeout after 10m", …: the same words everywhere.
void child_result_print(const struct child_result *result, struct str *out);
