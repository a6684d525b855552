// What a driver tells of its work, in a calm world; that it does the right thing in a wild one is
// in test_model.c.
#include "support/check.h"

#include <stdio.h>
#include <string.h>

#include "deploy/drive.h"
#include "support/target_model.h"

struct bench {
    struct model model;
    struct model_driver driver;
    struct target_ops ops; // of the driver's target, to replace some
    struct drive drive;
    struct drive_events events;
    struct drive_result result;
    struct str told;
    bool promotes; // at the word that gates are held
};

static void tell_step(void *arg, enum phase phase, int index, const struct step *step)
{
    struct bench *b = arg;
    str_printf(&b->told, "%s %d: ", phase_name(phase), index);
    step_print(step, &b->told);
    str_putc(&b->told, '\n');
}

static void tell_note(void *arg, const char *line)
{
    struct bench *b = arg;
    str_printf(&b->told, "note: %s\n", line);
    if (text_starts(line, "held: ") && b->promotes)
        world_promote(&b->model.world, "ann");
}

// One instance by another, with all gates.
static struct bench *bench_new(enum strategy strategy)
{
    struct bench *b = mem_alloc(sizeof *b);
    struct world *w = &b->model.world;
    str_init(&b->told, 100000);
    b->model.decide = decide;
    b->model.gates[GATE_BEFORE_SWITCH] = b->model.gates[GATE_AFTER_SWITCH] = GATE_PASSED;
    world_init(w, 7, NULL);
    world_settled(w, 1, SLOT_BLUE, 1);
    model_driver_init(&b->driver, &b->model);
    b->ops = *b->driver.target.ops;
    b->driver.target.ops = &b->ops;
    b->events = (struct drive_events){.arg = b, .step = tell_step, .note = tell_note};
    b->drive = (struct drive){
        .target = &b->driver.target,
        .gates = &b->driver.prober,
        .events = &b->events,
        .decide = decide,
    };
    struct rollout r = {
        .run = "42",
        .from = 1,
        .to = 2,
        .from_count = 1,
        .to_count = 1,
        .to_slot = strategy == STRATEGY_ROLLING ? SLOT_BLUE : SLOT_GREEN,
        .strategy = strategy,
        .gates_before = true,
        .gates_after = true,
        .progress_deadline_ms = 60000,
        .began_unix_ms = w->now,
    };
    check_ok(b->ops.claim(&b->driver.target, "42", "ann", false, &b->drive.epoch, &err));
    check_ok(b->ops.begin(&b->driver.target, b->drive.epoch, &r, &err));
    return b;
}

static void bench_free(struct bench *b)
{
    if (b->model.world.broken[0])
        fail_msg("%s", b->model.world.broken);
    drive_result_done(&b->result);
    str_done(&b->told);
    mem_freep(&b);
}

static void each_step_is_told_and_a_success_has_its_times(void **state)
{
    (void)state;
    struct bench *b = bench_new(STRATEGY_ROLLING);
    int64_t began = b->model.world.now;
    check_ok(drive_rollout(&b->drive, &b->result, &err));
    assert_string_equal(b->told.data, "forward 0: scale new to 1\n"
                                      "forward 1: await new: 1 ready\n"
                                      "forward 2: gates before_switch\n"
                                      "forward 3: await new: 1 ready\n"
                                      "forward 4: traffic 100 % to new\n"
                                      "forward 5: scale old to 0\n"
                                      "forward 6: drain old to 0\n"
                                      "forward 7: gates after_switch\n"
                                      "forward 8: await new: 1 ready\n"
                                      "forward 9: commit: new is live\n"
                                      "forward 10: retire old\n");
    assert_int_equal(b->result.outcome, OUTCOME_SUCCESS);
    const struct rollout_times *times = &b->result.times;
    int64_t passed = b->model.world.now - began; // with the last call: one takes up to 20 ms
    assert_true(times->total_ms >= passed - 20 && times->total_ms <= passed);
    assert_in_range(times->switch_ms, 1, 20);
    assert_int_equal(times->detect_ms, -1);
    assert_int_equal(times->back_ms, -1);
    bench_free(b);
}

static void a_failure_has_its_reason_and_the_times_of_detection_and_return(void **state)
{
    (void)state;
    struct bench *b = bench_new(STRATEGY_BLUE_GREEN);
    b->model.gates[GATE_AFTER_SWITCH] = GATE_REJECTED;
    check_ok(drive_rollout(&b->drive, &b->result, &err));
    assert_int_equal(b->result.outcome, OUTCOME_ROLLED_BACK);
    assert_string_equal(b->result.position.reason, "after_switch: as the model says");
    const struct rollout_times *times = &b->result.times;
    assert_true(times->detect_ms > 0 && times->back_ms > 0);
    assert_int_equal(times->total_ms, times->detect_ms + times->back_ms);
    bench_free(b);
}

static void who_comes_after_the_end_learns_how_it_ended(void **state)
{
    (void)state;
    struct bench *b = bench_new(STRATEGY_BLUE_GREEN);
    b->model.gates[GATE_BEFORE_SWITCH] = GATE_REJECTED;
    check_ok(drive_rollout(&b->drive, &b->result, &err));
    drive_result_done(&b->result);
    str_clear(&b->told);
    check_ok(drive_rollout(&b->drive, &b->result, &err));
    assert_int_equal(b->result.outcome, OUTCOME_ROLLED_BACK);
    assert_string_equal(b->told.data, "");
    bench_free(b);
}

// Verdicts come from each phase's gates, in the order in which they ran.
static struct value *one_verdict(struct prober *p)
{
    struct model_driver *d =
        (struct model_driver *)((char *)p - offsetof(struct model_driver, prober));
    struct value *list = value_list();
    value_append_str(list, gate_phase_name(d->gate_phase));
    return list;
}

static void verdicts_of_all_gates_are_gathered(void **state)
{
    (void)state;
    struct bench *b = bench_new(STRATEGY_BLUE_GREEN);
    struct prober_ops ops = *b->driver.prober.ops;
    ops.verdicts = one_verdict;
    b->driver.prober.ops = &ops;
    check_ok(drive_rollout(&b->drive, &b->result, &err));
    AUTO_FREE char *text = value_print(b->result.verdicts);
    assert_string_equal(text, "[\"before_switch\",\"after_switch\"]");
    bench_free(b);
}

static void held_gates_wait_for_a_persons_word(void **state)
{
    (void)state;
    struct bench *b = bench_new(STRATEGY_BLUE_GREEN);
    b->model.gates[GATE_AFTER_SWITCH] = GATE_HELD;
    b->promotes = true;
    check_ok(drive_rollout(&b->drive, &b->result, &err));
    assert_int_equal(b->result.outcome, OUTCOME_SUCCESS);
    const char *note = strstr(b->told.data, "note: held: as the model says; it waits for data, or "
                                            "for a person: `davit promote`");
    assert_non_null(note);
    assert_null(strstr(note + 1, "note: held")); // told once
    bench_free(b);
}

static int refuse_to_start(struct prober *p, enum gate_phase phase, enum set set,
    const struct snapshot *seen, struct error *err)
{
    (void)p;
    (void)phase;
    (void)set;
    (void)seen;
    return error_set(err, ERR_SYSTEM, "no descriptors left");
}

static void gates_that_cannot_be_run_have_not_passed(void **state)
{
    (void)state;
    struct bench *b = bench_new(STRATEGY_BLUE_GREEN);
    struct prober_ops ops = *b->driver.prober.ops;
    ops.start = refuse_to_start;
    b->driver.prober.ops = &ops;
    check_ok(drive_rollout(&b->drive, &b->result, &err));
    assert_int_equal(b->result.outcome, OUTCOME_ROLLED_BACK);
    assert_string_equal(b->result.position.reason, "before_switch: no descriptors left");
    bench_free(b);
}

static void patience_ends_with_the_first_error_and_the_number_of_attempts(void **state)
{
    (void)state;
    struct bench *b = bench_new(STRATEGY_ROLLING);
    struct world *w = &b->model.world;
    int64_t began = w->now;
    w->down_until = INT64_MAX;
    struct error err = {0};
    assert_int_equal(drive_rollout(&b->drive, &b->result, &err), -1);
    assert_int_equal(err.kind, ERR_NETWORK);
    assert_string_equal(err.message, "gave up after 67 attempts: no answer: connection refused");
    assert_string_equal(b->told.data, "note: model: no answer: connection refused; trying again\n");
    assert_true(w->now - began >= DRIVE_PATIENCE_MS);
    assert_int_equal(b->result.outcome, OUTCOME_PENDING);
    assert_int_equal(w->position.phase, PHASE_FORWARD); // there to be resumed
    bench_free(b);
}

static int disk_full(struct target *t, const struct target_write *w, struct error *err)
{
    (void)t;
    (void)w;
    return error_set(err, ERR_SYSTEM, "no space left on device");
}

static void what_will_not_go_better_later_is_not_tried_again(void **state)
{
    (void)state;
    struct bench *b = bench_new(STRATEGY_ROLLING);
    b->ops.write = disk_full;
    check_error(drive_rollout(&b->drive, &b->result, &err), ERR_SYSTEM, "no space left");
    assert_string_equal(b->told.data, "forward 0: scale new to 1\n");
    bench_free(b);
}

static int fenced(struct target *t, const struct target_write *w, struct error *err)
{
    (void)t;
    (void)w;
    return error_set(err, ERR_CONFLICT, "epoch 2 rules");
}

static void a_write_that_is_fenced_is_the_last_call(void **state)
{
    (void)state;
    struct bench *b = bench_new(STRATEGY_ROLLING);
    b->ops.write = fenced;
    check_error(drive_rollout(&b->drive, &b->result, &err), ERR_CONFLICT, "epoch 2 rules");
    assert_int_equal(b->model.calls, 1); // that it observed
    bench_free(b);
}

static void a_driver_of_yesterday_writes_nothing(void **state)
{
    (void)state;
    struct bench *b = bench_new(STRATEGY_ROLLING);
    b->model.world.epoch++;
    check_error(drive_rollout(&b->drive, &b->result, &err), ERR_CONFLICT,
        "another driver has taken the app over (epoch 2; ours was 1)");
    assert_string_equal(b->told.data, "");
    bench_free(b);
}

static void a_position_of_another_program_is_refused(void **state)
{
    (void)state;
    struct bench *b = bench_new(STRATEGY_ROLLING);
    b->model.world.position.step = 99;
    check_error(drive_rollout(&b->drive, &b->result, &err), ERR_PROTOCOL, "42 is at step 99 of 11");
    b->model.world.position.step = 0;
    bench_free(b);
}

TEST_MAIN(cmocka_unit_test(each_step_is_told_and_a_success_has_its_times),
    cmocka_unit_test(a_failure_has_its_reason_and_the_times_of_detection_and_return),
    cmocka_unit_test(who_comes_after_the_end_learns_how_it_ended),
    cmocka_unit_test(verdicts_of_all_gates_are_gathered),
    cmocka_unit_test(held_gates_wait_for_a_persons_word),
    cmocka_unit_test(gates_that_cannot_be_run_have_not_passed),
    cmocka_unit_test(patience_ends_with_the_first_error_and_the_number_of_attempts),
    cmocka_unit_test(what_will_not_go_better_later_is_not_tried_again),
    cmocka_unit_test(a_write_that_is_fenced_is_the_last_call),
    cmocka_unit_test(a_driver_of_yesterday_writes_nothing),
    cmocka_unit_test(a_position_of_another_program_is_refused))
