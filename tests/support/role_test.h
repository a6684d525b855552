// Runs a role program as its worker would, unsandboxed: gives it one job and keeps what it answers.
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/vec.h"
#include "codec/rpc.h"

struct role_test {
    const char *program; // "davit-git": looked for beside the test program
    struct value *job;   // taken; role_job() makes one
    const int *fds;      // what goes with the job; stay the caller's
    size_t fd_count;
    const struct rpc_method *methods; // what else the role may ask (allow: 1), may be NULL; a
                                      // handler finds this struct by rpc_arg()
    void *arg;                        // for the handlers
    void (*logged)(struct role_test *t, const char *line); // at each line; may be NULL
    bool may_die; // it may end without a word: then neither result nor error is set

    struct value *result; // NULL when it failed, and then `error` says why
    struct error error;
    struct strv log;
    pid_t pid;  // while it runs
    int status; // as of waitpid(2)
};

// The job as key and text in turn, ended by NULL.
struct value *role_job(const char *key, ...) __attribute__((sentinel));
// Returns when the role has exited. The test fails when that takes longer than a minute.
void role_test_run(struct role_test *t);
void role_test_done(struct role_test *t);
DEFINE_AUTO(role_test, struct role_test, role_test_done)
