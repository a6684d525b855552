// The rights that davit needs in a namespace (and, for kinds of the cluster's own, beyond it) to
// keep an app there: what a Role is made of, and no verb more. Pure.
//
// Reading what kinds there are (discovery) is everybody's in a cluster, and so not said.
#pragma once

#include "deploy/manifest.h"
#include "deploy/release.h"

enum kube_verb {
    KUBE_GET = 1 << 0,
    KUBE_LIST = 1 << 1,
    KUBE_WATCH = 1 << 2,
    KUBE_CREATE = 1 << 3,
    KUBE_PATCH = 1 << 4,
    KUBE_DELETE = 1 << 5,
};
#define KUBE_VERBS 6
extern const char *const kube_verb_names[KUBE_VERBS]; // "get", … by the number of the bit

struct kube_right {
    char *group, *resource; // "apps", "deployments"; "pods/log"
    unsigned verbs;
    bool cluster; // of a kind that is in no namespace
    // Of a kind that not every cluster has, whose plural and place are guessed: "example.com/v1"
    // and "Widget", else NULL.
    char *guessed_version, *guessed_kind;
};

struct kube_rights {
    VEC(struct kube_right) items; // one a resource
};
void kube_rights_done(struct kube_rights *r); // accepts an all-zero struct
DEFINE_AUTO(kube_rights, struct kube_rights, kube_rights_done)

// For every verb of davit on an app whose releases look like this one: what it applies, and its
// gates.
void kube_rights_of(
    const struct manifest *m, const struct release_gates *gates, struct kube_rights *ret);
// Adds what is not there yet.
void kube_rights_add(
    struct kube_rights *r, const char *group, const char *resource, unsigned verbs, bool cluster);

// The rules of a Role, or of a ClusterRole (`cluster`): [{apiGroups, resources, verbs}]; empty when
// there is nothing to allow. The caller's.
struct value *kube_rights_rules(const struct kube_rights *r, bool cluster);
// The rules as the YAML of a Role has them, indented by `indent` more than "rules:".
void kube_rules_print(const struct value *rules, int indent, struct str *out);

// Role and, if it takes one, ClusterRole: "davit-APP"; ns may be NULL: it is left out. As YAML with
// comments on what is guessed; or as a list of objects, the caller's.
void kube_rights_print(
    const struct kube_rights *r, const char *app, const char *ns, struct str *out);
struct value *kube_rights_objects(const struct kube_rights *r, const char *app, const char *ns);
