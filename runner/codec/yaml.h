// A YAML 1.2 document as a tree in which every node knows its place in the source.
//
// Every scalar stays the string that was written: `no`, `3.10`, `0777` and `22:30` mean what the
// schema that reads them says (pipeline/schema.h), never what YAML guesses. Anchors, aliases and
// `<<` are resolved here. What would make a file say two things, or something that nobody sees, is
// a mistake: duplicate keys, tags, keys that are not scalars, and several documents unless they are
// asked for.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"
#include "base/memory.h"

#define YAML_SOURCE_MAX  ((size_t)1 << 20)
#define YAML_DEPTH_MAX   100               // of nesting, aliases resolved
#define YAML_NODES_MAX   65536             // aliases counted each time that they are used
#define YAML_TEXT_MAX    ((size_t)2 << 20) // of all scalars together, aliases counted each time
#define YAML_ANCHORS_MAX 256

enum yaml_type { YAML_SCALAR, YAML_LIST, YAML_MAP };

// What an alias names is in the tree again, with the alias's place. So the tree shares its
// branches, and must not be changed; walking it visits at most YAML_NODES_MAX nodes, YAML_DEPTH_MAX
// deep.
struct yaml_node {
    enum yaml_type type;
    bool plain; // SCALAR: neither in quotes nor a block
    struct diag_place place;
    const char *text; // SCALAR: UTF-8 without NULs
    size_t length;
    size_t count; // LIST, MAP
    const struct yaml_node *const *items;
    const struct yaml_pair *pairs; // keys are scalars, each there once, in the file's order, those
                                   // that `<<` brought last
    // Of the node and all below it.
    uint32_t nodes, height;
    size_t bytes;
};

struct yaml_pair {
    const struct yaml_node *key, *value;
};

struct yaml_doc;

// Mistakes go to *diags with their places. NULL when the text cannot be read as one tree; a tree
// that is returned beside errors (a duplicate key, a tag) is fit for finding what else is wrong.
struct yaml_doc *yaml_read(const struct diag_source *source, struct diag_list *diags);
// All documents of the text, which may be none. The bounds are those of one: all together must keep
// to them. An empty document is one whose root is yaml_is_empty().
struct yaml_doc *yaml_read_all(const struct diag_source *source, struct diag_list *diags);
void yaml_doc_free(struct yaml_doc *doc);                      // accepts NULL; source may go before
const struct yaml_node *yaml_root(const struct yaml_doc *doc); // of the first document
size_t yaml_count(const struct yaml_doc *doc);                 // of documents
const struct yaml_node *yaml_root_at(const struct yaml_doc *doc, size_t index);
DEFINE_AUTO_PTR(yaml_doc, struct yaml_doc, yaml_doc_free)

// The value of a map's key; NULL when it is absent, or when `map` is NULL or not a map.
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);
// A key without a value (`key:` and nothing behind it).
bool yaml_is_empty(const struct yaml_node *node);

// A scalar as a message may show it: cut when it is long, on one line, controls made harmless.
#define YAML_SHOWN_MAX 60
struct yaml_shown {
    char text[YAML_SHOWN_MAX + 4];
};
struct yaml_shown yaml_shown(const char *text);
// For an argument of printf: lives as long as the call.
#define YAML_SHOW(scalar) (yaml_shown(scalar).text)
