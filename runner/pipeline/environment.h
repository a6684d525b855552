// The values that stages see: where each comes from, whether it is what the schema asks for.
//
// From weakest to strongest:
//   1. `default` of the schema entry
//   2. a value in the pipeline's `env:`
//   3. a value in the environment's `env:` (of the stage's `environment`)
//   4. a value in the stage's `env:`
//   5. the `.env` file (only names that the schema declares)
//   6. the caller's environment, and secrets from server.yaml (only names that the schema declares)
// A name that the file fixes to a value (2–4) and the schema does not declare cannot be changed by
// 5 and 6.
#pragma once

#include "pipeline/model.h"

// A `.env` file: NAME=value lines, # comments, single and double quotes, `export ` allowed; no
// expansion. Mistakes go to diags as file:line:col. NULL source: no file.
struct dotenv {
    struct strv names, values; // in step
};
void dotenv_parse(const struct diag_source *source, struct dotenv *ret, struct diag_list *diags);
void dotenv_done(struct dotenv *d);

struct env_value {
    char *name, *value;
    bool secret;
    const char *origin; // "default", "pipeline", "environment NAME", "stage", ".env", "caller",
                        // "secret file": static or the model's
};
struct env_values {
    VEC(struct env_value) items;
};
void env_values_done(struct env_values *v);
const char *env_values_get(const struct env_values *v, const char *name);

struct env_sources {
    const struct dotenv *dotenv;                     // may be NULL
    char *const *caller;                             // an environ, may be NULL
    const struct strv *secret_names, *secret_values; // server.yaml's files, may be NULL
};

// What `stage` gets: every entry of its scope, checked. Missing and ill-typed values are reported
// to diags at the entry's place, with what is wrong and what would be right; nothing is returned
// half: on an error *ret is empty. A secret is left out unless the stage lists it under `secrets:`
// (and then it must have a value when it is required).
int environment_resolve(const struct pipeline *p, const struct stage *stage,
    const struct env_sources *sources, struct env_values *ret, struct diag_list *diags);
