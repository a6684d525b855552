// Fixtures by real commands. git finds neither the machine's settings nor this repository's: a
// fixed author and date, "main" as the first branch, and no limit on what a fixture may do.
#pragma once

#include <sys/types.h>

// Runs a script by `sh -eu` in the directory; the test fails with its output when it does.
void shell(const char *directory, const char *format, ...) __attribute__((format(printf, 2, 3)));
// The same; what it wrote to stdout, less the last newline, is the caller's.
char *shell_output(const char *directory, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
// Starts it and returns; end it with shell_wait().
pid_t shell_start(const char *directory, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void shell_wait(pid_t pid); // fails the test unless it exits with 0
