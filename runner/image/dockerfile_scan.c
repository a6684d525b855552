#include "image/dockerfile_scan.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

struct docker_text docker_text_part(const struct docker_text *whole, size_t start, size_t end)
{
    size_t length = end - start;
    struct docker_text part = {
        .text = mem_strndup(whole->text + start, length),
        .places = mem_array(length + 1, sizeof *part.places),
        .length = length,
    };
    memcpy(part.places, whole->places + start, length * sizeof *part.places);
    part.places[length] = length ? whole->places[end - 1] + 1 : whole->places[start];
    return part;
}

void docker_text_done(struct docker_text *t)
{
    free(t->text);
    free(t->places);
    *t = (struct docker_text){0};
}

struct diag_place docker_text_place(const struct docker_text *t)
{
    size_t length = 0;
    while (length < t->length && t->places[length] == t->places[0] + length)
        length++; // up to the end of its first line
    return (struct diag_place){t->places[0], length};
}

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

// The line that starts at `at`: *ret_end is its end without the newline (and a carriage return
// before it); where the next one starts is returned.
static size_t line_end(const struct diag_source *source, size_t at, size_t *ret_end)
{
    const char *newline = memchr(source->text + at, '\n', source->length - at);
    size_t end = newline ? (size_t)(newline - source->text) : source->length;
    *ret_end = end > at && source->text[end - 1] == '\r' ? end - 1 : end;
    return newline ? end + 1 : end;
}

static size_t skip_blanks(const char *text, size_t at, size_t end)
{
    while (at < end && blank(text[at]))
        at++;
    return at;
}

static bool equal_word(const char *text, size_t length, const char *word)
{
    return strlen(word) == length && strncasecmp(text, word, length) == 0;
}

static bool directive(
    struct docker_scanner *s, size_t start, size_t end, bool *seen_escape, struct diag_list *diags)
{
    const char *text = s->source->text;
    size_t at = skip_blanks(text, start + 1, end), name = at;
    while (at < end && isalnum((unsigned char)text[at]))
        at++;
    size_t name_length = at - name;
    at = skip_blanks(text, at, end);
    if (at >= end || text[at] != '=')
        return false;
    at = skip_blanks(text, at + 1, end);
    while (end > at && blank(text[end - 1]))
        end--;
    if (equal_word(text + name, name_length, "syntax") ||
        equal_word(text + name, name_length, "check"))
        return true;
    if (!equal_word(text + name, name_length, "escape"))
        return false;
    struct diag_place place = {at, end - at};
    if (end - at != 1 || (text[at] != '\\' && text[at] != '`'))
        diag_error(diags, s->source, place, "escape must be \\ or `");
    else if (*seen_escape)
        diag_error(diags, s->source, place, "escape is given twice");
    else
        s->escape = text[at];
    *seen_escape = true;
    return true;
}

void docker_scan_directives(struct docker_scanner *s, struct diag_list *diags)
{
    bool seen_escape = false;
    const struct diag_source *source = s->source;
    if (source->length >= 3 && memcmp(source->text, "\xef\xbb\xbf", 3) == 0)
        s->at = 3;
    while (s->at < source->length) {
        size_t end, next = line_end(source, s->at, &end);
        if (source->text[s->at] != '#' || !directive(s, s->at, end, &seen_escape, diags))
            return;
        s->at = next;
    }
}

// The escape character at the end of a line (blanks may follow it) continues it; where it stands,
// or SIZE_MAX.
static size_t continuation(const struct docker_scanner *s, size_t start, size_t end)
{
    while (end > start && blank(s->source->text[end - 1]))
        end--;
    return end > start && s->source->text[end - 1] == s->escape ? end - 1 : SIZE_MAX;
}

bool docker_scan_line(struct docker_scanner *s, struct docker_text *ret)
{
    const char *text = s->source->text;
    AUTO(str) struct str line;
    struct {
        VEC(size_t) v;
    } places = {0};
    str_init(&line, DOCKERFILE_MAX);
    for (bool more = true; more && s->at < s->source->length;) {
        size_t end, start = s->at;
        s->at = line_end(s->source, start, &end);
        size_t first = skip_blanks(text, start, end);
        if (first == end || text[first] == '#')
            continue; // also between continuation lines
        if (!line.length)
            start = first;
        size_t stop = continuation(s, start, end);
        more = stop != SIZE_MAX;
        if (!more)
            stop = end;
        for (size_t i = start; i < stop; i++)
            vec_push(&places.v, i);
        str_add(&line, text + start, stop - start);
    }
    size_t length = line.length;
    while (length && blank(line.data[length - 1]))
        length--;
    if (length) {
        vec_push(&places.v, places.v.items[length - 1] + 1);
        struct docker_text whole = {.text = line.data, .places = places.v.items, .length = length};
        *ret = docker_text_part(&whole, 0, length);
    }
    vec_free(&places.v);
    return length > 0;
}

bool docker_scan_word(
    const struct docker_text *line, size_t *at, bool quoted, char escape, struct docker_text *ret)
{
    size_t start = skip_blanks(line->text, *at, line->length), end = start;
    char quote = '\0';
    for (; end < line->length && (quote || !blank(line->text[end])); end++) {
        char c = line->text[end];
        if (!quoted)
            continue;
        if (c == escape && quote != '\'' && end + 1 < line->length)
            end++;
        else if (quote)
            quote = c == quote ? '\0' : quote;
        else if (c == '"' || c == '\'')
            quote = c;
    }
    *at = end;
    if (start == end)
        return false;
    *ret = docker_text_part(line, start, end);
    return true;
}

struct docker_text docker_scan_rest(const struct docker_text *line, size_t at)
{
    return docker_text_part(line, skip_blanks(line->text, at, line->length), line->length);
}
