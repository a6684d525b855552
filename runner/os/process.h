// A process that is not (or no longer) our child, named so that it can never be confused with
// another: pid and start time, held by a pidfd. A zombie that nobody has reaped yet counts as dead.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/vec.h"

struct process {
    pid_t pid;
    uint64_t
        start_time; // clock ticks after boot, field 22 of /proc/PID/stat (proc(5)); 0 when unknown
    int pidfd;      // -1 when not held
};

#define PROCESS_NONE ((struct process){.pid = 0, .pidfd = -1})

void process_done(struct process *p); // closes the pidfd

// Finds a process again. 1 when it lives, 0 when it is gone (or its pid means another one now), -1
// with *err.
int process_find(pid_t pid, uint64_t start_time, struct process *ret, struct error *err);
int process_start_time(pid_t pid, uint64_t *ret, struct error *err);
// 1 when it has ended (reaped or not), 0 while it lives.
int process_ended(const struct process *p);
// What is gone already is fine.
int process_signal(const struct process *p, int signal, struct error *err);

// Appends all processes in the PID namespace of `init` (one that we may look into); walks /proc.
struct pids {
    VEC(pid_t) items;
};
void process_list_namespace(pid_t init, struct pids *out);
// Reaps our child by its pidfd. *ret_status is as of waitpid(2). Blocks unless it has ended.
int process_reap(int pidfd, int *ret_status, struct error *err);

// Marks this process as one that nobody of the same user may trace or read the memory of. Call it
// first thing in main: execve(2) resets it. Core dumps go with it.
void process_harden(void);
