#include "support/check.h"

#include <stdlib.h>
#include <string.h>

#include "image/graph.h"
#include "image/ignore.h"

// Parses the text and resolves its stages; what diags hold is printed.
static char *mistakes(const char *text, const char *target)
{
    const struct diag_source source = {.path = "D", .text = text, .length = strlen(text)};
    AUTO(diag) struct diag_list diags = {0};
    AUTO(dockerfile) struct dockerfile file = {0};
    AUTO(graph) struct graph graph = {0};
    const struct variables none = {0};
    dockerfile_parse(&source, &file, &diags);
    graph_make(&file, &none, target, &graph, &diags);
    AUTO(str) struct str out;
    str_init(&out, STR_TEXT_MAX);
    vec_each (d, &diags.items) {
        struct diag_position at = diag_position(d->source, d->place.offset);
        str_printf(&out, "%zu:%zu: %s%s\n", at.line, at.column,
            d->severity == DIAG_WARNING ? "warning: " : "", d->message);
    }
    return str_take(&out);
}

static void every_mistake_is_told_at_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"", "1:1: there is no FROM: nothing to build\n"},
        {"FROM scratch\n", ""},
        {"# syntax=docker/dockerfile:1\n# escape=`\nFROM scratch\n", ""},
        {"# escape=x\nFROM scratch\n", "1:10: escape must be \\ or `\n"},
        {"RUN x\nFROM scratch\n",
            "1:1: the first instruction must be FROM (only ARG may come before)\n"},
        {"FROM scratch\nRUM x\n", "2:1: unknown instruction \"RUM\"; did you mean RUN?\n"},
        {"FROM scratch\nADD a b\n", "2:1: ADD is not supported yet\n"},
        {"FROM scratch\nHEALTHCHECK NONE\n", "2:1: HEALTHCHECK is not supported yet\n"},
        {"FROM scratch\nVOLUME /x\nONBUILD RUN x\n",
            "2:1: VOLUME is not supported yet\n3:1: ONBUILD is not supported yet\n"},
        {"FROM scratch\nCOPY --link a b\n", "2:6: COPY --link is not supported yet\n"},
        {"FROM scratch\nCOPY a \\\n  # a comment\n\n  --oops\n", ""},
        {"FROM scratch\nCOPY \\\n --nope=1 a b\n", "3:2: COPY has no flag --nope\n"},
        {"FROM scratch\nCOPY --chown a b\n", "2:6: --chown needs a value: --chown=…\n"},
        {"FROM scratch\nCOPY a\n", "2:1: COPY needs sources and a destination\n"},
        {"FROM scratch\nRUN cat <<EOF\nFROM scratch\n",
            "2:9: here-documents are not supported yet\n"},
        {"FROM scratch\nRUN echo $((1<<2)) && a<<<b\n", ""},
        {"FROM scratch\nSHELL /bin/sh\n", "2:7: SHELL takes a JSON list, [\"/bin/sh\", \"-c\"]\n"},
        {"FROM scratch\nCMD ['a', 'b']\n", "2:5: warning: this is not JSON (which wants double "
                                           "quotes), so it runs in a shell\n"},
        {"FROM scratch\nRUN [ -f x ]\n", ""},
        {"FROM scratch AS a\nFROM scratch AS A\n", "2:17: there is a stage \"A\" already\n"},
        {"FROM scratch AS\n", "1:14: FROM is written: FROM image [AS name]\n"},
        {"FROM scratch AS 1a\n", "1:17: \"1a\" is not a name for a stage\n"},
        {"FROM --platform=windows/amd64 scratch\n",
            "1:6: platform \"windows/amd64\": images for another platform than this machine's "
            "(linux/amd64) are not supported yet\n"},
        {"FROM --platform=$TARGETPLATFORM scratch\n", ""},
        {"ARG V\nFROM $V\n", "2:6: \"$V\" is empty: no image to build on\n"},
        {"FROM ${V\n", "1:6: \"${\" without \"}\"\n"},
        {"FROM a\nCOPY --from=b /x /x\nFROM scratch AS b\n",
            "2:6: there is no stage \"b\" before this one\n"},
        {"FROM scratch\nCOPY --from=0 /x /x\n", "2:6: there is no stage \"0\" before this one\n"},
        {"FROM scratch\nCOPY --from=$X /x /x\n",
            "2:6: variables are not expanded in --from: name a stage, FROM $X AS name\n"},
        {"FROM scratch\nENV a\n", "2:5: \"a\" has no value\n"},
        {"FROM scratch\nENV a=b c\n", "2:9: \"c\" has no \"=\"\n"},
        {"FROM scratch\nUSER a b\n", "2:6: USER takes one argument\n"},
        {"FROM scratch\nMAINTAINER me\n",
            "2:1: MAINTAINER is gone: use LABEL org.opencontainers.image.authors=…\n"},
        {"FROM scratch\n\xff\n", "1:1: not UTF-8 text\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_FREE char *got = mistakes(rows[i].text, NULL);
        const char *want = rows[i].want;
        if (strncmp(got, want, strlen(want)) != 0 || (!*want && *got))
            fail_msg("%s\ngave: %s\nwanted: %s", rows[i].text, got, want);
    }
    AUTO_FREE char *target = mistakes("FROM scratch AS a\n", "b");
    assert_string_equal(target, "1:1: there is no stage \"b\" to build\n");
}

static void lines_are_joined_and_comments_left_out(void **state)
{
    (void)state;
    static const char text[] =
        "\xef\xbb\xbf# a comment\n\n  from scratch\r\n"
        "RUN a \\\n  # left out\n\n   b \\  \n c\n"
        "ENV x=\"1 2\" y='3' z=4\\ 5\nENV old a  b\n"
        "COPY [\"a b\", \"/c\"]\nRUN --mount=type=cache,target=/x make\nCMD [\"a\"]";
    const struct diag_source source = {.path = "D", .text = text, .length = strlen(text)};
    AUTO(diag) struct diag_list diags = {0};
    AUTO(dockerfile) struct dockerfile file = {0};
    dockerfile_parse(&source, &file, &diags);
    assert_int_equal(diags.items.length, 0);
    AUTO(str) struct str out;
    str_init(&out, STR_TEXT_MAX);
    vec_each (in, &file.instructions) {
        str_printf(&out, "%d%s", in->keyword, in->exec ? "*" : "");
        vec_each (flag, &in->flags)
            str_printf(&out, " --%s=%s", flag->name, flag->value.text);
        vec_each (word, &in->words)
            str_printf(&out, " <%s>", word->text);
        str_putc(&out, '\n');
    }
    assert_string_equal(out.data,
        "6 <scratch>\n8 <a    b  c>\n4 <x> <\"1 2\"> <y> <'3'> <z> <4\\ 5>\n"
        "4 <old> <a  b>\n2* <a b> </c>\n"
        "8 --mount=type=cache,target=/x <make>\n1* <a>\n");
}

static void variables_in_words(void **state)
{
    (void)state;
    static const struct {
        const char *word, *want; // NULL: a mistake
    } rows[] = {
        {"$x", "abcabc"},
        {"${x}", "abcabc"},
        {"a$x.b", "aabcabc.b"},
        {"$none", ""},
        {"${none:-w}", "w"},
        {"${none-w}", "w"},
        {"${empty:-w}", "w"},
        {"${empty-w}", ""},
        {"${x:-w}", "abcabc"},
        {"${x:+w}", "w"},
        {"${none:+w}", ""},
        {"${empty:+w}", ""},
        {"${empty+w}", "w"},
        {"${x:?missing}", "abcabc"},
        {"${none:?missing}", NULL},
        {"${none:?}", NULL},
        {"${none:-$x}", "abcabc"},
        {"${none:-${none:-deep}}", "deep"},
        {"${x#a*c}", "abc"},
        {"${x##a*c}", ""},
        {"${x%b*}", "abca"},
        {"${x%%b*}", "a"},
        {"${x%zz}", "abcabc"},
        {"${x/b/-}", "a-cabc"},
        {"${x//b/-}", "a-ca-c"},
        {"${x//[/-}", "abcabc"},
        {"${x/b}", "acabc"},
        {"${x//?c/}", "aa"},
        {"'$x'", "$x"},
        {"\"$x y\"", "abcabc y"},
        {"\\$x", "$x"},
        {"\"\\$x \\n\"", "$x \\n"},
        {"a\\ b", "a b"},
        {"$", "$"},
        {"$-", "$-"},
        {"${x", NULL},
        {"${}", NULL},
        {"${x:z}", NULL},
        {"'open", NULL},
        {"\"open", NULL},
        {"$1a", "a"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_FREE char *text = mem_printf("FROM scratch\nWORKDIR %s", rows[i].word);
        const struct diag_source source = {.path = "D", .text = text, .length = strlen(text)};
        AUTO(diag) struct diag_list diags = {0};
        AUTO(dockerfile) struct dockerfile file = {0};
        AUTO(variables) struct variables variables = {0};
        variables_set(&variables, "x", "abcabc");
        variables_set(&variables, "empty", "");
        dockerfile_parse(&source, &file, &diags);
        AUTO_FREE char *got =
            expand_word(&file.instructions.items[1].words.items[0], &file, &variables, &diags);
        if (!text_equal(got, rows[i].want))
            fail_msg("%s gave %s", rows[i].word, got ? got : "a mistake");
        assert_int_equal(diags.errors, rows[i].want ? 0 : 1);
    }
}

static void a_deeply_nested_word_is_refused(void **state)
{
    (void)state;
    AUTO(str) struct str text;
    str_init(&text, STR_TEXT_MAX);
    str_puts(&text, "FROM ");
    for (int i = 0; i < 5000; i++)
        str_puts(&text, "${a:-");
    AUTO_FREE char *got = mistakes(text.data, NULL);
    assert_non_null(strstr(got, "nested too deeply"));
}

static void only_what_the_target_needs_is_needed(void **state)
{
    (void)state;
    static const char text[] = "ARG BASE=one\nFROM scratch AS one\nFROM scratch AS two\n"
                               "FROM ${BASE} AS three\nCOPY --from=0 /a /a\n"
                               "FROM scratch AS four\nCOPY --from=two /a /a\nFROM three\n";
    static const struct {
        const char *target, *base, *needed;
    } rows[] = {
        {NULL, NULL, "10101"},
        {NULL, "two", "11101"},
        {"four", NULL, "01010"},
        {"FOUR", NULL, "01010"},
        {"1", NULL, "01000"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct diag_source source = {.path = "D", .text = text, .length = strlen(text)};
        AUTO(diag) struct diag_list diags = {0};
        AUTO(dockerfile) struct dockerfile file = {0};
        AUTO(graph) struct graph graph = {0};
        AUTO(variables) struct variables args = {0};
        if (rows[i].base)
            variables_set(&args, "BASE", rows[i].base);
        dockerfile_parse(&source, &file, &diags);
        graph_make(&file, &args, rows[i].target, &graph, &diags);
        assert_int_equal(diags.items.length, 0);
        char needed[8] = {0};
        for (size_t k = 0; k < graph.stages.length; k++)
            needed[k] = graph.stages.items[k].needed ? '1' : '0';
        assert_string_equal(needed, rows[i].needed);
    }
}

// The verdict on `path`, asking for every directory above it first, as the context does.
static bool ignored(const struct ignore *ignore, const char *path)
{
    bool parent[20] = {false}, matched[20];
    bool verdict = false;
    for (const char *slash = path; slash;) {
        slash = strchr(slash + (slash != path), '/');
        AUTO_FREE char *prefix =
            slash ? mem_strndup(path, (size_t)(slash - path)) : mem_strdup(path);
        verdict = ignore_match(ignore, prefix, parent, matched);
        memcpy(parent, matched, sizeof parent);
    }
    return verdict;
}

static void ignore_files(void **state)
{
    (void)state;
    static const struct {
        const char *patterns, *path;
        bool ignored;
    } rows[] = {
        {"node_modules", "node_modules", true},
        {"node_modules", "node_modules/a/b", true},
        {"node_modules", "sub/node_modules", false},
        {"**/node_modules", "node_modules", true},
        {"**/node_modules", "a/b/node_modules/c", true},
        {"/a", "a", true},
        {" a/ ", "a", true},
        {"./a/../b", "b", true},
        {"#a", "#a", false},
        {" #a", "#a", true},
        {"*.log", "x.log", true},
        {"*.log", "d/x.log", false},
        {"*/*.log", "d/x.log", true},
        {"*/*.log", "a/d/x.log", false},
        {"**/*.log", "a/d/x.log", true},
        {"a?c", "abc", true},
        {"a?c", "a/c", false},
        {"[a-c]x", "bx", true},
        {"[^a-c]x", "bx", false},
        {"\\*", "*", true},
        {"\\*", "a", false},
        {"*\n!keep", "keep", false},
        {"*\n!keep", "keep/x", false},
        {"*\n!keep\nkeep/x", "keep/x", true},
        {"*\n!**/x", "a/b/x", false},
        {"*\n!**/x", "a/b/y", true},
        {"a\n!a/b", "a/b/c", false},
        {"a\n!a/b", "a/c", true},
        {"!a\na", "a", true},
        {"docs/**", "docs", false},
        {"docs/**", "docs/a/b", true},
        {"**", "a/b", true},
        {"a/**/b", "a/b", true},
        {"a/**/b", "a/x/y/b", true},
        {"a/**/b", "ab", false},
        {"**/*a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
        {"*\n!.git*\n.git", ".git/x", true},
        {"\xef\xbb\xbf"
         "a",
            "a", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct diag_source source = {
            .path = "I", .text = rows[i].patterns, .length = strlen(rows[i].patterns)};
        AUTO(diag) struct diag_list diags = {0};
        AUTO(ignore) struct ignore ignore = {0};
        ignore_parse(&source, &ignore, &diags);
        if (ignored(&ignore, rows[i].path) != rows[i].ignored)
            fail_msg("%s against %s", rows[i].path, rows[i].patterns);
        assert_int_equal(diags.items.length, 0);
    }
}

TEST_MAIN(cmocka_unit_test(every_mistake_is_told_at_its_place),
    cmocka_unit_test(lines_are_joined_and_comments_left_out), cmocka_unit_test(variables_in_words),
    cmocka_unit_test(a_deeply_nested_word_is_refused),
    cmocka_unit_test(only_what_the_target_needs_is_needed), cmocka_unit_test(ignore_files))
