#include "support/shop.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "codec/rpc.h"
#include "os/file.h"
#include "sandbox/spawn.h"
#include "support/agent_start.h"
#include "support/directory.h"
#include "support/shell.h"

#define LAYER   "00000000000000000000000000000000000000000000000000000000000000aa"
#define DOWN_MS 30000

// One that nobody listens on now.
static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    close(fd);
    return ntohs(address.sin_port);
}

int shop_setup(void **state)
{
    if (directory_setup(state) < 0)
        return -1;
    struct shop *shop = mem_alloc(sizeof *shop);
    check_ok(state_open(*state, &shop->state, &err));
    free(*state);
    snprintf(shop->listen, sizeof shop->listen, "127.0.0.1:%d", free_port());
    shell(shop->state.path,
        "mkdir -p images/layers/" LAYER "; cd images/layers/" LAYER "; mkdir bin www tmp; "
        "cp /bin/busybox bin/; for b in sh sleep cat; do ln -s busybox bin/$b; done; "
        "echo pong >www/ping; chown -R %u:%u .",
        SANDBOX_ID_BASE, SANDBOX_ID_BASE);
    *state = shop;
    return 0;
}

// Of one that is about to die, the next is met.
static struct rpc *connect_agent(const struct shop *shop)
{
    struct error err = {0};
    struct rpc *rpc = NULL;
    for (int i = 0; i < 3 && !rpc; i++) {
        int fd = agent_start(&shop->state, "shop", &err);
        if (fd < 0)
            break;
        rpc = rpc_connect(fd, "test", &err);
    }
    if (!rpc)
        fail_msg("%s", err.message);
    return rpc;
}

void shop_kill_agent(const struct shop *shop)
{
    struct ipc_peer peer;
    AUTO(value) struct value *notice = NULL;
    AUTO(rpc) struct rpc *rpc = connect_agent(shop);
    check_ok(ipc_peer(rpc_fd(rpc), &peer, &err));
    assert_int_equal(kill(peer.pid, SIGKILL), 0);
    while (rpc_notice(rpc, DOWN_MS, &notice, NULL) > 0)
        value_free(take_ptr(notice));
}

static void take_down(const struct shop *shop)
{
    AUTO(rpc) struct rpc *rpc = connect_agent(shop);
    struct value *claim = value_map();
    value_set_str(claim, "run", "teardown");
    value_set_str(claim, "who", "test");
    value_set_bool(claim, "preempt", true);
    AUTO(value) struct value *claimed = NULL;
    check_ok(rpc_call(rpc, "claim", claim, NULL, 0, DOWN_MS, &claimed, NULL, &err));
    struct value *down = value_map();
    value_set_int(down, "epoch", value_get_int(claimed, "epoch", 0));
    check_ok(rpc_call(rpc, "down", down, NULL, 0, DOWN_MS, NULL, NULL, &err));
}

int shop_teardown(void **state)
{
    struct shop *shop = *state;
    if (file_exists(shop->state.dir, "apps/shop/agent.lock"))
        take_down(shop);
    *state = mem_strdup(shop->state.path);
    state_done(&shop->state);
    free(shop);
    return directory_teardown(state);
}

struct value *shop_job(const char *op)
{
    struct value *job = value_map();
    value_set_str(job, "op", op);
    value_set_str(job, "app", "shop");
    value_set_str(job, "who", "ann");
    return job;
}

// As engine/kind_deploy.c hands it over: read from a pipeline file, and checked.
static struct value *make_spec(const struct shop *shop)
{
    AUTO_FREE char *text = mem_printf(
        "{\"app\": \"shop\", \"image\": \"image\", \"instances\": 2, \"listen\": \"%s\", "
        "\"ports\": "
        "{\"PORT\": \"http\"}, \"healthcheck\": {\"path\": \"/ping\", \"status\": 200, "
        "\"interval_ms\": 100, \"timeout_ms\": 1000}, \"strategy\": {\"kind\": \"blue-green\"}, "
        "\"grace_ms\": 1000, \"drain_ms\": 2000, \"deadline_ms\": 20000}",
        shop->listen);
    struct value *spec = value_parse(text, strlen(text), NULL);
    assert_non_null(spec);
    return spec;
}

// As davit-image answers to "unpack".
static struct value *make_image(const char *script)
{
    static const char text[] =
        "{\"reference\": \"registry.local/shop@sha256:" LAYER "\", \"digest\": \"sha256:" LAYER
        "\", \"image_id\": \"sha256:" LAYER "\", \"layers\": [\"layers/" LAYER
        "\"], \"config\": {\"entrypoint\": [\"sh\", \"-c\"], \"env\": [], \"user\": \"\", "
        "\"workdir\": \"\", \"stopsignal\": \"\", \"exposed\": []}}";
    struct value *image = value_parse(text, strlen(text), NULL);
    assert_non_null(image);
    struct value *cmd = value_list();
    value_append_str(cmd, script);
    value_set(value_get(image, "config"), "cmd", cmd);
    return image;
}

struct value *shop_deploy_job(
    const struct shop *shop, const char *run, const char *commit, const char *script)
{
    struct value *job = shop_job("deploy");
    value_set(job, "spec", make_spec(shop));
    value_set(job, "image", make_image(script));
    value_set_str(job, "commit", commit);
    value_set_str(job, "message", "as the commit says");
    value_set_str(job, "why", "push to main");
    value_set_str(job, "trace_id", "0123456789abcdef0123456789abcdef");
    value_set_str(job, "run", run);
    value_set(job, "env", value_map());
    return job;
}

void shop_add_gate(struct value *job, const char *phase)
{
    static const char text[] =
        "[{\"kind\": \"http\", \"path\": \"/version\", \"status\": 200, \"timeout_ms\": 2000}]";
    struct value *gates = value_map();
    value_set(gates, phase, value_parse(text, strlen(text), NULL));
    value_set(value_get(job, "spec"), "gates", gates);
}

char *shop_get(const struct shop *shop, const char *path)
{
    return shell_output("/", "curl -sf --max-time 5 http://%s%s || :", shop->listen, path);
}

void shop_check(const struct shop *shop, const char *path, const char *wanted)
{
    AUTO_FREE char *got = shop_get(shop, path);
    assert_string_equal(got, wanted);
}
