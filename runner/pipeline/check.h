// Inside of the room: a pipeline that is being read, and what is checked once all of it is there.
// Checks look at values in the model, and at the YAML tree for what was written, and where.
#pragma once

#include "pipeline/model.h"
#include "pipeline/schema.h"

// `${{ env.NAME }}` somewhere: whether NAME exists is known only when everything has been read.
struct env_use {
    char *name;
    const char *stage; // whose field it stands in; NULL: of none
    struct diag_place place;
};

struct parsing {
    struct pipeline *p;
    struct schema_walk walk;
    const struct yaml_node *root;
    VEC(const struct yaml_node *) stages; // in step with the pipeline's
    VEC(struct env_use) uses;
};

// The node behind a path of keys, as in node_at(stage, "deploy", "image"); NULL when it is not
// there.
#define node_at(node, ...) node_at_((node), (const char *const[]){__VA_ARGS__, NULL})
const struct yaml_node *node_at_(const struct yaml_node *node, const char *const *keys);
// The scalars of a list that may be a single one: false at the end. *at is 0 at first.
bool node_each(const struct yaml_node *list, size_t *at, const struct yaml_node **ret);

#define check_error_at(parsing, place, ...)                                                        \
    diag_error((parsing)->walk.diags, (parsing)->walk.source, place, __VA_ARGS__)

void check_pipeline(struct parsing *parsing);
void check_expression(
    struct schema_walk *w, const struct schema_row *row, const struct yaml_node *node);
// Parts of check_pipeline().
void check_environments(struct parsing *parsing); // every `env:`, `secrets:` and env expression
void check_needs(struct parsing *parsing);        // fills in the order, too
void check_deploy(struct parsing *parsing, const struct stage *stage, const struct yaml_node *node);
void check_gates(struct parsing *parsing, const struct yaml_node *node);
