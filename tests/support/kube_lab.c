#include "support/kube_lab.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "codec/yaml.h"
#include "os/file.h"
#include "support/check.h"

static int digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

static char *decode(const struct yaml_node *node)
{
    if (!node)
        return NULL;
    AUTO(str) struct str out;
    str_init(&out, node->length);
    unsigned bits = 0, have = 0;
    for (const char *c = node->text; digit(*c) >= 0; c++) {
        bits = bits << 6 | (unsigned)digit(*c);
        have += 6;
        if (have >= 8) {
            have -= 8;
            str_putc(&out, (char)(bits >> have));
            bits &= (1u << have) - 1;
        }
    }
    return str_take(&out);
}

// The first cluster and user of the file, whose keys and certificates must be in it.
static void read_cluster(const char *path, struct kube_cluster *ret)
{
    AUTO(str) struct str text;
    str_init(&text, YAML_SOURCE_MAX);
    check_ok(file_read(AT_FDCWD, path, &text, &err));
    const struct diag_source source = {path, text.data, text.length};
    struct diag_list diags = {0};
    AUTO(yaml_doc) struct yaml_doc *doc = yaml_read(&source, &diags);
    diag_done(&diags);
    assert_non_null(doc);
    const struct yaml_node *clusters = yaml_get(yaml_root(doc), "clusters");
    const struct yaml_node *users = yaml_get(yaml_root(doc), "users");
    if (!clusters || !clusters->count || !users || !users->count)
        fail_msg("KUBECONFIG (%s) names no cluster and user", path);
    const struct yaml_node *cluster = yaml_get(clusters->items[0], "cluster");
    const struct yaml_node *user = yaml_get(users->items[0], "user");
    *ret = (struct kube_cluster){
        .context = mem_strdup("lab"),
        .server = mem_strdup(yaml_get(cluster, "server")->text),
        .ca = decode(yaml_get(cluster, "certificate-authority-data")),
        .cert = decode(yaml_get(user, "client-certificate-data")),
        .key = decode(yaml_get(user, "client-key-data")),
    };
}

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

void kube_lab_open(struct kube_lab *lab)
{
    const char *path = getenv("KUBECONFIG");
    unsigned random = 0;
    if (!path || !*path)
        fail_msg("%s", "KUBECONFIG is not set: these tests need a real API server "
                       "(scripts/cluster starts one)");
    read_cluster(path, &lab->cluster);
    struct error why;
    lab->loop = loop_new(&why);
    lab->http = http_curl_new(lab->loop, &why);
    assert_non_null(lab->http);
    lab->client = kube_client_new(lab->loop, lab->http, &lab->cluster, NULL, &why);
    assert_non_null(lab->client);
    assert_int_equal(getrandom(&random, sizeof random, 0), sizeof random);
    snprintf(lab->ns, sizeof lab->ns, "davit-test-%08x", random);
    AUTO(value) struct value *ns = object("Namespace", lab->ns);
    check_ok(kube_create(lab->client, kube_lab_kind(lab, "v1", "Namespace"), NULL, ns, NULL, &err));
}

void kube_lab_close(struct kube_lab *lab)
{
    if (!lab->client)
        return;
    if (*lab->ns)
        check_ok(kube_delete(
            lab->client, kube_lab_kind(lab, "v1", "Namespace"), NULL, lab->ns, NULL, &err));
    kube_client_free(lab->client);
    http_client_free(lab->http);
    loop_free(lab->loop);
    kube_cluster_done(&lab->cluster);
}
