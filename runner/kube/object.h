// Kubernetes objects as JSON values: what is asked of them all the time.
#pragma once

#include "codec/value.h"

// Lent; NULL where there is none, or where the object is NULL.
const char *kube_name(const struct value *object);
const char *kube_uid(const struct value *object);
const char *kube_version(const struct value *object); // metadata.resourceVersion: opaque
const char *kube_label(const struct value *object, const char *key);
const char *kube_annotation(const struct value *object, const char *key);
// By a path of keys: kube_at(pod, "status", "phase").
struct value *kube_at_keys(const struct value *v, const char *const *keys);
#define kube_at(v, ...) kube_at_keys((v), (const char *const[]){__VA_ARGS__, NULL})

// One row of a JSON Patch (RFC 6902). The path's components follow (any of them may hold "/" and
// "~"), ended by NULL. `v` is taken; NULL for "remove".
void kube_patch_row(struct value *patch, const char *op, struct value *v, ...)
    __attribute__((sentinel));
