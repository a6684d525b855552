// Which stage next: a pure function of what has ended. No clock, no processes.
//
// A stage becomes ready when the last stage that it needs has ended. It then runs when its `when:
// {status: …}` agrees with how those ended, else it is skipped. By default it runs when all of them
// succeeded.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/vec.h"

enum node_state {
    NODE_WAITING,
    NODE_RUNNING,
    NODE_SUCCESS,
    NODE_FAILED,  // failure, error, timeout, cancelled: whatever ends a need badly
    NODE_SKIPPED, // will not run
};

enum skip_reason {
    SKIP_NONE,
    SKIP_NOT_SELECTED,   // by the plan, before the run began
    SKIP_NEED_FAILED,    // `by` is the need
    SKIP_NEED_SKIPPED,   // `by` is the need
    SKIP_NOTHING_FAILED, // it runs only after a failure
    SKIP_CANCELLED,      // the run was cancelled before it became ready
};

struct node {
    VEC(size_t) needs;           // indexes
    bool on_success, on_failure; // `when: {status: …}`
    bool last_resort;            // set by schedule_prepare()
    enum node_state state;
    enum skip_reason skipped;
    size_t by; // SKIP_NEED_…: which
};

struct schedule {
    VEC(struct node) nodes; // in the file's order
};

// Once the nodes are filled in and before anything else. The graph has no cycle (pipeline/check.c).
void schedule_prepare(struct schedule *s);
void schedule_done(struct schedule *s);
// The next stage to start, in the file's order; false when none is ready now. Marks what is decided
// to be skipped.
bool schedule_next(struct schedule *s, size_t *ret);
void schedule_started(struct schedule *s, size_t index);
void schedule_ended(struct schedule *s, size_t index, bool success);
// Nothing new starts; what waits is skipped.
void schedule_cancel(struct schedule *s);
bool schedule_finished(const struct schedule *s); // nothing waits and nothing runs
