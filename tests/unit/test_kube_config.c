// Kubeconfig files: what they mean together, and each mistake with its place.
#include "support/check.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "codec/base64.h"
#include "kube/config.h"
#include "os/file.h"
#include "support/directory.h"

static const char *const variables[] = {
    "KUBECONFIG", "HOME", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"};
static char *kept[ARRAY_LEN(variables)];

static int set_up(void **state)
{
    directory_setup(state);
    for (size_t i = 0; i < ARRAY_LEN(variables); i++) {
        kept[i] = mem_strdup_opt(getenv(variables[i]));
        unsetenv(variables[i]);
    }
    setenv("HOME", *state, 1);
    return 0;
}

static int tear_down(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(variables); i++) {
        if (kept[i])
            setenv(variables[i], kept[i], 1);
        else
            unsetenv(variables[i]);
        mem_replace(&kept[i], NULL);
    }
    return directory_teardown(state);
}

static void write_file(const char *directory, const char *name, const char *text)
{
    AUTO_FREE char *path = path_join(directory, name);
    AUTO_FREE char *parent = mem_strndup(path, (size_t)(path_base(path) - path));
    check_ok(dir_make(AT_FDCWD, parent, 0700, &err));
    check_ok(file_replace(AT_FDCWD, path, 0600, text, strlen(text), &err));
}

// $KUBECONFIG out of names in the directory.
static void set_kubeconfig(const char *directory, const char *const *names)
{
    AUTO(str) struct str list;
    str_init(&list, 4096);
    for (; *names; names++)
        str_printf(&list, "%s%s%s%s", list.length ? ":" : "", **names ? directory : "",
            **names ? "/" : "", *names);
    setenv("KUBECONFIG", list.data, 1);
}
#define kubeconfig(directory, ...)                                                                 \
    set_kubeconfig((directory), (const char *const[]){__VA_ARGS__, NULL})

struct read {
    struct kube_config *config;
    struct kube_cluster cluster;
    struct kube_source source;
};

static void read_done(struct read *r)
{
    kube_config_free(r->config);
    kube_cluster_done(&r->cluster);
    kube_source_done(&r->source);
}
DEFINE_AUTO(read, struct read, read_done)

static int try_context(const char *context, struct read *ret, struct error *err)
{
    ret->config = kube_config_load(NULL, err);
    return ret->config ? kube_config_cluster(ret->config, context, &ret->cluster, &ret->source, err)
                       : -1;
}

static void check_text(const char *what, const char *got, const char *wanted)
{
    if (!text_equal(got, wanted))
        fail_msg("%s: wanted \"%s\", got \"%s\"", what, wanted ? wanted : "(none)",
            got ? got : "(none)");
}

#define CERT "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n"
#define KEY  "-----BEGIN PRIVATE KEY-----\nREVG\n-----END PRIVATE KEY-----\n"

// --- what files mean ---

static void everything_of_a_context_is_read(void **state)
{
    AUTO(read) struct read r = {0};
    AUTO(str) struct str data;
    str_init(&data, 1000);
    base64_encode(KEY, strlen(KEY), &data);
    AUTO_FREE char *text =
        mem_printf("apiVersion: v1\n"
                   "kind: Config\n"
                   "preferences: {colors: true}\n"
                   "current-context: prod\n"
                   "clusters:\n"
                   "- name: c\n"
                   "  cluster:\n"
                   "    server: https://10.0.0.1:6443/api/\n"
                   "    certificate-authority: pki/ca.pem\n"
                   "    tls-server-name: api.local\n"
                   "    proxy-url: socks5://127.0.0.1:1080\n"
                   "    disable-compression: true\n"
                   "contexts:\n"
                   "- {name: prod, context: {cluster: c, user: u, namespace: shop}}\n"
                   "users:\n"
                   "- name: u\n"
                   "  user:\n"
                   "    client-certificate: pki/me.pem\n"
                   "    client-key: absent\n"
                   "    client-key-data: %s\n"
                   "    token: abc.def-ghi\n"
                   "    as: ann\n"
                   "    as-uid: \"7\"\n"
                   "    as-groups: [ops, \"système\"]\n"
                   "    as-user-extra: {Reason/x: [a, b]}\n",
            data.data);
    write_file(*state, "sub/config", text);
    write_file(*state, "sub/pki/ca.pem", CERT);
    write_file(*state, "sub/pki/me.pem", CERT CERT);
    kubeconfig(*state, "sub/config");
    check_ok(try_context(NULL, &r, &err));
    const struct kube_cluster *c = &r.cluster;
    check_text("context", c->context, "prod");
    check_text("server", c->server, "https://10.0.0.1:6443/api");
    check_text("namespace", c->namespace, "shop");
    check_text("ca", c->ca, CERT);
    check_text("tls-server-name", c->tls_server_name, "api.local");
    check_text("proxy", c->proxy, "socks5://127.0.0.1:1080");
    check_text("cert", c->cert, CERT CERT);
    check_text("key", c->key, KEY);
    check_text("token", c->token, "abc.def-ghi");
    assert_false(c->insecure || c->dynamic);
    static const char *const headers[] = {"Impersonate-User: ann", "Impersonate-Uid: 7",
        "Impersonate-Group: ops", "Impersonate-Group: système", "Impersonate-Extra-reason%2Fx: a",
        "Impersonate-Extra-reason%2Fx: b"};
    assert_int_equal(c->impersonate.length, ARRAY_LEN(headers));
    for (size_t i = 0; i < ARRAY_LEN(headers); i++)
        check_text("header", c->impersonate.items[i], headers[i]);

    // Between processes it stays what it is.
    AUTO(value) struct value *v = kube_cluster_to_value(c);
    AUTO(kube_cluster) struct kube_cluster copy = {0};
    check_ok(kube_cluster_from_value(v, &copy, &err));
    AUTO(value) struct value *again = kube_cluster_to_value(&copy);
    assert_true(value_equal(v, again));
    assert_int_equal(value_length(v), 12); // all but username, password
    value_set(v, "key", NULL);
    struct kube_cluster none = {0};
    check_error(kube_cluster_from_value(v, &none, &err), ERR_PROTOCOL, "\"key\"");
    value_set(v, "cert", NULL);
    value_set_int(v, "server", 1);
    check_error(kube_cluster_from_value(v, &none, &err), ERR_PROTOCOL, "\"server\"");
    assert_null(none.server);
}

static void json_is_read_as_well(void **state)
{
    AUTO(read) struct read r = {0};
    write_file(*state, ".kube/config",
        "{\n\t\"current-context\": \"a\",\n"
        "\t\"clusters\": [{\"name\": \"c\", \"cluster\": {\"server\": \"http://h\", "
        "\"insecure-skip-tls-verify\": true}}],\n"
        "\t\"contexts\": [{\"name\": \"a\", \"context\": {\"cluster\": \"c\", \"user\": \"u\"}}],\n"
        "\t\"users\": [{\"name\": \"u\", \"user\": {\"username\": \"ann\", \"password\": "
        "\"1234\"}}]"
        "}");
    check_ok(try_context(NULL, &r, &err)); // of $HOME, as $KUBECONFIG is not set
    check_text("namespace", r.cluster.namespace, "default");
    check_text("username", r.cluster.username, "ann");
    check_text("password", r.cluster.password, "1234");
    assert_true(r.cluster.insecure);
}

#define CLUSTER(name, host)                                                                        \
    "clusters: [{name: " name ", cluster: {server: \"https://" host "\"}}]\n"
#define USER(name, rest)    "users: [{name: " name ", user: {" rest "}}]\n"
#define CONTEXT(name, c, u) "contexts: [{name: " name ", context: {cluster: " c ", user: " u "}}]\n"

static void of_several_files_the_first_that_says_something_is_right(void **state)
{
    write_file(
        *state, "a/config", CLUSTER("c", "first") USER("u", "token: first") "kind: Config\n");
    write_file(*state, "b/config",
        "current-context: two\n" CLUSTER("c", "second") CONTEXT("two", "c", "w")
            USER("w", "client-certificate: pki/w.pem, client-key: pki/w.key"));
    write_file(*state, "b/pki/w.pem", CERT);
    write_file(*state, "b/pki/w.key", KEY);
    write_file(*state, "c",
        "current-context: three\n" CONTEXT("three", "c", "u")
            USER("u", "token: third, as: somebody"));
    write_file(*state, "empty", "\n");
    kubeconfig(*state, "a/config", "missing", "", "empty", "b/config", "c", "b/config");
    {
        AUTO(read) struct read r = {0};
        AUTO(strv) struct strv names = {0};
        check_ok(try_context(NULL, &r, &err));
        check_text("context", r.cluster.context, "two");
        check_text("server", r.cluster.server, "https://first");
        check_text("cert", r.cluster.cert, CERT); // relative to the second file
        kube_config_contexts(r.config, &names);
        assert_int_equal(names.length, 2);
        check_text("current", kube_config_current(r.config), "two");
    }
    AUTO(read) struct read r = {0};
    check_ok(try_context("three", &r, &err));
    check_text("token", r.cluster.token, "first"); // the first file's user, whole
    assert_int_equal(r.cluster.impersonate.length, 0);

    // A file that is named by itself must be there.
    AUTO_FREE char *missing = path_join(*state, "missing");
    struct error why = {0};
    assert_null(kube_config_load(missing, &why));
    check_kind(&why, ERR_NOT_FOUND, "missing", "a file that is not there");
    AUTO_FREE char *there = path_join(*state, "a/config");
    kube_config_free(kube_config_load(there, NULL));
}

static void what_is_looked_for_and_not_there_is_told_with_what_is_like_it(void **state)
{
    static const struct {
        const char *kubeconfig, *context;
        const char *parts[3];
    } rows[] = {
        {"x", NULL, {"no context", "/x", ""}},
        {"x", "prod", {"no context \"prod\"", "/x", ""}},
        {"f", "prdouction", {"\"prdouction\"", "did you mean \"production\"?", "/f"}},
        {"f", "zzz", {"\"zzz\"", "staging, production", "/f"}},
        {"f", NULL, {"no current-context", "staging, production", "/f"}},
        {"g", NULL, {"no context \"gone\"", "/g", ""}},
        {"", NULL, {"no context", "/.kube/config", ""}},
    };
    write_file(*state, "f",
        "contexts:\n- {name: staging, context: {}}\n- {name: production, context: {}}\n");
    write_file(*state, "g", "current-context: gone\n");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(read) struct read r = {0};
        struct error err = {0};
        if (*rows[i].kubeconfig)
            kubeconfig(*state, rows[i].kubeconfig);
        else
            unsetenv("KUBECONFIG");
        assert_int_equal(try_context(rows[i].context, &r, &err), -1);
        for (size_t k = 0; k < 3; k++)
            check_kind(&err, ERR_NOT_FOUND, rows[i].parts[k], rows[i].kubeconfig);
    }
}

// --- mistakes ---

#define GOOD_CONTEXT "current-context: x\n" CONTEXT("x", "c", "u")
#define EXEC(rest)                                                                                 \
    GOOD_CONTEXT CLUSTER("c", "h") "users:\n- name: u\n  user:\n    exec: {" rest "}\n"
#define V1              "apiVersion: client.authentication.k8s.io/v1, "
#define WITH_USER(rest) GOOD_CONTEXT CLUSTER("c", "h") "users:\n- name: u\n  user:\n    " rest "\n"
#define WITH_CLUSTER(rest)                                                                         \
    GOOD_CONTEXT USER("u", "") "clusters:\n- name: c\n  cluster:\n    " rest "\n"

// The text, and the error after the path.
static const struct mistake {
    const char *text, *wanted;
} mistakes[] = {
    {"a: [b\n", ":2:1: "},
    {"a: 1\na: 2\n", ":2:1: "},
    {"- a\n", ":1:1: a kubeconfig must be a map"},
    {"kind: Pod\n", ":1:7: this is a \"Pod\""},
    {"clusters: {}\n", ":1:11: \"clusters\" must be a list"},
    {"contexts: [x]\n", ":1:12: an entry of \"contexts\" must be a map"},
    {"users:\n- user: {}\n", ":2:3: this entry of \"users\" has no name"},
    {"users:\n- name: u\n- name: u\n", ":3:9: \"u\" is twice in \"users\""},
    {"current-context: [a]\n", ":1:18: \"current-context\" must be a text"},
    {"current-context: x\ncontexts: [{name: x}]\n", ":2:12: this entry of \"contexts\" has no map"},
    {"current-context: x\ncontexts: [{name: x, context: {user: u}}]\n",
        ":2:31: the context has no \"cluster\""},
    {GOOD_CONTEXT CLUSTER("d", "h") USER("u", ""),
        ":2:41: there is no cluster \"c\"; did you mean \"d\"?"},
    {GOOD_CONTEXT CLUSTER("c", "h") USER("user", ""), ":2:50: there is no user \"u\""},
    {WITH_CLUSTER("server: \"\""), ":7:5: the cluster has no \"server\""},
    {WITH_CLUSTER("server: ftp://h"), ":7:13: bad URL"},
    {WITH_CLUSTER("server: https://a:b@h"), ":7:13: bad URL"},
    {WITH_CLUSTER("server: https://h/?x"), ":7:13: \"server\" has a query"},
    {WITH_CLUSTER("server: https://h\n    insecure-skip-tls-verify: yes"),
        ":8:31: \"insecure-skip-tls-verify\" must be true or false"},
    {WITH_CLUSTER("server: https://h\n    certificate-authority: gone"),
        ":8:28: \"certificate-authority\": "},
    {WITH_CLUSTER("server: https://h\n    certificate-authority-data: \"*\""),
        ":8:33: \"certificate-authority-data\" is not base64"},
    {WITH_CLUSTER("server: https://h\n    certificate-authority-data: QUJD"),
        ":8:33: \"certificate-authority-data\" holds no PEM"},
    {WITH_CLUSTER("server: https://h\n    insecure-skip-tls-verify: true\n    "
                  "certificate-authority: ca.pem"),
        ":8:31: a certificate authority and"},
    {WITH_CLUSTER("server: https://h\n    proxy-url: ftp://p"),
        ":8:16: \"proxy-url\" must begin with"},
    {WITH_USER("token: a b"), ":7:12: \"token\" holds"},
    {WITH_USER("token: \"a\\nb\""), ":7:12: \"token\" holds"},
    {WITH_USER("{token: a, username: b}"), ":7:5: a token and a password"},
    {WITH_USER("client-certificate: ca.pem"), ":7:5: a client-certificate without a client-key"},
    {WITH_USER("client-key: ca.pem"), ":7:5: a client-key without a client-certificate"},
    {WITH_USER("as-groups: [a]"), ":7:5: \"as-uid\", \"as-groups\""},
    {WITH_USER("as: \"a\\nb: c\""), ":7:9: a control character"},
    {WITH_USER("auth-provider: {name: gcp}"), ":7:20: the auth-provider \"gcp\" is not supported"},
    {WITH_USER("{token: a, exec: {}}"), ":7:22: \"exec\" and a token"},
    {EXEC("command: x"), ":7:11: \"exec\" has no \"apiVersion\""},
    {EXEC("apiVersion: client.authentication.k8s.io/v1alpha1, command: x"),
        ":7:24: plugins of \"client.authentication.k8s.io/v1alpha1\" are not known"},
    {EXEC(V1 "command: x"), ":7:11: \"exec\" has no \"interactiveMode\""},
    {EXEC(V1 "command: x, interactiveMode: Always"), "this plugin wants a terminal"},
    {EXEC(V1 "command: x, interactiveMode: Perhaps"), "\"interactiveMode\" must be"},
    {EXEC(V1 "interactiveMode: Never"), ":7:11: \"exec\" has no \"command\""},
    {EXEC(V1 "interactiveMode: Never, command: x, env: [{value: a}]"), "an entry of \"env\" is"},
    {EXEC(V1 "interactiveMode: Never, command: x, args: [[]]"), "an argument must be a text"},
};

static void each_mistake_has_its_place_and_tells_no_secret(void **state)
{
    write_file(*state, "ca.pem", CERT);
    AUTO_FREE char *path = path_join(*state, "f");
    setenv("KUBECONFIG", path, 1);
    for (size_t i = 0; i < ARRAY_LEN(mistakes); i++) {
        AUTO(read) struct read r = {0};
        struct error err = {0};
        write_file(*state, "f", mistakes[i].text);
        if (try_context(NULL, &r, &err) == 0)
            fail_msg("%zu was taken: %s", i, mistakes[i].text);
        AUTO_FREE char *wanted =
            mem_printf("%s%s%s", mistakes[i].wanted[0] == ':' ? path : "", mistakes[i].wanted, "");
        check_kind(&err, ERR_CONFIG, wanted, mistakes[i].text);
        assert_null(r.cluster.server);
    }
    // Whoever is not asked for may be as wrong as they like.
    AUTO(read) struct read r = {0};
    write_file(*state, "f",
        GOOD_CONTEXT CLUSTER("c", "h") "users:\n- {name: u, user: {}}\n"
                                       "- {name: v, user: {auth-provider: {name: gcp}}}\n");
    check_ok(try_context(NULL, &r, &err));
}

// --- where credentials come from ---

static void a_plugin_is_described_whole(void **state)
{
    AUTO(read) struct read r = {0};
    write_file(*state, "sub/f",
        GOOD_CONTEXT
        "clusters:\n- name: c\n  cluster:\n    server: https://h\n    extensions:\n"
        "    - name: other\n      extension: {no: x}\n"
        "    - name: client.authentication.k8s.io/exec\n"
        "      extension: {audience: \"06\", n: 6, real: 1.5, on: true, off: no, list: [~, a]}\n"
        "users:\n- name: u\n  user:\n    exec:\n"
        "      apiVersion: client.authentication.k8s.io/v1beta1\n"
        "      command: bin/plugin\n      args: [get, -x]\n"
        "      env: [{name: A, value: b}, {name: EMPTY}]\n"
        "      installHint: apt install plugin\n      provideClusterInfo: true\n");
    kubeconfig(*state, "sub/f");
    check_ok(try_context(NULL, &r, &err));
    const struct kube_exec *e = r.source.exec;
    assert_non_null(e);
    assert_true(r.cluster.dynamic && e->provide_cluster);
    AUTO_FREE char *command = path_join(*state, "sub/bin/plugin");
    AUTO_FREE char *place = path_join(*state, "sub/f:16:7");
    AUTO_FREE char *config = value_print(e->config);
    check_text("command", e->command, command);
    check_text("place", e->place, place);
    check_text("version", e->api_version, "client.authentication.k8s.io/v1beta1");
    check_text("hint", e->install_hint, "apt install plugin");
    check_text("env", e->env.items[0], "A=b");
    check_text("env", e->env.items[1], "EMPTY=");
    check_text("args", e->args.items[1], "-x");
    check_text("config", config,
        "{\"audience\":\"06\",\"n\":6,\"real\":1.5,\"on\":true,\"off\":\"no\",\"list\":[null,\"a\"]"
        "}");
}

static void a_token_file_is_newer_than_a_token(void **state)
{
    AUTO(read) struct read r = {0};
    write_file(*state, "sub/f", WITH_USER("{token: old, tokenFile: run/token}"));
    kubeconfig(*state, "sub/f");
    check_ok(try_context(NULL, &r, &err));
    AUTO_FREE char *path = path_join(*state, "sub/run/token");
    check_text("token file", r.source.token_file, path);
    check_text("token", r.cluster.token, NULL);
    assert_true(r.cluster.dynamic);
}

static void a_pod_has_a_cluster_of_its_own(void **state)
{
    struct kube_cluster none = {0};
    struct kube_source no_source = {0};
    check_error(
        kube_config_in_cluster(*state, &none, &no_source, &err), ERR_NOT_FOUND, "this is no pod");
    setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
    setenv("KUBERNETES_SERVICE_PORT", "443", 1);
    check_error(kube_config_in_cluster(*state, &none, &no_source, &err), ERR_NOT_FOUND, "ca.crt");
    write_file(*state, "ca.crt", CERT);
    write_file(*state, "namespace", "shop\n");
    AUTO(read) struct read r = {0};
    check_ok(kube_config_in_cluster(*state, &r.cluster, &r.source, &err));
    AUTO_FREE char *token = path_join(*state, "token");
    check_text("context", r.cluster.context, KUBE_IN_CLUSTER);
    check_text("server", r.cluster.server, "https://[fd00::1]:443");
    check_text("namespace", r.cluster.namespace, "shop");
    check_text("token file", r.source.token_file, token);
    assert_true(r.cluster.dynamic);
    assert_non_null(strstr(r.cluster.ca, "-----BEGIN"));

    // It is meant where no file says otherwise, or when it is named.
    AUTO(read) struct read elsewhere = {0};
    check_error(try_context(NULL, &elsewhere, &err), ERR_NOT_FOUND, "service account");
    AUTO(read) struct read file = {0};
    write_file(*state, "f", WITH_USER("token: abcdef"));
    kubeconfig(*state, "f");
    check_ok(try_context(NULL, &file, &err));
    check_text("context", file.cluster.context, "x");
    AUTO(read) struct read named = {0};
    check_error(try_context(KUBE_IN_CLUSTER, &named, &err), ERR_NOT_FOUND, "service account");
}

static void base64_comes_back(void **state)
{
    (void)state;
    static const struct {
        const char *plain, *encoded;
    } rows[] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"},
        {"\xff\xfe?", "//4/"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(str) struct str to;
        AUTO(str) struct str back;
        str_init(&to, 100);
        str_init(&back, 100);
        base64_encode(rows[i].plain, strlen(rows[i].plain), &to);
        assert_string_equal(to.data, rows[i].encoded);
        assert_true(base64_decode(to.data, &back));
        assert_string_equal(back.data, rows[i].plain);
    }
    static const char *const bad[] = {"A", "AAAAA", "A=A=", "AA===", "A-A_", "AAA\x80"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        AUTO(str) struct str back;
        str_init(&back, 100);
        if (base64_decode(bad[i], &back))
            fail_msg("%s was taken", bad[i]);
    }
    AUTO(str) struct str small;
    str_init(&small, 2);
    assert_false(base64_decode("Zm9v", &small));
    str_clear(&small);
    assert_true(base64_decode(" Z\n m\t8\r\n", &small));
    assert_string_equal(small.data, "fo");
}

#define with_files(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

TEST_MAIN(with_files(everything_of_a_context_is_read), with_files(json_is_read_as_well),
    with_files(of_several_files_the_first_that_says_something_is_right),
    with_files(what_is_looked_for_and_not_there_is_told_with_what_is_like_it),
    with_files(each_mistake_has_its_place_and_tells_no_secret),
    with_files(a_plugin_is_described_whole), with_files(a_token_file_is_newer_than_a_token),
    with_files(a_pod_has_a_cluster_of_its_own), cmocka_unit_test(base64_comes_back))
