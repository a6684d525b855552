// What a build knows while it runs. Only for the build_*.c files.
#pragma once

#include "image/build.h"
#include "image/copy.h"

// A root filesystem in the making: a stage, or an image that COPY --from names.
struct stage_state {
    bool ready;
    struct value *config; // the image's configuration as far as it has come
    struct layer_stack layers;
    struct tree tree; // of the first tree_layers layers; not made before somebody asks
    size_t tree_layers;
    struct variables variables; // ENV and ARG, the later one wins
    struct strv shell;
    bool command_set; // this stage has said CMD
};

struct build {
    struct store *store;
    const struct build_options *options;
    const struct build_host *host;
    struct diag_source source;
    struct dockerfile file;
    struct graph graph;
    struct context context;
    struct diag_list diags;
    int64_t epoch; // the time of everything, seconds
    VEC(struct stage_state) stages;
    VEC(struct external {
        char *reference;
        struct stage_state state;
    })
    externals;
    size_t steps_total;
    struct build_result *result;
};

// One instruction of a stage. *ret_cached: a layer came from the cache. *ret_layer: there is a new
// layer on the stack.
struct step {
    struct build *build;
    struct stage_state *state;
    size_t stage; // its number
    const struct instruction *in;
    size_t number; // of all that the build does, from 1
    bool made_layer, cached;
};
// "[2/5] RUN make", once it is known what becomes of it.
void step_say(const struct step *s, const char *how);
int step_copy(struct step *s, struct error *err);
int step_workdir(struct step *s, struct error *err);
int step_run(struct step *s, struct error *err);
int step_configure(struct step *s, struct error *err); // all that only change the configuration

// The word expanded; NULL when that went wrong, which diags tell.
char *step_expand(struct step *s, const struct docker_text *word);
// The tree of all layers that the state has.
struct tree *stage_state_tree(struct build *b, struct stage_state *state, struct error *err);
int stage_state_from_image(
    struct build *b, const char *reference, struct stage_state *ret, struct error *err);
// The state that stage number `index` starts with.
int stage_state_begin(struct build *b, size_t index, struct error *err);
void stage_state_done(struct stage_state *state);
const char *stage_state_config(const struct stage_state *state, const char *key); // NULL when unset
struct value *stage_state_config_map(struct stage_state *state);

// Cache mounts of a RUN instruction, as [{id, target}]; without `variables` only mistakes are
// looked for.
struct value *build_mounts(const struct instruction *in, const struct dockerfile *file,
    const struct variables *variables, const char *directory, struct diag_list *diags);

// Keys of the cache: a digest over fields, each with its length.
struct cache_key {
    struct sha256 hash;
};
void cache_key_init(struct cache_key *key, const char *kind, int64_t epoch);
void cache_key_add(struct cache_key *key, const char *text); // NULL is not ""
void cache_key_number(struct cache_key *key, uint64_t number);
void cache_key_finish(struct cache_key *key, char ret[static SHA256_HEX_SIZE]);
// 1: *ret is the layer of that step; 2: the step made none; 0: not known.
int cache_find(struct build *b, const char *key, struct layer *ret);
int cache_keep(struct build *b, const char *key, const struct layer *layer, struct error *err);
