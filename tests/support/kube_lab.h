// The real API server that KUBECONFIG names, and a namespace of the test's own in it.
#pragma once

#include "kube/client.h"
#include "net/http_curl.h"

struct kube_lab {
    struct loop *loop;
    struct http_client *http;
    struct kube_cluster cluster;
    struct kube_client *client;
    char ns[40];
};

// Fails the test, with the reason, where there is none.
void kube_lab_open(struct kube_lab *lab);
void kube_lab_close(struct kube_lab *lab); // deletes the namespace
const struct kube_kind *kube_lab_kind(
    struct kube_lab *lab, const char *api_version, const char *kind);
// A ConfigMap with one entry in its data; NULL key: none.
struct value *kube_config_map(const char *name, const char *key, const char *text);
