// The values that stages see: where each comes from, whether it is what the schema asks for.
//
// From weakest to strongest:
//   1. `default` of the schema entry
//   2. a value in the pipeline's `env:`
//   3. a value in the environment's `env:` (of the stage's `environment`)
//   4. a value in the stage's `env:`
//   5. the `.env` file (only names that the schema declares)
//   6. the caller's environment (likewise)
//   7. secret files of server.yaml (likewise)
// A name that the file fixes to a value (2–4) and the schema does not declare cannot be changed by
// 5 to 7. Where several of stage, environment and pipeline declare a name, the first of them holds.
#pragma once

#include "pipeline/expr.h"
#include "pipeline/model.h"

// A `.env` file: NAME=value lines, # comments, single and double quotes, `export ` allowed; no
// expansion. In double quotes \n, \t, \", \\ and \$ are escapes; both kinds may go over several
// lines. Without quotes a value ends before " #". Mistakes go to diags as file:line:col. `source`
// must outlive *ret: diagnostics about values point into it.
#define DOTENV_MAX ((size_t)256 << 10) // bytes
struct dotenv_entry {
    char *name, *value;
    struct diag_place name_place, value_place;
};
struct dotenv {
    const struct diag_source *source; // lent; NULL: there is no file
    VEC(struct dotenv_entry) entries; // each name once
};
void dotenv_parse(const struct diag_source *source, struct dotenv *ret, struct diag_list *diags);
void dotenv_done(struct dotenv *d);
DEFINE_AUTO(dotenv, struct dotenv, dotenv_done)

enum env_origin {
    ENV_DEFAULT,
    ENV_PIPELINE,
    ENV_ENVIRONMENT,
    ENV_STAGE,
    ENV_DOTENV,
    ENV_CALLER,
    ENV_SECRET_FILE,
};
const char *env_origin_name(enum env_origin origin); // "default", "pipeline", …, ".env", …

struct env_value {
    char *name, *value;
    bool secret;
    enum env_origin origin;
};
struct env_values {
    VEC(struct env_value)
    items; // in the order of the file: the pipeline's, the environment's, the
           // stage's
};
void env_values_done(struct env_values *v);
const char *env_values_get(const struct env_values *v, const char *name); // NULL when absent
DEFINE_AUTO(env_values, struct env_values, env_values_done)

struct env_sources {
    const struct dotenv *dotenv;                     // may be NULL
    char *const *caller;                             // an environ, may be NULL
    const struct strv *secret_names, *secret_values; // server.yaml's files, in step; may be NULL
    // For `${{ git.… }}` in the file's values. NULL: they stay as they are, and unchecked.
    const struct expr_lookup *lookup;
};

// What `stage` gets: every entry of its scope that has a value, checked. Missing and ill-typed
// values are reported to diags, with what is wrong and what would be right, at the value where a
// file gave it, else at its schema entry. -1 when there was an error, and then *ret is empty. A
// secret is left out unless the stage lists it under `secrets:` (and then it must have a value when
// it is required).
//
// What is wrong for several stages in the same way is said once: called for all selected stages
// with one list, this is the check before anything starts.
int environment_resolve(const struct pipeline *p, const struct stage *stage,
    const struct env_sources *sources, struct env_values *ret, struct diag_list *diags);
