#include "codec/yaml_tree.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE ((size_t)32 << 10)
#define ALIGNMENT  ((size_t)16)

void *yaml_doc_alloc(struct yaml_doc *doc, size_t size)
{
    size = (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
    if (size > BLOCK_SIZE / 4) {
        void *own = mem_alloc(size);
        vec_push(&doc->blocks, own);
        return own;
    }
    if (size > doc->left) {
        doc->at = mem_alloc(BLOCK_SIZE);
        doc->left = BLOCK_SIZE;
        vec_push(&doc->blocks, (void *)doc->at);
    }
    void *memory = doc->at;
    doc->at += size;
    doc->left -= size;
    return memory;
}

void yaml_doc_free(struct yaml_doc *doc)
{
    if (!doc)
        return;
    vec_each (block, &doc->blocks)
        free(*block);
    vec_free(&doc->blocks);
    vec_free(&doc->roots);
    free(doc);
}

const struct yaml_node *yaml_root(const struct yaml_doc *doc)
{
    return yaml_root_at(doc, 0);
}

size_t yaml_count(const struct yaml_doc *doc)
{
    return doc->roots.length;
}

const struct yaml_node *yaml_root_at(const struct yaml_doc *doc, size_t index)
{
    return index < doc->roots.length ? doc->roots.items[index] : NULL;
}

static void count_child(struct yaml_node *node, const struct yaml_node *child)
{
    node->nodes += child->nodes;
    node->bytes += child->bytes;
    if (node->height <= child->height)
        node->height = child->height + 1;
}

void yaml_list_fill(
    struct yaml_doc *doc, struct yaml_node *node, struct yaml_node *const *children, size_t count)
{
    const struct yaml_node **items = yaml_doc_alloc(doc, count * sizeof(struct yaml_node *));
    node->height = 1;
    for (size_t i = 0; i < count; i++) {
        items[i] = children[i];
        count_child(node, children[i]);
    }
    node->items = items;
    node->count = count;
}

// A pair that may get into a map: its own, or one that `<<` brings.
struct candidate {
    struct yaml_pair pair;
    size_t order; // its own first, then by the order of the merged maps
    bool own, dropped;
};
struct filling {
    VEC(struct candidate) candidates;
    const struct diag_source *source;
    struct diag_list *diags;
};

static void add_candidate(struct filling *f, struct yaml_pair pair, bool own)
{
    vec_push(&f->candidates, ((struct candidate){pair, f->candidates.length, own, false}));
}

static bool merge(struct filling *f, const struct yaml_node *from)
{
    if (from->type != YAML_MAP) {
        diag_error(f->diags, f->source, from->place,
            "\"<<\" takes an alias of a map (<<: *name), or a list of such");
        return false;
    }
    for (size_t i = 0; i < from->count; i++)
        add_candidate(f, from->pairs[i], false);
    return true;
}

static bool take_merge_pair(struct filling *f, struct yaml_pair pair)
{
    if (pair.value->type != YAML_LIST)
        return merge(f, pair.value);
    for (size_t i = 0; i < pair.value->count; i++)
        if (!merge(f, pair.value->items[i]))
            return false;
    return true;
}

static void report_duplicate(
    struct filling *f, const struct yaml_node *first, const struct yaml_node *again)
{
    diag_error(f->diags, f->source, again->place, "duplicate key \"%s\"", YAML_SHOW(again->text));
    diag_add(f->diags, DIAG_NOTE, f->source, first->place, "it was given here before");
}

static int by_key(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    int order = strcmp(x->pair.key->text, y->pair.key->text);
    return order ? order : (x->order > y->order) - (x->order < y->order);
}

static int by_order(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    return (x->order > y->order) - (x->order < y->order);
}

// Of several candidates with one key the first wins; two of the map's own are a mistake.
static void drop_duplicates(struct filling *f)
{
    struct candidate *items = f->candidates.items;
    size_t count = f->candidates.length;
    if (count < 2)
        return;
    qsort(items, count, sizeof *items, by_key);
    for (size_t first = 0, i = 1; i < count; i++) {
        if (strcmp(items[first].pair.key->text, items[i].pair.key->text) != 0) {
            first = i;
            continue;
        }
        items[i].dropped = true;
        if (items[i].own)
            report_duplicate(f, items[first].pair.key, items[i].pair.key);
    }
    qsort(items, count, sizeof *items, by_order);
}

static bool sort_out(struct filling *f, struct yaml_node *const *children, size_t count)
{
    struct yaml_pair merge_pair = {0};
    for (size_t i = 0; i + 1 < count; i += 2) {
        struct yaml_pair pair = {children[i], children[i + 1]};
        if (pair.key->type != YAML_SCALAR) {
            diag_error(f->diags, f->source, pair.key->place,
                "a key must be a plain word or a string, not a list or a map");
            return false;
        }
        bool merges = pair.key->plain && strcmp(pair.key->text, "<<") == 0;
        if (!merges)
            add_candidate(f, pair, true);
        else if (merge_pair.key)
            report_duplicate(f, merge_pair.key, pair.key);
        else
            merge_pair = pair;
    }
    return !merge_pair.key || take_merge_pair(f, merge_pair);
}

bool yaml_map_fill(struct yaml_doc *doc, struct yaml_node *node, struct yaml_node *const *children,
    size_t count, const struct diag_source *source, struct diag_list *diags)
{
    struct filling f = {.source = source, .diags = diags};
    bool ok = sort_out(&f, children, count);
    drop_duplicates(&f);
    struct yaml_pair *pairs = yaml_doc_alloc(doc, f.candidates.length * sizeof *pairs);
    node->height = 1;
    vec_each (candidate, &f.candidates) {
        if (candidate->dropped)
            continue;
        pairs[node->count++] = candidate->pair;
        count_child(node, candidate->pair.key);
        count_child(node, candidate->pair.value);
    }
    node->pairs = pairs;
    vec_free(&f.candidates);
    return ok;
}

const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key)
{
    if (!map || map->type != YAML_MAP)
        return NULL;
    for (size_t i = 0; i < map->count; i++)
        if (strcmp(map->pairs[i].key->text, key) == 0)
            return map->pairs[i].value;
    return NULL;
}

bool yaml_is_empty(const struct yaml_node *node)
{
    return node->type == YAML_SCALAR && node->plain && node->length == 0;
}

struct yaml_shown yaml_shown(const char *text)
{
    struct yaml_shown shown = {0};
    size_t n = 0;
    for (; text[n] && n < YAML_SHOWN_MAX; n++) {
        unsigned char c = (unsigned char)text[n], last = n ? (unsigned char)text[n - 1] : 0;
        shown.text[n] = (char)(c < 0x20 || c == 0x7f ? ' ' : c);
        if (last == 0xc2 && c < 0xa0) // the C1 controls are U+0080 to U+009F
            shown.text[n - 1] = shown.text[n] = ' ';
    }
    if (!text[n])
        return shown;
    while (n && ((unsigned char)text[n] & 0xc0) == 0x80)
        n--;
    memcpy(shown.text + n, "...", sizeof "...");
    return shown;
}
