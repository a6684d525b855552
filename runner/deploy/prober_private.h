// Inside of the prober: one probe is one gate on one instance, or on the set as a whole.
//
//   prober.c       all of them: what they mean for the phase, and the verdicts
//   prober_http.c  http, on each instance or of a URL
//   prober_tcp.c   tcp, on each instance
//   prober_metric.c  prometheus
//   prober_exec.c  exec, beside each instance
//   prober_set.c   what is seen of the set by its target: stable, restarts, log
#pragma once

#include "deploy/gate_metric.h"
#include "deploy/prober.h"

enum probe_state {
    PROBE_WAITING,
    PROBE_RUNNING,
    PROBE_HELD, // runs, and would be passed over at a person's word
    PROBE_OVER,
};

struct probe {
    struct gate_prober *owner;
    const struct gate_spec *gate;
    const struct instance *instance; // NULL: the set
    enum probe_state state;
    struct gate_verdict verdict;
    int64_t began_ms, ms;
    int64_t request; // http, prometheus; -1: none
    int64_t exec;    // exec: its id; 0: none
    int fd;          // tcp; -1: none
    struct loop_io io;
    struct loop_timer timer;
    int64_t asked_ms; // prometheus
    struct metric_window metric;
    int64_t blind_since_ms; // looks at the target; 0: the last one was a success
};

struct gate_prober {
    struct prober prober; // the first member
    struct loop *loop;
    struct http_client *http;
    struct target *target;
    const struct gate_list *lists[2]; // by gate_phase
    enum gate_phase phase;
    enum set set;
    struct set_state before; // the set, when they began
    struct probe *probes;
    size_t count;
    int64_t execs;            // ids given
    struct loop_timer settle; // some probe is over: what does that mean for the whole?
    struct gate_status status;
};

// The verdict stands. What the probe still has under way is stopped.
void probe_over(struct probe *probe);
// It runs on, held by the verdict so far. A dry run holds nobody up: false, it is over.
bool probe_hold(struct probe *probe);
// It is not held (any more).
void probe_go_on(struct probe *probe);
// Over, with a verdict that did not come from gate_check.h: no answer.
void probe_reject(struct probe *probe, const char *seen, const char *wanted);

// The target did not answer; whether that has lasted too long by now, and the probe is over.
bool probe_blind(struct probe *probe, const struct error *err);

// Each begins a probe that is all-zero but for what prober.c sets, and ends it by one of the above.
void probe_start_http(struct probe *probe);
void probe_start_tcp(struct probe *probe);
void probe_start_watching(struct probe *probe);
void probe_start_exec(struct probe *probe);
void probe_start_log(struct probe *probe);
void probe_start_prometheus(struct probe *probe);
