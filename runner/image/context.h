// A build context: a directory of the host as a tree, less what its ignore file leaves out. It is
// read directory by directory, as COPY looks into it.
#pragma once

#include "image/ignore.h"
#include "image/tree.h"

struct context {
    int dir; // not owned
    struct tree tree;
    struct ignore ignore;
    struct diag_source ignore_source; // owned: path and text
    VEC(bool *) matched;              // what each directory that was read tells its children
    VEC(char *) skipped;              // special files that were left out
};

// `dockerfile` names the file whose own ignore file ("NAME.dockerignore") comes before
// ".dockerignore"; mistakes in it go to diags, which may point into the context. -1: it cannot be
// read.
int context_open(struct context *context, int dir, const char *dockerfile, struct diag_list *diags,
    struct error *err);
void context_close(struct context *context); // accepts an all-zero one
DEFINE_AUTO(context, struct context, context_close)

// A file of the tree, for reading.
int context_open_file(const struct context *context, const char *path, struct error *err);
