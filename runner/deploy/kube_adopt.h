// Taking over an app that runs already, a Deployment that kubectl or Helm has made and perhaps the
// Service before it, and giving an app back. Neither restarts a pod nor costs a request.
//
//   kube_adopt.c       what is there, and whether it can be adopted
//   kube_adopt_take.c  the steps
//   kube_eject.c       back
//
// Adopting makes the Deployment the slot blue of release 1. Its pods have to bear the slot's label,
// and a Deployment whose template changes replaces its pods, unless one of its ReplicaSets has just
// that template. So, with the Deployment paused, the ReplicaSet's template gets the labels, then
// the pods, then the Deployment's template, and each step waits until the controller has seen it:
// ReplicaSet.status.fullyLabeledReplicas says that it sees the labels of all pods (and so does the
// controller of EndpointSlices, which shares its cache), Deployment.status.updatedReplicas that the
// ReplicaSet counts as that of the template.
#pragma once

#include "deploy/manifest.h"
#include "deploy/target.h"

// Of a Deployment that is being adopted, and is paused for it.
#define KUBE_ANNOTATION_ADOPTING "davit.dev/adopting"

struct kube_adoption {
    struct value *deployment;  // as it runs
    struct value *replica_set; // of its pods
    struct value *service;     // NULL: there is none before it
    struct value *autoscaler;  // NULL: nobody else sets its replicas
    struct value *budgets;     // a list: PodDisruptionBudgets of its pods
    struct manifest manifest;  // what release 1 says: the Deployment and its Service, as they are
    struct strv warnings;      // who else will write to these objects, and what stays as it is
    char *from;                // "kubectl-client-side-apply": who has made it
};
void kube_adoption_done(struct kube_adoption *a); // accepts an all-zero struct
DEFINE_AUTO(kube_adoption, struct kube_adoption, kube_adoption_done)

// Looks for it, and changes nothing. `service` and `deployment` may be NULL: the Service named as
// the app, and what is behind it; without one, the Deployment named as the app. What cannot be
// adopted is an error that names it. What an adoption that died has changed already is no obstacle.
// The target is one of target_kube_new(). *ret (all-zero before) is to be freed in any case.
int kube_adopt_find(struct target *t, const char *service, const char *deployment,
    struct kube_adoption *ret, struct error *err);
// What would be changed, a line each.
void kube_adopt_print(const struct kube_adoption *a, struct value *lines);
// All steps on the objects, under a claim. `revision` is the release that was put for them. Can be
// done again from wherever it was left.
int kube_adopt_take(struct target *t, int64_t epoch, const struct kube_adoption *a,
    int64_t revision, struct error *err);
// The last step: from here on the release is live. `adopted` says so as the rollout that it was
// not.
int kube_adopt_commit(
    struct target *t, int64_t epoch, const struct rollout *adopted, struct error *err);

// The objects of the live release as plain manifests, a List: without davit's labels and
// annotations, but for those on pods and in selectors. Notes of what is not in it are added.
int kube_eject_manifests(
    struct target *t, struct value **ret_list, struct strv *notes, struct error *err);
// Takes off the live objects what davit has put on them (not off pod templates), and deletes what
// is only its own: the other slot, the preview, what earlier releases left, the releases, the
// Lease. Under a claim, with nothing under way; the claim is gone afterwards.
int kube_eject(struct target *t, int64_t epoch, struct error *err);
