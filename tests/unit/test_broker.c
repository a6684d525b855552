// What a role may ask of its worker, by a role that asks for everything: this program, launched in
// the place of davit's own.
#include "support/check.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec/role.h"
#include "engine/role.h"
#include "os/file.h"
#include "support/directory.h"
#include "support/payload.h"
#include "support/shell.h"

// --- the role: asks what its job says and reports each answer ---

static int ask(struct rpc *worker, const struct value *job, const struct ipc_fds *fds,
    struct value **ret_result, struct error *err)
{
    (void)fds;
    (void)err;
    struct value *answers = value_list();
    const struct value *asks = value_get(job, "asks");
    for (size_t i = 0; i < value_length(asks); i++) {
        struct value *params = value_copy(value_at(asks, i));
        AUTO_FREE char *op = mem_strdup(value_get_str(params, "ask"));
        AUTO(value) struct value *answer = NULL;
        AUTO(ipc_fds) struct ipc_fds got = {0};
        struct error why = {0};
        AUTO_FREE char *text = NULL;
        if (rpc_call(worker, op, params, NULL, 0, 20000, &answer, &got, &why) < 0)
            text = mem_printf("%s: %s", error_kind_name(why.kind), why.message);
        else
            text = mem_printf("given, exit %d", (int)value_get_int(answer, "exit", -1));
        value_append_str(answers, text);
    }
    *ret_result = value_map();
    value_set(*ret_result, "answers", answers);
    return 0;
}

static int role(int argc, char **argv)
{
    (void)argc;
    return role_main(argv[0], ask);
}

static const struct payload payloads[] = {
    {"davit-git", role}, {"davit-image", role}, {"davit-deploy", role}, {0}};

// --- the worker ---

struct fixture {
    struct state state;
    struct loop *loop;
    struct launcher launcher;
};

static int setup(void **state)
{
    directory_setup(state);
    struct fixture *f = mem_alloc(sizeof *f);
    check_ok(state_open(*state, &f->state, &err));
    f->loop = loop_new(NULL);
    check_ok(launcher_init(&f->launcher, f->loop, &f->state, &err));
    for (int i = PROGRAM_GIT; i < PROGRAM_AGENT; i++)
        f->launcher.programs[i] = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    shell(*state,
        "mkdir -p images/layers/l/bin images/work/w/upper images/work/w/work apps/shop; "
        "cp /bin/busybox images/layers/l/bin/sh; echo canary >canary; "
        "mkdir -p images/mounts/c; chown -R %u:%u images",
        SANDBOX_ID_BASE, SANDBOX_ID_BASE);
    free(*state);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    AUTO_FREE char *path = mem_strdup(f->state.path);
    launcher_done(&f->launcher);
    loop_free(f->loop);
    state_done(&f->state);
    free(f);
    check_ok(dir_remove_tree(AT_FDCWD, path, &err));
    return 0;
}

// One answer for each question, given as JSON; the caller's.
static struct value *answers(struct fixture *f, enum program program, const char *asks)
{
    struct value *job = value_map();
    struct value *result = NULL;
    struct value *list = value_parse(asks, strlen(asks), NULL);
    assert_non_null(list);
    value_set(job, "asks", list);
    struct role_spec spec = {.program = program,
        .name = "rogue",
        .cgroup = "test/rogue",
        .job = job,
        .app = "shop",
        .grace_ms = 1000,
        .timeout_ms = 60000};
    check_ok(role_do(&f->launcher, &spec, &result, &err));
    return result;
}

static const char *answer(const struct value *result, size_t i)
{
    return value_text(value_at(value_get(result, "answers"), i));
}

static void check_all(struct fixture *f, enum program program, const char *asks, const char *wanted)
{
    AUTO(value) struct value *result = answers(f, program, asks);
    size_t n = value_length(value_get(result, "answers"));
    assert_true(n > 0);
    for (size_t i = 0; i < n; i++)
        if (!strstr(answer(result, i), wanted))
            fail_msg("%s, question %zu: wanted \"%s\", got \"%s\"", program_name(program), i,
                wanted, answer(result, i));
}

static void what_is_not_in_the_table_of_a_role_is_denied(void **state)
{
    static const char denied[] = "may not be asked here";
    check_all(*state, PROGRAM_GIT,
        "[{\"ask\": \"spawn\"}, {\"ask\": \"credentials\", \"registry\": \"x\"},"
        " {\"ask\": \"connect_agent\", \"app\": \"shop\"}, {\"ask\": \"journal\"},"
        " {\"ask\": \"cluster\"}, {\"ask\": \"cluster_credential\"},"
        " {\"ask\": \"no-such-thing\"}, {\"ask\": \"\"}]",
        denied);
    check_all(*state, PROGRAM_IMAGE,
        "[{\"ask\": \"connect_agent\", \"app\": \"shop\"}, {\"ask\": \"journal\"},"
        " {\"ask\": \"cluster\"}, {\"ask\": \"cluster_credential\"}]",
        denied);
    check_all(*state, PROGRAM_DEPLOY, // whose job is about none
        "[{\"ask\": \"cluster\"}, {\"ask\": \"cluster_credential\", \"refused\": true}]",
        "denied: no cluster may be asked for here");
    check_all(*state, PROGRAM_DEPLOY, "[{\"ask\": \"spawn\"}, {\"ask\": \"credentials\"}]", denied);
    check_all(*state, PROGRAM_GIT, "[{\"ask\": \"job\"}]", "was given already");
    check_all(*state, PROGRAM_IMAGE, "[{\"ask\": \"credentials\", \"registry\": \"none.example\"}]",
        "given"); // the control
}

static void only_the_agent_of_the_roles_own_app_is_given(void **state)
{
    check_all(*state, PROGRAM_DEPLOY,
        "[{\"ask\": \"connect_agent\", \"app\": \"bank\"}, {\"ask\": \"connect_agent\", \"app\": "
        "\"../apps/shop\"}, {\"ask\": \"connect_agent\", \"app\": \"shop/\"}]",
        "another app's agent");
}

#define UP      "work/w/upper"
#define WORK    "work/w/work"
#define AS_ROOT "\"uid\": 0, \"gid\": 0"

static const struct step {
    const char *layer, *upper, *work, *cache, *ids, *wanted;
} steps[] = {
    {"layers/../../canary", UP, WORK, "", AS_ROOT, "denied"},
    {"../apps/shop", UP, WORK, "", AS_ROOT, "denied"},
    {"/etc", UP, WORK, "", AS_ROOT, "denied"},
    {"work/w", UP, WORK, "", AS_ROOT, "denied"},
    {"layers/l", "layers/l/upper", "layers/l/work", "", AS_ROOT, "denied"},
    {"layers/l", UP, "work/x/work", "", AS_ROOT, "denied"},
    {"layers/l", "work/w/../../upper", "work/w/../../work", "", AS_ROOT, "denied"},
    {"layers/l", "/upper", "/work", "", AS_ROOT, "denied"},
    {"layers/l", UP, WORK, "{\"id\": \"../layers\", \"target\": \"/c\"}", AS_ROOT, "denied"},
    {"layers/l", UP, WORK, "{\"id\": \"c\", \"target\": \"c\"}", AS_ROOT, "denied"},
    {"layers/l", UP, WORK, "", "\"uid\": 65536, \"gid\": 0", "protocol"},
    {"layers/l", UP, WORK, "", "\"uid\": -1, \"gid\": 0", "protocol"},
    {"layers/l", UP, WORK, "", AS_ROOT ", \"directory\": \"relative\"", "protocol"},
    // the control
    {"layers/l", UP, WORK, "{\"id\": \"c\", \"target\": \"/c\"}", AS_ROOT, "given, exit 7"},
};

static void a_step_lies_in_the_store_and_nowhere_else(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        const struct step *s = &steps[i];
        AUTO_FREE char *asks =
            mem_printf("[{\"ask\": \"spawn\", \"argv\": [\"/bin/sh\", \"-c\", \"exit 7\"], "
                       "\"env\": [], \"layers\": [\"%s\"], \"upper\": \"%s\", \"work\": \"%s\", "
                       "\"caches\": [%s], %s}]",
                s->layer, s->upper, s->work, s->cache, s->ids);
        check_all(*state, PROGRAM_IMAGE, asks, s->wanted);
    }
}

#define with_worker(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(int argc, char **argv)
{
    payload_main(argc, argv, payloads);
    const struct CMUnitTest tests[] = {
        with_worker(what_is_not_in_the_table_of_a_role_is_denied),
        with_worker(only_the_agent_of_the_roles_own_app_is_given),
        with_worker(a_step_lies_in_the_store_and_nowhere_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
