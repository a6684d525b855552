// The child's side of a launch, from the clone to the end: what runs between sandbox_spawn() and
// the user's command.
#pragma once

#include "sandbox/plan.h"

// What the child tells its parent over the report pipe: each is one atomic write.
enum child_report { CHILD_STARTED, CHILD_FAILED, CHILD_ENDED };
struct child_message {
    enum child_report report;
    int status;       // ENDED: as of waitpid(2)
    struct error err; // FAILED
};
_Static_assert(sizeof(struct child_message) <= 4096, "a report must be one atomic write to a pipe");

struct child_pipes {
    int report; // to the parent
    int go; // from the parent: readable when ids are mapped (a byte), closed when the parent died
};

// Runs as PID 1 of a new sandbox (or as a plain child for SANDBOX_NONE). Never returns.
_Noreturn void child_main(struct sandbox_plan *plan, struct child_pipes pipes);

// Descriptors 0, 1, 2 (and 3, and those after), ids, capabilities, limits, seccomp; then executes.
// Returns only on failure, with *err.
void child_execute(const struct sandbox_plan *plan, struct error *err);

// PID 1's life after the command was forked: passes signals on, reaps, keeps the record of a
// detached child. `command` is its pid, `output` the pipe that it writes to (-1 without a record).
// Never returns.
_Noreturn void child_init(const struct sandbox_plan *plan, pid_t command, int output, int report);
