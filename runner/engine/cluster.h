// The cluster of a role: the kubeconfig is read and its plugins are run here, by the user whose
// they are; the role sees neither.
#pragma once

#include "codec/mask.h"
#include "codec/value.h"
#include "os/loop.h"

struct cluster_link;

// `context` NULL: the kubeconfig's current one, as it is when it is first read; `kube_namespace`
// NULL: the context's. Every secret is added to the mask (may be NULL), which must outlive it.
struct cluster_link *cluster_link_new(
    struct loop *loop, const char *context, const char *kube_namespace, struct mask *mask);
void cluster_link_free(struct cluster_link *l); // accepts NULL; a plugin that runs is killed

// Reads it, anew each time (an authority, a key may have been replaced): the kube_cluster as a map,
// the caller's; NULL with *err.
struct value *cluster_link_read(struct cluster_link *l, struct error *err);
// A descriptor, the caller's, on which one JSON document comes when it is there, and then the end
// of the file: a kube_credential as a map, or {"error": …}. -1 where the cluster needs none, or
// cannot be read.
int cluster_link_credential(struct cluster_link *l, bool refused, struct error *err);
