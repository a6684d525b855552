#include "deploy/role_cluster.h"

struct role_cluster *role_cluster_new(
    struct loop *loop, struct rpc *worker, const struct value *cluster, struct error *err)
{
    (void)loop;
    (void)worker;
    (void)cluster;
    error_set(err, ERR_UNSUPPORTED, "this davit reaches no cluster yet");
    return NULL;
}

void role_cluster_free(struct role_cluster *c)
{
    (void)c;
}

struct target *role_cluster_target(
    struct role_cluster *c, const char *app, const char *identity, struct error *err)
{
    (void)c;
    (void)app;
    (void)identity;
    error_set(err, ERR_UNSUPPORTED, "this davit reaches no cluster yet");
    return NULL;
}

const char *role_cluster_context(const struct role_cluster *c)
{
    (void)c;
    return NULL;
}

const char *role_cluster_namespace(const struct role_cluster *c)
{
    (void)c;
    return NULL;
}
