#include "support/check.h"

#include <stdlib.h>
#include <string.h>

#include "engine/expand.h"
#include "engine/plan.h"

static const char file[] = "name: p\n"
                           "stages:\n"
                           "  test: {needs: [], run: x}\n"
                           "  image: {needs: [test], build: {tags: [\"r/x:1\"]}}\n"
                           "  ship: {needs: [image], deploy: {app: a, image: image}}\n"
                           "  topic: {needs: [], run: x, when: {branch: \"topic/*\"}}\n"
                           "  named: {needs: [image], deploy: {app: b, image: image}, when: "
                           "[{event: tag}, {branch: topic/x}]}\n";

static const struct diag_source source = {
    .path = "p.yaml", .text = file, .length = sizeof file - 1};

struct situation {
    enum event_kind event;
    const char *branch, *tag;
};

static void make_plan(const struct situation *s, struct context *context, struct run_record *run,
    struct pipeline *pipeline, struct plan *ret)
{
    *run = (struct run_record){
        .branch = mem_strdup_opt(s->branch),
        .tag = mem_strdup_opt(s->tag),
        .commit = mem_strdup("0123456789abcdef"),
        .trace_id = mem_strdup("00"),
    };
    *context =
        (struct context){.run = run, .event = s->event, .default_branch = mem_strdup("main")};
    AUTO(diag) struct diag_list diags = {0};
    const struct env_sources sources = {0};
    assert_int_equal(plan_make(pipeline, context, &sources, ret, &diags), 0);
}

// Which stages are selected ("t i s o n"), and whether the image is pushed ("+").
static void selection_follows_when_and_the_default_rules(void **state)
{
    (void)state;
    static const struct {
        struct situation situation;
        const char *wanted, *why; // of `ship`
    } rows[] = {
        {{EVENT_MANUAL, "topic/y", NULL}, "ti+so", "runs: run by hand deploys by default"},
        {{EVENT_PUSH, "main", NULL}, "ti+s", "a push to the default branch deploys by default"},
        {{EVENT_PUSH, "topic/x", NULL}, "tion", "skipped: a push to another branch"},
        {{EVENT_PUSH, "other", NULL}, "ti", "skipped: a push to another branch"},
        {{EVENT_TAG, NULL, "v1"}, "ti+sn", "a tag deploys by default"},
        {{EVENT_PULL_REQUEST, "topic/x", NULL}, "tion", "skipped: a pull request"},
    };
    AUTO(diag) struct diag_list diags = {0};
    AUTO(pipeline) struct pipeline *pipeline = pipeline_parse(&source, &diags);
    assert_non_null(pipeline);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct context context;
        AUTO(run_record) struct run_record run = {0};
        AUTO(plan) struct plan plan = {0};
        make_plan(&rows[i].situation, &context, &run, pipeline, &plan);
        char got[32] = "";
        static const char letters[] = "tison";
        for (size_t j = 0; j < plan.stages.length; j++) {
            if (plan.stages.items[j].selected)
                strncat(got, &letters[j], 1);
            if (j == 1 && plan.stages.items[j].push)
                strcat(got, "+");
        }
        if (strcmp(got, rows[i].wanted) != 0 || !strstr(plan.stages.items[2].why, rows[i].why))
            fail_msg("row %zu: %s (%s)", i, got, plan.stages.items[2].why);
        context_done(&context);
    }
}

static void needs_are_listed_nearest_first(void **state)
{
    (void)state;
    AUTO(diag) struct diag_list diags = {0};
    AUTO(pipeline) struct pipeline *pipeline = pipeline_parse(&source, &diags);
    struct context context;
    AUTO(run_record) struct run_record run = {0};
    AUTO(plan) struct plan plan = {0};
    make_plan(&(struct situation){EVENT_MANUAL, "main", NULL}, &context, &run, pipeline, &plan);
    AUTO(strv) struct strv needs = {0};
    plan_needs(&plan, 2, &needs);
    assert_int_equal(needs.length, 2);
    assert_string_equal(needs.items[0], "image");
    assert_string_equal(needs.items[1], "test");
    context_done(&context);
}

static void expressions_are_expanded_or_said_to_have_no_value(void **state)
{
    (void)state;
    AUTO(run_record)
    struct run_record run = {
        .commit = mem_strdup("0123456789abcdef"), .branch = mem_strdup("main")};
    struct context context = {.run = &run};
    struct expander e = {.context = &context, .checkout = -1};
    struct error err;
    AUTO_FREE char *tag = expand(&e, "r/app:${{ git.short_sha }}-${{ git.branch }}", &err);
    assert_string_equal(tag, "r/app:01234567-main");
    assert_null(expand(&e, "${{ git.tag }}", &err));
    assert_non_null(strstr(err.message, "git.tag has no value in this run"));
    assert_null(expand(&e, "${{ hashFiles('x') }}", &err));
}

static void a_stage_is_told_what_it_runs_for(void **state)
{
    (void)state;
    AUTO(run_record)
    struct run_record run = {.id = 7,
        .commit = mem_strdup("0123456789abcdef"),
        .tag = mem_strdup("v1"),
        .trace_id = mem_strdup("4bf92f3577b34da6a3ce929d0e0e4736")};
    struct context context = {.run = &run, .event = EVENT_TAG, .commit_unix = 42};
    AUTO(strv) struct strv variables = {0};
    context_variables(&context, "test", &variables);
    static const char *const wanted[] = {"CI=true", "CI_COMMIT_SHORT_SHA=01234567",
        "CI_COMMIT_TAG=v1", "CI_COMMIT_REF_NAME=v1", "CI_JOB_NAME=test", "CI_PIPELINE_ID=7",
        "CI_PIPELINE_EVENT=tag", "SOURCE_DATE_EPOCH=42"};
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        if (!strv_has(&variables, wanted[i]))
            fail_msg("%s is missing", wanted[i]);
    bool traced = false;
    strv_each (item, &variables) // W3C Trace Context: version-trace-parent-flags
        traced |= strncmp(*item, "TRACEPARENT=00-4bf92f3577b34da6a3ce929d0e0e4736-", 48) == 0 &&
                  strlen(*item) == 12 + 55;
    assert_true(traced);
}

TEST_MAIN(cmocka_unit_test(selection_follows_when_and_the_default_rules),
    cmocka_unit_test(needs_are_listed_nearest_first),
    cmocka_unit_test(expressions_are_expanded_or_said_to_have_no_value),
    cmocka_unit_test(a_stage_is_told_what_it_runs_for))
