// Root filesystems in the making: where they start, and what they hold.
#include <stdlib.h>
#include <string.h>

#include "image/build_state.h"

#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

void stage_state_done(struct stage_state *state)
{
    value_free(state->config);
    layer_stack_done(&state->layers);
    tree_done(&state->tree);
    variables_done(&state->variables);
    strv_done(&state->shell);
}

struct tree *stage_state_tree(struct build *b, struct stage_state *state, struct error *err)
{
    if (!state->tree.root)
        tree_init(&state->tree);
    if (layer_stack_tree(b->store, &state->layers, state->tree_layers, &state->tree, err) < 0)
        return NULL;
    state->tree_layers = state->layers.items.length;
    return &state->tree;
}

// ENV and SHELL of an image are where its stage starts.
static void read_config(struct stage_state *state)
{
    const struct value *config = value_get(state->config, "config");
    const struct value *env = value_get(config, "Env"), *shell = value_get(config, "Shell");
    for (size_t i = 0; i < value_length(env); i++) {
        const char *text = value_text(value_at(env, i));
        const char *equals = text ? strchr(text, '=') : NULL;
        if (!equals)
            continue;
        AUTO_FREE char *name = mem_strndup(text, (size_t)(equals - text));
        variables_set(&state->variables, name, equals + 1);
    }
    for (size_t i = 0; i < value_length(shell); i++)
        if (value_text(value_at(shell, i)))
            strv_push(&state->shell, value_text(value_at(shell, i)));
    if (!state->shell.length) {
        strv_push(&state->shell, "/bin/sh");
        strv_push(&state->shell, "-c");
    }
}

int stage_state_from_image(
    struct build *b, const char *reference, struct stage_state *ret, struct error *err)
{
    AUTO(image) struct image image = {0};
    if (b->host->base(b->host->arg, reference, &image, err) < 0)
        return -1;
    const struct value *config = value_get(image.config, "config");
    if (value_length(value_get(config, "OnBuild")))
        return error_set(err, ERR_UNSUPPORTED,
            "%s has ONBUILD instructions, which are not supported yet", reference);
    struct stage_state state = {.ready = true, .config = value_map(), .layers = image.layers};
    image.layers = (struct layer_stack){0};
    // Only what means something for an image that is built on it.
    static const char *const kept[] = {"architecture", "os", "variant", "history"};
    for (size_t i = 0; i < ARRAY_LEN(kept); i++)
        value_set(state.config, kept[i],
            value_get(image.config, kept[i]) ? value_copy(value_get(image.config, kept[i])) : NULL);
    value_set(
        state.config, "config", value_type(config) == VALUE_MAP ? value_copy(config) : value_map());
    read_config(&state);
    *ret = state;
    return 0;
}

static void from_scratch(struct stage_state *state)
{
    struct value *config = value_map(), *env = value_list();
    value_append_str(env, DEFAULT_PATH);
    value_set(config, "Env", env);
    state->config = value_map();
    value_set_str(state->config, "architecture", platform_architecture());
    value_set_str(state->config, "os", PLATFORM_OS);
    value_set(state->config, "config", config);
    read_config(state);
}

int stage_state_begin(struct build *b, size_t index, struct error *err)
{
    const struct build_stage *stage = &b->graph.stages.items[index];
    struct stage_state *state = &b->stages.items[index];
    switch (stage->base) {
    case BASE_SCRATCH:
        from_scratch(state);
        break;
    case BASE_IMAGE:
        if (stage_state_from_image(b, stage->base_image, state, err) < 0)
            return -1;
        break;
    case BASE_STAGE: {
        const struct stage_state *base = &b->stages.items[stage->base_stage];
        state->config = value_copy(base->config);
        layer_stack_copy(&state->layers, &base->layers);
        variables_copy(&state->variables, &base->variables);
        strv_copy(&state->shell, &base->shell);
        break;
    }
    }
    state->ready = true;
    return 0;
}
