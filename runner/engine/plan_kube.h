// What a deploy stage would do on Kubernetes: its steps, its pods, what it applies.
//
// Offline: nothing is asked of the cluster, so what is live there is not known, and both ways to
// begin are shown. The stage is one that is selected.
#pragma once

#include "engine/kube_preview.h"

void plan_kube_text(
    const struct stage *stage, const struct kube_previews *previews, struct str *out);
struct value *plan_kube_value(const struct stage *stage, const struct kube_previews *previews);
// What a deploy role is asked by (deploy/role.h, "plan"). All but the document, JSON, is lent.
struct plan_question {
    char *document;
    const char *app, *context, *namespace; // the last two may be NULL
};
// 1; 0: the stage would deploy to no cluster. ERR_CONFIG when it is not known here what it applies.
int plan_kube_question(const struct stage *stage, const struct kube_previews *previews,
    struct plan_question *ret, struct error *err);
