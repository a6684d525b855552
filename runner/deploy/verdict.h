// What objects of a Deployment say about its rollout: pure, from what the API shows.
//
// The first sign that a new pod can never become ready decides (facts of kubelet and controllers,
// by name); what is slow but may still come does not.
#pragma once

#include "deploy/target.h"

struct verdict_input {
    const struct value *deployment; // as the API shows it; NULL: there is none
    const struct value *replica_sets,
        *pods;                  // lists; whose are not the deployment's are passed over
    const struct value *events; // list, may be NULL: of these pods and ReplicaSets
    int64_t since_unix_ms;      // of the rollout: what is from before does not count
    int64_t now_unix_ms;
    int port; // of a pod, for addresses
};

// Fills desired, current, ready, present, instances and doomed of *ret from the newest ReplicaSet's
// pods (with `newest` false: of all others). Names of pods are told in `doomed`: "pod web-7d-x,
// container app: exit 1 after 0.3 s (3rd start): last line …".
void verdict_read(const struct verdict_input *in, bool newest, struct set_state *ret);
// The same for the other kinds that roll out: StatefulSet, DaemonSet, Job, and every kind with
// conditions. *ret_settled: it has come to what was applied; doomed (of 256 bytes) is "" while it
// may.
void verdict_other(const struct value *object, const struct value *pods, const struct value *events,
    int64_t since_unix_ms, bool *ret_settled, char *ret_doomed, size_t size);
// The lines of `explain`: every pod that is not ready, each container's state and last end with
// exit code, signal or reason, the events that say why, and the command that shows more (`kubectl
// …`).
void verdict_explain(const struct verdict_input *in, const char *ns, struct str *out);
