#include "image/expand.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/text.h"

#define WORD_MAX  ((size_t)1 << 20)
#define DEPTH_MAX 20

void variables_done(struct variables *v)
{
    strv_done(&v->names);
    strv_done(&v->values);
}

static size_t find(const struct variables *v, const char *name)
{
    for (size_t i = 0; i < v->names.length; i++)
        if (strcmp(v->names.items[i], name) == 0)
            return i;
    return SIZE_MAX;
}

const char *variables_get(const struct variables *v, const char *name)
{
    size_t i = find(v, name);
    return i == SIZE_MAX ? NULL : v->values.items[i];
}

void variables_set(struct variables *v, const char *name, const char *value)
{
    size_t i = find(v, name);
    if (i != SIZE_MAX) {
        mem_replace(&v->values.items[i], value);
        return;
    }
    strv_push(&v->names, name);
    strv_push(&v->values, value);
}

void variables_copy(struct variables *to, const struct variables *from)
{
    for (size_t i = 0; i < from->names.length; i++)
        variables_set(to, from->names.items[i], from->values.items[i]);
}

struct expander {
    const struct docker_text *word;
    const struct dockerfile *file;
    const struct variables *variables;
    struct diag_list *diags;
    size_t at;
    int depth;
    bool failed;
};

#define error_from(x, start, ...)                                                                  \
    do {                                                                                           \
        struct diag_place place_ = {(x)->word->places[start], 1};                                  \
        diag_error((x)->diags, (x)->file->source, place_, __VA_ARGS__);                            \
        (x)->failed = true;                                                                        \
    } while (0)

static char peek(const struct expander *x)
{
    return x->at < x->word->length ? x->word->text[x->at] : '\0';
}

static void expand_until(struct expander *x, char stop, char other, bool quoted, struct str *out);

static char *read_name(struct expander *x)
{
    size_t start = x->at;
    if (isdigit((unsigned char)peek(x)))
        while (isdigit((unsigned char)peek(x)))
            x->at++;
    else
        while (isalnum((unsigned char)peek(x)) || peek(x) == '_')
            x->at++;
    return mem_strndup(x->word->text + start, x->at - start);
}

// The word of a modifier, up to '}' (or `other`).
static char *read_operand(struct expander *x, char other)
{
    AUTO(str) struct str text;
    str_init(&text, WORD_MAX);
    expand_until(x, '}', other, false, &text);
    return str_take(&text);
}

// `*` and `?` know no slash here, as in a shell.
static bool wild(const char *pattern, const char *text, size_t length)
{
    const char *star = NULL;
    size_t at = 0, retry = 0;
    while (at < length) {
        if (*pattern == '*') {
            star = pattern++;
            retry = at;
        } else if (*pattern == '?' || (*pattern == '\\' && pattern[1] == text[at]) ||
                   (*pattern && *pattern != '\\' && *pattern == text[at])) {
            pattern += *pattern == '\\' ? 2 : 1;
            at++;
        } else if (star) {
            pattern = star + 1;
            at = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

static char *without_prefix(const char *value, const char *pattern, bool longest)
{
    size_t n = strlen(value), hit = SIZE_MAX;
    for (size_t i = 0; i <= n && (longest || hit == SIZE_MAX); i++)
        if (wild(pattern, value, i))
            hit = i;
    return mem_strdup(hit == SIZE_MAX ? value : value + hit);
}

static char *without_suffix(const char *value, const char *pattern, bool longest)
{
    size_t n = strlen(value), hit = SIZE_MAX;
    for (size_t i = n + 1; i-- > 0 && (longest || hit == SIZE_MAX);)
        if (wild(pattern, value + i, n - i))
            hit = i;
    return mem_strndup(value, hit == SIZE_MAX ? n : hit);
}

static char *replaced(const char *value, const char *pattern, const char *by, bool all)
{
    AUTO(str) struct str out;
    str_init(&out, WORD_MAX);
    size_t n = strlen(value);
    bool more = *pattern != '\0';
    for (size_t i = 0; i < n;) {
        size_t length = 0;
        for (size_t k = n - i; more && k > 0 && !length; k--) // the longest match wins
            if (wild(pattern, value + i, k))
                length = k;
        if (length) {
            str_puts(&out, by);
            i += length;
            more = all;
        } else {
            str_putc(&out, value[i++]);
        }
    }
    return str_take(&out);
}

static void expect_end(struct expander *x, size_t start)
{
    if (peek(x) == '}')
        x->at++;
    else if (!x->failed)
        error_from(x, start, "\"${\" without \"}\"");
}

// ${name-w} ${name+w} ${name?w}, with a colon an empty value counts as unset.
static void conditional(struct expander *x, size_t start, const char *name, struct str *out)
{
    const char *value = variables_get(x->variables, name);
    bool colon = peek(x) == ':';
    x->at += colon;
    char how = peek(x);
    if (how != '-' && how != '+' && how != '?') {
        error_from(x, start, "\"${%s%s%c\" is not a form that Dockerfiles have", name,
            colon ? ":" : "", how ? how : ' ');
        return;
    }
    x->at++;
    AUTO_FREE char *operand = read_operand(x, '\0');
    expect_end(x, start);
    bool given = value && (!colon || *value);
    if (how == '-')
        str_puts(out, given ? value : operand);
    else if (how == '+')
        str_puts(out, given ? operand : "");
    else if (given)
        str_puts(out, value);
    else if (!x->failed)
        error_from(x, start, "%s: %s", name, *operand ? operand : "is not set");
}

static void braced(struct expander *x, size_t start, struct str *out)
{
    x->at++;
    AUTO_FREE char *name = read_name(x);
    const char *value = variables_get(x->variables, name);
    char how = peek(x);
    if (!*name) {
        error_from(x, start, "\"${\" without the name of a variable");
    } else if (how == '}') {
        x->at++;
        str_puts(out, value ? value : "");
    } else if (how == '#' || how == '%') {
        bool longest = x->word->text[++x->at] == how;
        x->at += longest;
        AUTO_FREE char *pattern = read_operand(x, '\0');
        expect_end(x, start);
        AUTO_FREE char *cut =
            (how == '#' ? without_prefix : without_suffix)(value ? value : "", pattern, longest);
        str_puts(out, cut);
    } else if (how == '/') {
        bool all = x->word->text[++x->at] == '/';
        x->at += all;
        AUTO_FREE char *pattern = read_operand(x, '/');
        AUTO_FREE char *by = NULL;
        if (peek(x) == '/') {
            x->at++;
            by = read_operand(x, '\0');
        }
        expect_end(x, start);
        AUTO_FREE char *text = replaced(value ? value : "", pattern, by ? by : "", all);
        str_puts(out, text);
    } else if (how == '\0') {
        error_from(x, start, "\"${\" without \"}\"");
    } else {
        conditional(x, start, name, out);
    }
}

static void expand_dollar(struct expander *x, struct str *out)
{
    size_t start = x->at++;
    if (peek(x) == '{') {
        if (++x->depth > DEPTH_MAX)
            error_from(x, start, "nested too deeply");
        else
            braced(x, start, out);
        x->depth--;
    } else if (isalnum((unsigned char)peek(x)) || peek(x) == '_') {
        AUTO_FREE char *name = read_name(x);
        const char *value = variables_get(x->variables, name);
        str_puts(out, value ? value : "");
    } else {
        str_putc(out, '$');
    }
}

static void expand_single_quotes(struct expander *x, struct str *out)
{
    size_t start = x->at++;
    while (x->at < x->word->length && peek(x) != '\'')
        str_putc(out, x->word->text[x->at++]);
    if (peek(x) != '\'')
        error_from(x, start, "a quote is not closed");
    x->at++;
}

static void expand_double_quotes(struct expander *x, struct str *out)
{
    size_t start = x->at++;
    expand_until(x, '"', '\0', true, out);
    if (peek(x) != '"' && !x->failed)
        error_from(x, start, "a quote is not closed");
    x->at++;
}

// Up to `stop` or `other` (NUL: the end), which are left in place. In double quotes the escape
// character counts only before what it can quote there.
static void expand_until(struct expander *x, char stop, char other, bool quoted, struct str *out)
{
    char escape = x->file->escape;
    while (x->at < x->word->length && !x->failed) {
        char c = peek(x);
        if ((stop && c == stop) || (other && c == other))
            return;
        if (c == escape && x->at + 1 < x->word->length) {
            char next = x->word->text[x->at + 1];
            if (quoted && next != '"' && next != '$' && next != escape)
                str_putc(out, c);
            str_putc(out, next);
            x->at += 2;
        } else if (c == '\'' && !quoted) {
            expand_single_quotes(x, out);
        } else if (c == '"' && !quoted) {
            expand_double_quotes(x, out);
        } else if (c == '$') {
            expand_dollar(x, out);
        } else {
            str_putc(out, c);
            x->at++;
        }
    }
}

char *expand_word(const struct docker_text *word, const struct dockerfile *file,
    const struct variables *variables, struct diag_list *diags)
{
    AUTO(str) struct str out;
    str_init(&out, WORD_MAX);
    struct expander x = {.word = word, .file = file, .variables = variables, .diags = diags};
    expand_until(&x, '\0', '\0', false, &out);
    if (out.overflow && !x.failed)
        error_from(&x, 0, "it expands to more than %zu bytes", WORD_MAX);
    return x.failed ? NULL : str_take(&out);
}
