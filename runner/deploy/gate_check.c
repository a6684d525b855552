#include "deploy/gate_check.h"

#include <inttypes.h>
#include <regex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "net/url.h"

// What an instance answers is shown to people, in one line of a report or a table, and may be
// long and anything: a piece of it will do.
#define SHOWN_MAX 80

void gate_say(char *to, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (vsnprintf(to, size, format, args) >= (int)size)
        memcpy(to + size - 4, "...", 4);
    va_end(args);
    text_make_printable(to);
}

#define say_seen(v, ...)   gate_say((v)->seen, sizeof(v)->seen, __VA_ARGS__)
#define say_wanted(v, ...) gate_say((v)->wanted, sizeof(v)->wanted, __VA_ARGS__)

// http

static const char *find_header(const struct http_response *response, const char *name)
{
    size_t length = strlen(name);
    strv_each (header, &response->headers)
        if (strncasecmp(*header, name, length) == 0 && (*header)[length] == ':')
            return *header + length + 1 + strspn(*header + length + 1, " \t");
    return NULL;
}

static bool check_headers(
    const struct value *wanted, const struct http_response *response, struct gate_verdict *ret)
{
    struct value_cursor cursor = {.map = wanted};
    const char *name;
    struct value *item;
    while (wanted && value_next(&cursor, &name, &item)) {
        const char *seen = find_header(response, name);
        if (text_equal(seen, value_text(item)))
            continue;
        if (seen)
            say_seen(ret, "%s: %.*s", name, SHOWN_MAX, seen);
        else
            say_seen(ret, "no header %s", name);
        say_wanted(ret, "%s: %s", name, value_text(item));
        return false;
    }
    return true;
}

// "a.b.0.c": keys of maps and positions in lists. NULL when there is no such thing.
static const struct value *find_path(const struct value *v, const char *path)
{
    while (*path && v) {
        size_t length = strcspn(path, ".");
        AUTO_FREE char *part = mem_strndup(path, length);
        int64_t index;
        if (value_type(v) == VALUE_MAP)
            v = value_get(v, part);
        else if (value_type(v) == VALUE_LIST && int_parse(part, 0, INT32_MAX, &index))
            v = value_at(v, (size_t)index);
        else
            v = NULL;
        path += length + (path[length] == '.');
    }
    return v;
}

// Texts and numbers are compared as they are written: a pipeline file does not tell "3" from 3.
static char *scalar_text(const struct value *v)
{
    return value_type(v) == VALUE_STRING ? mem_strdup(value_text(v)) : value_print(v);
}

static bool check_json(
    const struct value *wanted, const struct http_response *response, struct gate_verdict *ret)
{
    if (!wanted || value_length(wanted) == 0)
        return true;
    struct error err = {0};
    AUTO(value) struct value *body = value_parse(response->body.data, response->body.length, &err);
    if (!body) {
        say_seen(ret, "%s", err.message);
        say_wanted(ret, "a body of JSON");
        return false;
    }
    struct value_cursor cursor = {.map = wanted};
    const char *path;
    struct value *item;
    while (value_next(&cursor, &path, &item)) {
        const struct value *found = find_path(body, path);
        AUTO_FREE char *seen = found ? scalar_text(found) : mem_strdup("nothing");
        AUTO_FREE char *text = scalar_text(item);
        if (found && strcmp(seen, text) == 0)
            continue;
        say_seen(ret, "%s: %.*s", path, SHOWN_MAX, seen);
        say_wanted(ret, "%s: %s", path, text);
        return false;
    }
    return true;
}

// A redirect is the answer: what is behind it was not asked for.
void gate_say_status(const struct http_response *response, char *to, size_t size)
{
    const char *location = find_header(response, "location");
    AUTO_FREE char *where = location ? url_shown(location) : NULL;
    if (response->status / 100 == 3 && where)
        gate_say(to, size, "status %d, to %.*s", response->status, SHOWN_MAX, where);
    else
        gate_say(to, size, "status %d", response->status);
}

static bool check_response(
    const struct gate_spec *gate, const struct http_response *response, struct gate_verdict *ret)
{
    if (response->status != gate->status) {
        gate_say_status(response, ret->seen, sizeof ret->seen);
        return false;
    }
    if (!check_headers(gate->headers, response, ret))
        return false;
    const char *type = find_header(response, "content-type");
    if (gate->content_type && !(type && text_starts(type, gate->content_type))) {
        say_seen(ret, "content type %.*s", SHOWN_MAX, type ? type : "unknown");
        say_wanted(ret, "content type %s", gate->content_type);
        return false;
    }
    if (gate->body &&
        !memmem(response->body.data, response->body.length, gate->body, strlen(gate->body))) {
        say_seen(ret, "a body of %zu bytes beginning with \"%.*s\"", response->body.length,
            SHOWN_MAX, response->body.data);
        say_wanted(ret, "\"%s\" in it", gate->body);
        return false;
    }
    return check_json(gate->json, response, ret);
}

void gate_check_http(
    const struct gate_spec *gate, const struct http_response *response, struct gate_verdict *ret)
{
    *ret = (struct gate_verdict){0};
    say_wanted(ret, "status %d", gate->status);
    ret->passed = check_response(gate, response, ret);
    if (ret->passed)
        say_seen(ret, "status %d in %" PRId64 " ms", response->status, response->elapsed_ms);
}

// log

void gate_check_log(
    const struct gate_spec *gate, const char *text, size_t length, struct gate_verdict *ret)
{
    *ret = (struct gate_verdict){0};
    say_wanted(ret, "no line like \"%s\"", gate->absent);
    regex_t regex;
    if (regcomp(&regex, gate->absent, REG_EXTENDED | REG_NEWLINE) != 0) {
        say_seen(ret, "no regular expression"); // it was one when the spec was read
        return;
    }
    // By offsets, so that a NUL in a log does not hide what follows it.
    regmatch_t match = {.rm_so = 0, .rm_eo = (regoff_t)length};
    ret->passed = regexec(&regex, text, 1, &match, REG_STARTEND) == REG_NOMATCH;
    regfree(&regex);
    if (ret->passed) {
        say_seen(ret, "no such line in %zu bytes", length);
        return;
    }
    size_t from = (size_t)match.rm_so, to = from;
    while (from > 0 && text[from - 1] != '\n')
        from--;
    while (to < length && text[to] != '\n' && to - from < SHOWN_MAX)
        to++;
    say_seen(ret, "\"%.*s\"", (int)(to - from), text + from);
}

// exec

void gate_check_exec(const struct target_exec_state *state, struct gate_verdict *ret)
{
    *ret = (struct gate_verdict){.passed = state->succeeded};
    say_wanted(ret, "exit 0");
    say_seen(ret, "%s%s%.*s", state->how, state->last[0] ? ": " : "", SHOWN_MAX, state->last);
}

// stable, restarts

static const struct instance *find_instance(const struct set_state *set, int index)
{
    for (size_t i = 0; i < set->instance_count; i++)
        if (set->instances[i].index == index)
            return &set->instances[i];
    return NULL;
}

// How often its instances have restarted since, and which one of them the most often. One that has
// restarted less often than before is another one.
static int count_restarts(
    const struct set_state *before, const struct set_state *now, const struct instance **ret_worst)
{
    int sum = 0, most = 0;
    *ret_worst = NULL;
    for (size_t i = 0; i < now->instance_count; i++) {
        const struct instance *is = &now->instances[i];
        const struct instance *was = find_instance(before, is->index);
        int count = is->restarts - (was && was->restarts <= is->restarts ? was->restarts : 0);
        sum += count;
        if (count > most) {
            most = count;
            *ret_worst = is;
        }
    }
    return sum;
}

void gate_check_stable(const struct gate_spec *gate, const struct set_state *before,
    const struct set_state *now, struct gate_verdict *ret)
{
    char duration[DURATION_TEXT_MAX];
    const struct instance *worst = NULL;
    *ret = (struct gate_verdict){0};
    say_wanted(ret, "%d ready and no restart for %s", before->desired,
        duration_print(gate->for_ms, duration));
    if (count_restarts(before, now, &worst) && worst) {
        say_seen(ret, "instance %d restarted%s%.*s", worst->index, worst->last_end[0] ? ": " : "",
            SHOWN_MAX, worst->last_end);
        return;
    }
    say_seen(ret, "%d of %d ready", now->ready, before->desired);
    ret->passed = now->ready >= before->desired;
}

void gate_check_restarts(const struct gate_spec *gate, const struct set_state *before,
    const struct set_state *now, struct gate_verdict *ret)
{
    char duration[DURATION_TEXT_MAX];
    const struct instance *worst = NULL;
    *ret = (struct gate_verdict){0};
    say_wanted(ret, "at most %d in %s", gate->restarts_max, duration_print(gate->for_ms, duration));
    int count = count_restarts(before, now, &worst);
    ret->passed = count <= gate->restarts_max;
    if (count && worst)
        say_seen(ret, "%d, most of instance %d%s%.*s", count, worst->index,
            worst->last_end[0] ? ": " : "", SHOWN_MAX, worst->last_end);
    else
        say_seen(ret, "none");
}
