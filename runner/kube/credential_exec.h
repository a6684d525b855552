// One run of an exec plugin, on the loop: a plain process of this user, with nothing on stdin, in a
// process group of its own. Only for credential.c.
#pragma once

#include "kube/credential.h"

struct kube_plugin;

// Exactly one call, from the loop; kube_plugin_free() may be called in it. A credential may be
// moved out.
typedef void kube_plugin_fn(void *arg, struct kube_credential *credential, const struct error *err);
struct kube_plugin *kube_plugin_start(struct loop *loop, const struct kube_exec *exec,
    const struct kube_cluster *cluster, kube_plugin_fn *done, void *arg, struct error *err);
void kube_plugin_free(struct kube_plugin *p); // accepts NULL; what still runs is killed

// What the plugin is told (KUBERNETES_EXEC_INFO); the caller's.
char *kube_exec_info(const struct kube_exec *exec, const struct kube_cluster *cluster);
// What it answers. ERR_CONFIG.
int kube_exec_answer(const struct kube_exec *exec, const char *text, size_t length,
    struct kube_credential *ret, struct error *err);
