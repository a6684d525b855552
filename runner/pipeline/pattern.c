#include "pipeline/pattern.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

// About the number of states that a pattern is compiled to: {n,m} repeats what it follows. What
// glibc needs grows with the square of it.
#define COST_MAX   1000
#define REPEAT_MAX 1000

// Where a bracket expression that begins at p ends: behind its ']'.
static const char *skip_brackets(const char *p)
{
    p++;
    if (*p == '^')
        p++;
    if (*p == ']')
        p++;
    while (*p && *p != ']') {
        if (*p == '[' && p[1] && strchr(".:=", p[1])) {
            char kind = p[1];
            p += 2;
            while (*p && !(*p == kind && p[1] == ']'))
                p++;
            p += *p ? 2 : 0;
        } else {
            p++;
        }
    }
    return *p ? p + 1 : p;
}

// What a pattern costs so far: one sum for each group that is open, and the last atom, which {n,m}
// would repeat.
struct cost {
    unsigned long sums[PATTERN_MAX + 1];
    size_t depth;
    unsigned long last;
};

static void add_atom(struct cost *c, unsigned long cost)
{
    c->sums[c->depth] += cost;
    c->last = cost;
}

// {n}, {n,} or {n,m} at p; returns what follows it.
static const char *add_repeat(struct cost *c, const char *p)
{
    char *end;
    unsigned long n = strtoul(p + 1, &end, 10);
    unsigned long m = *end == ',' ? strtoul(end + 1, &end, 10) : n;
    unsigned long most = m > n ? m : n;
    unsigned long times = most > REPEAT_MAX ? REPEAT_MAX + 1 : most ? most : 1;
    c->sums[c->depth] += c->last * (times - 1);
    c->last *= times;
    return *end == '}' ? end + 1 : end;
}

static const char *add_next(struct cost *c, const char *p)
{
    switch (*p) {
    case '[':
        add_atom(c, 1);
        return skip_brackets(p);
    case '{':
        return add_repeat(c, p);
    case '(':
        c->sums[++c->depth] = 0;
        return p + 1;
    case ')':
        c->last = c->sums[c->depth--] + 1;
        c->sums[c->depth] += c->last;
        return p + 1;
    case '*':
    case '+':
    case '?':
        return p + 1; // what they stand behind stays the last atom
    default:
        add_atom(c, 1);
        return *p == '\\' && p[1] ? p + 2 : p + 1;
    }
}

// *ret is the pattern's cost, or, when it is refused, more than it may be.
static bool check_cost(const char *pattern, unsigned long *ret, char *why)
{
    struct cost c = {0};
    *ret = COST_MAX + 1;
    if (strlen(pattern) > PATTERN_MAX) {
        snprintf(why, PATTERN_WHY_MAX, "it is longer than %d bytes", PATTERN_MAX);
        return false;
    }
    for (const char *p = pattern; *p;) {
        if (*p == '\\' && p[1] >= '1' && p[1] <= '9') {
            snprintf(why, PATTERN_WHY_MAX, "back-references (\\%c) are not allowed", p[1]);
            return false;
        }
        if (*p == ')' && c.depth == 0) {
            snprintf(why, PATTERN_WHY_MAX, "Unmatched )");
            return false;
        }
        p = add_next(&c, p);
        if (c.sums[c.depth] > COST_MAX) {
            snprintf(why, PATTERN_WHY_MAX, "its repeats ({n,m}) make it too large");
            return false;
        }
    }
    while (c.depth) {
        unsigned long group = c.sums[c.depth--];
        c.sums[c.depth] += group;
    }
    *ret = c.sums[0];
    return true;
}

bool pattern_compile(
    const char *pattern, bool whole, regex_t *ret, char why[static PATTERN_WHY_MAX])
{
    unsigned long cost;
    if (!check_cost(pattern, &cost, why))
        return false;
    AUTO_FREE char *text = mem_printf(whole ? "^(%s)$" : "%s", pattern);
    int status = regcomp(ret, text, REG_EXTENDED | REG_NOSUB);
    if (status)
        regerror(status, ret, why, PATTERN_WHY_MAX);
    return status == 0;
}

bool pattern_matches(const char *pattern, const char *text)
{
    regex_t compiled;
    char why[PATTERN_WHY_MAX];
    if (!pattern_compile(pattern, true, &compiled, why))
        return true;
    bool matches = strlen(text) <= PATTERN_MAX_TEXT && regexec(&compiled, text, 0, NULL, 0) == 0;
    regfree(&compiled);
    return matches;
}

size_t pattern_work(const char *pattern, size_t length)
{
    unsigned long cost;
    char why[PATTERN_WHY_MAX];
    if (!check_cost(pattern, &cost, why))
        return strlen(pattern);
    return cost * (cost + (length < PATTERN_MAX_TEXT ? length : PATTERN_MAX_TEXT));
}
