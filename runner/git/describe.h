// What a person's working copy is: for `davit run` and `davit plan` on a checkout.
#pragma once

#include "git/repository.h"

// {"commit","branch","tag","dirty","toplevel","default_branch"} of the working copy that holds
// `directory`; nothing in it is written.
//
//   commit          as commit_to_value(); absent before the first one
//   branch          absent when HEAD is detached
//   tag             one that stands for the commit: annotated before plain, then the highest
//   dirty           a file differs from the commit, or is neither in it nor ignored. Submodules do
//                   not count, and ignore rules from outside the working copy are not known.
//   toplevel        the working copy's directory, without a slash at its end
//   default_branch  what origin/HEAD says, else init.defaultBranch of the repository, main or
//                   master, whichever exists
//
// Names that repository_refname_ok() refuses are absent. A directory that is in no repository is
// {"dirty": false, "toplevel": directory}.
struct value *describe(const char *directory, struct error *err);
