// jansson behind our own names: `struct value` is its json_t.
#include "codec/value.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static json_t *json(const struct value *v)
{
    return (
        json_t *)(uintptr_t)v; // jansson takes no const; nothing here writes through a const value
}

static struct value *value(json_t *j)
{
    if (!j)
        abort(); // out of memory: jansson has no other reason left at the places that call this
    return (struct value *)j;
}

struct value *value_parse(const char *text, size_t length, struct error *err)
{
    json_error_t why;
    json_t *j = json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
    if (j)
        return (struct value *)j;
    error_set(err, ERR_PROTOCOL, "bad JSON at %d:%d: %s", why.line, why.column, why.text);
    return NULL;
}

static char *print(const struct value *v, size_t flags)
{
    char *text = json_dumps(json(v), flags | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
    if (!text)
        abort();
    return text;
}

char *value_print(const struct value *v)
{
    return print(v, JSON_COMPACT);
}

char *value_print_indented(const struct value *v)
{
    AUTO_FREE char *text = print(v, JSON_INDENT(2));
    return mem_printf("%s\n", text);
}

struct value *value_map(void)
{
    return value(json_object());
}

struct value *value_list(void)
{
    return value(json_array());
}

struct value *value_string_n(const char *text, size_t length)
{
    if (utf8_valid_prefix(text, length) == length)
        return value(json_stringn(text, length));
    AUTO(str) struct str clean;
    str_init(&clean, length * 3 + 1);
    while (length) {
        size_t good = utf8_valid_prefix(text, length);
        str_add(&clean, text, good);
        text += good;
        length -= good;
        if (length) {
            str_puts(&clean, "\xef\xbf\xbd");
            text++;
            length--;
        }
    }
    return value(json_stringn(clean.data, clean.length));
}

struct value *value_string(const char *text)
{
    return value_string_n(text, strlen(text));
}

struct value *value_int(int64_t n)
{
    return value(json_integer(n));
}

struct value *value_real(double d)
{
    return value(json_real(d));
}

struct value *value_bool(bool b)
{
    return value(json_boolean(b));
}

struct value *value_null(void)
{
    return value(json_null());
}

struct value *value_copy(const struct value *v)
{
    return value(json_deep_copy(json(v)));
}

struct value *value_share(struct value *v)
{
    return value(json_incref(json(v)));
}

void value_free(struct value *v)
{
    json_decref(json(v));
}

enum value_type value_type(const struct value *v)
{
    if (!v)
        return VALUE_NULL;
    switch (json_typeof(json(v))) {
    case JSON_OBJECT:
        return VALUE_MAP;
    case JSON_ARRAY:
        return VALUE_LIST;
    case JSON_STRING:
        return VALUE_STRING;
    case JSON_INTEGER:
        return VALUE_INT;
    case JSON_REAL:
        return VALUE_REAL;
    case JSON_TRUE:
    case JSON_FALSE:
        return VALUE_BOOL;
    case JSON_NULL:
        break;
    }
    return VALUE_NULL;
}

bool value_equal(const struct value *a, const struct value *b)
{
    return a && b ? json_equal(json(a), json(b)) : a == b;
}

void value_set(struct value *map, const char *key, struct value *v)
{
    if (!v)
        json_object_del(json(map), key);
    else if (json_object_set_new(json(map), key, json(v)) < 0)
        abort();
}

void value_set_str(struct value *map, const char *key, const char *text)
{
    if (text)
        value_set(map, key, value_string(text));
}

void value_set_int(struct value *map, const char *key, int64_t n)
{
    value_set(map, key, value_int(n));
}

void value_set_bool(struct value *map, const char *key, bool b)
{
    value_set(map, key, value_bool(b));
}

void value_set_strv(struct value *map, const char *key, const struct strv *v)
{
    struct value *list = value_list();
    strv_each (item, v)
        value_append_str(list, *item);
    value_set(map, key, list);
}

struct value *value_get(const struct value *map, const char *key)
{
    return (struct value *)json_object_get(json(map), key);
}

const char *value_get_str(const struct value *map, const char *key)
{
    return value_text(value_get(map, key));
}

int64_t value_get_int(const struct value *map, const char *key, int64_t absent)
{
    const struct value *v = value_get(map, key);
    return value_type(v) == VALUE_INT ? value_number(v) : absent;
}

bool value_get_bool(const struct value *map, const char *key, bool absent)
{
    const struct value *v = value_get(map, key);
    return value_type(v) == VALUE_BOOL ? json_is_true(json(v)) : absent;
}

int value_need_str(const struct value *map, const char *key, const char **ret, struct error *err)
{
    const char *text = value_get_str(map, key);
    if (!text)
        return error_set(err, ERR_PROTOCOL, "\"%s\" is missing or not a string", key);
    *ret = text;
    return 0;
}

int value_need_int(const struct value *map, const char *key, int64_t min, int64_t max, int64_t *ret,
    struct error *err)
{
    const struct value *v = value_get(map, key);
    if (value_type(v) != VALUE_INT)
        return error_set(err, ERR_PROTOCOL, "\"%s\" is missing or not an integer", key);
    int64_t n = value_number(v);
    if (n < min || n > max)
        return error_set(err, ERR_PROTOCOL, "\"%s\" is out of range: %lld", key, (long long)n);
    *ret = n;
    return 0;
}

int value_need_strv(const struct value *map, const char *key, struct strv *out, struct error *err)
{
    const struct value *list = value_get(map, key);
    if (!list)
        return 0;
    for (size_t i = 0; i < value_length(list); i++)
        if (!value_text(value_at(list, i)))
            return error_set(err, ERR_PROTOCOL, "\"%s\" is not a list of strings", key);
    if (value_type(list) != VALUE_LIST)
        return error_set(err, ERR_PROTOCOL, "\"%s\" is not a list of strings", key);
    for (size_t i = 0; i < value_length(list); i++)
        strv_push(out, value_text(value_at(list, i)));
    return 0;
}

bool value_next(struct value_cursor *cursor, const char **ret_key, struct value **ret_item)
{
    json_t *map = json(cursor->map);
    cursor->at = cursor->at ? json_object_iter_next(map, cursor->at) : json_object_iter(map);
    if (!cursor->at)
        return false;
    *ret_key = json_object_iter_key(cursor->at);
    *ret_item = (struct value *)json_object_iter_value(cursor->at);
    return true;
}

void value_append(struct value *list, struct value *v)
{
    if (json_array_append_new(json(list), json(v)) < 0)
        abort();
}

void value_append_str(struct value *list, const char *text)
{
    value_append(list, value_string(text));
}

size_t value_length(const struct value *v)
{
    if (value_type(v) == VALUE_MAP)
        return json_object_size(json(v));
    return value_type(v) == VALUE_LIST ? json_array_size(json(v)) : 0;
}

struct value *value_at(const struct value *list, size_t index)
{
    return (struct value *)json_array_get(json(list), index);
}

const char *value_text(const struct value *v)
{
    return v ? json_string_value(json(v)) : NULL;
}

int64_t value_number(const struct value *v)
{
    return v ? json_integer_value(json(v)) : 0;
}
