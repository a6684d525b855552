// A release: all that it takes to run a version of an app again, years later, without git, the
// pipeline or the machine that built it; and how its rollout went.
//
// Records live with the target (target.h), as JSON. What is marked ? may be absent, and is when it
// is empty:
//
//     {"version": 1, "revision": 7, "created_unix_ms": …,
//      "commit": "4f0c…", "who": "ann", "why": "push to main", "run": "42", "trace_id": "…",
//      "image": {"reference": "registry.local/gin-app:4f0c", "digest": "sha256:…",
//                "layers": ["sha256:…", …],
//                "config": {"entrypoint": […], "cmd": […], "env": ["NAME=value", …],
//                           "user"?: "app", "workdir"?: "/app", "stopsignal"?: "SIGTERM"}},
//      "env": {"GIN_MODE": "release"}, "slot": "blue",
//      "app": "gin-app", "environment"?: "staging", "secrets"?: ["DATABASE_URL"],
//      "instances": 2, "listen"?: "127.0.0.1:8080", "ports"?: {"PORT": "http", "PPROF": "private"},
//      "healthcheck"?: {"path"?: "/ping", "status": 200, "interval_ms": 1000, "timeout_ms": 5000},
//      "strategy": {"kind": "blue-green", "promotion"?: "manual", "scale_down_delay_ms"?: 30000},
//          or {"kind": "canary", "steps": [as of struct canary]},
//      "gates"?: {"before_switch"?: […], "after_switch"?: […]},   as in gate.h
//      "grace_ms": 10000, "drain_ms": 30000, "deadline_ms": 600000,
//      "outcome": "success", "reason"?: "…",
//      "times"?: {"total_ms": …, "switch_ms": …, "detect_ms": …, "back_ms": …}}
//
// One that was made for Kubernetes has, instead of listen, ports, healthcheck, grace_ms and
// drain_ms,
//
//      "manifest": {…}     what it applies (deploy/manifest.h, manifest_to_value())
//      "hooks"?: {"before"?: [{"job": "migrate", "irreversible"?: true, "timeout_ms": 600000}],
//                 "after"?: […]}     what of it are hooks, in the same order
//      "hooks_run"?: 1               how many of them were begun, at least; once it has ended
//
// and of its image "reference" and "digest"?; "instances" are the replicas of its workload.
//
// `outcome` is "pending" until the rollout has ended; `times` is there from then on. Secrets are
// kept by name only: their values are the target's business.
#pragma once

#include "deploy/fields.h"
#include "deploy/gate.h"

struct release_config { // of the image
    struct strv entrypoint, cmd, env;
    char *user, *workdir, *stopsignal; // NULL: the image does not say
};

struct release_image {
    char *reference;    // as a person knows it
    char *digest;       // what is run; kubernetes: NULL when a tag names it
    struct strv layers; // digests, bottom first
    struct release_config config;
};

enum port_kind { PORT_HTTP, PORT_PRIVATE };
struct release_port {
    char *name; // of the environment variable that carries its number
    enum port_kind kind;
};
struct release_ports {
    VEC(struct release_port) items;
};

struct release_healthcheck {
    char *path; // NULL: an instance is ready when it listens
    int status;
    int64_t interval_ms, timeout_ms;
};

enum promotion { PROMOTION_AUTOMATIC, PROMOTION_MANUAL };
struct release_strategy {
    enum strategy kind; // not ROLLBACK
    enum promotion promotion;
    int64_t scale_down_delay_ms;
    struct canary canary; // CANARY: always with steps
};

struct release_gates {
    struct gate_list before_switch, after_switch;
};

struct release_hook {
    char *job;         // as the manifests call it
    bool irreversible; // nothing that was made before it may run again unasked
    int64_t timeout_ms;
};
struct release_hook_list {
    VEC(struct release_hook) items;
};
struct release_hooks {
    struct release_hook_list before, after;
};

struct release {
    int64_t revision; // 0 until the target has given it one
    int64_t created_unix_ms;
    char *app, *environment;
    char *commit, *who, *why, *run, *trace_id;
    struct release_image image;
    struct value *env; // a map of strings
    struct strv secrets;
    enum slot slot;
    int instances;
    struct value *manifest; // as manifest_to_value() gives it; NULL: a release of this host
    char *listen;
    struct release_ports ports;
    struct release_healthcheck healthcheck;
    struct release_strategy strategy;
    struct release_gates gates;
    struct release_hooks hooks;
    int hooks_run;
    int64_t grace_ms, drain_ms, deadline_ms;
    enum outcome outcome;
    char *reason;
    struct rollout_times times;
};

// Of struct rollout_times, for whoever writes them down elsewhere (deploy/fields.h).
extern const struct field release_times_rows[];

void release_done(struct release *r); // accepts an all-zero struct
DEFINE_AUTO(release, struct release, release_done)

// Of all hooks of a release, in the order of running, from 1; NULL: there is no such one.
const struct release_hook *release_hook(const struct release *r, int number);

struct value *release_to_value(const struct release *r);
// ERR_PROTOCOL, naming the key, for what is missing, unknown or ill-typed; ERR_UNSUPPORTED for a
// record of a newer davit. *ret (all-zero before) is to be freed in any case.
int release_from_value(const struct value *v, struct release *ret, struct error *err);

// The part of a release that a pipeline's `deploy` section says: app, environment, secrets,
// instances, listen, ports, healthcheck, strategy, gates, grace_ms, drain_ms, deadline_ms, spelled
// as above; of one with `manifests`, what is said of Kubernetes releases but instances and
// manifest. What else the section may hold (`image`: a stage, `service`) is left to the caller.
int release_from_section(const struct value *section, struct release *ret, struct error *err);
