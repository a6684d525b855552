// Inside of kube_adopt*.c and kube_eject.c.
#pragma once

#include "deploy/kube_adopt.h"
#include "deploy/kube_private.h"

#define KUBE_AUTOSCALING "autoscaling/v2"
#define KUBE_POLICY      "policy/v1"

// Changes an object that may be there by a JSON Merge Patch (RFC 7386: null takes away): reads it,
// lets `change` say the patch (NULL: nothing to do), and writes on the version that was read, again
// when it has changed meanwhile. Fenced by the stamp that the object may bear.
typedef struct value *kube_merge_fn(const void *arg, const struct value *now);
int kube_merge(struct kube_target *k, int64_t epoch, const struct kube_kind *kind, const char *name,
    kube_merge_fn *change, const void *arg, struct error *err);
// The map at a path of keys, made on the way: kube_merge_map(patch, "metadata", "labels").
struct value *kube_merge_keys(struct value *patch, const char *const *keys);
#define kube_merge_map(v, ...) kube_merge_keys((v), (const char *const[]){__VA_ARGS__, NULL})
// Forgets what managers own of an object (not of its status or scale): all whom `of` names.
int kube_disown(struct kube_target *k, int64_t epoch, const struct kube_kind *kind,
    const char *name, bool (*of)(const char *manager), struct error *err);
// The pod template without the hash that its controller adds, and with `plain` without davit's
// labels. The caller's.
struct value *kube_template_of(const struct value *owner, bool plain);
// Whether one is controlled by the other.
bool kube_owned_by(const struct value *object, const struct value *owner);
