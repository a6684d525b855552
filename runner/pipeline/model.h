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

// Types of `env:` entries.
enum env_type { ENV_STRING, ENV_INT, ENV_BOOL, ENV_PORT, ENV_DURATION, ENV_URL, ENV_ENUM };
const char *env_type_name(enum env_type type);

// A scalar in the file fixes a value; a map is a schema entry, which says what a value must be.
struct env_entry {
    char *name;
    enum env_type type; // of a fixed value ENV_STRING
    char *value;        // fixed by the file, may hold ${{ git.… }}; NULL: a schema entry
    char *fallback;     // schema: `default`, likewise; NULL: none
    bool required, secret;
    char *pattern;                // that the whole value must match (pipeline/pattern.h); NULL
    struct strv choices;          // ENV_ENUM
    struct diag_place place;      // of the name
    struct diag_place text_place; // of value or fallback
};
#define ENV_ENTRIES_MAX 500 // in one table
struct env_table {
    VEC(struct env_entry) entries;
};
const struct env_entry *env_table_get(const struct env_table *t, const char *name); // or NULL

struct stage {
    char *name;
    struct diag_place place;
    enum stage_kind kind;
    // Names. Where no stage of the file has `needs`, each needs the one before it; where one has,
    // a stage without it starts at once. (So `needs: []` on the first stage makes all of them
    // start at once.)
    struct strv needs;
    VEC(struct condition) when;
    int64_t timeout_ms;
    struct env_table env;  // over the pipeline's
    struct strv secrets;   // names of env entries that reach this stage; each once
    struct strv artifacts; // paths and globs below the workspace, taken when it succeeds
    struct strv cache_paths;
    char *cache_key; // may hold ${{ }}; NULL: no cache
    char *image;     // run: reference of the root filesystem, may hold ${{ }}; NULL: the skeleton
    enum stage_network network; // run, and the RUN steps of build
    char *run;                  // run: the script
    uint64_t memory;            // limits; 0: default
    uint32_t processes, cpu_percent;
    // build and deploy: the section in one shape, with defaults (pipeline/keys.h has it). Lent by
    // the pipeline's tree; NULL for other kinds.
    struct value *build, *deploy;
};

struct environment {
    char *name;
    char *target;              // "local" or "kubernetes"
    char *context, *namespace; // kubernetes; NULL: the kubeconfig's current one, the context's
    struct env_table env;
};

// What starts a run; by hand one can always be started. Globs, of which one must match: an empty
// list is none. A file without `on` runs for pushes to every branch; `push:` without branches and
// tags for all of both, with one of them for that one only.
struct trigger {
    struct strv branches, tags;
    bool pull_request;
};
// Whether a push of this branch or tag (one is NULL) starts a run.
bool trigger_matches(const struct trigger *trigger, const char *branch, const char *tag);

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
// The one that a deploy stage names; NULL when it names none, and for other kinds.
struct environment *stage_environment(const struct pipeline *p, const struct stage *stage);
bool environment_is_kubernetes(const struct environment *environment); // NULL is this host

// Reads and checks a pipeline file whole. Every mistake goes to *diags, which point into `source`:
// it must outlive both the pipeline and the diagnostics, and diag_sort() puts them in its order.
// NULL when there was an error among them; warnings may come with a pipeline.
struct pipeline *pipeline_parse(const struct diag_source *source, struct diag_list *diags);

#define PIPELINE_FILE ".davit.yaml"
// Reads `file`, or PIPELINE_FILE when it is NULL, in the directory `dir` into *ret (end it with
// pipeline_source_done). A file that a person named (dir is AT_FDCWD and file is given) may lie
// anywhere; any other must lie below dir, and no symbolic link leads out: the file is foreign.
// ERR_NOT_FOUND names what was looked for.
int pipeline_read(int dir, const char *file, struct diag_source *ret, struct error *err);
void pipeline_source_done(struct diag_source *source);
