// What deploys to Kubernetes would apply, as far as it can be known without the cluster and without
// a run: for `davit plan` and `davit validate`.
#pragma once

#include "pipeline/model.h"

struct plan;
struct kube_previews;

// Of the stages that deploy to Kubernetes: those that `plan` selects, or when it is NULL all of the
// file's, with what a run may have a value for taken as given. `checkout`: a directory. Mistakes in
// manifests, and what cannot be built of them, go to diags, which point into what is returned.
struct kube_previews *kube_previews_new(const struct pipeline *pipeline, const struct plan *plan,
    const char *checkout, struct diag_list *diags);
void kube_previews_free(struct kube_previews *p); // accepts NULL
DEFINE_AUTO_PTR(kube_previews, struct kube_previews, kube_previews_free)
