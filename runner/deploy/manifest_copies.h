// Inside of deploy/manifest: ConfigMaps and Secrets, and who refers to them.
#pragma once

#include "deploy/manifest.h"

// Brings every ConfigMap and Secret of the list into one form: `data` of strings (a Secret's
// stringData is encoded). ERR_CONFIG, naming the key, for what is no string.
int manifest_settle_data(struct value *objects, struct error *err);

// Adds APP-env and APP-secrets to the list, and an envFrom to each container that runs the image;
// neither where no container does. ERR_CONFIG when an object of the list has that name.
int manifest_add_environment(
    const struct manifest_input *in, struct value *objects, struct strv *notes, struct error *err);

// Puts immutable copies in the place of the ConfigMaps and Secrets that pods use, and their names
// into the pod templates. The original stays beside its copy where something else names it.
int manifest_copy_used(struct value *objects, struct strv *notes, struct error *err);
