#include "support/check.h"

#include <stdlib.h>
#include <string.h>

#include "codec/yaml.h"

struct file {
    struct diag_source source;
    struct diag_list diags;
    struct yaml_doc *doc;
};

static struct file *read_bytes(const char *text, size_t length)
{
    struct file *f = mem_alloc(sizeof *f);
    f->source = (struct diag_source){"f.yaml", text, length};
    f->doc = yaml_read(&f->source, &f->diags);
    return f;
}

static struct file *read_text(const char *text)
{
    return read_bytes(text, strlen(text));
}

static void file_free(struct file *f)
{
    yaml_doc_free(f->doc);
    diag_done(&f->diags);
    free(f);
}
DEFINE_AUTO_PTR(file, struct file, file_free)

static const struct yaml_node *root_of(const struct file *f)
{
    if (!f->doc)
        fail_msg("not read: %s", f->diags.items.items[0].message);
    return yaml_root(f->doc);
}

// The first error's place covers exactly this text, and its message holds `part`.
static void check_said(const struct file *f, const char *covered, const char *part)
{
    assert_true(f->diags.errors > 0);
    const struct diag *d = &f->diags.items.items[0];
    if (!strstr(d->message, part))
        fail_msg("\"%s\" is not in \"%s\"", part, d->message);
    assert_true(d->place.offset + d->place.length <= f->source.length);
    if (d->place.length != strlen(covered) ||
        memcmp(f->source.text + d->place.offset, covered, d->place.length) != 0)
        fail_msg("covers \"%.*s\", wanted \"%s\"", (int)d->place.length,
            f->source.text + d->place.offset, covered);
}

static void every_scalar_stays_the_string_that_was_written(void **state)
{
    (void)state;
    static const char *const scalars[] = {"on", "no", "Yes", "3.10", "0777", "22:30", "00123456",
        "1e10", "0x1F", "~", "null", "true", ".inf", "2024-01-01", "1_000", "=", "-"};
    for (size_t i = 0; i < ARRAY_LEN(scalars); i++) {
        AUTO_FREE char *text = mem_printf("k: %s%s%s\n", strcmp(scalars[i], "-") ? "" : "\"",
            scalars[i], strcmp(scalars[i], "-") ? "" : "\"");
        AUTO(file) struct file *f = read_text(text);
        const struct yaml_node *k = yaml_get(root_of(f), "k");
        assert_int_equal(k->type, YAML_SCALAR);
        assert_string_equal(k->text, scalars[i]);
    }
}

static void nothing_a_quoted_nothing_and_a_word_are_told_apart(void **state)
{
    (void)state;
    AUTO(file) struct file *f = read_text("a:\nb: \"\"\nc: x\nd: 'x'\ne: |\n  x\n");
    const struct yaml_node *root = root_of(f);
    assert_true(yaml_is_empty(yaml_get(root, "a")));
    assert_false(yaml_is_empty(yaml_get(root, "b")));
    assert_true(yaml_get(root, "c")->plain);
    assert_false(yaml_get(root, "d")->plain);
    assert_false(yaml_get(root, "e")->plain);
    assert_string_equal(yaml_get(root, "e")->text, "x\n");
    assert_null(yaml_get(root, "f"));
    assert_null(yaml_get(NULL, "f"));
    assert_null(yaml_get(yaml_get(root, "c"), "f"));
}

static void every_node_and_key_knows_its_bytes_behind_wide_characters_too(void **state)
{
    (void)state;
    static const char text[] = "\xef\xbb\xbfgröße: \"€ 😀\"\r\nliste: [ä, 'ö' , {ü: ß}]\n";
    AUTO(file) struct file *f = read_text(text);
    const struct yaml_node *root = root_of(f);
    static const struct {
        const char *covered;
    } rows[] = {{"größe"}, {"\"€ 😀\""}, {"liste"}, {"[ä, 'ö' , {ü: ß}]"}, {"ä"}, {"'ö'"}, {"ß"}};
    const struct yaml_node *list = root->pairs[1].value;
    const struct yaml_node *nodes[] = {root->pairs[0].key, root->pairs[0].value, root->pairs[1].key,
        list, list->items[0], list->items[1], list->items[2]->pairs[0].value};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(nodes[i]->place.length, strlen(rows[i].covered));
        assert_memory_equal(text + nodes[i]->place.offset, rows[i].covered, nodes[i]->place.length);
    }
}

static void what_an_alias_names_is_there_again_with_the_place_of_the_alias(void **state)
{
    (void)state;
    static const char text[] = "a: &x {k: [1, 2]}\nb: *x\n";
    AUTO(file) struct file *f = read_text(text);
    const struct yaml_node *b = yaml_get(root_of(f), "b");
    assert_string_equal(yaml_get(b, "k")->items[1]->text, "2");
    assert_memory_equal(text + b->place.offset, "*x", 2);
    assert_int_equal(b->place.length, 2);
    assert_int_equal(root_of(f)->nodes, 1 + 2 + 5 + 5);
    assert_int_equal(root_of(f)->height, 4);
}

static void a_merge_keeps_what_the_map_has_and_takes_the_rest_first_come(void **state)
{
    (void)state;
    AUTO(file)
    struct file *f = read_text("one: &one {a: 1, b: 1}\n"
                               "two: &two {b: 2, c: 2}\n"
                               "all: {<<: [*one, *two], c: 3, d: 3}\n"
                               "word: {\"<<\": 1}\n");
    const struct yaml_node *all = yaml_get(root_of(f), "all");
    assert_int_equal(all->count, 4);
    assert_string_equal(yaml_get(all, "a")->text, "1");
    assert_string_equal(yaml_get(all, "b")->text, "1");
    assert_string_equal(yaml_get(all, "c")->text, "3");
    assert_string_equal(all->pairs[0].key->text, "c");
    assert_string_equal(all->pairs[2].key->text, "a");
    assert_string_equal(yaml_get(yaml_get(root_of(f), "word"), "<<")->text, "1");
}

static void a_duplicate_key_cites_both_places_and_reading_goes_on(void **state)
{
    (void)state;
    static const char text[] = "a: 1\nb: {x: 1, 'x': 2, x: 3}\na: 4\n";
    AUTO(file) struct file *f = read_text(text);
    assert_int_equal(f->diags.errors, 3);
    assert_int_equal(f->diags.items.length, 6);
    assert_int_equal(f->diags.items.items[0].place.offset, 15);
    assert_int_equal(f->diags.items.items[1].severity, DIAG_NOTE);
    assert_int_equal(f->diags.items.items[1].place.offset, 9);
    assert_string_equal(yaml_get(root_of(f), "a")->text, "1");
}

static void what_is_not_one_plain_tree_is_refused_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *covered, *part;
    } rows[] = {
        {"", "", "is empty"},
        {"# only a comment\n", "", "is empty"},
        {"a: 1\n--- \nb: 2\n", "---", "second document"},
        {"a: *b\n", "*b", "no anchor &b"},
        {"a: &a [*a]\n", "*a", "inside of what &a names"},
        {"a: &a {<<: *a}\n", "*a", "inside of what &a names"},
        {"[a]: 1\n", "[a]", "a key must be"},
        {"{a: 1}: 1\n", "{a: 1}", "a key must be"},
        {"<<: [1]\n", "1", "an alias of a map"},
        {"a: !!int 3\n", "!!int 3", "remove \"!!int\""},
        {"a: !x {}\n", "!x {", "remove \"!x\""},
        {"a: \"x\\0y\"\n", "\"x\\0y\"", "NUL"},
        {"a: \x07\n", "\x07", "U+0007"},
        {"a: \xc2\x9b\n", "\xc2", "U+009B"},
        {"a: \xef\xbb\xbf\n", "\xef", "U+FEFF"},
        {"a: \xff\n", "\xff", "not UTF-8"},
        {"a: \xed\xa0\x80\n", "\xed", "not UTF-8"},
        {"a: \xc0\xaf\n", "\xc0", "not UTF-8"},
        {"a: b: c\n", "", "\": \" needs quotes"},
        {"a: @b\n", "", "begins with @ needs quotes"},
        {"a: [1, 2\n", "", "expected ',' or ']'"},
        {"a: \"\\ud800\"\n", "", "invalid Unicode"},
        {"%TAG ! tag:x,2000:\n---\na: !y 1\n", "!y 1", "remove"},
        {"%YAML 3.0\n---\na: 1\n", "", "incompatible YAML document"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(file) struct file *f = read_text(rows[i].text);
        check_said(f, rows[i].covered, rows[i].part);
    }
    AUTO(file) struct file *nul = read_bytes("a: \0b\n", 6);
    assert_null(nul->doc);
    assert_int_equal(nul->diags.items.items[0].place.offset, 3);
}

static void a_long_scalar_is_shown_short_and_harmless(void **state)
{
    (void)state;
    assert_string_equal(YAML_SHOW("a\nb\033[31m\x7f"), "a b [31m ");
    assert_string_equal(YAML_SHOW("\xc2\x9b"
                                  "31m"),
        "  31m");
    AUTO_FREE char *wide = mem_printf("%059dä%010d", 0, 0); // cut in the middle of ä
    struct yaml_shown shown = yaml_shown(wide);
    assert_int_equal(strlen(shown.text), 59 + 3);
    assert_memory_equal(shown.text + 59, "...", 4);
    AUTO_FREE char *exact = mem_printf("%060d", 0);
    assert_string_equal(YAML_SHOW(exact), exact);
}

static void repeat(struct str *out, const char *text, size_t times)
{
    for (size_t i = 0; i < times; i++)
        str_puts(out, text);
}

static void as_much_as_the_bounds_allow_is_read(void **state)
{
    (void)state;
    AUTO(str) struct str text;
    str_init(&text, YAML_SOURCE_MAX);
    // Three levels of the bomb are fine, and so is nesting up to the bound.
    str_puts(&text, "a: &a [x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a]\nc: [*b, *b, *b]\nd: ");
    repeat(&text, "[", YAML_DEPTH_MAX - 1);
    repeat(&text, "]", YAML_DEPTH_MAX - 1);
    AUTO(file) struct file *f = read_text(text.data);
    assert_int_equal(yaml_get(root_of(f), "c")->nodes, 1 + 3 * (1 + 3 * 10));
    assert_int_equal(root_of(f)->height, YAML_DEPTH_MAX);
    str_clear(&text);
    str_puts(&text, "a: ");
    repeat(&text, "x", YAML_SOURCE_MAX - text.length);
    AUTO(file) struct file *long_scalar = read_text(text.data);
    assert_int_equal(yaml_get(root_of(long_scalar), "a")->length, YAML_SOURCE_MAX - 3);
    str_clear(&text);
    repeat(&text, "- x\n", YAML_NODES_MAX - 1);
    AUTO(file) struct file *long_list = read_text(text.data);
    assert_int_equal(root_of(long_list)->nodes, YAML_NODES_MAX);
}

static void documents_are_read_one_after_the_other(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t count;
        const char *last; // the text of the last root
    } rows[] = {
        {"", 0, NULL},
        {"# nothing\n", 0, NULL},
        {"a", 1, "a"},
        {"--- a\n", 1, "a"},
        {"---\n---\n", 2, ""},
        {"a\n---\nb\n...\n# c\n", 2, "b"},
        {"--- &x a\n--- &x b\n", 2, "b"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct diag_source source = {"f.yaml", rows[i].text, strlen(rows[i].text)};
        AUTO(diag) struct diag_list diags = {0};
        AUTO(yaml_doc) struct yaml_doc *doc = yaml_read_all(&source, &diags);
        assert_non_null(doc);
        assert_int_equal(yaml_count(doc), rows[i].count);
        if (rows[i].last)
            assert_string_equal(yaml_root_at(doc, rows[i].count - 1)->text, rows[i].last);
        assert_null(yaml_root_at(doc, rows[i].count));
    }
}

TEST_MAIN(cmocka_unit_test(documents_are_read_one_after_the_other),
    cmocka_unit_test(every_scalar_stays_the_string_that_was_written),
    cmocka_unit_test(nothing_a_quoted_nothing_and_a_word_are_told_apart),
    cmocka_unit_test(every_node_and_key_knows_its_bytes_behind_wide_characters_too),
    cmocka_unit_test(what_an_alias_names_is_there_again_with_the_place_of_the_alias),
    cmocka_unit_test(a_merge_keeps_what_the_map_has_and_takes_the_rest_first_come),
    cmocka_unit_test(a_duplicate_key_cites_both_places_and_reading_goes_on),
    cmocka_unit_test(what_is_not_one_plain_tree_is_refused_with_its_place),
    cmocka_unit_test(a_long_scalar_is_shown_short_and_harmless),
    cmocka_unit_test(as_much_as_the_bounds_allow_is_read))
