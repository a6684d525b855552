// Credentials that change: a file that somebody renews, or a plugin (client.authentication.k8s.io,
// v1 and v1beta1) that is asked. For a process of the user whose kubeconfig it is.
//
// A token file is read again after a minute, and at once when the server has refused what it held;
// while it cannot be read, or is empty, the token that was read last stays, unless it was refused.
// A plugin is asked again when its credential has expired or was refused.
#pragma once

#include "kube/cluster.h"
#include "os/loop.h"

struct kube_exec {
    char *place; // "file:line:column" of its `exec`
    char *api_version;
    char *command; // a name that PATH finds, or an absolute path
    struct strv args, env;
    char *install_hint; // NULL
    bool provide_cluster;
    struct value *config; // of the cluster, for the plugin; NULL
    int64_t timeout_ms;   // 0: KUBE_EXEC_TIMEOUT_MS
};
#define KUBE_EXEC_TIMEOUT_MS 60000

// One of both; neither when the cluster is not dynamic.
struct kube_source {
    char *token_file;
    int64_t token_period_ms; // how long what was read is good; 0: KUBE_TOKEN_PERIOD_MS
    struct kube_exec *exec;
};
#define KUBE_TOKEN_PERIOD_MS 60000
void kube_source_done(struct kube_source *s); // accepts an all-zero struct
DEFINE_AUTO(kube_source, struct kube_source, kube_source_done)

struct kube_login;

// All is lent and must outlive it.
struct kube_login *kube_login_new(
    struct loop *loop, const struct kube_source *source, const struct kube_cluster *cluster);
void kube_login_free(struct kube_login *l); // accepts NULL; a plugin that runs is killed
DEFINE_AUTO_PTR(kube_login, struct kube_login, kube_login_free)
// Errors of its fetches: ERR_CONFIG (the plugin is not there, or answers what makes no sense),
// ERR_FAILED (it said no; its stderr is in the message), ERR_TIMEOUT, and those of reading a file.
struct kube_credentials kube_login_credentials(struct kube_login *l);
