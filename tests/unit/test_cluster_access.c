// A sandboxed role reaches what its worker's kubeconfig says: this program, launched in the place
// of davit-deploy, asks for the cluster and for credentials as that does.
#include "support/check.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codec/role.h"
#include "deploy/cluster_access.h"
#include "engine/role.h"
#include "os/clock.h"
#include "os/file.h"
#include "support/directory.h"
#include "support/payload.h"

// --- the role: does the steps of its job and reports what each gave ---

struct asking {
    struct loop *loop;
    struct value *answers;
};

static void on_credential(
    void *arg, const struct kube_credential *credential, const struct error *err)
{
    struct asking *a = arg;
    AUTO_FREE char *text =
        err ? mem_printf("%s: %s", error_kind_name(err->kind), err->message)
            : mem_printf("token %s key %s expires %lld",
                  credential->token ? credential->token : "-",
                  credential->key ? credential->key : "-", (long long)credential->expires_unix_ms);
    value_append_str(a->answers, text);
    loop_stop(a->loop);
}

static int fetch(struct asking *a, const struct kube_credentials *from, bool refused)
{
    struct error err = {0};
    if (from->fetch(from->arg, refused, on_credential, a, &err) == 0)
        return 1;
    AUTO_FREE char *text = mem_printf("%s: %s", error_kind_name(err.kind), err.message);
    value_append_str(a->answers, text);
    return 0;
}

static int work(struct rpc *worker, const struct value *job, const struct ipc_fds *fds,
    struct value **ret_result, struct error *err)
{
    (void)fds;
    struct asking a = {.loop = loop_new(err), .answers = value_list()};
    struct cluster_access *access = NULL;
    const struct value *steps = value_get(job, "steps");
    *ret_result = value_map();
    value_set(*ret_result, "answers", a.answers);
    for (size_t i = 0; i < value_length(steps); i++) {
        const char *step = value_text(value_at(steps, i));
        if (strcmp(step, "cluster") == 0) {
            cluster_access_free(access);
            access = cluster_access_new(a.loop, worker, err);
            if (!access)
                return -1;
            value_append(a.answers, kube_cluster_to_value(cluster_access_cluster(access)));
        } else if (strcmp(step, "journal") == 0) {
            if (rpc_call(worker, step, NULL, NULL, 0, 20000, NULL, NULL, err) < 0)
                return -1;
        } else if (strcmp(step, "wait") == 0) {
            if (loop_run(a.loop, err) < 0)
                return -1;
        } else if (strcmp(step, "die") == 0) {
            _exit(7);
        } else { // "fetch", "begin", "refused"
            int begun = fetch(&a, cluster_access_credentials(access), strcmp(step, "refused") == 0);
            if (begun && strcmp(step, "begin") != 0 && loop_run(a.loop, err) < 0)
                return -1;
        }
    }
    cluster_access_free(access);
    loop_free(a.loop);
    return 0;
}

static int role(int argc, char **argv)
{
    (void)argc;
    return role_main(argv[0], work);
}

static const struct payload payloads[] = {{"davit-deploy", role}, {0}};

// --- the worker ---

struct fixture {
    struct state state;
    struct loop *loop;
    struct launcher launcher;
    struct mask mask;
    char *next_config;    // what a journal call makes of the kubeconfig
    struct value *result; // of the role that ran last, or why there is none
    struct error error;
};

static int set_up(void **state)
{
    directory_setup(state);
    struct fixture *f = mem_alloc(sizeof *f);
    check_ok(state_open(*state, &f->state, &err));
    f->loop = loop_new(NULL);
    check_ok(launcher_init(&f->launcher, f->loop, &f->state, &err));
    f->launcher.programs[PROGRAM_DEPLOY] = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    AUTO_FREE char *config = path_join(*state, "config");
    setenv("KUBECONFIG", config, 1);
    setenv("WHERE", *state, 1);
    free(*state);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    AUTO_FREE char *path = mem_strdup(f->state.path);
    launcher_done(&f->launcher);
    loop_free(f->loop);
    state_done(&f->state);
    mask_done(&f->mask);
    free(f->next_config);
    free(f);
    check_ok(dir_remove_tree(AT_FDCWD, path, &err));
    return 0;
}

static void write_file(struct fixture *f, const char *name, mode_t mode, const char *text)
{
    check_ok(file_replace(f->state.dir, name, mode, text, strlen(text), &err));
}

static bool read_file(struct fixture *f, const char *name, struct str *out)
{
    str_init(out, 1 << 20);
    return file_read(f->state.dir, name, out, NULL) == 0;
}

static int on_journal(void *arg, const struct value *event, struct error *err)
{
    (void)event, (void)err;
    struct fixture *f = arg;
    write_file(f, "go", 0600, "");
    if (f->next_config)
        write_file(f, "config", 0600, f->next_config);
    return 0;
}

static void on_ended(void *arg, const struct role_result *result)
{
    struct fixture *f = arg;
    if (result->error)
        f->error = *result->error;
    else
        f->result = value_share(result->result);
    loop_stop(f->loop);
}

// The answers, the caller's; NULL with *ret.
static struct value *run(
    struct fixture *f, struct role_spec spec, const char *steps, struct error *ret)
{
    struct value *job = value_map();
    value_set(job, "steps", value_parse(steps, strlen(steps), NULL));
    spec.program = PROGRAM_DEPLOY;
    spec.name = "reach";
    spec.job = job;
    spec.mask = &f->mask;
    spec.cluster = true;
    spec.grace_ms = 1000;
    spec.timeout_ms = 60000;
    spec.journal = on_journal;
    spec.ended = on_ended;
    spec.arg = f;
    struct role *role = role_start(&f->launcher, &spec, NULL);
    assert_non_null(role);
    check_ok(loop_run(f->loop, &err));
    role_free(role);
    AUTO(value) struct value *result = take_ptr(f->result);
    if (!result && !ret)
        fail_msg("%s", f->error.message);
    if (ret)
        *ret = f->error;
    return result ? value_share(value_get(result, "answers")) : NULL;
}

static const struct value *at(const struct value *answers, size_t i)
{
    assert_non_null(answers);
    return value_at(answers, i);
}

static void check_masked(struct fixture *f, const char *secret)
{
    AUTO_FREE char *masked = mask_text(&f->mask, secret);
    if (strstr(masked, secret))
        fail_msg("%s is told", secret);
}

#define CONTEXTS                                                                                   \
    "contexts:\n"                                                                                  \
    "- {name: one, context: {cluster: c, user: u, namespace: own}}\n"                              \
    "- {name: two, context: {cluster: d, user: v}}\n"
#define REST(ca)                                                                                   \
    "clusters:\n"                                                                                  \
    "- {name: c, cluster: {server: 'https://one', certificate-authority-data: " ca "}}\n"          \
    "- {name: d, cluster: {server: 'https://two', proxy-url: 'http://me:proxy%2Fword@p:1'}}\n"     \
    "users:\n"                                                                                     \
    "- {name: u, user: {token: token-of-one}}\n"                                                   \
    "- {name: v, user: {username: ann, password: 'pass word'}}\n"
#define OLD_CA "LS0tLS1CRUdJTiBPTEQ="
#define NEW_CA "LS0tLS1CRUdJTiBORVc="

static void a_role_is_given_its_context_and_its_secrets_are_masked(void **state)
{
    struct fixture *f = *state;
    write_file(f, "config", 0600, "current-context: one\n" CONTEXTS REST(OLD_CA));
    {
        AUTO(value)
        struct value *got = run(f, (struct role_spec){0}, "[\"cluster\", \"fetch\"]", NULL);
        assert_string_equal(value_get_str(at(got, 0), "context"), "one");
        assert_string_equal(value_get_str(at(got, 0), "namespace"), "own");
        assert_string_equal(value_get_str(at(got, 0), "token"), "token-of-one");
        assert_string_equal(
            value_text(at(got, 1)), "denied: context one has no credential to ask for");
    }
    AUTO(value)
    struct value *got = run(
        f, (struct role_spec){.context = "two", .kube_namespace = "shop"}, "[\"cluster\"]", NULL);
    assert_string_equal(value_get_str(at(got, 0), "server"), "https://two");
    assert_string_equal(value_get_str(at(got, 0), "namespace"), "shop");
    assert_string_equal(value_get_str(at(got, 0), "password"), "pass word");
    static const char *const secrets[] = {"token-of-one", "pass word", "proxy%2Fword",
        "YW5uOnBhc3Mgd29y"}; // of ann:pass word, in base64
    for (size_t i = 0; i < ARRAY_LEN(secrets); i++)
        check_masked(f, secrets[i]);

    struct error why;
    assert_null(run(f, (struct role_spec){.context = "tow"}, "[\"cluster\"]", &why));
    check_kind(&why, ERR_NOT_FOUND, "did you mean \"two\"?", "no such context");
}

static void a_replaced_authority_is_seen_and_another_current_context_is_not(void **state)
{
    struct fixture *f = *state;
    write_file(f, "config", 0600, "current-context: one\n" CONTEXTS REST(OLD_CA));
    f->next_config = mem_strdup("current-context: two\n" CONTEXTS REST(NEW_CA));
    AUTO(value)
    struct value *got =
        run(f, (struct role_spec){0}, "[\"cluster\", \"journal\", \"cluster\"]", NULL);
    assert_string_equal(value_get_str(at(got, 0), "ca"), "-----BEGIN OLD");
    assert_string_equal(value_get_str(at(got, 1), "ca"), "-----BEGIN NEW");
    assert_string_equal(value_get_str(at(got, 1), "context"), "one");
}

static void use_plugin(struct fixture *f, const char *script)
{
    AUTO_FREE char *text = mem_printf("#!/bin/bash\ncd \"$WHERE\"\n%s\n", script);
    write_file(f, "plugin", 0700, text);
    write_file(f, "config", 0600,
        "current-context: x\n"
        "contexts: [{name: x, context: {cluster: c, user: u}}]\n"
        "clusters: [{name: c, cluster: {server: 'https://h'}}]\n"
        "users: [{name: u, user: {exec: {command: ./plugin, interactiveMode: Never,\n"
        "  apiVersion: client.authentication.k8s.io/v1}}}]\n");
}

#define ANSWER(token)                                                                              \
    "echo '{\"apiVersion\": \"client.authentication.k8s.io/v1\", \"kind\": \"ExecCredential\", "   \
    "\"status\": {\"token\": \"" token "\"}}'"

static void a_plugin_runs_outside_and_only_when_it_must(void **state)
{
    struct fixture *f = *state;
    use_plugin(f, "echo x >>runs; n=$(wc -l <runs)\n" ANSWER("secret-'$n'"));
    AUTO(value)
    struct value *got =
        run(f, (struct role_spec){0}, "[\"cluster\", \"fetch\", \"fetch\", \"refused\"]", NULL);
    assert_true(value_get_bool(at(got, 0), "dynamic", false));
    assert_string_equal(value_text(at(got, 1)), "token secret-1 key - expires 0");
    assert_string_equal(value_text(at(got, 2)), "token secret-1 key - expires 0");
    assert_string_equal(value_text(at(got, 3)), "token secret-2 key - expires 0");
    check_masked(f, "secret-1");
    check_masked(f, "secret-2");
}

static void a_plugin_that_fails_tells_the_role_why(void **state)
{
    struct fixture *f = *state;
    use_plugin(f, "echo 'log in first' >&2; exit 1");
    AUTO(value)
    struct value *got =
        run(f, (struct role_spec){0}, "[\"cluster\", \"fetch\", \"refused\"]", NULL);
    AUTO_FREE char *wanted = mem_printf(
        "failed: %s/config:4:32: the plugin plugin: exit 1: log in first", f->state.path);
    assert_string_equal(value_text(at(got, 1)), wanted);
    assert_string_equal(value_text(at(got, 2)), wanted);
}

// The plugin goes on only once the worker has answered another question of the role.
static void while_a_plugin_runs_the_worker_answers(void **state)
{
    struct fixture *f = *state;
    use_plugin(f, "until [ -e go ]; do :; done\n" ANSWER("at-last"));
    AUTO(value)
    struct value *got =
        run(f, (struct role_spec){0}, "[\"cluster\", \"begin\", \"journal\", \"wait\"]", NULL);
    assert_string_equal(value_text(at(got, 1)), "token at-last key - expires 0");
}

static bool is_gone(pid_t pid)
{
    for (int64_t until = clock_monotonic_ms() + 10000; clock_monotonic_ms() < until;)
        if (kill(pid, 0) < 0)
            return true;
    return false;
}

static void a_plugin_ends_with_the_role_that_wanted_it(void **state)
{
    struct fixture *f = *state;
    struct error why;
    AUTO(str) struct str pid = {0};
    use_plugin(f, "echo $$ >pid.new; mv pid.new pid; until [ -e never ]; do :; done");
    assert_null(run(f, (struct role_spec){0}, "[\"cluster\", \"begin\", \"die\"]", &why));
    if (read_file(f, "pid", &pid)) // else it was ended before it said so
        assert_true(is_gone(atoi(pid.data)));
}

#define with_worker(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(int argc, char **argv)
{
    payload_main(argc, argv, payloads);
    const struct CMUnitTest tests[] = {
        with_worker(a_role_is_given_its_context_and_its_secrets_are_masked),
        with_worker(a_replaced_authority_is_seen_and_another_current_context_is_not),
        with_worker(a_plugin_runs_outside_and_only_when_it_must),
        with_worker(a_plugin_that_fails_tells_the_role_why),
        with_worker(while_a_plugin_runs_the_worker_answers),
        with_worker(a_plugin_ends_with_the_role_that_wanted_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
