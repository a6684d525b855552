// What may come to the agent and its files that no davit sends: it refuses that by name, and goes
// on.
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "codec/rpc.h"
#include "deploy/spec.h"
#include "deploy/wire.h"
#include "os/fd.h"
#include "os/file.h"
#include "os/process.h"
#include "sandbox/spawn.h"
#include "support/agent_start.h"
#include "support/shell.h"
#include "support/shop.h"

#define WAIT_MS 15000
#define TOKEN   "hush-hush-hush"

static struct rpc *meet(const struct shop *shop)
{
    struct error err = {0};
    int fd = agent_start(&shop->state, "shop", &err);
    if (fd < 0)
        fail_msg("%s", err.message);
    struct rpc *rpc = rpc_connect(fd, "test", &err);
    assert_non_null(rpc);
    return rpc;
}

static int call(struct rpc *rpc, const char *op, struct value *params, int fd, struct value **ret,
    struct error *err)
{
    return rpc_call(rpc, op, params, &fd, fd >= 0 ? 1 : 0, WAIT_MS, ret, NULL, err);
}

static struct value *claiming(void)
{
    struct value *params = value_map();
    value_set_str(params, "run", "1");
    value_set_str(params, "who", "ann");
    value_set_bool(params, "preempt", true);
    return params;
}

static int64_t claim(struct rpc *rpc)
{
    AUTO(value) struct value *answer = NULL;
    check_ok(call(rpc, "claim", claiming(), -1, &answer, &err));
    return value_get_int(answer, "epoch", 0);
}

static struct value *of_epoch(int64_t epoch)
{
    struct value *params = value_map();
    value_set_int(params, "epoch", epoch);
    return params;
}

static void make_release(const struct shop *shop, const char *script, struct release *ret)
{
    AUTO(release) struct release made = {0};
    AUTO(value) struct value *job = shop_deploy_job(shop, "1", "4f0c", script);
    struct spec_origin origin = {.commit = "4f0c",
        .who = "ann",
        .why = "test",
        .run = "1",
        .trace_id = "",
        .image = &made.image,
        .env = value_get(job, "env")};
    check_ok(spec_image(value_get(job, "image"), &made.image, &err));
    check_ok(spec_release(value_get(job, "spec"), &origin, NULL, ret, &err));
}

// A release that has a secret TOKEN.
static struct value *putting(const struct shop *shop, int64_t epoch)
{
    AUTO(release) struct release r = {0};
    make_release(shop, "exit 1", &r);
    strv_push(&r.secrets, "TOKEN");
    struct value *params = of_epoch(epoch);
    value_set(params, "record", release_to_value(&r));
    return params;
}

static void secrets_from_a_pipe_are_not_waited_for(void **state)
{
    struct shop *shop = *state;
    int ends[2];
    check_ok(fd_pipe(ends, &err));
    AUTO(rpc) struct rpc *rpc = meet(shop);
    int64_t epoch = claim(rpc);
    check_error(
        call(rpc, "put", putting(shop, epoch), ends[0], NULL, &err), ERR_PROTOCOL, "no file");
    AUTO_FD int file = fd_memory("secrets", "{\"TOKEN\": \"hush\"}", 17, NULL);
    check_ok(call(rpc, "put", putting(shop, epoch), file, NULL, &err));
    close(ends[0]);
    close(ends[1]);
}

// Takes what is left of the disk; gives it back.
static void fill(const struct shop *shop)
{
    shell(shop->state.path,
        "dd if=/dev/zero of=apps/fill bs=4k 2>/dev/null || dd if=/dev/zero of=apps/fill2 bs=1 "
        "2>/dev/null || :");
}

static void make_room(const struct shop *shop)
{
    shell(shop->state.path, "rm -f apps/fill apps/fill2");
}

static void on_a_full_disk_nothing_is_lost_and_the_agent_is_there(void **state)
{
    struct shop *shop = *state;
    AUTO_FREE char *apps = path_join(shop->state.path, "apps");
    check_ok(dir_make(shop->state.dir, "apps", 0711, &err));
    assert_int_equal(mount("none", apps, "tmpfs", 0, "size=1m,mode=711"), 0);
    AUTO(rpc) struct rpc *rpc = meet(shop);
    int64_t epoch = claim(rpc);
    AUTO_FD int file = fd_memory("secrets", "{\"TOKEN\": \"hush\"}", 17, NULL);
    fill(shop);
    AUTO(rpc) struct rpc *other = meet(shop);
    struct error why = {0};
    assert_int_equal(call(other, "claim", claiming(), -1, NULL, &why), -1);
    assert_true(why.retryable);
    assert_int_equal(call(rpc, "put", putting(shop, epoch), file, NULL, &why), -1);
    assert_non_null(strstr(why.message, "No space left"));
    make_room(shop);
    // Whoever could not claim it has not taken it, and what could not be put is nowhere.
    AUTO(value) struct value *answer = NULL;
    check_ok(call(rpc, "put", putting(shop, epoch), file, &answer, &err));
    assert_int_equal(value_get_int(answer, "revision", 0), 1);
    shop_kill_agent(shop);
    fill(shop);
    AUTO(rpc) struct rpc *again = meet(shop);
    check_ok(call(again, "observe", NULL, -1, NULL, &err));
    make_room(shop);
    check_ok(call(again, "down", of_epoch(claim(again)), -1, NULL, &err));
    assert_int_equal(umount2(apps, MNT_DETACH), 0);
}

// Of what the file says, one thing is another by now: the agent names it and leaves all as it is.
static void check_refused(
    const struct shop *shop, const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    if (!at)
        fail_msg("%s is not in %s", from, text);
    AUTO_FREE char *wrong = mem_printf("%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    check_ok(
        file_replace(shop->state.dir, "apps/shop/state.json", 0600, wrong, strlen(wrong), &err));
    check_error(agent_start(&shop->state, "shop", &err), ERR_SYSTEM, "agent.log");
    AUTO_FREE char *log = shell_output(shop->state.path, "tail -n 1 apps/shop/agent.log");
    assert_non_null(strstr(log, "apps/shop/state.json: "));
    AUTO_FREE char *now = shell_output(shop->state.path, "cat apps/shop/state.json");
    assert_string_equal(now, wrong);
}

static void a_state_that_cannot_be_is_refused_and_left_alone(void **state)
{
    struct shop *shop = *state;
    AUTO(rpc) struct rpc *rpc = meet(shop);
    int64_t epoch = claim(rpc);
    struct value *params = value_map();
    value_set_str(params, "commit", "4f0c");
    value_set_str(params, "reason", "because");
    check_ok(call(rpc, "refuse", params, -1, NULL, &err));
    AUTO_FD int file = fd_memory("secrets", "{}", 2, NULL);
    check_ok(call(rpc, "put", putting(shop, epoch), file, NULL, &err));
    shop_kill_agent(shop);
    AUTO_FREE char *good = shell_output(shop->state.path, "cat apps/shop/state.json");
    static const char *const edits[][2] = {
        {"\"version\":1,\"app\"", "\"version\":2,\"app\""},
        {"\"commit\":\"4f0c\",\"reason\"", "\"omit\":\"4f0c\",\"reason\""},
        {"\"ports\":[]", "\"ports\":[{\"first\":65530,\"places\":20,\"stride\":2}]"},
        {"\"ports\":[]", "\"ports\":[{\"first\":65535,\"places\":65535,\"stride\":65535}]"},
        {"\"last_revision\":1", "\"last_revision\":9223372036854775807"},
        {"\"layers\":[\"sha256:00", "\"layers\":[\"sha256:../"},
        {"\"layers\":[\"sha256:", "\"layers\":[\"\",\"sha256:"},
        {"\"sets\":[]", "\"sets\":[{\"release\":1,\"slot\":\"blue\",\"desired\":1000000000,"
                        "\"percent\":0,\"retiring\":false,\"instances\":[]}]"},
        {"\"sets\":[]", "\"sets\":[{\"release\":7,\"slot\":\"blue\",\"desired\":1,"
                        "\"percent\":0,\"retiring\":false,\"instances\":[]}]"},
        {"\"sets\":[]", "\"sets\":["},
    };
    for (size_t i = 0; i < ARRAY_LEN(edits); i++)
        check_refused(shop, good, edits[i][0], edits[i][1]);
    check_ok(file_replace(shop->state.dir, "apps/shop/state.json", 0600, good, strlen(good), &err));
}

static void act(struct rpc *rpc, int64_t epoch, int number, struct step step)
{
    struct position position = {.phase = PHASE_FORWARD, .step = number};
    struct value *params = of_epoch(epoch);
    value_set_str(params, "run", "1");
    value_set_int(params, "seen_turns", 0);
    value_set_int(params, "seen_step", number - 1);
    value_set(params, "position", position_to_value(&position));
    value_set(params, "step", step_to_value(&step));
    check_ok(call(rpc, "write", params, -1, NULL, &err));
}

// Its first release, with two instances that run `script` and have the secret TOKEN.
static void set_up(struct rpc *rpc, const struct shop *shop, int64_t epoch, const char *script)
{
    static const char secrets[] = "{\"TOKEN\": \"" TOKEN "\"}";
    AUTO_FD int file = fd_memory("secrets", secrets, strlen(secrets), NULL);
    AUTO(release) struct release r = {0};
    strv_push(&r.secrets, "TOKEN");
    make_release(shop, script, &r);
    r.grace_ms = 3000;
    struct value *params = of_epoch(epoch);
    value_set(params, "record", release_to_value(&r));
    check_ok(call(rpc, "put", params, file, NULL, &err));
    r.revision = 1;
    struct rollout rollout;
    check_ok(spec_rollout(&r, NULL, false, &(struct target_caps){0}, &rollout, &err));
    params = of_epoch(epoch);
    value_set(params, "rollout", rollout_to_value(&rollout));
    check_ok(call(rpc, "begin", params, -1, NULL, &err));
    act(rpc, epoch, 1, (struct step){.kind = STEP_SCALE, .set = SET_NEW, .count = 2});
}

static void what_is_taken_down_is_not_set_up_again(void **state)
{
    struct shop *shop = *state;
    AUTO(rpc) struct rpc *rpc = meet(shop);
    set_up(rpc, shop, claim(rpc), "trap '' TERM; touch /trapped; while :; do sleep 1; done");
    shell(shop->state.path, "until [ -e apps/shop/instances/1/upper/trapped ] && [ -e "
                            "apps/shop/instances/2/upper/trapped ]; do sleep 0.02; done");
    // Sent, and not waited for: for as long as their grace they do not end.
    AUTO(value) struct value *down = of_epoch(claim(rpc));
    value_set_str(down, "op", "down");
    value_set_int(down, "id", 99);
    AUTO_FREE char *text = value_print(down);
    check_ok(ipc_send(rpc_fd(rpc), text, strlen(text), NULL, 0, &err));
    AUTO(rpc) struct rpc *other = meet(shop);
    int64_t epoch = claim(other);
    check_error(
        call(other, "put", putting(shop, epoch), -1, NULL, &err), ERR_CONFLICT, "taken down");
    check_ok(call(other, "down", of_epoch(epoch), -1, NULL, &err));
    assert_false(file_exists(shop->state.dir, "apps/shop"));
}

static void an_address_that_is_free_again_is_taken(void **state)
{
    struct shop *shop = *state;
    AUTO(rpc) struct rpc *rpc = meet(shop);
    set_up(rpc, shop, claim(rpc), SHOP_SERVES("1"));
    shop_kill_agent(shop);
    struct process nginx = PROCESS_NONE;
    AUTO_FD int lock = openat(shop->state.dir, "apps/shop/nginx/run/lock", O_RDONLY | O_CLOEXEC);
    assert_int_equal(sandbox_find(lock, &nginx, NULL), 1);
    check_ok(process_signal(&nginx, SIGKILL, &err));
    process_done(&nginx);
    // Somebody else is faster.
    pid_t other = shell_start(
        "/", "until busybox httpd -f -p %s -h / 2>/dev/null; do sleep 0.01; done", shop->listen);
    shell("/", "until curl -s -o /dev/null http://%s/etc/hostname; do sleep 0.02; done",
        shop->listen);
    AUTO(rpc) struct rpc *again = meet(shop);
    shell(shop->state.path, "grep -q 'Address already in use' apps/shop/agent.log");
    shell("/", "pkill -P %d; kill %d", other, other);
    waitpid(other, NULL, 0);
    shell("/",
        "for i in $(seq 100); do [ \"$(curl -s -o /dev/null -w '%%{http_code}' http://%s/)\" = 503 "
        "] "
        "&& exit; sleep 0.1; done; exit 1",
        shop->listen);
}

static struct value *of_first(void)
{
    struct value *params = value_map();
    value_set_int(params, "release", 1);
    return params;
}

static void a_secret_that_an_instance_prints_goes_no_further(void **state)
{
    struct shop *shop = *state;
    AUTO(rpc) struct rpc *rpc = meet(shop);
    int64_t epoch = claim(rpc);
    set_up(rpc, shop, epoch, "echo \"no database at $TOKEN\" >&2; exit 3");
    shell(shop->state.path,
        "until grep -q 'before it was ready' apps/shop/agent.log; do sleep 0.02; done");
    AUTO(value) struct value *seen = NULL, *explained = NULL;
    AUTO(ipc_fds) struct ipc_fds logs = {0};
    check_ok(call(rpc, "observe", NULL, -1, &seen, &err));
    check_ok(call(rpc, "explain", of_first(), -1, &explained, &err));
    check_ok(rpc_call(rpc, "logs", of_first(), NULL, 0, WAIT_MS, NULL, &logs, &err));
    AUTO_FREE char *observed = value_print(seen);
    AUTO(str) struct str printed;
    str_init(&printed, STR_TEXT_MAX);
    check_ok(fd_read_all(logs.fd[0], &printed, &err));
    const char *const told[] = {observed, value_get_str(explained, "text"), printed.data};
    for (size_t i = 0; i < ARRAY_LEN(told); i++) {
        assert_non_null(strstr(told[i], "no database at ***"));
        assert_null(strstr(told[i], TOKEN));
    }
    AUTO_FREE char *found = shell_output(
        shop->state.path, "grep -l " TOKEN " apps/shop/* apps/shop/secrets/* 2>/dev/null || :");
    assert_string_equal(found, "apps/shop/secrets/1.json");
}

static void connections_without_end_leave_descriptors_for_instances(void **state)
{
    struct shop *shop = *state;
    struct ipc_peer peer;
    int held[300];
    AUTO(rpc) struct rpc *rpc = meet(shop);
    check_ok(ipc_peer(rpc_fd(rpc), &peer, &err));
    AUTO_FD int app = dir_open(shop->state.dir, "apps/shop", NULL);
    for (size_t i = 0; i < ARRAY_LEN(held); i++)
        held[i] = ipc_connect(app, "agent.sock", NULL);
    check_ok(call(rpc, "observe", NULL, -1, NULL, &err));
    AUTO_FREE char *count = shell_output("/", "ls /proc/%d/fd | wc -l", peer.pid);
    assert_true(strtol(count, NULL, 10) < 300);
    for (size_t i = 0; i < ARRAY_LEN(held); i++)
        fd_close(held[i]);
    AUTO(rpc) struct rpc *other = meet(shop);
    check_ok(call(other, "observe", NULL, -1, NULL, &err));
}

static void a_header_of_twenty_kilobytes_comes_through(void **state)
{
    struct shop *shop = *state;
    AUTO(rpc) struct rpc *rpc = meet(shop);
    int64_t epoch = claim(rpc);
    set_up(rpc, shop, epoch,
        "mkdir /www/cgi-bin; cd /www/cgi-bin; { echo '#!/bin/sh'; echo 'printf \"X-Big: "
        "%020000d\\n\\nbig\" 0'; } >big; busybox chmod 755 big; exec busybox httpd -f -p "
        "127.0.0.1:$PORT -h /www");
    act(rpc, epoch, 2, (struct step){.kind = STEP_WEIGHT, .set = SET_NEW, .percent = 100});
    shell("/", "until [ \"$(curl -s http://%s/ping)\" = pong ]; do sleep 0.02; done", shop->listen);
    shop_check(shop, "/cgi-bin/big", "big");
}

TEST_MAIN(in_shop(secrets_from_a_pipe_are_not_waited_for),
    in_shop(on_a_full_disk_nothing_is_lost_and_the_agent_is_there),
    in_shop(a_state_that_cannot_be_is_refused_and_left_alone),
    in_shop(what_is_taken_down_is_not_set_up_again),
    in_shop(an_address_that_is_free_again_is_taken),
    in_shop(a_secret_that_an_instance_prints_goes_no_further),
    in_shop(connections_without_end_leave_descriptors_for_instances),
    in_shop(a_header_of_twenty_kilobytes_comes_through))
