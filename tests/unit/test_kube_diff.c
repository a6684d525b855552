// Two objects told apart.
#include "support/check.h"

#include <stdlib.h>
#include <string.h>

#include "deploy/kube_diff.h"

static struct value *parse(const char *text)
{
    struct error err = {0};
    struct value *v = value_parse(text, strlen(text), &err);
    if (!v)
        fail_msg("%s", err.message);
    return v;
}

static void each_difference_is_a_path(void **state)
{
    static const struct {
        const char *before, *after, *lines; // joined by |
    } rows[] = {
        {"{\"a\": 1}", "{\"a\": 1}", ""},
        {"{\"a\": 1}", "{\"a\": 2}", "- a: 1|+ a: 2|"},
        {"{\"a\": {\"b\": 1}}", "{\"a\": {\"b\": 1, \"c\": \"x\"}}", "+ a.c: \"x\"|"},
        {"{\"a\": {\"b\": 1}}", "{}", "- a.b: 1|"},
        {"{\"a\": {\"b\": 1}}", "{\"a\": 3}", "- a: {\"b\":1}|+ a: 3|"},
        {"{\"l\": [{\"name\": \"x\", \"v\": 1}, {\"name\": \"y\"}]}",
            "{\"l\": [{\"name\": \"y\"}, {\"name\": \"x\", \"v\": 2}]}",
            "- l.x.v: 1|+ l.x.v: 2|"}, // another order is no difference
        {"{\"l\": [1, 2]}", "{\"l\": [2, 1]}", "- l: [1,2]|+ l: [2,1]|"},
        {"{\"l\": [{\"name\": \"x\"}]}", "{\"l\": [{\"name\": \"x\"}, {\"name\": \"z\"}]}",
            "+ l.z.name: \"z\"|"},
        {"{\"status\": 1, \"metadata\": {\"uid\": \"a\", \"labels\": {\"davit.dev/slot\": "
         "\"blue\"}}}",
            "{\"status\": 2, \"metadata\": {\"uid\": \"b\", \"managedFields\": [], \"labels\": "
            "{\"davit.dev/slot\": \"green\"}}}",
            ""},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(value) struct value *before = parse(rows[i].before);
        AUTO(value) struct value *after = parse(rows[i].after);
        AUTO(str) struct str out, plain;
        str_init(&out, STR_TEXT_MAX);
        str_init(&plain, STR_TEXT_MAX);
        kube_diff(before, after, &out);
        for (const char *c = out.data; out.length && *c; c++)
            if (*c == '\n')
                str_putc(&plain, '|');
            else if (plain.length && plain.data[plain.length - 1] != '|')
                str_putc(&plain, *c);
            else if (*c != ' ')
                str_putc(&plain, *c);
        if (strcmp(plain.length ? plain.data : "", rows[i].lines) != 0)
            fail_msg("row %zu: %s", i, plain.data);
    }
}

TEST_MAIN(cmocka_unit_test(each_difference_is_a_path))
