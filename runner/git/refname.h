// Which names of refs davit takes from a repository. Whoever may push chooses them, and they reach
// logs, pages, environments and image tags.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define REFNAME_MAX 255 // bytes

// A full name ("refs/heads/main"). Narrower than git's own rule (git-check-ref-format(1)): letters,
// digits, `._-/+=@#%,` and UTF-8 beyond ASCII without controls and invisible characters; no
// component begins with a dot or a dash, so that no name is ever taken for an option or a path
// upwards.
bool refname_ok(const char *name);

// "main" of "refs/heads/main", "v1" of "refs/tags/v1" (lent); NULL when it is not one of these.
const char *refname_branch(const char *name);
const char *refname_tag(const char *name);
