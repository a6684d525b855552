// The client where it depends on TLS and HTTP/2: as whom it connects, and GOAWAY.
#include "support/check.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "kube/watch_private.h"
#include "os/clock.h"
#include "os/file.h"
#include "support/directory.h"
#include "support/kube_script.h"
#include "support/tls_server.h"

struct fixture {
    char *directory;
    struct loop *loop;
    struct http_client *http;
    struct kube_cluster cluster;
    struct kube_client *client;
    struct tls_server server;
    char *cert, *key, *ca_file; // files
};

static int set_up(void **state)
{
    directory_setup(state);
    struct fixture *f = mem_alloc(sizeof *f);
    f->directory = *state;
    tls_make_certificates(f->directory, "server ann bob");
    f->cert = path_join(f->directory, "server.pem");
    f->key = path_join(f->directory, "server.key");
    f->ca_file = path_join(f->directory, "ca.pem");
    f->loop = loop_new(NULL);
    f->http = http_curl_new(f->loop, NULL);
    assert_non_null(f->http);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    kube_client_free(f->client);
    http_client_free(f->http);
    loop_free(f->loop);
    tls_server_stop(&f->server);
    kube_cluster_done(&f->cluster);
    check_ok(dir_remove_tree(AT_FDCWD, f->directory, &err));
    free(f->directory);
    free(f->cert);
    free(f->key);
    free(f->ca_file);
    free(f);
    return 0;
}

static void start(struct fixture *f, tls_serve_fn *serve, tls_stream_fn *streams,
    const struct kube_credentials *credentials)
{
    struct error why = {0};
    tls_server_start(&f->server, &(struct tls_settings){.cert = f->cert,
                                     .key = f->key,
                                     .client_ca = serve ? f->ca_file : NULL,
                                     .serve = serve,
                                     .streams = streams});
    f->cluster = (struct kube_cluster){
        .context = mem_strdup("tls"),
        .server = mem_strdup(f->server.origin),
        .ca = directory_read(f->directory, "ca.pem"),
        .dynamic = credentials != NULL,
    };
    f->client = kube_client_new(f->loop, f->http, &f->cluster, credentials, &why);
    assert_non_null(f->client);
}

static void check_get(struct fixture *f)
{
    AUTO(value) struct value *answer = NULL;
    check_ok(kube_do(f->client, &(struct kube_request){.path = "/x"}, &answer, &err));
}

// --- certificates ---

struct wallet {
    struct fixture *fixture;
    struct loop_timer timer;
    kube_credential_fn *done;
    void *done_arg;
    int fetched;
};

static void on_fetch(struct loop_timer *timer)
{
    struct wallet *w = timer->arg;
    const char *name = w->fetched++ ? "bob" : "ann";
    AUTO_FREE char *cert = mem_printf("%s.pem", name);
    AUTO_FREE char *key = mem_printf("%s.key", name);
    AUTO(kube_credential)
    struct kube_credential credential = {.cert = directory_read(w->fixture->directory, cert),
        .key = directory_read(w->fixture->directory, key)};
    w->done(w->done_arg, &credential, NULL);
}

static int fetch(
    void *arg, bool refused, kube_credential_fn *done, void *done_arg, struct error *err)
{
    struct wallet *w = arg;
    (void)refused, (void)err;
    w->done = done;
    w->done_arg = done_arg;
    loop_timer_start(w->fixture->loop, &w->timer, clock_monotonic_ms(), on_fetch, w);
    return 0;
}

static void cancel(void *arg)
{
    loop_timer_stop(&((struct wallet *)arg)->timer);
}

static bool refuse_the_first(struct tls_connection *c, const char *request, void *arg)
{
    (void)request, (void)arg;
    if (tls_number(c) == 1)
        tls_reply(c, "401 Unauthorized", "");
    else
        tls_reply(c, "200 OK", "{}");
    return true;
}

static void a_certificate_that_credentials_give_is_shown_and_replaced_when_refused(void **state)
{
    struct fixture *f = *state;
    struct wallet wallet = {.fixture = f};
    const struct kube_credentials credentials = {fetch, cancel, &wallet};
    start(f, refuse_the_first, NULL, &credentials);
    check_get(f);
    check_get(f);
    assert_int_equal(wallet.fetched, 2);
    AUTO_FREE char *log = tls_server_log(&f->server);
    const char *ann = strstr(log, "connection 1: name - client ann\n");
    const char *bob = strstr(log, "connection 2: name - client bob\n");
    if (!ann || !bob || bob < ann || strstr(log, "connection 3"))
        fail_msg("%s", log);
}

// --- HTTP/2 ---

// Every second request of a connection is answered by GOAWAY alone: it was not looked at.
static bool go_away(struct tls_connection *c, unsigned stream, int nth, void *arg)
{
    (void)arg;
    if (nth % 2) {
        h2_reply(c, stream, "{\"metadata\":{\"resourceVersion\":\"1\"},\"items\":[]}");
        return true;
    }
    h2_goaway(c, stream - 2, 0);
    return false;
}

static void fault_32_goaway_costs_a_get_nothing(void **state)
{
    struct fixture *f = *state;
    start(f, NULL, go_away, NULL);
    for (int i = 0; i < 6; i++)
        check_get(f);
}

static void fault_32_goaway_is_told_to_who_writes(void **state)
{
    struct fixture *f = *state;
    AUTO(value) struct value *body = value_map();
    const struct kube_request patch = {.method = "PATCH", .path = "/x", .body = body};
    start(f, NULL, go_away, NULL);
    check_get(f);
    check_error(kube_do(f->client, &patch, NULL, &err), ERR_NETWORK, "PATCH /x: ");
    check_get(f);
}

static void on_change(void *arg)
{
    struct fixture *f = arg;
    loop_stop(f->loop);
}

// The head of a 200 and a part of its body.
static void stream_event(struct tls_connection *c, unsigned stream, const char *name)
{
    AUTO_FREE char *event = mem_printf("{\"type\":\"ADDED\",\"object\":{\"metadata\":"
                                       "{\"name\":\"%s\",\"resourceVersion\":\"%s\"}}}\n",
        name, name);
    h2_send(c, H2_HEADERS, 0x4, stream, "\x88", 1);
    h2_send(c, H2_DATA, 0, stream, event, strlen(event));
}

// The list, an event and GOAWAY; on the next connection the watch goes on.
static bool go_away_while_watched(struct tls_connection *c, unsigned stream, int nth, void *arg)
{
    (void)arg;
    if (tls_number(c) == 2) {
        stream_event(c, stream, "after");
        return true;
    }
    if (nth == 1) {
        h2_reply(c, stream, "{\"metadata\":{\"resourceVersion\":\"1\"},\"items\":[]}");
        return true;
    }
    stream_event(c, stream, "before");
    h2_goaway(c, stream, 0);
    return false;
}

static void fault_32_goaway_ends_a_watch_which_goes_on(void **state)
{
    struct fixture *f = *state;
    struct kube_watch_times times = kube_watch_times;
    times.first_ms = times.max_ms = 10;
    start(f, NULL, go_away_while_watched, NULL);
    struct kube_watch *w =
        kube_watch_timed(f->client, &kube_pods, "shop", NULL, &times, on_change, f);
    while (!kube_watch_get(w, "after"))
        check_ok(loop_run(f->loop, &err));
    assert_non_null(kube_watch_get(w, "before"));
    assert_int_equal(kube_client_requests(f->client), 3); // no list was needed
    kube_watch_free(w);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

TEST_MAIN(TEST(a_certificate_that_credentials_give_is_shown_and_replaced_when_refused),
    TEST(fault_32_goaway_costs_a_get_nothing), TEST(fault_32_goaway_is_told_to_who_writes),
    TEST(fault_32_goaway_ends_a_watch_which_goes_on))
