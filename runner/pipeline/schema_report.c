// What the walk says. Every message names the thing, says what is wrong with it, and what would be
// right.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "pipeline/schema_frame.h"

#define WHERE_MAX   300
#define WANTED_MAX  600
#define ROWS_MAX    64         // of one table: what is offered as a suggestion
#define SUGGEST_MAX (4u << 20) // letters compared with letters in one walk

void schema_enter(struct schema_walk *w, struct schema_frame *frame)
{
    frame->up = w->at;
    w->at = frame;
}

void schema_leave(struct schema_walk *w)
{
    w->at = w->at->up;
}

const struct schema_row *schema_find(const struct schema_row *rows, const char *key)
{
    for (; rows->key; rows++)
        if (strcmp(rows->key, key) == 0)
            return rows;
    return NULL;
}

enum scalar schema_scalar(enum schema_type type)
{
    switch (type) {
    case SCHEMA_BOOL:
        return SCALAR_BOOL;
    case SCHEMA_DURATION:
        return SCALAR_DURATION;
    case SCHEMA_SIZE:
        return SCALAR_SIZE;
    case SCHEMA_CPU:
        return SCALAR_CPU;
    default:
        return SCALAR_INT;
    }
}

const char *schema_entry(const struct schema_walk *w, const char *what)
{
    for (const struct schema_frame *f = w->at; f; f = f->up)
        if (f->noun && strcmp(f->noun, what) == 0)
            return f->key;
    return NULL;
}

// The dotted keys that end at `f`, outermost first; returns the entry with a noun above them.
static const struct schema_frame *add_keys(const struct schema_frame *f, struct str *out)
{
    const struct schema_frame *keys[YAML_DEPTH_MAX + 1];
    size_t n = 0;
    for (; f && !(f->noun && *f->noun); f = f->up)
        if (f->key && n < ARRAY_LEN(keys))
            keys[n++] = f;
    for (size_t i = n; i--;)
        str_printf(out, "%s%s", YAML_SHOW(keys[i]->key), i ? "." : "");
    return f;
}

// `healthcheck.path of stage "here"`, `an item of needs of stage "here"`, `stage "here"`, or
// nothing at the root.
static void add_where(const struct schema_frame *f, struct str *out)
{
    if (f && f->is_item)
        str_puts(out, "an item of ");
    while (f) {
        size_t before = out->length;
        f = add_keys(f, out);
        if (!f)
            return;
        str_printf(
            out, "%s%s \"%s\"", out->length > before ? " of " : "", f->noun, YAML_SHOW(f->key));
        f = f->up ? f->up->up : NULL; // past the key that holds the entries
        if (f)
            str_puts(out, " of ");
    }
}

void schema_wrong(struct schema_walk *w, const struct yaml_node *node, const char *format, ...)
{
    AUTO(str) struct str where;
    str_init(&where, WHERE_MAX);
    add_where(w->at, &where);
    va_list args;
    va_start(args, format);
    AUTO_FREE char *message = mem_vprintf(format, args);
    va_end(args);
    diag_error(
        w->diags, w->source, node->place, "%s %s", where.length ? where.data : "the file", message);
}

struct schema_hint schema_suggest(
    struct schema_walk *w, const char *word, const char *const *candidates)
{
    struct schema_hint hint = {0};
    if (w->diags->items.length >= DIAG_MAX || w->suggested > SUGGEST_MAX)
        return hint;
    for (const char *const *c = candidates; *c; c++)
        w->suggested += strlen(*c) * strlen(word);
    if (w->suggested > SUGGEST_MAX)
        return hint;
    const char *near = suggest(word, candidates);
    if (near)
        snprintf(hint.text, sizeof hint.text, "; did you mean \"%s\"?", YAML_SHOW(near));
    return hint;
}

static void add_choices(struct str *out, const char *const *choices)
{
    for (size_t i = 0; choices[i]; i++)
        str_printf(out, "%s%s", i ? ", " : "", choices[i]);
}

static void add_keys_of(struct str *out, const struct schema_row *rows)
{
    const char *between = "";
    for (; rows->key; rows++) {
        if (rows->flags & SCHEMA_LATER)
            continue;
        str_printf(out, "%s%s", between, rows->key);
        between = ", ";
    }
}

static void add_wanted(struct str *out, const struct schema_row *row)
{
    const struct schema_row *meant = row->shorthand ? schema_find(row->rows, row->shorthand) : NULL;
    switch (row->type) {
    case SCHEMA_STRING:
        str_puts(out, "a string");
        break;
    case SCHEMA_LINES:
        str_puts(out, "a string or a list of strings");
        break;
    case SCHEMA_INT:
        str_printf(out, "a whole number from %" PRId64 " to %" PRId64, row->min, row->max);
        break;
    case SCHEMA_BOOL:
    case SCHEMA_DURATION:
    case SCHEMA_SIZE:
    case SCHEMA_CPU:
        str_puts(out, scalar_wants(schema_scalar(row->type)));
        if (row->choices) {
            str_puts(out, ", or ");
            add_choices(out, row->choices);
        }
        break;
    case SCHEMA_ENUM:
        str_puts(out, row->choices[1] ? "one of " : "");
        add_choices(out, row->choices);
        break;
    case SCHEMA_MAP:
        if (meant) {
            add_wanted(out, meant);
            str_puts(out, ", or ");
        }
        str_puts(out, row->flags & SCHEMA_OR_SCALAR ? "a string, or a map" : "a map");
        if (row->rows->key) {
            str_puts(out, " of ");
            add_keys_of(out, row->rows);
        }
        break;
    case SCHEMA_DICT:
        str_puts(out, "a map");
        break;
    case SCHEMA_LIST:
        if (row->flags & SCHEMA_SINGLE) {
            add_wanted(out, row->rows);
            str_puts(out, ", or ");
        }
        str_puts(out, "a list");
        break;
    case SCHEMA_KIND:
        str_puts(out, "one of ");
        add_keys_of(out, row->rows);
        str_puts(out, ", or a map of one of them to its settings");
        break;
    }
}

static const char *const *kinds_of(const struct schema_row *rows, const char *names[])
{
    size_t n = 0;
    for (; rows->key && n < ROWS_MAX; rows++)
        if (!(rows->flags & SCHEMA_LATER))
            names[n++] = rows->key;
    names[n] = NULL;
    return names;
}

// What is behind the semicolon: what the node is instead, and what to write.
static void add_instead(struct schema_walk *w, struct str *out, const struct schema_row *row,
    const struct yaml_node *node)
{
    char advice[SCALAR_ADVICE_MAX];
    const char *names[ROWS_MAX + 1];
    if (node->type != YAML_SCALAR) {
        bool several = row->type == SCHEMA_KIND && node->type == YAML_MAP;
        str_puts(out, several ? "" : node->type == YAML_LIST ? ", not a list" : ", not a map");
    } else if (row->type >= SCHEMA_BOOL && row->type <= SCHEMA_CPU) {
        str_printf(out, "; %s", scalar_advice(schema_scalar(row->type), node->text, advice, NULL));
    } else if (row->type == SCHEMA_ENUM || row->type == SCHEMA_KIND) {
        const char *const *known =
            row->type == SCHEMA_ENUM ? row->choices : kinds_of(row->rows, names);
        struct schema_hint hint = schema_suggest(w, node->text, known);
        if (*hint.text)
            str_puts(out, hint.text);
        else
            str_printf(out, "; \"%s\" is not", YAML_SHOW(node->text));
    } else if (row->type != SCHEMA_STRING && row->type != SCHEMA_LINES) {
        str_printf(out, ", not \"%s\"", YAML_SHOW(node->text));
    }
}

void schema_wrong_type(
    struct schema_walk *w, const struct schema_row *row, const struct yaml_node *node)
{
    AUTO(str) struct str wanted;
    str_init(&wanted, WANTED_MAX);
    struct schema_row line = *row;
    line.type = SCHEMA_STRING;
    if (row->type == SCHEMA_LINES && w->at && w->at->is_item)
        row = &line;
    add_wanted(&wanted, row);
    if (yaml_is_empty(node)) {
        schema_wrong(w, node, "has no value; it must be %s%s", wanted.data,
            row->flags & SCHEMA_BLANK || row->flags & SCHEMA_OR_SCALAR ? " (\"\" is the empty one)"
                                                                       : "");
        return;
    }
    if (row->type == SCHEMA_STRING || row->type == SCHEMA_LINES)
        if (node->type == YAML_SCALAR) {
            schema_wrong(w, node, "must not be empty");
            return;
        }
    add_instead(w, &wanted, row, node);
    schema_wrong(w, node, "must be %s", wanted.data);
}

static const char *in_where(const struct schema_walk *w, struct str *buffer)
{
    if (!w->at)
        return "";
    str_puts(buffer, " in ");
    add_where(w->at, buffer);
    return buffer->data;
}

// What the key is called here, when it is another tool's name for it.
static const char *translate(const struct schema_row *rows, const char *key)
{
    char word[32];
    if (snprintf(word, sizeof word, " %s ", key) >= (int)sizeof word)
        return NULL;
    for (; rows->key; rows++)
        if (rows->also && strstr(rows->also, word))
            return rows->key;
    return NULL;
}

void schema_unknown(
    struct schema_walk *w, const struct schema_row *rows, const struct yaml_node *key)
{
    AUTO(str) struct str where;
    AUTO(str) struct str known;
    str_init(&where, WHERE_MAX);
    str_init(&known, WANTED_MAX);
    const char *names[ROWS_MAX + 1];
    struct schema_hint hint = {0};
    const char *here = translate(rows, key->text);
    if (here)
        snprintf(hint.text, sizeof hint.text, "; here it is \"%s\"", here);
    else
        hint = schema_suggest(w, key->text, kinds_of(rows, names));
    if (!*hint.text && rows->key) {
        str_puts(&known, "; known are ");
        add_keys_of(&known, rows);
    }
    diag_error(w->diags, w->source, key->place, "unknown key \"%s\"%s%s", YAML_SHOW(key->text),
        in_where(w, &where), *hint.text ? hint.text : known.data);
}

void schema_later(struct schema_walk *w, const struct yaml_node *key)
{
    AUTO(str) struct str where;
    str_init(&where, WHERE_MAX);
    diag_error(w->diags, w->source, key->place, "\"%s\"%s is understood and not there yet",
        key->text, in_where(w, &where));
}

void schema_missing(
    struct schema_walk *w, const struct schema_row *row, const struct yaml_node *map)
{
    AUTO(str) struct str where;
    str_init(&where, WHERE_MAX);
    add_where(w->at, &where);
    diag_error(w->diags, w->source, w->at ? w->at->place : map->place, "%s needs \"%s\": %s",
        where.length ? where.data : "the file", row->key, row->doc);
}
