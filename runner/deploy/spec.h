// From what a pipeline says, and what is live, to a release and its rollout.
#pragma once

#include "deploy/release.h"

// Where a release comes from. All of it is lent; texts may not be NULL.
struct spec_origin {
    const char *commit, *who, *why, *run, *trace_id;
    int64_t created_unix_ms;
    const struct release_image *image;
    const struct value *env; // a map of strings: what instances see, without secrets
    // Kubernetes: manifest_to_value() of what is applied, and its replicas. NULL: of this host
    const struct value *manifest;
    int replicas;
};

// What davit-image answers to "unpack" (image/role.h) as the image of a release: its layers, there
// "layers/HEX" with the top first, become digests with the bottom first. ERR_PROTOCOL for what is
// missing. *ret (all-zero before) is part of a release and freed with it, in any case.
int spec_image(const struct value *answer, struct release_image *ret, struct error *err);
// "registry/name:tag", "registry/name@sha256:…" as the image of a release for Kubernetes.
void spec_image_reference(const char *reference, struct release_image *ret);

// A pipeline's checked `deploy` section becomes a release; `live` is the one that is live, or NULL.
// The slot follows from both. *ret (all-zero before) is to be freed in any case.
int spec_release(const struct value *section, const struct spec_origin *origin,
    const struct release *live, struct release *ret, struct error *err);
// An earlier release once more, image, settings and gates included, as a new one: what `davit
// rollback` puts. Of `origin`, image, env, manifest and commit are not looked at. Where the
// target replaces instances by itself, a rolling release goes back within the live one's slot.
int spec_again(const struct release *earlier, const struct spec_origin *origin,
    const struct release *live, const struct target_caps *caps, struct release *ret,
    struct error *err);

// How `to` (whose revision the target has given) replaces `live`, which may be NULL. `rollback`:
// without its strategy, pauses and gates. ERR_UNSUPPORTED when the target cannot do what the
// release asks for.
int spec_rollout(const struct release *to, const struct release *live, bool rollback,
    const struct target_caps *caps, struct rollout *ret, struct error *err);
