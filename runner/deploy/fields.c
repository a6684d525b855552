#include "deploy/fields.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/vec.h"

#define KEYS_MAX 64 // rows of the longest table, for a suggestion

static void *member(const void *of, const struct field *row)
{
    return (char *)(uintptr_t)of + row->offset;
}

static int wrong(const char *what, const struct field *row, const char *wanted, struct error *err)
{
    return error_set(err, ERR_PROTOCOL, "%s: \"%s\" is not %s", what, row->key, wanted);
}

static int unknown_key(
    const char *key, const char *what, const struct field *rows, struct error *err)
{
    const char *keys[KEYS_MAX + 1] = {0};
    for (size_t i = 0; rows[i].key && i < KEYS_MAX; i++)
        keys[i] = rows[i].key;
    const char *near = suggest(key, keys);
    return error_set(err, ERR_PROTOCOL, "%s: unknown key \"%s\"%s%s%s", what, key,
        near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

static int read_text(
    const char *text, const char *what, const struct field *row, void *to, struct error *err)
{
    if (!text)
        return wrong(what, row, "a string", err);
    if (row->kind == FIELD_STRING) {
        mem_replace(to, text);
        return 0;
    }
    if (strlen(text) >= row->size)
        return error_set(err, ERR_PROTOCOL, "%s: \"%s\" is longer than %zu bytes", what, row->key,
            row->size - 1);
    memcpy(to, text, strlen(text) + 1);
    return 0;
}

static int read_number(
    const struct value *v, const char *what, const struct field *row, void *to, struct error *err)
{
    if (value_type(v) != VALUE_INT)
        return wrong(what, row, "a whole number", err);
    int64_t n = value_number(v);
    if (n < row->min || n > row->max)
        return error_set(err, ERR_PROTOCOL, "%s: \"%s\" is %lld, not within %lld and %lld", what,
            row->key, (long long)n, (long long)row->min, (long long)row->max);
    if (row->kind == FIELD_INT)
        *(int64_t *)to = n;
    else
        *(int *)to = (int)n;
    return 0;
}

static int read_name(
    const char *text, const char *what, const struct field *row, void *to, struct error *err)
{
    for (unsigned i = 0; text && row->names[i]; i++)
        if (strcmp(text, row->names[i]) == 0) {
            *(unsigned *)to = i;
            return 0;
        }
    AUTO(str) struct str names;
    str_init(&names, 200);
    for (unsigned i = 0; row->names[i]; i++)
        str_printf(&names, "%s%s", i ? ", " : "one of: ", row->names[i]);
    return wrong(what, row, names.data, err);
}

static int read_strings(const struct value *list, const char *what, const struct field *row,
    void *to, struct error *err)
{
    if (value_type(list) != VALUE_LIST)
        return wrong(what, row, "a list", err);
    for (size_t i = 0; i < value_length(list); i++) {
        const char *text = value_text(value_at(list, i));
        if (!text)
            return wrong(what, row, "a list of strings", err);
        strv_push(to, text);
    }
    return 0;
}

static int read_row(
    const struct value *map, const char *what, const struct field *row, void *to, struct error *err)
{
    struct value *v = value_get(map, row->key);
    switch (row->kind) {
    case FIELD_TEXT:
    case FIELD_STRING:
        return read_text(value_text(v), what, row, to, err);
    case FIELD_INT:
    case FIELD_COUNT:
        return read_number(v, what, row, to, err);
    case FIELD_BOOL:
        if (value_type(v) != VALUE_BOOL)
            return wrong(what, row, "true or false", err);
        *(bool *)to = value_get_bool(map, row->key, false);
        return 0;
    case FIELD_ENUM:
        return read_name(value_text(v), what, row, to, err);
    case FIELD_STRINGS:
        return read_strings(v, what, row, to, err);
    case FIELD_VALUE:
        if (value_type(v) != VALUE_MAP)
            return wrong(what, row, "a map", err);
        value_free(*(struct value **)to);
        *(struct value **)to = value_copy(v);
        return 0;
    case FIELD_STRUCT:
    case FIELD_OTHER:
        break;
    }
    AUTO_FREE char *inner = mem_printf("%s: %s", what, row->key);
    return row->kind == FIELD_OTHER ? row->type->read(v, inner, to, err)
                                    : fields_read(v, inner, row->rows, to, err);
}

int fields_read(const struct value *map, const char *what, const struct field *rows, void *ret,
    struct error *err)
{
    if (value_type(map) != VALUE_MAP)
        return error_set(err, ERR_PROTOCOL, "%s is not a map", what);
    size_t found = 0;
    for (const struct field *row = rows; row->key; row++) {
        struct value *v = value_get(map, row->key);
        if (!v && !row->optional)
            return error_set(err, ERR_PROTOCOL, "%s: \"%s\" is missing", what, row->key);
        found += v != NULL;
        if (row->optional && value_type(v) == VALUE_NULL)
            continue;
        if (read_row(map, what, row, member(ret, row), err) < 0)
            return -1;
    }
    if (found == value_length(map))
        return 0;
    struct value_cursor cursor = {.map = map};
    const char *key;
    struct value *item;
    while (value_next(&cursor, &key, &item)) {
        const struct field *row = rows;
        while (row->key && strcmp(row->key, key) != 0)
            row++;
        if (!row->key)
            return unknown_key(key, what, rows, err);
    }
    return 0;
}

static bool all_zero(const void *at, size_t size)
{
    const unsigned char *byte = at;
    for (size_t i = 0; i < size; i++)
        if (byte[i])
            return false;
    return true;
}

static struct value *write_row(const struct field *row, const void *at)
{
    switch (row->kind) {
    case FIELD_TEXT:
        return value_string(at);
    case FIELD_STRING:
        return *(char *const *)at ? value_string(*(char *const *)at) : value_null();
    case FIELD_INT:
        return value_int(*(const int64_t *)at);
    case FIELD_COUNT:
        return value_int(*(const int *)at);
    case FIELD_BOOL:
        return value_bool(*(const bool *)at);
    case FIELD_ENUM:
        return value_string(row->names[*(const unsigned *)at]);
    case FIELD_STRINGS:
        break;
    case FIELD_VALUE:
        return *(struct value *const *)at ? value_copy(*(struct value *const *)at) : value_map();
    case FIELD_STRUCT:
        return fields_write(at, row->rows);
    case FIELD_OTHER:
        return row->type->write(at);
    }
    struct value *list = value_list();
    strv_each (item, (const struct strv *)at)
        value_append_str(list, *item);
    return list;
}

struct value *fields_write(const void *from, const struct field *rows)
{
    struct value *map = value_map();
    for (const struct field *row = rows; row->key; row++) {
        const void *at = member(from, row);
        // A zero that a row without `optional` names is a value like any other.
        if (!row->optional || !all_zero(at, row->size))
            value_set(map, row->key, write_row(row, at));
    }
    return map;
}

void fields_done(void *of, const struct field *rows)
{
    for (const struct field *row = rows; row->key; row++) {
        void *at = member(of, row);
        if (row->kind == FIELD_STRING) {
            mem_freep(at);
            *(char **)at = NULL;
        } else if (row->kind == FIELD_STRINGS) {
            strv_done(at);
        } else if (row->kind == FIELD_VALUE) {
            value_free(*(struct value **)at);
            *(struct value **)at = NULL;
        } else if (row->kind == FIELD_STRUCT) {
            fields_done(at, row->rows);
        } else if (row->kind == FIELD_OTHER) {
            row->type->done(at);
        }
    }
}
