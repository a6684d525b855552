// The table of the pipeline file (README, "The pipeline file"): what pipeline_parse() reads by.
//
// Two sections reach other rooms as value trees, in struct stage. A key is always there unless it
// is marked (absent), or (local) and the stage's environment is another. Strings marked ${} may
// hold expressions: expr_expand() them.
//
// build: {
//   "dockerfile": "Dockerfile",      a path below the workspace
//   "context": ".",                  the same
//   "target": "runtime",             (absent)
//   "args": {"NAME": "value"},       values ${}
//   "tags": ["registry.local/a:1"],  ${}
//   "push": true                     default: whether there are tags
// }
//
// deploy: {
//   "app": "gin-app",                a DNS label
//   "environment": "staging",        (absent) one of the file's environments
//   "image": "image",                a build stage that this one needs (directly or not); or a
//                                    reference ${}, which has one of "/:@" or an expression in it
//   "instances": 2,                  (local)
//   "listen": "127.0.0.1:8080",      (local) (absent) then no traffic is routed to the app
//   "ports": {"PORT": "http", "PPROF_PORT": "private"},
//                                    (local) at most one is http; one is wherever `listen`,
//                                    `healthcheck` or a gate that connects is given
//   "healthcheck": {"path": "/ping", "status": 200, "interval_ms": 1000, "timeout_ms": 5000},
//                                    (local) (absent)
//   "strategy": {"kind": "rolling"}
//            or {"kind": "blue-green", "promotion": "automatic" or "manual",
//                "scale_down_delay_ms": 0}
//            or {"kind": "canary", "steps": [step, …]},  steps: (absent) the usual ones
//   "gates": {"before_switch": [gate, …], "after_switch": [gate, …]},
//   "secrets": ["DATABASE_URL"],     the same as the stage's `secrets`
//   "grace_ms": 30000,               (local) from the signal to end to the one to die
//   "drain_ms": 30000,               (local) for connections to end by themselves
//   "deadline_ms": 600000,           for the new instances to become ready
//   "manifests": ["k8s/", {"render": "helm template .", "image": "r.local/helm:3" (absent, ${})}],
//                                    kubernetes, and only there: paths below the workspace, and
//                                    scripts that print manifests
//   "service": "web",                (absent) kubernetes
//   "hooks": {"before": [hook, …], "after": [hook, …]}     (absent) kubernetes
// }
//
// hook: {"job": "migrate", "irreversible": true (absent), "timeout_ms": 600000}
//
// step: {"kind": "weight", "percent": 5}         the first one is; they rise
//    or {"kind": "pause", "for_ms": 60000}
//    or {"kind": "pause", "for": "manual"}        until `davit promote`
//
// gate: {"kind": "http", "path": "/ping" or "url": "https://app.example/ping", "status": 200,
// "headers": {"name": "value"},
//        "content_type": "application/json" (absent), "body": "part of it" (absent),
//        "json": {"dotted.path": "the value; of a number or literal its JSON text"},
//        "timeout_ms": 5000}
//    or {"kind": "tcp", "timeout_ms": 5000}
//    or {"kind": "log", "absent": "pattern"}      see pipeline/pattern.h
//    or {"kind": "stable", "for_ms": 10000}       all ready and no restart for so long
//    or {"kind": "restarts", "max": 0, "for_ms": 10000}
//    or {"kind": "exec", "command": ["/app", "check"], "timeout_ms": 30000}
//    or {"kind": "prometheus", "url": "http://prometheus:9090", "query": "PromQL",
//        "max": "0.01" (absent), "min": "1" (absent), one of them is there,
//        "no_data": "hold" or "pass" or "fail", "interval_ms": 10000,
//        "for_ms": 60000 (absent: one sample), "timeout_ms": 10000}
//       each with "dry_run": true (absent)
#pragma once

#include "pipeline/schema.h"

extern const struct schema_row pipeline_rows[];
