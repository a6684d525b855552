// Structs and JSON maps: one table of rows reads, writes and frees a struct, so that what is
// written and what is read cannot drift apart.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "codec/value.h"

enum field_kind {
    FIELD_TEXT,    // char[]: a string that fits
    FIELD_STRING,  // char *, owned; NULL when absent
    FIELD_INT,     // int64_t within [min, max]
    FIELD_COUNT,   // int within [min, max]
    FIELD_BOOL,    // bool
    FIELD_ENUM,    // an enum: one of `names`, by its index
    FIELD_STRINGS, // struct strv: a list of strings
    FIELD_VALUE,   // struct value *, owned: a map
    FIELD_STRUCT,  // a struct by itself: a map, as `rows` say
    FIELD_OTHER,   // as `type` says
};

struct field_type {
    // `to` is all-zero or holds the default. What a failure leaves there is given to done().
    int (*read)(const struct value *v, const char *what, void *to, struct error *err);
    struct value *(*write)(const void *from);
    void (*done)(void *of);
};

struct field {
    const char *key;
    enum field_kind kind;
    bool optional; // absent or null: the struct keeps what it had. Written unless it is all-zero
    size_t offset, size;
    int64_t min, max;              // INT, COUNT
    const char *const *names;      // ENUM; ends with NULL
    const struct field *rows;      // STRUCT; ends with a row without key
    const struct field_type *type; // OTHER
};

// {"run", FIELD(struct rollout, run, FIELD_TEXT)}, and what the kind wants besides: .min = 0, .max
// = 9
#define FIELD(type, member, its_kind)                                                              \
    .kind = (its_kind), .offset = offsetof(type, member), .size = sizeof(((type *)0)->member)

// Fills `ret` (all-zero, or holding the defaults) from a map. ERR_PROTOCOL, naming `what` and the
// key, for a key that is missing, unknown, or not what its row says; then `ret` may be half filled
// and is still to be freed.
int fields_read(const struct value *map, const char *what, const struct field *rows, void *ret,
    struct error *err);
// A new map, the caller's.
struct value *fields_write(const void *from, const struct field *rows);
// Frees what the struct owns and leaves that all-zero.
void fields_done(void *of, const struct field *rows);
