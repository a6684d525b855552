// A commit's files, written into an empty directory.
#pragma once

#include "base/vec.h"
#include "git/repository.h"

// Writes the commit's tree below `directory` (which must be empty): bytes as they were committed
// (no filter, no line endings changed), modes 0644 and 0755 less the umask, links as they are.
// Every entry is made anew below a directory that was made here, so that no link is ever followed.
// Submodules stay empty directories; each adds a line to *notices (kept short). On failure what was
// written stays there.
int checkout_write(git_repository *repository, const git_commit *commit, const char *directory,
    struct strv *notices, struct error *err);

// The content of a blob to fd, which is readable too and empty. A loose object is streamed, a
// packed one is in memory whole; either way its digest is checked. ERR_LIMIT above 2 GiB in a pack.
int blob_write(git_odb *odb, const git_oid *id, int fd, struct error *err);
