#include "base/text.h"

#include <string.h>

// How a branch of the search ended. ABORT_ALL means that the text ran out: no longer match of an
// earlier star can help. ABORT_TO_DEEP means that a single star met a slash: only an earlier `**`
// can help. Both cut the backtracking that makes the naive matcher exponential.
enum verdict { MATCH, NO_MATCH, ABORT_ALL, ABORT_TO_DEEP };

// Matches one [class]; *pattern stands after '[' and is left after ']'. False for a class that
// never ends, too.
static bool class_match(const char **pattern, char c)
{
    const char *p = *pattern;
    bool negated = *p == '!' || *p == '^';
    bool hit = false;
    if (negated)
        p++;
    for (bool first = true; first || *p != ']'; first = false) {
        if (*p == '\0')
            return false;
        char low = *p == '\\' && p[1] ? *++p : *p;
        p++;
        char high = low;
        if (*p == '-' && p[1] && p[1] != ']') {
            p++;
            high = *p == '\\' && p[1] ? *++p : *p;
            p++;
        }
        hit |= (unsigned char)low <= (unsigned char)c && (unsigned char)c <= (unsigned char)high;
    }
    *pattern = p + 1;
    return hit != negated && c != '/';
}

static enum verdict match(const char *pattern, const char *text, const char *start);

// `**` as a whole component; rest stands behind it (and behind its slash).
static enum verdict match_deep(const char *rest, const char *text, const char *start)
{
    if (*rest == '\0')
        return MATCH;
    for (const char *t = text;; t++) {
        if (t == text || t[-1] == '/') {
            enum verdict v = match(rest, t, start);
            if (v == MATCH || v == ABORT_ALL)
                return v;
        }
        if (*t == '\0')
            return ABORT_ALL;
    }
}

static enum verdict match_star(const char *rest, const char *text, const char *start)
{
    if (*rest == '\0')
        return strchr(text, '/') ? ABORT_TO_DEEP : MATCH;
    for (const char *t = text;; t++) {
        enum verdict v = match(rest, t, start);
        if (v != NO_MATCH)
            return v;
        if (*t == '\0')
            return ABORT_ALL;
        if (*t == '/')
            return ABORT_TO_DEEP;
    }
}

static bool deep_star(const char *pattern, bool at_component)
{
    return at_component && pattern[0] == '*' && pattern[1] == '*' &&
           (pattern[2] == '/' || pattern[2] == '\0');
}

// `start` is where the whole pattern begins: only for telling whether a `**` begins a component.
static enum verdict match(const char *pattern, const char *text, const char *start)
{
    for (; *pattern; text++) {
        if (deep_star(pattern, pattern == start || pattern[-1] == '/'))
            return match_deep(pattern + (pattern[2] == '/' ? 3 : 2), text, start);
        if (*pattern == '*') {
            while (*pattern == '*')
                pattern++;
            return match_star(pattern, text, start);
        }
        if (*text == '\0')
            return ABORT_ALL;
        if (*pattern == '?') {
            if (*text == '/')
                return NO_MATCH;
            pattern++;
        } else if (*pattern == '[') {
            pattern++;
            if (!class_match(&pattern, *text))
                return NO_MATCH;
        } else {
            if (*pattern == '\\' && pattern[1])
                pattern++;
            if (*pattern++ != *text)
                return NO_MATCH;
        }
    }
    return *text ? NO_MATCH : MATCH;
}

bool glob_match(const char *pattern, const char *text)
{
    return match(pattern, text, pattern) == MATCH;
}

bool glob_is_literal(const char *pattern)
{
    return strpbrk(pattern, "*?[\\") == NULL;
}
