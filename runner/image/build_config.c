// Instructions that change the configuration only: ARG, ENV, LABEL, USER, EXPOSE, CMD, ENTRYPOINT,
// SHELL, STOPSIGNAL.
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "image/build_state.h"

#define PORTS_MAX 1000

char *step_expand(struct step *s, const struct docker_text *word)
{
    return expand_word(word, &s->build->file, &s->state->variables, &s->build->diags);
}

struct value *stage_state_config_map(struct stage_state *state)
{
    return value_get(state->config, "config");
}

const char *stage_state_config(const struct stage_state *state, const char *key)
{
    return value_get_str(value_get(state->config, "config"), key);
}

// Replaces NAME=… in Env, or appends it.
static void set_env(struct stage_state *state, const char *name, const char *value)
{
    struct value *config = stage_state_config_map(state), *next = value_list();
    const struct value *old = value_get(config, "Env");
    AUTO_FREE char *entry = mem_printf("%s=%s", name, value);
    AUTO_FREE char *prefix = mem_printf("%s=", name);
    bool done = false;
    for (size_t i = 0; i < value_length(old); i++) {
        const char *text = value_text(value_at(old, i));
        bool same = text && text_starts(text, prefix);
        if (same && !done)
            value_append_str(next, entry);
        else if (!same && text)
            value_append_str(next, text);
        done |= same;
    }
    if (!done)
        value_append_str(next, entry);
    value_set(config, "Env", next);
    variables_set(&state->variables, name, value);
}

// A map of the configuration with one more key, its keys sorted: the order of instructions is no
// part of the image.
static void set_in_map(struct value *config, const char *map, const char *key, struct value *value)
{
    struct value *next = value_map();
    struct value_cursor c = {.map = value_get(config, map)};
    const char *name;
    struct value *item;
    AUTO(strv) struct strv names = {0};
    while (c.map && value_next(&c, &name, &item))
        strv_push(&names, name);
    if (!strv_has(&names, key))
        strv_push(&names, key);
    strv_sort(&names);
    strv_each (n, &names)
        value_set(next, *n,
            strcmp(*n, key) == 0 ? value_share(value)
                                 : value_copy(value_get(value_get(config, map), *n)));
    value_set(config, map, next);
    value_free(value);
}

// ENV and LABEL: all pairs of one instruction see the values from before it.
static int set_pairs(struct step *s, struct error *err)
{
    AUTO(variables) struct variables pairs = {0};
    for (size_t i = 0; i + 1 < s->in->words.length; i += 2) {
        AUTO_FREE char *name = step_expand(s, &s->in->words.items[i]);
        AUTO_FREE char *value = step_expand(s, &s->in->words.items[i + 1]);
        if (!name || !value)
            return -1;
        if (!*name)
            return error_set(err, ERR_CONFIG, "a name is empty");
        variables_set(&pairs, name, value);
    }
    for (size_t i = 0; i < pairs.names.length; i++) {
        if (s->in->keyword == DOCKER_ENV)
            set_env(s->state, pairs.names.items[i], pairs.values.items[i]);
        else
            set_in_map(stage_state_config_map(s->state), "Labels", pairs.names.items[i],
                value_string(pairs.values.items[i]));
    }
    return 0;
}

// "80", "53/udp", "7000-7002/tcp".
static int expose(struct step *s, const char *text, struct error *err)
{
    int64_t first, last;
    const char *slash = strchr(text, '/');
    const char *protocol = slash ? slash + 1 : "tcp";
    AUTO_FREE char *range = mem_strndup(text, slash ? (size_t)(slash - text) : strlen(text));
    char *dash = strchr(range, '-');
    if (dash)
        *dash = '\0';
    if (!int_parse(range, 1, 65535, &first) ||
        !int_parse(dash ? dash + 1 : range, first, 65535, &last) || last - first >= PORTS_MAX ||
        (strcmp(protocol, "tcp") != 0 && strcmp(protocol, "udp") != 0 &&
            strcmp(protocol, "sctp") != 0))
        return error_set(
            err, ERR_CONFIG, "\"%s\" is not a port, like 8080, 53/udp or 7000-7002", text);
    for (int64_t port = first; port <= last; port++) {
        AUTO_FREE char *key = mem_printf("%lld/%s", (long long)port, protocol);
        set_in_map(stage_state_config_map(s->state), "ExposedPorts", key, value_map());
    }
    return 0;
}

static int expose_all(struct step *s, struct error *err)
{
    vec_each (word, &s->in->words) {
        AUTO_FREE char *text = step_expand(s, word);
        if (!text)
            return -1;
        char *rest = text; // one word may have become several
        for (char *port; (port = strsep(&rest, " \t"));)
            if (*port && expose(s, port, err) < 0)
                return -1;
    }
    return 0;
}

static struct value *command(const struct step *s)
{
    struct value *list = value_list();
    if (!s->in->exec && s->in->words.length)
        strv_each (word, &s->state->shell)
            value_append_str(list, *word);
    vec_each (word, &s->in->words)
        value_append_str(list, word->text);
    return list;
}

static int set_single(struct step *s, const char *key, struct error *err)
{
    AUTO_FREE char *text = step_expand(s, &s->in->words.items[0]);
    if (!text)
        return -1;
    if (!*text)
        return error_set(err, ERR_CONFIG, "\"%s\" is empty", s->in->words.items[0].text);
    value_set_str(stage_state_config_map(s->state), key, text);
    return 0;
}

static void set_shell(struct step *s)
{
    struct value *list = value_list();
    strv_done(&s->state->shell);
    vec_each (word, &s->in->words) {
        strv_push(&s->state->shell, word->text);
        value_append_str(list, word->text);
    }
    value_set(stage_state_config_map(s->state), "Shell", list);
}

int step_configure(struct step *s, struct error *err)
{
    struct build *b = s->build;
    struct value *config = stage_state_config_map(s->state);
    switch (s->in->keyword) {
    case DOCKER_ARG:
        arg_declare(
            s->in, &b->file, b->options->args, &b->graph.globals, &s->state->variables, &b->diags);
        return 0;
    case DOCKER_ENV:
    case DOCKER_LABEL:
        return set_pairs(s, err);
    case DOCKER_EXPOSE:
        return expose_all(s, err);
    case DOCKER_USER:
        return set_single(s, "User", err);
    case DOCKER_STOPSIGNAL:
        return set_single(s, "StopSignal", err);
    case DOCKER_SHELL:
        set_shell(s);
        return 0;
    case DOCKER_CMD:
        s->state->command_set = true;
        value_set(config, "Cmd", command(s));
        return 0;
    case DOCKER_ENTRYPOINT:
        value_set(config, "Entrypoint", command(s));
        if (!s->state->command_set) // one that the base has set was meant for its entry point
            value_set(config, "Cmd", NULL);
        return 0;
    default:
        return error_set(err, ERR_INTERNAL, "an instruction without a step");
    }
}
