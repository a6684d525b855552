// What objects of a Deployment say about its rollout: pure, from what the API shows.
//
// The first sign that a new pod can never become ready decides (facts of kubelet and controllers,
// by name); what is slow but may still come does not:
//
//   - an image that is not there, may not be pulled, or has no valid name: at once. A registry that
//     cannot be reached: at the second failure;
//   - a ConfigMap, Secret or key that is not there, a container that cannot be made or started,
//     OOMKilled: at once;
//   - a container that has ended: at the second time (once may be the wait for a database);
//   - a liveness or startup probe that makes the kubelet kill it: at once. A readiness probe that
//     fails: after the grace that its own settings give;
//   - a pod that is refused by the API (quota, admission, service account): at once; one that fits
//     on no node: when that has lasted, see below;
//   - the Deployment's own progress deadline.
//
// Nothing that ended before the rollout began counts, nor pods from before it, nor those that are
// being ended, nor a node's eviction: such a pod is replaced.
#pragma once

#include "deploy/target.h"

// Both times are on the cluster's clock, as near as the caller knows it.
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
// pods (with `newest` false: of all others). The newest is the one whose template is the
// Deployment's: as long as there is none, nothing is `current`, and no pod is of the new release.
// Pods that are being ended count neither as ready nor as present; they are listed, as draining.
// Names of pods are told in `doomed`: "pod web-7d-x, container app: exit 1 at once (2nd end)".
//
// Returns when to look again although no object changes: some signs are a matter of time.
// INT64_MAX: never.
int64_t verdict_read(const struct verdict_input *in, bool newest, struct set_state *ret);

// The same for the other kinds that roll out: Deployment (that is in no slot), StatefulSet,
// DaemonSet, Job, CustomResourceDefinition; every other kind is settled at once. Of `in` the
// deployment and the port do not matter. *ret_settled: it has come to what was applied; doomed (of
// 256 bytes) is "" while it may. Returns as verdict_read() does.
int64_t verdict_other(const struct verdict_input *in, const struct value *object, bool *ret_settled,
    char *ret_doomed, size_t size);

// Whose log says more about what verdict_read() calls doomed. False: nobody's.
struct verdict_log {
    char pod[254], container[64];
    bool previous; // of the run before the one that is there now
};
bool verdict_log_wanted(const struct verdict_input *in, bool newest, struct verdict_log *ret);

// The lines of `explain`: first the cause, if there is one; then every pod that is not ready, each
// container's state and last end with exit code, signal or reason, the events that say why; and
// last the command that shows more (`kubectl …`).
void verdict_explain(const struct verdict_input *in, const char *ns, struct str *out);
