#include "deploy/gate.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "deploy/fields.h"
#include "net/url.h"

#define GATES_MAX    64
#define QUERY_SHOWN  100
#define BLANKS       " \t\r\n"
#define RESTARTS_MAX 1000
#define TIMEOUT_MAX  (24 * INT64_C(3600000))

static const char *const kind_names[] = {
    [GATE_HTTP] = "http",
    [GATE_TCP] = "tcp",
    [GATE_LOG] = "log",
    [GATE_STABLE] = "stable",
    [GATE_RESTARTS] = "restarts",
    [GATE_EXEC] = "exec",
    [GATE_PROMETHEUS] = "prometheus",
    NULL,
};

static const char *const no_data_names[] = {
    [NO_DATA_HOLD] = "hold",
    [NO_DATA_PASS] = "pass",
    [NO_DATA_FAIL] = "fail",
    NULL,
};

// What every kind has.
#define COMMON                                                                                     \
    {"kind", FIELD(struct gate_spec, kind, FIELD_ENUM), .names = kind_names},                      \
    {                                                                                              \
        "dry_run", FIELD(struct gate_spec, dry_run, FIELD_BOOL), .optional = true                  \
    }

static const struct field http_rows[] = {
    COMMON,
    {"path", FIELD(struct gate_spec, path, FIELD_STRING), .optional = true},
    {"url", FIELD(struct gate_spec, url, FIELD_STRING), .optional = true},
    {"status", FIELD(struct gate_spec, status, FIELD_COUNT), .min = 100, .max = 599},
    {"headers", FIELD(struct gate_spec, headers, FIELD_VALUE), .optional = true},
    {"content_type", FIELD(struct gate_spec, content_type, FIELD_STRING), .optional = true},
    {"body", FIELD(struct gate_spec, body, FIELD_STRING), .optional = true},
    {"json", FIELD(struct gate_spec, json, FIELD_VALUE), .optional = true},
    {"timeout_ms", FIELD(struct gate_spec, timeout_ms, FIELD_INT), .min = 1, .max = TIMEOUT_MAX},
    {0},
};
static const struct field tcp_rows[] = {
    COMMON,
    {"timeout_ms", FIELD(struct gate_spec, timeout_ms, FIELD_INT), .optional = true, .min = 1,
        .max = TIMEOUT_MAX},
    {0},
};
static const struct field log_rows[] = {
    COMMON,
    {"absent", FIELD(struct gate_spec, absent, FIELD_STRING)},
    {0},
};
static const struct field stable_rows[] = {
    COMMON,
    {"for_ms", FIELD(struct gate_spec, for_ms, FIELD_INT), .min = 1, .max = TIMEOUT_MAX},
    {0},
};

static const struct field restarts_rows[] = {
    COMMON,
    {"max", FIELD(struct gate_spec, restarts_max, FIELD_COUNT), .max = RESTARTS_MAX},
    {"for_ms", FIELD(struct gate_spec, for_ms, FIELD_INT), .min = 1, .max = TIMEOUT_MAX},
    {0},
};
static const struct field exec_rows[] = {
    COMMON,
    {"command", FIELD(struct gate_spec, command, FIELD_STRINGS)},
    {"timeout_ms", FIELD(struct gate_spec, timeout_ms, FIELD_INT), .min = 1, .max = TIMEOUT_MAX},
    {0},
};
static const struct field prometheus_rows[] = {
    COMMON,
    {"url", FIELD(struct gate_spec, url, FIELD_STRING)},
    {"query", FIELD(struct gate_spec, query, FIELD_STRING)},
    {"max", FIELD(struct gate_spec, max, FIELD_STRING), .optional = true},
    {"min", FIELD(struct gate_spec, min, FIELD_STRING), .optional = true},
    {"no_data", FIELD(struct gate_spec, no_data, FIELD_ENUM), .names = no_data_names,
        .optional = true},
    {"interval_ms", FIELD(struct gate_spec, interval_ms, FIELD_INT), .min = 1, .max = TIMEOUT_MAX},
    {"for_ms", FIELD(struct gate_spec, for_ms, FIELD_INT), .optional = true, .max = TIMEOUT_MAX},
    {"timeout_ms", FIELD(struct gate_spec, timeout_ms, FIELD_INT), .min = 1, .max = TIMEOUT_MAX},
    {0},
};

static const struct field *const rows_of[] = {
    [GATE_HTTP] = http_rows,
    [GATE_TCP] = tcp_rows,
    [GATE_LOG] = log_rows,
    [GATE_STABLE] = stable_rows,
    [GATE_RESTARTS] = restarts_rows,
    [GATE_EXEC] = exec_rows,
    [GATE_PROMETHEUS] = prometheus_rows,
};

static void gate_done(struct gate_spec *gate)
{
    fields_done(gate, rows_of[gate->kind]);
}

void gate_list_done(struct gate_list *list)
{
    vec_each (gate, &list->items)
        gate_done(gate);
    vec_free(&list->items);
}

static int check_pattern(const char *pattern, const char *what, struct error *err)
{
    regex_t regex;
    int rc = regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB | REG_NEWLINE);
    if (rc == 0) {
        regfree(&regex);
        return 0;
    }
    char why[200];
    regerror(rc, &regex, why, sizeof why);
    return error_set(err, ERR_CONFIG, "%s: \"%s\" is not a POSIX extended regular expression: %s",
        what, pattern, why);
}

// A map whose items are all texts, or all scalars.
static int check_scalars(const struct value *map, bool texts, const char *what, struct error *err)
{
    struct value_cursor cursor = {.map = map};
    const char *key;
    struct value *item;
    while (map && value_next(&cursor, &key, &item)) {
        enum value_type type = value_type(item);
        if (texts ? type != VALUE_STRING : type == VALUE_MAP || type == VALUE_LIST)
            return error_set(err, ERR_PROTOCOL, "%s: \"%s\" is not %s", what, key,
                texts ? "a string" : "a single value");
    }
    return 0;
}

static int check_url(const char *text, const char *what, struct error *err)
{
    AUTO(url) struct url url = {0};
    return url_parse(text, &url, err) < 0 ? error_wrap(err, "%s", what) : 0;
}

static int check_bound(const char *text, const char *what, struct error *err)
{
    double unused;
    if (!text || number_read(text, &unused))
        return 0;
    return error_set(err, ERR_PROTOCOL, "%s: the bound \"%s\" is no number", what, text);
}

static int check_prometheus(const struct gate_spec *gate, const char *what, struct error *err)
{
    if (!gate->max && !gate->min)
        return error_set(err, ERR_PROTOCOL, "%s: one of \"max\" and \"min\" is needed", what);
    if (check_bound(gate->max, what, err) < 0 || check_bound(gate->min, what, err) < 0)
        return -1;
    if (strpbrk(gate->url, "?#"))
        return error_set(err, ERR_PROTOCOL, "%s: the URL of a Prometheus has no query", what);
    return check_url(gate->url, what, err);
}

static int check_gate(const struct gate_spec *gate, const char *what, struct error *err)
{
    if (gate->kind == GATE_PROMETHEUS)
        return check_prometheus(gate, what, err);
    if (gate->kind == GATE_LOG)
        return check_pattern(gate->absent, what, err);
    if (gate->kind == GATE_EXEC && (!gate->command.length || !*gate->command.items[0]))
        return error_set(err, ERR_PROTOCOL, "%s: the command is empty", what);
    if (gate->kind != GATE_HTTP)
        return 0;
    if (!gate->path == !gate->url)
        return error_set(err, ERR_PROTOCOL, "%s: one of \"path\" and \"url\" is needed", what);
    if (gate->path && gate->path[0] != '/')
        return error_set(
            err, ERR_PROTOCOL, "%s: the path \"%s\" does not begin with a slash", what, gate->path);
    if (gate->url && check_url(gate->url, what, err) < 0)
        return -1;
    if (check_scalars(gate->headers, true, what, err) < 0)
        return -1;
    return check_scalars(gate->json, false, what, err);
}

static int read_gate(
    const struct value *v, const char *what, struct gate_spec *ret, struct error *err)
{
    const char *name = value_get_str(v, "kind");
    enum gate_kind kind = GATE_HTTP;
    while (name && kind_names[kind] && strcmp(kind_names[kind], name) != 0)
        kind++;
    if (!name || !kind_names[kind])
        return error_set(
            err, ERR_PROTOCOL, "%s: \"%s\" is no kind of gate", what, name ? name : "");
    ret->kind = kind;
    return fields_read(v, what, rows_of[kind], ret, err) < 0 ? -1 : check_gate(ret, what, err);
}

int gate_list_from_value(
    const struct value *v, const char *what, struct gate_list *ret, struct error *err)
{
    if (value_type(v) != VALUE_LIST)
        return error_set(err, ERR_PROTOCOL, "%s is not a list", what);
    if (value_length(v) > GATES_MAX)
        return error_set(err, ERR_LIMIT, "%s: more than %d gates", what, GATES_MAX);
    for (size_t i = 0; i < value_length(v); i++) {
        AUTO_FREE char *which = mem_printf("%s, gate %zu", what, i + 1);
        if (read_gate(value_at(v, i), which, vec_add(&ret->items), err) < 0)
            return -1;
    }
    return 0;
}

struct value *gate_list_to_value(const struct gate_list *list)
{
    struct value *v = value_list();
    vec_each (gate, &list->items)
        value_append(v, fields_write(gate, rows_of[gate->kind]));
    return v;
}

// Without what may be a token.
static void print_address(const struct gate_spec *gate, struct str *out)
{
    AUTO_FREE char *url = gate->url ? url_shown(gate->url) : NULL;
    str_printf(out, "http %s", url ? url : gate->path);
}

void gate_print_bounds(const struct gate_spec *gate, struct str *out)
{
    char duration[DURATION_TEXT_MAX];
    if (gate->max && gate->min)
        str_printf(out, "between %s and %s", gate->min, gate->max);
    else if (gate->max)
        str_printf(out, "at most %s", gate->max);
    else
        str_printf(out, "at least %s", gate->min);
    if (gate->for_ms)
        str_printf(out, " for %s", duration_print(gate->for_ms, duration));
}

// On one line, and of a long one the beginning.
static void print_query(const char *query, struct str *out)
{
    str_puts(out, "prometheus \"");
    query += strspn(query, BLANKS);
    for (size_t shown = 0; *query && shown < QUERY_SHOWN; shown++) {
        size_t blank = strspn(query, BLANKS);
        if (blank && query[blank])
            str_putc(out, ' ');
        else if (!blank)
            str_putc(out, *query);
        query += blank ? blank : 1;
    }
    while (((unsigned char)*query & 0xc0) == 0x80) // not in the middle of a character
        str_putc(out, *query++);
    str_puts(out, *query ? "…\" " : "\" ");
}

static void print_kind(const struct gate_spec *gate, struct str *out)
{
    char duration[DURATION_TEXT_MAX];
    switch (gate->kind) {
    case GATE_HTTP:
        print_address(gate, out);
        return;
    case GATE_TCP:
        str_puts(out, "tcp");
        return;
    case GATE_LOG:
        str_printf(out, "log without \"%s\"", gate->absent);
        return;
    case GATE_STABLE:
        str_printf(out, "stable for %s", duration_print(gate->for_ms, duration));
        return;
    case GATE_RESTARTS:
        str_printf(out, "restarts at most %d in %s", gate->restarts_max,
            duration_print(gate->for_ms, duration));
        return;
    case GATE_EXEC:
        str_puts(out, "exec");
        strv_each (word, &gate->command)
            str_printf(out, " %s", *word);
        return;
    case GATE_PROMETHEUS:
        print_query(gate->query, out);
        gate_print_bounds(gate, out);
        return;
    }
}

void gate_print(const struct gate_spec *gate, struct str *out)
{
    print_kind(gate, out);
    if (gate->dry_run)
        str_puts(out, " (dry run)");
}
