#include "support/check.h"

#include <string.h>

#include "pipeline/expr.h"
#include "pipeline/pattern.h"
#include "pipeline/scalar.h"

static int look_up(void *arg, const struct expr *e, struct str *out, struct error *err)
{
    (void)arg;
    if (e->kind == EXPR_GIT_TAG)
        return error_set(err, ERR_CONFIG, "this commit has no tag");
    if (e->kind == EXPR_ENV)
        str_printf(out, "<%s>", e->args.items[0]);
    else if (e->kind == EXPR_HASH_FILES)
        str_printf(out, "<%zu:%s>", e->args.length, e->args.items[e->args.length - 1]);
    else
        str_puts(out, e->kind == EXPR_GIT_BRANCH ? "${{ git.sha }}" : expr_variable(e));
    return 0;
}

static void expansion(void **state)
{
    (void)state;
    static const struct expr_lookup lookup = {look_up, NULL};
    static const struct {
        const char *text, *wanted; // wanted NULL: an error that holds why
        const char *why;
    } rows[] = {
        {"", "", NULL},
        {"plain $X ${X} {{x}} }}", "plain $X ${X} {{x}} }}", NULL},
        {"${{ git.sha }}", "CI_COMMIT_SHA", NULL},
        {"a:${{git.sha}}-${{  git.short_sha  }}b", "a:CI_COMMIT_SHA-CI_COMMIT_SHORT_SHAb", NULL},
        {"${{ env.A_1 }}", "<A_1>", NULL},
        {"${{ hashFiles('go.sum') }}", "<1:go.sum>", NULL},
        {"${{hashFiles( 'a b' , '**/x' )}}", "<2:**/x>", NULL},
        {"${{ git.branch }}", "${{ git.sha }}", NULL}, // what comes out is not expanded again
        {"${{ git.tag }}", NULL, "${{ git.tag }}: this commit has no tag"},
        {"${{ git.sha", NULL, "\"}}\" is missing"},
        {"${{}}", NULL, "empty"},
        {"${{ git }}", NULL, "unknown name \"git\""},
        {"${{ git.shaa }}", NULL, "did you mean git.sha?"},
        {"${{ github.sha }}", NULL, "unknown name"},
        {"${{ secrets.X }}", NULL, "known are git.sha"},
        {"${{ git.sha || git.tag }}", NULL, "no operators"},
        {"${{ git.sha }", NULL, "is missing"},
        {"${{ env. }}", NULL, "variable's name"},
        {"${{ env.a-b }}", NULL, "variable's name"},
        {"${{ hashFiles }}", NULL, "single quotes"},
        {"${{ hashFiles() }}", NULL, "single quotes"},
        {"${{ hashFiles('') }}", NULL, "single quotes"},
        {"${{ hashFiles('a',) }}", NULL, "single quotes"},
        {"${{ hashFiles(\"a\") }}", NULL, "single quotes"},
        {"${{ hashFiles('a') 'b' }}", NULL, "no operators"},
        {"${{ hashFiles('a }}", NULL, "single quotes"},
        {"${{ ${{ git.sha }} }}", NULL, "unknown name"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(str) struct str out;
        struct error err = {0};
        str_init(&out, 1000);
        int status = expr_expand(rows[i].text, &lookup, &out, &err);
        if (rows[i].wanted) {
            if (status < 0 || strcmp(out.data, rows[i].wanted) != 0)
                fail_msg("%s: \"%s\" %s", rows[i].text, out.data, err.message);
            continue;
        }
        if (status == 0)
            fail_msg("%s was taken: \"%s\"", rows[i].text, out.data);
        check_kind(&err, ERR_CONFIG, rows[i].why, rows[i].text);
    }
}

static void what_is_too_long_is_an_error_not_a_cut_reference(void **state)
{
    (void)state;
    static const struct expr_lookup lookup = {look_up, NULL};
    AUTO(str) struct str out;
    str_init(&out, 10);
    check_error(expr_expand("registry/x:${{ git.sha }}", &lookup, &out, &err), ERR_LIMIT, "10");
}

static void patterns(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *text;
        bool matches;
    } rows[] = {
        {"[a-z]+", "abc", true},
        {"[a-z]+", "abc1", false},
        {"a|b", "b", true},
        {"a|b", "ab", false}, // the whole text, whichever branch
        {"", "", true},
        {"[0-9a-f]{32}", "0123456789abcdef0123456789abcdef", true},
        {"[]{}()*]{2}", "{*", true},
        {"[[:digit:]]{1,3}(\\.[[:digit:]]{1,3}){3}", "10.0.0.1", true},
        {"[a-z]([-a-z0-9]{0,61}[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*", "a.b-c", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        regex_t compiled;
        char why[PATTERN_WHY_MAX];
        if (!pattern_compile(rows[i].pattern, true, &compiled, why))
            fail_msg("%s: %s", rows[i].pattern, why);
        regfree(&compiled);
        if (pattern_matches(rows[i].pattern, rows[i].text) != rows[i].matches)
            fail_msg("%s against %s", rows[i].pattern, rows[i].text);
    }
    static const char *const refused[] = {"(", "[a", "a)(b", "(a)\\1", "((a{99}){99}){99}",
        "(a{99})*{99}", "a{1001}", "((((((((((a{9}){9}){9}){9}){9}){9}){9}){9}){9}){9})",
        "[^]]{999}[[:alpha:]]{99}", "a{2}{2}{2}{2}{2}{2}{2}{2}{2}{2}", "(((a?){10}){10}){10}"};
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        regex_t compiled;
        char why[PATTERN_WHY_MAX] = "";
        if (pattern_compile(refused[i], true, &compiled, why))
            fail_msg("%s was taken", refused[i]);
        assert_true(strlen(why) > 0);
    }
    AUTO(str) struct str text;
    str_init(&text, 5000);
    str_pad(&text, 'a', PATTERN_MAX_TEXT);
    assert_true(pattern_matches("a*", text.data));
    str_putc(&text, 'a');
    assert_false(pattern_matches("a*", text.data));
}

static void scalars(void **state)
{
    (void)state;
    static const struct {
        enum scalar type;
        const char *text;
        int64_t wanted; // -1: refused
    } rows[] = {
        {SCALAR_INT, "30", 30},
        {SCALAR_INT, "-5", -5},
        {SCALAR_INT, "0", 0},
        {SCALAR_INT, "007", -1},
        {SCALAR_INT, "-01", -1},
        {SCALAR_INT, "0x1f", -1},
        {SCALAR_INT, "1e3", -1},
        {SCALAR_INT, "1_000", -1},
        {SCALAR_INT, " 1", -1},
        {SCALAR_INT, "", -1},
        {SCALAR_INT, "9223372036854775808", -1},
        {SCALAR_BOOL, "true", 1},
        {SCALAR_BOOL, "false", 0},
        {SCALAR_BOOL, "True", -1},
        {SCALAR_BOOL, "yes", -1},
        {SCALAR_BOOL, "1", -1},
        {SCALAR_PORT, "1", 1},
        {SCALAR_PORT, "65535", 65535},
        {SCALAR_PORT, "0", -1},
        {SCALAR_PORT, "65536", -1},
        {SCALAR_PORT, "080", -1},
        {SCALAR_DURATION, "1m30s", 90000},
        {SCALAR_DURATION, "30", -1},
        {SCALAR_SIZE, "2GiB", INT64_C(2) << 30},
        {SCALAR_SIZE, "2 GiB", -1},
        {SCALAR_CPU, "2", 200},
        {SCALAR_CPU, "0.5", 50},
        {SCALAR_CPU, "1.25", 125},
        {SCALAR_CPU, "0", -1},
        {SCALAR_CPU, "0.00", -1},
        {SCALAR_CPU, "1.", -1},
        {SCALAR_CPU, ".5", -1},
        {SCALAR_CPU, "1.255", -1},
        {SCALAR_CPU, "99999", -1},
        {SCALAR_URL, "https://example.org", 0},
        {SCALAR_URL, "postgres://u:p@db:5432/x?a=b", 0},
        {SCALAR_URL, "http://[::1]:80/", 0},
        {SCALAR_URL, "example.org", -1},
        {SCALAR_URL, "http:/x", -1},
        {SCALAR_URL, "http://", -1},
        {SCALAR_URL, "http:///x", -1},
        {SCALAR_URL, "http://u@/x", -1},
        {SCALAR_URL, "http://:80", -1},
        {SCALAR_URL, "http://a b", -1},
        {SCALAR_URL, "1http://x", -1},
        {SCALAR_URL, "://x", -1},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t n = -1;
        bool ok = scalar_read(rows[i].type, rows[i].text, &n);
        bool wanted = rows[i].wanted != -1;
        if (ok != wanted || (ok && n != rows[i].wanted))
            fail_msg("row %zu, \"%s\": %s %lld", i, rows[i].text, ok ? "taken as" : "refused",
                (long long)n);
    }
}

static void advice_says_what_to_write(void **state)
{
    (void)state;
    static const struct {
        enum scalar type;
        const char *text, *advice;
    } rows[] = {
        {SCALAR_INT, "30s", "\"30s\" is a duration: write 30"},
        {SCALAR_INT, "250ms", "\"250ms\" is not"},
        {SCALAR_INT, "0777", "\"0777\" has a leading zero: write 777"},
        {SCALAR_INT, "000", "\"000\" has a leading zero: write 0"},
        {SCALAR_INT, "+5", "\"+5\" is more than a number: write 5"},
        {SCALAR_INT, "3.5", "\"3.5\" is not"},
        {SCALAR_INT, "", "it is empty"},
        {SCALAR_PORT, ":8080", "\":8080\" is more than a number: write 8080"},
        {SCALAR_PORT, "8080/tcp", "\"8080/tcp\" is more than a number: write 8080"},
        {SCALAR_PORT, "70000", "\"70000\" is not"},
        {SCALAR_BOOL, "yes", "for \"yes\" write true"},
        {SCALAR_BOOL, "OFF", "for \"OFF\" write false"},
        {SCALAR_BOOL, "0", "for \"0\" write false"},
        {SCALAR_BOOL, "maybe", "\"maybe\" is not"},
        {SCALAR_DURATION, "30", "\"30\" has no unit: write 30s"},
        {SCALAR_DURATION, "1.5h", "for \"1.5h\" write 1h30m"},
        {SCALAR_DURATION, "10 minutes", "for \"10 minutes\" write 10m"},
        {SCALAR_DURATION, "10min", "for \"10min\" write 10m"},
        {SCALAR_DURATION, "soon", "\"soon\" is not"},
        {SCALAR_DURATION, "nan s", "\"nan s\" is not"},
        {SCALAR_DURATION, "infs", "\"infs\" is not"},
        {SCALAR_URL, "localhost:80", "\"localhost:80\" has no scheme: write http://localhost:80"},
        {SCALAR_URL, "http://", "\"http://\" is not"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char buffer[SCALAR_ADVICE_MAX];
        assert_string_equal(
            scalar_advice(rows[i].type, rows[i].text, buffer, NULL), rows[i].advice);
    }
}

TEST_MAIN(cmocka_unit_test(expansion),
    cmocka_unit_test(what_is_too_long_is_an_error_not_a_cut_reference), cmocka_unit_test(patterns),
    cmocka_unit_test(scalars), cmocka_unit_test(advice_says_what_to_write))
