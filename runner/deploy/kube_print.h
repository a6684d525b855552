// A rollback as kubectl commands: for the day on which davit itself is what is broken.
#pragma once

#include "deploy/release.h"
#include "deploy/target.h"

struct kube_script {
    const char *context; // of the kubeconfig
    const char *title;   // one line: from where to where
    const struct rollout *rollout;
    // The release that the rollout goes to, with its revision; it is put first. NULL: the rollout
    // is the one under way, before its commit, and is taken back.
    const struct release *fresh;
    const struct value *records; // all releases, as release_list() gives them
};

// Appends a shell script that carries out the rollout's program on a target of Kubernetes, as it is
// observed now, and leaves the app's state as davit would: as long as nothing else has changed it
// meanwhile. ERR_UNSUPPORTED for steps that take davit.
int kube_script_print(
    struct target *t, const struct kube_script *script, struct str *out, struct error *err);
