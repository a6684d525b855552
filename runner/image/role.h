// davit-image's jobs. The worker sends one and gets its result (codec/role.h).
//
// Of every job: {"op", "store": "/store", "context": "/workspace", "insecure": ["host:port", …]}:
// the directories have these defaults; `insecure` names registries that are spoken to by http
// (those on this machine's loopback are anyway).
//
//   {"op": "build", "dockerfile": "Dockerfile", "target"?, "args": {NAME: value}, "tags":
//   [reference],
//    "push": bool, "network": "none"|"egress"|"host", "labels": {}?, "annotations": {}?, "pin":
//    app?, "always": bool}
//        Builds and tags; `push` sends every tag; `always` asks the registry whether the tags of
//        base images have moved.
//   {"op": "unpack", "reference", "pin": app?, "always": bool}
//        A tag of the store, a digest in the store, or what a registry has; all its layers are
//        unpacked.
//     → {"digest", "image_id", "reference": "name@digest", "layers": ["layers/HEX", …] (top first;
//     of
//        a build only when it is pinned), "config": {"entrypoint": [], "cmd": [], "env": [],
//        "user", "workdir", "stopsignal", "exposed": []}, "pushed": [reference], "steps": [{"text",
//        "cached", "ms"}]}
//   {"op": "push", "reference"}          → {"digest", "pushed": [reference]}
//   {"op": "gc", "keep_ms"?, "pins"? as of store_unpin(); absent: all are kept}
//     → {"blobs", "layers", "records", "mounts", "bytes"}
//   {"op": "list"}                       → {"images": [{"reference", "digest", "size"}]}
//
// It calls its worker for: log; credentials {registry} → {username, password, realms: [host]?} or
// {}; spawn {argv, env, directory, uid, gid, layers: ["layers/HEX"] (top first), upper, work,
// network, caches: [{id, target}]} → {exit} or {signal}. Layers, upper and work are names in the
// store; a cache's id is a directory below mounts/, which exists.
#pragma once

#include "codec/role.h"

role_work_fn image_work;
