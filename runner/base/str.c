#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 64

static char no_bytes[1]; // what an empty string points at: shared, never written, never freed

void str_init(struct str *s, size_t maximum)
{
    *s = (struct str){.data = no_bytes, .maximum = maximum};
}

void str_done(struct str *s)
{
    if (s->capacity)
        free(s->data);
    *s = (struct str){.data = no_bytes};
}

void str_clear(struct str *s)
{
    if (s->capacity)
        s->data[0] = '\0';
    s->length = 0;
    s->overflow = false;
}

// Makes room for `more` bytes and the NUL; false when the maximum forbids it.
static bool reserve(struct str *s, size_t more)
{
    if (s->overflow || more > s->maximum - s->length) {
        s->overflow = true;
        return false;
    }
    size_t need = s->length + more + 1;
    if (need <= s->capacity)
        return true;
    size_t capacity = s->capacity ? s->capacity : FIRST_CAPACITY;
    while (capacity < need)
        capacity *= 2;
    s->data = mem_resize(s->capacity ? s->data : NULL, capacity, 1);
    s->capacity = capacity;
    return true;
}

void str_add(struct str *s, const void *bytes, size_t length)
{
    if (!length || !reserve(s, length))
        return;
    memcpy(s->data + s->length, bytes, length);
    s->length += length;
    s->data[s->length] = '\0';
}

void str_puts(struct str *s, const char *text)
{
    str_add(s, text, strlen(text));
}

void str_putc(struct str *s, char c)
{
    str_add(s, &c, 1);
}

void str_pad(struct str *s, char c, size_t count)
{
    if (!count || !reserve(s, count))
        return;
    memset(s->data + s->length, c, count);
    s->length += count;
    s->data[s->length] = '\0';
}

void str_vprintf(struct str *s, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    if (n > 0 && reserve(s, (size_t)n)) {
        vsnprintf(s->data + s->length, (size_t)n + 1, format, again);
        s->length += (size_t)n;
    }
    va_end(again);
}

void str_printf(struct str *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    str_vprintf(s, format, args);
    va_end(args);
}

void str_drop(struct str *s, size_t count)
{
    if (!count)
        return;
    if (count >= s->length) {
        str_clear(s);
        return;
    }
    memmove(s->data, s->data + count, s->length - count + 1);
    s->length -= count;
}

int str_check(const struct str *s, const char *what, struct error *err)
{
    if (!s->overflow)
        return 0;
    return error_set(err, ERR_LIMIT, "%s is larger than %zu bytes", what, s->maximum);
}

char *str_take(struct str *s)
{
    char *bytes = s->capacity ? s->data : mem_strdup("");
    *s = (struct str){.data = no_bytes, .maximum = s->maximum};
    return bytes;
}

bool text_starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool text_ends(const char *text, const char *suffix)
{
    size_t n = strlen(text), m = strlen(suffix);
    return n >= m && memcmp(text + n - m, suffix, m) == 0;
}

bool text_equal(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}
