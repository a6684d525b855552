// Inside of deploy/manifest: which Deployment is set apart, and by which Service.
#pragma once

#include "deploy/manifest.h"

// Fills workload, service, replicas and port (shared with the list), and may add notes.
int manifest_find_workload(
    const struct manifest_input *in, struct value *objects, struct manifest *m, struct error *err);
