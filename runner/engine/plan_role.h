// `davit plan --role`: the Roles that a plan's deploys to Kubernetes take.
#pragma once

#include "engine/kube_preview.h"
#include "engine/plan.h"

// ERR_CONFIG when no stage deploys to Kubernetes, or when what one applies is not known here. A
// stage that the plan does not select is named in a comment.
int plan_role_text(const struct plan *plan, const struct kube_previews *previews, struct str *out,
    struct error *err);
// {"apiVersion": "v1", "kind": "List", "items": [Role or ClusterRole]}
int plan_role_value(const struct plan *plan, const struct kube_previews *previews,
    struct value **ret, struct error *err);
