// A worker for davit-image: runs the real role program on one job and answers what it asks, RUN
// steps included (really run, in an overlay and a chroot: the tests are root).
#pragma once

#include <sys/types.h>

#include "base/str.h"
#include "codec/value.h"

struct image_worker {
    char *directory;           // of the test; everything else lies below
    char *store, *context;     // directories
    struct value *credentials; // {registry: {username, password}}; may be NULL
    struct str log;            // lines, and the output of RUN steps
    const char *failpoint;     // DAVIT_FAILPOINT of the next jobs; NULL: none. A job that it
                               // kills ends in ERR_CANCELLED
    unsigned spawned;          // RUN steps that were asked for
    struct value *last_spawn;  // the parameters of the last one
};

void image_worker_init(struct image_worker *w); // makes an empty store and context
void image_worker_done(struct image_worker *w);

// A file of the context (or any path below the test's directory), its parents made.
void image_worker_file(struct image_worker *w, const char *path, mode_t mode, const char *text);
// A busybox root at `path` below the context: bin/sh and what else the tests run, etc/passwd.
void image_worker_busybox(struct image_worker *w, const char *path);

// Adds "store" and "context" to the job (taken) and runs it. NULL with *err when it failed.
struct value *image_worker_job(struct image_worker *w, struct value *job, struct error *err);
// A build job of `Dockerfile` in the context with that text; `tag` may be NULL.
struct value *image_worker_build(
    struct image_worker *w, const char *dockerfile, const char *tag, struct error *err);
