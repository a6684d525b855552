// Requests to a server of somebody's settings (net/http.h, struct http_peer), against real TLS:
// nginx for HTTP/2, and a server of our own for what nginx does not do on cue.
#include "support/check.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/http_curl.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/sockets.h"
#include "support/daemon.h"
#include "support/directory.h"
#include "support/proxy.h"
#include "support/shell.h"
#include "support/tcp_server.h"
#include "support/tls_server.h"

struct fixture {
    char *directory;
    struct loop *loop;
    struct http_client *client;
    char *ca, *ca2, *ann, *ann_key, *bob, *bob_key; // PEM
    char *cert, *key, *only, *only_key, *ca_file;   // files
    struct tls_server server;
};

static int set_up(void **state)
{
    directory_setup(state);
    struct fixture *f = mem_alloc(sizeof *f);
    f->directory = *state;
    tls_make_certificates(f->directory, "server only-cluster.local ann bob");
    f->ca = directory_read(f->directory, "ca.pem");
    f->ca2 = directory_read(f->directory, "ca2.pem");
    f->ann = directory_read(f->directory, "ann.pem");
    f->ann_key = directory_read(f->directory, "ann.key");
    f->bob = directory_read(f->directory, "bob.pem");
    f->bob_key = directory_read(f->directory, "bob.key");
    f->cert = path_join(f->directory, "server.pem");
    f->key = path_join(f->directory, "server.key");
    f->only = path_join(f->directory, "only-cluster.local.pem");
    f->only_key = path_join(f->directory, "only-cluster.local.key");
    f->ca_file = path_join(f->directory, "ca.pem");
    f->loop = loop_new(NULL);
    f->client = http_curl_new(f->loop, NULL);
    assert_non_null(f->client);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    http_client_free(f->client);
    loop_free(f->loop);
    if (f->server.pid)
        tls_server_stop(&f->server);
    check_ok(dir_remove_tree(AT_FDCWD, f->directory, &err));
    char *owned[] = {f->directory, f->ca, f->ca2, f->ann, f->ann_key, f->bob, f->bob_key, f->cert,
        f->key, f->only, f->only_key, f->ca_file};
    for (size_t i = 0; i < ARRAY_LEN(owned); i++)
        free(owned[i]);
    free(f);
    return 0;
}

static bool hello(struct tls_connection *c, const char *request, void *arg)
{
    (void)request, (void)arg;
    tls_reply(c, "200 OK", "hello");
    return true;
}

static void serve(struct fixture *f, tls_serve_fn *fn, bool clients)
{
    tls_server_start(&f->server, &(struct tls_settings){.cert = f->cert,
                                     .key = f->key,
                                     .client_ca = clients ? f->ca_file : NULL,
                                     .serve = fn,
                                     .arg = f});
}

static void serve_streams(struct fixture *f, tls_stream_fn *fn)
{
    tls_server_start(&f->server,
        &(struct tls_settings){.cert = f->cert, .key = f->key, .streams = fn, .arg = f});
}

// The whole answer's body, or the error as text; the caller's.
static char *ask(struct fixture *f, const char *method, const char *url,
    const struct http_peer *peer, struct error *ret)
{
    bool body = strcmp(method, "GET") != 0 && strcmp(method, "DELETE") != 0;
    struct http_request request = {.method = method,
        .url = url,
        .peer = peer,
        .timeout_ms = 10000,
        .body = "{}",
        .body_length = body ? 2 : 0};
    struct http_response response = {0};
    *ret = (struct error){0};
    if (http_do(f->loop, f->client, &request, &response, ret) < 0)
        return NULL;
    char *text = str_take(&response.body);
    http_response_done(&response);
    return text;
}

static void check_answer(struct fixture *f, const char *url, const struct http_peer *peer)
{
    struct error err;
    AUTO_FREE char *text = ask(f, "GET", url, peer, &err);
    if (!text)
        fail_msg("%s", err.message);
    assert_string_equal(text, "hello");
}

static void check_refused(struct fixture *f, const char *url, const struct http_peer *peer,
    enum error_kind kind, const char *part)
{
    struct error err;
    AUTO_FREE char *text = ask(f, "GET", url, peer, &err);
    if (text)
        fail_msg("%s was answered", url);
    check_kind(&err, kind, part, url);
    assert_false(err.retryable);
}

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;
    while ((text = strstr(text, part))) {
        count++;
        text += strlen(part);
    }
    return count;
}

// --- whom we talk to ---

static void the_authority_of_a_peer_is_trusted_and_no_other(void **state)
{
    struct fixture *f = *state;
    serve(f, hello, false);
    const char *url = f->server.origin;
    check_answer(f, url, &(struct http_peer){.ca = f->ca});
    check_answer(f, url, &(struct http_peer){.insecure = true});
    check_refused(f, url, &(struct http_peer){.ca = f->ca2}, ERR_NETWORK, "certificate");
    check_refused(f, url, &(struct http_peer){0}, ERR_NETWORK, "certificate");
    check_refused(f, url, &(struct http_peer){.ca = "no PEM"}, ERR_CONFIG, "");

    // Not even those that the client trusts otherwise.
    setenv("SSL_CERT_FILE", f->ca_file, 1);
    struct http_client *trusting = http_curl_new(f->loop, NULL), *kept = f->client;
    unsetenv("SSL_CERT_FILE");
    f->client = trusting;
    check_answer(f, url, &(struct http_peer){0});
    check_refused(f, url, &(struct http_peer){.ca = f->ca2}, ERR_NETWORK, "certificate");
    f->client = kept;
    http_client_free(trusting);

    // While an authority is being replaced, both stand in the file.
    AUTO_FREE char *both = mem_printf("%s%s", f->ca2, f->ca);
    check_answer(f, url, &(struct http_peer){.ca = both});
}

static void a_server_is_asked_for_by_the_name_that_its_certificate_has(void **state)
{
    struct fixture *f = *state;
    tls_server_start(
        &f->server, &(struct tls_settings){.cert = f->only, .key = f->only_key, .serve = hello});
    AUTO_FREE char *path = mem_printf("%s/api?x=1", f->server.origin);
    check_refused(f, path, &(struct http_peer){.ca = f->ca}, ERR_NETWORK, "127.0.0.1");
    check_refused(f, path, &(struct http_peer){.ca = f->ca, .server_name = "other.local"},
        ERR_NETWORK, "other.local");
    check_refused(f, path, &(struct http_peer){.ca = f->ca, .server_name = "no name"}, ERR_CONFIG,
        "\"no name\"");
    check_answer(f, path, &(struct http_peer){.ca = f->ca, .server_name = "only-cluster.local"});
    AUTO_FREE char *log = tls_server_log(&f->server);
    AUTO_FREE char *host = mem_printf("Host: 127.0.0.1:%d\r\n", f->server.port);
    assert_non_null(strstr(log, "name only-cluster.local client -"));
    assert_non_null(strstr(log, "GET /api?x=1 HTTP/1.1\r\n"));
    assert_non_null(strstr(log, host));
    assert_int_equal(count_of(log, "Host:"), 1);
}

// --- as whom ---

static void connections_are_shared_by_one_client_certificate_and_never_by_two(void **state)
{
    struct fixture *f = *state;
    serve(f, hello, true);
    const struct http_peer ann = {.ca = f->ca, .cert = f->ann, .key = f->ann_key};
    const struct http_peer bob = {.ca = f->ca, .cert = f->bob, .key = f->bob_key};
    for (int i = 0; i < 3; i++) {
        check_answer(f, f->server.origin, &ann);
        check_answer(f, f->server.origin, &bob);
    }
    AUTO_FREE char *log = tls_server_log(&f->server);
    assert_int_equal(count_of(log, "connection "), 2);
    assert_int_equal(count_of(log, "client ann\n"), 1);
    assert_int_equal(count_of(log, "client bob\n"), 1);
    assert_int_equal(count_of(log, "GET /"), 6);

    // Neither by one without.
    struct error err;
    const struct http_peer nobody = {.ca = f->ca};
    assert_null(ask(f, "GET", f->server.origin, &nobody, &err));
    check_kind(&err, ERR_NETWORK, "certificate required", "no certificate");
}

static void a_key_that_cannot_be_used_is_a_mistake_of_the_settings(void **state)
{
    struct fixture *f = *state;
    serve(f, hello, true);
    AUTO_FREE char *locked = shell_output(
        f->directory, "openssl ec -in ann.key -aes128 -passout pass:secret 2>/dev/null");
    const char *url = f->server.origin;
    check_refused(f, url, &(struct http_peer){.ca = f->ca, .cert = f->ann, .key = f->bob_key},
        ERR_CONFIG, "key");
    check_refused(
        f, url, &(struct http_peer){.ca = f->ca, .cert = f->ann, .key = locked}, ERR_CONFIG, "key");
    check_refused(
        f, url, &(struct http_peer){.ca = f->ca, .cert = "x", .key = "y"}, ERR_CONFIG, "cert");
}

// --- by way of whom ---

static void a_proxy_is_asked_for_the_name_as_it_is(void **state)
{
    struct fixture *f = *state;
    serve(f, hello, false);
    AUTO_FREE char *url = mem_printf("https://localhost:%d/", f->server.port);
    AUTO_FREE char *wanted = mem_printf("localhost:%d\n", f->server.port);
    setenv("NO_PROXY", "localhost", 1); // is about others
    static const struct {
        const char *scheme;
        bool socks;
    } rows[] = {{"http", false}, {"socks5", true}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct proxy p;
        proxy_start(&p, rows[i].socks);
        AUTO_FREE char *proxy = mem_printf("%s://127.0.0.1:%d", rows[i].scheme, p.port);
        check_answer(f, url, &(struct http_peer){.ca = f->ca, .proxy = proxy});
        AUTO_FREE char *log = proxy_log(&p);
        assert_string_equal(log, wanted);
        proxy_stop(&p);
    }
    unsetenv("NO_PROXY");
    // With another name for TLS, it is still the server's own that the proxy is asked for.
    struct proxy p;
    proxy_start(&p, true);
    AUTO_FREE char *proxy = mem_printf("socks5://127.0.0.1:%d", p.port);
    check_answer(f, url, &(struct http_peer){.ca = f->ca, .proxy = proxy, .server_name = "server"});
    AUTO_FREE char *log = proxy_log(&p);
    assert_string_equal(log, wanted);
    proxy_stop(&p);
    struct error err;
    const struct http_peer gone = {.ca = f->ca, .proxy = proxy};
    assert_null(ask(f, "POST", url, &gone, &err));
    check_kind(&err, ERR_NETWORK, "", "a proxy that has gone");
    assert_true(err.retryable);
}

// --- what may have been done ---

// Answers each connection's first request, and closes it at the second without a word.
static bool cut_the_second(struct tls_connection *c, const char *request, void *arg)
{
    struct fixture *f = arg;
    (void)request;
    AUTO_FREE char *mark = mem_printf("%s/seen-%d", f->directory, tls_number(c));
    if (access(mark, F_OK) == 0)
        return false;
    close(open(mark, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    tls_reply(c, "200 OK", "hello");
    return true;
}

static void a_write_whose_answer_is_lost_is_not_sent_again(void **state)
{
    struct fixture *f = *state;
    serve(f, cut_the_second, false);
    const struct http_peer peer = {.ca = f->ca};
    static const char *const writes[] = {"PATCH", "POST", "PUT", "DELETE"};
    for (size_t i = 0; i < ARRAY_LEN(writes); i++) {
        struct error err;
        AUTO_FREE char *once = mem_printf("%s/%zu", f->server.origin, i);
        AUTO_FREE char *first = ask(f, writes[i], f->server.origin, &peer, &err);
        assert_string_equal(first, "hello");
        assert_null(ask(f, writes[i], once, &peer, &err));
        check_kind(&err, ERR_NETWORK, "may have been done", writes[i]);
        assert_false(err.retryable);
        AUTO_FREE char *log = tls_server_log(&f->server);
        AUTO_FREE char *line = mem_printf("%s /%zu ", writes[i], i);
        assert_int_equal(count_of(log, line), 1);
    }
    check_answer(f, f->server.origin, &peer);
    check_answer(f, f->server.origin, &peer); // the control: a GET is sent again, and answered
    AUTO_FREE char *log = tls_server_log(&f->server);
    assert_int_equal(count_of(log, "GET / "), 3);
}

static void nothing_was_sent_when_nobody_listens(void **state)
{
    struct fixture *f = *state;
    serve(f, hello, false);
    AUTO_FREE char *url = mem_strdup(f->server.origin);
    tls_server_stop(&f->server);
    f->server.pid = 0;
    struct error err;
    const struct http_peer peer = {.ca = f->ca};
    assert_null(ask(f, "PATCH", url, &peer, &err));
    check_kind(&err, ERR_NETWORK, "", "nobody there");
    assert_true(err.retryable);
}

// --- HTTP/2 on cue (without bodies, which go by HTTP/1.1) ---

static bool refuse_first(struct tls_connection *c, unsigned stream, int nth, void *arg)
{
    (void)arg;
    if (tls_number(c) % 2 == 1 && nth == 1)
        h2_reset(c, stream, 7); // REFUSED_STREAM: not looked at
    else
        h2_reply(c, stream, "hello");
    return true;
}

static void a_read_that_was_refused_unseen_is_asked_again_elsewhere(void **state)
{
    struct fixture *f = *state;
    serve_streams(f, refuse_first);
    check_answer(f, f->server.origin, &(struct http_peer){.ca = f->ca});
    AUTO_FREE char *log = tls_server_log(&f->server);
    assert_int_equal(count_of(log, "stream 1\n"), 2);
}

static bool go_away_first(struct tls_connection *c, unsigned stream, int nth, void *arg)
{
    (void)arg;
    if (tls_number(c) == 1 && nth == 1) {
        h2_goaway(c, 0, 0); // nothing of this connection was or will be looked at
        return false;
    }
    h2_reply(c, stream, "hello");
    return true;
}

// That nothing was done is more than libcurl tells.
static void what_a_goaway_leaves_out_fails_and_the_next_connection_is_good(void **state)
{
    struct fixture *f = *state;
    struct error err;
    const struct http_peer peer = {.ca = f->ca};
    serve_streams(f, go_away_first);
    assert_null(ask(f, "DELETE", f->server.origin, &peer, &err));
    check_kind(&err, ERR_NETWORK, "HTTP2", "left out");
    assert_false(err.retryable);
    check_answer(f, f->server.origin, &peer);
}

static bool answer_and_leave(struct tls_connection *c, unsigned stream, int nth, void *arg)
{
    (void)arg;
    if (nth == 2)
        h2_goaway(c, stream, 0); // this one still, and no more
    h2_reply(c, stream, "hello");
    return nth < 2;
}

static void a_connection_that_goes_away_in_order_costs_no_request(void **state)
{
    struct fixture *f = *state;
    serve_streams(f, answer_and_leave);
    for (int i = 0; i < 6; i++) {
        struct error err;
        const struct http_peer peer = {.ca = f->ca};
        AUTO_FREE char *text = ask(f, "DELETE", f->server.origin, &peer, &err);
        if (!text)
            fail_msg("%d: %s", i, err.message);
        assert_string_equal(text, "hello");
    }
    AUTO_FREE char *log = tls_server_log(&f->server);
    assert_int_equal(count_of(log, "connection "), 3);
}

// Of each connection the first request is answered. The others: by what the first connection's
// number says.
static bool misbehave(struct tls_connection *c, unsigned stream, int nth, void *arg)
{
    (void)arg;
    if (nth == 1) {
        h2_reply(c, stream, "hello");
        return true;
    }
    switch (tls_number(c)) {
    case 1:
        return false; // closed
    case 2:
        h2_reset(c, stream, 2); // INTERNAL_ERROR
        return true;
    case 3:
        h2_goaway(c, stream, 2); // and nothing comes of it
        return false;
    default:
        h2_send(c, H2_HEADERS, 4, stream, "\x88", 1);
        h2_send(c, H2_DATA, 0, stream, "half", 4);
        return false;
    }
}

static void a_write_that_breaks_in_the_middle_of_http_2_may_have_been_done(void **state)
{
    struct fixture *f = *state;
    serve_streams(f, misbehave);
    const struct http_peer peer = {.ca = f->ca};
    for (int i = 0; i < 4; i++) {
        struct error err;
        check_answer(f, f->server.origin, &peer);
        char *text = ask(f, "DELETE", f->server.origin, &peer, &err);
        if (text)
            fail_msg("%d: answered \"%s\"", i, text);
        check_kind(&err, ERR_NETWORK, "DELETE https://", "broken");
        assert_false(err.retryable);
        // A stream that was reset leaves its connection good; here it is not wanted again.
        if (i == 1) {
            http_client_free(f->client);
            f->client = http_curl_new(f->loop, NULL);
        }
    }
    AUTO_FREE char *log = tls_server_log(&f->server);
    assert_int_equal(count_of(log, "stream "), 8);
}

static bool refuse(struct tls_connection *c, unsigned stream, int nth, void *arg)
{
    (void)nth, (void)arg;
    h2_refuse(c, stream, "because");
    return true;
}

static bool refuse_in_order(struct tls_connection *c, const char *request, void *arg)
{
    (void)request, (void)arg;
    tls_reply(c, "403 Forbidden", "because");
    return true;
}

static void a_write_that_is_refused_unread_has_its_reason(void **state)
{
    struct fixture *f = *state;
    const struct http_peer peer = {.ca = f->ca};
    tls_server_start(&f->server, &(struct tls_settings){.cert = f->cert,
                                     .key = f->key,
                                     .streams = refuse,
                                     .early = true,
                                     .serve = refuse_in_order});
    struct http_request request = {
        .method = "PATCH", .url = f->server.origin, .peer = &peer, .body = "{}", .body_length = 2};
    for (int i = 0; i < 5; i++) {
        struct http_response response = {0};
        check_ok(http_do(f->loop, f->client, &request, &response, &err));
        assert_int_equal(response.status, 403);
        assert_string_equal(response.body.data, "because");
        http_response_done(&response);
    }
}

// --- nginx: HTTP/2, multiplexed, with streams and gzip ---

static const char nginx_conf[] =
    "daemon off; master_process off; pid nginx.pid; error_log stderr notice;\n"
    "events { worker_connections 64; }\n"
    "http { access_log off; keepalive_requests %d;\n"
    "  client_body_temp_path t; proxy_temp_path t; fastcgi_temp_path t; uwsgi_temp_path t;\n"
    "  scgi_temp_path t;\n"
    "  server { listen 127.0.0.1:%d ssl http2; ssl_certificate server.pem;\n"
    "    ssl_certificate_key server.key; gzip on; gzip_types text/plain; gzip_min_length 1;\n"
    "    proxy_buffering off; proxy_http_version 1.1;\n"
    "    add_header X-Connection \"$connection $server_protocol\";\n"
    "    location /file { root .; default_type text/plain; }\n"
    "    location / { gzip off; proxy_pass http://127.0.0.1:%d; } } }\n";

struct front {
    struct daemon nginx;
    struct tcp_server behind;
    char *origin;
};

static int free_port(void)
{
    int port = 20000 + getpid() % 10000;
    while (!port_is_free(port))
        port++;
    return port;
}

static void front_start(
    struct fixture *f, struct front *front, tcp_server_fn *behind, void *arg, int requests)
{
    int port = free_port();
    tcp_server_start(&front->behind, behind, arg);
    AUTO_FREE char *conf = mem_printf(nginx_conf, requests, port, front->behind.port);
    AUTO_FREE char *path = path_join(f->directory, "nginx.conf");
    AUTO_FREE char *prefix = mem_printf("%s/", f->directory);
    check_ok(file_replace(AT_FDCWD, path, 0600, conf, strlen(conf), &err));
    const char *const argv[] = {"nginx", "-p", prefix, "-c", path, NULL};
    free(daemon_start(&front->nginx, argv, f->directory, "getrlimit"));
    front->origin = mem_printf("https://127.0.0.1:%d", port);
}

static void front_stop(struct front *front)
{
    daemon_stop(&front->nginx);
    tcp_server_stop(&front->behind);
    free(front->origin);
}

// The path decides: /watch sends an event, and another once a byte is in the pipe that is `arg`;
// /silent nothing after its head; all else an answer.
static bool api(int connection, const char *request, void *arg)
{
    const int *pipe_fds = arg;
    static const char head[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    char byte;
    if (text_starts(request, "GET /silent")) {
        tcp_send(connection, head);
        tcp_hang();
    }
    if (!text_starts(request, "GET /watch")) {
        tcp_reply(connection, "200 OK", "", "hello");
        return true;
    }
    tcp_send(connection, head);
    tcp_send(connection, "4\r\none\n\r\n");
    if (read(pipe_fds[0], &byte, 1) == 1)
        tcp_send(connection, "4\r\ntwo\n\r\n");
    tcp_hang();
    return false;
}

struct talk {
    struct fixture *f;
    struct http_peer peer;
    const char *origin;
    int pipe_fds[2];
    struct str events;
    int answers, wanted;
    char connection[64]; // that served the first answer
    bool shared;         // all of them
};

static void on_answer(void *arg, struct http_response *response, const struct error *err)
{
    struct talk *t = arg;
    if (err)
        fail_msg("%s", err->message);
    const char *connection = http_response_header(response, "x-connection");
    assert_string_equal(response->body.data, "hello");
    if (!t->connection[0])
        snprintf(t->connection, sizeof t->connection, "%s", connection);
    t->shared &= strcmp(t->connection, connection) == 0;
    if (++t->answers < t->wanted)
        return;
    if (t->events.data)
        assert_int_equal(write(t->pipe_fds[1], "x", 1), 1);
    else
        loop_stop(t->f->loop);
}

static void ask_many(struct talk *t, int count)
{
    AUTO_FREE char *url = mem_printf("%s/x", t->origin);
    for (int i = 0; i < count; i++)
        if (http_start(t->f->client, &(struct http_request){.url = url, .peer = &t->peer},
                on_answer, t, NULL) < 0)
            fail_msg("request %d was not taken", i);
    t->wanted += count;
}

static void on_later(struct loop_timer *timer)
{
    ask_many(timer->arg, 5);
}

static int on_event(void *arg, const void *bytes, size_t length, struct error *err)
{
    (void)err;
    struct talk *t = arg;
    static struct loop_timer later; // a sink must not start requests
    str_add(&t->events, bytes, length);
    if (strcmp(t->events.data, "one\n") == 0)
        loop_timer_start(t->f->loop, &later, clock_monotonic_ms(), on_later, t);
    if (strcmp(t->events.data, "one\ntwo\n") == 0)
        loop_stop(t->f->loop);
    return 0;
}

static void never(void *arg, struct http_response *response, const struct error *err)
{
    (void)arg, (void)response;
    fail_msg("the watch ended: %s", err ? err->message : "in peace");
}

static void many_requests_at_once_share_one_connection(void **state)
{
    struct fixture *f = *state;
    struct front front;
    struct talk t = {.f = f, .peer = {.ca = f->ca}, .shared = true};
    front_start(f, &front, api, t.pipe_fds, 1000);
    t.origin = front.origin;
    ask_many(&t, 20);
    check_ok(loop_run(f->loop, &err));
    assert_int_equal(t.answers, 20);
    assert_true(t.shared);
    assert_non_null(strstr(t.connection, "HTTP/2.0"));
    front_stop(&front);
}

static void requests_go_on_beside_a_stream_that_stays_open(void **state)
{
    struct fixture *f = *state;
    struct front front;
    struct talk t = {.f = f, .peer = {.ca = f->ca}, .shared = true};
    assert_int_equal(pipe(t.pipe_fds), 0);
    str_init(&t.events, 1000);
    front_start(f, &front, api, t.pipe_fds, 1000);
    t.origin = front.origin;
    AUTO_FREE char *watch = mem_printf("%s/watch", front.origin);
    struct http_request request = {.url = watch,
        .peer = &t.peer,
        .timeout_ms = -1,
        .stall_ms = 20000,
        .sink = on_event,
        .sink_arg = &t};
    int64_t id = http_start(f->client, &request, never, NULL, NULL);
    assert_true(id > 0);
    check_ok(loop_run(f->loop, &err));
    assert_string_equal(t.events.data, "one\ntwo\n");
    assert_int_equal(t.answers, 5);
    assert_true(t.shared);
    f->client->ops->cancel(f->client, id);
    AUTO_FREE char *again = mem_printf("%s/x", front.origin);
    check_answer(f, again, &t.peer); // the connection is as good as before

    AUTO_FREE char *silent = mem_printf("%s/silent", front.origin);
    request.url = silent;
    request.stall_ms = 100;
    struct http_response response = {0};
    check_error(http_do(f->loop, f->client, &request, &response, &err), ERR_TIMEOUT,
        "no byte moved for 100 ms");
    check_answer(f, again, &t.peer);
    str_done(&t.events);
    front_stop(&front);
    close(t.pipe_fds[0]);
    close(t.pipe_fds[1]);
}

static void a_server_that_renews_its_connections_loses_no_write(void **state)
{
    struct fixture *f = *state;
    struct front front;
    struct talk t = {.f = f, .peer = {.ca = f->ca}, .shared = true};
    front_start(f, &front, api, t.pipe_fds, 3);
    t.origin = front.origin;
    AUTO_FREE char *url = mem_printf("%s/x", front.origin);
    for (int i = 0; i < 20; i++) {
        struct error err;
        AUTO_FREE char *text = ask(f, "PATCH", url, &t.peer, &err);
        if (!text)
            fail_msg("%d: %s", i, err.message);
    }
    ask_many(&t, 20);
    check_ok(loop_run(f->loop, &err));
    assert_int_equal(t.answers, 20);
    assert_false(t.shared);
    front_stop(&front);
}

static int gather(void *arg, const void *bytes, size_t length, struct error *err)
{
    (void)err;
    str_add(arg, bytes, length);
    return 0;
}

static void what_comes_compressed_is_handed_on_plain(void **state)
{
    struct fixture *f = *state;
    struct front front;
    int none[2] = {-1, -1};
    shell(f->directory, "yes a_line_of_text | head -n 20000 >file");
    AUTO_FREE char *wanted = directory_read(f->directory, "file");
    front_start(f, &front, api, none, 1000);
    AUTO_FREE char *url = mem_printf("%s/file", front.origin);
    struct http_peer peer = {.ca = f->ca};
    struct http_request request = {.url = url, .peer = &peer};
    struct http_response response = {0};
    check_ok(http_do(f->loop, f->client, &request, &response, &err));
    assert_string_equal(http_response_header(&response, "content-encoding"), "gzip");
    assert_string_equal(response.body.data, wanted);
    http_response_done(&response);

    AUTO(str) struct str text;
    str_init(&text, 1 << 20);
    request.sink = gather;
    request.sink_arg = &text;
    check_ok(http_do(f->loop, f->client, &request, &response, &err));
    assert_string_equal(text.data, wanted);
    http_response_done(&response);

    request.sink = NULL; // what it would unpack to is counted
    request.body_max = strlen(wanted) - 1;
    check_error(
        http_do(f->loop, f->client, &request, &response, &err), ERR_LIMIT, "is larger than");
    front_stop(&front);
}

#define with_peers(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

TEST_MAIN(with_peers(the_authority_of_a_peer_is_trusted_and_no_other),
    with_peers(a_server_is_asked_for_by_the_name_that_its_certificate_has),
    with_peers(connections_are_shared_by_one_client_certificate_and_never_by_two),
    with_peers(a_key_that_cannot_be_used_is_a_mistake_of_the_settings),
    with_peers(a_proxy_is_asked_for_the_name_as_it_is),
    with_peers(a_write_whose_answer_is_lost_is_not_sent_again),
    with_peers(nothing_was_sent_when_nobody_listens),
    with_peers(a_read_that_was_refused_unseen_is_asked_again_elsewhere),
    with_peers(what_a_goaway_leaves_out_fails_and_the_next_connection_is_good),
    with_peers(a_connection_that_goes_away_in_order_costs_no_request),
    with_peers(a_write_that_breaks_in_the_middle_of_http_2_may_have_been_done),
    with_peers(a_write_that_is_refused_unread_has_its_reason),
    with_peers(many_requests_at_once_share_one_connection),
    with_peers(requests_go_on_beside_a_stream_that_stays_open),
    with_peers(a_server_that_renews_its_connections_loses_no_write),
    with_peers(what_comes_compressed_is_handed_on_plain))
