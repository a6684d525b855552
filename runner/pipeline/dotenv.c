#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "codec/yaml.h"
#include "pipeline/environment.h"
#include "pipeline/format.h"

#define BLANKS      " \t\r"
#define ENTRIES_MAX 2000

struct scanner {
    const struct diag_source *source;
    struct diag_list *diags;
    const char *at, *end;
};

static struct diag_place place_of(const struct scanner *s, const char *from, const char *to)
{
    return (struct diag_place){(size_t)(from - s->source->text), (size_t)(to - from)};
}

static const char *line_end(const struct scanner *s)
{
    const char *newline = memchr(s->at, '\n', (size_t)(s->end - s->at));
    return newline ? newline : s->end;
}

static void skip_blanks(struct scanner *s)
{
    while (s->at < s->end && strchr(BLANKS, *s->at))
        s->at++;
}

static const char *trim(const char *from, const char *to)
{
    while (to > from && strchr(BLANKS, to[-1]))
        to--;
    return to;
}

// After the closing quote: nothing, or a comment.
static bool check_rest(struct scanner *s)
{
    const char *end = line_end(s);
    skip_blanks(s);
    bool ok = s->at >= end || *s->at == '#';
    if (!ok)
        diag_error(s->diags, s->source, place_of(s, s->at, trim(s->at, end)),
            "nothing may follow the closing quote but a comment");
    s->at = end;
    return ok;
}

// A value in quotes, s->at on the first. NULL after a mistake, and then the line is done with.
static char *read_quoted(struct scanner *s)
{
    const char *open = s->at, quote = *s->at++;
    AUTO(str) struct str value;
    str_init(&value, DOTENV_MAX);
    for (; s->at < s->end && *s->at != quote; s->at++) {
        static const char escapes[] = "n\nt\tr\r\"\"\\\\$$`";
        const char *escape = NULL;
        if (quote == '"' && *s->at == '\\' && s->at + 1 < s->end)
            for (size_t i = 0; i + 1 < sizeof escapes && !escape; i += 2)
                if (escapes[i] == s->at[1])
                    escape = &escapes[i + 1];
        if (escape)
            s->at++;
        str_putc(&value, escape ? *escape : *s->at);
    }
    if (s->at == s->end) {
        s->at = open;
        s->at = line_end(s);
        diag_error(s->diags, s->source, place_of(s, open, open + 1),
            "this quote is not closed: %c is missing", quote);
        return NULL;
    }
    s->at++;
    return check_rest(s) ? str_take(&value) : NULL;
}

static char *read_bare(struct scanner *s)
{
    const char *from = s->at, *end = line_end(s), *to = from;
    while (to < end && !(*to == '#' && (to == from || strchr(BLANKS, to[-1]))))
        to++;
    to = trim(from, to);
    s->at = end;
    return mem_strndup(from, (size_t)(to - from));
}

static struct dotenv_entry *find(struct dotenv *d, const char *name)
{
    vec_each (entry, &d->entries)
        if (strcmp(entry->name, name) == 0)
            return entry;
    return NULL;
}

// NAME up to the equals sign, s->at behind it; NULL after a mistake.
static char *read_name(struct scanner *s, struct diag_place *ret_place)
{
    const char *end = line_end(s);
    if ((size_t)(end - s->at) > 7 && memcmp(s->at, "export", 6) == 0 && strchr(BLANKS, s->at[6])) {
        s->at += 7;
        skip_blanks(s);
    }
    const char *equals = memchr(s->at, '=', (size_t)(end - s->at));
    const char *stop = trim(s->at, equals ? equals : end);
    AUTO_FREE char *name = mem_strndup(s->at, (size_t)(stop - s->at));
    *ret_place = place_of(s, s->at, stop);
    s->at = equals ? equals + 1 : end;
    if (!equals)
        diag_error(s->diags, s->source, *ret_place, "a line must be NAME=value: \"=\" is missing");
    else if (!env_name_ok(name))
        diag_error(s->diags, s->source, *ret_place,
            "\"%s\" cannot be a variable's name: one is made of letters, digits and '_', and does "
            "not begin with a digit",
            YAML_SHOW(name));
    else
        return take_ptr(name);
    s->at = end;
    return NULL;
}

static void read_line(struct scanner *s, struct dotenv *ret)
{
    skip_blanks(s);
    if (s->at == s->end || *s->at == '\n')
        return;
    if (*s->at == '#') {
        s->at = line_end(s);
        return;
    }
    struct diag_place name_place;
    AUTO_FREE char *name = read_name(s, &name_place);
    if (!name)
        return;
    skip_blanks(s);
    const char *from = s->at;
    bool quoted = from < s->end && (*from == '"' || *from == '\'');
    AUTO_FREE char *value = quoted ? read_quoted(s) : read_bare(s);
    if (!value)
        return;
    const struct dotenv_entry *before = find(ret, name);
    if (before) {
        diag_error(s->diags, s->source, name_place, "%s is given twice", YAML_SHOW(name));
        diag_add(s->diags, DIAG_NOTE, s->source, before->name_place, "it was given here before");
        return;
    }
    struct diag_place place = place_of(s, from, s->at);
    place.length = quoted ? (size_t)(trim(from, s->at) - from) : strlen(value);
    vec_push(
        &ret->entries, ((struct dotenv_entry){take_ptr(name), take_ptr(value), name_place, place}));
}

static bool check_bytes(const struct diag_source *source, struct diag_list *diags)
{
    size_t bad = utf8_valid_prefix(source->text, source->length);
    const char *nul = memchr(source->text, '\0', source->length);
    if (nul && (size_t)(nul - source->text) < bad)
        bad = (size_t)(nul - source->text);
    if (source->length > DOTENV_MAX)
        diag_error(diags, source, ((struct diag_place){0, 0}), "the file is larger than %zu KiB",
            DOTENV_MAX >> 10);
    else if (bad < source->length)
        diag_error(diags, source, ((struct diag_place){bad, 1}), "this is not UTF-8 text");
    else
        return true;
    return false;
}

void dotenv_parse(const struct diag_source *source, struct dotenv *ret, struct diag_list *diags)
{
    *ret = (struct dotenv){.source = source};
    if (!source || !check_bytes(source, diags))
        return;
    struct scanner s = {source, diags, source->text, source->text + source->length};
    while (s.at < s.end) {
        if (ret->entries.length == ENTRIES_MAX) {
            diag_error(diags, source, place_of(&s, s.at, s.at), "the file has more than %d values",
                ENTRIES_MAX);
            return;
        }
        read_line(&s, ret);
        if (s.at < s.end)
            s.at++; // the newline
    }
}

void dotenv_done(struct dotenv *d)
{
    vec_each (entry, &d->entries) {
        free(entry->name);
        free(entry->value);
    }
    vec_free(&d->entries);
}
