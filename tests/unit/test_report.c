// The pure parts of davit-deploy: what a report says, where a rollback goes, how an image becomes a
// record.
#include "support/check.h"

#include <stdio.h>
#include <string.h>

#include "deploy/releases.h"
#include "deploy/report.h"
#include "deploy/spec.h"

static struct value *parse(const char *text)
{
    struct error err = {0};
    struct value *v = value_parse(text, strlen(text), &err);
    if (!v)
        fail_msg("%s: %s", err.message, text);
    return v;
}

// --- where a rollback goes ---

#define RELEASE(revision, commit, digest, env, outcome)                                            \
    "{\"revision\": " #revision ", \"commit\": \"" commit                                          \
    "\", \"image\": {\"digest\": \"sha256:" digest "\"}, \"env\": {\"M\": \"" env                  \
    "\"}, \"outcome\": \"" outcome "\"}"

#define HOOKED(revision, run)                                                                      \
    "{\"revision\": " #revision ", \"hooks\": {\"before\": [{\"job\": \"check\"}, "                \
    "{\"job\": \"migrate\", \"irreversible\": true}], \"after\": [{\"job\": \"drop\", "            \
    "\"irreversible\": true}]}, \"hooks_run\": " #run "}"

static void a_hook_that_cannot_be_undone_is_a_fence(void **state)
{
    (void)state;
    static const struct {
        int64_t from, to, release;
        const char *hook;
    } rows[] = {
        {6, 5, 0, NULL},                       // nothing of 6 was begun that matters
        {6, 4, 5, "migrate"},                  // the newest tells
        {5, 4, 5, "migrate"}, {4, 3, 0, NULL}, // 5 is no way from here
        {4, 2, 3, "drop"}, {6, 1, 5, "migrate"}, {3, 5, 0, NULL}, // not back
    };
    AUTO(value)
    struct value *list = parse(
        "[" HOOKED(6, 1) "," HOOKED(5, 2) ",{\"revision\": 4}," HOOKED(3, 3) "," HOOKED(2, 0) "]");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *hook = NULL;
        const struct value *r = releases_fence(list, rows[i].from, rows[i].to, &hook);
        if (value_get_int(r, "revision", 0) != rows[i].release || !text_equal(hook, rows[i].hook))
            fail_msg("row %zu: %s of release %d", i, hook ? hook : "nothing",
                (int)value_get_int(r, "revision", 0));
    }
}

static void the_choice_of_a_release_to_go_back_to(void **state)
{
    (void)state;
    static const char three[] = "[" RELEASE(3, "c3", "33", "a", "success") "," RELEASE(
        2, "c2", "22", "a", "success") "," RELEASE(1, "c1", "11", "a", "success") "]";
    static const char failed[] = "[" RELEASE(4, "c4", "44", "a", "rolled back") "," RELEASE(
        3, "c3", "33", "a", "success") "," RELEASE(2, "c2", "22", "a", "pending") "," RELEASE(1,
        "c1", "11", "a", "success") "]";
    // 3 is release 1 once more: release 2 was rolled back from.
    static const char back[] = "[" RELEASE(3, "c1", "11", "a", "success") "," RELEASE(
        2, "c2", "22", "a", "success") "," RELEASE(1, "c1", "11", "a", "success") "]";
    static const char settings[] =
        "[" RELEASE(2, "c1", "11", "b", "success") "," RELEASE(1, "c1", "11", "a", "success") "]";
    static const struct row {
        const char *releases, *refused;
        int64_t live, to;
        int64_t wanted; // 0: an error
        enum error_kind kind;
    } rows[] = {
        {three, "[]", 3, 0, 2, ERR_NONE},
        {three, "[]", 2, 0, 1, ERR_NONE},
        {three, "[]", 1, 0, 0, ERR_NOT_FOUND},
        {three, "[]", 0, 0, 3, ERR_NONE},
        {three, "[]", 3, 1, 1, ERR_NONE},
        {three, "[]", 3, 3, 0, ERR_USAGE},
        {three, "[]", 3, 7, 0, ERR_NOT_FOUND},
        {three, "[]", 1, 3, 3, ERR_NONE}, // a newer one by name
        {three, "[{\"commit\": \"c2\"}]", 3, 0, 1, ERR_NONE},
        {three, "[{\"commit\": \"c2\"}]", 3, 2, 2, ERR_NONE},
        {failed, "[]", 3, 0, 1, ERR_NONE}, // one that was never whole is nowhere to go
        {failed, "[]", 3, 4, 4, ERR_NONE},
        {back, "[{\"commit\": \"c2\"}]", 3, 0, 0, ERR_NOT_FOUND},
        {settings, "[]", 2, 0, 1, ERR_NONE},
        {"[]", "[]", 0, 0, 0, ERR_NOT_FOUND},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row *row = &rows[i];
        struct error err = {0};
        AUTO(value) struct value *releases = parse(row->releases);
        AUTO(value) struct value *refused = parse(row->refused);
        const struct value *chosen = releases_choose(releases, refused, row->live, row->to, &err);
        if (value_get_int(chosen, "revision", 0) != row->wanted || err.kind != row->kind)
            fail_msg("row %zu: release %d, %s", i, (int)value_get_int(chosen, "revision", 0),
                err.message);
    }
}

static void no_commit_is_never_refused(void **state)
{
    (void)state;
    AUTO(value) struct value *refused = parse("[{\"commit\": \"\"}, {\"commit\": \"c1\"}]");
    assert_null(refused_find(refused, ""));
    assert_null(refused_find(refused, NULL));
    assert_null(refused_find(refused, "c"));
    assert_non_null(refused_find(refused, "c1"));
}

// --- reports ---

#define RECORDS                                                                                    \
    "[" RELEASE(7, "4f0c2d1a9b7e6655", "1d2e3f405162738495", "a", "pending") "," RELEASE(          \
        6, "aa0c2d1a9b7e6655", "aa2e3f405162738495", "a", "success") "]"

struct scene {
    struct report report;
    struct rollout rollout;
    struct snapshot seen;
    struct value *releases, *refused, *verdicts;
};

static void scene_init(struct scene *s, const char *outcome, int64_t live)
{
    *s = (struct scene){
        .rollout = {.run = "42",
            .from = 6,
            .to = 7,
            .from_count = 2,
            .to_count = 2,
            .strategy = STRATEGY_BLUE_GREEN},
        .seen = {.live = live,
            .sets = {{.exists = true, .release = live, .desired = 2, .ready = 2, .percent = 100}}},
        .releases = parse(RECORDS),
        .refused = value_list(),
        .verdicts = value_list(),
    };
    s->report = (struct report){
        .app = "gin-app",
        .outcome = outcome,
        .reason = "",
        .rollout = &s->rollout,
        .times = {-1, -1, -1, -1},
        .verdicts = s->verdicts,
        .releases = s->releases,
        .refused = s->refused,
        .seen = &s->seen,
        .explained = "",
    };
}

static void scene_check(struct scene *s, const char *wanted)
{
    AUTO(value) struct value *lines = report_lines(&s->report);
    AUTO(str) struct str text;
    str_init(&text, 100000);
    for (size_t i = 0; i < value_length(lines); i++)
        str_printf(&text, "%s\n", value_text(value_at(lines, i)));
    assert_string_equal(text.data, wanted);
    value_free(s->releases);
    value_free(s->refused);
    value_free(s->verdicts);
}

static void a_success_says_what_is_live_and_what_it_took(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, "success", 7);
    s.report.times = (struct rollout_times){12345, 4, -1, -1};
    value_append(s.verdicts,
        parse("{\"phase\": \"before_switch\", \"gate\": \"http /ping\", \"instance\": 0, "
              "\"passed\": true, \"seen\": \"status 200 in 3 ms\", \"wanted\": \"status 200\", "
              "\"ms\": 3}"));
    value_append(s.verdicts,
        parse("{\"phase\": \"after_switch\", \"gate\": \"stable for 10s\", \"passed\": true, "
              "\"seen\": \"2 of 2 ready\", \"wanted\": \"2 of 2\", \"ms\": 10001}"));
    value_append(s.verdicts,
        parse("{\"phase\": \"after_switch\", \"gate\": \"prometheus at most 1\", "
              "\"passed\": false, \"held\": true, \"seen\": \"no data: the answer is empty\", "
              "\"wanted\": \"at most 1\", \"ms\": 9000}"));
    value_append(s.verdicts,
        parse(
            "{\"phase\": \"after_switch\", \"gate\": \"http /new (dry run)\", \"instance\": 1, "
            "\"dry_run\": true, \"passed\": false, \"seen\": \"status 404\", \"wanted\": \"status "
            "200\", \"ms\": 2}"));
    scene_check(&s,
        "release 7 is live: commit 4f0c2d1a9b7e, image 1d2e3f405162\n"
        "release 7 serves: commit 4f0c2d1a9b7e, image 1d2e3f405162, 2 of 2 ready, 100 % of the "
        "traffic\n"
        "took 12.3 s; the switch took 4 ms\n"
        "gate before_switch: http /ping on instance 0: passed: status 200 in 3 ms (3 ms)\n"
        "gate after_switch: stable for 10s: passed: 2 of 2 ready (10001 ms)\n"
        "gate after_switch: prometheus at most 1: held: no data: the answer is empty; wanted: "
        "at most 1 (9000 ms)\n"
        "gate after_switch: http /new (dry run) on instance 1: would have failed: status 404; "
        "wanted: status 200 (2 ms)\n");
}

static void a_failure_begins_with_its_cause(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, "rolled back", 6);
    s.report.reason =
        "before_switch: http /version on instance 0 (127.0.0.1:20001): status 500; wanted: status "
        "200";
    s.report.times = (struct rollout_times){75250, -1, 750, 74500};
    s.report.explained = "instance 0: ready; its last lines:\n  panic: no database\n";
    value_append(s.refused, parse("{\"commit\": \"4f0c2d1a9b7e6655\"}"));
    value_append(s.verdicts,
        parse("{\"phase\": \"before_switch\", \"gate\": \"http /version\", \"instance\": 0, "
              "\"passed\": false, \"seen\": \"status 500\", \"wanted\": \"status 200\", \"ms\": "
              "2}"));
    scene_check(&s,
        "rolled back: before_switch: http /version on instance 0 (127.0.0.1:20001): status 500; "
        "wanted: status 200\n"
        "release 6 serves: commit aa0c2d1a9b7e, image aa2e3f405162, 2 of 2 ready, 100 % of the "
        "traffic\n"
        "took 1m15s: 750 ms until it was decided to go back, 1m14s to go back\n"
        "gate before_switch: http /version on instance 0: failed: status 500; wanted: status 200 "
        "(2 ms)\n"
        "commit 4f0c2d1a9b7e is refused from now on; `davit allow gin-app 4f0c2d1a9b7e` lifts it\n"
        "release 7, when it was given up:\n"
        "  instance 0: ready; its last lines:\n"
        "    panic: no database\n");
}

static void a_failure_with_nothing_before_it_says_that_nothing_serves(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, "failed", 0);
    s.report.reason = "instance 0 ended with exit 3 before it was ready";
    scene_check(&s, "failed: instance 0 ended with exit 3 before it was ready\nnothing serves\n");
}

static void what_waits_for_a_person_names_the_verbs(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, "parked", 6);
    scene_check(&s, "parked: release 7 is ready and waits for `davit promote gin-app` (or `davit "
                    "abort gin-app`)\n"
                    "release 6 serves: commit aa0c2d1a9b7e, image aa2e3f405162, 2 of 2 ready, "
                    "100 % of the traffic\n");
}

static void a_rollback_says_from_where_to_where(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, "success", 6);
    s.rollout = (struct rollout){.from = 7, .to = 6, .strategy = STRATEGY_ROLLBACK};
    s.report.headline = "gin-app: release 7 → release 5, as release 6";
    value_append(s.refused, parse("{\"commit\": \"4f0c2d1a9b7e6655\"}"));
    scene_check(&s,
        "gin-app: release 7 → release 5, as release 6\n"
        "release 6 serves: commit aa0c2d1a9b7e, image aa2e3f405162, 2 of 2 ready, 100 % of the "
        "traffic\n"
        "commit 4f0c2d1a9b7e is refused from now on; `davit allow gin-app 4f0c2d1a9b7e` lifts "
        "it\n");
}

static void of_many_verdicts_some_are_shown(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, "success", 7);
    for (int i = 0; i < 64; i++)
        value_append(s.verdicts, parse("{\"phase\": \"after_switch\", \"gate\": \"tcp\", "
                                       "\"instance\": 1, \"passed\": true, \"seen\": \"a "
                                       "connection\", \"wanted\": \"\", \"ms\": 0}"));
    AUTO(value) struct value *lines = report_lines(&s.report);
    assert_int_equal(value_length(lines), 2 + 12 + 1);
    assert_string_equal(value_text(value_at(lines, 14)), "gates: 52 more verdicts like these");
    s.report.verdicts = NULL;
    scene_check(&s, "release 7 is live: commit 4f0c2d1a9b7e, image 1d2e3f405162\n"
                    "release 7 serves: commit 4f0c2d1a9b7e, image 1d2e3f405162, 2 of 2 ready, "
                    "100 % of the traffic\n");
}

static void what_is_under_way_in_words(void **state)
{
    (void)state;
    static const struct row {
        struct position at;
        const char *holder;
        bool parked;
        const char *wanted;
    } rows[] = {
        {{.phase = PHASE_FORWARD, .step = 5, .step_began_unix_ms = 7000}, "ann", false,
            "release 7 (run 42): step 6 of 8: traffic 100 % to new since 3.0 s"},
        {{.phase = PHASE_FORWARD, .step = 3, .step_began_unix_ms = 7000}, "", true,
            "release 7 (run 42) waits for `davit promote gin-app`"},
        {{.phase = PHASE_BACK, .step_began_unix_ms = 9900, .reason = "instance 0 ended"}, "", false,
            "release 7 (run 42) goes back: step 1 of 5: traffic 0 % to new, if it can take it "
            "since "
            "100 ms, because of instance 0 ended; nobody drives it: `davit resume gin-app`"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct snapshot seen = {.rollout = {.run = "42",
                                    .from = 6,
                                    .to = 7,
                                    .from_count = 2,
                                    .to_count = 2,
                                    .to_slot = SLOT_GREEN,
                                    .strategy = STRATEGY_BLUE_GREEN,
                                    .gates_before = true,
                                    .manual_promotion = true},
            .position = rows[i].at};
        snprintf(seen.holder, sizeof seen.holder, "%s", rows[i].holder);
        AUTO(str) struct str text;
        str_init(&text, 1000);
        rollout_print("gin-app", &seen, rows[i].parked, 10000, &text);
        assert_string_equal(text.data, rows[i].wanted);
    }
}

// --- images ---

#define HEX(c) c c c c c c c c c c c c c c c c

static void an_image_becomes_a_record_with_its_layers_turned_over(void **state)
{
    (void)state;
    AUTO(value)
    struct value *answer = parse(
        "{\"reference\": \"r/app@sha256:x\", \"digest\": \"sha256:x\", \"layers\": "
        "[\"layers/" HEX("aaaa") "\", \"layers/" HEX(
            "bbbb") "\"], \"config\": "
                    "{\"entrypoint\": [\"/app\"], \"cmd\": [\"-v\"], \"env\": [\"A=b\"], \"user\": "
                    "\"app\", \"workdir\": \"\", \"stopsignal\": \"\", \"exposed\": [\"80/tcp\"]}, "
                    "\"pushed\": [], \"steps\": []}");
    AUTO(release) struct release r = {0};
    check_ok(spec_image(answer, &r.image, &err));
    assert_int_equal(r.image.layers.length, 2);
    assert_string_equal(r.image.layers.items[0], "sha256:" HEX("bbbb")); // the bottom
    assert_string_equal(r.image.layers.items[1], "sha256:" HEX("aaaa"));
    assert_string_equal(r.image.config.user, "app");
    assert_null(r.image.config.workdir);
    assert_string_equal(r.image.config.cmd.items[0], "-v");
}

static void an_image_with_a_layer_of_another_place_is_none(void **state)
{
    (void)state;
    AUTO(value)
    struct value *answer = parse("{\"reference\": \"r\", \"digest\": \"sha256:x\", \"layers\": "
                                 "[\"layers/../../etc\"], \"config\": {}}");
    AUTO(release) struct release r = {0};
    check_error(spec_image(answer, &r.image, &err), ERR_PROTOCOL, "not a layer of the store");
}

TEST_MAIN(cmocka_unit_test(the_choice_of_a_release_to_go_back_to),
    cmocka_unit_test(a_hook_that_cannot_be_undone_is_a_fence),
    cmocka_unit_test(no_commit_is_never_refused),
    cmocka_unit_test(a_success_says_what_is_live_and_what_it_took),
    cmocka_unit_test(a_failure_begins_with_its_cause),
    cmocka_unit_test(a_failure_with_nothing_before_it_says_that_nothing_serves),
    cmocka_unit_test(what_waits_for_a_person_names_the_verbs),
    cmocka_unit_test(a_rollback_says_from_where_to_where),
    cmocka_unit_test(of_many_verdicts_some_are_shown), cmocka_unit_test(what_is_under_way_in_words),
    cmocka_unit_test(an_image_becomes_a_record_with_its_layers_turned_over),
    cmocka_unit_test(an_image_with_a_layer_of_another_place_is_none))
