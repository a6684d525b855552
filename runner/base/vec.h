// Growing arrays: of any value type by a macro, and the one of strings that argv, environments and
// lists need.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/memory.h"

// struct { VEC(struct stage) stages; }: an all-zero struct is an empty array.
#define VEC(type)                                                                                  \
    struct {                                                                                       \
        type *items;                                                                               \
        size_t length;                                                                             \
        size_t capacity;                                                                           \
    }

// Adds a zeroed item and yields its address, which is valid until the next vec_add.
#define vec_add(vec)                                                                               \
    ((typeof((vec)->items))vec_grow_(                                                              \
        (void **)&(vec)->items, &(vec)->length, &(vec)->capacity, sizeof *(vec)->items))
#define vec_push(vec, value)                                                                       \
    do {                                                                                           \
        typeof(*(vec)->items) pushed_ = (value);                                                   \
        *vec_add(vec) = pushed_;                                                                   \
    } while (0)
// Frees the array, not what its items own.
#define vec_free(vec)                                                                              \
    do {                                                                                           \
        mem_freep(&(vec)->items);                                                                  \
        (vec)->items = NULL;                                                                       \
        (vec)->length = (vec)->capacity = 0;                                                       \
    } while (0)
#define vec_each(item, vec)                                                                        \
    for (typeof(&*(vec)->items) item = (vec)->items; item && item < (vec)->items + (vec)->length;  \
         item++)

void *vec_grow_(void **items, size_t *length, size_t *capacity, size_t item_size)
    __attribute__((returns_nonnull));

// A NULL-terminated array of strings that it owns; all-zero is empty (items is NULL then).
struct strv {
    char **items;
    size_t length;
    size_t capacity;
};

void strv_push(struct strv *v, const char *text); // copies
void strv_push_take(struct strv *v, char *text);  // owns it from now on
void strv_pushf(struct strv *v, const char *format, ...) __attribute__((format(printf, 2, 3)));
void strv_copy(struct strv *to, const struct strv *from); // appends copies
void strv_done(struct strv *v);
bool strv_has(const struct strv *v, const char *text);
void strv_sort(struct strv *v); // bytewise
// items, or an empty NULL-terminated array: what execve wants.
char *const *strv_argv(const struct strv *v);

#define strv_each(item, v)                                                                         \
    for (char **item = (v)->items; item && item < (v)->items + (v)->length; item++)

DEFINE_AUTO(strv, struct strv, strv_done)
