// davit-deploy with the real agent, real instances and a real nginx: each job as a worker would
// give it.
#include "support/check.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "deploy/releases.h"
#include "os/fd.h"
#include "os/file.h"
#include "support/agent_start.h"
#include "support/role_test.h"
#include "support/shop.h"

// --- one job ---

struct job {
    struct role_test role;
    const struct shop *shop;
    struct value *journal; // the last event
    const char *end_at;    // a line at which the role is told to stop
    const char *other_at;  // a line at which another job is run: of somebody else
    struct job *other;
    struct value *other_job;
};

static void on_connect_agent(struct rpc *rpc, int64_t id, struct value *params, struct ipc_fds *fds)
{
    (void)fds;
    struct role_test *t = rpc_arg(rpc);
    const struct job *job = t->arg;
    struct error err = {0};
    AUTO_FD int fd = agent_start(&job->shop->state, value_get_str(params, "app"), &err);
    if (fd < 0)
        rpc_fail(rpc, id, &err);
    else
        rpc_reply(rpc, id, NULL, &fd, 1);
}

static void on_journal(struct rpc *rpc, int64_t id, struct value *params, struct ipc_fds *fds)
{
    (void)fds;
    struct role_test *t = rpc_arg(rpc);
    struct job *job = t->arg;
    value_free(job->journal);
    job->journal = value_copy(params);
    rpc_reply(rpc, id, NULL, NULL, 0);
}

static void job_run(struct job *job, const struct shop *shop, struct value *what);

static void on_line(struct role_test *t, const char *line)
{
    struct job *job = t->arg;
    if (job->end_at && strstr(line, job->end_at))
        kill(t->pid, SIGTERM);
    if (job->other_job && strstr(line, job->other_at))
        job_run(job->other, job->shop, take_ptr(job->other_job));
}

static const struct rpc_method methods[] = {
    {"connect_agent", 1, on_connect_agent}, {"journal", 1, on_journal}, {0}};

static void job_run(struct job *job, const struct shop *shop, struct value *what)
{
    job->shop = shop;
    job->role.program = "davit-deploy";
    job->role.job = what;
    job->role.methods = methods;
    job->role.logged = on_line;
    job->role.arg = job;
    role_test_run(&job->role);
}

static void job_done(struct job *job)
{
    role_test_done(&job->role);
    value_free(job->journal);
}
DEFINE_AUTO(job, struct job, job_done)

static void print_log(const struct job *job)
{
    strv_each (line, &job->role.log)
        print_message("  %s\n", *line);
}

static void check_outcome(const struct job *job, const char *outcome)
{
    const char *seen = value_get_str(job->role.result, "outcome");
    if (seen && strcmp(seen, outcome) == 0)
        return;
    AUTO_FREE char *result =
        job->role.result ? value_print_indented(job->role.result) : mem_strdup("");
    print_log(job);
    fail_msg("wanted \"%s\", got: %s%s", outcome, job->role.error.message, result);
}

static void check_failure(const struct job *job, enum error_kind kind, const char *part)
{
    if (job->role.result) {
        AUTO_FREE char *result = value_print_indented(job->role.result);
        fail_msg("it did not fail: %s", result);
    }
    check_kind(&job->role.error, kind, part, "the job");
}

static const char *report_line(const struct job *job, size_t index)
{
    const char *line = value_text(value_at(value_get(job->role.result, "report"), index));
    return line ? line : "";
}

static void check_line(const struct job *job, size_t index, const char *beginning)
{
    if (!text_starts(report_line(job, index), beginning))
        fail_msg("line %zu of the report: %s", index, report_line(job, index));
}

static bool has_logged(const struct job *job, const char *part)
{
    strv_each (line, &job->role.log)
        if (strstr(*line, part))
            return true;
    return false;
}

static void deploy(const struct shop *shop, const char *run, const char *commit, const char *script)
{
    AUTO(job) struct job job = {0};
    job_run(&job, shop, shop_deploy_job(shop, run, commit, script));
    check_outcome(&job, "success");
}

static struct value *ask(const struct shop *shop, const char *op)
{
    AUTO(job) struct job job = {0};
    job_run(&job, shop, shop_job(op));
    if (!job.role.result)
        fail_msg("%s: %s", op, job.role.error.message);
    return value_copy(job.role.result);
}

static void check_live(const struct shop *shop, int64_t live)
{
    AUTO(value) struct value *status = ask(shop, "status");
    assert_int_equal(value_get_int(status, "live", -1), live);
    assert_null(value_get(status, "rollout"));
}

// --- deploy ---

static void a_deploy_is_told_step_by_step_and_reported(void **state)
{
    const struct shop *shop = *state;
    AUTO(job) struct job job = {0};
    struct value *what = shop_deploy_job(shop, "42", "4f0c2d1a9b7e6655", SHOP_SERVES("one"));
    shop_add_gate(what, "before_switch");
    job_run(&job, shop, what);
    check_outcome(&job, "success");
    shop_check(shop, "/version", "one");
    assert_true(has_logged(&job, "release 1 of shop: blue-green, 2 instances, slot blue"));
    assert_true(has_logged(&job, "step 2 of 6: await new: 2 ready"));
    assert_true(has_logged(&job, "step 3 of 6: gates before_switch"));
    check_line(&job, 0, "release 1 is live: commit 4f0c2d1a9b7e, image 000000000000");
    check_line(&job, 1,
        "release 1 serves: commit 4f0c2d1a9b7e, image 000000000000, 2 of 2 ready, "
        "100 % of the traffic");
    check_line(&job, 2, "took ");
    check_line(&job, 3, "gate before_switch: http /version on instance 0: passed: status 200");
    const struct value *result = job.role.result;
    assert_string_equal(value_get_str(result, "app"), "shop");
    assert_int_equal(value_get_int(result, "release", 0), 1);
    assert_int_equal(value_length(value_get(result, "verdicts")), 2);
    assert_true(value_get_int(value_get(result, "times"), "switch_ms", -1) >= 0);
    AUTO_FREE char *journal = value_print(job.journal);
    assert_non_null(strstr(journal, "\"event\":\"release\",\"app\":\"shop\",\"revision\":1"));
}

static void secrets_reach_the_instances(void **state)
{
    const struct shop *shop = *state;
    static const char document[] = "{\"secrets\": {\"TOKEN\": \"hush\"}}";
    AUTO_FD int fd = fd_memory("job", document, strlen(document), NULL);
    AUTO(job) struct job job = {.role = {.fds = &fd, .fd_count = 1}};
    struct value *what = shop_deploy_job(shop, "1", "c1", SHOP_SERVES("$TOKEN$MODE"));
    struct value *names = value_list();
    value_append_str(names, "TOKEN");
    value_set(value_get(what, "spec"), "secrets", names);
    value_set_str(value_get(what, "env"), "MODE", "-set");
    job_run(&job, shop, what);
    check_outcome(&job, "success");
    shop_check(shop, "/version", "hush-set");
    // They go with a rollback, too.
    deploy(shop, "2", "c2", SHOP_SERVES("two"));
    AUTO(job) struct job back = {0};
    job_run(&back, shop, shop_job("rollback"));
    check_outcome(&back, "success");
    shop_check(shop, "/version", "hush-set");
}

static void a_gate_that_fails_takes_it_back_and_refuses_the_commit(void **state)
{
    const struct shop *shop = *state;
    deploy(shop, "1", "c1c1", SHOP_SERVES("one"));
    AUTO(job) struct job job = {0};
    struct value *what = shop_deploy_job(
        shop, "2", "c2c2", "echo no database; exec busybox httpd -f -p 127.0.0.1:$PORT -h /www");
    shop_add_gate(what, "after_switch");
    job_run(&job, shop, what);
    check_outcome(&job, "rolled back");
    check_line(&job, 0, "rolled back: after_switch: http /version on instance ");
    check_line(&job, 1, "release 1 serves: commit c1c1");
    assert_non_null(strstr(report_line(&job, 2), "until it was decided to go back"));
    AUTO_FREE char *report = value_print(value_get(job.role.result, "report"));
    assert_non_null(strstr(report, "commit c2c2 is refused from now on; `davit allow shop c2c2`"));
    assert_non_null(strstr(report, "no database"));
    assert_non_null(strstr(value_get_str(job.role.result, "reason"), "status 404"));
    shop_check(shop, "/version", "one");
    check_live(shop, 1);

    AUTO(job) struct job again = {0};
    job_run(&again, shop, shop_deploy_job(shop, "3", "c2c2", SHOP_SERVES("two")));
    check_outcome(&again, "refused");
    check_line(&again, 0, "refused: commit c2c2 is refused since 20");
    assert_non_null(strstr(report_line(&again, 0), "`davit allow shop c2c2` lifts it"));
    AUTO(value) struct value *history = ask(shop, "history");
    assert_int_equal(value_length(value_get(history, "releases")), 2); // nothing was touched

    struct value *allow = shop_job("allow");
    value_set_str(allow, "commit", "c2");
    AUTO(job) struct job allowed = {0};
    job_run(&allowed, shop, allow);
    assert_non_null(allowed.role.result);
    deploy(shop, "4", "c2c2", SHOP_SERVES("two"));
    shop_check(shop, "/version", "two");
}

static void a_first_release_that_fails_leaves_nothing(void **state)
{
    const struct shop *shop = *state;
    AUTO(job) struct job job = {0};
    job_run(&job, shop, shop_deploy_job(shop, "1", "c1", "echo out of cheese >&2; exit 3"));
    check_outcome(&job, "failed");
    check_line(&job, 0, "failed: ");
    check_line(&job, 1, "nothing serves");
    AUTO_FREE char *report = value_print(value_get(job.role.result, "report"));
    assert_non_null(strstr(report, "out of cheese"));
}

static void being_told_to_stop_takes_it_back(void **state)
{
    const struct shop *shop = *state;
    deploy(shop, "1", "c1", SHOP_SERVES("one"));
    AUTO(job) struct job job = {.end_at = "await new"};
    job_run(&job, shop, shop_deploy_job(shop, "2", "c2", "sleep 600"));
    check_outcome(&job, "cancelled");
    check_line(&job, 0, "cancelled: aborted by its runner, which was told to stop");
    check_line(&job, 1, "release 1 serves");
    check_live(shop, 1);
    AUTO(value) struct value *history = ask(shop, "history");
    assert_int_equal(value_length(value_get(history, "refused")), 0);
}

static void being_told_to_stop_before_it_began_changes_nothing(void **state)
{
    const struct shop *shop = *state;
    AUTO(job) struct job dead = {.role = {.may_die = true}};
    setenv("DAVIT_FAILPOINT", "deploy.after_write:2=kill", 1);
    job_run(&dead, shop, shop_deploy_job(shop, "1", "c1", SHOP_SERVES("one")));
    unsetenv("DAVIT_FAILPOINT");
    AUTO(job) struct job job = {.end_at = "was left under way"};
    job_run(&job, shop, shop_deploy_job(shop, "2", "c2", SHOP_SERVES("two")));
    check_outcome(&job, "cancelled");
    check_line(&job, 0, "cancelled: before the rollout began");
    check_live(shop, 1); // the other was brought to its end
}

// --- parked ---

static struct value *parked_job(
    const struct shop *shop, const char *run, const char *commit, const char *script)
{
    struct value *what = shop_deploy_job(shop, run, commit, script);
    value_set_str(value_get(value_get(what, "spec"), "strategy"), "promotion", "manual");
    return what;
}

static void park(const struct shop *shop)
{
    deploy(shop, "1", "c1", SHOP_SERVES("one"));
    AUTO(job) struct job job = {0};
    job_run(&job, shop, parked_job(shop, "2", "c2", SHOP_SERVES("two")));
    check_outcome(&job, "parked");
    check_line(&job, 0, "parked: release 2 is ready and waits for `davit promote shop`");
    shop_check(shop, "/version", "one");
}

static void a_parked_rollout_waits_for_its_promotion(void **state)
{
    const struct shop *shop = *state;
    park(shop);
    AUTO(value) struct value *status = ask(shop, "status");
    assert_string_equal(
        value_get_str(status, "rollout"), "release 2 (run 2) waits for `davit promote shop`");
    AUTO(job) struct job other = {0};
    job_run(&other, shop, shop_deploy_job(shop, "3", "c3", SHOP_SERVES("three")));
    check_failure(&other, ERR_CONFLICT, "waits for its promotion: `davit promote shop`");
    AUTO(job) struct job promote = {0};
    job_run(&promote, shop, shop_job("promote"));
    check_outcome(&promote, "success");
    shop_check(shop, "/version", "two");
    AUTO(job) struct job again = {0};
    job_run(&again, shop, shop_job("promote"));
    check_failure(&again, ERR_USAGE, "no rollout of shop is under way");
}

static void an_abort_drives_back_what_nobody_drives(void **state)
{
    const struct shop *shop = *state;
    park(shop);
    AUTO(job) struct job abort = {0};
    job_run(&abort, shop, shop_job("abort"));
    check_outcome(&abort, "success");
    check_line(&abort, 0, "release 2 of shop was taken back (cancelled)");
    check_line(&abort, 1, "release 1 serves");
    check_live(shop, 1);
    AUTO(job) struct job again = {0};
    job_run(&again, shop, shop_job("abort"));
    check_failure(&again, ERR_USAGE, "no rollout of shop is under way");
}

static void a_rollback_during_a_rollout_is_its_abort(void **state)
{
    const struct shop *shop = *state;
    park(shop);
    AUTO(job) struct job back = {0};
    job_run(&back, shop, shop_job("rollback"));
    check_outcome(&back, "success");
    check_line(&back, 0,
        "shop: release 2 was taken back (cancelled); live as before it: release 1 "
        "(commit c1");
    check_live(shop, 1);
}

// --- somebody drives ---

static struct value *bobs_job(const char *op)
{
    struct value *job = shop_job(op);
    value_set_str(job, "who", "bob");
    return job;
}

static void an_abort_is_left_with_who_drives(void **state)
{
    const struct shop *shop = *state;
    deploy(shop, "1", "c1", SHOP_SERVES("one"));
    AUTO(job) struct job abort = {0};
    AUTO(job)
    struct job job = {.other_at = "await new", .other = &abort, .other_job = bobs_job("abort")};
    job_run(&job, shop, shop_deploy_job(shop, "2", "c2", "sleep 600"));
    check_outcome(&abort, "success");
    check_line(&abort, 0, "the rollout of release 2 (run 2) is driven by ann, who takes it back");
    check_outcome(&job, "cancelled");
    check_line(&job, 0, "cancelled: aborted by bob");
    check_live(shop, 1);
}

static void an_app_is_deployed_by_one_at_a_time(void **state)
{
    const struct shop *shop = *state;
    AUTO(job) struct job other = {0};
    AUTO(job)
    struct job job = {.other_at = "await new",
        .other = &other,
        .other_job = shop_deploy_job(shop, "2", "c2", SHOP_SERVES("two"))};
    job_run(&job, shop, shop_deploy_job(shop, "1", "c1", SHOP_SERVES("one")));
    check_failure(&other, ERR_CONFLICT, "run 1 of ann holds shop");
    check_outcome(&job, "success");
    shop_check(shop, "/version", "one");
}

static void a_rollback_takes_the_app_from_its_driver(void **state)
{
    const struct shop *shop = *state;
    deploy(shop, "1", "c1", SHOP_SERVES("one"));
    AUTO(job) struct job back = {0};
    AUTO(job)
    struct job job = {.other_at = "await new", .other = &back, .other_job = bobs_job("rollback")};
    job_run(&job, shop, shop_deploy_job(shop, "2", "c2", "sleep 600"));
    check_outcome(&back, "success");
    check_line(&back, 0, "shop: release 2 was taken back (cancelled)");
    check_failure(&job, ERR_CONFLICT, "another driver has taken ");
    shop_check(shop, "/version", "one");
    check_live(shop, 1);
}

// --- rollback ---

static void a_rollback_goes_to_the_release_before(void **state)
{
    const struct shop *shop = *state;
    deploy(shop, "1", "c1", SHOP_SERVES("one"));
    deploy(shop, "2", "c2", SHOP_SERVES("two"));
    struct value *dry = shop_job("rollback");
    value_set_bool(dry, "dry_run", true);
    AUTO(job) struct job plan = {0};
    job_run(&plan, shop, dry);
    check_outcome(&plan, "success");
    check_line(&plan, 0, "shop: release 2 (commit c2, image 000000000000) → release 1 (commit c1");
    check_line(&plan, 2, "  to   release 1 (commit c1, image 000000000000), of 20");
    shop_check(shop, "/version", "two");

    struct value *what = shop_job("rollback");
    value_set_str(what, "why", "checkout is broken");
    AUTO(job) struct job back = {0};
    job_run(&back, shop, what);
    check_outcome(&back, "success");
    check_line(&back, 0,
        "shop: release 2 (commit c2, image 000000000000) → release 1 (commit c1, "
        "image 000000000000), as release 3: checkout is broken");
    assert_int_equal(value_get_int(back.role.result, "from", 0), 2);
    assert_int_equal(value_get_int(back.role.result, "to", 0), 1);
    shop_check(shop, "/version", "one");
    AUTO(value) struct value *history = ask(shop, "history");
    const struct value *newest = value_at(value_get(history, "releases"), 0);
    assert_int_equal(value_get_int(history, "live", 0), 3);
    assert_string_equal(value_get_str(newest, "who"), "ann");
    assert_string_equal(value_get_str(newest, "why"), "back to release 1: checkout is broken");
    assert_string_equal(value_get_str(newest, "outcome"), "success");
    assert_non_null(refused_find(value_get(history, "refused"), "c2"));
    AUTO(job) struct job more = {0};
    job_run(&more, shop, shop_job("rollback"));
    check_failure(&more, ERR_NOT_FOUND, "no earlier release");
}

static void a_release_whose_layers_are_gone_is_not_gone_back_to(void **state)
{
    const struct shop *shop = *state;
    deploy(shop, "1", "c1", SHOP_SERVES("one"));
    deploy(shop, "2", "c2", SHOP_SERVES("two"));
    AUTO(value) struct value *status = ask(shop, "status");
    assert_string_equal(value_get_str(status, "rollback"),
        "ready: release 1, commit c1, image 000000000000; image and settings are here");
    AUTO_FREE char *layers = state_path(&shop->state, "images/layers");
    AUTO_FREE char *moved = state_path(&shop->state, "images/moved");
    assert_int_equal(rename(layers, moved), 0);
    AUTO(value) struct value *less = ask(shop, "status");
    assert_true(text_starts(value_get_str(less, "rollback"), "not possible: release 1"));
    AUTO(job) struct job back = {0};
    job_run(&back, shop, shop_job("rollback"));
    assert_int_equal(rename(moved, layers), 0);
    check_failure(&back, ERR_FAILED, "release 1 cannot be gone back to: layer ");
    check_live(shop, 2);
}

// --- what dies ---

static void die(const struct shop *shop, const char *failpoints, struct value *what)
{
    AUTO(job) struct job job = {.role = {.may_die = true}};
    setenv("DAVIT_FAILPOINT", failpoints, 1);
    job_run(&job, shop, what);
    unsetenv("DAVIT_FAILPOINT");
    if (!WIFSIGNALED(job.role.status)) {
        print_log(&job);
        fail_msg("%s: it did not die: %s", failpoints, job.role.error.message);
    }
}

// The role died, and its worker starts it once more.
static void a_deploy_that_died_goes_on_from_where_it_was(void **state)
{
    const struct shop *shop = *state;
    static const char *const points[] = {"deploy.begun:1=kill", "deploy.before_write:1=kill",
        "deploy.after_write:1=kill", "deploy.before_write:3=kill", "deploy.after_write:4=kill",
        "deploy.before_finish:1=kill", "deploy.after_finish:1=kill"};
    deploy(shop, "1", "c0", SHOP_SERVES("one"));
    for (size_t i = 0; i < ARRAY_LEN(points); i++) {
        AUTO_FREE char *run = mem_printf("%zu", 10 + i);
        AUTO_FREE char *commit = mem_printf("c%zu", 10 + i);
        die(shop, points[i], shop_deploy_job(shop, run, commit, SHOP_SERVES("two")));
        struct value *what = shop_deploy_job(shop, run, commit, SHOP_SERVES("two"));
        value_set_str(what, "op", "resume");
        AUTO(job) struct job job = {0};
        job_run(&job, shop, what);
        check_outcome(&job, "success");
        assert_int_equal(value_get_int(job.role.result, "release", 0), 2 + (int64_t)i);
        check_live(shop, 2 + (int64_t)i);
    }
}

static void what_a_dead_runner_left_is_ended_before_the_next(void **state)
{
    const struct shop *shop = *state;
    deploy(shop, "1", "c1", SHOP_SERVES("one"));
    die(shop, "deploy.after_write:2=kill", shop_deploy_job(shop, "2", "c2", SHOP_SERVES("two")));
    AUTO(value) struct value *status = ask(shop, "status");
    assert_non_null(
        strstr(value_get_str(status, "rollout"), "nobody drives it: `davit resume shop`"));
    AUTO(job) struct job job = {0};
    job_run(&job, shop, shop_deploy_job(shop, "3", "c3", SHOP_SERVES("three")));
    check_outcome(&job, "success");
    assert_true(has_logged(&job, "release 2 (run 2) was left under way by its runner"));
    assert_true(has_logged(&job, "release 2 (run 2): success; now this one"));
    shop_check(shop, "/version", "three");
    check_live(shop, 3);
}

static void resume_drives_on_or_tells_how_it_ended(void **state)
{
    const struct shop *shop = *state;
    AUTO(job) struct job none = {0};
    job_run(&none, shop, shop_job("resume"));
    check_failure(&none, ERR_NOT_FOUND, "nothing was ever deployed as shop");
    die(shop, "deploy.after_write:2=kill", shop_deploy_job(shop, "2", "c2", SHOP_SERVES("two")));
    for (int i = 0; i < 2; i++) {
        AUTO(job) struct job job = {0};
        job_run(&job, shop, shop_job("resume"));
        check_outcome(&job, "success");
        check_line(&job, 0, "release 1 is live");
    }
    shop_check(shop, "/version", "two");
}

static void a_rollback_takes_over_what_a_dead_one_left(void **state)
{
    const struct shop *shop = *state;
    deploy(shop, "1", "c1", SHOP_SERVES("one"));
    deploy(shop, "2", "c2", SHOP_SERVES("two"));
    die(shop, "deploy.after_write:1=kill", shop_job("rollback"));
    AUTO(job) struct job job = {0};
    job_run(&job, shop, shop_job("rollback"));
    check_outcome(&job, "success");
    assert_non_null(strstr(report_line(&job, 0), "was under way, and is done: release 3"));
    shop_check(shop, "/version", "one");
    check_live(shop, 3);
}

// The agent dies after every fifth save, whatever it was that it saved.
static void the_agents_death_is_not_the_rollouts(void **state)
{
    const struct shop *shop = *state;
    setenv("DAVIT_FAILPOINT", "agent.saved:5=kill", 1);
    deploy(shop, "1", "c1", SHOP_SERVES("one"));
    AUTO(job) struct job job = {0};
    job_run(&job, shop, shop_deploy_job(shop, "2", "c2", SHOP_SERVES("two")));
    unsetenv("DAVIT_FAILPOINT");
    check_outcome(&job, "success");
    shop_kill_agent(shop); // the last one would die of it, too
    shop_check(shop, "/version", "two");
    AUTO(value) struct value *history = ask(shop, "history");
    assert_int_equal(value_length(value_get(history, "releases")), 2);
}

// --- the rest ---

static void the_live_instances_are_shown_and_heard(void **state)
{
    const struct shop *shop = *state;
    deploy(shop, "1", "c1", "echo hello from $PORT; " SHOP_SERVES("one"));
    AUTO(value) struct value *status = ask(shop, "status");
    const struct value *set = value_at(value_get(status, "sets"), 0);
    assert_int_equal(value_length(value_get(status, "sets")), 1);
    assert_string_equal(value_get_str(set, "slot"), "blue");
    assert_int_equal(value_get_int(set, "percent", 0), 100);
    assert_int_equal(value_length(value_get(set, "instances")), 2);
    const struct value *instance = value_at(value_get(set, "instances"), 0);
    assert_string_equal(value_get_str(instance, "state"), "ready");
    assert_true(text_starts(value_get_str(instance, "address"), "127.0.0.1:"));
    AUTO(job) struct job logs = {0};
    job_run(&logs, shop, shop_job("logs"));
    assert_int_equal(logs.role.log.length, 2);
    assert_true(text_starts(logs.role.log.items[0], "hello from "));
}

static void down_takes_it_all_away(void **state)
{
    const struct shop *shop = *state;
    deploy(shop, "1", "c1", SHOP_SERVES("one"));
    AUTO(job) struct job down = {0};
    job_run(&down, shop, shop_job("down"));
    assert_non_null(down.role.result);
    assert_false(file_exists(shop->state.dir, "apps/shop"));
    shop_check(shop, "/version", "");
}

static void a_job_that_is_none_is_refused(void **state)
{
    const struct shop *shop = *state;
    AUTO(job) struct job job = {0};
    job_run(&job, shop, shop_job("dance"));
    check_failure(&job, ERR_PROTOCOL, "davit-deploy has no job \"dance\"");
}

TEST_MAIN(in_shop(a_deploy_is_told_step_by_step_and_reported), in_shop(secrets_reach_the_instances),
    in_shop(a_gate_that_fails_takes_it_back_and_refuses_the_commit),
    in_shop(a_first_release_that_fails_leaves_nothing), in_shop(being_told_to_stop_takes_it_back),
    in_shop(being_told_to_stop_before_it_began_changes_nothing),
    in_shop(a_parked_rollout_waits_for_its_promotion),
    in_shop(an_abort_drives_back_what_nobody_drives),
    in_shop(a_rollback_during_a_rollout_is_its_abort), in_shop(an_abort_is_left_with_who_drives),
    in_shop(an_app_is_deployed_by_one_at_a_time), in_shop(a_rollback_takes_the_app_from_its_driver),
    in_shop(a_rollback_goes_to_the_release_before),
    in_shop(a_release_whose_layers_are_gone_is_not_gone_back_to),
    in_shop(a_deploy_that_died_goes_on_from_where_it_was),
    in_shop(what_a_dead_runner_left_is_ended_before_the_next),
    in_shop(resume_drives_on_or_tells_how_it_ended),
    in_shop(a_rollback_takes_over_what_a_dead_one_left),
    in_shop(the_agents_death_is_not_the_rollouts), in_shop(the_live_instances_are_shown_and_heard),
    in_shop(down_takes_it_all_away), in_shop(a_job_that_is_none_is_refused))
