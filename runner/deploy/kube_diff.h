// Two objects of a cluster, told apart for a person. Pure.
#pragma once

#include "codec/value.h"

// Appends a line for each path whose value differs, "- spec.replicas: 3" and "+ spec.replicas: 4",
// indented. What a server or davit itself notes down (managedFields, status, versions, stamps,
// slots) is no difference. List items that have a name are known by it. The number of paths.
size_t kube_diff(const struct value *before, const struct value *after, struct str *out);
