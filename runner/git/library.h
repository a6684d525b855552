// libgit2, for the files of this room: started so that neither the machine's settings nor another
// owner of the repository decide what davit reads.
#pragma once

#include <git2.h>

#include "base/error.h"
#include "base/memory.h"

// Call it before anything else of libgit2, once.
int library_start(struct error *err);

// Sets *err from what libgit2 said last; `status` is what it returned.
int library_error(struct error *err, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

DEFINE_AUTO_PTR(git_repository, git_repository, git_repository_free)
DEFINE_AUTO_PTR(git_config, git_config, git_config_free)
DEFINE_AUTO_PTR(git_commit, git_commit, git_commit_free)
DEFINE_AUTO_PTR(git_object, git_object, git_object_free)
DEFINE_AUTO_PTR(git_tree, git_tree, git_tree_free)
DEFINE_AUTO_PTR(git_odb, git_odb, git_odb_free)
DEFINE_AUTO_PTR(git_odb_object, git_odb_object, git_odb_object_free)
DEFINE_AUTO_PTR(git_odb_stream, git_odb_stream, git_odb_stream_free)
DEFINE_AUTO_PTR(git_treebuilder, git_treebuilder, git_treebuilder_free)
DEFINE_AUTO_PTR(git_reference, git_reference, git_reference_free)
DEFINE_AUTO_PTR(git_reference_iterator, git_reference_iterator, git_reference_iterator_free)
DEFINE_AUTO_PTR(git_status_list, git_status_list, git_status_list_free)
DEFINE_AUTO_PTR(git_index, git_index, git_index_free)
