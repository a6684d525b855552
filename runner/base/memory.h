// Allocation that aborts when memory is out, and clean-up by scope.
//
// Whatever comes from outside is capped before it is allocated, so running out of memory is not a
// condition that davit could handle better than by ending: every allocator here either succeeds or
// aborts.
#pragma once

#include <stdarg.h>
#include <stddef.h>

// The pointers returned are never NULL; free() them.
void *mem_alloc(size_t size) __attribute__((malloc, returns_nonnull)); // zeroed
void *mem_array(size_t count, size_t size)
    __attribute__((malloc, returns_nonnull)); // zeroed; overflow aborts
void *mem_resize(void *old, size_t count, size_t size) __attribute__((returns_nonnull));
char *mem_strdup(const char *text) __attribute__((malloc, returns_nonnull));
char *mem_strndup(const char *text, size_t length) __attribute__((malloc, returns_nonnull));
char *mem_printf(const char *format, ...)
    __attribute__((malloc, returns_nonnull, format(printf, 1, 2)));
char *mem_vprintf(const char *format, va_list args)
    __attribute__((malloc, returns_nonnull, format(printf, 1, 0)));
// NULL stays NULL.
char *mem_strdup_opt(const char *text);

// Replaces *slot by a copy of text (NULL clears it).
void mem_replace(char **slot, const char *text);

void mem_freep(void *slot);

// AUTO_FREE char *p = ...;  is freed when it leaves its scope.
#define AUTO_FREE __attribute__((cleanup(mem_freep)))

// AUTO(str) struct str s = ...;  calls str_donep(&s) when it leaves its scope. A type offers this
// by DEFINE_AUTO.
#define AUTO(name) __attribute__((cleanup(name##_cleanup)))
#define DEFINE_AUTO(name, type, destroy)                                                           \
    static inline void name##_cleanup(type *slot)                                                  \
    {                                                                                              \
        destroy(slot);                                                                             \
    }
// The same for a pointer variable: the destructor gets the pointer, and accepts NULL.
#define DEFINE_AUTO_PTR(name, type, destroy)                                                       \
    static inline void name##_cleanup(type **slot)                                                 \
    {                                                                                              \
        destroy(*slot);                                                                            \
    }

// Hands a pointer over: the variable becomes NULL, so its clean-up does nothing.
#define take_ptr(slot)                                                                             \
    ({                                                                                             \
        typeof(slot) taken_ = (slot);                                                              \
        (slot) = NULL;                                                                             \
        taken_;                                                                                    \
    })

#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))
