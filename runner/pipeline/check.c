// What a table of keys cannot say: how the parts of a pipeline fit together.
#include "pipeline/check.h"

#include <string.h>

#include "pipeline/expr.h"

#define EXPRESSIONS_MAX 32 // in one string

// Finds the expressions of a scalar's text in the source, one after the other. An escape makes text
// and source differ; from there on the place is all of the scalar.
struct locator {
    const struct diag_source *source;
    const struct yaml_node *node;
    const char *at; // in the source; NULL: they have parted
};

// Of length bytes at offset in the text; the expression that they belong to begins at open, and
// ends before next.
static struct diag_place locate(
    struct locator *l, size_t open, size_t next, size_t offset, size_t length)
{
    const struct diag_place *whole = &l->node->place;
    const char *end = l->source->text + whole->offset + whole->length;
    l->at = l->at ? memmem(l->at, (size_t)(end - l->at), "${{", 3) : NULL;
    size_t span = offset + length - open;
    if (!l->at || span > (size_t)(end - l->at) || memcmp(l->at, l->node->text + open, span) != 0) {
        l->at = NULL;
        return *whole;
    }
    struct diag_place place = {(size_t)(l->at - l->source->text) + offset - open, length};
    l->at = next - open < (size_t)(end - l->at) ? l->at + (next - open) : end;
    return place;
}

static void check_found(struct schema_walk *w, const struct schema_row *row, const struct expr *e,
    struct diag_place place)
{
    struct parsing *parsing = w->arg;
    bool in_env = schema_entry(w, "env") != NULL;
    if (!(row->flags & SCHEMA_EXPRESSION))
        diag_error(w->diags, w->source, place,
            "nothing is expanded here: expressions stand in image, build.tags, build.args, "
            "cache.key and env values");
    else if (in_env && (e->kind == EXPR_ENV || e->kind == EXPR_HASH_FILES))
        diag_error(w->diags, w->source, place,
            "an env value takes ${{ git.… }} only; what is made of other values is put together "
            "by the script");
    else if (e->kind == EXPR_ENV)
        vec_push(&parsing->uses,
            ((struct env_use){mem_strdup(e->args.items[0]), schema_entry(w, "stage"), place}));
}

static void check_in_script(struct schema_walk *w, const char *variable, struct diag_place place)
{
    if (variable)
        diag_error(w->diags, w->source, place,
            "a script is never rewritten: write \"$%s\", which davit sets", variable);
    else
        diag_error(w->diags, w->source, place,
            "a script is never rewritten, and \"${{\" means nothing to a shell: values reach it as "
            "variables, such as \"$CI_COMMIT_SHA\" and those of env");
}

void check_expression(
    struct schema_walk *w, const struct schema_row *row, const struct yaml_node *node)
{
    struct locator l = {w->source, node, w->source->text + node->place.offset};
    size_t at = 0;
    for (int count = 0;; count++) {
        AUTO(expr) struct expr e = {0};
        struct expr_fault fault = {0};
        int status = expr_next(node->text, &at, &e, &fault);
        if (status == 0)
            return;
        if (count == EXPRESSIONS_MAX) {
            schema_wrong(w, node, "holds more than %d expressions", EXPRESSIONS_MAX);
            return;
        }
        struct diag_place place = status == 1
                                      ? locate(&l, e.offset, at, e.offset, e.length)
                                      : locate(&l, fault.open, at, fault.offset, fault.length);
        if (row->type == SCHEMA_LINES)
            check_in_script(w, status == 1 ? expr_variable(&e) : NULL, place);
        else if (status == 1)
            check_found(w, row, &e, place);
        else
            diag_error(w->diags, w->source, place, "%s", fault.message);
    }
}

#define KIND(kind) (1u << (kind))

static void check_kind(
    struct parsing *parsing, const struct stage *stage, const struct yaml_node *node)
{
    static const struct {
        const char *key;
        unsigned kinds;
        const char *of;
    } rows[] = {
        {"image", KIND(STAGE_RUN), "run stages"},
        {"cache", KIND(STAGE_RUN), "run stages"},
        {"artifacts", KIND(STAGE_RUN), "run stages"},
        {"network", KIND(STAGE_RUN) | KIND(STAGE_BUILD), "run and build stages"},
        {"limits", KIND(STAGE_RUN) | KIND(STAGE_BUILD), "run and build stages"},
    };
    static const char *const does[] = {
        [STAGE_RUN] = "runs a script",
        [STAGE_BUILD] = "builds an image",
        [STAGE_DEPLOY] = "deploys",
    };
    int given = 0;
    for (unsigned kind = STAGE_RUN; kind <= STAGE_DEPLOY; kind++)
        given += yaml_get(node, stage_kind_name((enum stage_kind)kind)) != NULL;
    if (given != 1) {
        check_error_at(parsing, stage->place, "stage \"%s\" %s: it needs one of run, build, deploy",
            YAML_SHOW(stage->name), given ? "does several things" : "does nothing");
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct yaml_node *found = yaml_get(node, rows[i].key);
        if (found && !(rows[i].kinds & KIND(stage->kind)))
            check_error_at(parsing, found->place, "`%s` is for %s; stage \"%s\" %s", rows[i].key,
                rows[i].of, YAML_SHOW(stage->name), does[stage->kind]);
    }
}

static void check_build(
    struct parsing *parsing, const struct stage *stage, const struct yaml_node *node)
{
    const struct yaml_node *push = node_at(node, "build", "push");
    if (push && value_get_bool(stage->build, "push", false) &&
        !value_length(value_get(stage->build, "tags")))
        check_error_at(
            parsing, push->place, "there is nowhere to push to: add tags: [\"REGISTRY/NAME:TAG\"]");
}

void check_pipeline(struct parsing *parsing)
{
    struct pipeline *p = parsing->p;
    const struct yaml_node *stages = yaml_get(parsing->root, "stages");
    if (stages && !p->stages.length && (stages->type == YAML_MAP || yaml_is_empty(stages)))
        check_error_at(parsing, stages->place, "the pipeline has no stages");
    for (size_t i = 0; i < p->stages.length; i++) {
        const struct stage *stage = &p->stages.items[i];
        const struct yaml_node *node = parsing->stages.items[i];
        if (node->type == YAML_MAP || yaml_is_empty(node))
            check_kind(parsing, stage, node);
        check_build(parsing, stage, node);
        if (stage->deploy)
            check_deploy(parsing, stage, node);
    }
    check_needs(parsing);
    check_environments(parsing);
    for (size_t i = 0; i < p->stages.length; i++) {
        struct value *all = value_get(p->tree, "stages");
        struct value *v = value_get(all, p->stages.items[i].name);
        if (v)
            value_set_strv(v, "needs", &p->stages.items[i].needs);
    }
}
