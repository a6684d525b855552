// A growing byte string with a mandatory maximum.
//
// What would not fit is not added and sets `overflow`, which stays set: a producer writes on
// without looking and the caller asks once at the end, with str_check(). `data` is always
// NUL-terminated (and may hold NULs before that).
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/memory.h"

struct str {
    char *data; // never NULL after str_init
    size_t length;
    size_t capacity;
    size_t maximum; // of length
    bool overflow;
};

// What texts of our own making may reach: plans, reports, configuration that we generate.
#define STR_TEXT_MAX ((size_t)16 << 20)

void str_init(struct str *s, size_t maximum);
void str_done(struct str *s);  // accepts an all-zero struct
void str_clear(struct str *s); // empties it; overflow is reset, memory is kept

void str_add(struct str *s, const void *bytes, size_t length);
void str_puts(struct str *s, const char *text);
void str_putc(struct str *s, char c);
void str_printf(struct str *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
void str_vprintf(struct str *s, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
void str_pad(struct str *s, char c, size_t count);
void str_drop(struct str *s, size_t count); // the first count bytes go

// -1 with ERR_LIMIT naming `what` when something did not fit.
int str_check(const struct str *s, const char *what, struct error *err);

// The bytes, to be freed by the caller; s is empty afterwards and can be used again.
char *str_take(struct str *s);

DEFINE_AUTO(str, struct str, str_done)

bool text_starts(const char *text, const char *prefix);
bool text_ends(const char *text, const char *suffix);
bool text_equal(const char *a, const char *b); // NULL equals only NULL
