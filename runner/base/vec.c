#include "base/vec.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void *vec_grow_(void **items, size_t *length, size_t *capacity, size_t item_size)
{
    if (*length == *capacity) {
        *capacity = *capacity ? *capacity * 2 : 8;
        *items = mem_resize(*items, *capacity, item_size);
    }
    void *item = (char *)*items + *length * item_size;
    memset(item, 0, item_size);
    ++*length;
    return item;
}

void strv_push_take(struct strv *v, char *text)
{
    if (v->length + 1 >= v->capacity) {
        v->capacity = v->capacity ? v->capacity * 2 : 8;
        v->items = mem_resize(v->items, v->capacity, sizeof *v->items);
    }
    v->items[v->length++] = text;
    v->items[v->length] = NULL;
}

void strv_push(struct strv *v, const char *text)
{
    strv_push_take(v, mem_strdup(text));
}

void strv_pushf(struct strv *v, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    strv_push_take(v, mem_vprintf(format, args));
    va_end(args);
}

void strv_copy(struct strv *to, const struct strv *from)
{
    strv_each (item, from)
        strv_push(to, *item);
}

void strv_done(struct strv *v)
{
    strv_each (item, v)
        free(*item);
    free(v->items);
    *v = (struct strv){0};
}

bool strv_has(const struct strv *v, const char *text)
{
    strv_each (item, v)
        if (strcmp(*item, text) == 0)
            return true;
    return false;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void strv_sort(struct strv *v)
{
    if (v->length)
        qsort(v->items, v->length, sizeof *v->items, by_bytes);
}

char *const *strv_argv(const struct strv *v)
{
    static char *const none[] = {NULL};
    return v->items ? v->items : none;
}
