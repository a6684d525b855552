#include "base/diag.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define LINE_SHOWN_MAX 160 // of a source line; longer ones are shown around the place

void diag_add(struct diag_list *list, enum diag_severity severity, const struct diag_source *source,
    struct diag_place place, const char *format, ...)
{
    if (severity == DIAG_ERROR)
        list->errors++;
    if (list->items.length >= DIAG_MAX) {
        list->dropped++;
        return;
    }
    va_list args;
    va_start(args, format);
    *vec_add(&list->items) = (struct diag){
        .severity = severity,
        .source = source,
        .place = place,
        .message = mem_vprintf(format, args),
    };
    va_end(args);
}

void diag_done(struct diag_list *list)
{
    vec_each (item, &list->items)
        free(item->message);
    vec_free(&list->items);
    *list = (struct diag_list){0};
}

const char *diag_severity_name(enum diag_severity severity)
{
    static const char *const names[] = {"error", "warning", "note"};
    return names[severity];
}

static bool before(const struct diag *a, const struct diag *b)
{
    if (a->source != b->source) {
        if (!a->source || !b->source)
            return a->source == NULL;
        return strcmp(a->source->path, b->source->path) < 0;
    }
    return a->source && a->place.offset < b->place.offset;
}

// Insertion sort by groups: a group is a diagnostic and the notes behind it. The list is short and
// nearly sorted.
void diag_sort(struct diag_list *list)
{
    struct diag *items = list->items.items;
    size_t n = list->items.length;
    for (size_t start = 0; start < n;) {
        size_t end = start + 1;
        while (end < n && items[end].severity == DIAG_NOTE)
            end++;
        size_t to = start;
        for (size_t i = 0; i < start; i++)
            if (items[i].severity != DIAG_NOTE && before(&items[start], &items[i])) {
                to = i;
                break;
            }
        for (size_t i = start; i < end && to != start; i++) {
            struct diag moved = items[i];
            size_t slot = to + (i - start);
            memmove(&items[slot + 1], &items[slot], (i - slot) * sizeof *items);
            items[slot] = moved;
        }
        start = end;
    }
}

static size_t line_start(const struct diag_source *source, size_t offset)
{
    while (offset > 0 && source->text[offset - 1] != '\n')
        offset--;
    return offset;
}

struct diag_position diag_position(const struct diag_source *source, size_t offset)
{
    if (offset > source->length)
        offset = source->length;
    size_t line = 1;
    for (const char *p = source->text; (p = memchr(p, '\n', (size_t)(source->text + offset - p)));
         p++)
        line++;
    size_t start = line_start(source, offset);
    return (struct diag_position){line, utf8_width(source->text + start, offset - start) + 1};
}

// Steps back over UTF-8 continuation bytes, so that a cut never splits a character.
static size_t align(const char *text, size_t at, size_t least)
{
    while (at > least && ((unsigned char)text[at] & 0xc0) == 0x80)
        at--;
    return at;
}

static void add_printable(struct str *out, const char *text, size_t length)
{
    size_t valid = utf8_valid_prefix(text, length);
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        bool hidden = c < 0x20 || c == 0x7f || (i >= valid && c >= 0x80);
        str_putc(out, hidden ? (c == '\t' ? ' ' : '?') : (char)c);
    }
}

static void print_excerpt(
    const struct diag *d, size_t line, const char *on, const char *off, struct str *out)
{
    const struct diag_source *source = d->source;
    size_t offset = d->place.offset < source->length ? d->place.offset : source->length;
    size_t start = line_start(source, offset);
    const char *newline = memchr(source->text + start, '\n', source->length - start);
    size_t end = newline ? (size_t)(newline - source->text) : source->length;
    size_t shown = start;
    if (offset - start > LINE_SHOWN_MAX / 2)
        shown = align(source->text, offset - LINE_SHOWN_MAX / 2, start);
    if (end - shown > LINE_SHOWN_MAX)
        end = align(source->text, shown + LINE_SHOWN_MAX, shown);
    str_printf(out, "%5zu | ", line);
    add_printable(out, source->text + shown, end - shown);
    str_puts(out, "\n      | ");
    str_pad(out, ' ', utf8_width(source->text + shown, offset - shown));
    size_t tail = offset < end ? end - offset : 0;
    size_t length = d->place.length < tail ? d->place.length : tail;
    size_t width = utf8_width(source->text + offset, length);
    str_printf(out, "%s^", on);
    str_pad(out, '~', width > 1 ? width - 1 : 0);
    str_printf(out, "%s\n", off);
}

void diag_print(const struct diag_list *list, bool color, struct str *out)
{
    static const char *const tints[] = {"\033[1;31m", "\033[1;35m", "\033[1;36m"};
    vec_each (d, &list->items) {
        const char *on = color ? tints[d->severity] : "", *off = color ? "\033[0m" : "";
        struct diag_position at = {0};
        if (d->source) {
            at = diag_position(d->source, d->place.offset);
            str_printf(out, "%s:%zu:%zu: ", d->source->path, at.line, at.column);
        }
        str_printf(out, "%s%s:%s %s\n", on, diag_severity_name(d->severity), off, d->message);
        if (d->source)
            print_excerpt(d, at.line, on, off, out);
    }
    if (list->dropped)
        str_printf(out, "(%zu more)\n", list->dropped);
}
