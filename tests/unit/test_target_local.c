// The local target with the real agent: what goes over the wire, and what an agent's death does to
// a driver.
#include "support/check.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "deploy/release.h"
#include "deploy/spec.h"
#include "deploy/target_local.h"
#include "deploy/wire.h"
#include "os/clock.h"
#include "os/ipc.h"
#include "support/agent_start.h"
#include "support/shop.h"

// --- the wire ---

static void a_position_comes_back_as_it_went(void **state)
{
    (void)state;
    struct position p = {.phase = PHASE_SETTLE_NEW,
        .turns = 3,
        .step = 2,
        .step_began_unix_ms = 1700000000123,
        .turned_unix_ms = 1700000000001,
        .aborted = true,
        .reason = "aborted by \"ann\" — at once"};
    struct position back;
    AUTO(value) struct value *v = position_to_value(&p);
    AUTO_FREE char *text = value_print(v);
    AUTO(value) struct value *read = value_parse(text, strlen(text), NULL);
    check_ok(position_from_value(read, &back, &err));
    assert_memory_equal(&back, &p, sizeof p);
}

static void every_step_comes_back_as_it_went(void **state)
{
    (void)state;
    static const struct step steps[] = {
        {.kind = STEP_SCALE, .set = SET_OLD, .count = 64},
        {.kind = STEP_AWAIT, .set = SET_NEW, .count = 1},
        {.kind = STEP_DRAIN, .set = SET_OLD},
        {.kind = STEP_GATE, .set = SET_NEW, .phase = GATE_AFTER_SWITCH},
        {.kind = STEP_WEIGHT, .set = SET_NEW, .percent = 50, .if_ready = true},
        {.kind = STEP_PAUSE, .ms = PAUSE_FOR_PROMOTION},
        {.kind = STEP_PAUSE, .ms = 60000},
        {.kind = STEP_COMMIT, .set = SET_NEW},
        {.kind = STEP_RETIRE, .set = SET_OLD},
    };
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        struct step back;
        AUTO(value) struct value *v = step_to_value(&steps[i]);
        check_ok(step_from_value(v, &back, &err));
        assert_memory_equal(&back, &steps[i], sizeof back);
    }
    AUTO(value) struct value *v = step_to_value(&steps[0]);
    value_set_str(v, "kind", "dance");
    struct step step;
    check_error(step_from_value(v, &step, &err), ERR_PROTOCOL, "kind");
}

static void a_full_snapshot_comes_back_as_it_went_and_fits_a_packet(void **state)
{
    (void)state;
    static struct snapshot s, back; // all-zero between the fields, so that they can be compared
    s.epoch = 9;
    s.live = 6;
    s.rollout = (struct rollout){.run = "42",
        .who = "ann",
        .from = 6,
        .to = 7,
        .from_count = 2,
        .to_count = 64,
        .to_slot = SLOT_GREEN,
        .strategy = STRATEGY_BLUE_GREEN,
        .gates_after = true,
        .progress_deadline_ms = 1,
        .began_unix_ms = 2};
    s.position = (struct position){.phase = PHASE_FORWARD, .step = 1};
    s.last = OUTCOME_ROLLED_BACK;
    s.routed = true;
    s.abort_requested = s.promote_requested = true;
    strcpy(s.abort_who, "bob");
    strcpy(s.holder, "ann");
    for (size_t i = 0; i < 2; i++) {
        struct set_state *set = &s.sets[i];
        *set = (struct set_state){.exists = true,
            .release = 6 + (int64_t)i,
            .slot = SLOT_GREEN,
            .desired = 64,
            .percent = 100,
            .retiring = true,
            .current = true,
            .ready = 64,
            .present = 64,
            .instance_count = 64};
        memset(set->doomed, 'd', sizeof set->doomed - 1);
        for (size_t k = 0; k < 64; k++) {
            set->instances[k].state = INSTANCE_DOWN;
            set->instances[k].index = (int)k;
            set->instances[k].restarts = 1000;
            memset(set->instances[k].address, 'a', sizeof set->instances[k].address - 1);
            memset(set->instances[k].last_end, 'e', sizeof set->instances[k].last_end - 1);
        }
    }
    AUTO(value) struct value *v = snapshot_to_value(&s);
    AUTO_FREE char *text = value_print(v);
    assert_true(strlen(text) < IPC_PACKET_MAX - 100);
    AUTO(value) struct value *read = value_parse(text, strlen(text), NULL);
    check_ok(snapshot_from_value(read, &back, &err));
    assert_memory_equal(&back, &s, sizeof s);
}

// --- a driver of the shop ---

struct driver {
    const struct shop *shop;
    struct loop *loop;
    struct target *target;
    int64_t epoch;
    int connections;
    bool refuses; // the worker cannot connect
};

static int connect_shop(void *arg, struct error *err)
{
    struct driver *d = arg;
    if (d->refuses)
        return error_set(err, ERR_SYSTEM, "the agent ended at its start");
    d->connections++;
    return agent_start(&d->shop->state, "shop", err);
}

static void driver_open(struct driver *d, const struct shop *shop)
{
    struct error err = {0};
    *d = (struct driver){.shop = shop, .loop = loop_new(NULL)};
    d->target = target_local_new(d->loop, "test", connect_shop, d, &err);
    if (!d->target)
        fail_msg("%s", err.message);
}

static void driver_done(struct driver *d)
{
    target_free(d->target);
    loop_free(d->loop);
}
DEFINE_AUTO(driver, struct driver, driver_done)

static void claim(struct driver *d, const char *run, bool preempt)
{
    check_ok(d->target->ops->claim(d->target, run, "ann", preempt, &d->epoch, &err));
}

// A release of the shop, as davit-deploy would make it.
static void make_release(const struct driver *d, struct release *ret)
{
    AUTO(release) struct release made = {0};
    AUTO(value) struct value *job = shop_deploy_job(d->shop, "1", "c1", "exec sleep 600");
    struct spec_origin origin = {.commit = "c1",
        .who = "ann",
        .why = "test",
        .run = "1",
        .trace_id = "",
        .created_unix_ms = clock_unix_ms(),
        .image = &made.image,
        .env = value_get(job, "env")};
    check_ok(spec_image(value_get(job, "image"), &made.image, &err));
    check_ok(spec_release(value_get(job, "spec"), &origin, NULL, ret, &err));
}

static struct rollout begin(struct driver *d)
{
    struct rollout rollout;
    AUTO(release) struct release r = {0};
    make_release(d, &r);
    AUTO(value) struct value *record = release_to_value(&r);
    struct target *t = d->target;
    check_ok(t->ops->release_put(t, d->epoch, record, NULL, 0, &r.revision, &err));
    check_ok(spec_rollout(&r, NULL, false, &t->ops->caps, &rollout, &err));
    check_ok(t->ops->begin(t, d->epoch, &rollout, &err));
    return rollout;
}

static int write_step(struct driver *d, const struct rollout *r, int step, struct error *err)
{
    struct target_write w = {
        .epoch = d->epoch,
        .rollout = r,
        .seen_step = step - 1,
        .position = {.phase = PHASE_FORWARD, .step = step, .step_began_unix_ms = 1},
    };
    return d->target->ops->write(d->target, &w, err);
}

static void observe(struct driver *d, struct snapshot *ret)
{
    check_ok(d->target->ops->observe(d->target, ret, &err));
}

static void a_write_meets_a_dead_agent_and_goes_on(void **state)
{
    AUTO(driver) struct driver d = {0};
    struct snapshot seen;
    driver_open(&d, *state);
    claim(&d, "1", false);
    struct rollout r = begin(&d);
    shop_kill_agent(d.shop);
    struct error why = {0};
    assert_int_equal(write_step(&d, &r, 1, &why), -1);
    assert_int_equal(why.kind, ERR_NETWORK);
    assert_true(why.retryable);
    observe(&d, &seen); // with a claim that was taken up
    assert_int_equal(seen.epoch, d.epoch);
    assert_string_equal(seen.holder, "ann");
    check_ok(write_step(&d, &r, 1, &err));
    assert_int_equal(d.connections, 2);
}

static void a_look_meets_a_dead_agent_and_is_answered(void **state)
{
    AUTO(driver) struct driver d = {0};
    struct snapshot seen;
    driver_open(&d, *state);
    claim(&d, "1", false);
    begin(&d);
    shop_kill_agent(d.shop);
    observe(&d, &seen);
    assert_int_equal(seen.rollout.to, 1);
    AUTO(value) struct value *releases = NULL;
    shop_kill_agent(d.shop);
    check_ok(d.target->ops->release_list(d.target, &releases, &err));
    assert_int_equal(value_length(releases), 1);
    shop_kill_agent(d.shop);
    check_ok(d.target->ops->request(d.target, "abort", "bob", &err));
    observe(&d, &seen);
    assert_string_equal(seen.abort_who, "bob");
}

static void a_claim_that_was_taken_over_meanwhile_is_fenced(void **state)
{
    AUTO(driver) struct driver d = {0}, other = {0};
    driver_open(&d, *state);
    claim(&d, "1", false);
    struct rollout r = begin(&d);
    shop_kill_agent(d.shop);
    driver_open(&other, *state);
    claim(&other, "2", false); // the first one's went with the agent
    assert_int_equal(other.epoch, d.epoch + 1);
    struct snapshot seen;
    struct target *t = d.target;
    check_error(write_step(&d, &r, 1, &err), ERR_NETWORK, "write");
    check_error(write_step(&d, &r, 1, &err), ERR_CONFLICT, "another driver");
    check_error(t->ops->observe(t, &seen, &err), ERR_CONFLICT, "another driver");
    observe(&other, &seen);
    assert_int_equal(seen.position.step, 0);
}

static void one_claim_at_a_time_and_it_goes_with_its_holder(void **state)
{
    AUTO(driver) struct driver d = {0}, other = {0};
    driver_open(&d, *state);
    driver_open(&other, *state);
    claim(&d, "1", false);
    check_error(other.target->ops->claim(other.target, "2", "bob", false, &other.epoch, &err),
        ERR_CONFLICT, "run 1 of ann");
    target_free(take_ptr(d.target));
    claim(&other, "2", false);
    assert_int_equal(other.epoch, d.epoch + 1);
}

// --- waiting ---

static void on_due(struct loop_timer *timer)
{
    struct driver *d = timer->arg;
    d->target->ops->wake(d->target);
}

static void waiting_ends_with_a_change_a_word_or_the_deadline(void **state)
{
    AUTO(driver) struct driver d = {0}, other = {0};
    struct snapshot seen;
    driver_open(&d, *state);
    driver_open(&other, *state);
    struct target *t = d.target;
    observe(&d, &seen);
    int64_t began = t->ops->now(t);
    check_ok(t->ops->wait(t, began + 50, &err)); // nothing happens
    assert_true(t->ops->now(t) >= began + 50);
    claim(&other, "2", false); // something did
    check_ok(t->ops->wait(t, INT64_MAX, &err));
    observe(&d, &seen);
    t->ops->wake(t); // before
    check_ok(t->ops->wait(t, INT64_MAX, &err));
    struct loop_timer timer = {0};
    loop_timer_start(d.loop, &timer, clock_monotonic_ms() + 20, on_due, &d);
    check_ok(t->ops->wait(t, INT64_MAX, &err)); // and while it waits
    assert_null(timer.loop);
}

static void look_in_between(struct loop_timer *timer)
{
    struct snapshot seen;
    observe(timer->arg, &seen);
}

// A gate looks at the target from the loop, and so reads past the notice that the driver waits for.
static void a_notice_that_another_call_has_read_is_not_lost(void **state)
{
    AUTO(driver) struct driver d = {0}, other = {0};
    struct snapshot seen;
    driver_open(&d, *state);
    driver_open(&other, *state);
    observe(&d, &seen);
    struct loop_timer timer = {0};
    loop_timer_start(d.loop, &timer, clock_monotonic_ms(), look_in_between, &d);
    claim(&other, "2", false);
    check_ok(d.target->ops->wait(d.target, INT64_MAX, &err));
    loop_timer_stop(&timer);
}

static void an_agent_that_dies_is_noticed_and_then_waited_for(void **state)
{
    AUTO(driver) struct driver d = {0};
    struct snapshot seen;
    driver_open(&d, *state);
    struct target *t = d.target;
    observe(&d, &seen);
    shop_kill_agent(d.shop);
    check_ok(t->ops->wait(t, INT64_MAX, &err));
    d.refuses = true;
    struct error why = {0};
    assert_int_equal(t->ops->observe(t, &seen, &why), -1);
    assert_int_equal(why.kind, ERR_NETWORK);
    assert_true(why.retryable);
    int64_t began = t->ops->now(t);
    check_ok(t->ops->wait(t, began + 50, &err)); // no error, no spinning
    assert_true(t->ops->now(t) >= began + 50);
    d.refuses = false;
    observe(&d, &seen);
}

// --- the rest ---

static void what_is_kept_with_the_app(void **state)
{
    AUTO(driver) struct driver d = {0};
    driver_open(&d, *state);
    struct target *t = d.target;
    claim(&d, "1", false);
    begin(&d);
    AUTO(value) struct value *missing = NULL;
    AUTO(value) struct value *refused = NULL;
    AUTO(str) struct str text;
    str_init(&text, 10000);
    check_ok(t->ops->release_check(t, 1, &missing, &err));
    assert_int_equal(value_length(missing), 0);
    check_error(t->ops->release_check(t, 7, &refused, &err), ERR_NOT_FOUND, "no release 7");
    check_ok(t->ops->refuse(t, "abc", "it is broken", &err));
    check_ok(t->ops->refused(t, &refused, &err));
    assert_string_equal(value_get_str(value_at(refused, 0), "reason"), "it is broken");
    check_ok(t->ops->allow(t, "ab", &err));
    check_error(t->ops->allow(t, "ab", &err), ERR_NOT_FOUND, "ab");
    check_ok(t->ops->logs(t, 1, &text, &err));
    check_ok(t->ops->explain(t, 1, &text, &err));
    assert_string_equal(text.data, ""); // nothing was started
    check_ok(t->ops->down(t, d.epoch, &err));
}

TEST_MAIN(cmocka_unit_test(a_position_comes_back_as_it_went),
    cmocka_unit_test(every_step_comes_back_as_it_went),
    cmocka_unit_test(a_full_snapshot_comes_back_as_it_went_and_fits_a_packet),
    in_shop(a_write_meets_a_dead_agent_and_goes_on),
    in_shop(a_look_meets_a_dead_agent_and_is_answered),
    in_shop(a_claim_that_was_taken_over_meanwhile_is_fenced),
    in_shop(one_claim_at_a_time_and_it_goes_with_its_holder),
    in_shop(waiting_ends_with_a_change_a_word_or_the_deadline),
    in_shop(a_notice_that_another_call_has_read_is_not_lost),
    in_shop(an_agent_that_dies_is_noticed_and_then_waited_for), in_shop(what_is_kept_with_the_app))
