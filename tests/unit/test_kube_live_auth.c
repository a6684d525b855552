// Who we are to a real API server: by client certificate, by a ServiceAccount's token in a file, by
// a plugin, in the name of others; by a proxy, and by another of its names.
#include "support/check.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codec/base64.h"
#include "kube/config.h"
#include "net/http_curl.h"
#include "net/url.h"
#include "os/file.h"
#include "support/directory.h"
#include "support/proxy.h"

struct fixture {
    char *directory;
    char ns[40];
    char *account, *token; // of a ServiceAccount in that namespace
    struct loop *loop;
    struct http_client *client;
    struct kube_config *config;
    struct kube_cluster admin; // as $KUBECONFIG says
    struct kube_source none;
};

static void on_credential(
    void *arg, const struct kube_credential *credential, const struct error *err)
{
    struct kube_credential *got = arg;
    if (err)
        fail_msg("%s", err->message);
    *got = (struct kube_credential){.token = mem_strdup_opt(credential->token),
        .cert = mem_strdup_opt(credential->cert),
        .key = mem_strdup_opt(credential->key)};
}

static void on_turn(struct loop_timer *timer)
{
    loop_stop(timer->arg);
}

// One request; the status. The answer is the caller's.
static int ask(struct fixture *f, const struct kube_cluster *cluster,
    const struct kube_credential *credential, const char *method, const char *path,
    const char *body, struct value **ret)
{
    struct http_peer peer = kube_cluster_peer(cluster, credential);
    const char *token = credential && credential->token ? credential->token : cluster->token;
    AUTO(strv) struct strv headers = {0};
    strv_push(&headers, "Content-Type: application/json");
    strv_copy(&headers, &cluster->impersonate);
    if (token)
        strv_pushf(&headers, "Authorization: Bearer %s", token);
    AUTO_FREE char *url = mem_printf("%s%s", cluster->server, path);
    struct http_request request = {.method = method,
        .url = url,
        .headers = &headers,
        .body = body,
        .body_length = body ? strlen(body) : 0,
        .peer = &peer};
    struct http_response response = {0};
    check_ok(http_do(f->loop, f->client, &request, &response, &err));
    if (ret)
        *ret = value_parse(response.body.data, response.body.length, NULL);
    int status = response.status;
    http_response_done(&response);
    return status;
}

// The user's name as the server sees it; the caller's. NULL when it lets nobody in.
static char *who_am_i(
    struct fixture *f, const struct kube_cluster *cluster, const struct kube_credential *credential)
{
    static const char question[] =
        "{\"apiVersion\": \"authentication.k8s.io/v1\", \"kind\": \"SelfSubjectReview\"}";
    AUTO(value) struct value *answer = NULL;
    int status = ask(f, cluster, credential, "POST",
        "/apis/authentication.k8s.io/v1/selfsubjectreviews", question, &answer);
    const struct value *user = value_get(value_get(answer, "status"), "userInfo");
    return status == 201 ? mem_strdup_opt(value_get_str(user, "username")) : NULL;
}

static void check_name(struct fixture *f, const struct kube_cluster *cluster,
    const struct kube_credential *credential, const char *wanted)
{
    AUTO_FREE char *name = who_am_i(f, cluster, credential);
    if (!text_equal(name, wanted))
        fail_msg("the server sees \"%s\" in the place of \"%s\"", name ? name : "nobody", wanted);
}

static void make_account(struct fixture *f)
{
    snprintf(f->ns, sizeof f->ns, "davit-test-auth-%d", (int)getpid());
    f->account = mem_printf("system:serviceaccount:%s:runner", f->ns);
    AUTO(value) struct value *answer = NULL;
    AUTO_FREE char *namespace = mem_printf("{\"metadata\": {\"name\": \"%s\"}}", f->ns);
    AUTO_FREE char *path = mem_printf("/api/v1/namespaces/%s/serviceaccounts", f->ns);
    AUTO_FREE char *token_path = mem_printf("%s/runner/token", path);
    static const char account[] = "{\"metadata\": {\"name\": \"runner\"}}";
    static const char request[] =
        "{\"apiVersion\": \"authentication.k8s.io/v1\", \"kind\": \"TokenRequest\", "
        "\"spec\": {\"expirationSeconds\": 600}}";
    assert_int_equal(ask(f, &f->admin, NULL, "POST", "/api/v1/namespaces", namespace, NULL), 201);
    assert_int_equal(ask(f, &f->admin, NULL, "POST", path, account, NULL), 201);
    assert_int_equal(ask(f, &f->admin, NULL, "POST", token_path, request, &answer), 201);
    f->token = mem_strdup(value_get_str(value_get(answer, "status"), "token"));
}

static int set_up(void **state)
{
    if (!getenv("KUBECONFIG"))
        fail_msg("KUBECONFIG is not set: this test needs a real cluster, and an administrator's "
                 "kubeconfig of it (scripts/cluster makes one)");
    directory_setup(state);
    struct fixture *f = mem_alloc(sizeof *f);
    f->directory = *state;
    f->loop = loop_new(NULL);
    f->client = http_curl_new(f->loop, NULL);
    f->config = kube_config_load(NULL, NULL);
    assert_non_null(f->config);
    check_ok(kube_config_cluster(f->config, NULL, &f->admin, &f->none, &err));
    make_account(f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    AUTO_FREE char *path = mem_printf("/api/v1/namespaces/%s", f->ns);
    assert_int_equal(ask(f, &f->admin, NULL, "DELETE", path, NULL, NULL), 200);
    http_client_free(f->client);
    loop_free(f->loop);
    kube_config_free(f->config);
    kube_cluster_done(&f->admin);
    check_ok(dir_remove_tree(AT_FDCWD, f->directory, &err));
    free(f->directory);
    free(f->account);
    free(f->token);
    free(f);
    return 0;
}

static void write_file(struct fixture *f, const char *name, mode_t mode, const char *text)
{
    AUTO_FREE char *path = path_join(f->directory, name);
    check_ok(file_replace(AT_FDCWD, path, mode, text, strlen(text), &err));
}

// The same cluster by a kubeconfig of our own: what is of the cluster, what is of the user.
struct other {
    struct kube_config *config;
    struct kube_cluster cluster;
    struct kube_source source;
    struct kube_login *login;
    struct kube_credential credential;
};

static void other_done(struct other *o)
{
    kube_credential_done(&o->credential);
    kube_login_free(o->login);
    kube_cluster_done(&o->cluster);
    kube_source_done(&o->source);
    kube_config_free(o->config);
}
DEFINE_AUTO(other, struct other, other_done)

static void open_other(struct fixture *f, const char *cluster, const char *user, struct other *ret)
{
    AUTO(str) struct str ca;
    str_init(&ca, 1 << 20);
    base64_encode(f->admin.ca, strlen(f->admin.ca), &ca);
    AUTO_FREE char *text = mem_printf("current-context: x\n"
                                      "contexts: [{name: x, context: {cluster: c, user: u}}]\n"
                                      "clusters: [{name: c, cluster: {%s, "
                                      "certificate-authority-data: %s}}]\n"
                                      "users: [{name: u, user: {%s}}]\n",
        cluster, ca.data, user);
    AUTO_FREE char *path = path_join(f->directory, "config");
    write_file(f, "config", 0600, text);
    struct error err = {0};
    ret->config = kube_config_load(path, &err);
    if (!ret->config ||
        kube_config_cluster(ret->config, NULL, &ret->cluster, &ret->source, &err) < 0)
        fail_msg("%s", err.message);
}

static void fetch(struct fixture *f, struct other *o, bool refused)
{
    if (!o->login)
        o->login = kube_login_new(f->loop, &o->source, &o->cluster);
    struct kube_credentials from = kube_login_credentials(o->login);
    kube_credential_done(&o->credential);
    check_ok(from.fetch(from.arg, refused, on_credential, &o->credential, &err));
    while (!o->credential.token) {
        struct loop_timer turn = {0};
        loop_timer_start(f->loop, &turn, loop_now(f->loop) + 1, on_turn, f->loop);
        check_ok(loop_run(f->loop, &err));
        loop_timer_stop(&turn);
    }
}

static char *own_server(const struct fixture *f)
{
    return mem_printf("server: '%s'", f->admin.server);
}

static void a_client_certificate_says_who_we_are(void **state)
{
    struct fixture *f = *state;
    AUTO_FREE char *name = who_am_i(f, &f->admin, NULL);
    assert_non_null(name);
    // Without it nobody is let in.
    struct kube_cluster nobody = {.context = f->admin.context,
        .server = f->admin.server,
        .namespace = f->admin.namespace,
        .ca = f->admin.ca};
    assert_null(who_am_i(f, &nobody, NULL));
    struct kube_cluster stranger = nobody;
    stranger.ca = NULL;
    struct http_peer peer = kube_cluster_peer(&stranger, NULL);
    struct http_request request = {.url = f->admin.server, .peer = &peer};
    struct http_response response = {0};
    check_error(http_do(f->loop, f->client, &request, &response, &err), ERR_NETWORK, "certificate");
}

// Of writes the server refuses most before it has read them, and then resets the stream.
static void a_refused_write_of_any_size_has_the_reason(void **state)
{
    struct fixture *f = *state;
    AUTO_FREE char *path = mem_printf("/api/v1/namespaces/%s/configmaps", f->ns);
    AUTO_FREE char *user = mem_printf("token: %s", f->token);
    AUTO_FREE char *server = own_server(f);
    AUTO(other) struct other o = {0};
    open_other(f, server, user, &o);
    static const int sizes[] = {1, 100, 20000, 100000, 900000};
    for (size_t i = 0; i < 5 * ARRAY_LEN(sizes); i++) {
        AUTO(value) struct value *answer = NULL;
        AUTO_FREE char *body = mem_printf(
            "{\"metadata\": {\"name\": \"x\"}, \"data\": {\"a\": \"%0*d\"}}", sizes[i / 5], 0);
        assert_int_equal(ask(f, &o.cluster, NULL, "POST", path, body, &answer), 403);
        const char *message = value_get_str(answer, "message");
        assert_non_null(message);
        assert_non_null(strstr(message, "cannot create resource \"configmaps\""));
    }
}

static void a_token_that_is_renewed_in_its_file_goes_on_after_a_refusal(void **state)
{
    struct fixture *f = *state;
    AUTO(other) struct other o = {0};
    AUTO_FREE char *server = own_server(f);
    write_file(f, "token", 0600, "not-a-token-of-this-cluster");
    open_other(f, server, "tokenFile: token", &o);
    fetch(f, &o, false);
    assert_null(who_am_i(f, &o.cluster, &o.credential));
    write_file(f, "token", 0600, f->token);
    fetch(f, &o, false); // it is not a minute old
    assert_null(who_am_i(f, &o.cluster, &o.credential));
    fetch(f, &o, true);
    check_name(f, &o.cluster, &o.credential, f->account);
}

static void a_plugin_says_who_we_are(void **state)
{
    struct fixture *f = *state;
    AUTO(other) struct other o = {0};
    AUTO_FREE char *server = own_server(f);
    AUTO_FREE char *script =
        mem_printf("#!/bin/bash\necho '{\"apiVersion\": \"client.authentication.k8s.io/v1\", "
                   "\"kind\": \"ExecCredential\", \"status\": {\"token\": \"%s\"}}'\n",
            f->token);
    write_file(f, "plugin", 0700, script);
    open_other(f, server,
        "exec: {apiVersion: client.authentication.k8s.io/v1, command: ./plugin, "
        "interactiveMode: IfAvailable}",
        &o);
    fetch(f, &o, false);
    check_name(f, &o.cluster, &o.credential, f->account);
}

static void a_pod_is_its_service_account(void **state)
{
    struct fixture *f = *state;
    AUTO(other) struct other o = {0};
    AUTO(url) struct url url = {0};
    check_ok(url_parse(f->admin.server, &url, &err));
    AUTO_FREE char *port = mem_printf("%u", url.port);
    write_file(f, "token", 0600, f->token);
    write_file(f, "ca.crt", 0600, f->admin.ca);
    write_file(f, "namespace", 0600, f->ns);
    setenv("KUBERNETES_SERVICE_HOST", url.host, 1);
    setenv("KUBERNETES_SERVICE_PORT", port, 1);
    check_ok(kube_config_in_cluster(f->directory, &o.cluster, &o.source, &err));
    unsetenv("KUBERNETES_SERVICE_HOST");
    unsetenv("KUBERNETES_SERVICE_PORT");
    fetch(f, &o, false);
    check_name(f, &o.cluster, &o.credential, f->account);
    assert_string_equal(o.cluster.namespace, f->ns);
}

static void the_certificate_of_an_administrator_acts_in_the_name_of_others(void **state)
{
    struct fixture *f = *state;
    AUTO(value) struct value *copy = kube_cluster_to_value(&f->admin);
    AUTO(kube_cluster) struct kube_cluster as = {0};
    check_ok(kube_cluster_from_value(copy, &as, &err));
    strv_push(&as.impersonate, "Impersonate-User: ann");
    check_name(f, &as, NULL, "ann");
}

// "kubernetes" is among the names of every API server's certificate.
static void it_is_reached_by_a_proxy_and_by_another_of_its_names(void **state)
{
    struct fixture *f = *state;
    for (int socks = 0; socks < 2; socks++) {
        AUTO(other) struct other o = {0};
        struct proxy p;
        proxy_start(&p, socks);
        AUTO_FREE char *user = mem_printf("token: %s", f->token);
        AUTO_FREE char *cluster =
            mem_printf("server: '%s', tls-server-name: kubernetes, proxy-url: '%s://127.0.0.1:%d'",
                f->admin.server, socks ? "socks5" : "http", p.port);
        open_other(f, cluster, user, &o);
        check_name(f, &o.cluster, NULL, f->account);
        AUTO_FREE char *log = proxy_log(&p);
        assert_true(strlen(log) > 0);
        proxy_stop(&p);
    }
    AUTO(other) struct other o = {0};
    AUTO_FREE char *cluster =
        mem_printf("server: '%s', tls-server-name: not-of-kubernetes", f->admin.server);
    open_other(f, cluster, "", &o);
    struct http_peer peer = kube_cluster_peer(&o.cluster, NULL);
    struct http_request request = {.url = f->admin.server, .peer = &peer};
    struct http_response response = {0};
    check_error(
        http_do(f->loop, f->client, &request, &response, &err), ERR_NETWORK, "not-of-kubernetes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_certificate_says_who_we_are),
        cmocka_unit_test(a_refused_write_of_any_size_has_the_reason),
        cmocka_unit_test(a_token_that_is_renewed_in_its_file_goes_on_after_a_refusal),
        cmocka_unit_test(a_plugin_says_who_we_are),
        cmocka_unit_test(a_pod_is_its_service_account),
        cmocka_unit_test(the_certificate_of_an_administrator_acts_in_the_name_of_others),
        cmocka_unit_test(it_is_reached_by_a_proxy_and_by_another_of_its_names),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
