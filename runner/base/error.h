// What went wrong, as a plain value.
//
// A function that can fail takes `struct error *err` last and returns 0, or -1 with *err filled in.
// The origin sets the error once; a module boundary may add context with error_wrap(); only the top
// prints it. An expected outcome (a file that may be absent, a condition not met yet) is not an
// error: such functions return an enum instead.
//
// `err` may be NULL where a caller does not care why something failed.
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum error_kind {
    ERR_NONE = 0,
    ERR_USAGE,       // the command line
    ERR_CONFIG,      // a file that a person wrote: pipeline, server.yaml, Dockerfile, .env
    ERR_SYSTEM,      // the kernel said no; os_errno says how
    ERR_NETWORK,     // no answer: resolve, connect, TLS, time-out on the wire
    ERR_REMOTE,      // an answer that means no; http_status says which
    ERR_PROTOCOL,    // an answer that makes no sense: bad JSON, wrong version, wrong digest
    ERR_NOT_FOUND,   // the named thing does not exist
    ERR_CONFLICT,    // somebody else holds it, or it changed under us
    ERR_DENIED,      // policy: a sandbox rule, a refused commit, a wrong owner
    ERR_LIMIT,       // more than we are prepared to take in
    ERR_TIMEOUT,     // a deadline of ours passed
    ERR_CANCELLED,   // a person or a signal said stop
    ERR_UNSUPPORTED, // understood, and not there (yet, or on this machine)
    ERR_FAILED,      // what was run did its work and the result is bad: a stage, a gate
    ERR_INTERNAL,    // a bug of ours
};

#define ERROR_MESSAGE_MAX 512

// Small and flat, so that one write to a pipe (PIPE_BUF is 4096) carries a child's failure whole.
struct error {
    enum error_kind kind;
    int os_errno;                    // 0 when no system call is behind it
    int http_status;                 // 0 when no HTTP answer is behind it
    bool retryable;                  // the same call may succeed later, nothing was changed
    char message[ERROR_MESSAGE_MAX]; // one line, no trailing newline; a cut message ends in "..."
};

// All of these return -1, so that a caller can write `return error_set(...)`.
int error_set(struct error *err, enum error_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// ERR_SYSTEM with the current errno; ": No such file or directory" and the like is appended.
int error_errno(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
// Puts "context: " before the message, keeping everything else.
int error_wrap(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

const char *error_kind_name(enum error_kind kind);

// davit's exit codes, one table for every executable (README, "Exit codes").
enum exit_code {
    EXIT_OK = 0,
    EXIT_STAGE_FAILED = 1,
    EXIT_USAGE = 2, // usage or configuration
    EXIT_ROLLED_BACK = 3,
    EXIT_ROLLBACK_FAILED = 4,
    EXIT_HELD = 5, // somebody else holds it: the app, its address, the state directory
    EXIT_RUNNER = 70,
    EXIT_TIMED_OUT = 124,
    EXIT_CANCELLED = 130,
};

enum exit_code error_exit_code(enum error_kind kind);
