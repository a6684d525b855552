// RUN: a step in a root filesystem, which the host runs.
#include <ctype.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "image/build_state.h"
#include "image/layer_upper.h"
#include "os/file.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Reaches RUN without being declared, under both spellings, and is no part of the key.
static const char *const proxies[] = {
    "HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"};

static char *lower(const char *text)
{
    char *copy = mem_strdup(text);
    for (char *c = copy; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return copy;
}

static void add_proxies(const struct variables *args, struct strv *environment)
{
    for (size_t i = 0; args && i < ARRAY_LEN(proxies); i++) {
        AUTO_FREE char *small = lower(proxies[i]);
        const char *value = variables_get(args, proxies[i]);
        if (!value)
            value = variables_get(args, small);
        if (!value)
            continue;
        strv_pushf(environment, "%s=%s", proxies[i], value);
        strv_pushf(environment, "%s=%s", small, value);
    }
}

static void make_argv(const struct step *s, struct strv *argv)
{
    if (!s->in->exec)
        strv_copy(argv, &s->state->shell);
    vec_each (word, &s->in->words)
        strv_push(argv, word->text);
}

static void make_environment(const struct step *s, struct strv *environment)
{
    const struct variables *v = &s->state->variables;
    if (!variables_get(v, "PATH"))
        strv_push(environment, "PATH=" DEFAULT_PATH);
    for (size_t i = 0; i < v->names.length; i++)
        strv_pushf(environment, "%s=%s", v->names.items[i], v->values.items[i]);
}

static void make_key(const struct step *s, const struct strv *argv, const struct strv *environment,
    const struct value *caches, char ret[static SHA256_HEX_SIZE])
{
    struct cache_key key;
    AUTO_FREE char *mounts = value_print(caches);
    cache_key_init(&key, "run", s->build->epoch);
    cache_key_number(&key, s->state->layers.items.length);
    vec_each (layer, &s->state->layers.items)
        cache_key_add(&key, layer->diff_id);
    cache_key_number(&key, argv->length);
    strv_each (word, argv)
        cache_key_add(&key, *word);
    cache_key_number(&key, environment->length);
    strv_each (variable, environment)
        cache_key_add(&key, *variable);
    cache_key_add(&key, stage_state_config(s->state, "User"));
    cache_key_add(&key, stage_state_config(s->state, "WorkingDir"));
    cache_key_add(&key, mounts);
    cache_key_add(&key, s->build->options->network);
    cache_key_finish(&key, ret);
}

static int add_user(struct step *s, struct strv *environment, struct ids *ret, struct error *err)
{
    const char *user = stage_state_config(s->state, "User");
    AUTO_FREE char *home = NULL;
    struct tree *tree = stage_state_tree(s->build, s->state, err);
    if (!tree ||
        passwd_user(tree->passwd, tree->group, user && *user ? user : "0", ret, &home, err) < 0)
        return -1;
    bool root = ret->uid == 0 && strcmp(home, "/") == 0;
    if (!variables_get(&s->state->variables, "HOME"))
        strv_pushf(environment, "HOME=%s", root ? "/root" : home);
    return 0;
}

// Runs it over a fresh upper directory, which becomes the layer.
static int run(struct step *s, struct build_run *request, const char *scratch, struct layer *ret,
    bool *ret_empty, struct error *err)
{
    struct build *b = s->build;
    AUTO_FREE char *upper = path_join(scratch, "upper");
    AUTO_FREE char *work = path_join(scratch, "work");
    int code = 0, signal = 0;
    if (dir_make(b->store->dir, upper, 0755, err) < 0 ||
        dir_make(b->store->dir, work, 0755, err) < 0)
        return -1;
    request->upper = upper;
    request->work = work;
    if (b->host->run(b->host->arg, request, &code, &signal, err) < 0)
        return -1;
    if (signal)
        return error_set(err, ERR_FAILED, "the command was ended by signal %d", signal);
    if (code)
        return error_set(err, ERR_FAILED, "the command exited with %d", code);
    return layer_from_upper(b->store, upper, b->epoch, ret, ret_empty, err);
}

static int run_new(struct step *s, const struct strv *argv, struct strv *environment,
    const struct value *caches, struct layer *ret, bool *ret_empty, struct error *err)
{
    struct build *b = s->build;
    AUTO(strv) struct strv layers = {0};
    const char *directory = stage_state_config(s->state, "WorkingDir");
    struct build_run request = {
        .argv = argv,
        .environment = environment,
        .directory = directory && *directory ? directory : "/",
        .layers = &layers,
        .network = b->options->network,
        .caches = caches,
    };
    if (!s->state->layers.items.length)
        return error_set(err, ERR_CONFIG,
            "there is nothing to run here: FROM scratch has no files, and COPY has brought none");
    if (add_user(s, environment, &request.ids, err) < 0 ||
        layer_stack_unpack(b->store, &s->state->layers, err) < 0)
        return -1;
    add_proxies(b->options->args, environment);
    step_say(s, "");
    layer_stack_lowers(&s->state->layers, &layers);
    AUTO_FREE char *scratch = store_temporary(b->store);
    int status = run(s, &request, scratch, ret, ret_empty, err);
    if (dir_remove_tree(b->store->dir, scratch, status < 0 ? NULL : err) < 0)
        return -1;
    return status;
}

int step_run(struct step *s, struct error *err)
{
    struct build *b = s->build;
    struct layer layer;
    bool empty = false;
    char key[SHA256_HEX_SIZE];
    AUTO(strv) struct strv argv = {0};
    AUTO(strv) struct strv environment = {0};
    AUTO(value)
    struct value *caches = build_mounts(s->in, &b->file, &s->state->variables,
        stage_state_config(s->state, "WorkingDir"), &b->diags);
    if (!caches)
        return -1;
    make_argv(s, &argv);
    make_environment(s, &environment);
    make_key(s, &argv, &environment, caches, key);
    int found = cache_find(b, key, &layer);
    s->cached = found > 0;
    if (!found && (run_new(s, &argv, &environment, caches, &layer, &empty, err) < 0 ||
                      cache_keep(b, key, empty ? NULL : &layer, err) < 0))
        return -1;
    if (found == 2 || empty)
        return 0;
    vec_push(&s->state->layers.items, layer);
    s->made_layer = true;
    return 0;
}
