// Kubeconfig files (kubernetes.io, "Organizing Cluster Access Using kubeconfig Files"), and a pod's
// own cluster.
//
// Several files are one: the first that has a cluster, user or context of some name has it whole,
// the first that names a current context decides. Paths are relative to their file; `…-data` beats
// the file of the same name. Mistakes are ERR_CONFIG, one, as "file:line:column: …"; what stands in
// entries that nobody asks for is not looked at.
#pragma once

#include "kube/cluster.h"
#include "kube/credential.h"

struct kube_config;

// `path`: that file, which must be there. NULL: those that $KUBECONFIG lists, else ~/.kube/config,
// of which any may be missing. NULL on failure.
struct kube_config *kube_config_load(const char *path, struct error *err);
void kube_config_free(struct kube_config *c); // accepts NULL
DEFINE_AUTO_PTR(kube_config, struct kube_config, kube_config_free)

// Appends the names of all contexts, in the files' order.
void kube_config_contexts(const struct kube_config *c, struct strv *ret);
const char *kube_config_current(const struct kube_config *c); // lent; NULL when no file says

// A context's cluster, whole, and where its credential comes from when ret_cluster->dynamic. NULL:
// the current one; where the files name none and have no contexts, the cluster of the pod that we
// are in, whose context is called KUBE_IN_CLUSTER. ERR_NOT_FOUND names what is like it, or what
// files were looked for. Outputs are the caller's, and untouched on failure.
#define KUBE_IN_CLUSTER "in-cluster"
int kube_config_cluster(const struct kube_config *c, const char *context,
    struct kube_cluster *ret_cluster, struct kube_source *ret_source, struct error *err);

// The cluster of the pod that we are in, by its environment and what is mounted at `directory`
// (NULL: where Kubernetes puts it). ERR_NOT_FOUND: in none.
int kube_config_in_cluster(const char *directory, struct kube_cluster *ret_cluster,
    struct kube_source *ret_source, struct error *err);
