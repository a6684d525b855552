// The branches and tags of a repository, all at once.
#pragma once

#include "git/repository.h"

// {"refs":[{"name","id"}, …], "head"}, sorted by name. `id` is the commit, annotated tags peeled;
// what is no commit is left out. `head` is the ref that HEAD stands for, whether it exists or not,
// and absent when HEAD is detached. Names that repository_refname_ok() refuses are left out and
// counted in *ret_refused. NULL with *err; ERR_LIMIT beyond 100,000 refs.
struct value *refs_list(git_repository *repository, size_t *ret_refused, struct error *err);
