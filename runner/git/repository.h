// Repositories and what they name.
#pragma once

#include "codec/value.h"
#include "git/library.h"

// Opens the repository at exactly `path`: a bare one, or a directory with .git. NULL with
// ERR_NOT_FOUND when it is none, ERR_UNSUPPORTED when its format is not (SHA-256, reftable).
git_repository *repository_open(const char *path, struct error *err);
// The same for the repository that holds `directory`, looked for upwards: 1 with *ret (the
// caller's), 0 when there is none, -1 with *err.
int repository_find(const char *directory, git_repository **ret, struct error *err);

// Is it a ref's full name by both rules, libgit2's and refname_ok()?
bool repository_refname_ok(const char *name);

// The commit that `name` means: 40 hex digits, "HEAD", or a ref's full name; annotated tags are
// peeled. NULL with ERR_DENIED for any other text, ERR_NOT_FOUND when it does not exist.
git_commit *repository_commit(git_repository *repository, const char *name, struct error *err);

// {"id","short","message","author","email","time"}: short is 8 digits, time the committer's (Unix);
// texts are cut where a hostile commit would fill a packet.
struct value *commit_to_value(const git_commit *commit);
