#include "support/check.h"

#include <stdlib.h>
#include <string.h>

#include "deploy/spec.h"
#include "support/golden.h"

static struct value *parse(const char *json)
{
    struct value *v = value_parse(json, strlen(json), NULL);
    if (!v)
        fail_msg("bad JSON in a test: %s", json);
    return v;
}

static const char full[] =
    "{\"revision\":7,\"created_unix_ms\":1795000000000,\"commit\":\"4f0c\",\"who\":\"ann\","
    "\"why\":\"push to main\",\"run\":\"42\",\"trace_id\":\"0af7\","
    "\"image\":{\"reference\":\"registry.local/gin-app:4f0c\",\"digest\":\"sha256:aa\","
    "\"layers\":[\"sha256:bb\",\"sha256:cc\"],\"config\":{\"entrypoint\":[\"/app\"],"
    "\"cmd\":[\"-v\"],\"env\":[\"PATH=/bin\"],\"user\":\"app\",\"workdir\":\"/srv\","
    "\"stopsignal\":\"SIGTERM\"}},\"env\":{\"GIN_MODE\":\"release\"},\"slot\":\"green\","
    "\"app\":\"gin-app\",\"environment\":\"staging\",\"secrets\":[\"DATABASE_URL\"],"
    "\"instances\":2,\"listen\":\"127.0.0.1:8080\","
    "\"ports\":{\"PORT\":\"http\",\"PPROF_PORT\":\"private\"},"
    "\"healthcheck\":{\"path\":\"/ping\",\"status\":200,\"interval_ms\":1000,"
    "\"timeout_ms\":5000},\"strategy\":{\"kind\":\"blue-green\",\"promotion\":\"manual\","
    "\"scale_down_delay_ms\":30000},\"gates\":{\"before_switch\":[{\"kind\":\"tcp\"}],"
    "\"after_switch\":[{\"kind\":\"stable\",\"for_ms\":10000}]},\"grace_ms\":10000,"
    "\"drain_ms\":30000,\"deadline_ms\":600000,\"outcome\":\"rolled back\","
    "\"reason\":\"instance 0: exit 2\",\"times\":{\"total_ms\":9000,\"switch_ms\":-1,"
    "\"detect_ms\":8000,\"back_ms\":1000},\"version\":1}";

// What is left when all that may be absent is.
static const char bare[] =
    "{\"revision\":1,\"created_unix_ms\":0,\"commit\":\"\",\"who\":\"\",\"why\":\"\",\"run\":\"\","
    "\"trace_id\":\"\",\"image\":{\"reference\":\"\",\"digest\":\"\",\"layers\":[],"
    "\"config\":{\"entrypoint\":[],\"cmd\":[],\"env\":[]}},\"env\":{},\"slot\":\"blue\","
    "\"app\":\"a\",\"instances\":1,\"strategy\":{\"kind\":\"rolling\"},\"grace_ms\":0,"
    "\"drain_ms\":0,\"deadline_ms\":1,\"outcome\":\"pending\",\"version\":1}";

static const char kube[] =
    "{\"revision\":3,\"created_unix_ms\":9,\"commit\":\"4f0c\",\"who\":\"ann\",\"why\":\"by hand\","
    "\"run\":\"42\",\"trace_id\":\"0af7\",\"image\":{\"reference\":\"r.local/web:v2\"},"
    "\"env\":{\"MODE\":\"x\"},\"slot\":\"green\",\"app\":\"web\",\"environment\":\"staging\","
    "\"strategy\":{\"kind\":\"rolling\"},\"deadline_ms\":600000,\"instances\":3,"
    "\"manifest\":{\"others\":[]},\"outcome\":\"pending\",\"version\":1}";

static const char hooked[] =
    "{\"revision\":3,\"created_unix_ms\":9,\"commit\":\"4f0c\",\"who\":\"ann\",\"why\":\"by hand\","
    "\"run\":\"42\",\"trace_id\":\"0af7\",\"image\":{\"reference\":\"r.local/web:v2\"},"
    "\"env\":{\"MODE\":\"x\"},\"slot\":\"green\",\"app\":\"web\","
    "\"strategy\":{\"kind\":\"rolling\"},\"hooks\":{\"before\":[{\"job\":\"migrate\","
    "\"irreversible\":true,\"timeout_ms\":60000}],\"after\":[{\"job\":\"clean\","
    "\"timeout_ms\":5000}]},\"deadline_ms\":600000,\"instances\":3,"
    "\"manifest\":{\"others\":[]},\"hooks_run\":1,\"outcome\":\"pending\",\"version\":1}";

static void a_record_survives_its_c_view(void **state)
{
    (void)state;
    const char *records[] = {full, bare, kube, hooked};
    for (size_t i = 0; i < ARRAY_LEN(records); i++) {
        AUTO(value) struct value *v = parse(records[i]);
        AUTO(release) struct release r = {0};
        check_ok(release_from_value(v, &r, &err));
        AUTO(value) struct value *again = release_to_value(&r);
        AUTO_FREE char *text = value_print(again);
        assert_string_equal(text, records[i]);
    }
}

static void the_c_view_of_a_record(void **state)
{
    (void)state;
    AUTO(value) struct value *v = parse(full);
    AUTO(release) struct release r = {0};
    check_ok(release_from_value(v, &r, &err));
    assert_int_equal(r.revision, 7);
    assert_string_equal(r.image.config.entrypoint.items[0], "/app");
    assert_string_equal(value_get_str(r.env, "GIN_MODE"), "release");
    assert_true(strv_has(&r.secrets, "DATABASE_URL"));
    assert_int_equal(r.slot, SLOT_GREEN);
    assert_int_equal(r.ports.items.length, 2);
    assert_string_equal(r.ports.items.items[1].name, "PPROF_PORT");
    assert_int_equal(r.ports.items.items[1].kind, PORT_PRIVATE);
    assert_int_equal(r.strategy.kind, STRATEGY_BLUE_GREEN);
    assert_int_equal(r.strategy.promotion, PROMOTION_MANUAL);
    assert_int_equal(r.gates.after_switch.items.items[0].for_ms, 10000);
    assert_int_equal(r.outcome, OUTCOME_ROLLED_BACK);
    assert_int_equal(r.times.detect_ms, 8000);
}

static const struct {
    const char *path, *json, *part; // path: one key, or two with a dot; json NULL: it is missing
} bad_records[] = {
    {"revision", NULL, "release: \"revision\" is missing"},
    {"revision", "-1", "\"revision\" is -1"},
    {"commit", "7", "\"commit\" is not a string"},
    {"image", "\"x\"", "release: image is not a map"},
    {"image.digest", NULL, "release: image: \"digest\" is missing"},
    {"image.layers", "[1]", "\"layers\" is not a list of strings"},
    {"env", "{\"A\":1}", "env: \"A\" is not a string"},
    {"slot", "\"red\"", "\"slot\" is not one of: blue, green"},
    {"instances", "0", "\"instances\" is 0, not within 1 and 64"},
    {"instances", "65", "\"instances\" is 65"},
    {"ports", "[]", "release: ports is not a map"},
    {"ports.PORT", "\"https\"", "ports: \"PORT\" is neither http nor private"},
    {"strategy.kind", "\"rollback\"", "\"kind\" is not one of: rolling, blue-green"},
    {"strategy.promotion", "\"soon\"", "\"promotion\" is not one of: automatic, manual"},
    {"gates.before", "[]", "gates: unknown key \"before\""},
    {"gates.before_switch", "{}", "before_switch is not a list"},
    {"gates.before_switch", "[{\"kind\":\"log\",\"absent\":1}]", "gate 1: \"absent\" is not"},
    {"deadline_ms", "0", "\"deadline_ms\" is 0"},
    {"outcome", "\"fine\"", "\"outcome\" is not one of: pending, success"},
    {"colour", "1", "unknown key \"colour\""},
    {"why2", "1", "did you mean \"why\"?"},
};

static const struct {
    const char *key, *json, *part;
} bad_kube_records[] = {
    {"manifest", "[]", "\"manifest\" is not a map"},
    {"manifest", NULL, "\"digest\" is missing"}, // then it is one of a host
    {"instances", NULL, "\"instances\" is missing"},
    {"listen", "\"127.0.0.1:80\"", "unknown key \"listen\""},
    {"grace_ms", "1", "unknown key \"grace_ms\""},
};

static void set_path(struct value *v, const char *path, struct value *item)
{
    const char *dot = strchr(path, '.');
    if (!dot) {
        value_set(v, path, item);
        return;
    }
    AUTO_FREE char *first = mem_strndup(path, (size_t)(dot - path));
    value_set(value_get(v, first), dot + 1, item);
}

static void a_record_that_makes_no_sense_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad_records); i++) {
        AUTO(value) struct value *v = parse(full);
        const char *json = bad_records[i].json;
        set_path(v, bad_records[i].path, json ? parse(json) : NULL);
        AUTO(release) struct release r = {0};
        struct error err = {0};
        assert_int_equal(release_from_value(v, &r, &err), -1);
        assert_int_equal(err.kind, ERR_PROTOCOL);
        if (!strstr(err.message, bad_records[i].part))
            fail_msg("%s: %s", bad_records[i].path, err.message);
    }
    AUTO(value) struct value *v = parse(full);
    value_set_int(v, "version", 2);
    AUTO(release) struct release r = {0};
    check_error(release_from_value(v, &r, &err), ERR_UNSUPPORTED, "version 2");
    AUTO(value) struct value *none = value_list();
    check_error(release_from_value(none, &r, &err), ERR_PROTOCOL, "\"version\"");
}

static void a_record_of_kubernetes_is_checked_as_well(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad_kube_records); i++) {
        const char *json = bad_kube_records[i].json;
        AUTO(value) struct value *v = parse(kube);
        AUTO(release) struct release r = {0};
        struct error err = {0};
        value_set(v, bad_kube_records[i].key, json ? parse(json) : NULL);
        assert_int_equal(release_from_value(v, &r, &err), -1);
        if (!strstr(err.message, bad_kube_records[i].part))
            fail_msg("row %zu: %s", i, err.message);
    }
}

// From a pipeline.

static const char section[] =
    "{\"app\":\"gin-app\",\"environment\":null,\"image\":\"image\",\"instances\":3,"
    "\"listen\":\"127.0.0.1:8080\",\"ports\":{\"PORT\":\"http\"},"
    "\"healthcheck\":{\"path\":\"/ping\",\"status\":200,\"interval_ms\":1000,\"timeout_ms\":5000},"
    "\"strategy\":{\"kind\":\"blue-green\",\"promotion\":\"manual\",\"scale_down_delay_ms\":30000},"
    "\"gates\":{\"before_switch\":[{\"kind\":\"http\",\"path\":\"/ping\",\"status\":200,"
    "\"headers\":{},\"content_type\":null,\"body\":null,\"json\":{\"message\":\"pong\"},"
    "\"timeout_ms\":5000}],\"after_switch\":[]},\"secrets\":[\"DATABASE_URL\"],"
    "\"grace_ms\":10000,\"drain_ms\":30000,\"deadline_ms\":600000}";

static char reference[] = "registry.local/gin-app:4f0c", digest[] = "sha256:aa", user[] = "app";

static void make_release(const struct release *live, struct release *ret)
{
    AUTO(value) struct value *v = parse(section);
    AUTO(value) struct value *env = parse("{\"GIN_MODE\":\"release\"}");
    struct release_image image = {.reference = reference, .digest = digest, .config.user = user};
    strv_push(&image.layers, "sha256:bb");
    struct spec_origin origin = {
        "4f0c", "ann", "push to main", "42", "0af7", 5000, &image, env, NULL, 0};
    check_ok(spec_release(v, &origin, live, ret, &err));
    strv_done(&image.layers);
}

static void a_deploy_section_becomes_a_release(void **state)
{
    (void)state;
    AUTO(release) struct release first = {0};
    make_release(NULL, &first);
    assert_string_equal(first.app, "gin-app");
    assert_null(first.environment);
    assert_int_equal(first.slot, SLOT_BLUE);
    assert_string_equal(first.image.layers.items[0], "sha256:bb");
    assert_string_equal(first.image.config.user, "app");
    assert_string_equal(value_get_str(first.env, "GIN_MODE"), "release");
    assert_string_equal(first.who, "ann");
    assert_null(first.gates.before_switch.items.items[0].body);
    AUTO(release) struct release second = {0};
    make_release(&first, &second);
    assert_int_equal(second.slot, SLOT_GREEN); // blue-green goes to the other
    AUTO(value) struct value *record = release_to_value(&second);
    AUTO(release) struct release again = {0};
    check_ok(release_from_value(record, &again, &err));
}

static void a_rollout_runs_the_hooks_of_a_release_and_a_rollback_none(void **state)
{
    (void)state;
    AUTO(value) struct value *v = parse(hooked);
    AUTO(release) struct release r = {0}, again = {0};
    const struct target_caps caps = {.native_rolling = true, .applies = true};
    struct rollout rollout;
    check_ok(release_from_value(v, &r, &err));
    check_ok(spec_rollout(&r, NULL, false, &caps, &rollout, &err));
    assert_int_equal(rollout.hooks_before, 1);
    assert_int_equal(rollout.hooks_after, 1);
    assert_int_equal(rollout.hook_deadline_ms, 90000);
    assert_string_equal(release_hook(&r, 2)->job, "clean");
    assert_null(release_hook(&r, 3));
    assert_null(release_hook(&r, 0));
    struct spec_origin origin = {"", "ann", "back", "43", "0af7", 5000, NULL, NULL, NULL, 0};
    check_ok(spec_again(&r, &origin, NULL, &caps, &again, &err));
    assert_int_equal(again.hooks_run, 0); // they have run for the earlier one
    again.revision = 4;
    check_ok(spec_rollout(&again, NULL, true, &caps, &rollout, &err));
    assert_int_equal(rollout.hooks_before + rollout.hooks_after, 0);
}

static void a_section_with_a_mistake_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *path, *json, *part;
    } rows[] = {
        {"app", NULL, "deploy: \"app\" is missing"},
        {"instances", "\"3\"", "deploy: \"instances\" is not a whole number"},
        {"revision", "1", "deploy: unknown key \"revision\""},
        {"strategy.kind", "\"rollback\"", "deploy: strategy: \"kind\" is not one of"},
        {"strategy.steps", "[{\"kind\":\"weight\",\"percent\":5}]",
            "strategy: blue-green has no steps"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(value) struct value *v = parse(section);
        set_path(v, rows[i].path, rows[i].json ? parse(rows[i].json) : NULL);
        AUTO(release) struct release r = {0};
        check_error(release_from_section(v, &r, &err), ERR_PROTOCOL, rows[i].part);
    }
}

static void a_section_with_manifests_becomes_a_release_for_kubernetes(void **state)
{
    (void)state;
    AUTO(value)
    struct value *v = parse("{\"app\":\"web\",\"environment\":\"staging\",\"image\":\"image\","
                            "\"manifests\":[\"k8s/\"],\"service\":\"web\",\"secrets\":[\"TOKEN\"],"
                            "\"strategy\":{\"kind\":\"rolling\"},\"gates\":{\"after_switch\":[]},"
                            "\"deadline_ms\":600000}");
    AUTO(value) struct value *env = parse("{\"MODE\":\"x\"}");
    AUTO(value) struct value *manifest = parse("{\"others\":[]}");
    AUTO(release) struct release r = {0}, from = {0};
    spec_image_reference("r.local/web@sha256:"
                         "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
        &from.image);
    struct spec_origin origin = {
        "4f0c", "ann", "by hand", "42", "0af7", 5000, &from.image, env, manifest, 3};
    check_ok(spec_release(v, &origin, NULL, &r, &err));
    assert_int_equal(r.instances, 3);
    assert_true(value_equal(r.manifest, manifest));
    assert_string_equal(r.image.digest, strrchr(r.image.reference, '@') + 1);
    assert_int_equal(r.secrets.length, 1);
    AUTO(value) struct value *record = release_to_value(&r);
    AUTO(release) struct release again = {0};
    check_ok(release_from_value(record, &again, &err));
    assert_null(value_get(record, "grace_ms"));
    value_set(v, "instances", value_int(2)); // the workload's replicas say it
    AUTO(release) struct release wrong = {0};
    check_error(release_from_section(v, &wrong, &err), ERR_PROTOCOL, "unknown key \"instances\"");
}

// What pipeline/ makes of every key, as its golden files have it, is what is read here.
static void every_section_that_a_file_may_say_becomes_a_release(void **state)
{
    (void)state;
    AUTO(strv) struct strv names = {0};
    size_t sections = 0;
    golden_names("pipeline", ".json", &names);
    strv_each (name, &names) {
        AUTO(str) struct str text;
        str_init(&text, STR_TEXT_MAX);
        assert_true(golden_read("pipeline", *name, ".json", &text));
        AUTO(value) struct value *tree = parse(text.data);
        struct value_cursor stages = {.map = value_get(tree, "stages")};
        const char *stage;
        struct value *v;
        while (value_next(&stages, &stage, &v)) {
            AUTO(release) struct release r = {0};
            if (!value_get(v, "deploy"))
                continue;
            check_ok(release_from_section(value_get(v, "deploy"), &r, &err));
            sections++;
        }
    }
    assert_true(sections > 4);
}

static void a_tag_is_no_digest(void **state)
{
    (void)state;
    AUTO(release) struct release r = {0};
    spec_image_reference("r.local/web:v1", &r.image);
    assert_string_equal(r.image.reference, "r.local/web:v1");
    assert_null(r.image.digest);
}

static void a_rollout_follows_from_two_releases(void **state)
{
    (void)state;
    AUTO(release) struct release live = {0}, next = {0};
    make_release(NULL, &live);
    live.revision = 6;
    live.instances = 2;
    make_release(&live, &next);
    next.revision = 7;
    struct target_caps caps = {.weight = WEIGHT_EXACT};
    struct rollout r, wanted = {
                          .run = "42",
                          .who = "ann",
                          .from = 6,
                          .to = 7,
                          .from_count = 2,
                          .to_count = 3,
                          .to_slot = SLOT_GREEN,
                          .strategy = STRATEGY_BLUE_GREEN,
                          .gates_before = true,
                          .manual_promotion = true,
                          .scale_down_delay_ms = 30000,
                          .progress_deadline_ms = 600000,
                          .began_unix_ms = 5000,
                      };
    check_ok(spec_rollout(&next, &live, false, &caps, &r, &err));
    assert_memory_equal(&r, &wanted, sizeof r);
    AUTO(value) struct value *stored = rollout_to_value(&r); // it is one that a target takes
    check_ok(rollout_from_value(stored, &r, &err));

    check_ok(spec_rollout(&next, NULL, false, &caps, &r, &err));
    assert_int_equal(r.from, 0);
    assert_int_equal(r.from_count, 0);

    check_ok(spec_rollout(&next, &live, true, &caps, &r, &err));
    assert_int_equal(r.strategy, STRATEGY_ROLLBACK);
    assert_false(r.gates_before || r.manual_promotion || r.scale_down_delay_ms);
}

static void a_canary_is_rolled_out_as_the_target_can_split_traffic(void **state)
{
    (void)state;
    AUTO(release) struct release live = {0}, next = {0};
    AUTO(value) struct value *v = parse(section);
    set_path(v, "strategy", parse("{\"kind\":\"canary\"}"));
    check_ok(release_from_section(v, &next, &err));
    assert_memory_equal(&next.strategy.canary, &canary_default, sizeof canary_default);
    set_path(v, "strategy",
        parse("{\"kind\":\"canary\",\"steps\":[{\"kind\":\"weight\",\"percent\":5}]}"));
    release_done(&next);
    check_ok(release_from_section(v, &next, &err));
    make_release(NULL, &live);
    live.revision = 6;
    next.revision = 7;
    next.slot = slot_other(live.slot);
    next.run = mem_strdup("42");
    next.who = mem_strdup("ann");

    struct target_caps caps = {.weight = WEIGHT_EXACT};
    struct rollout r;
    check_ok(spec_rollout(&next, &live, false, &caps, &r, &err));
    assert_int_equal(r.strategy, STRATEGY_CANARY);
    assert_int_equal(r.canary.count, 1);
    assert_int_equal(r.canary.steps[0].percent, 5);
    assert_false(r.by_ratio);
    caps.weight = WEIGHT_RATIO;
    check_ok(spec_rollout(&next, &live, false, &caps, &r, &err));
    assert_true(r.by_ratio);
    AUTO(value) struct value *stored = rollout_to_value(&r); // it is one that a target takes
    check_ok(rollout_from_value(stored, &r, &err));
    check_ok(spec_rollout(&next, &live, true, &caps, &r, &err));
    assert_int_equal(r.canary.count, 0);
    caps.weight = WEIGHT_NONE;
    check_error(spec_rollout(&next, &live, false, &caps, &r, &err), ERR_UNSUPPORTED,
        "the strategy canary needs a share of the traffic");
}

static void the_platforms_own_rolling_has_no_gate_before_the_switch(void **state)
{
    (void)state;
    AUTO(release) struct release live = {0}, next = {0};
    make_release(NULL, &live);
    make_release(&live, &next);
    live.revision = 1;
    next.revision = 2;
    next.slot = live.slot;
    next.strategy = (struct release_strategy){.kind = STRATEGY_ROLLING};
    struct target_caps caps = {.native_rolling = true};
    struct rollout r;
    check_error(
        spec_rollout(&next, &live, false, &caps, &r, &err), ERR_UNSUPPORTED, "gates before_switch");
    gate_list_done(&next.gates.before_switch);
    check_ok(spec_rollout(&next, &live, false, &caps, &r, &err));
    assert_true(r.native_rolling);
    check_ok(spec_rollout(&next, NULL, false, &caps, &r, &err)); // nothing is there to be replaced
    assert_false(r.native_rolling);
    // Back within the slot, or to the other one.
    check_ok(spec_rollout(&next, &live, true, &caps, &r, &err));
    assert_true(r.native_rolling);
    assert_int_equal(r.strategy, STRATEGY_ROLLBACK);
    next.slot = slot_other(live.slot);
    check_ok(spec_rollout(&next, &live, true, &caps, &r, &err));
    assert_false(r.native_rolling);
}

static void a_rollback_brings_back_all_of_an_earlier_release(void **state)
{
    (void)state;
    AUTO(value) struct value *v = parse(full);
    AUTO(release) struct release earlier = {0}, live = {0}, again = {0};
    check_ok(release_from_value(v, &earlier, &err));
    make_release(&earlier, &live);
    live.revision = 9;
    struct spec_origin origin = {.who = "bob",
        .why = "it is down",
        .run = "rollback-1",
        .trace_id = "1b",
        .created_unix_ms = 8};
    static const struct target_caps local = {.weight = WEIGHT_EXACT};
    check_ok(spec_again(&earlier, &origin, &live, &local, &again, &err));
    assert_int_equal(again.revision, 0);
    assert_int_equal(again.outcome, OUTCOME_PENDING);
    assert_null(again.reason);
    assert_int_equal(again.slot, slot_other(live.slot));
    assert_string_equal(again.who, "bob");
    assert_string_equal(again.commit, "4f0c");
    // Apart from what is new about it, it is what it was.
    struct value *was = release_to_value(&earlier), *is = release_to_value(&again);
    static const char *const news[] = {"revision", "created_unix_ms", "who", "why", "run",
        "trace_id", "slot", "outcome", "reason", "times"};
    for (size_t i = 0; i < ARRAY_LEN(news); i++) {
        value_set(was, news[i], NULL);
        value_set(is, news[i], NULL);
    }
    assert_true(value_equal(was, is));
    value_free(was);
    value_free(is);
}

TEST_MAIN(cmocka_unit_test(a_record_survives_its_c_view), cmocka_unit_test(the_c_view_of_a_record),
    cmocka_unit_test(a_record_that_makes_no_sense_is_refused),
    cmocka_unit_test(a_record_of_kubernetes_is_checked_as_well),
    cmocka_unit_test(a_deploy_section_becomes_a_release),
    cmocka_unit_test(a_rollout_runs_the_hooks_of_a_release_and_a_rollback_none),
    cmocka_unit_test(a_section_with_manifests_becomes_a_release_for_kubernetes),
    cmocka_unit_test(every_section_that_a_file_may_say_becomes_a_release),
    cmocka_unit_test(a_tag_is_no_digest), cmocka_unit_test(a_section_with_a_mistake_is_refused),
    cmocka_unit_test(a_rollout_follows_from_two_releases),
    cmocka_unit_test(a_canary_is_rolled_out_as_the_target_can_split_traffic),
    cmocka_unit_test(the_platforms_own_rolling_has_no_gate_before_the_switch),
    cmocka_unit_test(a_rollback_brings_back_all_of_an_earlier_release))
