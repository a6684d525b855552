// A pipeline as the engine sees it: checked, with defaults filled in and every name resolved.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/diag.h"
#include "base/vec.h"
#include "codec/value.h"

enum event_kind {
    EVENT_PUSH,
    EVENT_TAG,
    EVENT_PULL_REQUEST,
    EVENT_SCHEDULE,
    EVENT_MANUAL,
};
const char *event_name(enum event_kind event); // "push", …

enum stage_kind { STAGE_RUN, STAGE_BUILD, STAGE_DEPLOY };
const char *stage_kind_name(enum stage_kind kind); // "run", "build", "deploy"

enum stage_network { NETWORK_NONE, NETWORK_EGRESS, NETWORK_HOST };
const char *stage_network_name(enum stage_network network);

// One item of `when:`. Within it all that is given must hold; of several items one must. Empty
// lists do not restrict.
#define WHEN_SUCCESS                                                                               \
    1u // no stage that this one needs (all of them when it needs none) has failed: the default
#define WHEN_FAILURE 2u
struct condition {
    struct strv branch; // glob patterns
    struct strv event;  // names
    unsigned status;    // WHEN_…; 0: not given
};

// Types of `env:` entries. A scalar in the file is ENV_STRING with `value`.
enum env_type { ENV_STRING, ENV_INT, ENV_BOOL, ENV_PORT, ENV_DURATION, ENV_URL, ENV_ENUM };
const char *env_type_name(enum env_type type);

struct env_entry {
    char *name;
    enum env_type type;
    char *value;    // fixed by the file; NULL when it is a schema entry
    char *fallback; // schema: `default`
    bool required, secret;
    char *pattern;       // POSIX extended regular expression the whole value must match; NULL
    struct strv choices; // ENV_ENUM
    struct diag_place place;
};
struct env_table {
    VEC(struct env_entry) entries;
};

struct stage {
    char *name;
    struct diag_place place;
    enum stage_kind kind;
    struct strv needs; // names; the file's order unless `needs` appears (then [] starts at once)
    VEC(struct condition) when;
    int64_t timeout_ms;
    struct env_table env;  // over the pipeline's
    struct strv secrets;   // names of env entries that reach this stage
    struct strv artifacts; // paths and globs below the workspace, taken when it succeeds
    struct strv cache_paths;
    char *cache_key; // may hold ${{ hashFiles('…') }}; NULL: no cache
    char *image;     // run: reference of the root filesystem; NULL: the skeleton
    enum stage_network network;
    char *run;       // run: the script
    uint64_t memory; // limits; 0: default
    uint32_t processes, cpu_percent;
    // build and deploy: the section as a map, checked against its schema, defaults filled in,
    // durations in ms (see schema.h for the keys). NULL for other kinds.
    struct value *build, *deploy;
};

struct environment {
    char *name;
    char *target; // "local" (later "kubernetes")
    struct env_table env;
};

struct trigger {
    bool given; // false: pushes to every branch, and by hand
    bool push, pull_request;
    struct strv branches; // of push; globs; empty: all
    struct strv tags;     // of push; globs; empty with `push: {branches: …}`: none
};

struct pipeline {
    char *name;
    const struct diag_source *source; // lent
    struct trigger on;
    struct env_table env;
    VEC(struct environment) environments;
    VEC(struct stage) stages;
    struct value *tree; // the whole file, checked and with defaults: for `plan -o json`
};

void pipeline_free(struct pipeline *p); // accepts NULL
DEFINE_AUTO_PTR(pipeline, struct pipeline, pipeline_free)
struct stage *pipeline_stage(const struct pipeline *p, const char *name); // NULL when absent
struct environment *pipeline_environment(const struct pipeline *p, const char *name);

// Reads and checks a pipeline file whole. Every mistake goes to *diags, which point into `source`:
// it must outlive both the pipeline and the diagnostics. NULL when there was an error among them.
struct pipeline *pipeline_parse(const struct diag_source *source, struct diag_list *diags);
// Reads `.davit.yaml` in `dir`, or the given file, into *ret (end it with pipeline_source_done).
// ERR_NOT_FOUND names what was looked for.
int pipeline_read(int dir, const char *file, struct diag_source *ret, struct error *err);
void pipeline_source_done(struct diag_source *source);
