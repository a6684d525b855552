// Credentials that change: token files that are renewed, lost and emptied, and plugins that behave
// in every way that a plugin can.
#include "support/check.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kube/credential.h"
#include "os/clock.h"
#include "os/file.h"
#include "support/directory.h"

struct fixture {
    char *directory;
    struct loop *loop;
    struct kube_cluster cluster;
    struct kube_source source;
    struct kube_login *login;
    int ticks;
    // What the last fetch gave.
    char *token, *cert, *key;
    int64_t expires_unix_ms;
    bool failed;
    struct error error;
};

static int set_up(void **state)
{
    directory_setup(state);
    struct fixture *f = mem_alloc(sizeof *f);
    f->directory = *state;
    f->loop = loop_new(NULL);
    f->cluster = (struct kube_cluster){.context = mem_strdup("lab"),
        .server = mem_strdup("https://h:6443"),
        .namespace = mem_strdup("default"),
        .ca = mem_strdup("-----BEGIN CERTIFICATE-----\n"),
        .dynamic = true};
    *state = f;
    return 0;
}

static void forget(struct fixture *f)
{
    mem_replace(&f->token, NULL);
    mem_replace(&f->cert, NULL);
    mem_replace(&f->key, NULL);
    f->failed = false;
    f->error = (struct error){0};
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    forget(f);
    kube_login_free(f->login);
    kube_source_done(&f->source);
    kube_cluster_done(&f->cluster);
    loop_free(f->loop);
    check_ok(dir_remove_tree(AT_FDCWD, f->directory, &err));
    free(f->directory);
    free(f);
    return 0;
}

static void write_file(struct fixture *f, const char *name, mode_t mode, const char *text)
{
    AUTO_FREE char *path = path_join(f->directory, name);
    check_ok(file_replace(AT_FDCWD, path, mode, text, strlen(text), &err));
}

static void on_credential(
    void *arg, const struct kube_credential *credential, const struct error *err)
{
    struct fixture *f = arg;
    loop_stop(f->loop);
    f->failed = err != NULL;
    if (err) {
        f->error = *err;
        return;
    }
    f->token = mem_strdup_opt(credential->token);
    f->cert = mem_strdup_opt(credential->cert);
    f->key = mem_strdup_opt(credential->key);
    f->expires_unix_ms = credential->expires_unix_ms;
}

static void fetch(struct fixture *f, bool refused)
{
    forget(f);
    if (!f->login)
        f->login = kube_login_new(f->loop, &f->source, &f->cluster);
    struct kube_credentials from = kube_login_credentials(f->login);
    if (from.fetch(from.arg, refused, on_credential, f, &f->error) < 0)
        f->failed = true;
    else
        check_ok(loop_run(f->loop, &err));
}

static void check_token(struct fixture *f, bool refused, const char *wanted)
{
    fetch(f, refused);
    if (f->failed)
        fail_msg("%s", f->error.message);
    assert_string_equal(f->token, wanted);
}

static void check_failed(struct fixture *f, bool refused, enum error_kind kind, const char *part)
{
    fetch(f, refused);
    if (!f->failed)
        fail_msg("a credential was given, where \"%s\" was wanted", part);
    check_kind(&f->error, kind, part, part);
}

// --- token files ---

static void from_token_file(struct fixture *f)
{
    f->source.token_file = path_join(f->directory, "token");
}

static void a_token_is_read_again_after_its_time_and_when_it_was_refused(void **state)
{
    struct fixture *f = *state;
    from_token_file(f);
    write_file(f, "token", 0600, " one\n");
    check_token(f, false, "one");
    int64_t left = f->expires_unix_ms - clock_unix_ms();
    assert_true(left > 50000 && left <= 60000);
    write_file(f, "token", 0600, "two");
    check_token(f, false, "one"); // it is not a minute old
    check_token(f, true, "two");
    write_file(f, "token", 0600, "three");
    check_token(f, false, "two");
    f->source.token_period_ms = 1;
    check_token(f, true, "three"); // from now on each is old at once
    write_file(f, "token", 0600, "four");
    check_token(f, false, "four");
}

static void a_token_file_that_cannot_be_read_leaves_the_old_token_unless_it_was_refused(
    void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {"", "\n\n", "two words", "new\x01line", "caf\xc3\xa9"};
    from_token_file(f);
    f->source.token_period_ms = 1;
    check_failed(f, false, ERR_NOT_FOUND, "token");
    write_file(f, "token", 0600, "good");
    check_token(f, false, "good");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        write_file(f, "token", 0600, bad[i]);
        check_token(f, false, "good");
    }
    assert_int_equal(unlink(f->source.token_file), 0);
    check_token(f, false, "good");
    check_failed(f, true, ERR_NOT_FOUND, "token file");
    check_failed(f, false, ERR_NOT_FOUND, "token file"); // what was refused does not come back
    write_file(f, "token", 0600, "");
    check_failed(f, false, ERR_CONFIG, "it is empty");
    write_file(f, "token", 0600, "two words");
    check_failed(f, false, ERR_CONFIG, "is no token");
    assert_null(strstr(f->error.message, "words"));
    write_file(f, "token", 0600, "better");
    check_token(f, false, "better");
}

// --- plugins ---

#define HEAD "{\"apiVersion\": \"client.authentication.k8s.io/v1\", \"kind\": \"ExecCredential\", "
#define PEM  "-----BEGIN X-----\\n"

// A script in the directory becomes the plugin.
static void from_plugin(struct fixture *f, const char *script)
{
    AUTO_FREE char *text = mem_printf("#!/bin/bash\n%s\n", script);
    write_file(f, "plugin", 0700, text);
    if (f->source.exec)
        return;
    f->source.exec = mem_alloc(sizeof *f->source.exec);
    f->source.exec->place = mem_strdup("config:3:4");
    f->source.exec->api_version = mem_strdup("client.authentication.k8s.io/v1");
    f->source.exec->command = path_join(f->directory, "plugin");
    f->source.exec->timeout_ms = 20000;
}

static void a_plugin_is_told_who_asks_and_asked_once_while_its_answer_is_good(void **state)
{
    struct fixture *f = *state;
    from_plugin(f, "cd \"$WHERE\"; cat >stdin; echo x >>runs; echo \"$1|$2|$ADDED\" >args\n"
                   "printf '%s' \"$KUBERNETES_EXEC_INFO\" >info\n"
                   "ps -o pgid= -p $$ | tr -d ' ' >group; echo $$ >pid\n"
                   "echo chatter >&2\n"
                   "echo '" HEAD "\"status\": {\"token\": \"t1\"}}'");
    struct kube_exec *exec = f->source.exec;
    strv_push(&exec->args, "get token");
    strv_push(&exec->args, "$HOME");
    strv_push(&exec->env, "ADDED=b c");
    strv_pushf(&exec->env, "WHERE=%s", f->directory);
    setenv("ADDED", "not this", 1);
    setenv("KUBERNETES_EXEC_INFO", "nor this", 1);
    check_token(f, false, "t1");
    unsetenv("ADDED");
    unsetenv("KUBERNETES_EXEC_INFO");
    assert_int_equal(f->expires_unix_ms, 0);
    check_token(f, false, "t1");
    AUTO_FREE char *once = directory_read(f->directory, "runs");
    assert_string_equal(once, "x\n");
    check_token(f, true, "t1");
    AUTO_FREE char *twice = directory_read(f->directory, "runs");
    assert_string_equal(twice, "x\nx\n");
    AUTO_FREE char *args = directory_read(f->directory, "args");
    assert_string_equal(args, "get token|$HOME|b c\n");
    AUTO_FREE char *input = directory_read(f->directory, "stdin");
    assert_string_equal(input, "");
    AUTO_FREE char *info = directory_read(f->directory, "info");
    assert_string_equal(info,
        "{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"spec\":"
        "{\"interactive\":false}}");
    AUTO_FREE char *group = directory_read(f->directory, "group");
    AUTO_FREE char *pid = directory_read(f->directory, "pid");
    assert_string_equal(group, pid);

    exec->provide_cluster = true;
    exec->config = value_parse("{\"audience\": \"a\"}", 17, NULL);
    f->cluster.tls_server_name = mem_strdup("api.local");
    check_token(f, true, "t1");
    AUTO_FREE char *whole = directory_read(f->directory, "info");
    assert_string_equal(whole,
        "{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"spec\":"
        "{\"interactive\":false,\"cluster\":{\"server\":\"https://h:6443\",\"tls-server-name\":"
        "\"api.local\",\"certificate-authority-data\":\"LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg==\","
        "\"config\":{\"audience\":\"a\"}}}}");
}

static void a_certificate_comes_with_its_key_and_expires(void **state)
{
    struct fixture *f = *state;
    from_plugin(f, "echo '" HEAD "\"status\": {\"clientCertificateData\": \"" PEM
                   "c\", \"clientKeyData\": \"" PEM
                   "k\", \"expirationTimestamp\": \"2999-01-02T03:04:05.5+01:00\"}}'");
    fetch(f, false);
    assert_false(f->failed);
    assert_null(f->token);
    assert_string_equal(f->cert, "-----BEGIN X-----\nc");
    assert_string_equal(f->key, "-----BEGIN X-----\nk");
    assert_int_equal(f->expires_unix_ms, 32472237845500);
    fetch(f, false);
    assert_false(f->failed);

    // One that is about to expire is not good for another request.
    AUTO_FREE char *soon =
        mem_printf("date -u -d '+8 seconds' +'" HEAD "\"status\": {\"token\": \"'$$'\", "
                   "\"expirationTimestamp\": \"%%Y-%%m-%%dT%%H:%%M:%%SZ\"}}'");
    from_plugin(f, soon);
    fetch(f, true);
    assert_false(f->failed);
    AUTO_FREE char *first = mem_strdup(f->token);
    fetch(f, false);
    assert_false(f->failed);
    assert_string_not_equal(f->token, first);
}

static const struct bad_plugin {
    const char *script;
    enum error_kind kind;
    const char *part;
} bad_plugins[] = {
    {"exit 1", ERR_FAILED, "the plugin plugin: exit 1"},
    {"echo 'log in' >&2; echo first >&2; exit 3", ERR_FAILED, "exit 3: log in first"},
    {"kill -9 $$", ERR_FAILED, "signal 9"},
    {"exit 0", ERR_CONFIG, "bad JSON"},
    {"echo warned >&2; echo nonsense", ERR_CONFIG, "(it wrote: warned)"},
    {"echo '{}'", ERR_CONFIG, "in the place of an ExecCredential"},
    {"echo '{\"kind\": \"ExecCredential\", \"apiVersion\": "
     "\"client.authentication.k8s.io/v1beta1\", "
     "\"status\": {\"token\": \"abcdef\"}}'",
        ERR_CONFIG, "and was asked for client.authentication.k8s.io/v1"},
    {"echo '" HEAD "\"status\": null}'", ERR_CONFIG, "neither a token nor a certificate"},
    {"echo '" HEAD "\"status\": {\"token\": \"\"}}'", ERR_CONFIG, "no token can"},
    {"echo '" HEAD "\"status\": {\"token\": \"a\\nX: y\"}}'", ERR_CONFIG, "no token can"},
    {"echo '" HEAD "\"status\": {\"clientCertificateData\": \"" PEM "\"}}'", ERR_CONFIG,
        "a certificate without a key"},
    {"echo '" HEAD "\"status\": {\"token\": \"a\", \"clientKeyData\": \"" PEM "\"}}'", ERR_CONFIG,
        "a key without a certificate"},
    {"echo '" HEAD "\"status\": {\"clientCertificateData\": \"a\", \"clientKeyData\": \"b\"}}'",
        ERR_CONFIG, "not PEM"},
    {"echo '" HEAD
     "\"status\": {\"token\": \"a\", \"expirationTimestamp\": \"2001-01-01T00:00:00Z\"}}'",
        ERR_CONFIG, "has expired already"},
    {"echo '" HEAD "\"status\": {\"token\": \"a\", \"expirationTimestamp\": \"soon\"}}'",
        ERR_CONFIG, "is not a time"},
    {"echo '" HEAD
     "\"status\": {\"token\": \"a\", \"expirationTimestamp\": \"2999-01-01T00:00:00\"}}'",
        ERR_CONFIG, "is not a time"},
    {"head -c 2000000 /dev/zero", ERR_CONFIG, "more than"},
    {"printf '\\033[31mred\\007' >&2; exit 1", ERR_FAILED, "exit 1: ?[31mred?"},
};

static void a_plugin_that_fails_is_named_with_what_it_said(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(bad_plugins); i++) {
        from_plugin(f, bad_plugins[i].script);
        check_failed(f, false, bad_plugins[i].kind, bad_plugins[i].part);
        check_kind(&f->error, bad_plugins[i].kind, "config:3:4: ", bad_plugins[i].script);
    }
    AUTO_FREE char *much =
        mem_printf("yes hellohello | head -c 100000 >&2; echo the end >&2; exit 1");
    from_plugin(f, much);
    check_failed(f, false, ERR_FAILED, "the end");
    from_plugin(f, "echo '" HEAD "\"status\": {\"token\": \"good\"}}'"); // the control
    check_token(f, false, "good");
}

static void a_plugin_that_is_not_there_is_told_with_its_hint(void **state)
{
    struct fixture *f = *state;
    from_plugin(f, "");
    mem_replace(&f->source.exec->command, "davit-no-such-plugin");
    f->source.exec->install_hint = mem_strdup("apt install it\nfirst");
    check_failed(f, false, ERR_CONFIG, "\"davit-no-such-plugin\" cannot be started: No such file");
    check_kind(&f->error, ERR_CONFIG, "; apt install it?first", "the hint");
}

static void tick(struct loop_timer *timer)
{
    struct fixture *f = timer->arg;
    f->ticks++;
    loop_timer_start(f->loop, timer, clock_monotonic_ms() + 5, tick, f);
}

static bool is_gone(pid_t pid)
{
    for (int64_t until = clock_monotonic_ms() + 10000; clock_monotonic_ms() < until;)
        if (kill(pid, 0) < 0)
            return true;
    return false;
}

// A plugin that starts another, which would go on without it.
#define SLOW "cd \"$WHERE\"; sleep 1000 & echo $! >child; echo waiting >&2; wait"

static void a_slow_plugin_is_ended_whole_and_nothing_waits_for_it(void **state)
{
    struct fixture *f = *state;
    struct loop_timer timer = {0};
    from_plugin(f, SLOW);
    strv_pushf(&f->source.exec->env, "WHERE=%s", f->directory);
    f->source.exec->timeout_ms = 300;
    loop_timer_start(f->loop, &timer, clock_monotonic_ms(), tick, f);
    check_failed(f, false, ERR_TIMEOUT, "the plugin plugin: no answer within 300ms: waiting");
    loop_timer_stop(&timer);
    assert_true(f->ticks > 10);
    AUTO_FREE char *child = directory_read(f->directory, "child");
    assert_true(is_gone(atoi(child)));
}

static void stop_when_begun(struct loop_timer *timer)
{
    struct fixture *f = timer->arg;
    AUTO_FREE char *path = path_join(f->directory, "child");
    AUTO(str) struct str text;
    str_init(&text, 100);
    if (file_read(AT_FDCWD, path, &text, NULL) == 0 && text.length)
        loop_stop(f->loop);
    else
        loop_timer_start(f->loop, timer, clock_monotonic_ms() + 5, stop_when_begun, f);
}

static void never(void *arg, const struct kube_credential *credential, const struct error *err)
{
    (void)arg, (void)credential;
    fail_msg("it was cancelled, and told %s", err ? err->message : "a credential");
}

static void a_cancelled_plugin_is_ended_and_never_heard_of(void **state)
{
    struct fixture *f = *state;
    struct loop_timer timer = {0};
    from_plugin(f, SLOW);
    strv_pushf(&f->source.exec->env, "WHERE=%s", f->directory);
    f->login = kube_login_new(f->loop, &f->source, &f->cluster);
    struct kube_credentials from = kube_login_credentials(f->login);
    check_ok(from.fetch(from.arg, false, never, f, &err));
    loop_timer_start(f->loop, &timer, clock_monotonic_ms(), stop_when_begun, f);
    check_ok(loop_run(f->loop, &err));
    from.cancel(from.arg);
    AUTO_FREE char *child = directory_read(f->directory, "child");
    assert_true(is_gone(atoi(child)));
    from_plugin(f, "echo '" HEAD "\"status\": {\"token\": \"after\"}}'");
    check_token(f, false, "after");
}

// What a plugin leaves running keeps its pipes open.
static void a_plugin_need_not_take_what_it_started_along(void **state)
{
    struct fixture *f = *state;
    from_plugin(f, "cd \"$WHERE\"; sleep 1000 & echo $! >child\n"
                   "echo '" HEAD "\"status\": {\"token\": \"quick\"}}'");
    strv_pushf(&f->source.exec->env, "WHERE=%s", f->directory);
    int64_t begun = clock_monotonic_ms();
    check_token(f, false, "quick");
    assert_true(clock_monotonic_ms() - begun < 10000);
    AUTO_FREE char *child = directory_read(f->directory, "child");
    kill(atoi(child), SIGKILL);
}

#define with_credentials(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

TEST_MAIN(with_credentials(a_token_is_read_again_after_its_time_and_when_it_was_refused),
    with_credentials(a_token_file_that_cannot_be_read_leaves_the_old_token_unless_it_was_refused),
    with_credentials(a_plugin_is_told_who_asks_and_asked_once_while_its_answer_is_good),
    with_credentials(a_certificate_comes_with_its_key_and_expires),
    with_credentials(a_plugin_that_fails_is_named_with_what_it_said),
    with_credentials(a_plugin_that_is_not_there_is_told_with_its_hint),
    with_credentials(a_slow_plugin_is_ended_whole_and_nothing_waits_for_it),
    with_credentials(a_cancelled_plugin_is_ended_and_never_heard_of),
    with_credentials(a_plugin_need_not_take_what_it_started_along))
