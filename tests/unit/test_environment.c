#include "support/check.h"

#include <stdlib.h>
#include <string.h>

#include "pipeline/environment.h"

// ---- .env

static void check_dotenv(const char *text, const char *wanted, const char *said)
{
    struct diag_source source = {".env", text, strlen(text)};
    AUTO(diag) struct diag_list diags = {0};
    AUTO(dotenv) struct dotenv d;
    AUTO(str) struct str got;
    str_init(&got, STR_TEXT_MAX);
    dotenv_parse(&source, &d, &diags);
    vec_each (entry, &d.entries) {
        str_printf(&got, "%s=[%s]", entry->name, entry->value);
        assert_memory_equal(text + entry->name_place.offset, entry->name, entry->name_place.length);
        assert_int_equal(entry->name_place.length, strlen(entry->name));
        assert_true(entry->value_place.offset + entry->value_place.length <= source.length);
    }
    if (strcmp(got.data, wanted) != 0)
        fail_msg("%s: wanted %s, got %s", text, wanted, got.data);
    if ((diags.errors > 0) != (said != NULL) ||
        (said && !strstr(diags.items.items[0].message, said)))
        fail_msg("%s: wanted to hear \"%s\", heard \"%s\"", text, said ? said : "nothing",
            diags.errors ? diags.items.items[0].message : "nothing");
}

static void dotenv_lines(void **state)
{
    (void)state;
    static const struct {
        const char *text, *wanted, *said;
    } rows[] = {
        {"", "", NULL},
        {"\n\n# comment\n  # another\n", "", NULL},
        {"A=1", "A=[1]", NULL},
        {"A=1\nB=2\r\nC=3", "A=[1]B=[2]C=[3]", NULL},
        {"A=", "A=[]", NULL},
        {"  export A = x y  \n", "A=[x y]", NULL},
        {"export=1\n", "export=[1]", NULL},
        {"A=x # comment\n", "A=[x]", NULL},
        {"A=x#y\n", "A=[x#y]", NULL},
        {"A=# comment\n", "A=[]", NULL},
        {"A=http://h/?a=b&c#d\n", "A=[http://h/?a=b&c#d]", NULL},
        {"A='x # \\n \"y\"' # z\n", "A=[x # \\n \"y\"]", NULL},
        {"A=\"x\\n\\t\\\"\\\\\\$Y `z`\"\n", "A=[x\n\t\"\\$Y `z`]", NULL},
        {"A=\"\\q\"\n", "A=[\\q]", NULL},
        {"A=\"one\ntwo\"\nB=3", "A=[one\ntwo]B=[3]", NULL},
        {"A=$B ${C} $(id) `id`\n", "A=[$B ${C} $(id) `id`]", NULL},
        {"A=it's\n", "A=[it's]", NULL},
        {"A=\"\"\nB=''\n", "A=[]B=[]", NULL},
        {"word\nB=2\n", "B=[2]", "\"=\" is missing"},
        {"1A=x\nB=2\n", "B=[2]", "cannot be a variable's name"},
        {"=x\nB=2\n", "B=[2]", "cannot be a variable's name"},
        {"A-B=x\n", "", "cannot be a variable's name"},
        {"A=\"x\nB=2\n", "B=[2]", "is not closed"},
        {"A='x' y\nB=2\n", "B=[2]", "nothing may follow"},
        {"A=1\nB=2\nA=3\n", "A=[1]B=[2]", "A is given twice"},
        {"A=\xff\n", "", "not UTF-8"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check_dotenv(rows[i].text, rows[i].wanted, rows[i].said);
    struct diag_source nul = {".env", "A=\0b", 4};
    AUTO(diag) struct diag_list diags = {0};
    AUTO(dotenv) struct dotenv d;
    dotenv_parse(&nul, &d, &diags);
    assert_int_equal(diags.errors, 1);
    dotenv_parse(NULL, &d, &diags);
    assert_int_equal(d.entries.length, 0);
}

static void a_dotenv_of_any_size_is_bounded(void **state)
{
    (void)state;
    AUTO(str) struct str text;
    str_init(&text, DOTENV_MAX * 2);
    for (int i = 0; i < 20000; i++)
        str_printf(&text, "A%d=\n", i);
    struct diag_source source = {".env", text.data, text.length};
    AUTO(diag) struct diag_list diags = {0};
    AUTO(dotenv) struct dotenv many;
    dotenv_parse(&source, &many, &diags);
    assert_int_equal(diags.errors, 1);
    assert_int_equal(many.entries.length, 2000);
    str_pad(&text, '#', DOTENV_MAX);
    source = (struct diag_source){".env", text.data, text.length};
    AUTO(dotenv) struct dotenv large;
    dotenv_parse(&source, &large, &diags);
    assert_int_equal(diags.errors, 2);
    assert_int_equal(large.entries.length, 0);
}

// ---- resolving

struct world {
    struct diag_source file, dotenv_file;
    struct diag_list diags;
    struct pipeline *p;
    struct dotenv dotenv;
};

static void world_done(struct world *w)
{
    pipeline_free(w->p);
    dotenv_done(&w->dotenv);
    diag_done(&w->diags);
}
DEFINE_AUTO(world, struct world, world_done)

static void world_init(struct world *w, const char *file, const char *dotenv)
{
    *w = (struct world){
        .file = {".davit.yaml", file, strlen(file)},
        .dotenv_file = {".env", dotenv, strlen(dotenv)},
    };
    w->p = pipeline_parse(&w->file, &w->diags);
    if (!w->p)
        fail_msg("not read: %s", w->diags.items.items[0].message);
    dotenv_parse(&w->dotenv_file, &w->dotenv, &w->diags);
    assert_int_equal(w->diags.errors, 0);
}

static int resolve(
    struct world *w, const char *stage, const struct env_sources *sources, struct env_values *ret)
{
    return environment_resolve(w->p, pipeline_stage(w->p, stage), sources, ret, &w->diags);
}

static void check_value(const struct env_values *v, const char *name, const char *wanted,
    enum env_origin origin, bool secret)
{
    vec_each (item, &v->items) {
        if (strcmp(item->name, name) != 0)
            continue;
        assert_string_equal(item->value, wanted);
        if (item->origin != origin)
            fail_msg("%s is of %s, not of %s", name, env_origin_name(item->origin),
                env_origin_name(origin));
        assert_int_equal(item->secret, secret);
        return;
    }
    fail_msg("%s has no value", name);
}

static void the_stronger_source_wins_and_only_declared_names_come_from_outside(void **state)
{
    (void)state;
    AUTO(world) struct world w;
    world_init(&w,
        "name: x\n"
        "env:\n"
        "  FIXED: pipeline\n"
        "  OVER: pipeline\n"
        "  DEF: {default: of-schema}\n"
        "  ENVI: {default: of-schema}\n"
        "  FILE: {default: of-schema}\n"
        "  CALL: {default: of-schema}\n"
        "  SECR: {secret: true}\n"
        "  UNSET: {type: int}\n"
        "environments: {prod: {env: {ENVI: environment, OVER: environment, FILE: environment}}}\n"
        "stages:\n"
        "  run: {run: x, env: {OVER: stage, OWN: stage, CALL: stage}}\n"
        "  app: {deploy: {app: a, image: r:1, environment: prod, secrets: [SECR]},\n"
        "    env: {CALL: stage}}\n",
        "FILE=dotenv\nCALL=dotenv\nFIXED=dotenv\nOTHER=dotenv\nSECR=dotenv\n");
    char *caller[] = {(char[]){"CALL=caller"}, (char[]){"FIXED=caller"}, (char[]){"PATH=/x"},
        (char[]){"SECRET=no"}, NULL};
    AUTO(strv) struct strv names = {0};
    AUTO(strv) struct strv values = {0};
    strv_push(&names, "SECR");
    strv_push(&values, "file");
    const struct env_sources sources = {
        .dotenv = &w.dotenv, .caller = caller, .secret_names = &names, .secret_values = &values};
    AUTO(env_values) struct env_values run;
    AUTO(env_values) struct env_values app;
    assert_int_equal(resolve(&w, "run", &sources, &run), 0);
    assert_int_equal(resolve(&w, "app", &sources, &app), 0);
    check_value(&run, "FIXED", "pipeline", ENV_PIPELINE, false);
    check_value(&run, "OVER", "stage", ENV_STAGE, false);
    check_value(&run, "OWN", "stage", ENV_STAGE, false);
    check_value(&run, "DEF", "of-schema", ENV_DEFAULT, false);
    check_value(&run, "ENVI", "of-schema", ENV_DEFAULT, false);
    check_value(&run, "FILE", "dotenv", ENV_DOTENV, false);
    check_value(&run, "CALL", "caller", ENV_CALLER, false);
    assert_null(env_values_get(&run, "SECR"));
    assert_null(env_values_get(&run, "UNSET"));
    assert_null(env_values_get(&run, "OTHER"));
    assert_null(env_values_get(&run, "PATH"));
    assert_int_equal(run.items.length, 7);
    check_value(&app, "OVER", "environment", ENV_ENVIRONMENT, false);
    check_value(&app, "ENVI", "environment", ENV_ENVIRONMENT, false);
    check_value(&app, "SECR", "file", ENV_SECRET_FILE, true);
    assert_null(env_values_get(&app, "OWN"));
}

static void every_problem_of_all_stages_is_said_once_with_its_place(void **state)
{
    (void)state;
    AUTO(world) struct world w;
    world_init(&w,
        "name: x\n"
        "env:\n"
        "  API_TIMEOUT: {type: int, default: 5}\n"
        "  DEBUG: {type: bool}\n"
        "  PORT: {type: port}\n"
        "  MODE: {enum: [debug, release]}\n"
        "  WAIT: {type: duration, required: true}\n"
        "  SITE: {type: url}\n"
        "  CODE: {pattern: \"[A-Z]{3}\"}\n"
        "  NAME: {required: true}\n"
        "  KEY: {secret: true, required: true, pattern: \"[0-9a-f]{8}\"}\n"
        "  TOKEN: {secret: true, type: int}\n"
        "  UNUSED: {secret: true, required: true}\n"
        "stages:\n"
        "  a: {run: x, secrets: [KEY]}\n"
        "  b: {run: x, secrets: [KEY, TOKEN]}\n",
        "# settings\n"
        "PORT=8080 # fine\n"
        "API_TIMEOUT=30s\n"
        "DEBUG=yes\n"
        "MODE=relase\n"
        "WAIT='30'\n"
        "KEY=hunter2-is-secret\n");
    char *caller[] = {
        (char[]){"SITE=localhost:80"}, (char[]){"CODE=abc"}, (char[]){"TOKEN=swordfish"}, NULL};
    const struct env_sources sources = {.dotenv = &w.dotenv, .caller = caller};
    AUTO(env_values) struct env_values values;
    assert_int_equal(resolve(&w, "a", &sources, &values), -1);
    assert_int_equal(values.items.length, 0);
    size_t first = w.diags.errors;
    assert_int_equal(resolve(&w, "b", &sources, &values), -1);
    assert_int_equal(w.diags.errors, first + 1); // only TOKEN is new
    diag_sort(&w.diags);
    AUTO(str) struct str out;
    str_init(&out, STR_TEXT_MAX);
    diag_print(&w.diags, false, &out);
    assert_string_equal(out.data,
        ".davit.yaml:8:3: error: SITE (from the caller's environment) must be a url such as "
        "https://host/path; \"localhost:80\" has no scheme: write http://localhost:80\n"
        "    8 |   SITE: {type: url}\n"
        "      |   ^~~~\n"
        ".davit.yaml:9:3: error: CODE (from the caller's environment) must match the pattern "
        "[A-Z]{3}; \"abc\" does not\n"
        "    9 |   CODE: {pattern: \"[A-Z]{3}\"}\n"
        "      |   ^~~~\n"
        ".davit.yaml:10:3: error: NAME is required and has no value: set it in .env or in the "
        "environment that davit is called with\n"
        "   10 |   NAME: {required: true}\n"
        "      |   ^~~~\n"
        ".davit.yaml:11:3: error: KEY (from .env:7) must match the pattern [0-9a-f]{8}\n"
        "   11 |   KEY: {secret: true, required: true, pattern: \"[0-9a-f]{8}\"}\n"
        "      |   ^~~\n"
        ".davit.yaml:12:3: error: TOKEN (from the caller's environment) must be an int\n"
        "   12 |   TOKEN: {secret: true, type: int}\n"
        "      |   ^~~~~\n"
        ".env:3:13: error: API_TIMEOUT must be an int; \"30s\" is a duration: write 30, or declare "
        "type: duration\n"
        "    3 | API_TIMEOUT=30s\n"
        "      |             ^~~\n"
        ".env:4:7: error: DEBUG must be true or false; for \"yes\" write true\n"
        "    4 | DEBUG=yes\n"
        "      |       ^~~\n"
        ".env:5:6: error: MODE must be one of debug, release; \"relase\" is not: did you mean "
        "\"release\"?\n"
        "    5 | MODE=relase\n"
        "      |      ^~~~~~\n"
        ".env:6:6: error: WAIT must be a duration such as 90s, 1m30s or 2h; \"30\" has no unit: "
        "write 30s, or declare type: int\n"
        "    6 | WAIT='30'\n"
        "      |      ^~~~\n");
    assert_null(strstr(out.data, "hunter2"));
    assert_null(strstr(out.data, "swordfish"));
}

static int look_up(void *arg, const struct expr *e, struct str *out, struct error *err)
{
    (void)arg;
    if (e->kind == EXPR_GIT_TAG)
        return error_set(err, ERR_CONFIG, "this commit has no tag");
    str_puts(out, e->kind == EXPR_GIT_SHORT_SHA ? "12345" : "${{ git.tag }}");
    return 0;
}

static void expressions_of_the_file_are_expanded_and_those_from_outside_are_not(void **state)
{
    (void)state;
    AUTO(world) struct world w;
    world_init(&w,
        "name: x\n"
        "env:\n"
        "  VERSION: v-${{ git.short_sha }}\n"
        "  NUMBER: {type: int, default: \"${{ git.short_sha }}\"}\n"
        "  BRANCH: ${{ git.branch }}\n"
        "  GIVEN: {default: x}\n"
        "stages:\n"
        "  a: {run: x}\n"
        "  b: {run: x, env: {NUMBER: \"${{ git.branch }}\", TAG: \"${{ git.tag }}\"}}\n",
        "GIVEN=${{ git.sha }}\n");
    const struct expr_lookup lookup = {look_up, NULL};
    struct env_sources sources = {.dotenv = &w.dotenv, .lookup = &lookup};
    AUTO(env_values) struct env_values a;
    assert_int_equal(resolve(&w, "a", &sources, &a), 0);
    assert_string_equal(env_values_get(&a, "VERSION"), "v-12345");
    assert_string_equal(env_values_get(&a, "NUMBER"), "12345");
    assert_string_equal(env_values_get(&a, "BRANCH"), "${{ git.tag }}");
    assert_string_equal(env_values_get(&a, "GIVEN"), "${{ git.sha }}");
    AUTO(env_values) struct env_values b;
    assert_int_equal(resolve(&w, "b", &sources, &b), -1);
    assert_int_equal(w.diags.errors, 2);
    assert_non_null(strstr(w.diags.items.items[0].message, "NUMBER must be an int"));
    assert_string_equal(
        w.diags.items.items[1].message, "TAG: ${{ git.tag }}: this commit has no tag");
    // Without a commit to ask, they stay, unchecked.
    sources.lookup = NULL;
    AUTO(env_values) struct env_values plain;
    assert_int_equal(resolve(&w, "b", &sources, &plain), 0);
    assert_string_equal(env_values_get(&plain, "NUMBER"), "${{ git.branch }}");
}

static void the_nearest_schema_of_a_name_holds(void **state)
{
    (void)state;
    AUTO(world) struct world w;
    world_init(&w,
        "name: x\n"
        "env: {A: {type: int, default: 1}, B: fixed}\n"
        "stages:\n"
        "  loose: {run: x, env: {A: {default: word}, B: {type: int}}}\n"
        "  tight: {run: x}\n",
        "A=text\nB=5\n");
    const struct env_sources sources = {.dotenv = &w.dotenv};
    AUTO(env_values) struct env_values loose;
    AUTO(env_values) struct env_values tight;
    assert_int_equal(resolve(&w, "loose", &sources, &loose), 0);
    check_value(&loose, "A", "text", ENV_DOTENV, false);
    check_value(&loose, "B", "5", ENV_DOTENV, false);
    assert_int_equal(resolve(&w, "tight", &sources, &tight), -1);
    assert_int_equal(w.diags.errors, 1);
}

TEST_MAIN(cmocka_unit_test(dotenv_lines), cmocka_unit_test(a_dotenv_of_any_size_is_bounded),
    cmocka_unit_test(the_stronger_source_wins_and_only_declared_names_come_from_outside),
    cmocka_unit_test(every_problem_of_all_stages_is_said_once_with_its_place),
    cmocka_unit_test(expressions_of_the_file_are_expanded_and_those_from_outside_are_not),
    cmocka_unit_test(the_nearest_schema_of_a_name_holds))
