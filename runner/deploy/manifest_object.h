// Inside of deploy/manifest: what its files know about Kubernetes objects and their kinds.
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "codec/value.h"

enum manifest_scope { SCOPE_UNKNOWN, SCOPE_NAMESPACED, SCOPE_CLUSTER };

// A kind that every cluster has.
struct manifest_kind {
    const char *group, *kind; // "" is the core group
    int rank;                 // in the order of applying, from 0
    enum manifest_scope scope;
    const char *const *template; // path of the pod template; NULL: it makes no pods
};
#define MANIFEST_RANKS 16 // ranks are below; the last is that of unknown kinds

const struct manifest_kind *manifest_kind_of(const struct value *object); // NULL: unknown
bool manifest_is(const struct value *object, const char *group, const char *kind);
int manifest_rank(const struct value *object);
// Lent, and to be changed in place: has "metadata" and "spec". A Pod is its own.
struct value *manifest_template(struct value *object);

// "apps" of "apps/v1", "" of "v1"; `length` of it.
const char *manifest_group(const struct value *object, size_t *ret_length);
// Whether two objects are the same one: group, kind, name. (All are in one namespace.)
bool manifest_same(const struct value *a, const struct value *b);
const char *manifest_object_kind(const struct value *object); // "" where there is none
const char *manifest_object_name(const struct value *object);
// For printf: "kind/name".
#define MANIFEST_OBJECT          "%s/%s"
#define MANIFEST_OBJECT_ARGS(of) manifest_object_kind(of), manifest_object_name(of)

// The map under a key, put there when there is none.
struct value *manifest_map_at(struct value *map, const char *key);
// metadata.labels[key] = text, of an object or a pod template.
void manifest_set_label(struct value *object, const char *key, const char *text);
// Whether the labels have all of a selector's; an empty selector selects nothing.
bool manifest_selects(const struct value *selector, const struct value *labels);
