// What a deploy stage would do on Kubernetes: its steps, its pods, what it applies.
//
// Offline: nothing is asked of the cluster, so what is live there is not known, and both ways to
// begin are shown. The stage is one that is selected.
#pragma once

#include "engine/kube_preview.h"

void plan_kube_text(
    const struct stage *stage, const struct kube_previews *previews, struct str *out);
struct value *plan_kube_value(const struct stage *stage, const struct kube_previews *previews);
