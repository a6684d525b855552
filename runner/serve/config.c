#include "serve/config.h"

#include <string.h>

#include "codec/yaml.h"
#include "pipeline/schema.h"

static void check_path(
    struct schema_walk *w, const struct schema_row *row, const struct yaml_node *node)
{
    (void)row;
    size_t n = strlen(node->text);
    if (node->text[0] != '/' || (n > 1 && node->text[n - 1] == '/'))
        schema_wrong(w, node, "must be an absolute path without a slash at the end");
}

static void check_repository(
    struct schema_walk *w, const struct schema_row *row, const struct yaml_node *node)
{
    if (strstr(node->text, "://"))
        schema_wrong(w, node, "must be a path: repositories on other machines are not there yet");
    else
        check_path(w, row, node);
}

static const struct schema_row glob_row[] = {{.key = "", .type = SCHEMA_STRING}};

static const struct schema_row repository_rows[] = {
    {"path", SCHEMA_STRING, SCHEMA_REQUIRED, .check = check_repository,
        .doc = "the repository, bare or not"},
    {"url", SCHEMA_STRING, SCHEMA_LATER, .doc = "of a repository elsewhere"},
    {"branches", SCHEMA_LIST, SCHEMA_SINGLE, .rows = glob_row,
        .doc = "globs (default: every branch)"},
    {"tags", SCHEMA_LIST, SCHEMA_SINGLE, .rows = glob_row, .doc = "globs (default: every tag)"},
    {0},
};

static const struct schema_row config_rows[] = {
    {"repositories", SCHEMA_LIST, SCHEMA_REQUIRED,
        .rows =
            (const struct schema_row[]){
                {.key = "repository", .type = SCHEMA_MAP, .rows = repository_rows}},
        .doc = "what is watched"},
    {"secrets", SCHEMA_DICT, SCHEMA_EMPTY,
        .rows =
            (const struct schema_row[]){
                {.key = "secret", .type = SCHEMA_STRING, .check = check_path}},
        .doc = "files of mode 0600, by the name that stages list"},
    {"concurrency", SCHEMA_INT, 0, "2", 1, 256, .doc = "runs at once"},
    {"webhooks", SCHEMA_MAP, SCHEMA_LATER, .doc = "where forges tell of pushes"},
    {0},
};

static void take_globs(const struct value *repository, const char *key, struct strv *ret)
{
    const struct value *globs = value_get(repository, key);
    if (!globs)
        strv_push(ret, "**");
    for (size_t i = 0; i < value_length(globs); i++)
        strv_push(ret, value_text(value_at(globs, i)));
}

int serve_config_parse(
    const struct diag_source *source, struct serve_config *ret, struct diag_list *diags)
{
    struct schema_walk walk = {.source = source, .diags = diags};
    struct yaml_doc *doc = yaml_read(source, diags);
    AUTO(value) struct value *tree = doc ? schema_read(&walk, config_rows, yaml_root(doc)) : NULL;
    yaml_doc_free(doc);
    if (!tree || diags->errors)
        return -1;
    const struct value *repositories = value_get(tree, "repositories");
    for (size_t i = 0; i < value_length(repositories); i++) {
        struct serve_repository *r = vec_add(&ret->repositories);
        const struct value *v = value_at(repositories, i);
        r->path = mem_strdup(value_get_str(v, "path"));
        take_globs(v, "branches", &r->trigger.branches);
        take_globs(v, "tags", &r->trigger.tags);
    }
    ret->secrets = value_copy(value_get(tree, "secrets"));
    ret->concurrency = value_get_int(tree, "concurrency", 2);
    return 0;
}

void serve_config_done(struct serve_config *config)
{
    vec_each (r, &config->repositories) {
        mem_freep(&r->path);
        strv_done(&r->trigger.branches);
        strv_done(&r->trigger.tags);
    }
    vec_free(&config->repositories);
    value_free(config->secrets);
    *config = (struct serve_config){0};
}
