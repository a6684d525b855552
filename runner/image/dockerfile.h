// A Dockerfile as it was written: instructions with their flags and words, every character with its
// place in the source. Nothing is expanded or resolved here.
#pragma once

#include "base/diag.h"
#include "base/vec.h"

// A piece of text that remembers where each of its bytes stood (continuation lines are joined, so
// that is not one offset). places[length] is where it ended.
struct docker_text {
    char *text;
    size_t *places;
    size_t length;
};
struct docker_text docker_text_part(const struct docker_text *whole, size_t start, size_t end);
void docker_text_done(struct docker_text *t);
struct diag_place docker_text_place(const struct docker_text *t);

enum docker_keyword {
    DOCKER_ARG,
    DOCKER_CMD,
    DOCKER_COPY,
    DOCKER_ENTRYPOINT,
    DOCKER_ENV,
    DOCKER_EXPOSE,
    DOCKER_FROM,
    DOCKER_LABEL,
    DOCKER_RUN,
    DOCKER_SHELL,
    DOCKER_STOPSIGNAL,
    DOCKER_USER,
    DOCKER_WORKDIR,
};

struct docker_flag {
    char *name;
    struct docker_text value;
    struct diag_place place;
};

struct instruction {
    enum docker_keyword keyword;
    struct diag_place place; // of the keyword
    char *line;              // the whole instruction on one line, to show
    VEC(struct docker_flag) flags;
    // What follows, by keyword: ENV and LABEL name, value, name, value …; ARG too, where a value
    // without text is none; RUN, CMD and ENTRYPOINT the words of the exec form (`exec`), or one
    // text for the shell; USER, WORKDIR, STOPSIGNAL one; the others words.
    VEC(struct docker_text) words;
    bool exec;
};

struct dockerfile {
    const struct diag_source *source; // lent
    char escape;
    VEC(struct instruction) instructions;
};

#define DOCKERFILE_MAX ((size_t)1 << 20)

// Mistakes go to diags; the source must outlive the result.
void dockerfile_parse(
    const struct diag_source *source, struct dockerfile *ret, struct diag_list *diags);
void dockerfile_done(struct dockerfile *file); // accepts an all-zero one
DEFINE_AUTO(dockerfile, struct dockerfile, dockerfile_done)

const struct docker_flag *instruction_flag(const struct instruction *in, const char *name);
