// Gates: what must hold before and after the switch. Specs come from the pipeline file, verdicts go
// into the report.
#pragma once

#include "codec/value.h"
#include "deploy/decide.h"

enum gate_kind {
    GATE_HTTP,       // GET on every instance, or of one address; one answer, one verdict
    GATE_TCP,        // every instance accepts a connection
    GATE_LOG,        // no line of the release's log matches a pattern
    GATE_STABLE,     // all of the set ready and nobody restarted, for a while
    GATE_RESTARTS,   // the set's instances restart no more often than that, for a while
    GATE_EXEC,       // a command ends with 0, run beside every instance as the instance would
    GATE_PROMETHEUS, // the numbers that a query gives are within bounds, for a while
};

// What it means that a query gives no number.
enum no_data {
    NO_DATA_HOLD, // neither this nor that: wait for some, or for a person
    NO_DATA_PASS,
    NO_DATA_FAIL,
};

struct gate_spec {
    enum gate_kind kind;
    bool dry_run; // its verdict is told, and is never a reason to go back
    // http; what is not given is not asked for
    char *path;            // "/ping": of each instance; or
    char *url;             // "https://app.example/ping": asked once
    int status;            // wanted
    struct value *headers; // map: each named header of the answer is exactly this
    char *content_type;    // the answer's begins with it
    char *body;            // occurs in the answer's body
    struct value *json;    // map: dotted path ("a.b.0.c") in the answer's body → scalar
    int64_t timeout_ms;    // http: from request to end of the answer; tcp: to be connected (0: 5 s)
    char *absent;          // log: POSIX extended regular expression
    int64_t for_ms;        // stable, restarts; prometheus: 0 is one sample
    int restarts_max;
    struct strv command; // exec; timeout_ms is its
    // prometheus, whose base URL is `url`; timeout_ms is of each request
    char *query;
    char *max, *min; // numbers as they were written; at least one is given
    enum no_data no_data;
    int64_t interval_ms; // from one sample to the next
};

struct gate_list {
    VEC(struct gate_spec) items;
};
void gate_list_done(struct gate_list *list);
// A list of maps: {"kind": "http", "path" or "url", "status", "headers"?, "content_type"?, "body"?,
// "json"?, "timeout_ms"}, {"kind": "tcp", "timeout_ms"?}, {"kind": "log", "absent"}, {"kind":
// "stable", "for_ms"}, {"kind": "restarts", "max", "for_ms"}, {"kind": "exec", "command",
// "timeout_ms"}, {"kind": "prometheus", "url", "query", "max"?, "min"?, "no_data"?, "interval_ms",
// "for_ms"?, "timeout_ms"}; each may have "dry_run". Appends to *ret, which the caller frees in any
// case. ERR_PROTOCOL, or ERR_CONFIG for a pattern that is none; `what` names the list.
int gate_list_from_value(
    const struct value *v, const char *what, struct gate_list *ret, struct error *err);
struct value *gate_list_to_value(const struct gate_list *list);
// "http /ping", "tcp", "log without \"panic\"", "stable for 10s", "http /new (dry run)"
void gate_print(const struct gate_spec *gate, struct str *out);
// prometheus: "at most 0.01 for 1m"
void gate_print_bounds(const struct gate_spec *gate, struct str *out);

// Runs gates for the driver. The real one (deploy/prober.h) probes over the network on the driver's
// loop; the tests' answers by script.
struct prober;
struct prober_ops {
    // Begins afresh: the gates of `phase` on the instances of the set that is `set` in `seen`. When
    // they cannot be run at all (-1), they have not passed.
    int (*start)(struct prober *p, enum gate_phase phase, enum set set, const struct snapshot *seen,
        struct error *err);
    void (*stop)(struct prober *p); // idempotent
    void (*status)(struct prober *p, struct gate_status *ret);
    // Every verdict since start() with its numbers: [{phase, gate, instance?, dry_run?, passed,
    // held?, seen, wanted, ms}]; the caller's.
    struct value *(*verdicts)(struct prober *p);
};
struct prober {
    const struct prober_ops *ops;
    // Set by the driver; called (from the loop, never within start()) when the status has become
    // HELD, PASSED or REJECTED.
    void (*changed)(void *arg);
    void *changed_arg;
};
