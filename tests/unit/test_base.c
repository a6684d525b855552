#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"
#include "base/memory.h"
#include "base/str.h"
#include "base/text.h"
#include "base/vec.h"

static void an_error_keeps_its_kind_when_context_is_added(void **state)
{
    (void)state;
    struct error err;
    assert_int_equal(error_set(&err, ERR_NOT_FOUND, "no %s", "file"), -1);
    error_wrap(&err, "reading %s", "x");
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_string_equal(err.message, "reading x: no file");
}

static void a_message_that_is_cut_says_so(void **state)
{
    (void)state;
    struct error err;
    char big[2000];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    error_set(&err, ERR_CONFIG, "%s", big);
    assert_int_equal(strlen(err.message), ERROR_MESSAGE_MAX - 1);
    assert_true(text_ends(err.message, "..."));
}

static void a_string_stops_at_its_maximum_and_remembers(void **state)
{
    (void)state;
    AUTO(str) struct str s;
    str_init(&s, 5);
    str_puts(&s, "abc");
    str_puts(&s, "def");
    str_puts(&s, "g");
    assert_string_equal(s.data, "abc");
    check_error(str_check(&s, "thing", &err), ERR_LIMIT, "thing is larger than 5 bytes");
    str_clear(&s);
    str_printf(&s, "%d", 12345);
    assert_string_equal(s.data, "12345");
    assert_false(s.overflow);
    str_drop(&s, 2);
    assert_string_equal(s.data, "345");
}

static void globs(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *text;
        bool match;
    } rows[] = {
        {"main", "main", true},
        {"main", "main2", false},
        {"rel*", "release", true},
        {"rel*", "rel/1", false},
        {"rel/**", "rel/1/2", true},
        {"rel/**", "rel", false},
        {"**/x", "x", true},
        {"**/x", "a/b/x", true},
        {"a/**/b", "a/b", true},
        {"a/**/b", "a/x/y/b", true},
        {"a/**/b", "ab", false},
        {"**", "a/b", true},
        {"?", "/", false},
        {"[a-c]x", "bx", true},
        {"[!a-c]x", "bx", false},
        {"[]]", "]", true},
        {"[a", "a", false},
        {"\\*", "*", true},
        {"\\*", "a", false},
        {"v*.*", "v1.2", true},
        {"", "", true},
        {"*", "", true},
        {"*a*b*c", "xxaxxbxxc", true},
        {"a**b", "axxb", true},
        {"a**b", "a/b", false},
        {"[/]", "/", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (glob_match(rows[i].pattern, rows[i].text) != rows[i].match)
            fail_msg("%s against %s", rows[i].pattern, rows[i].text);
    // Exponential for a naive matcher.
    assert_false(
        glob_match("*a*a*a*a*a*a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
}

static void suggestions(void **state)
{
    (void)state;
    static const char *const keys[] = {"needs", "network", "run", "timeout", "image", NULL};
    assert_string_equal(suggest("neds", keys), "needs");
    assert_string_equal(suggest("tiemout", keys), "timeout");
    assert_string_equal(suggest("Image", keys), "image");
    assert_null(suggest("kubernetes", keys));
    assert_null(suggest("", keys));
}

static void durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {{"90s", 90000}, {"1m30s", 90000}, {"250ms", 250}, {"2h", 7200000}, {"0s", 0},
        {"1d", 86400000}, {"1s1ms", 1001}};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        int64_t ms = -1;
        assert_true(duration_parse(good[i].text, &ms));
        assert_int_equal(ms, good[i].ms);
    }
    static const char *const bad[] = {"", "s", "10", "1.5s", "10S", "1s1m", "1s1s", "-1s", "1 s",
        "5000d", "99999999999999999999s", "1sm"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        int64_t ms = -1;
        if (duration_parse(bad[i], &ms))
            fail_msg("%s was taken", bad[i]);
        assert_int_equal(ms, -1);
    }
    char text[DURATION_TEXT_MAX];
    assert_string_equal(duration_print(90000, text), "1m30s");
    assert_string_equal(duration_print(0, text), "0s");
    assert_string_equal(duration_print(86400001, text), "1d1ms");
}

static void numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double number;
    } good[] = {{"0", 0}, {"-0.5", -0.5}, {"1e3", 1000}, {"1E-2", 0.01}, {"007", 7}, {".5", 0.5}};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        double number = -1;
        assert_true(number_read(good[i].text, &number));
        if (number < good[i].number || number > good[i].number)
            fail_msg("%s was read as %f", good[i].text, number);
    }
    static const char *const bad[] = {
        "", "-", "e", "1 ", " 1", "1%", "0x1", "inf", "nan", "1e999", "1,5", "1.2.3", "--1"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        double number;
        if (number_read(bad[i], &number))
            fail_msg("%s was taken", bad[i]);
    }
}

static void utf8(void **state)
{
    (void)state;
    assert_int_equal(utf8_valid_prefix("a\xc3\xa4", 3), 3);
    char text[] = "\x1b[31m \xc3\xa4\xe2\x86\x92\xf0\x9f\x9a\xa2 \xc2\x9b\xc2\xa0 \xff\xe2\x86";
    text_make_printable(text);
    assert_string_equal(text, "?[31m \xc3\xa4\xe2\x86\x92\xf0\x9f\x9a\xa2 ??\xc2\xa0 ???");
    assert_int_equal(utf8_valid_prefix("a\xc0\x80", 3), 1);        // overlong
    assert_int_equal(utf8_valid_prefix("\xed\xa0\x80", 3), 0);     // surrogate
    assert_int_equal(utf8_valid_prefix("\xf4\x90\x80\x80", 4), 0); // above U+10FFFF
    assert_int_equal(utf8_valid_prefix("ab\xe2\x82", 4), 2);       // cut
}

static void diagnostics_print_line_and_caret_in_order(void **state)
{
    (void)state;
    static const char text[] = "name: x\nneds: [a]\nlast";
    struct diag_source source = {.path = "p.yaml", .text = text, .length = sizeof text - 1};
    AUTO(diag) struct diag_list list = {0};
    diag_error(&list, &source, ((struct diag_place){18, 4}), "second");
    diag_error(&list, &source, ((struct diag_place){8, 4}), "first");
    diag_add(&list, DIAG_NOTE, &source, (struct diag_place){0, 4}, "see here");
    diag_sort(&list);
    AUTO(str) struct str out;
    str_init(&out, STR_TEXT_MAX);
    diag_print(&list, false, &out);
    assert_string_equal(out.data, "p.yaml:2:1: error: first\n    2 | neds: [a]\n      | ^~~~\n"
                                  "p.yaml:1:1: note: see here\n    1 | name: x\n      | ^~~~\n"
                                  "p.yaml:3:1: error: second\n    3 | last\n      | ^~~~\n");
}

TEST_MAIN(cmocka_unit_test(an_error_keeps_its_kind_when_context_is_added),
    cmocka_unit_test(a_message_that_is_cut_says_so),
    cmocka_unit_test(a_string_stops_at_its_maximum_and_remembers), cmocka_unit_test(globs),
    cmocka_unit_test(suggestions), cmocka_unit_test(durations), cmocka_unit_test(numbers),
    cmocka_unit_test(utf8), cmocka_unit_test(diagnostics_print_line_and_caret_in_order))
