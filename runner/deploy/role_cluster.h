// The cluster of a job, and the apps on it: as the worker's kubeconfig says, which this role never
// sees.
#pragma once

#include "codec/rpc.h"
#include "deploy/target.h"
#include "os/loop.h"

struct role_cluster;

// Asks the worker for it. Both are lent and must outlive it.
struct role_cluster *role_cluster_new(struct loop *loop, struct rpc *worker, struct error *err);
void role_cluster_free(struct role_cluster *c); // accepts NULL
DEFINE_AUTO_PTR(role_cluster, struct role_cluster, role_cluster_free)
// The app's target, which is to be freed before the cluster.
struct target *role_cluster_target(
    struct role_cluster *c, const char *app, const char *identity, struct error *err);
const char *role_cluster_context(const struct role_cluster *c);   // as the kubeconfig names it
const char *role_cluster_namespace(const struct role_cluster *c); // of the app
