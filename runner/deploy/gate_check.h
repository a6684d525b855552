// What a gate says to what was seen: pure, so that every case can be tested.
#pragma once

#include "deploy/gate.h"
#include "net/http.h"

struct gate_verdict {
    bool passed;
    bool held;        // not passed, for want of data: a person may go on all the same
    char seen[200];   // "status 500"
    char wanted[200]; // "status 200"
};

// One line of what a stranger said, for a person: cut, and without what a terminal obeys.
void gate_say(char *to, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
// "status 500", "status 302, to /login"
void gate_say_status(const struct http_response *response, char *to, size_t size);

// The first thing that is not as the gate wants it, or the status and the time it took.
void gate_check_http(
    const struct gate_spec *gate, const struct http_response *response, struct gate_verdict *ret);
// The first line that matches.
void gate_check_log(
    const struct gate_spec *gate, const char *text, size_t length, struct gate_verdict *ret);
// A command that is over.
void gate_check_exec(const struct target_exec_state *state, struct gate_verdict *ret);
// A set now, compared with what it was when the gate began; passed: so far. A restart is one of an
// instance that was there, or of one that has come since.
void gate_check_stable(const struct gate_spec *gate, const struct set_state *before,
    const struct set_state *now, struct gate_verdict *ret);
void gate_check_restarts(const struct gate_spec *gate, const struct set_state *before,
    const struct set_state *now, struct gate_verdict *ret);
