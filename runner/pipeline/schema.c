#include "pipeline/schema.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "pipeline/scalar.h"
#include "pipeline/schema_frame.h"

static struct value *read_node(
    struct schema_walk *w, const struct schema_row *row, const struct yaml_node *node);
static void read_rows(struct schema_walk *w, const struct schema_row *rows,
    const struct yaml_node *map, struct value *out);

// A scalar that the table, not the file, says: a default.
static struct yaml_node scalar_node(const char *text, struct diag_place place)
{
    return (struct yaml_node){
        .type = YAML_SCALAR,
        .place = place,
        .text = text,
        .length = strlen(text),
    };
}

static struct value *read_string(
    struct schema_walk *w, const struct schema_row *row, const struct yaml_node *node)
{
    if (node->type != YAML_SCALAR || yaml_is_empty(node) ||
        (node->length == 0 && !(row->flags & SCHEMA_BLANK))) {
        schema_wrong_type(w, row, node);
        return NULL;
    }
    if (w->expression && strstr(node->text, "${{"))
        w->expression(w, row, node);
    if (row->check)
        row->check(w, row, node);
    return value_string_n(node->text, node->length);
}

static struct value *read_lines(
    struct schema_walk *w, const struct schema_row *row, const struct yaml_node *node)
{
    if (node->type != YAML_LIST || node->count == 0)
        return read_string(w, row, node);
    AUTO(str) struct str lines;
    str_init(&lines, YAML_TEXT_MAX + YAML_NODES_MAX);
    struct schema_frame frame = {.is_item = true};
    schema_enter(w, &frame);
    for (size_t i = 0; i < node->count; i++) {
        AUTO(value) struct value *line = read_string(w, row, node->items[i]);
        if (lines.length)
            str_putc(&lines, '\n');
        if (line)
            str_puts(&lines, value_text(line));
    }
    schema_leave(w);
    return value_string_n(lines.data, lines.length);
}

static bool is_one_of(const char *text, const char *const *choices)
{
    for (; choices && *choices; choices++)
        if (strcmp(text, *choices) == 0)
            return true;
    return false;
}

static struct value *read_number(
    struct schema_walk *w, const struct schema_row *row, const struct yaml_node *node)
{
    if (node->type == YAML_SCALAR && is_one_of(node->text, row->choices))
        return value_string(node->text);
    enum scalar type = schema_scalar(row->type);
    int64_t n;
    if (node->type != YAML_SCALAR || !scalar_read(type, node->text, &n)) {
        schema_wrong_type(w, row, node);
        return NULL;
    }
    if (row->type == SCHEMA_BOOL)
        return value_bool(n);
    char least[DURATION_TEXT_MAX], most[DURATION_TEXT_MAX];
    if (row->type == SCHEMA_INT && (n < row->min || n > row->max)) {
        schema_wrong_type(w, row, node);
        return NULL;
    }
    if (row->type == SCHEMA_DURATION && (n < row->min || (row->max && n > row->max))) {
        if (n < row->min)
            schema_wrong(w, node, "must be at least %s; \"%s\" is less",
                duration_print(row->min, least), YAML_SHOW(node->text));
        else
            schema_wrong(w, node, "must be at most %s; \"%s\" is more",
                duration_print(row->max, most), YAML_SHOW(node->text));
        return NULL;
    }
    if (row->check)
        row->check(w, row, node);
    return value_int(n);
}

static struct value *read_enum(
    struct schema_walk *w, const struct schema_row *row, const struct yaml_node *node)
{
    if (node->type == YAML_SCALAR && is_one_of(node->text, row->choices))
        return value_string(node->text);
    if (node->type == YAML_SCALAR && is_one_of(node->text, row->later))
        schema_wrong(w, node, "cannot be \"%s\" yet: it is understood and not there", node->text);
    else
        schema_wrong_type(w, row, node);
    return NULL;
}

// {shorthand: node}, or all defaults where nothing stands behind the key, or node itself.
static bool read_map_into(struct schema_walk *w, const struct schema_row *row,
    const struct yaml_node *node, struct value *out)
{
    if (node->type == YAML_MAP) {
        read_rows(w, row->rows, node, out);
        return true;
    }
    struct yaml_node whole = {.type = YAML_MAP, .place = node->place};
    struct yaml_node key;
    struct yaml_pair pair;
    if (row->shorthand && !yaml_is_empty(node)) {
        key = scalar_node(row->shorthand, node->place);
        pair = (struct yaml_pair){&key, node};
        whole.pairs = &pair;
        whole.count = 1;
    } else if (!yaml_is_empty(node)) {
        schema_wrong_type(w, row, node);
        return false;
    }
    read_rows(w, row->rows, &whole, out);
    return true;
}

static struct value *read_map(
    struct schema_walk *w, const struct schema_row *row, const struct yaml_node *node)
{
    if ((row->flags & SCHEMA_OR_SCALAR) && node->type == YAML_SCALAR) {
        struct schema_row string = {
            .type = SCHEMA_STRING, .flags = row->flags | SCHEMA_BLANK, .check = row->check};
        return read_string(w, &string, node);
    }
    AUTO(value) struct value *out = value_map();
    return read_map_into(w, row, node, out) ? take_ptr(out) : NULL;
}

static struct value *read_dict(
    struct schema_walk *w, const struct schema_row *row, const struct yaml_node *node)
{
    if (node->type != YAML_MAP && !yaml_is_empty(node)) {
        schema_wrong_type(w, row, node);
        return NULL;
    }
    struct value *out = value_map();
    for (size_t i = 0; i < node->count; i++) {
        const struct yaml_node *key = node->pairs[i].key;
        struct schema_frame frame = {.key = key->text, .noun = row->rows->key, .place = key->place};
        schema_enter(w, &frame);
        if (row->check)
            row->check(w, row, key);
        value_set(out, key->text, read_node(w, row->rows, node->pairs[i].value));
        schema_leave(w);
    }
    return out;
}

static struct value *read_list(
    struct schema_walk *w, const struct schema_row *row, const struct yaml_node *node)
{
    bool fits = node->type == YAML_SCALAR ? !yaml_is_empty(node)
                                          : node->type == YAML_MAP && row->rows->type == SCHEMA_MAP;
    bool single = (row->flags & SCHEMA_SINGLE) && fits;
    if (!single && node->type != YAML_LIST) {
        schema_wrong_type(w, row, node);
        return NULL;
    }
    struct value *out = value_list();
    struct schema_frame frame = {.is_item = !single, .place = node->place};
    schema_enter(w, &frame);
    for (size_t i = 0; i < (single ? 1 : node->count); i++) {
        struct value *item = read_node(w, row->rows, single ? node : node->items[i]);
        if (item)
            value_append(out, item);
    }
    schema_leave(w);
    return out;
}

static struct value *read_kind(
    struct schema_walk *w, const struct schema_row *row, const struct yaml_node *node)
{
    const struct yaml_node *name = node, *settings = NULL;
    if (node->type == YAML_MAP && node->count == 1) {
        name = node->pairs[0].key;
        settings = node->pairs[0].value;
    }
    const struct schema_row *kind = NULL;
    if (name->type == YAML_SCALAR)
        kind = schema_find(row->rows, name->text);
    if (!kind) {
        schema_wrong_type(w, row, node);
        return NULL;
    }
    if (kind->flags & SCHEMA_LATER) {
        schema_wrong(w, name, "cannot be \"%s\" yet: it is understood and not there", kind->key);
        return NULL;
    }
    AUTO(value) struct value *out = value_map();
    value_set_str(out, "kind", kind->key);
    struct yaml_node none = {.type = YAML_MAP, .place = name->place};
    struct schema_frame frame = {.key = kind->key, .place = name->place};
    schema_enter(w, &frame);
    bool ok = read_map_into(w, kind, settings ? settings : &none, out);
    schema_leave(w);
    return ok ? take_ptr(out) : NULL;
}

static struct value *read_node(
    struct schema_walk *w, const struct schema_row *row, const struct yaml_node *node)
{
    switch (row->type) {
    case SCHEMA_STRING:
        return read_string(w, row, node);
    case SCHEMA_LINES:
        return read_lines(w, row, node);
    case SCHEMA_BOOL:
    case SCHEMA_INT:
    case SCHEMA_DURATION:
    case SCHEMA_SIZE:
    case SCHEMA_CPU:
        return read_number(w, row, node);
    case SCHEMA_ENUM:
        return read_enum(w, row, node);
    case SCHEMA_MAP:
        return read_map(w, row, node);
    case SCHEMA_DICT:
        return read_dict(w, row, node);
    case SCHEMA_LIST:
        return read_list(w, row, node);
    case SCHEMA_KIND:
        return read_kind(w, row, node);
    }
    return NULL;
}

static void set_value(struct value *out, const struct schema_row *row, struct value *v)
{
    char key[64];
    const char *unit = value_type(v) == VALUE_STRING  ? ""
                       : row->type == SCHEMA_DURATION ? "_ms"
                       : row->type == SCHEMA_CPU      ? "_percent"
                                                      : "";
    snprintf(key, sizeof key, "%s%s", row->key, unit);
    value_set(out, key, v);
}

// A key that is not there.
static void read_absent(struct schema_walk *w, const struct schema_row *row,
    const struct yaml_node *map, struct value *out)
{
    if (row->flags & SCHEMA_REQUIRED) {
        schema_missing(w, row, map);
        return;
    }
    if (!row->fallback && !(row->flags & SCHEMA_EMPTY))
        return;
    struct yaml_node node = {
        .type = row->type == SCHEMA_LIST ? YAML_LIST : YAML_MAP, .place = map->place};
    if (row->fallback)
        node = scalar_node(row->fallback, map->place);
    set_value(out, row, read_node(w, row, &node));
}

static const struct yaml_pair *pair_of(const struct yaml_node *map, const char *key)
{
    for (size_t i = 0; i < map->count; i++)
        if (strcmp(map->pairs[i].key->text, key) == 0)
            return &map->pairs[i];
    return NULL;
}

static void read_rows(struct schema_walk *w, const struct schema_row *rows,
    const struct yaml_node *map, struct value *out)
{
    bool later = false; // then what is required is not asked for: another key may stand for it
    for (size_t i = 0; i < map->count; i++) {
        const struct yaml_node *key = map->pairs[i].key;
        const struct schema_row *row = schema_find(rows, key->text);
        if (!row)
            schema_unknown(w, rows, key);
        else if (row->flags & SCHEMA_LATER)
            schema_later(w, key);
        later |= row && (row->flags & SCHEMA_LATER);
    }
    for (const struct schema_row *row = rows; row->key; row++) {
        if (row->flags & SCHEMA_LATER)
            continue;
        const struct yaml_pair *pair = pair_of(map, row->key);
        if (!pair) {
            if (!later || !(row->flags & SCHEMA_REQUIRED))
                read_absent(w, row, map, out);
            continue;
        }
        struct schema_frame frame = {.key = row->key, .place = pair->key->place};
        schema_enter(w, &frame);
        set_value(out, row, read_node(w, row, pair->value));
        schema_leave(w);
    }
}

struct value *schema_read(
    struct schema_walk *w, const struct schema_row *rows, const struct yaml_node *root)
{
    const struct schema_row whole = {.key = "", .type = SCHEMA_MAP, .rows = rows};
    struct value *out = value_map();
    read_map_into(w, &whole, root, out);
    return out;
}
