// Pipeline files: tests/pipeline/NAME.yaml is read, and NAME.diag holds what is said about it, line
// and caret included; NAME.json the model of a file that passes.
#include "support/check.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/fd.h"
#include "os/file.h"
#include "pipeline/keys.h"
#include "pipeline/model.h"
#include "support/golden.h"

#define CASES "pipeline"

static void check_case(const char *name)
{
    AUTO(str) struct str text;
    AUTO(str) struct str said;
    AUTO(str) struct str wanted;
    AUTO(diag) struct diag_list diags = {0};
    AUTO_FREE char *path = mem_printf("%s.yaml", name);
    str_init(&text, STR_TEXT_MAX);
    str_init(&said, STR_TEXT_MAX);
    str_init(&wanted, STR_TEXT_MAX);
    assert_true(golden_read(CASES, name, ".yaml", &text));
    struct diag_source source = {path, text.data, text.length};
    AUTO(pipeline) struct pipeline *p = pipeline_parse(&source, &diags);
    diag_sort(&diags);
    diag_print(&diags, false, &said);
    if ((p != NULL) != (diags.errors == 0))
        fail_msg("%s: %zu errors and %s pipeline", name, diags.errors, p ? "a" : "no");
    if (said.length || golden_read(CASES, name, ".diag", &wanted))
        golden_check(CASES, name, ".diag", said.data);
    if (p) {
        AUTO_FREE char *model = value_print_indented(p->tree);
        golden_check(CASES, name, ".json", model);
    }
}

static void every_file_of_the_folder_gets_what_stands_beside_it(void **state)
{
    (void)state;
    AUTO(strv) struct strv names = {0};
    golden_names(CASES, ".yaml", &names);
    assert_true(names.length > 20);
    strv_each (name, &names)
        check_case(*name);
}

// ---- the model

struct text_pipeline {
    struct diag_source source;
    struct diag_list diags;
    struct pipeline *p;
};

static struct text_pipeline *parse(const char *text)
{
    struct text_pipeline *t = mem_alloc(sizeof *t);
    t->source = (struct diag_source){".davit.yaml", text, strlen(text)};
    t->p = pipeline_parse(&t->source, &t->diags);
    if (!t->p)
        fail_msg("not read: %s", t->diags.items.items[0].message);
    return t;
}

static void text_pipeline_free(struct text_pipeline *t)
{
    pipeline_free(t->p);
    diag_done(&t->diags);
    free(t);
}
DEFINE_AUTO_PTR(text_pipeline, struct text_pipeline, text_pipeline_free)

static void check_strv(const struct strv *v, const char *joined)
{
    AUTO(str) struct str text;
    str_init(&text, 1000);
    strv_each (item, v)
        str_printf(&text, "%s%s", text.length ? " " : "", *item);
    assert_string_equal(text.data, joined);
}

static void a_stage_reaches_the_model_whole(void **state)
{
    (void)state;
    AUTO(text_pipeline)
    struct text_pipeline *t = parse(
        "name: x\n"
        "env: {A: one, T: {type: duration, default: 5s, required: true}, S: {secret: true}}\n"
        "stages:\n"
        "  first: {run: [a, b], timeout: 90s, secrets: S, cache: {paths: /c, key: k},\n"
        "    limits: {memory: 1GiB, processes: 9, cpu: 0.5}, network: host, artifacts: [x, y],\n"
        "    image: \"r:${{ git.sha }}\", when: {event: [push, tag], status: [success, failure]}}\n"
        "  second: {build: {tags: r/x:1}}\n");
    const struct stage *first = pipeline_stage(t->p, "first");
    assert_int_equal(first->kind, STAGE_RUN);
    assert_string_equal(first->run, "a\nb");
    assert_int_equal(first->timeout_ms, 90000);
    check_strv(&first->secrets, "S");
    check_strv(&first->cache_paths, "/c");
    assert_string_equal(first->cache_key, "k");
    assert_int_equal(first->memory, 1 << 30);
    assert_int_equal(first->processes, 9);
    assert_int_equal(first->cpu_percent, 50);
    assert_int_equal(first->network, NETWORK_HOST);
    check_strv(&first->artifacts, "x y");
    assert_string_equal(first->image, "r:${{ git.sha }}");
    assert_int_equal(first->when.length, 1);
    check_strv(&first->when.items[0].event, "push tag");
    assert_int_equal(first->when.items[0].status, WHEN_SUCCESS | WHEN_FAILURE);
    const struct stage *second = pipeline_stage(t->p, "second");
    assert_int_equal(second->kind, STAGE_BUILD);
    check_strv(&second->needs, "first");
    assert_true(value_get_bool(second->build, "push", false));
    assert_null(second->deploy);
    assert_null(pipeline_stage(t->p, "third"));
    const struct env_entry *entry = env_table_get(&t->p->env, "T");
    assert_int_equal(entry->type, ENV_DURATION);
    assert_string_equal(entry->fallback, "5s");
    assert_true(entry->required && !entry->secret && !entry->value);
    assert_memory_equal(t->source.text + entry->place.offset, "T", entry->place.length);
    assert_memory_equal(t->source.text + entry->text_place.offset, "5s", 2);
    assert_string_equal(env_table_get(&t->p->env, "A")->value, "one");
}

static void triggers(void **state)
{
    (void)state;
    static const struct {
        const char *on, *branches, *tags;
        bool pull_request;
    } rows[] = {
        {"", "**", "", false},
        {"on: {push: {}}\n", "**", "**", false},
        {"on: {push: }\n", "**", "**", false},
        {"on: {push: {branches: main}}\n", "main", "", false},
        {"on: {push: {tags: [\"v*\", w]}}\n", "", "v* w", false},
        {"on: {push: {branches: [a], tags: [b]}}\n", "a", "b", false},
        {"on: {pull_request: }\n", "", "", true},
        {"on: {}\n", "", "", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_FREE char *text = mem_printf("name: x\n%sstages: {a: {run: x}}\n", rows[i].on);
        AUTO(text_pipeline) struct text_pipeline *t = parse(text);
        check_strv(&t->p->on.branches, rows[i].branches);
        check_strv(&t->p->on.tags, rows[i].tags);
        assert_int_equal(t->p->on.pull_request, rows[i].pull_request);
    }
}

static void a_file_of_two_thousand_stages_is_read_in_a_breath(void **state)
{
    (void)state;
    AUTO(str) struct str text;
    str_init(&text, YAML_SOURCE_MAX);
    str_puts(&text, "name: x\nstages:\n  s0: {build: {}}\n");
    for (int i = 1; i < 2000; i++)
        str_printf(&text, "  s%d:\n    needs: [s%d%s]\n    %s\n    env: {A: b}\n    timeout: 20m\n",
            i, i - 1, i > 1 ? ", s0" : "", i % 4 ? "run: make" : "deploy: {app: a, image: s0}");
    int64_t before = clock_monotonic_ms();
    AUTO(text_pipeline) struct text_pipeline *t = parse(text.data);
    assert_int_equal(t->p->stages.length, 2000);
    check_strv(&t->p->stages.items[1999].needs, "s1998 s0");
    assert_true(clock_monotonic_ms() - before < 5000);
}

static void a_circle_of_two_thousand_is_named_short(void **state)
{
    (void)state;
    AUTO(str) struct str text;
    str_init(&text, YAML_SOURCE_MAX);
    str_puts(&text, "name: x\nstages:\n");
    for (int i = 0; i < 2000; i++)
        str_printf(&text, "  s%d: {run: x, needs: s%d}\n", i, (i + 1) % 2000);
    struct diag_source source = {"x", text.data, text.length};
    AUTO(diag) struct diag_list diags = {0};
    assert_null(pipeline_parse(&source, &diags));
    assert_int_equal(diags.errors, 1);
    assert_string_equal(diags.items.items[0].message,
        "these stages need each other in a circle: s0 → s1 → s2 → s3 → (1992 more) → s1996 → s1997 "
        "→ s1998 → s1999 → s0");
}

// ---- the table

// What a table of keys says about itself: a key has one line of documentation, a default that reads
// as what it is said to be.
static void check_rows(const struct schema_row *rows, int depth)
{
    assert_true(depth < 12);
    for (const struct schema_row *row = rows; row->key; row++) {
        if (!row->doc || !*row->doc || strchr(row->doc, '\n'))
            fail_msg("\"%s\" is not documented", row->key);
        if (row->flags & SCHEMA_LATER)
            continue;
        const struct schema_row *meant = row->shorthand ? row->rows : NULL;
        while (meant && meant->key && strcmp(meant->key, row->shorthand) != 0)
            meant++;
        if (meant && !meant->key)
            fail_msg("\"%s\" is short for a key that is not there", row->key);
        if (row->type == SCHEMA_MAP || row->type == SCHEMA_KIND)
            check_rows(row->rows, depth + 1);
        if ((row->type == SCHEMA_DICT || row->type == SCHEMA_LIST) && row->rows->rows)
            check_rows(row->rows->rows, depth + 1);
        if (!row->fallback)
            continue;
        AUTO(diag) struct diag_list diags = {0};
        const struct schema_row alone[] = {*row, {0}};
        struct diag_source none = {"x", "{}", 2};
        AUTO(yaml_doc) struct yaml_doc *doc = yaml_read(&none, &diags);
        struct schema_walk walk = {.source = &none, .diags = &diags};
        AUTO(value) struct value *v = schema_read(&walk, alone, yaml_root(doc));
        if (diags.errors || value_length(v) != 1)
            fail_msg("the default of \"%s\" is not one", row->key);
    }
}

static void every_key_is_documented_and_every_default_is_good(void **state)
{
    (void)state;
    check_rows(pipeline_rows, 0);
}

// ---- a table of another file

static const struct schema_row repository_rows[] = {
    {"url", SCHEMA_STRING, SCHEMA_REQUIRED, .doc = "where it is"},
    {"poll", SCHEMA_DURATION, .fallback = "1m", .min = 1000, .doc = "how often to look"},
    {0},
};
static const struct schema_row server_rows[] = {
    {"state", SCHEMA_STRING, .fallback = "/var/lib/davit", .doc = "a directory"},
    {"disk", SCHEMA_SIZE, .fallback = "10GiB", .doc = "at most"},
    {"repositories", SCHEMA_DICT, SCHEMA_REQUIRED,
        .rows = (const struct schema_row[]){{.key = "repository",
            .type = SCHEMA_MAP,
            .rows = repository_rows,
            .shorthand = "url"}},
        .doc = "what is watched"},
    {0},
};

static void a_table_of_another_file_is_read_in_the_same_way(void **state)
{
    (void)state;
    static const char text[] = "repositories:\n"
                               "  a: /srv/${{ not an expression }}\n"
                               "  b: {url: x, pol: 5s}\n"
                               "  c: {poll: 5}\n";
    struct diag_source source = {"server.yaml", text, sizeof text - 1};
    AUTO(diag) struct diag_list diags = {0};
    AUTO(yaml_doc) struct yaml_doc *doc = yaml_read(&source, &diags);
    struct schema_walk walk = {.source = &source, .diags = &diags};
    AUTO(value) struct value *v = schema_read(&walk, server_rows, yaml_root(doc));
    AUTO_FREE char *json = value_print(v);
    assert_string_equal(json,
        "{\"state\":\"/var/lib/davit\",\"disk\":10737418240,\"repositories\":{"
        "\"a\":{\"url\":\"/srv/${{ not an expression }}\",\"poll_ms\":60000},"
        "\"b\":{\"url\":\"x\",\"poll_ms\":60000},\"c\":{}}}");
    diag_sort(&diags);
    AUTO(str) struct str out;
    str_init(&out, STR_TEXT_MAX);
    diag_print(&diags, false, &out);
    assert_string_equal(out.data,
        "server.yaml:3:15: error: unknown key \"pol\" in repository \"b\"; did you mean "
        "\"poll\"?\n"
        "    3 |   b: {url: x, pol: 5s}\n"
        "      |               ^~~\n"
        "server.yaml:4:3: error: repository \"c\" needs \"url\": where it is\n"
        "    4 |   c: {poll: 5}\n"
        "      |   ^\n"
        "server.yaml:4:13: error: poll of repository \"c\" must be a duration such as 90s, 1m30s "
        "or 2h; \"5\" has no unit: write 5s\n"
        "    4 |   c: {poll: 5}\n"
        "      |             ^\n");
}

// ---- files

static int make_directory(void **state)
{
    char *path = mem_strdup("/tmp/davit-test-XXXXXX");
    assert_non_null(mkdtemp(path));
    *state = path;
    return 0;
}

static int remove_directory(void **state)
{
    check_ok(dir_remove_tree(AT_FDCWD, *state, &err));
    free(*state);
    return 0;
}

static void a_foreign_checkout_opens_no_file_outside_of_itself(void **state)
{
    AUTO_FREE char *outside = path_join(*state, "secret");
    AUTO_FREE char *checkout = path_join(*state, "checkout");
    AUTO_FREE char *file = path_join(checkout, PIPELINE_FILE);
    struct diag_source source = {0};
    check_ok(file_replace(AT_FDCWD, outside, 0600, "name: x\n", 8, &err));
    check_ok(dir_make(AT_FDCWD, checkout, 0700, &err));
    AUTO_FD int dir = dir_open(AT_FDCWD, checkout, NULL);
    check_error(pipeline_read(dir, NULL, &source, &err), ERR_NOT_FOUND, PIPELINE_FILE);
    assert_int_equal(symlink("../secret", file), 0);
    check_error(pipeline_read(dir, NULL, &source, &err), ERR_SYSTEM, PIPELINE_FILE);
    check_error(pipeline_read(dir, "../secret", &source, &err), ERR_SYSTEM, "secret");
    check_error(pipeline_read(dir, outside, &source, &err), ERR_SYSTEM, "secret");
    check_error(pipeline_read(dir, ".", &source, &err), ERR_CONFIG, "is not a file");
    // The link is followed where it stays inside, and a person may name any file.
    assert_int_equal(unlink(file), 0);
    assert_int_equal(symlink("real.yaml", file), 0);
    check_ok(file_replace(dir, "real.yaml", 0600, "name: y\n", 8, &err));
    check_ok(pipeline_read(dir, NULL, &source, &err));
    assert_string_equal(source.text, "name: y\n");
    assert_string_equal(source.path, PIPELINE_FILE);
    pipeline_source_done(&source);
    check_ok(pipeline_read(AT_FDCWD, outside, &source, &err));
    assert_int_equal(source.length, 8);
    pipeline_source_done(&source);
    assert_null(source.text);
}

static void a_file_larger_than_the_bound_is_not_taken_in(void **state)
{
    AUTO_FREE char *path = path_join(*state, "big");
    AUTO_FREE char *text = mem_alloc(YAML_SOURCE_MAX + 1);
    struct diag_source source = {0};
    check_ok(file_replace(AT_FDCWD, path, 0600, text, YAML_SOURCE_MAX + 1, &err));
    check_error(pipeline_read(AT_FDCWD, path, &source, &err), ERR_LIMIT, "big");
    assert_null(source.text);
}

TEST_MAIN(cmocka_unit_test(every_file_of_the_folder_gets_what_stands_beside_it),
    cmocka_unit_test(a_stage_reaches_the_model_whole), cmocka_unit_test(triggers),
    cmocka_unit_test(a_file_of_two_thousand_stages_is_read_in_a_breath),
    cmocka_unit_test(a_circle_of_two_thousand_is_named_short),
    cmocka_unit_test(every_key_is_documented_and_every_default_is_good),
    cmocka_unit_test(a_table_of_another_file_is_read_in_the_same_way),
    cmocka_unit_test_setup_teardown(
        a_foreign_checkout_opens_no_file_outside_of_itself, make_directory, remove_directory),
    cmocka_unit_test_setup_teardown(
        a_file_larger_than_the_bound_is_not_taken_in, make_directory, remove_directory))
