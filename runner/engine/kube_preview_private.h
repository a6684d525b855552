// One stage of kube_preview.h, for plan_kube.c.
#pragma once

#include "deploy/manifest_files.h"
#include "engine/kube_preview.h"

struct kube_preview {
    const struct stage *stage;
    struct value *texts;         // of the manifests
    struct manifest_files files; // what diagnostics point into
    struct manifest manifest;
    bool built;      // the manifest is there
    bool made_later; // a manifest is not in the checkout, and a stage before may make it
    bool rendered;   // a command prints some of it, which does not run for a plan
    char *image;     // reference; of an image that is yet to be built, its tag
    // Of the environment, else as the kubeconfig here says (and then `found_…`); NULL: it says
    // nothing, or there is none.
    char *context, *namespace;
    bool found_context, found_namespace;
    bool unknown_context; // the kubeconfig here has no such one
};

const struct kube_preview *kube_previews_find(
    const struct kube_previews *p, const struct stage *stage); // NULL: not selected
