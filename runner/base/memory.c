#include "base/memory.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *check(void *pointer)
{
    if (!pointer) {
        static const char text[] = "davit: out of memory\n";
        fwrite(text, 1, sizeof text - 1, stderr);
        abort();
    }
    return pointer;
}

void *mem_alloc(size_t size)
{
    return check(calloc(1, size ? size : 1));
}

void *mem_array(size_t count, size_t size)
{
    return check(calloc(count ? count : 1, size ? size : 1));
}

void *mem_resize(void *old, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        bytes = SIZE_MAX; // realloc refuses it
    return check(realloc(old, bytes ? bytes : 1));
}

char *mem_strdup(const char *text)
{
    return check(strdup(text));
}

char *mem_strndup(const char *text, size_t length)
{
    return check(strndup(text, length));
}

char *mem_strdup_opt(const char *text)
{
    return text ? mem_strdup(text) : NULL;
}

char *mem_vprintf(const char *format, va_list args)
{
    char *text = NULL;
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    return check(text);
}

char *mem_printf(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = mem_vprintf(format, args);
    va_end(args);
    return text;
}

void mem_replace(char **slot, const char *text)
{
    char *copy = mem_strdup_opt(text);
    free(*slot);
    *slot = copy;
}

void mem_freep(void *slot)
{
    void *pointer;
    memcpy(&pointer, slot, sizeof pointer);
    free(pointer);
}
