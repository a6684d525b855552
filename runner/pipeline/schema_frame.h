// Inside of pipeline/schema: where the walk is, and what it says about it.
#pragma once

#include "pipeline/scalar.h"
#include "pipeline/schema.h"

// One step from the root to where the walk is; frames live on the walk's stack.
struct schema_frame {
    const struct schema_frame *up;
    const char *key;  // NULL: the step into a list
    const char *noun; // of an entry whose key the file chose: what it is called, "" for nothing
    bool is_item;
    struct diag_place place; // of the key
};

void schema_enter(struct schema_walk *w, struct schema_frame *frame);
void schema_leave(struct schema_walk *w);

const struct schema_row *schema_find(const struct schema_row *rows, const char *key); // or NULL
enum scalar schema_scalar(enum schema_type type);

// What the walk finds wrong.
void schema_wrong_type(
    struct schema_walk *w, const struct schema_row *row, const struct yaml_node *node);
void schema_unknown(
    struct schema_walk *w, const struct schema_row *rows, const struct yaml_node *key);
void schema_later(struct schema_walk *w, const struct yaml_node *key);
void schema_missing(
    struct schema_walk *w, const struct schema_row *row, const struct yaml_node *map);
