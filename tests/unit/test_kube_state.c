// The state of an app on Kubernetes as its Lease keeps it, and the list of refused commits in it.
#include "support/check.h"

#include <string.h>

#include "deploy/kube_state.h"
#include "deploy/refused.h"

static const struct rollout example = {
    .run = "run-7",
    .who = "ann",
    .from = 3,
    .to = 4,
    .from_count = 2,
    .to_count = 3,
    .from_slot = SLOT_BLUE,
    .to_slot = SLOT_GREEN,
    .strategy = STRATEGY_BLUE_GREEN,
    .progress_deadline_ms = 600000,
    .began_unix_ms = 1000,
};

static void what_is_printed_is_read_again(void **unused)
{
    (void)unused;
    AUTO(kube_state)
    struct kube_state state = {
        .live = 3,
        .applied = 4,
        .hooks = 2,
        .last_revision = 9,
        .rollout = example,
        .position = {.phase = PHASE_BACK,
            .turns = 1,
            .step = 2,
            .step_began_unix_ms = 5,
            .turned_unix_ms = 4,
            .reason = "pod web-1: exit 1"},
        .abort_requested = true,
        .abort_who = "bob",
    };
    AUTO(kube_state) struct kube_state read = {0};
    state.refused = refused_with(NULL, "c0ffee", "it failed", 4, 77);
    AUTO_FREE char *text = kube_state_print(&state);
    check_ok(kube_state_parse(text, &read, &err));
    assert_int_equal(read.live, 3);
    assert_int_equal(read.applied, 4);
    assert_int_equal(read.hooks, 2);
    assert_int_equal(read.last_revision, 9);
    assert_int_equal(read.position.step, 2);
    assert_string_equal(read.position.reason, "pod web-1: exit 1");
    assert_true(read.abort_requested);
    assert_string_equal(read.abort_who, "bob");
    assert_false(read.promote_requested);
    assert_string_equal(read.rollout.run, "run-7");
    assert_true(value_equal(read.refused, state.refused));
    AUTO_FREE char *again = kube_state_print(&read);
    assert_string_equal(again, text);
}

static void an_app_without_a_state_has_nothing(void **unused)
{
    (void)unused;
    AUTO(kube_state) struct kube_state read = {0};
    check_ok(kube_state_parse(NULL, &read, &err));
    assert_int_equal(read.live, 0);
    assert_int_equal(read.position.phase, PHASE_NONE);
    AUTO_FREE char *text = kube_state_print(&read);
    AUTO(kube_state) struct kube_state fresh = {0};
    check_ok(kube_state_parse(text, &fresh, &err));
    assert_int_equal(fresh.rollout.to, 0);
}

static void what_is_no_state_is_named(void **unused)
{
    (void)unused;
    static const struct {
        const char *text, *message;
        enum error_kind kind;
    } rows[] = {
        {"{", "the state of the app: ", ERR_PROTOCOL},
        {"[]", "the state of the app: \"version\"", ERR_PROTOCOL},
        {"{\"version\": 2}", "written by a newer davit", ERR_UNSUPPORTED},
        {"{\"version\": 1, \"live\": -1}", "\"live\"", ERR_PROTOCOL},
        {"{\"version\": 1, \"live\": 0, \"applied\": 0, \"last_revision\": 0, \"last\": \"fine\", "
         "\"position\": {}}",
            "\"fine\" is no outcome", ERR_PROTOCOL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct error err = {0};
        AUTO(kube_state) struct kube_state read = {0};
        assert_int_equal(kube_state_parse(rows[i].text, &read, &err), -1);
        assert_int_equal(err.kind, rows[i].kind);
        if (!strstr(err.message, rows[i].message))
            fail_msg("%s: \"%s\"", rows[i].text, err.message);
    }
}

static struct value *records(void)
{
    static const struct {
        int64_t revision;
        const char *commit;
    } rows[] = {{4, "new"}, {3, "old"}};
    struct value *list = value_list();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct value *record = value_map();
        value_set_int(record, "revision", rows[i].revision);
        value_set_str(record, "commit", rows[i].commit);
        value_append(list, record);
    }
    return list;
}

static void a_commit_is_refused_by_how_its_rollout_ended(void **unused)
{
    (void)unused;
    static const struct {
        enum strategy strategy;
        enum outcome outcome;
        int64_t live;
        const char *before, *after; // the commit on the list
    } rows[] = {
        {STRATEGY_BLUE_GREEN, OUTCOME_SUCCESS, 4, "new", NULL},
        {STRATEGY_BLUE_GREEN, OUTCOME_ROLLED_BACK, 3, NULL, "new"},
        {STRATEGY_BLUE_GREEN, OUTCOME_CANCELLED, 3, NULL, NULL},
        {STRATEGY_BLUE_GREEN, OUTCOME_FAILED, 0, NULL, "new"},
        {STRATEGY_BLUE_GREEN, OUTCOME_ROLLBACK_FAILED, 4, NULL, NULL}, // it serves
        {STRATEGY_ROLLBACK, OUTCOME_SUCCESS, 4, NULL, "old"},
        {STRATEGY_ROLLBACK, OUTCOME_ROLLBACK_FAILED, 3, NULL, "new"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(value) struct value *all = records();
        AUTO(value) struct value *before = refused_with(NULL, rows[i].before, "", 1, 1);
        struct rollout rollout = example;
        rollout.strategy = rows[i].strategy;
        AUTO(value)
        struct value *after =
            refused_judged(before, &rollout, rows[i].live, all, rows[i].outcome, "because", 9);
        assert_int_equal(value_length(after), rows[i].after ? 1 : 0);
        if (rows[i].after)
            assert_string_equal(value_get_str(value_at(after, 0), "commit"), rows[i].after);
    }
}

static void a_prefix_finds_one_commit(void **unused)
{
    (void)unused;
    struct error err = {0};
    AUTO(value) struct value *one = refused_with(NULL, "abc1", "", 1, 1);
    AUTO(value) struct value *list = refused_with(one, "abd2", "", 2, 2);
    assert_string_equal(refused_match(list, "app", "abc", &err), "abc1");
    assert_null(refused_match(list, "app", "ab", &err));
    assert_int_equal(err.kind, ERR_USAGE);
    assert_null(refused_match(list, "app", "f", &err));
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_null(refused_match(list, "app", "", &err));
    AUTO(value) struct value *left = refused_without(list, "abc1");
    assert_int_equal(value_length(left), 1);
}

static void the_list_is_bounded(void **unused)
{
    (void)unused;
    struct value *list = NULL;
    for (int i = 0; i < REFUSED_MAX + 5; i++) {
        AUTO_FREE char *commit = mem_printf("c%d", i);
        struct value *longer = refused_with(list, commit, "", i, i);
        value_free(list);
        list = longer;
    }
    assert_int_equal(value_length(list), REFUSED_MAX);
    assert_string_equal(value_get_str(value_at(list, 0), "commit"), "c104");
    value_free(list);
}

TEST_MAIN(cmocka_unit_test(what_is_printed_is_read_again),
    cmocka_unit_test(an_app_without_a_state_has_nothing),
    cmocka_unit_test(what_is_no_state_is_named),
    cmocka_unit_test(a_commit_is_refused_by_how_its_rollout_ended),
    cmocka_unit_test(a_prefix_finds_one_commit), cmocka_unit_test(the_list_is_bounded))
