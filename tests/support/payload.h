// Attack payloads for the sandbox: the test program itself, executed again (inside or, as the
// positive control, outside).
#pragma once

#include "sandbox/spawn.h"

// A payload: gets its arguments (argv[0] is its name) and returns the process's exit code.
typedef int payload_fn(int argc, char **argv);
struct payload {
    const char *name;
    payload_fn *run;
};

// Call first in main: when the program was started as a payload, runs it and exits.
void payload_main(int argc, char **argv, const struct payload *table);

struct payload_result {
    int status;        // as of waitpid(2)
    struct str output; // stdout and stderr
};
void payload_result_done(struct payload_result *r);
DEFINE_AUTO(payload_result, struct payload_result, payload_result_done)

// Runs argv (argv[0] is a payload's name) confined by `spec`, of which argv, exec_fd and output are
// filled in here.
void payload_confined(
    struct sandbox_spec spec, const char *const *argv, struct payload_result *ret);
// The positive control: the same by plain fork and exec, nothing closed, nothing dropped but, if
// given, the user id.
void payload_free(const char *const *argv, uid_t uid, struct payload_result *ret);

// The spec that a stage gets by default.
struct sandbox_spec payload_spec(void);
const struct sandbox_host *payload_host(void);
