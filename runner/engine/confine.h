// The sandbox of a `run` stage: one place decides it, for the worker and for `davit plan`.
#pragma once

#include "engine/plan.h"
#include "sandbox/spec.h"

// What a stage's surroundings turned out to be; strings are lent.
struct surroundings {
    const struct workspace *workspace;
    const char *script; // of a deploy, which gets no secrets; NULL: the stage's own
    const struct value
        *image; // davit-image's answer for `image:` (layers, config); NULL: the skeleton
    const char *images_path; // of the store, for the layers' directories
    const struct sandbox_mount *caches;
    size_t cache_count;
    const char *cgroup;
};

struct confinement {
    struct sandbox_spec spec;
    struct strv argv, environment, layers;
    VEC(struct sandbox_mount) mounts;
};

void confine_stage(const struct plan_stage *stage, const struct context *context,
    const struct surroundings *around, struct confinement *ret);
void confinement_done(struct confinement *c);
