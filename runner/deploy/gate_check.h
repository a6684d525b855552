// What a gate says to what was seen: pure, so that every case can be tested.
#pragma once

#include "deploy/gate.h"
#include "net/http.h"

struct gate_verdict {
    bool passed;
    char seen[200];   // "status 500"
    char wanted[200]; // "status 200"
};

// The first thing that is not as the gate wants it, or the status and the time it took.
void gate_check_http(
    const struct gate_spec *gate, const struct http_response *response, struct gate_verdict *ret);
// The first line that matches.
void gate_check_log(
    const struct gate_spec *gate, const char *text, size_t length, struct gate_verdict *ret);
// A set now, compared with what it was when the gate began; passed: so far.
void gate_check_stable(const struct gate_spec *gate, const struct set_state *before,
    const struct set_state *now, struct gate_verdict *ret);
