#include "support/check.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "deploy/program.h"

static void steps_print(const struct program *p, struct str *out)
{
    vec_each (step, &p->steps) {
        if (out->length)
            str_puts(out, "; ");
        step_print(step, out);
    }
}

#define CANARY                                                                                     \
    {                                                                                              \
        .count = 4, .steps = {                                                                     \
            {.percent = 5},                                                                        \
            {.pause_ms = 60000},                                                                   \
            {.percent = 50},                                                                       \
            {.pause_ms = PAUSE_FOR_PROMOTION}                                                      \
        }                                                                                          \
    }

static const struct {
    const char *name;
    struct rollout rollout;
    const char *forward;
} strategies[] = {
    {"blue-green, plain",
        {.strategy = STRATEGY_BLUE_GREEN, .from = 1, .from_count = 2, .to_count = 3},
        "scale new to 3; await new: 3 ready; traffic 100 % to new; commit: new is live; "
        "retire old"},
    {"blue-green, with everything",
        {.strategy = STRATEGY_BLUE_GREEN,
            .from = 1,
            .from_count = 2,
            .to_count = 2,
            .gates_before = true,
            .gates_after = true,
            .manual_promotion = true,
            .scale_down_delay_ms = 30000},
        "scale new to 2; await new: 2 ready; gates before_switch; pause until promoted; "
        "await new: 2 ready; traffic 100 % to new; gates after_switch; pause 30s; "
        "await new: 2 ready; commit: new is live; retire old"},
    {"rolling three by three",
        {.strategy = STRATEGY_ROLLING, .from = 1, .from_count = 3, .to_count = 3},
        "scale new to 1; await new: 1 ready; traffic 33 % to new; scale old to 2; drain old to 2; "
        "scale new to 2; await new: 2 ready; traffic 67 % to new; scale old to 1; drain old to 1; "
        "scale new to 3; await new: 3 ready; traffic 100 % to new; scale old to 0; "
        "drain old to 0; commit: new is live; retire old"},
    {"rolling to more: what has been replaced is gone",
        {.strategy = STRATEGY_ROLLING, .from = 1, .from_count = 1, .to_count = 3},
        "scale new to 1; await new: 1 ready; traffic 100 % to new; scale old to 0; "
        "drain old to 0; scale new to 2; await new: 2 ready; scale new to 3; "
        "await new: 3 ready; commit: new is live; retire old"},
    {"rolling to fewer, with gates",
        {.strategy = STRATEGY_ROLLING,
            .from = 1,
            .from_count = 4,
            .to_count = 2,
            .gates_before = true,
            .gates_after = true},
        "scale new to 1; await new: 1 ready; gates before_switch; await new: 1 ready; "
        "traffic 33 % to new; scale old to 2; drain old to 2; "
        "scale new to 2; await new: 2 ready; traffic 100 % to new; scale old to 0; "
        "drain old to 0; gates after_switch; await new: 2 ready; commit: new is live; retire old"},
    {"rolling, by the platform",
        {.strategy = STRATEGY_ROLLING,
            .from = 1,
            .from_count = 4,
            .to_count = 4,
            .native_rolling = true,
            .gates_after = true},
        "scale new to 4; await new: 4 ready; gates after_switch; await new: 4 ready; "
        "commit: new is live; retire old"},
    {"by a platform that applies objects, too",
        {.strategy = STRATEGY_ROLLING,
            .from = 1,
            .from_count = 4,
            .to_count = 4,
            .native_rolling = true,
            .applies = true},
        "apply the objects of new; await new: its objects; scale new to 4; await new: 4 ready; "
        "commit: new is live; "
        "retire old"},
    {"objects come before instances",
        {.strategy = STRATEGY_ROLLBACK, .from = 1, .from_count = 1, .to_count = 1, .applies = true},
        "apply the objects of new; await new: its objects; scale new to 1; await new: 1 ready; "
        "traffic 100 % to new; "
        "commit: new is live; retire old"},
    {"hooks run between objects and instances, and before the end",
        {.strategy = STRATEGY_BLUE_GREEN,
            .from = 1,
            .from_count = 1,
            .to_count = 1,
            .applies = true,
            .hooks_before = 2,
            .hooks_after = 1},
        "apply the objects of new; await new: its objects; run hook 1; await hook 1; run hook 2; "
        "await hook 2; scale new to 1; await new: 1 ready; traffic 100 % to new; run hook 3; "
        "await hook 3; await new: 1 ready; commit: new is live; retire old"},
    {"by the platform, with hooks",
        {.strategy = STRATEGY_ROLLING,
            .from = 1,
            .from_count = 1,
            .to_count = 1,
            .native_rolling = true,
            .hooks_before = 1,
            .hooks_after = 1},
        "run hook 1; await hook 1; scale new to 1; await new: 1 ready; run hook 2; await hook 2; "
        "await new: 1 ready; commit: new is live; retire old"},
    {"the first deployment", {.strategy = STRATEGY_ROLLING, .to_count = 2, .gates_before = true},
        "scale new to 2; await new: 2 ready; gates before_switch; await new: 2 ready; "
        "traffic 100 % to new; commit: new is live"},
    {"the first deployment has no old one to keep up",
        {.strategy = STRATEGY_BLUE_GREEN, .to_count = 1, .scale_down_delay_ms = 30000},
        "scale new to 1; await new: 1 ready; traffic 100 % to new; commit: new is live"},
    {"a canary where weights are exact",
        {.strategy = STRATEGY_CANARY,
            .from = 1,
            .from_count = 2,
            .to_count = 4,
            .gates_before = true,
            .gates_after = true,
            .canary = CANARY},
        "scale new to 1; await new: 1 ready; gates before_switch; await new: 1 ready; "
        "traffic 5 % to new; pause 1m; gates after_switch; "
        "scale new to 2; await new: 2 ready; traffic 50 % to new; pause until promoted; "
        "gates after_switch; scale new to 4; await new: 4 ready; traffic 100 % to new; "
        "gates after_switch; await new: 4 ready; commit: new is live; retire old"},
    {"a canary by the ratio of instances",
        {.strategy = STRATEGY_CANARY,
            .from = 1,
            .from_count = 10,
            .to_count = 10,
            .by_ratio = true,
            .canary = CANARY},
        "scale new to 1; await new: 1 ready; traffic 5 % to new; pause 1m; "
        "scale new to 5; await new: 5 ready; traffic 50 % to new; scale old to 5; "
        "drain old to 5; pause until promoted; "
        "scale new to 10; await new: 10 ready; traffic 100 % to new; commit: new is live; "
        "retire old"},
    {"a canary of one instance",
        {.strategy = STRATEGY_CANARY,
            .from = 1,
            .from_count = 1,
            .to_count = 1,
            .by_ratio = true,
            .canary = {.count = 1, .steps = {{.percent = 5}}}},
        "scale new to 1; await new: 1 ready; traffic 5 % to new; await new: 1 ready; "
        "traffic 100 % to new; commit: new is live; retire old"},
    {"a canary that says 100 % itself",
        {.strategy = STRATEGY_CANARY,
            .from = 1,
            .from_count = 2,
            .to_count = 2,
            .gates_after = true,
            .canary = {.count = 2, .steps = {{.percent = 100}, {.pause_ms = 60000}}}},
        "scale new to 2; await new: 2 ready; traffic 100 % to new; pause 1m; "
        "gates after_switch; await new: 2 ready; commit: new is live; retire old"},
    {"the first deployment is no canary",
        {.strategy = STRATEGY_CANARY, .to_count = 2, .canary = CANARY},
        "scale new to 2; await new: 2 ready; traffic 100 % to new; commit: new is live"},
    {"a rollback skips gates and pauses",
        {.strategy = STRATEGY_ROLLBACK,
            .from = 2,
            .from_count = 2,
            .to_count = 2,
            .gates_before = true,
            .gates_after = true,
            .manual_promotion = true,
            .scale_down_delay_ms = 30000},
        "scale new to 2; await new: 2 ready; traffic 100 % to new; commit: new is live; "
        "retire old"},
};

static void strategies_compile_to_steps(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(strategies); i++) {
        AUTO(program) struct program forward;
        AUTO(str) struct str text;
        str_init(&text, 10000);
        program_forward(&strategies[i].rollout, &forward);
        steps_print(&forward, &text);
        if (strcmp(text.data, strategies[i].forward) != 0)
            fail_msg("%s:\n%s\nwanted:\n%s", strategies[i].name, text.data, strategies[i].forward);
    }
}

static const struct {
    const char *name;
    struct rollout rollout;
    const char *back, *settle_old, *settle_new;
} ways_back[] = {
    {"two slots or one", {.strategy = STRATEGY_ROLLING, .from = 1, .from_count = 3, .to_count = 2},
        "traffic 0 % to new, if it can take it; scale old to 3; await old: 3 ready; "
        "traffic 0 % to new; retire new",
        "traffic 0 % to new, if it can take it; retire new",
        "traffic 100 % to new; commit: new is live; scale new to 2; retire old"},
    {"the first deployment", {.strategy = STRATEGY_BLUE_GREEN, .to_count = 2}, "retire new", NULL,
        NULL},
    {"the platform's rolling",
        {.strategy = STRATEGY_ROLLING,
            .from = 1,
            .from_count = 3,
            .to_count = 3,
            .native_rolling = true},
        "scale old to 3; await old: 3 ready; retire new", "scale old to 3; retire new",
        "commit: new is live; scale new to 3; retire old"},
    {"with objects: once the traffic is back",
        {.strategy = STRATEGY_BLUE_GREEN,
            .from = 1,
            .from_count = 3,
            .to_count = 2,
            .applies = true},
        "traffic 0 % to new, if it can take it; apply the objects of old; await old: its objects; "
        "scale old to 3; "
        "await old: 3 ready; traffic 0 % to new; retire new",
        "traffic 0 % to new, if it can take it; apply the objects of old; scale old to 3; "
        "retire new",
        "traffic 100 % to new; apply the objects of new; commit: new is live; scale new to 2; "
        "retire old"},
    {"with objects, the first deployment",
        {.strategy = STRATEGY_BLUE_GREEN, .to_count = 2, .applies = true}, "retire new",
        "traffic 0 % to new, if it can take it; retire new", NULL},
    {"with objects, the platform's rolling",
        {.strategy = STRATEGY_ROLLING,
            .from = 1,
            .from_count = 3,
            .to_count = 3,
            .native_rolling = true,
            .applies = true},
        "apply the objects of old; await old: its objects; scale old to 3; await old: 3 ready; "
        "retire new",
        "apply the objects of old; scale old to 3; retire new",
        "apply the objects of new; commit: new is live; scale new to 3; retire old"},
};

static void check_steps(const char *name, struct program *p, const char *wanted)
{
    AUTO(str) struct str text;
    str_init(&text, 10000);
    steps_print(p, &text);
    program_done(p);
    if (wanted && strcmp(text.data, wanted) != 0)
        fail_msg("%s:\n%s\nwanted:\n%s", name, text.data, wanted);
}

static void the_way_back_moves_traffic_first_and_capacity_second(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ways_back); i++) {
        struct program p;
        program_back(&ways_back[i].rollout, &p);
        check_steps(ways_back[i].name, &p, ways_back[i].back);
        program_settle(&ways_back[i].rollout, SET_OLD, &p);
        check_steps(ways_back[i].name, &p, ways_back[i].settle_old);
        program_settle(&ways_back[i].rollout, SET_NEW, &p);
        check_steps(ways_back[i].name, &p, ways_back[i].settle_new);
    }
}

// Of every pair of counts: as the steps are done one by one, nobody who has traffic is without an
// instance, and there are never fewer than before (or than wanted, if that is fewer), nor more than
// one above the greater of both while rolling.
static void rolling_keeps_capacity_and_traffic_for_all_counts(void **state)
{
    (void)state;
    for (int from = 1; from <= 12; from++)
        for (int to = 1; to <= 12; to++) {
            struct rollout r = {
                .strategy = STRATEGY_ROLLING, .from = 1, .from_count = from, .to_count = to};
            AUTO(program) struct program p;
            program_forward(&r, &p);
            int old = from, fresh = 0, percent = 0;
            vec_each (step, &p.steps) {
                if (step->kind == STEP_SCALE && step->set == SET_OLD)
                    old = step->count;
                if (step->kind == STEP_AWAIT)
                    fresh = step->count;
                if (step->kind == STEP_WEIGHT)
                    percent = step->percent;
                assert_true(old + fresh >= (from < to ? from : to));
                assert_true(old > 0 || percent == 100);
                assert_true(fresh > 0 || percent == 0);
            }
            assert_int_equal(old, 0);
            assert_int_equal(fresh, to);
            assert_true(program_peak(&p, &r) <= (from > to ? from : to) + 1);
        }
}

// What Argo Rollouts' rules give: the closest share, ties to the canary, nobody at 0.
static const struct {
    int count, percent, fresh, stale;
} ratios[] = {
    {1, 1, 1, 1},
    {1, 99, 1, 1},
    {2, 50, 1, 1},
    {2, 1, 1, 2},
    {2, 99, 2, 1},
    {3, 50, 2, 2},
    {4, 20, 1, 4},
    {4, 25, 1, 3},
    {4, 99, 4, 1},
    {5, 10, 1, 5},
    {10, 1, 1, 10},
    {10, 15, 2, 9}, // 18.2 % is closer than 10 %; 20 % is not
    {10, 45, 5, 6},
    {10, 55, 6, 5},
    {10, 95, 10, 1},
};

static void a_share_by_ratio_is_the_closest_that_there_is(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ratios); i++) {
        int count = ratios[i].count;
        struct rollout r = {.strategy = STRATEGY_CANARY,
            .from = 1,
            .from_count = count,
            .to_count = count,
            .by_ratio = true,
            .canary = {.count = 1, .steps = {{.percent = ratios[i].percent}}}};
        AUTO(program) struct program p;
        program_forward(&r, &p);
        int fresh = p.steps.items[0].count, stale = count;
        vec_each (step, &p.steps)
            if (step->kind == STEP_DRAIN)
                stale = step->count;
        if (fresh != ratios[i].fresh || stale != ratios[i].stale)
            fail_msg("%d %% of %d: %d + %d; wanted: %d + %d", ratios[i].percent, count, fresh,
                stale, ratios[i].fresh, ratios[i].stale);
    }
}

// Of every pair of counts, with a weight for every per cent: what is there only moves from the old
// to the new, and there are never fewer than before (or than wanted, if that is fewer).
static void a_canary_only_ever_moves_from_old_to_new(void **state)
{
    (void)state;
    for (int i = 0; i < 12 * 12 * 4 * 2; i++) {
        struct rollout r = {.strategy = STRATEGY_CANARY,
            .from = 1,
            .from_count = 1 + i % 12,
            .to_count = 1 + i / 12 % 12,
            .by_ratio = i / 576,
            .canary = {.count = 24}};
        for (int k = 0; k < 24; k++)
            r.canary.steps[k].percent = 1 + 4 * k + i / 144 % 4;
        AUTO(program) struct program p;
        program_forward(&r, &p);
        int least = r.from_count < r.to_count ? r.from_count : r.to_count;
        int old = r.from_count, fresh = 0;
        vec_each (step, &p.steps) {
            if (step->kind == STEP_SCALE && step->set == SET_NEW)
                assert_true(step->count > fresh);
            if (step->kind == STEP_SCALE && step->set == SET_OLD)
                assert_true(r.by_ratio && step->count < old && step->count > 0);
            if (step->kind == STEP_AWAIT)
                fresh = step->count;
            if (step->kind == STEP_DRAIN)
                old = step->count;
            assert_true(fresh + old >= least && fresh <= r.to_count);
            assert_true(step->kind != STEP_WEIGHT || fresh > 0);
        }
        assert_int_equal(fresh, r.to_count);
    }
}

static const char plan_rolling[] = "      rolling                       old  new  traffic to new\n"
                                   "   1  scale new to 1                  2    1           0 %\n"
                                   "   2  await new: 1 ready              2    1           0 %\n"
                                   "   3  traffic 50 % to new             2    1          50 %\n"
                                   "   4  scale old to 1                  2    1          50 %\n"
                                   "   5  drain old to 1                  1    1          50 %\n"
                                   "   6  scale new to 2                  1    2          50 %\n"
                                   "   7  await new: 2 ready              1    2          50 %\n"
                                   "   8  traffic 100 % to new            1    2         100 %\n"
                                   "   9  scale old to 0                  1    2         100 %\n"
                                   "  10  drain old to 0                  0    2         100 %\n"
                                   "  11  commit: new is live             0    2         100 %\n"
                                   "  12  retire old                      0    2         100 %\n"
                                   "      at most 3 instances at once\n";

static const char plan_blue_green[] =
    "      blue-green                    old  new  traffic to new\n"
    "   1  scale new to 2                  2    2           0 %\n"
    "   2  await new: 2 ready              2    2           0 %\n"
    "   3  gates before_switch             2    2           0 %\n"
    "   4  await new: 2 ready              2    2           0 %\n"
    "   5  traffic 100 % to new            2    2         100 %\n"
    "   6  pause 1m30s                     2    2         100 %\n"
    "   7  await new: 2 ready              2    2         100 %\n"
    "   8  commit: new is live             2    2         100 %\n"
    "   9  retire old                      0    2         100 %\n"
    "      at most 4 instances at once\n";

static void the_plan_shows_counts_traffic_and_peak(void **state)
{
    (void)state;
    struct rollout rows[] = {
        {.strategy = STRATEGY_ROLLING, .from = 1, .to = 2, .from_count = 2, .to_count = 2},
        {.strategy = STRATEGY_BLUE_GREEN,
            .from = 1,
            .to = 2,
            .from_count = 2,
            .to_count = 2,
            .gates_before = true,
            .scale_down_delay_ms = 90000},
    };
    const char *wanted[] = {plan_rolling, plan_blue_green};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(program) struct program p;
        AUTO(str) struct str text;
        str_init(&text, 10000);
        program_forward(&rows[i], &p);
        program_print(&p, &rows[i], &text);
        assert_string_equal(text.data, wanted[i]);
    }
}

static void the_plan_as_a_value(void **state)
{
    (void)state;
    struct rollout r = {.strategy = STRATEGY_ROLLING, .to = 1, .to_count = 2};
    AUTO(program) struct program p;
    program_forward(&r, &p);
    AUTO(value) struct value *v = program_to_value(&p, &r);
    AUTO_FREE char *text = value_print(v);
    assert_string_equal(text,
        "{\"strategy\":\"rolling\",\"from\":0,\"to\":1,\"peak\":2,\"steps\":["
        "{\"step\":\"scale new to 2\",\"old\":0,\"new\":2,\"percent\":0},"
        "{\"step\":\"await new: 2 ready\",\"old\":0,\"new\":2,\"percent\":0},"
        "{\"step\":\"traffic 100 % to new\",\"old\":0,\"new\":2,\"percent\":100},"
        "{\"step\":\"commit: new is live\",\"old\":0,\"new\":2,\"percent\":100}]}");
}

static const struct rollout stored = {
    .run = "42",
    .who = "ann",
    .from = 6,
    .to = 7,
    .from_count = 2,
    .to_count = 3,
    .from_slot = SLOT_GREEN,
    .to_slot = SLOT_BLUE,
    .strategy = STRATEGY_BLUE_GREEN,
    .gates_after = true,
    .manual_promotion = true,
    .scale_down_delay_ms = 30000,
    .progress_deadline_ms = 600000,
    .began_unix_ms = 1795000000000,
};

static void a_rollout_survives_being_stored(void **state)
{
    (void)state;
    AUTO(value) struct value *v = rollout_to_value(&stored);
    struct rollout again;
    check_ok(rollout_from_value(v, &again, &err));
    assert_memory_equal(&again, &stored, sizeof again);
}

static void so_does_a_canary(void **state)
{
    (void)state;
    static struct rollout r, again; // all-zero between the fields, so that they can be compared
    r = stored;
    r.strategy = STRATEGY_CANARY;
    r.canary = (struct canary)CANARY;
    r.by_ratio = true;
    AUTO(value) struct value *v = rollout_to_value(&r);
    check_ok(rollout_from_value(v, &again, &err));
    assert_memory_equal(&again, &r, sizeof r);
    AUTO_FREE char *text = value_print(value_get(value_get(v, "rollout"), "canary"));
    assert_string_equal(text,
        "[{\"kind\":\"weight\",\"percent\":5},{\"kind\":\"pause\",\"for_ms\":60000},"
        "{\"kind\":\"weight\",\"percent\":50},{\"kind\":\"pause\",\"for\":\"manual\"}]");
}

static const struct {
    const char *key;
    const char *json; // NULL: the key is missing
    const char *part; // of the message
} bad_rollouts[] = {
    {"to", NULL, "\"to\" is missing"},
    {"to", "\"7\"", "\"to\" is not a whole number"},
    {"to", "6", "from and to are both release 6"},
    {"to_count", "65", "\"to_count\" is 65, not within 1 and 64"},
    {"to_count", "0", "\"to_count\" is 0"},
    {"from_count", "0", "release 6 cannot have 0 instances"},
    {"strategy", "\"recreate\"",
        "\"strategy\" is not one of: rolling, blue-green, canary, rollback"},
    {"strategy", "\"canary\"", "canary with 0 steps of a canary"},
    {"canary", "[{\"kind\":\"weight\",\"percent\":5}]", "blue-green with 1 steps of a canary"},
    {"canary", "[]", "canary is not a list of 1 to 32 steps"},
    {"canary", "[{\"kind\":\"weight\",\"percent\":0}]", "\"percent\" is 0, not within 1 and 100"},
    {"canary", "[{\"kind\":\"weight\"}]", "a weight of 0 after one of 0: weights rise"},
    {"canary", "[{\"kind\":\"weight\",\"percent\":9},{\"kind\":\"weight\",\"percent\":9}]",
        "a weight of 9 after one of 9: weights rise"},
    {"canary", "[{\"kind\":\"pause\",\"for\":\"manual\"}]", "a canary begins with a weight"},
    {"canary", "[{\"kind\":\"weight\",\"percent\":9},{\"kind\":\"pause\"}]",
        "how long a pause lasts is not said"},
    {"canary", "[{\"kind\":\"weight\",\"percent\":9},{\"kind\":\"pause\",\"for\":\"ever\"}]",
        "how long a pause lasts is not said"},
    {"strategy", "\"rolling\"", "rolling goes within one slot"},
    {"from_slot", "\"blue\"", "blue-green goes to the other slot"},
    {"native_rolling", "true", "blue-green is never native"},
    {"native_rolling", "1", "\"native_rolling\" is not true or false"},
    {"run", "\"0123456789012345678901234567890123456789012345678901234567890123\"",
        "\"run\" is longer than 63 bytes"},
    {"stratgy", "\"rolling\"", "unknown key \"stratgy\"; did you mean \"strategy\"?"},
};

static void a_stored_rollout_that_makes_no_sense_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad_rollouts); i++) {
        AUTO(value) struct value *v = rollout_to_value(&stored);
        const char *json = bad_rollouts[i].json;
        value_set(value_get(v, "rollout"), bad_rollouts[i].key,
            json ? value_parse(json, strlen(json), NULL) : NULL);
        struct rollout again;
        check_error(rollout_from_value(v, &again, &err), ERR_PROTOCOL, bad_rollouts[i].part);
    }
    AUTO(value) struct value *v = rollout_to_value(&stored);
    value_set_int(v, "program", 99);
    struct rollout again;
    check_error(rollout_from_value(v, &again, &err), ERR_UNSUPPORTED, "version 99");
}

// What was stored before there were objects: an agent that was updated finds it in its state.
static void a_rollout_of_the_first_version_is_still_understood(void **state)
{
    (void)state;
    AUTO(value) struct value *v = rollout_to_value(&stored);
    value_set_int(v, "program", 1);
    value_set(value_get(v, "rollout"), "applies", NULL);
    struct rollout again;
    check_ok(rollout_from_value(v, &again, &err));
    assert_memory_equal(&again, &stored, sizeof again);
}

TEST_MAIN(cmocka_unit_test(strategies_compile_to_steps),
    cmocka_unit_test(the_way_back_moves_traffic_first_and_capacity_second),
    cmocka_unit_test(rolling_keeps_capacity_and_traffic_for_all_counts),
    cmocka_unit_test(the_plan_shows_counts_traffic_and_peak), cmocka_unit_test(the_plan_as_a_value),
    cmocka_unit_test(a_rollout_survives_being_stored), cmocka_unit_test(so_does_a_canary),
    cmocka_unit_test(a_share_by_ratio_is_the_closest_that_there_is),
    cmocka_unit_test(a_canary_only_ever_moves_from_old_to_new),
    cmocka_unit_test(a_stored_rollout_that_makes_no_sense_is_refused),
    cmocka_unit_test(a_rollout_of_the_first_version_is_still_understood))
