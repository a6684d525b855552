// Pipeline files that somebody made to hurt: each is read in a child of its own, which must say
// that something is wrong, in little time and memory.
#include "support/check.h"

#include <dlfcn.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "codec/yaml.h"
#include "pipeline/model.h"

typedef void make_fn(struct str *out);

static void repeat(struct str *out, const char *text, size_t times)
{
    for (size_t i = 0; i < times; i++)
        str_puts(out, text);
}

static void nothing_bad(struct str *out)
{
    str_puts(out, "name: x\nstages: {a: {run: x}}\n");
}

static void alias_bomb(struct str *out)
{
    str_puts(out, "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for (int i = 1; i < 9; i++) {
        str_printf(out, "a%d: &a%d [", i, i);
        for (int j = 0; j < 9; j++)
            str_printf(out, "%s*a%d", j ? ", " : "", i - 1);
        str_puts(out, "]\n");
    }
}

static void merge_bomb(struct str *out)
{
    str_puts(out, "a0: &a0 {k: {x: y, z: w}}\n");
    for (int i = 1; i < 20; i++)
        str_printf(
            out, "a%d: &a%d {<<: *a%d, x%d: *a%d, y%d: *a%d}\n", i, i, i - 1, i, i - 1, i, i - 1);
}

static void text_bomb(struct str *out)
{
    str_puts(out, "a: &a \"");
    repeat(out, "0123456789abcdef", 32768);
    str_puts(out, "\"\nb: [");
    repeat(out, "*a, ", 10000);
    str_puts(out, "*a]\n");
}

static void deep_flow(struct str *out)
{
    repeat(out, "[", 10000);
    repeat(out, "]", 10000);
}

static void deep_flow_maps(struct str *out)
{
    repeat(out, "{a: ", 10000);
    repeat(out, "}", 10000);
}

static void deep_block(struct str *out)
{
    repeat(out, "- ", 10000);
    str_puts(out, "x\n");
}

static void deep_aliases(struct str *out)
{
    str_puts(out, "a0: &a0 [x]\n");
    for (int i = 1; i < 200; i++)
        str_printf(out, "a%d: &a%d [*a%d]\n", i, i, i - 1);
}

static void scalar_of_a_mebibyte(struct str *out)
{
    str_puts(out, "a: ");
    repeat(out, "0123456789abcde ", 65535);
}

static void quoted_scalar_of_a_mebibyte(struct str *out)
{
    str_puts(out, "a: \"");
    repeat(out, "\\x41\\u00e4\\n\\0", 70000);
    str_puts(out, "\"\n");
}

static void key_of_half_a_mebibyte(struct str *out)
{
    str_puts(out, "? ");
    repeat(out, "k", 500000);
    str_puts(out, "\n: 1\n? ");
    repeat(out, "k", 500000);
    str_puts(out, "\n: 2\n");
}

static void many_values(struct str *out)
{
    str_puts(out, "[");
    repeat(out, "a,", 500000);
    str_puts(out, "a]");
}

static void many_empty_keys(struct str *out)
{
    repeat(out, ":\n", 400000);
}

static void many_duplicates(struct str *out)
{
    repeat(out, "k: 1\n", 32000);
}

static void many_anchors(struct str *out)
{
    for (int i = 0; i < 50000; i++)
        str_printf(out, "- &a%d x\n", i);
}

static void aliases_of_many_anchors(struct str *out)
{
    for (int i = 0; i < 250; i++)
        str_printf(out, "- &anchor%d x\n", i);
    repeat(out, "- *anchor0\n", 60000);
}

static void open_quotes(struct str *out)
{
    repeat(out, "\"\n", 500000);
}

static void question_marks(struct str *out)
{
    repeat(out, "? ", 500000);
}

static void comments(struct str *out)
{
    repeat(out, "#\n", 520000);
}

static void more_than_a_mebibyte(struct str *out)
{
    repeat(out, "0123456789abcdef", 65537);
}

static void many_tags(struct str *out)
{
    repeat(out, "- !!x y\n", 30000);
}

static void unclosed_expressions(struct str *out)
{
    str_puts(out, "name: x\nstages: {a: {run: x, image: \"");
    repeat(out, "${{ env.A }}", 40000);
    repeat(out, "${{", 100000);
    str_puts(out, "\"}}\n");
}

static void unknown_keys(struct str *out)
{
    str_puts(out, "name: x\nstages: {a: {run: x}}\n");
    for (int i = 0; i < 30000; i++)
        str_printf(out, "stagess%d: 1\n", i);
}

static void unknown_needs(struct str *out)
{
    str_puts(out, "name: x\nstages:\n");
    for (int i = 0; i < 8000; i++)
        str_printf(out,
            " stage-with-a-name-of-some-length-%06d: {run: x, needs: [stage-wiht-a-nmae-%d]}\n", i,
            i);
}

static void everybody_needs_everybody(struct str *out)
{
    str_puts(out, "name: x\nstages:\n");
    for (int i = 0; i < 180; i++) {
        str_printf(out, " s%d: {run: x, needs: [", i);
        for (int j = 0; j < 180; j++)
            str_printf(out, "s%d,", j);
        str_puts(out, "]}\n");
    }
}

static void unknown_secrets(struct str *out)
{
    str_puts(out, "name: x\nenv:\n");
    for (int i = 0; i < 500; i++)
        str_printf(out, " SECRET_NUMBER_%d: {secret: true}\n", i);
    str_puts(out, "stages:\n");
    for (int i = 0; i < 450; i++) {
        str_printf(out, " s%d: {run: x, secrets: [", i);
        for (int j = 0; j < 100; j++)
            str_printf(out, "SECRTE_NR_%d,", j);
        str_puts(out, "]}\n");
    }
}

static void costly_patterns(struct str *out)
{
    str_puts(out, "name: x\nstages: {a: {run: x}}\nenv:\n");
    for (int i = 0; i < 400; i++)
        str_printf(out, " A%d: {pattern: \"(((a{250}){250}){250}){250}\", default: x}\n", i);
}

static void values_of_costly_patterns(struct str *out)
{
    str_puts(out, "name: x\nenv:\n A: {pattern: \"([ab]*a[ab]{900})*c\"}\nstages:\n");
    for (int i = 0; i < 500; i++) {
        str_printf(out, " s%d: {run: x, env: {A: ", i);
        repeat(out, "abababababababababab", 90);
        str_puts(out, "}}\n");
    }
}

static void optional_patterns(struct str *out)
{
    str_puts(out, "name: x\nstages: {a: {run: x}}\nenv:\n");
    for (int i = 0; i < 450; i++)
        str_printf(out, " A%d: {pattern: \"(((a?){8}){7}){7}\", default: aaaaaaaa}\n", i);
}

struct cost {
    long kib;       // at its peak
    double seconds; // of CPU
    bool refused;
};

// Reads what `make` makes in a child of its own.
static struct cost cost_of(make_fn *make)
{
    AUTO(str) struct str text;
    str_init(&text, YAML_SOURCE_MAX * 2);
    make(&text);
    assert_false(text.overflow);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct diag_source source = {"f.yaml", text.data, text.length};
        struct diag_list diags = {0};
        struct pipeline *p = pipeline_parse(&source, &diags);
        _exit(p ? 0 : diags.errors > 0 ? 1 : 2);
    }
    int status;
    struct rusage usage;
    assert_int_equal(wait4(child, &status, 0, &usage), child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
        fail_msg("the reader ended with status %#x", (unsigned)status);
    return (struct cost){
        .kib = usage.ru_maxrss,
        .seconds = (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6,
        .refused = WEXITSTATUS(status) == 1,
    };
}

static void hostile_texts_are_refused_in_little_time_and_memory(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        make_fn *make;
        long kib;
    } rows[] = {
#define ROW(name) {#name, name, 16 << 10}
        ROW(alias_bomb), ROW(merge_bomb), ROW(text_bomb), ROW(deep_flow), ROW(deep_flow_maps),
        ROW(deep_block), ROW(deep_aliases), ROW(scalar_of_a_mebibyte),
        ROW(quoted_scalar_of_a_mebibyte), ROW(key_of_half_a_mebibyte), ROW(many_values),
        ROW(many_empty_keys), ROW(many_duplicates), ROW(many_anchors), ROW(aliases_of_many_anchors),
        ROW(open_quotes), ROW(question_marks), ROW(comments), ROW(more_than_a_mebibyte),
        ROW(many_tags), ROW(unclosed_expressions), ROW(unknown_keys), ROW(costly_patterns),
        ROW(optional_patterns), ROW(values_of_costly_patterns),
    // These hold thousands of good stages, which are models by the time that the mistake is found.
#define LARGE(name) {#name, name, 64 << 10}
        LARGE(unknown_needs), LARGE(everybody_needs_everybody), LARGE(unknown_secrets)};
    // A sanitizer's shadow and quarantine are no measure of ours.
    bool sanitized = dlsym(RTLD_DEFAULT, "__asan_init") != NULL;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct cost least = cost_of(nothing_bad);
        struct cost cost = cost_of(rows[i].make);
        assert_false(least.refused);
        if (!cost.refused)
            fail_msg("%s was not refused", rows[i].name);
        if (!sanitized && cost.kib - least.kib > rows[i].kib)
            fail_msg("%s took %ld KiB", rows[i].name, cost.kib - least.kib);
        if (cost.seconds > 5)
            fail_msg("%s took %f s", rows[i].name, cost.seconds);
    }
}

TEST_MAIN(cmocka_unit_test(hostile_texts_are_refused_in_little_time_and_memory))
