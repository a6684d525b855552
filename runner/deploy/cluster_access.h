// The cluster that this role may reach, asked of its worker (codec/role.h): where it is, and who we
// are there. A credential is awaited on the loop, so that nothing waits for a slow plugin.
#pragma once

#include "codec/rpc.h"
#include "kube/cluster.h"
#include "os/loop.h"

struct cluster_access;

// Asks for the cluster. Everything is lent and must outlive it. NULL with the worker's error.
struct cluster_access *cluster_access_new(struct loop *loop, struct rpc *worker, struct error *err);
void cluster_access_free(struct cluster_access *a); // accepts NULL
DEFINE_AUTO_PTR(cluster_access, struct cluster_access, cluster_access_free)

// Lent.
const struct kube_cluster *cluster_access_cluster(const struct cluster_access *a);
const struct kube_credentials *cluster_access_credentials(const struct cluster_access *a);
