#include "deploy/role_cluster.h"

#include <stdlib.h>

#include "deploy/cluster_access.h"
#include "deploy/target_kube.h"
#include "net/http_curl.h"

struct role_cluster {
    struct http_client *http;
    struct cluster_access *access;
    struct kube_client *client;
};

struct role_cluster *role_cluster_new(struct loop *loop, struct rpc *worker, struct error *err)
{
    AUTO(role_cluster) struct role_cluster *c = mem_alloc(sizeof *c);
    c->access = cluster_access_new(loop, worker, err);
    if (!c->access || !(c->http = http_curl_new(loop, err)))
        return NULL;
    c->client = kube_client_new(loop, c->http, cluster_access_cluster(c->access),
        cluster_access_credentials(c->access), err);
    return c->client ? take_ptr(c) : NULL;
}

void role_cluster_free(struct role_cluster *c)
{
    if (!c)
        return;
    kube_client_free(c->client);
    http_client_free(c->http);
    cluster_access_free(c->access);
    free(c);
}

struct target *role_cluster_target(
    struct role_cluster *c, const char *app, const char *identity, struct error *err)
{
    return target_kube_new(c->client, app, role_cluster_namespace(c), identity, err);
}

const char *role_cluster_context(const struct role_cluster *c)
{
    return cluster_access_cluster(c->access)->context;
}

const char *role_cluster_namespace(const struct role_cluster *c)
{
    return cluster_access_cluster(c->access)->namespace;
}
