#include "pipeline/format.h"

#include <ctype.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "pipeline/pattern.h"
#include "pipeline/scalar.h"

#define LETTERS  "abcdefghijklmnopqrstuvwxyz"
#define CAPITALS "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS   "0123456789"

#define NAME_MAX_LENGTH  64
#define LABEL_MAX_LENGTH 63
#define IMAGE_MAX_LENGTH 1000
#define QUERY_MAX_LENGTH 4096

static bool made_of(const char *text, const char *characters)
{
    return text[strspn(text, characters)] == '\0';
}

void format_name(struct schema_walk *w, const struct schema_row *row, const struct yaml_node *node)
{
    (void)row;
    const char *name = node->text;
    if (made_of(name, LETTERS CAPITALS DIGITS "._-") && node->length <= NAME_MAX_LENGTH &&
        isalnum((unsigned char)*name))
        return;
    diag_error(w->diags, w->source, node->place,
        "\"%s\" cannot be a name: one is made of letters, digits, '.', '_' and '-', begins with a "
        "letter or digit, and has at most %d characters",
        YAML_SHOW(name), NAME_MAX_LENGTH);
}

void format_dns_label(
    struct schema_walk *w, const struct schema_row *row, const struct yaml_node *node)
{
    (void)row;
    const char *name = node->text;
    if (made_of(name, LETTERS DIGITS "-") && node->length <= LABEL_MAX_LENGTH && *name != '-' &&
        name[node->length - 1] != '-')
        return;
    schema_wrong(w, node,
        "must be a DNS label (a-z, 0-9 and '-', at most %d, '-' neither first nor last); \"%s\" is "
        "not",
        LABEL_MAX_LENGTH, YAML_SHOW(name));
}

bool env_name_ok(const char *name)
{
    return !isdigit((unsigned char)*name) && *name && made_of(name, LETTERS CAPITALS DIGITS "_");
}

// Names that mean something to davit, to the loader or to the shell before the stage's own commands
// run. A name that ends in '*' stands for all that begin so.
static const struct {
    const char *name, *why;
} reserved[] = {
    {"CI", "davit sets it"},
    {"CI_*", "davit sets it"},
    {"DAVIT_*", "davit sets it"},
    {"SOURCE_DATE_EPOCH", "davit sets it"},
    {"LD_*", "the loader obeys it"},
    {"GLIBC_TUNABLES", "the loader obeys it"},
    {"GCONV_PATH", "the C library loads code from it"},
    {"BASH_ENV", "the shell runs it first"},
    {"ENV", "the shell runs it first"},
    {"BASH_FUNC_*", "the shell takes functions from it"},
    {"SHELLOPTS", "the shell obeys it"},
    {"BASHOPTS", "the shell obeys it"},
    {"IFS", "the shell obeys it"},
    {"PS4", "the shell evaluates it"},
    {"GIT_DIR", "git obeys it"},
    {"GIT_EXEC_PATH", "git runs programs from it"},
    {"GIT_SSH*", "git runs it"},
    {"GIT_CONFIG*", "git obeys it"},
    {"KUBECONFIG", "davit's deploy role obeys it"},
};

static const char *why_reserved(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(reserved); i++)
        if (glob_match(reserved[i].name, name))
            return reserved[i].why;
    return NULL;
}

void format_env_name(
    struct schema_walk *w, const struct schema_row *row, const struct yaml_node *node)
{
    (void)row;
    if (!env_name_ok(node->text)) {
        diag_error(w->diags, w->source, node->place,
            "\"%s\" cannot be a variable's name: one is made of letters, digits and '_', and does "
            "not begin with a digit",
            YAML_SHOW(node->text));
        return;
    }
    const char *why = why_reserved(node->text);
    if (why)
        diag_error(
            w->diags, w->source, node->place, "\"%s\" cannot be set here: %s", node->text, why);
}

static bool climbs(const char *path)
{
    for (const char *p = path;; p++) {
        size_t n = strcspn(p, "/");
        if (n == 2 && p[0] == '.' && p[1] == '.')
            return true;
        p += n;
        if (!*p)
            return false;
    }
}

void format_path(struct schema_walk *w, const struct schema_row *row, const struct yaml_node *node)
{
    (void)row;
    if (climbs(node->text))
        schema_wrong(w, node, "must not climb out with \"..\"");
}

void format_beneath(
    struct schema_walk *w, const struct schema_row *row, const struct yaml_node *node)
{
    if (*node->text == '/')
        schema_wrong(
            w, node, "is relative to the workspace; \"%s\" is absolute", YAML_SHOW(node->text));
    else
        format_path(w, row, node);
}

void format_glob(struct schema_walk *w, const struct schema_row *row, const struct yaml_node *node)
{
    (void)row;
    if (text_starts(node->text, "refs/"))
        schema_wrong(w, node,
            "matches short names such as main or v1.2, not refs; write it without refs/heads/ or "
            "refs/tags/");
}

void format_listen(
    struct schema_walk *w, const struct schema_row *row, const struct yaml_node *node)
{
    (void)row;
    const char *colon = strrchr(node->text, ':');
    size_t host = colon ? (size_t)(colon - node->text) : 0;
    int64_t port;
    bool bracketed = host > 2 && node->text[0] == '[' && colon[-1] == ']';
    size_t plain = strspn(node->text, LETTERS CAPITALS DIGITS ".-");
    size_t inner = strspn(node->text + 1, DIGITS "abcdefABCDEF:.");
    if (colon && scalar_read(SCALAR_PORT, colon + 1, &port) && host > 0 &&
        (plain == host || (bracketed && inner == host - 2)))
        return;
    if (colon == node->text && scalar_read(SCALAR_PORT, colon + 1, &port))
        schema_wrong(w, node,
            "must be HOST:PORT: write 127.0.0.1%s, or 0.0.0.0%s for all addresses", colon, colon);
    else
        schema_wrong(w, node, "must be HOST:PORT such as 127.0.0.1:8080; \"%s\" is not",
            YAML_SHOW(node->text));
}

void format_url_path(
    struct schema_walk *w, const struct schema_row *row, const struct yaml_node *node)
{
    (void)row;
    for (const unsigned char *p = (const unsigned char *)node->text; *p; p++)
        if (*p <= ' ' || *p == 0x7f || *p == '#') {
            schema_wrong(
                w, node, "must be the path of a URL; %%-encode \"%c\"", *p > ' ' ? *p : ' ');
            return;
        }
    if (*node->text != '/')
        schema_wrong(w, node, "must begin with \"/\": write /%s", YAML_SHOW(node->text));
}

static bool is_url(const char *text)
{
    int64_t unused;
    return scalar_read(SCALAR_URL, text, &unused);
}

void format_gate_path(
    struct schema_walk *w, const struct schema_row *row, const struct yaml_node *node)
{
    if (is_url(node->text))
        schema_wrong(w, node,
            "is asked of each instance and begins with \"/\"; write {url: %s} to ask one address",
            YAML_SHOW(node->text));
    else
        format_url_path(w, row, node);
}

void format_http_url(
    struct schema_walk *w, const struct schema_row *row, const struct yaml_node *node)
{
    (void)row;
    const char *text = node->text;
    size_t scheme = text_starts(text, "http://") ? 7 : text_starts(text, "https://") ? 8 : 0;
    if (!scheme || !is_url(text))
        schema_wrong(w, node, "must be a URL such as https://app.example/ping; \"%s\" is not",
            YAML_SHOW(text));
    else if (memchr(text + scheme, '@', strcspn(text + scheme, "/?#")))
        schema_wrong(w, node, "must not name a user: releases and reports would tell the password");
}

void format_number(
    struct schema_walk *w, const struct schema_row *row, const struct yaml_node *node)
{
    (void)row;
    double number;
    if (!number_read(node->text, &number))
        schema_wrong(
            w, node, "must be a number such as 0.01; \"%s\" is not", YAML_SHOW(node->text));
}

void format_query(struct schema_walk *w, const struct schema_row *row, const struct yaml_node *node)
{
    (void)row;
    if (node->length > QUERY_MAX_LENGTH)
        schema_wrong(w, node,
            "is longer than %d bytes: make a recording rule of it, and ask for that",
            QUERY_MAX_LENGTH);
}

void format_header(
    struct schema_walk *w, const struct schema_row *row, const struct yaml_node *node)
{
    (void)row;
    if (node->length == 0 || !made_of(node->text, LETTERS CAPITALS DIGITS "!#$%&'*+-.^_`|~"))
        diag_error(w->diags, w->source, node->place, "\"%s\" cannot be the name of a header",
            YAML_SHOW(node->text));
}

void format_pattern(
    struct schema_walk *w, const struct schema_row *row, const struct yaml_node *node)
{
    (void)row;
    regex_t compiled;
    char why[PATTERN_WHY_MAX];
    w->patterns += pattern_work(node->text, 0);
    if (w->patterns > PATTERN_WORK_MAX)
        schema_wrong(w, node, "is one too many: the patterns of the file are too large together");
    else if (pattern_compile(node->text, false, &compiled, why))
        regfree(&compiled);
    else
        schema_wrong(w, node, "must be a POSIX extended regular expression; \"%s\" is not: %s",
            YAML_SHOW(node->text), why);
}

// What lies between expressions; the registry's own rules are applied to the expanded reference.
void format_image(struct schema_walk *w, const struct schema_row *row, const struct yaml_node *node)
{
    (void)row;
    if (node->length > IMAGE_MAX_LENGTH) {
        schema_wrong(w, node, "is longer than %d bytes: that is no reference", IMAGE_MAX_LENGTH);
        return;
    }
    for (const char *p = node->text; *p;) {
        const char *end = strncmp(p, "${{", 3) == 0 ? strstr(p, "}}") : NULL;
        if (end) {
            p = end + 2;
        } else if (strncmp(p, "${{", 3) == 0) {
            return; // not closed: the expression's own check says so
        } else if (!isalnum((unsigned char)*p) && !strchr("._-/:@+", *p)) {
            schema_wrong(w, node,
                "must be an image reference such as registry.local/app:1.2; \"%s\" is not",
                YAML_SHOW(node->text));
            return;
        } else {
            p++;
        }
    }
}
