// The real agent with real instances (busybox' httpd) and a real nginx, spoken to as a driver
// would.
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "codec/rpc.h"
#include "deploy/release.h"
#include "deploy/wire.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/file.h"
#include "os/sockets.h"
#include "sandbox/spawn.h"
#include "support/agent_start.h"
#include "support/directory.h"
#include "support/shell.h"

#define WAIT_MS 15000
#define LAYER   "sha256:00000000000000000000000000000000000000000000000000000000000000aa"

#define SERVE "exec busybox httpd -f -p 127.0.0.1:$PORT -h /www"

struct app {
    struct state state;
    struct rpc *rpc;
    int64_t epoch;
    char listen[64];
};

// Below those that apps are given, and not where another run of these tests looks first.
static int free_port(void)
{
    static int next;
    do
        next = next ? next + 1 : 10000 + getpid() % 9000;
    while (!port_is_free(next));
    return next;
}

// An image's one layer: busybox, and what its server shows.
static void make_layer(const struct app *app)
{
    shell(app->state.path,
        "mkdir -p images/layers/00000000000000000000000000000000000000000000000000000000000000aa; "
        "cd images/layers/*; mkdir bin www tmp; cp /bin/busybox bin/; "
        "for b in sh sleep cat; do ln -s busybox bin/$b; done; echo pong >www/ping; "
        "chown -R %u:%u .",
        SANDBOX_ID_BASE, SANDBOX_ID_BASE);
}

static void connect_app(struct app *app)
{
    struct error err = {0};
    int fd = agent_start(&app->state, "shop", &err);
    if (fd < 0)
        fail_msg("%s", err.message);
    app->rpc = rpc_connect(fd, "test", &err);
    assert_non_null(app->rpc);
}

static struct value *call(
    struct app *app, const char *op, struct value *params, int fd, struct ipc_fds *fds)
{
    struct value *result = NULL;
    check_ok(rpc_call(app->rpc, op, params, &fd, fd >= 0 ? 1 : 0, WAIT_MS, &result, fds, &err));
    return result;
}

static void call_failing(
    struct app *app, const char *op, struct value *params, enum error_kind kind, const char *part)
{
    check_error(rpc_call(app->rpc, op, params, NULL, 0, WAIT_MS, NULL, NULL, &err), kind, part);
}

static struct value *parameters(const struct app *app)
{
    struct value *v = value_map();
    value_set_int(v, "epoch", app->epoch);
    return v;
}

static void claim(struct app *app, bool preempt)
{
    struct value *params = value_map();
    value_set_str(params, "run", "1");
    value_set_str(params, "who", "ann");
    value_set_bool(params, "preempt", preempt);
    AUTO(value) struct value *result = call(app, "claim", params, -1, NULL);
    app->epoch = value_get_int(result, "epoch", 0);
}

static int setup(void **state)
{
    if (directory_setup(state) < 0)
        return -1;
    struct app *app = mem_alloc(sizeof *app);
    check_ok(state_open(*state, &app->state, &err));
    snprintf(app->listen, sizeof app->listen, "127.0.0.1:%d", free_port());
    make_layer(app);
    free(*state);
    connect_app(app);
    claim(app, false);
    *state = app;
    return 0;
}

static int teardown(void **state)
{
    struct app *app = *state;
    if (file_exists(app->state.dir, "apps/shop/state.json")) {
        rpc_free(app->rpc);
        connect_app(app);
        claim(app, true);
        value_free(call(app, "down", parameters(app), -1, NULL));
    }
    rpc_free(app->rpc);
    *state = mem_strdup(app->state.path);
    state_done(&app->state);
    free(app);
    return directory_teardown(state);
}

#define with_agent(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

// --- releases ---

static struct value *make_release(const struct app *app, const char *script)
{
    AUTO(release)
    struct release r = {
        .created_unix_ms = clock_unix_ms(),
        .app = mem_strdup("shop"),
        .commit = mem_strdup("4f0c2d1a"),
        .who = mem_strdup("ann"),
        .why = mem_strdup("test"),
        .run = mem_strdup("1"),
        .trace_id = mem_strdup("0123"),
        .env = value_map(),
        .instances = 2,
        .listen = mem_strdup(app->listen),
        .healthcheck = {.path = mem_strdup("/ping"),
            .status = 200,
            .interval_ms = 200,
            .timeout_ms = 1000},
        .strategy.kind = STRATEGY_BLUE_GREEN,
        .grace_ms = 2000,
        .drain_ms = 3000,
        .deadline_ms = 10000,
        .times = {-1, -1, -1, -1},
    };
    r.image.reference = mem_strdup("shop:1");
    r.image.digest = mem_strdup(LAYER);
    strv_push(&r.image.layers, LAYER);
    strv_push(&r.image.config.cmd, "sh");
    strv_push(&r.image.config.cmd, "-c");
    strv_push(&r.image.config.cmd, script);
    vec_push(
        &r.ports.items, ((struct release_port){.name = mem_strdup("PORT"), .kind = PORT_HTTP}));
    return release_to_value(&r);
}

static int64_t put(struct app *app, struct value *record, int secrets)
{
    struct value *params = parameters(app);
    value_set(params, "record", record);
    AUTO(value) struct value *result = call(app, "put", params, secrets, NULL);
    return value_get_int(result, "revision", 0);
}

static struct rollout make_rollout(int64_t from, int64_t to)
{
    return (struct rollout){
        .run = "1",
        .who = "ann",
        .from = from,
        .to = to,
        .from_count = from ? 2 : 0,
        .to_count = 2,
        .from_slot = to % 2 ? SLOT_GREEN : SLOT_BLUE,
        .to_slot = to % 2 ? SLOT_BLUE : SLOT_GREEN,
        .strategy = STRATEGY_BLUE_GREEN,
        .progress_deadline_ms = 10000,
        .began_unix_ms = clock_unix_ms(),
    };
}

static void begin(struct app *app, int64_t from, int64_t to)
{
    struct rollout r = make_rollout(from, to);
    struct value *params = parameters(app);
    value_set(params, "rollout", rollout_to_value(&r));
    value_free(call(app, "begin", params, -1, NULL));
}

static void observe(struct app *app, struct snapshot *ret)
{
    AUTO(value) struct value *seen = call(app, "observe", NULL, -1, NULL);
    value_set(seen, "reply", NULL);
    check_ok(snapshot_from_value(seen, ret, &err));
}

static struct value *write_parameters(struct app *app, int step, const struct step *act)
{
    struct snapshot seen;
    observe(app, &seen);
    struct position position = {
        .phase = PHASE_FORWARD, .step = step, .step_began_unix_ms = clock_unix_ms()};
    struct value *params = parameters(app);
    value_set_str(params, "run", "1");
    value_set_int(params, "seen_turns", seen.position.turns);
    value_set_int(params, "seen_step", seen.position.step);
    value_set(params, "position", position_to_value(&position));
    value_set(params, "step", step_to_value(act));
    return params;
}

static void act(struct app *app, int step, struct step act)
{
    value_free(call(app, "write", write_parameters(app, step, &act), -1, NULL));
}

// Waits for what is noticed, never for a while.
static void await(
    struct app *app, struct snapshot *ret, bool (*wanted)(const struct snapshot *seen))
{
    int64_t end = clock_monotonic_ms() + WAIT_MS;
    for (;;) {
        observe(app, ret);
        if (wanted(ret))
            return;
        AUTO(value) struct value *notice = NULL;
        if (clock_monotonic_ms() > end || rpc_notice(app->rpc, WAIT_MS, &notice, NULL) < 0)
            fail_msg("it does not come: %d of %d ready, %s", ret->sets[SET_NEW].ready,
                ret->sets[SET_NEW].present, ret->sets[SET_NEW].doomed);
    }
}

static bool new_is_ready(const struct snapshot *seen)
{
    return seen->sets[SET_NEW].ready == 2;
}

static bool new_is_doomed(const struct snapshot *seen)
{
    return seen->sets[SET_NEW].doomed[0];
}

static bool old_is_gone(const struct snapshot *seen)
{
    return !seen->sets[SET_OLD].exists;
}

static void finish(struct app *app, enum outcome outcome, const char *reason)
{
    struct rollout_times times = {1, 1, -1, -1};
    struct value *params = parameters(app);
    value_set_str(params, "run", "1");
    value_set_str(params, "outcome", outcome_name(outcome));
    value_set_str(params, "reason", reason);
    value_set(params, "times", times_to_value(&times));
    value_free(call(app, "finish", params, -1, NULL));
}

// From nothing, or from `from`, to a live release of two instances.
static void go_live(struct app *app, int64_t from, int64_t to)
{
    struct snapshot seen;
    begin(app, from, to);
    act(app, 1, (struct step){.kind = STEP_SCALE, .set = SET_NEW, .count = 2});
    await(app, &seen, new_is_ready);
    act(app, 2, (struct step){.kind = STEP_WEIGHT, .set = SET_NEW, .percent = 100});
    act(app, 3, (struct step){.kind = STEP_COMMIT, .set = SET_NEW});
    if (from) {
        act(app, 4, (struct step){.kind = STEP_RETIRE, .set = SET_OLD});
        await(app, &seen, old_is_gone);
    }
    finish(app, OUTCOME_SUCCESS, "");
}

static void check_answer(const struct app *app, const char *path, const char *wanted)
{
    AUTO_FREE char *got = shell_output("/", "curl -s --max-time 5 http://%s%s", app->listen, path);
    assert_string_equal(got, wanted);
}

// Pids of the inits of this app's instances and nginx, by the locks that they hold.
static int find_inits(const struct app *app, pid_t *ret, int max)
{
    AUTO(strv) struct strv names = {0};
    int count = 0;
    check_ok(dir_list(app->state.dir, "apps/shop/instances", &names, &err));
    strv_push(&names, "../nginx/run");
    strv_each (name, &names) {
        AUTO_FREE char *path = mem_printf("apps/shop/instances/%s/lock", *name);
        AUTO_FD int lock = openat(app->state.dir, path, O_RDONLY | O_CLOEXEC);
        struct process init = PROCESS_NONE;
        if (lock >= 0 && count < max && sandbox_find(lock, &init, NULL) > 0)
            ret[count++] = init.pid;
        process_done(&init);
    }
    return count;
}

static pid_t agent_pid(const struct app *app)
{
    struct ipc_peer peer;
    check_ok(ipc_peer(rpc_fd(app->rpc), &peer, &err));
    return peer.pid;
}

static void kill_agent(struct app *app)
{
    AUTO(value) struct value *notice = NULL;
    assert_int_equal(kill(agent_pid(app), SIGKILL), 0);
    while (rpc_notice(app->rpc, WAIT_MS, &notice, NULL) >= 0) {
        value_free(take_ptr(notice));
    }
    rpc_free(app->rpc);
}

// --- tests ---

static void a_release_goes_live_behind_nginx(void **state)
{
    struct app *app = *state;
    assert_int_equal(put(app, make_release(app, SERVE), -1), 1);
    begin(app, 0, 1);
    check_answer(app, "/ping",
        "<html>\r\n<head><title>503 Service Temporarily Unavailable</title></"
        "head>\r\n<body>\r\n<center><h1>503 Service Temporarily "
        "Unavailable</h1></center>\r\n<hr><center>nginx</center>\r\n"
        "</body>\r\n</html>\r");
    struct snapshot seen;
    act(app, 1, (struct step){.kind = STEP_SCALE, .set = SET_NEW, .count = 2});
    await(app, &seen, new_is_ready);
    assert_string_not_equal(
        seen.sets[SET_NEW].instances[0].address, seen.sets[SET_NEW].instances[1].address);
    act(app, 2, (struct step){.kind = STEP_WEIGHT, .set = SET_NEW, .percent = 100});
    check_answer(app, "/ping", "pong");
    act(app, 3, (struct step){.kind = STEP_COMMIT, .set = SET_NEW});
    finish(app, OUTCOME_SUCCESS, "");
    observe(app, &seen);
    assert_int_equal(seen.live, 1);
    assert_int_equal(seen.last, OUTCOME_SUCCESS);
}

static void the_old_set_drains_and_goes(void **state)
{
    struct app *app = *state;
    put(app, make_release(app, SERVE), -1);
    go_live(app, 0, 1);
    put(app, make_release(app, "echo second >/www/ping; " SERVE), -1);
    go_live(app, 1, 2);
    check_answer(app, "/ping", "second");
    pid_t inits[8];
    assert_int_equal(find_inits(app, inits, 8), 3);
    AUTO_FREE char *logs = shell_output(app->state.path, "ls apps/shop/logs");
    assert_string_equal(logs, "1");
}

static bool twelve_are_ready(const struct snapshot *seen)
{
    return seen->sets[SET_NEW].ready == 12;
}

static void an_app_that_grows_gets_more_ports(void **state)
{
    struct app *app = *state;
    struct snapshot seen;
    put(app, make_release(app, SERVE), -1);
    go_live(app, 0, 1);
    struct value *record = make_release(app, SERVE);
    value_set_int(record, "instances", 12);
    put(app, record, -1);
    begin(app, 1, 2);
    act(app, 1, (struct step){.kind = STEP_SCALE, .set = SET_NEW, .count = 12});
    await(app, &seen, twelve_are_ready);
    act(app, 2, (struct step){.kind = STEP_WEIGHT, .set = SET_NEW, .percent = 100});
    for (int i = 0; i < 20; i++)
        check_answer(app, "/ping", "pong");
    AUTO_FREE char *reloads =
        shell_output(app->state.path, "grep -c 'nginx is reloaded' apps/shop/agent.log");
    assert_string_equal(reloads, "1");
}

static void a_killed_agent_finds_everything_again(void **state)
{
    struct app *app = *state;
    pid_t before[8], after[8];
    put(app, make_release(app, SERVE), -1);
    go_live(app, 0, 1);
    assert_int_equal(find_inits(app, before, 8), 3);
    kill_agent(app);
    check_answer(app, "/ping", "pong");
    connect_app(app);
    struct snapshot seen;
    observe(app, &seen);
    assert_int_equal(seen.sets[SET_NEW].ready, 2);
    assert_int_equal(find_inits(app, after, 8), 3);
    assert_memory_equal(before, after, 3 * sizeof *before);
    check_answer(app, "/ping", "pong");
    // Its claim was the dead agent's, and is taken up by its epoch.
    struct value *params = parameters(app);
    value_set_str(params, "run", "1");
    value_set_str(params, "who", "ann");
    AUTO(value) struct value *again = call(app, "claim", params, -1, NULL);
    assert_int_equal(value_get_int(again, "epoch", 0), app->epoch);
}

static void what_was_killed_as_a_whole_comes_back(void **state)
{
    struct app *app = *state;
    pid_t inits[8];
    put(app, make_release(app, SERVE), -1);
    go_live(app, 0, 1);
    kill_agent(app);
    int count = find_inits(app, inits, 8);
    for (int i = 0; i < count; i++)
        kill(inits[i], SIGKILL);
    connect_app(app);
    struct snapshot seen;
    await(app, &seen, new_is_ready);
    assert_int_equal(seen.sets[SET_NEW].instances[0].restarts, 0); // it was the machine
    check_answer(app, "/ping", "pong");
}

static void an_instance_that_dies_is_started_again(void **state)
{
    struct app *app = *state;
    put(app, make_release(app, SERVE), -1);
    go_live(app, 0, 1);
    pid_t inits[8];
    find_inits(app, inits, 8);
    assert_int_equal(kill(inits[0], SIGKILL), 0);
    struct snapshot seen;
    for (;;) {
        await(app, &seen, new_is_ready);
        if (seen.sets[SET_NEW].instances[0].restarts)
            break;
        AUTO(value) struct value *notice = NULL;
        assert_int_equal(rpc_notice(app->rpc, WAIT_MS, &notice, NULL), 1);
    }
    assert_int_equal(seen.sets[SET_NEW].instances[0].restarts, 1);
    assert_string_equal(seen.sets[SET_NEW].doomed, "");
}

static void begin_broken(struct app *app, const char *script, struct snapshot *ret)
{
    put(app, make_release(app, script), -1);
    begin(app, 0, 1);
    act(app, 1, (struct step){.kind = STEP_SCALE, .set = SET_NEW, .count = 2});
    await(app, ret, new_is_doomed);
}

static void an_end_before_it_is_ready_is_told_with_its_last_line(void **state)
{
    struct app *app = *state;
    struct snapshot seen;
    begin_broken(app, "echo no database >&2; exit 3", &seen);
    assert_non_null(
        strstr(seen.sets[SET_NEW].doomed, "ended with exit 3 before it was ready: no database"));
    struct value *params = value_map();
    value_set_int(params, "release", 1);
    AUTO(value) struct value *explained = call(app, "explain", params, -1, NULL);
    assert_non_null(strstr(value_get_str(explained, "text"), "  no database\n"));
}

static bool new_is_gone(const struct snapshot *seen)
{
    return !seen->sets[SET_NEW].exists;
}

static void a_set_that_never_ran_goes_all_the_same(void **state)
{
    struct app *app = *state;
    struct snapshot seen;
    begin_broken(app, "exit 3", &seen);
    act(app, 2, (struct step){.kind = STEP_RETIRE, .set = SET_NEW});
    await(app, &seen, new_is_gone);
    AUTO_FREE char *left = shell_output(app->state.path, "ls apps/shop/instances");
    assert_string_equal(left, "");
}

static void another_port_than_its_own_is_told(void **state)
{
    struct app *app = *state;
    struct snapshot seen;
    AUTO_FREE char *script =
        mem_printf("exec busybox httpd -f -p 127.0.0.1:%d -h /www", free_port());
    begin_broken(app, script, &seen);
    assert_non_null(strstr(seen.sets[SET_NEW].doomed, "$PORT"));
}

static void a_program_that_is_not_there_is_told_at_once(void **state)
{
    struct app *app = *state;
    struct snapshot seen;
    AUTO(value) struct value *record = make_release(app, SERVE);
    struct value *config = value_get(value_get(record, "image"), "config");
    struct value *entrypoint = value_list();
    value_append_str(entrypoint, "/no/such/program");
    value_set(config, "entrypoint", entrypoint);
    put(app, value_share(record), -1);
    begin(app, 0, 1);
    act(app, 1, (struct step){.kind = STEP_SCALE, .set = SET_NEW, .count = 2});
    await(app, &seen, new_is_doomed);
    assert_non_null(strstr(seen.sets[SET_NEW].doomed, "cannot be started"));
    assert_non_null(strstr(seen.sets[SET_NEW].doomed, "/no/such/program"));
}

static void stale_writes_change_nothing(void **state)
{
    struct app *app = *state;
    put(app, make_release(app, SERVE), -1);
    begin(app, 0, 1);
    struct step scale = {.kind = STEP_SCALE, .set = SET_NEW, .count = 2};
    struct value *params = write_parameters(app, 1, &scale);
    value_set_int(params, "epoch", app->epoch - 1);
    call_failing(app, "write", params, ERR_CONFLICT, "another driver");
    params = write_parameters(app, 1, &scale);
    value_set_str(params, "run", "2");
    call_failing(app, "write", params, ERR_CONFLICT, "not under way");
    params = write_parameters(app, 1, &scale);
    value_set_int(params, "seen_step", 7);
    call_failing(app, "write", params, ERR_CONFLICT, "by now");
    struct snapshot seen;
    observe(app, &seen);
    assert_false(seen.sets[SET_NEW].exists);
    assert_int_equal(seen.position.step, 0);
}

static void only_one_holds_the_claim(void **state)
{
    struct app *app = *state;
    struct app second = *app;
    connect_app(&second);
    struct value *params = value_map();
    value_set_str(params, "run", "2");
    value_set_str(params, "who", "bob");
    call_failing(&second, "claim", params, ERR_CONFLICT, "run 1 of ann");
    claim(&second, true);
    assert_int_equal(second.epoch, app->epoch + 1);
    struct value *stale = parameters(app);
    value_set(stale, "record", make_release(app, SERVE));
    call_failing(app, "put", stale, ERR_CONFLICT, "another driver");
    rpc_free(second.rpc);
}

static struct value *check_release(struct app *app, int64_t revision)
{
    struct value *params = value_map();
    value_set_int(params, "release", revision);
    return call(app, "check", params, -1, NULL);
}

static void secrets_are_files_of_their_own(void **state)
{
    struct app *app = *state;
    static const char secrets[] = "{\"TOKEN\": \"hush\"}";
    AUTO_FD int fd = fd_memory("secrets", secrets, strlen(secrets), NULL);
    AUTO(value) struct value *record = make_release(app, "echo \"$TOKEN\" >/www/token; " SERVE);
    struct value *names = value_list();
    value_append_str(names, "TOKEN");
    value_set(record, "secrets", names);
    put(app, value_share(record), fd);
    go_live(app, 0, 1);
    check_answer(app, "/token", "hush");
    AUTO_FREE char *found = shell_output(app->state.path,
        "grep -rl hush apps/shop --include='*.json' --include='*.log' || :; stat -c '%%a %%U' "
        "apps/shop/secrets/1.json");
    assert_string_equal(found, "apps/shop/secrets/1.json\n600 root");
    AUTO(value) struct value *whole = check_release(app, 1);
    assert_int_equal(value_length(value_get(whole, "missing")), 0);
    // A rollback's release has those of the earlier one.
    struct value *params = parameters(app);
    value_set(params, "record", value_share(record));
    value_set_int(params, "secrets_of", 1);
    value_free(call(app, "put", params, -1, NULL));
    shell(app->state.path, "cmp apps/shop/secrets/1.json apps/shop/secrets/2.json");
    shell(app->state.path, "rm apps/shop/secrets/1.json; mv images/layers images/moved");
    AUTO(value) struct value *less = check_release(app, 1);
    assert_int_equal(value_length(value_get(less, "missing")), 2);
    shell(app->state.path, "mv images/moved images/layers");
}

static void a_failed_commit_is_refused_until_it_is_allowed(void **state)
{
    struct app *app = *state;
    put(app, make_release(app, SERVE), -1);
    begin(app, 0, 1);
    finish(app, OUTCOME_FAILED, "the gate said no");
    AUTO(value) struct value *answer = call(app, "refused", NULL, -1, NULL);
    const struct value *refused = value_at(value_get(answer, "refused"), 0);
    assert_string_equal(value_get_str(refused, "commit"), "4f0c2d1a");
    assert_string_equal(value_get_str(refused, "reason"), "the gate said no");
    struct value *params = value_map();
    value_set_str(params, "commit", "5");
    call_failing(app, "allow", params, ERR_NOT_FOUND, "begins with 5");
    params = value_map();
    value_set_str(params, "commit", "4f0c");
    value_free(call(app, "allow", params, -1, NULL));
}

static void an_address_in_use_is_said_before_anything_starts(void **state)
{
    struct app *app = *state;
    pid_t other = shell_start("/", "exec busybox httpd -f -p %s -h /", app->listen);
    shell("/", "until curl -s -o /dev/null http://%s/; do sleep 0.02; done", app->listen);
    put(app, make_release(app, SERVE), -1);
    struct rollout r = make_rollout(0, 1);
    struct value *params = parameters(app);
    value_set(params, "rollout", rollout_to_value(&r));
    call_failing(app, "begin", params, ERR_CONFLICT, app->listen);
    kill(other, SIGTERM);
    waitpid(other, NULL, 0);
}

static void strangers_are_not_served(void **state)
{
    struct app *app = *state;
    AUTO_FREE char *what = shell_output(app->state.path,
        "chmod 755 .; chmod 666 apps/shop/agent.sock; setpriv --reuid 12345 --clear-groups perl "
        "-MSocket "
        "-e 'socket(S, AF_UNIX, SOCK_SEQPACKET, 0) or die; connect(S, "
        "pack_sockaddr_un(\"apps/shop/agent.sock\")) or die $!; syswrite(S, "
        "\"{\\\"op\\\":\\\"hello\\\",\\\"id\\\":1,\\\"protocol\\\":1}\"); print sysread(S, $b, 99) "
        "? \"served\" : \"closed\"'");
    assert_string_equal(what, "closed");
}

static void down_leaves_nothing(void **state)
{
    struct app *app = *state;
    put(app, make_release(app, SERVE), -1);
    go_live(app, 0, 1);
    pid_t inits[8];
    int count = find_inits(app, inits, 8);
    value_free(call(app, "down", parameters(app), -1, NULL));
    assert_false(file_exists(app->state.dir, "apps/shop"));
    for (int i = 0; i < count; i++)
        assert_int_equal(kill(inits[i], 0), -1);
}

TEST_MAIN(with_agent(a_release_goes_live_behind_nginx), with_agent(the_old_set_drains_and_goes),
    with_agent(an_app_that_grows_gets_more_ports),
    with_agent(a_killed_agent_finds_everything_again),
    with_agent(what_was_killed_as_a_whole_comes_back),
    with_agent(an_instance_that_dies_is_started_again),
    with_agent(an_end_before_it_is_ready_is_told_with_its_last_line),
    with_agent(a_set_that_never_ran_goes_all_the_same),
    with_agent(another_port_than_its_own_is_told),
    with_agent(a_program_that_is_not_there_is_told_at_once),
    with_agent(stale_writes_change_nothing), with_agent(only_one_holds_the_claim),
    with_agent(secrets_are_files_of_their_own),
    with_agent(a_failed_commit_is_refused_until_it_is_allowed),
    with_agent(an_address_in_use_is_said_before_anything_starts),
    with_agent(strangers_are_not_served), with_agent(down_leaves_nothing))
