// From the checked value tree to the model.
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "os/fd.h"
#include "os/file.h"
#include "pipeline/check.h"
#include "pipeline/keys.h"

#define ENVIRONMENTS_MAX 100

const struct yaml_node *node_at_(const struct yaml_node *node, const char *const *keys)
{
    for (; *keys; keys++)
        node = yaml_get(node, *keys);
    return node;
}

bool node_each(const struct yaml_node *list, size_t *at, const struct yaml_node **ret)
{
    if (!list)
        return false;
    bool single = list->type == YAML_SCALAR && !yaml_is_empty(list);
    size_t count = list->type == YAML_LIST ? list->count : single;
    while (*at < count) {
        *ret = single ? list : list->items[*at];
        ++*at;
        if ((*ret)->type == YAML_SCALAR)
            return true;
    }
    return false;
}

static void take_strings(struct strv *to, const struct value *map, const char *key)
{
    const struct value *list = value_get(map, key);
    for (size_t i = 0; i < value_length(list); i++)
        strv_push(to, value_text(value_at(list, i)));
}

static char *take_string(const struct value *map, const char *key)
{
    return mem_strdup_opt(value_get_str(map, key));
}

// The place of a string in a list of names, such as those of an enum.
static unsigned index_of(const char *name, const char *(*name_of)(unsigned), unsigned count)
{
    for (unsigned i = 0; name && i < count; i++)
        if (strcmp(name_of(i), name) == 0)
            return i;
    return 0;
}

static const char *type_name(unsigned i)
{
    return env_type_name((enum env_type)i);
}

static const char *network_name(unsigned i)
{
    return stage_network_name((enum stage_network)i);
}

static void take_env_entry(
    struct env_entry *to, const struct yaml_pair *from, const struct value *v)
{
    const char *type = value_get_str(v, "type");
    const struct yaml_node *fallback = yaml_get(from->value, "default");
    to->name = mem_strdup(from->key->text);
    to->place = from->key->place;
    to->text_place = fallback ? fallback->place : from->value->place;
    if (value_type(v) != VALUE_MAP) {
        // What could not be read has a value, so that no other message says that it has none.
        to->value = mem_strdup(v ? value_text(v) : "");
        return;
    }
    take_strings(&to->choices, v, "enum");
    to->type = (enum env_type)index_of(type, type_name, ENV_ENUM + 1);
    if (!type && value_get(v, "enum"))
        to->type = ENV_ENUM;
    to->fallback = take_string(v, "default");
    to->pattern = take_string(v, "pattern");
    to->required = value_get_bool(v, "required", false);
    to->secret = value_get_bool(v, "secret", false);
}

static void take_env(struct parsing *parsing, struct env_table *to, const struct yaml_node *node,
    const struct value *v)
{
    if (!node || node->type != YAML_MAP)
        return;
    for (size_t i = 0; i < node->count; i++) {
        if (to->entries.length == ENV_ENTRIES_MAX) {
            check_error_at(parsing, node->pairs[i].key->place,
                "an environment of more than %d variables is too large", ENV_ENTRIES_MAX);
            return;
        }
        take_env_entry(
            vec_add(&to->entries), &node->pairs[i], value_get(v, node->pairs[i].key->text));
    }
}

static void take_trigger(struct trigger *to, const struct value *v)
{
    const struct value *push = value_get(v, "push");
    const struct value *branches = value_get(push, "branches"), *tags = value_get(push, "tags");
    if (!v || (push && !branches && !tags))
        strv_push(&to->branches, "**");
    if (push && !branches && !tags)
        strv_push(&to->tags, "**");
    take_strings(&to->branches, push, "branches");
    take_strings(&to->tags, push, "tags");
    to->pull_request = value_get(v, "pull_request") != NULL;
}

static void take_when(struct stage *to, const struct value *list)
{
    for (size_t i = 0; i < value_length(list); i++) {
        const struct value *item = value_at(list, i);
        const struct value *status = value_get(item, "status");
        struct condition *condition = vec_add(&to->when);
        take_strings(&condition->branch, item, "branch");
        take_strings(&condition->event, item, "event");
        for (size_t j = 0; j < value_length(status); j++)
            condition->status |= strcmp(value_text(value_at(status, j)), "failure") == 0
                                     ? WHEN_FAILURE
                                     : WHEN_SUCCESS;
    }
}

static void take_stage(
    struct parsing *parsing, struct stage *to, const struct yaml_pair *from, struct value *v)
{
    const struct value *limits = value_get(v, "limits"), *cache = value_get(v, "cache");
    to->name = mem_strdup(from->key->text);
    to->place = from->key->place;
    to->kind = yaml_get(from->value, "deploy")  ? STAGE_DEPLOY
               : yaml_get(from->value, "build") ? STAGE_BUILD
                                                : STAGE_RUN;
    take_when(to, value_get(v, "when"));
    to->timeout_ms = value_get_int(v, "timeout_ms", 0);
    take_env(parsing, &to->env, yaml_get(from->value, "env"), value_get(v, "env"));
    take_strings(&to->secrets, v, "secrets");
    take_strings(&to->artifacts, value_get(v, "artifacts"), "paths");
    take_strings(&to->cache_paths, cache, "paths");
    to->cache_key = take_string(cache, "key");
    to->image = take_string(v, "image");
    to->network =
        (enum stage_network)index_of(value_get_str(v, "network"), network_name, NETWORK_HOST + 1);
    to->run = take_string(v, "run");
    to->memory = (uint64_t)value_get_int(limits, "memory", 0);
    to->processes = (uint32_t)value_get_int(limits, "processes", 0);
    to->cpu_percent = (uint32_t)value_get_int(limits, "cpu_percent", 0);
    to->build = value_get(v, "build");
    to->deploy = value_get(v, "deploy");
    if (to->build && !value_get(to->build, "push"))
        value_set_bool(to->build, "push", value_length(value_get(to->build, "tags")) > 0);
    if (!to->deploy)
        return;
    take_strings(&to->secrets, to->deploy, "secrets");
    value_set_strv(to->deploy, "secrets", &to->secrets);
    value_set_strv(v, "secrets", &to->secrets);
}

static void take_pipeline(struct parsing *parsing)
{
    struct pipeline *p = parsing->p;
    const struct yaml_node *environments = yaml_get(parsing->root, "environments");
    const struct yaml_node *stages = yaml_get(parsing->root, "stages");
    p->name = take_string(p->tree, "name");
    take_trigger(&p->on, value_get(p->tree, "on"));
    take_env(parsing, &p->env, yaml_get(parsing->root, "env"), value_get(p->tree, "env"));
    if (environments && environments->count > ENVIRONMENTS_MAX)
        check_error_at(parsing, environments->place, "more than %d environments", ENVIRONMENTS_MAX);
    if (environments && environments->type == YAML_MAP)
        for (size_t i = 0; i < environments->count && i < ENVIRONMENTS_MAX; i++) {
            const struct yaml_pair *from = &environments->pairs[i];
            const struct value *v = value_get(value_get(p->tree, "environments"), from->key->text);
            struct environment *to = vec_add(&p->environments);
            to->name = mem_strdup(from->key->text);
            to->target = take_string(v, "target");
            to->context = take_string(v, "context");
            to->namespace = take_string(v, "namespace");
            take_env(parsing, &to->env, yaml_get(from->value, "env"), value_get(v, "env"));
        }
    if (stages && stages->type == YAML_MAP)
        for (size_t i = 0; i < stages->count; i++) {
            const struct yaml_pair *from = &stages->pairs[i];
            vec_push(&parsing->stages, from->value);
            take_stage(parsing, vec_add(&p->stages), from,
                value_get(value_get(p->tree, "stages"), from->key->text));
        }
}

struct pipeline *pipeline_parse(const struct diag_source *source, struct diag_list *diags)
{
    size_t errors_before = diags->errors;
    AUTO(yaml_doc) struct yaml_doc *doc = yaml_read(source, diags);
    if (!doc)
        return NULL;
    AUTO(pipeline) struct pipeline *p = mem_alloc(sizeof *p);
    struct parsing parsing = {
        .p = p,
        .walk = {.source = source, .diags = diags, .expression = check_expression},
        .root = yaml_root(doc),
    };
    parsing.walk.arg = &parsing;
    p->source = source;
    p->tree = schema_read(&parsing.walk, pipeline_rows, parsing.root);
    take_pipeline(&parsing);
    check_pipeline(&parsing);
    vec_each (use, &parsing.uses)
        free(use->name);
    vec_free(&parsing.uses);
    vec_free(&parsing.stages);
    return diags->errors == errors_before ? take_ptr(p) : NULL;
}

// A file that came with a checkout: nothing but a regular file below dir is opened.
static int read_beneath(int dir, const char *path, struct str *text, struct error *err)
{
    AUTO_FD int fd = file_open_beneath(dir, path, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0, err);
    if (fd < 0)
        return -1;
    struct stat st;
    if (fstat(fd, &st) < 0)
        return error_errno(err, "%s", path);
    if (!S_ISREG(st.st_mode))
        return error_set(err, ERR_CONFIG, "%s: is not a file", path);
    return fd_read_all(fd, text, err) < 0 ? error_wrap(err, "%s", path) : 0;
}

int pipeline_read(int dir, const char *file, struct diag_source *ret, struct error *err)
{
    const char *path = file ? file : PIPELINE_FILE;
    AUTO(str) struct str text;
    str_init(&text, YAML_SOURCE_MAX);
    int status = file && dir == AT_FDCWD ? file_read(dir, path, &text, err)
                                         : read_beneath(dir, path, &text, err);
    if (status < 0)
        return error_wrap(err, "no pipeline to read");
    ret->path = mem_strdup(path);
    ret->length = text.length;
    ret->text = str_take(&text);
    return 0;
}

void pipeline_source_done(struct diag_source *source)
{
    free((char *)(uintptr_t)source->path);
    free((char *)(uintptr_t)source->text);
    *source = (struct diag_source){0};
}
