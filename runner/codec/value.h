// JSON values (RFC 8259): what travels between davit's processes, to registries, into the journal
// and out of `-o json`.
//
// A value belongs to whoever made it until it is put into a map or list, which takes it. Getters
// lend: what they return lives as long as the container. Maps keep the order in which their keys
// were set; a duplicate key in a parsed text is an error.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/str.h"
#include "base/vec.h"

struct value;

enum value_type {
    VALUE_NULL,
    VALUE_BOOL,
    VALUE_INT,
    VALUE_REAL,
    VALUE_STRING,
    VALUE_LIST,
    VALUE_MAP,
};

// NULL with ERR_PROTOCOL ("line:column: …") on a bad text. Depth is bounded; the caller bounds the
// length.
struct value *value_parse(const char *text, size_t length, struct error *err);
// Reals are printed with 15 digits: what a person wrote ("0.1") comes back as it was.
// Compact on one line, or indented by two spaces with a newline at the end.
char *value_print(const struct value *v);
char *value_print_indented(const struct value *v);

struct value *value_map(void);
struct value *value_list(void);
struct value *value_string(const char *text); // invalid UTF-8 is replaced by U+FFFD
struct value *value_string_n(const char *text, size_t length);
struct value *value_int(int64_t n);
struct value *value_real(double d); // finite
struct value *value_bool(bool b);
struct value *value_null(void);
struct value *value_copy(const struct value *v); // deep
struct value *value_share(struct value *v);      // one more owner of the same value
void value_free(struct value *v);                // accepts NULL
DEFINE_AUTO_PTR(value, struct value, value_free)

enum value_type value_type(const struct value *v); // NULL counts as VALUE_NULL
bool value_equal(const struct value *a, const struct value *b);

// Maps. Setting takes `v` and replaces what was there; a NULL v removes the key, a NULL text sets
// nothing.
void value_set(struct value *map, const char *key, struct value *v);
void value_set_str(struct value *map, const char *key, const char *text);
void value_set_int(struct value *map, const char *key, int64_t n);
void value_set_bool(struct value *map, const char *key, bool b);
void value_set_strv(struct value *map, const char *key, const struct strv *v);
// Lenient getters: NULL or the given default where the key is absent or of another type, or where
// map is NULL.
struct value *value_get(const struct value *map, const char *key);
const char *value_get_str(const struct value *map, const char *key);
int64_t value_get_int(const struct value *map, const char *key, int64_t absent);
bool value_get_bool(const struct value *map, const char *key, bool absent);
// Strict getters for messages of a peer: -1 with ERR_PROTOCOL naming the key. The string is lent.
int value_need_str(const struct value *map, const char *key, const char **ret, struct error *err);
int value_need_int(const struct value *map, const char *key, int64_t min, int64_t max, int64_t *ret,
    struct error *err);
// Appends the strings of a list; an absent key is an empty list.
int value_need_strv(const struct value *map, const char *key, struct strv *out, struct error *err);
// struct value_cursor c = {.map = map}; while (value_next(&c, &key, &item)) …, in the order of
// setting.
struct value_cursor {
    const struct value *map;
    void *at;
};
bool value_next(struct value_cursor *cursor, const char **ret_key, struct value **ret_item);

// Lists.
void value_append(struct value *list, struct value *v); // takes v
void value_append_str(struct value *list, const char *text);
size_t value_length(const struct value *v); // of a list or a map, else 0
struct value *value_at(const struct value *list, size_t index);

// Scalars.
const char *value_text(const struct value *v); // NULL unless a string
int64_t value_number(const struct value *v);   // 0 unless an integer
