#include "image/ignore.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "image/tree.h"

#define PATTERNS_MAX 10000

static bool match_class(const char **pattern, char c)
{
    const char *p = *pattern + 1;
    bool negated = *p == '^' || *p == '!', hit = false;
    p += negated;
    for (bool first = true; *p && (first || *p != ']'); first = false) {
        if (*p == '\\' && p[1])
            p++;
        unsigned char low = (unsigned char)*p++, high = low;
        if (*p == '-' && p[1] && p[1] != ']') {
            p += p[1] == '\\' && p[2] ? 2 : 1;
            high = (unsigned char)*p++;
        }
        hit |= low <= (unsigned char)c && (unsigned char)c <= high;
    }
    *pattern = p + (*p == ']');
    return hit != negated;
}

// How a branch ended: NEVER means that the text ran out, so that no longer match of an earlier star
// can help.
enum verdict { YES, NO, NEVER };

static enum verdict match(const char *pattern, const char *text)
{
    for (; *pattern; text++) {
        if (pattern[0] == '*' && pattern[1] == '*') { // anywhere, and it eats a following slash
            pattern += pattern[2] == '/' ? 3 : 2;
            bool slash = pattern[-1] == '/';
            if (!*pattern)
                return YES;
            for (const char *t = text;; t++) {
                enum verdict v = !slash || t == text || t[-1] == '/' ? match(pattern, t) : NO;
                if (v != NO || !*t)
                    return v == NO ? NEVER : v;
            }
        }
        if (*pattern == '*') {
            pattern++;
            for (const char *t = text;; t++) {
                enum verdict v = match(pattern, t);
                if (v != NO || !*t || *t == '/')
                    return v == NO && !*t ? NEVER : v;
            }
        }
        if (!*text)
            return NEVER;
        if (*pattern == '?') {
            if (*text == '/')
                return NO;
            pattern++;
        } else if (*pattern == '[') {
            if (!match_class(&pattern, *text))
                return NO;
        } else {
            if (*pattern == '\\' && pattern[1])
                pattern++;
            if (*pattern++ != *text)
                return NO;
        }
    }
    return *text ? NO : YES;
}

static void add_pattern(const struct diag_source *source, size_t start, size_t end,
    struct ignore *ret, struct diag_list *diags)
{
    const char *text = source->text;
    struct diag_place place = {start, end - start};
    while (start < end && isspace((unsigned char)text[start]))
        start++;
    while (end > start && isspace((unsigned char)text[end - 1]))
        end--;
    if (start == end)
        return;
    bool negated = text[start] == '!';
    start += negated;
    while (negated && start < end && isspace((unsigned char)text[start]))
        start++;
    AUTO_FREE char *raw = mem_strndup(text + start, end - start);
    AUTO_FREE char *clean = path_clean(raw);
    if (negated && start == end)
        diag_error(diags, source, place, "\"!\" alone takes nothing back");
    else if (ret->patterns.length >= PATTERNS_MAX)
        diag_error(diags, source, place, "more than %d patterns", PATTERNS_MAX);
    else if (*clean)
        *vec_add(&ret->patterns) =
            (struct ignore_pattern){.text = take_ptr(clean), .negated = negated};
    ret->negations |= negated;
}

void ignore_parse(const struct diag_source *source, struct ignore *ret, struct diag_list *diags)
{
    *ret = (struct ignore){0};
    size_t at = source->length >= 3 && memcmp(source->text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    while (at < source->length) {
        const char *newline = memchr(source->text + at, '\n', source->length - at);
        size_t end = newline ? (size_t)(newline - source->text) : source->length;
        if (source->text[at] != '#')
            add_pattern(source, at, end, ret, diags);
        at = end + 1;
    }
}

void ignore_done(struct ignore *ignore)
{
    vec_each (p, &ignore->patterns)
        free(p->text);
    vec_free(&ignore->patterns);
}

bool ignore_match(
    const struct ignore *ignore, const char *path, const bool *parent, bool *ret_matched)
{
    bool excluded = false;
    for (size_t i = 0; i < ignore->patterns.length; i++) {
        const struct ignore_pattern *p = &ignore->patterns.items[i];
        ret_matched[i] = parent && parent[i];
        // One that could change nothing is not tried; it does not count for what is below, either.
        if (!ret_matched[i] && p->negated == excluded)
            ret_matched[i] = match(p->text, path) == YES;
        if (ret_matched[i])
            excluded = !p->negated;
    }
    return excluded;
}
