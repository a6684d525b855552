#include "pipeline/expr.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "codec/yaml.h"
#include "pipeline/format.h"

#define OPEN     "${{"
#define CLOSE    "}}"
#define ARGS_MAX 16
#define KNOWN                                                                                      \
    "known are git.sha, git.short_sha, git.branch, git.tag, env.NAME and hashFiles('glob')"

static const struct {
    const char *name, *variable;
} plain[] = {
    [EXPR_GIT_SHA] = {"git.sha", "CI_COMMIT_SHA"},
    [EXPR_GIT_SHORT_SHA] = {"git.short_sha", "CI_COMMIT_SHORT_SHA"},
    [EXPR_GIT_BRANCH] = {"git.branch", "CI_COMMIT_BRANCH"},
    [EXPR_GIT_TAG] = {"git.tag", "CI_COMMIT_TAG"},
};

void expr_done(struct expr *e)
{
    strv_done(&e->args);
    *e = (struct expr){0};
}

bool expr_any(const char *text)
{
    return strstr(text, OPEN) != NULL;
}

const char *expr_variable(const struct expr *e)
{
    if (e->kind < ARRAY_LEN(plain))
        return plain[e->kind].variable;
    return e->kind == EXPR_ENV ? e->args.items[0] : NULL;
}

static int fault_at(struct expr_fault *fault, size_t offset, size_t length, const char *message)
{
    fault->offset = offset;
    fault->length = length;
    snprintf(fault->message, sizeof fault->message, "%s", message);
    return -1;
}

static const char *skip_blanks(const char *p)
{
    return p + strspn(p, " \t\n");
}

// The arguments of hashFiles, behind its '('; leaves *inside behind the ')'.
static bool read_globs(const char **inside, struct strv *ret)
{
    const char *p = skip_blanks(*inside);
    while (*p == '\'' && ret->length < ARGS_MAX) {
        const char *end = strchr(p + 1, '\'');
        if (!end || end == p + 1)
            return false;
        strv_push_take(ret, mem_strndup(p + 1, (size_t)(end - p - 1)));
        p = skip_blanks(end + 1);
        if (*p == ')') {
            *inside = p + 1;
            return true;
        }
        if (*p != ',')
            return false;
        p = skip_blanks(p + 1);
    }
    return false;
}

static int unknown_name(const char *name, size_t offset, size_t length, struct expr_fault *fault)
{
    static const char *const names[] = {
        "git.sha", "git.short_sha", "git.branch", "git.tag", "env.NAME", "hashFiles", NULL};
    const char *near = suggest(name, names);
    char message[sizeof fault->message];
    if (near)
        snprintf(message, sizeof message, "unknown name \"%s\" in an expression; did you mean %s?",
            YAML_SHOW(name), near);
    else
        snprintf(message, sizeof message, "unknown name \"%s\" in an expression; " KNOWN,
            YAML_SHOW(name));
    return fault_at(fault, offset, length, message);
}

// What stands between the braces, from `inside` in text; it must be one expression.
static int read_inside(
    const char *text, const char *inside, struct expr *ret, struct expr_fault *fault)
{
    const char *p = skip_blanks(inside);
    size_t length = strcspn(p, " \t\n(}");
    size_t offset = (size_t)(p - text);
    AUTO_FREE char *name = mem_strndup(p, length);
    p += length;
    size_t kind = 0;
    while (kind < ARRAY_LEN(plain) && strcmp(plain[kind].name, name) != 0)
        kind++;
    ret->kind = (enum expr_kind)kind;
    if (length == 0)
        return fault_at(fault, ret->offset, ret->length, "the expression is empty; " KNOWN);
    if (strcmp(name, "hashFiles") == 0) {
        ret->kind = EXPR_HASH_FILES;
        if (*p != '(' || (p++, !read_globs(&p, &ret->args)))
            return fault_at(fault, offset, length,
                "hashFiles takes globs in single quotes, as in hashFiles('go.sum', 'vendor/**')");
    } else if (text_starts(name, "env.")) {
        ret->kind = EXPR_ENV;
        strv_push(&ret->args, name + strlen("env."));
        if (!env_name_ok(ret->args.items[0]))
            return fault_at(fault, offset, length, "env. must be followed by a variable's name");
    } else if (kind == ARRAY_LEN(plain)) {
        return unknown_name(name, offset, length, fault);
    }
    p = skip_blanks(p);
    if (strncmp(p, CLOSE, strlen(CLOSE)) != 0)
        return fault_at(fault, (size_t)(p - text), 1,
            "an expression is one name: there are no operators or functions other than hashFiles");
    return 1;
}

int expr_next(const char *text, size_t *at, struct expr *ret, struct expr_fault *fault)
{
    const char *open = strstr(text + *at, OPEN);
    if (!open)
        return 0;
    const char *close = strstr(open, CLOSE);
    fault->open = (size_t)(open - text);
    if (!close) {
        *at += strlen(text + *at);
        return fault_at(fault, (size_t)(open - text), strlen(OPEN),
            "this expression is not closed: \"}}\" is missing");
    }
    struct expr e = {
        .offset = (size_t)(open - text),
        .length = (size_t)(close + strlen(CLOSE) - open),
    };
    *at = e.offset + e.length;
    int status = read_inside(text, open + strlen(OPEN), &e, fault);
    if (status == 1)
        *ret = e;
    else
        expr_done(&e);
    return status;
}

int expr_expand(
    const char *text, const struct expr_lookup *lookup, struct str *out, struct error *err)
{
    size_t at = 0, literal = 0;
    for (;;) {
        AUTO(expr) struct expr e = {0};
        struct expr_fault fault;
        int status = expr_next(text, &at, &e, &fault);
        if (status < 0)
            return error_set(err, ERR_CONFIG, "%s", fault.message);
        if (status == 0)
            break;
        str_add(out, text + literal, e.offset - literal);
        if (lookup->value(lookup->arg, &e, out, err) < 0)
            return error_wrap(err, "%.*s", (int)e.length, text + e.offset);
        literal = at;
    }
    str_puts(out, text + literal);
    return str_check(out, "the expanded text", err);
}
