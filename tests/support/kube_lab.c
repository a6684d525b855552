#include "support/kube_lab.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "kube/config.h"
#include "support/check.h"

const struct kube_kind *kube_lab_kind(
    struct kube_lab *lab, const char *api_version, const char *kind)
{
    const struct kube_kind *ret = NULL;
    check_ok(kube_kind_find(lab->client, api_version, kind, &ret, &err));
    return ret;
}

static struct value *object(const char *kind, const char *name)
{
    struct value *v = value_map(), *metadata = value_map();
    value_set_str(v, "apiVersion", "v1");
    value_set_str(v, "kind", kind);
    value_set_str(metadata, "name", name);
    value_set(v, "metadata", metadata);
    return v;
}

struct value *kube_config_map(const char *name, const char *key, const char *text)
{
    struct value *v = object("ConfigMap", name), *data = value_map();
    if (key)
        value_set_str(data, key, text);
    value_set(v, "data", data);
    return v;
}

static void open_client(struct kube_lab *lab)
{
    struct error why;
    AUTO(kube_config) struct kube_config *config = kube_config_load(NULL, &why);
    if (!config)
        fail_msg("%s", why.message);
    check_ok(kube_config_cluster(config, NULL, &lab->cluster, &lab->source, &err));
    lab->loop = loop_new(&why);
    lab->http = http_curl_new(lab->loop, &why);
    lab->login = kube_login_new(lab->loop, &lab->source, &lab->cluster);
    lab->credentials = kube_login_credentials(lab->login);
    lab->client = kube_client_new(lab->loop, lab->http, &lab->cluster, &lab->credentials, &why);
    assert_non_null(lab->client);
}

void kube_lab_open(struct kube_lab *lab)
{
    const char *path = getenv("KUBECONFIG");
    unsigned random = 0;
    if (!path || !*path)
        fail_msg("%s", "KUBECONFIG is not set: these tests need a real API server "
                       "(scripts/cluster starts one)");
    open_client(lab);
    assert_int_equal(getrandom(&random, sizeof random, 0), sizeof random);
    snprintf(lab->ns, sizeof lab->ns, "davit-test-%08x", random);
    AUTO(value) struct value *ns = object("Namespace", lab->ns);
    check_ok(kube_create(lab->client, kube_lab_kind(lab, "v1", "Namespace"), NULL, ns, NULL, &err));
}

void kube_lab_close(struct kube_lab *lab)
{
    if (!lab->client)
        return;
    check_ok(
        kube_delete(lab->client, kube_lab_kind(lab, "v1", "Namespace"), NULL, lab->ns, NULL, &err));
    kube_client_free(lab->client);
    kube_login_free(lab->login);
    http_client_free(lab->http);
    loop_free(lab->loop);
    kube_cluster_done(&lab->cluster);
    kube_source_done(&lab->source);
}
