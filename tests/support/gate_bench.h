// The real prober on a target that shows what a test says, and an HTTP client by script (or
// another that the test puts there).
#pragma once

#include "support/check.h"

#include "deploy/prober.h"
#include "support/http_script.h"

// A target of which only what a prober asks is there.
struct shown_target {
    struct target target; // the first member
    struct snapshot shown;
    const char *log;
    int looks, log_reads;
    int restart_at;                        // the look that shows a restart; 0: none does
    int blind_until;                       // looks before it fail
    const struct target_exec_state *execs; // how a command stands, look by look; the last one stays
    int exec_looks, execs_open;
    struct target_exec exec; // as asked last
};

struct bench {
    struct loop *loop;
    struct http_script http;
    struct shown_target target;
    struct gate_list gates;
    struct prober *prober;
    struct gate_status status; // when the loop stopped
    struct loop_timer watchdog;
};

struct value *bench_parse(const char *json); // fails the test when it is none
// Three instances "app:0" to "app:2" of release 2, of which the last one drains; nothing is asked
// yet.
void bench_start(struct bench *b, const char *gates, const struct http_answer *script);
// Lets the prober's changes stop the loop: for a test that has made another prober.
void bench_listen(struct bench *b);
// Runs the gates before the switch from the start, until their status changes (or too long).
void bench_run(struct bench *b);
// Goes on from there.
void bench_go_on(struct bench *b);
void bench_end(struct bench *b);
