// Everything about `env:`: types, secrets, and who may see what.
#include <string.h>

#include "base/text.h"
#include "pipeline/check.h"
#include "pipeline/env_type.h"
#include "pipeline/expr.h"
#include "pipeline/pattern.h"

#define SECRETS_MAX 100 // that one stage may list

// What can be known of a value before a run: the text in the file, unless an expression is in it.
static void check_text(struct parsing *parsing, const struct env_entry *schema, const char *name,
    const char *text, struct diag_place place, const char *what)
{
    struct schema_walk *w = &parsing->walk;
    if (schema->pattern)
        w->patterns += pattern_work(schema->pattern, strlen(text));
    if (w->patterns > PATTERN_WORK_MAX) {
        check_error_at(parsing, place,
            "%s%s cannot be checked: the patterns of the file and their values are too large "
            "together",
            what, name);
        return;
    }
    AUTO(str) struct str why;
    str_init(&why, ENV_WHY_MAX);
    if (!expr_any(text) && !env_value_check(schema, text, &why))
        check_error_at(parsing, place, "%s%s %s", what, name, why.data);
}

static void check_entry(
    struct parsing *parsing, const struct env_entry *entry, const struct env_entry *schema)
{
    struct diag_list *diags = parsing->walk.diags;
    if (entry->value && schema && schema->secret)
        diag_add(diags, DIAG_WARNING, parsing->walk.source, entry->text_place,
            "%s is a secret, and its value stands in a file that everybody reads", entry->name);
    if (entry->value) {
        if (schema)
            check_text(parsing, schema, entry->name, entry->value, entry->text_place, "");
        return;
    }
    if (entry->type == ENV_ENUM && !entry->choices.length)
        check_error_at(
            parsing, entry->place, "%s is an enum without values: add enum: [a, b]", entry->name);
    else if (entry->type != ENV_ENUM && entry->choices.length)
        check_error_at(parsing, entry->place,
            "%s has `enum` and type: %s: remove one of them (values of an enum are strings)",
            entry->name, env_type_name(entry->type));
    else if (entry->fallback)
        check_text(
            parsing, entry, entry->name, entry->fallback, entry->text_place, "the default of ");
    if (entry->fallback && entry->secret)
        diag_add(diags, DIAG_WARNING, parsing->walk.source, entry->text_place,
            "%s is a secret, and its default stands in a file that everybody reads", entry->name);
}

static void check_table(struct parsing *parsing, const struct env_table *t,
    const struct environment *environment, const struct stage *stage)
{
    vec_each (entry, &t->entries)
        check_entry(parsing, entry, env_schema(parsing->p, environment, stage, entry->name));
}

// The names that a stage (or, when it is NULL, the pipeline) can know, for suggestions.
static void add_names(const struct env_table *t, bool secrets_only, struct strv *names)
{
    vec_each (entry, &t->entries)
        if (!secrets_only || entry->secret)
            strv_push(names, entry->name);
}

static struct schema_hint near_name(struct parsing *parsing, const struct environment *environment,
    const struct stage *stage, const char *name, bool secrets_only)
{
    AUTO(strv) struct strv names = {0};
    if (parsing->walk.diags->items.length >= DIAG_MAX)
        return (struct schema_hint){0}; // nobody would see it
    add_names(&parsing->p->env, secrets_only, &names);
    if (environment)
        add_names(&environment->env, secrets_only, &names);
    if (stage)
        add_names(&stage->env, secrets_only, &names);
    return schema_suggest(
        &parsing->walk, name, (const char *const *)(const void *)strv_argv(&names));
}

static bool known_name(const struct pipeline *p, const struct environment *environment,
    const struct stage *stage, const char *name)
{
    return env_table_get(&p->env, name) ||
           (environment && env_table_get(&environment->env, name)) ||
           (stage && env_table_get(&stage->env, name));
}

static void check_secret(struct parsing *parsing, const struct stage *stage,
    const struct yaml_node *node, const char *name)
{
    const struct environment *environment = stage_environment(parsing->p, stage);
    const struct env_entry *schema = env_schema(parsing->p, environment, stage, name);
    if (schema && schema->secret)
        return;
    if (known_name(parsing->p, environment, stage, name)) {
        check_error_at(parsing, node->place,
            "\"%s\" is no secret: every stage gets it; remove it here, or declare it with "
            "{secret: true}",
            YAML_SHOW(name));
        return;
    }
    struct schema_hint hint = near_name(parsing, environment, stage, name, true);
    check_error_at(parsing, node->place, "no secret is called \"%s\"%s%s", YAML_SHOW(name),
        hint.text, *hint.text ? "" : "; declare it: env: {NAME: {secret: true}}");
}

static void check_secrets(
    struct parsing *parsing, const struct stage *stage, const struct yaml_node *node)
{
    const struct yaml_node *lists[] = {
        yaml_get(node, "secrets"), node_at(node, "deploy", "secrets")};
    if (stage->secrets.length > SECRETS_MAX) {
        check_error_at(parsing, stage->place, "stage \"%s\" lists more than %d secrets",
            YAML_SHOW(stage->name), SECRETS_MAX);
        return;
    }
    AUTO(strv) struct strv seen = {0};
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        const struct yaml_node *item;
        for (size_t at = 0; node_each(lists[i], &at, &item);) {
            if (strv_has(&seen, item->text))
                check_error_at(
                    parsing, item->place, "secret \"%s\" is listed twice", YAML_SHOW(item->text));
            else
                check_secret(parsing, stage, item, item->text);
            strv_push(&seen, item->text);
        }
    }
}

static void check_use(struct parsing *parsing, const struct env_use *use, const struct stage *stage)
{
    const struct environment *environment = stage ? stage_environment(parsing->p, stage) : NULL;
    const struct env_entry *schema = env_schema(parsing->p, environment, stage, use->name);
    if (schema && schema->secret) {
        check_error_at(parsing, use->place,
            "\"%s\" is a secret: it reaches a stage as a variable, and no other field",
            YAML_SHOW(use->name));
    } else if (!known_name(parsing->p, environment, stage, use->name)) {
        struct schema_hint hint = near_name(parsing, environment, stage, use->name, false);
        check_error_at(
            parsing, use->place, "`env` holds no \"%s\"%s", YAML_SHOW(use->name), hint.text);
    }
}

static void check_place(struct parsing *parsing, const struct environment *environment)
{
    static const char *const keys[] = {"context", "namespace"};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        const struct yaml_node *found =
            node_at(parsing->root, "environments", environment->name, keys[i]);
        if (found && text_equal(environment->target, "local"))
            check_error_at(parsing, found->place,
                "`%s` is for kubernetes, and environment \"%s\" has target: local%s", keys[i],
                YAML_SHOW(environment->name),
                node_at(parsing->root, "environments", environment->name, "target")
                    ? ""
                    : " (the default): add target: kubernetes");
    }
}

void check_environments(struct parsing *parsing)
{
    struct pipeline *p = parsing->p;
    check_table(parsing, &p->env, NULL, NULL);
    vec_each (environment, &p->environments) {
        check_place(parsing, environment);
        check_table(parsing, &environment->env, environment, NULL);
    }
    for (size_t i = 0; i < p->stages.length; i++) {
        const struct stage *stage = &p->stages.items[i];
        check_table(parsing, &stage->env, stage_environment(p, stage), stage);
        check_secrets(parsing, stage, parsing->stages.items[i]);
    }
    size_t at = 0; // uses come in the order of the stages
    vec_each (use, &parsing->uses) {
        while (use->stage && strcmp(use->stage, p->stages.items[at].name) != 0)
            at++;
        check_use(parsing, use, use->stage ? &p->stages.items[at] : NULL);
    }
}
