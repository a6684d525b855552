// Where the repository of a checkout lies when it is not in the checkout: a linked worktree and a
// submodule have a file `.git` that names it.
#pragma once

#include "base/error.h"
#include "base/vec.h"

// Appends the directories besides `top` (absolute) that git looks into: none for a plain checkout.
int gitdir_find(const char *top, struct strv *ret, struct error *err);
