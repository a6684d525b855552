#include "support/check.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/str.h"
#include "serve/refs.h"

// "main=a v1=b" becomes refs/heads/main with the id aaa…; names that begin with "v" are tags.
static struct value *listing(const char *text)
{
    struct value *refs = value_list();
    AUTO_FREE char *copy = mem_strdup(text);
    for (char *rest = copy, *word; (word = strsep(&rest, " "));) {
        char *id = strchr(word, '=');
        if (!id)
            continue;
        *id++ = '\0';
        char full[REF_ID_SIZE] = {0};
        memset(full, *id, REF_ID_SIZE - 1);
        AUTO_FREE char *name = mem_printf("refs/%s/%s", *word == 'v' ? "tags" : "heads", word);
        struct value *item = value_map();
        value_set_str(item, "name", name);
        value_set_str(item, "id", full);
        value_append(refs, item);
    }
    struct value *v = value_map();
    value_set(v, "refs", refs);
    value_set_str(v, "head", "refs/heads/main");
    return v;
}

static void parse(const char *text, struct ref_list *ret)
{
    AUTO(value) struct value *v = listing(text);
    check_ok(ref_list_parse(v, ret, &err));
}

static char initial(const char *id)
{
    return strcmp(id, REF_ID_NONE) == 0 ? '-' : *id;
}

// "push main a>b" for each, separated by commas; "-" where there is none.
static char *print_events(const struct ref_events *events)
{
    struct str text;
    str_init(&text, STR_TEXT_MAX);
    vec_each (event, &events->items) {
        assert_true(!event->branch != !event->tag);
        str_printf(&text, "%s%s %s %c>%c", text.length ? ", " : "", ref_event_name(event->kind),
            event->branch ? event->branch : event->tag, initial(event->before),
            initial(event->after));
    }
    return str_take(&text);
}

static void split(struct strv *out, const char *words)
{
    AUTO_FREE char *copy = mem_strdup(words);
    for (char *rest = copy, *word; (word = strsep(&rest, " "));)
        if (*word)
            strv_push(out, word);
}

static void changes_become_events(void **state)
{
    (void)state;
    static const struct row {
        const char *before, *after, *wanted;
    } rows[] = {
        {"", "", ""},
        {"main=a", "main=a", ""},
        {"main=a", "main=b", "push main a>b"},
        {"", "main=a", "push main ->a"},
        {"main=a", "", "delete main a>-"},
        {"main=a", "main=a new=a", "push new ->a"},
        {"main=a old=b", "main=a", "delete old b>-"},
        {"old=b", "new=b", "push new ->b, delete old b>-"},
        {"main=a", "main=a v1=a", "tag v1 ->a"},
        {"v1=a", "v1=b", "tag v1 a>b"},
        {"v1=a", "", "delete v1 a>-"},
        {"b=a c=a d=a", "a=a c=b e=a",
            "push a ->a, delete b a>-, push c a>b, delete d a>-, push e "
            "->a"},
        {"v1=a main=a", "main=b v1=b", "push main a>b, tag v1 a>b"},
        {"a=a a/b=a", "a=b a/b=a", "push a a>b"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(ref_list) struct ref_list before = {0};
        AUTO(ref_list) struct ref_list after = {0};
        AUTO(ref_events) struct ref_events events = {0};
        parse(rows[i].before, &before);
        parse(rows[i].after, &after);
        ref_events_find(&before, &after, NULL, &events);
        AUTO_FREE char *got = print_events(&events);
        if (strcmp(got, rows[i].wanted) != 0)
            fail_msg("\"%s\" to \"%s\" is \"%s\", not \"%s\"", rows[i].before, rows[i].after, got,
                rows[i].wanted);
    }
}

static void what_is_there_at_first_sight_is_no_event(void **state)
{
    (void)state;
    AUTO(ref_list) struct ref_list after = {0};
    AUTO(ref_events) struct ref_events events = {0};
    parse("main=a v1=a", &after);
    assert_string_equal(after.head, "refs/heads/main");
    ref_events_find(NULL, &after, NULL, &events);
    assert_int_equal(events.items.length, 0);
}

static void a_trigger_asks_for_some_of_them(void **state)
{
    (void)state;
    static const struct row {
        const char *branches, *tags, *wanted;
    } rows[] = {
        {"", "", ""},
        {"**", "**", "delete gone c>-, push main a>b, push team/x a>b, tag v1 ->b"},
        {"main", "", "push main a>b"},
        {"*", "", "delete gone c>-, push main a>b"},
        {"team/* g*", "", "delete gone c>-, push team/x a>b"},
        {"**", "", "delete gone c>-, push main a>b, push team/x a>b"},
        {"", "v*", "tag v1 ->b"},
        {"", "w*", ""},
        {"main", "v*", "push main a>b, tag v1 ->b"},
        {"v1", "main", ""},
    };
    AUTO(ref_list) struct ref_list before = {0};
    AUTO(ref_list) struct ref_list after = {0};
    parse("gone=c main=a team/x=a", &before);
    parse("main=b team/x=b v1=b", &after);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(ref_events) struct ref_events events = {0};
        struct trigger trigger = {0};
        split(&trigger.branches, rows[i].branches);
        split(&trigger.tags, rows[i].tags);
        ref_events_find(&before, &after, &trigger, &events);
        AUTO_FREE char *got = print_events(&events);
        strv_done(&trigger.branches);
        strv_done(&trigger.tags);
        if (strcmp(got, rows[i].wanted) != 0)
            fail_msg("row %zu gives \"%s\", not \"%s\"", i, got, rows[i].wanted);
    }
}

#define ID        "\"1111111111111111111111111111111111111111\""
#define REF(name) "{\"name\":\"" name "\",\"id\":" ID "}"

static void a_listing_that_no_honest_role_would_write_is_refused(void **state)
{
    (void)state;
    static const struct row {
        const char *text, *part; // part NULL: it is taken
    } rows[] = {
        {"{\"refs\":[]}", NULL},
        {"{\"refs\":[" REF("refs/heads/b") "," REF("refs/heads/a") "]}", NULL},
        {"{}", "no list"},
        {"{\"refs\":{}}", "no list"},
        {"{\"refs\":[" REF("refs/heads/a") "," REF("refs/heads/a") "]}",
            "refs/heads/a is listed twice"},
        {"{\"refs\":[" REF("refs/heads/../x") "]}", "does not take"},
        {"{\"refs\":[" REF("refs/heads/-x") "]}", "does not take"},
        {"{\"refs\":[" REF("refs/pull/1/head") "]}", "does not take"},
        {"{\"refs\":[" REF("main") "]}", "does not take"},
        {"{\"refs\":[{\"name\":\"refs/heads/a\",\"id\":\"1234\"}]}", "does not take"},
        {"{\"refs\":[{\"name\":\"refs/heads/"
         "a\",\"id\":\"111111111111111111111111111111111111111G\"}]}",
            "does not take"},
        {"{\"refs\":[{\"name\":\"refs/heads/a\",\"id\":\"" REF_ID_NONE "\"}]}", "does not take"},
        {"{\"refs\":[{\"name\":\"refs/heads/a\"}]}", "\"id\""},
        {"{\"refs\":[1]}", "\"name\""},
        {"{\"refs\":[],\"head\":\"--output=x\"}", "HEAD"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(value) struct value *v = value_parse(rows[i].text, strlen(rows[i].text), NULL);
        AUTO(ref_list) struct ref_list list = {0};
        struct error err = {0};
        int status = ref_list_parse(v, &list, &err);
        if ((status < 0) != (rows[i].part != NULL))
            fail_msg("%s: %s", rows[i].text, status < 0 ? err.message : "was taken");
        if (rows[i].part)
            check_kind(&err, ERR_PROTOCOL, rows[i].part, rows[i].text);
        assert_int_equal(list.items.length, i == 1 ? 2 : 0);
    }
}

TEST_MAIN(cmocka_unit_test(changes_become_events),
    cmocka_unit_test(what_is_there_at_first_sight_is_no_event),
    cmocka_unit_test(a_trigger_asks_for_some_of_them),
    cmocka_unit_test(a_listing_that_no_honest_role_would_write_is_refused))
