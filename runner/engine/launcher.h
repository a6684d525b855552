// What every launch needs: the loop, the facts of this host, the state directory, and davit's own
// executables as descriptors, so that an upgrade on disk changes nothing that runs.
#pragma once

#include "os/loop.h"
#include "sandbox/plan.h"
#include "store/state.h"

enum program {
    PROGRAM_DAVIT,
    PROGRAM_GIT,
    PROGRAM_IMAGE,
    PROGRAM_DEPLOY,
    PROGRAM_AGENT,
    PROGRAM_COUNT
};
const char *program_name(enum program program); // "davit", "davit-git", …

struct launcher {
    struct loop *loop;         // lent
    const struct state *state; // lent
    struct sandbox_host host;
    int programs[PROGRAM_COUNT]; // -1: not opened yet
};

// Reads the host's facts. Programs are opened when they are first wanted, or inherited.
int launcher_init(
    struct launcher *l, struct loop *loop, const struct state *state, struct error *err);
void launcher_done(struct launcher *l);

// The descriptor of a program, not the caller's to close; -1 with an error that says where it was
// looked for: beside this executable, then in ../libexec/davit.
int launcher_program(struct launcher *l, enum program program, struct error *err);
int launcher_open_programs(struct launcher *l, struct error *err); // all of them, as serve does
// Takes the programs that a parent handed over as descriptors first, first + 1, …
void launcher_inherit_programs(struct launcher *l, int first);

// Makes a directory (and what is missing above it) whose files sandboxes own.
int launcher_make_owned(const struct launcher *l, const char *path, struct error *err);

// Starts an app's agent without waiting for it. Both descriptors are the caller's: *ret_pidfd is
// our child's, to be reaped by a caller that stays; *ret_ready_fd has a byte once the agent
// listens, and the end of file if it has ended before.
int launcher_start_agent(
    struct launcher *l, const char *app, int *ret_pidfd, int *ret_ready_fd, struct error *err);
enum agent_start {
    AGENT_CONNECT, // never: ERR_NOT_FOUND when it does not run
    AGENT_START,   // when it does not run; ERR_NOT_FOUND when there is no such app on this host
    AGENT_CREATE,  // and the app is made when there is no such one yet
};
// A connection to an app's agent, which is started as `start` says. fd or -1.
int launcher_connect_agent(
    struct launcher *l, const char *app, enum agent_start start, struct error *err);
