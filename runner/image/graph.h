// The stages of a Dockerfile: what each is built on, and which are needed for the one that is
// wanted.
#pragma once

#include "image/expand.h"

enum stage_base { BASE_SCRATCH, BASE_STAGE, BASE_IMAGE };

struct build_stage {
    char *name; // lower case; NULL: it has none
    struct diag_place place;
    enum stage_base base;
    size_t base_stage;
    char *base_image;   // the reference as written
    size_t first, last; // its instructions: [first, last)
    bool needed;
};

struct graph {
    const struct dockerfile *file;
    struct variables globals; // ARG before the first FROM, and what is always there (TARGETARCH …)
    VEC(struct build_stage) stages;
    size_t target;
};

// `args` are --build-arg's. Mistakes go to diags. `target` names a stage (or its number); NULL: the
// last one.
void graph_make(const struct dockerfile *file, const struct variables *args, const char *target,
    struct graph *ret, struct diag_list *diags);
void graph_done(struct graph *graph);
DEFINE_AUTO(graph, struct graph, graph_done)

// The stage (before stage `before`) that `name` means, by name or number; SIZE_MAX: none, so it is
// an image's reference.
size_t graph_find(const struct graph *graph, const char *name, size_t before);

// This machine's, as images spell them: "linux", "amd64".
#define PLATFORM_OS "linux"
const char *platform_architecture(void);

// Sets the names and values of one ARG: a --build-arg beats the default, which beats a global one.
void arg_declare(const struct instruction *in, const struct dockerfile *file,
    const struct variables *args, const struct variables *globals, struct variables *variables,
    struct diag_list *diags);
