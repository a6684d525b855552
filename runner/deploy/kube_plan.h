// What a cluster says to a release before it is rolled out: nothing is written.
#pragma once

#include "deploy/kube_rights.h"
#include "deploy/target.h"

// Which of the rights the account has not: added to *ret_missing. Guessed ones are looked up.
int kube_plan_rights(struct target *t, const struct kube_rights *rights,
    struct kube_rights *ret_missing, struct error *err);

// Appends what the server's dry run makes of each object, compared with what is live (`live` may be
// NULL), and what would be pruned. The Deployment goes into the slot of `to`. *ret_refused: how
// many objects the server does not take.
int kube_plan_objects(struct target *t, const struct release *to, const struct manifest *m,
    const struct release *live, struct str *out, size_t *ret_refused, struct error *err);

// Appends how the quotas of the namespace and the nodes bear `peak` pods, of which `running` are
// there already; what the account may not look at is said. *ret_short: how many do not suffice.
int kube_plan_room(struct target *t, const struct manifest *m, int running, int peak,
    struct str *out, size_t *ret_short, struct error *err);
