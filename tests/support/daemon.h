// A real server that a test starts: its output tells when it is ready.
#pragma once

#include <sys/types.h>

struct daemon {
    pid_t pid;
    int output_fd;
};

// Runs argv in `directory` and waits for a line of its output that holds `ready`; the line (for a
// port that the server chose) is the caller's. Fails the test when the server ends before.
char *daemon_start(
    struct daemon *d, const char *const *argv, const char *directory, const char *ready);
void daemon_stop(struct daemon *d);

// Runs argv to its end and returns its output (stdout and stderr), the caller's. Fails the test,
// with the output, unless it exits with `code`.
char *run_program(const char *const *argv, const char *directory, int code);
