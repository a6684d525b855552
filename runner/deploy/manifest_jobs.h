// Inside of deploy/manifest: Jobs. What a Job runs cannot be changed, so another content is another
// Job; and those that are a release's hooks are not applied like the rest.
#pragma once

#include "deploy/manifest.h"

// Jobs that are no hooks get a name that carries the hash of what they run, so that one that is the
// same as before is left alone, and another one runs. ERR_CONFIG for one that cannot be named.
int manifest_name_jobs(
    const struct manifest_input *in, struct value *objects, struct strv *notes, struct error *err);
// m->hooks, in the order of in->hooks. ERR_CONFIG for a hook that is no Job of the manifests.
int manifest_take_hooks(const struct manifest_input *in, const struct value *objects,
    struct manifest *m, struct error *err);
