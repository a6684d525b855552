// Builds an image from a Dockerfile and a context: the executor over the graph.
//
// Every step that makes a layer is looked up in the build cache first: RUN by the layers below it,
// its command, environment, user and directory; COPY by what it would write. What the build cannot
// do itself it asks of its host.
#pragma once

#include "image/context.h"
#include "image/graph.h"
#include "image/manifest.h"
#include "image/passwd.h"

// A RUN step for the host to run. Names are relative to the store.
struct build_run {
    const struct strv *argv, *environment;
    const char *directory;
    struct ids ids;
    const struct strv *layers; // top first
    const char *upper, *work;  // both exist, empty
    const char *network;
    const struct value *caches; // [{id, target}]
};

struct build_host {
    // The image of that reference, with its blobs in the store.
    int (*base)(void *arg, const char *reference, struct image *ret, struct error *err);
    // Runs it; 0 when it ran, with the exit code, or the signal that ended it.
    int (*run)(
        void *arg, const struct build_run *run, int *ret_code, int *ret_signal, struct error *err);
    void (*log)(void *arg, const char *line);
    void *arg;
};

struct build_options {
    int context;            // a directory
    const char *dockerfile; // its path in the context
    const char *target;     // NULL: the last stage
    const struct variables *args;
    const char *network;             // of RUN steps
    const struct value *labels;      // more of them; may be NULL
    const struct value *annotations; // of the manifest; may be NULL
};

struct build_step {
    char *text;
    bool cached;
    int64_t ms;
};
struct build_result {
    struct image image;
    VEC(struct build_step) steps;
};
void build_result_done(struct build_result *r); // accepts an all-zero one
DEFINE_AUTO(build_result, struct build_result, build_result_done)

// Mistakes of the Dockerfile are all reported through host->log, with line and caret; *err is then
// the first one, as "Dockerfile:3:5: message".
int build_image(struct store *store, const struct build_options *options,
    const struct build_host *host, struct build_result *ret, struct error *err);
