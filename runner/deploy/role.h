// davit-deploy's jobs. The worker sends one and gets its result (codec/role.h). Every job has
// {"op", "app", "who", "cluster"?: {"context"?, "namespace"?}, "identity"?}. With `cluster` the app
// lives on Kubernetes, where `identity` names this driver among all (whoever resumes the same run
// is the same one); else on this host. It calls its worker for: log; connect_agent {app}, or
// cluster and cluster_credential (deploy/cluster_access.h); journal {event: "release", app,
// revision}, once a release is put.
//
// Jobs that drive a rollout answer
//     {"outcome": "success", "rolled back", "failed", "cancelled", "rollback failed", "parked" or
//      "refused" (engine/outcome.h), "reason": text, "app", "release": the revision, "times": as in
//      a release's record, "verdicts": [of the gates, see gate.h; at most 100], "report": [line]}
// and fail (ERR_CONFLICT) when somebody else drives the app, or takes it over. On SIGTERM they
// request the abort of their rollout and drive it back; "cancelled" before it began, too.
//
//   {"op": "deploy", "spec": the checked section, "image": what davit-image answered to "unpack",
//    "commit": "" for a tree that no commit has, "why", "trace_id", "run", "env": {NAME: value},
//    "values"?: of Kubernetes, what ${{ }} in manifests stands for: {"app", "image", "git.sha", …}}
//    and a descriptor of a JSON document, {"secrets"?: {NAME: value}, "manifests"?: [{"path",
//    "text"}]} (or none). On Kubernetes "image" is {"reference"}.
//        A rollout that a dead runner left is driven to its end first; one that waits for its
//        promotion is ERR_CONFLICT.
//   {"op": "resume"}
//        Drives what is under way; when nothing is, how the last one ended. With all that belongs
//        to "deploy" it is that job once more, after this role died in it: the rollout of `run` is
//        gone on with, or its end is told, or it is begun.
//   {"op": "rollback", "to"?: revision, "why"?, "dry_run"?, "past_migration"?}
//        Pre-empts and takes back what is under way. → and {"from", "to"}: revisions; a dry run
//        changes nothing → and {"program"}
//   {"op": "print_rollback", "to"?: revision, "why"?} and the descriptor of a file
//        Appends to the file a shell script of kubectl that does it. → {}
//   {"op": "plan"} and the descriptor of a file that holds {"manifest": as it would be put, without
//    secrets, "spec": the checked section, "native_peak"?: pods of a native rolling}
//        Appends to the file what the cluster says to it, as lines of `davit plan`. → {"fine":
//        whether it would be taken, with the rights and the room that there are}
//   {"op": "abort"}
//        Whoever drives the rollout takes it back; when nobody does, this one. "success": it goes,
//        or went, back.
//   {"op": "pause"}
//        Leaves word that the rollout parks at the end of its step; "resume" takes it back.
//   {"op": "promote"}
//        Drives on what waited for it.
//
//   {"op": "adopt", "environment", "service"?, "deployment"?, "dry_run"?}
//        Takes over what runs on a cluster already (deploy/kube_adopt.h), as release 1 →
//        {"outcome", "reason", "app", "release", "report"}
//   {"op": "eject", "dry_run"?} and a descriptor, to which a dry run writes the manifests (a List
//   as
//    JSON)
//        Gives it back; without "release" (and manifests) when one that died had come that far →
//        {"outcome", "reason", "app", "release", "report"}
//
// These results, status and history say where the app is, too: "named": it and the options of a
// command about it ("web --context lab --namespace web"); "target"; on Kubernetes "context" and
// "namespace".
//
// The others:
//   {"op": "allow", "commit": a unique prefix}   → {}
//   {"op": "down"}                               → {}
//   {"op": "status"} → {"app", "live", "rollout"?: what is under way, in words, "holder"?, "sets":
//       [{"slot", "release", "ready", "desired", "percent", "instances": [{"index", "state",
//       "address"?, "restarts", "last_end"?}]}], "rollback": whether it could be, in words}
//   {"op": "history"} → {"app", "live", "releases": [newest first: revision, created_unix_ms,
//       commit, image: {reference, digest}, outcome, reason, times, who, why, run, trace_id, slot,
//       instances, strategy], "refused", "omitted"?: how many older releases did not fit}
//   {"op": "logs"} → {}; the live release's lines are told by log
#pragma once

#include "codec/role.h"

role_work_fn deploy_work;
