// Apps on Kubernetes: nothing is installed in the cluster. What davit knows lives with the app:
//
//   Lease davit-APP                  who drives (holder), the epoch (leaseTransitions), and in an
//                                    annotation the state (deploy/kube_state.h)
//   ControllerRevision davit-APP-rN  release N, whole; how it ended is an annotation
//   Deployment NAME, NAME-green      the slots blue and green of the Deployment behind the Service
//   Service NAME, NAME-preview       where the traffic goes, and the set that is not live yet
//
// Fencing: every write to the Lease tests the epoch. claim() stamps the new epoch on the
// Deployments and Services (and, in the middle of a rollout, on the other objects) before it
// returns; a write to them tests the stamp, or carries a resourceVersion that was read with it.
// What cannot be tested, the creation of an object, creates what does nothing: a Deployment of 0
// replicas, a Service whose slot is none.
#pragma once

#include "deploy/target.h"
#include "kube/client.h"

// How long a driver that has died seems to hold the app; coordination.k8s.io/v1, as the control
// plane's own leases.
#define KUBE_LEASE_MS 15000

// What it can do, also for who plans without a cluster.
#define TARGET_KUBE_CAPS                                                                           \
    ((struct target_caps){                                                                         \
        .native_rolling = true,                                                                    \
        .weight = WEIGHT_RATIO,                                                                    \
        .applies = true,                                                                           \
        .takeover_ms = KUBE_LEASE_MS + 2000,                                                       \
    })

// The client is lent and must outlive the target; its loop is run by every call. `identity` names
// this driver among all (host and run): a second driver with the same one takes over at once.
struct target *target_kube_new(struct kube_client *client, const char *app, const char *ns,
    const char *identity, struct error *err);
