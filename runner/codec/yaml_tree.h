// Inside of codec/yaml: how its tree is held and its collections are filled.
#pragma once

#include "base/vec.h"
#include "codec/yaml.h"

// Owns all nodes and texts of the tree, in blocks that go together.
struct yaml_doc {
    VEC(void *) blocks;
    char *at; // what is left of the newest block
    size_t left;
    VEC(const struct yaml_node *) roots; // of each document
};

void *yaml_doc_alloc(struct yaml_doc *doc, size_t size); // zeroed

void yaml_list_fill(
    struct yaml_doc *doc, struct yaml_node *node, struct yaml_node *const *children, size_t count);
// Children are keys and values in turn. Resolves `<<`. False when there is no reading on after what
// was reported.
bool yaml_map_fill(struct yaml_doc *doc, struct yaml_node *node, struct yaml_node *const *children,
    size_t count, const struct diag_source *source, struct diag_list *diags);
