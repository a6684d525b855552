// Launching a sandboxed child, and its end.
#pragma once

#include <sys/types.h>

#include "os/process.h"
#include "sandbox/cgroup.h"
#include "sandbox/network.h"
#include "sandbox/plan.h"

struct sandbox_child {
    pid_t pid;     // of the sandbox's init: PID 1 inside
    int pidfd;     // poll: readable when it has ended
    int report_fd; // poll: readable when sandbox_report() has something to say
    struct cgroup cgroup;
    struct network_helper network;
};
#define SANDBOX_CHILD_NONE                                                                         \
    ((struct sandbox_child){                                                                       \
        .pidfd = -1, .report_fd = -1, .cgroup = CGROUP_NONE, .network = NETWORK_HELPER_NONE})

// Starts it. Returns as soon as the child is on its way; whether its command could be executed is
// told by sandbox_report(). Descriptors of the spec stay the caller's. -1: nothing was started and
// nothing is left.
int sandbox_spawn(const struct sandbox_spec *spec, const struct sandbox_host *host,
    struct sandbox_child *ret, struct error *err);

// What the report says, once report_fd is readable: call it each time.
enum sandbox_state {
    SANDBOX_STARTED, // the command is running
    SANDBOX_FAILED,  // it never ran; *err is the child's own error
    SANDBOX_ENDED,   // *ret_status (as of waitpid(2)) is the command's; the rest of the sandbox is
                     // being killed
    SANDBOX_LOST,    // killed from outside: there is no status. (SANDBOX_NONE: executed, or ended)
};
enum sandbox_state sandbox_report(struct sandbox_child *child, int *ret_status, struct error *err);

// To every process in the sandbox, through its init (which passes on all signals but KILL and
// STOP).
int sandbox_signal(const struct sandbox_child *child, int signal, struct error *err);
// Kills everything in the sandbox at once, from outside: stopped and TERM-ignoring processes too.
void sandbox_kill(const struct sandbox_child *child);

// Waits until the init has ended, reaps it, stops the helper, removes the cgroup, closes
// everything.
void sandbox_reap(struct sandbox_child *child);
// Lets go of a detached child: it lives on, and only our handles are closed.
void sandbox_release(struct sandbox_child *child);

// The init of a detached child, by its record's lock: 1 when it lives, 0 when nobody holds the
// lock, -1 with *err. `lock` is any descriptor of that file, opened for reading.
int sandbox_find(int lock, struct process *ret, struct error *err);

// For callers without a loop: waits for the end and reaps. -1 when the command could not be
// executed.
int sandbox_wait(struct sandbox_child *child, int *ret_status, struct error *err);
