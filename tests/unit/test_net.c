#include "support/check.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/address.h"
#include "net/http_curl.h"
#include "net/url.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/file.h"
#include "os/sockets.h"
#include "support/daemon.h"
#include "support/tcp_server.h"

struct fixture {
    struct loop *loop;
    struct http_client *client;
    struct tcp_server server;
};

static int set_up(void **state)
{
    struct fixture *f = mem_alloc(sizeof *f);
    struct error err;
    f->loop = loop_new(&err);
    f->client = http_curl_new(f->loop, &err);
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
        tcp_server_stop(&f->server);
    free(f);
    return 0;
}

static void urls(void **state)
{
    (void)state;
    static const struct {
        const char *text, *scheme, *host, *path;
        unsigned port;
    } good[] = {
        {"http://Example.COM", "http", "example.com", "/", 80},
        {"https://a:8443/b/c?x=1#y", "https", "a", "/b/c", 8443},
        {"http://[::1]:5000/v2/", "http", "::1", "/v2/", 5000},
    };
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        AUTO(url) struct url url = {0};
        check_ok(url_parse(good[i].text, &url, &err));
        assert_string_equal(url.scheme, good[i].scheme);
        assert_string_equal(url.host, good[i].host);
        assert_string_equal(url.path, good[i].path);
        assert_int_equal(url.port, good[i].port);
    }
    static const char *const bad[] = {"", "x", "/path", "file:///etc/passwd", "gopher://h/",
        "http://", "http://user:secret@host/", "http://host:99999/", "http://ho st/", "ftp://h/"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct url url = {0};
        struct error err;
        if (url_parse(bad[i], &url, &err) == 0)
            fail_msg("%s was taken", bad[i]);
        assert_int_equal(err.kind, ERR_PROTOCOL);
    }
}

static void a_relative_reference_is_joined_and_an_origin_is_scheme_host_and_port(void **state)
{
    (void)state;
    static const struct {
        const char *base, *reference, *joined;
        bool same;
    } rows[] = {
        {"http://a:5000/v2/x", "/v2/y?z=1", "http://a:5000/v2/y?z=1", true},
        {"http://a/v2/x", "y", "http://a/v2/y", true},
        {"http://a/v2/x", "http://A:80/q", "http://A:80/q", true},
        {"http://a/v2/x", "http://a:81/q", "http://a:81/q", false},
        {"https://a/v2/x", "http://a/q", "http://a/q", false},
        {"http://a/v2/x", "//b/q", "http://b/q", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_FREE char *joined = url_join(rows[i].base, rows[i].reference, NULL);
        assert_string_equal(joined, rows[i].joined);
        AUTO(url) struct url a = {0};
        AUTO(url) struct url b = {0};
        check_ok(url_parse(rows[i].base, &a, &err));
        check_ok(url_parse(joined, &b, &err));
        assert_int_equal(url_same_origin(&a, &b), rows[i].same);
    }
    AUTO_FREE char *escaped = url_escape("repository:a/b:pull,push");
    assert_string_equal(escaped, "repository%3Aa%2Fb%3Apull%2Cpush");
}

static void addresses(void **state)
{
    (void)state;
    static const char *const private[] = {"127.0.0.1", "10.1.2.3", "172.31.0.1", "192.168.0.1",
        "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "::1", "::", "fe80::1", "fd00::1",
        "::ffff:10.0.0.1", "64:ff9b::a00:1", "ff02::1", "nonsense"};
    static const char *const public[] = {
        "1.1.1.1", "172.32.0.1", "192.169.0.1", "100.128.0.1", "2001:db8::1", "::ffff:8.8.8.8"};
    for (size_t i = 0; i < ARRAY_LEN(private); i++)
        if (!address_is_private(private[i]))
            fail_msg("%s", private[i]);
    for (size_t i = 0; i < ARRAY_LEN(public); i++)
        if (address_is_private(public[i]))
            fail_msg("%s", public[i]);
    assert_true(host_is_loopback("localhost") && host_is_loopback("a.localhost"));
    assert_true(host_is_loopback("127.8.9.1") && host_is_loopback("::1"));
    assert_false(host_is_loopback("localhost.example") || host_is_loopback("10.0.0.1"));
}

static bool echo(int connection, const char *request, void *arg)
{
    (void)arg;
    const char *body = strstr(request, "\r\n\r\n") + 4;
    AUTO_FREE char *text = mem_printf("%.*s|%s", (int)strcspn(request, " "), request, body);
    tcp_reply(connection, "200 OK", "X-Thing:  value \r\n", text);
    return true;
}

static void a_request_carries_method_headers_and_body_and_the_answer_comes_back(void **state)
{
    struct fixture *f = *state;
    tcp_server_start(&f->server, echo, NULL);
    AUTO(strv) struct strv headers = {0};
    strv_push(&headers, "X-Custom: one");
    static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        bool body = i >= 1 && i <= 3;
        struct http_request request = {.method = methods[i],
            .url = f->server.origin,
            .headers = &headers,
            .body = "hello",
            .body_length = body ? 5 : 0};
        struct http_response response = {0};
        check_ok(http_do(f->loop, f->client, &request, &response, &err));
        AUTO_FREE char *want = mem_printf("%s|%s", methods[i], body ? "hello" : "");
        assert_int_equal(response.status, 200);
        assert_string_equal(response.body.data, want);
        assert_string_equal(http_response_header(&response, "x-thing"), "value");
        assert_null(http_response_header(&response, "x-thin"));
        assert_string_equal(response.peer, "127.0.0.1");
        http_response_done(&response);
    }
    AUTO_FREE char *log = tcp_server_log(&f->server);
    assert_non_null(strstr(log, "X-Custom: one\r\n"));
}

static int open_connections(struct fixture *f, bool once)
{
    struct http_request request = {.url = f->server.origin, .once = once};
    struct http_response response = {0};
    AUTO(sockets) struct sockets all = {0};
    check_ok(http_do(f->loop, f->client, &request, &response, &err));
    http_response_done(&response);
    check_ok(sockets_read(&all, &err));
    return sockets_established(&all, f->server.port);
}

// The server would keep it.
static void a_connection_for_one_request_is_closed_after_it(void **state)
{
    struct fixture *f = *state;
    tcp_server_start(&f->server, echo, NULL);
    assert_int_equal(open_connections(f, true), 0);
    assert_int_equal(open_connections(f, false), 1);
    assert_int_equal(open_connections(f, true), 1); // it is another one's, and stays
}

static void a_body_comes_from_a_file_from_its_offset_on(void **state)
{
    struct fixture *f = *state;
    tcp_server_start(&f->server, echo, NULL);
    AUTO_FD int fd = fd_memory("body", "0123456789", 10, NULL);
    struct http_request request = {
        .method = "PUT", .url = f->server.origin, .body_fd = fd, .body_offset = 4};
    struct http_response response = {0};
    check_ok(http_do(f->loop, f->client, &request, &response, &err));
    assert_string_equal(response.body.data, "PUT|456789");
    http_response_done(&response);
}

struct gathered {
    struct str text;
    bool refuse;
};

static int gather(void *arg, const void *bytes, size_t length, struct error *err)
{
    struct gathered *g = arg;
    if (g->refuse)
        return error_set(err, ERR_LIMIT, "no more room");
    str_add(&g->text, bytes, length);
    return 0;
}

static bool status_by_path(int connection, const char *request, void *arg)
{
    (void)arg;
    bool fine = text_starts(request, "GET /fine");
    tcp_reply(connection, fine ? "200 OK" : "404 Not Found", "", fine ? "good" : "why not");
    return true;
}

static void a_sink_gets_the_body_of_a_success_only_and_its_error_ends_the_transfer(void **state)
{
    struct fixture *f = *state;
    tcp_server_start(&f->server, status_by_path, NULL);
    struct gathered g = {0};
    str_init(&g.text, 100);
    AUTO_FREE char *fine = mem_printf("%s/fine", f->server.origin);
    struct http_request request = {.url = fine, .sink = gather, .sink_arg = &g};
    struct http_response response = {0};
    check_ok(http_do(f->loop, f->client, &request, &response, &err));
    assert_string_equal(g.text.data, "good");
    assert_int_equal(response.body.length, 0);
    http_response_done(&response);

    request.url = f->server.origin;
    check_ok(http_do(f->loop, f->client, &request, &response, &err));
    assert_string_equal(g.text.data, "good");
    assert_string_equal(response.body.data, "why not");
    http_response_done(&response);

    g.refuse = true;
    request.url = fine;
    check_error(http_do(f->loop, f->client, &request, &response, &err), ERR_LIMIT, "no more room");
    str_done(&g.text);
}

static bool misbehave(int connection, const char *request, void *arg)
{
    (void)arg;
    if (text_starts(request, "GET /silent"))
        tcp_hang();
    if (text_starts(request, "GET /half-silent")) {
        tcp_send(connection, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        tcp_hang();
    }
    if (text_starts(request, "GET /short"))
        tcp_send(connection, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    if (text_starts(request, "GET /garbage"))
        tcp_send(connection, "\x16\x03\x01 what is this\r\n\r\n");
    if (text_starts(request, "GET /large"))
        tcp_reply(connection, "200 OK", "", "0123456789");
    if (text_starts(request, "GET /headers")) {
        tcp_send(connection, "HTTP/1.1 200 OK\r\n");
        for (int i = 0; i < 300; i++)
            tcp_send(connection, "X: y\r\n");
        tcp_send(connection, "\r\n");
    }
    return false; // /closed: not a byte
}

static void every_misbehaviour_of_a_server_has_its_kind_of_error(void **state)
{
    struct fixture *f = *state;
    tcp_server_start(&f->server, misbehave, NULL);
    static const struct {
        const char *path;
        int64_t timeout_ms, stall_ms;
        size_t body_max;
        enum error_kind kind;
        const char *part;
    } rows[] = {
        {"/silent", 50, 0, 0, ERR_TIMEOUT, "no complete answer within"},
        {"/half-silent?token=x", -1, 50, 0, ERR_TIMEOUT, "no byte moved for 50 ms"},
        {"/short", 0, 0, 0, ERR_NETWORK, "GET http://127.0.0.1"},
        {"/garbage", 0, 0, 0, ERR_PROTOCOL, ""},
        {"/large", 0, 0, 9, ERR_LIMIT, "larger than 9 bytes"},
        {"/headers", 0, 0, 0, ERR_LIMIT, "headers"},
        {"/closed", 0, 0, 0, ERR_NETWORK, ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_FREE char *url = mem_printf("%s%s", f->server.origin, rows[i].path);
        struct http_request request = {.url = url,
            .timeout_ms = rows[i].timeout_ms,
            .stall_ms = rows[i].stall_ms,
            .body_max = rows[i].body_max};
        struct http_response response = {0};
        struct error err = {0};
        if (http_do(f->loop, f->client, &request, &response, &err) == 0)
            fail_msg("%s did not fail", rows[i].path);
        check_kind(&err, rows[i].kind, rows[i].part, rows[i].path);
        assert_false(err.retryable);
        assert_null(strstr(err.message, "token"));
    }
    AUTO_FREE char *large = mem_printf("%s/large", f->server.origin);
    struct http_request request = {.url = large, .body_max = 10}; // the positive control
    struct http_response response = {0};
    check_ok(http_do(f->loop, f->client, &request, &response, &err));
    assert_string_equal(response.body.data, "0123456789");
    http_response_done(&response);
}

static void nobody_listening_is_an_error_of_the_network_that_may_be_tried_again(void **state)
{
    struct fixture *f = *state;
    tcp_server_start(&f->server, echo, NULL);
    AUTO_FREE char *url = mem_strdup(f->server.origin);
    tcp_server_stop(&f->server);
    f->server.pid = 0;
    struct http_request request = {.url = url};
    struct http_response response = {0};
    struct error why = {0};
    assert_int_equal(http_do(f->loop, f->client, &request, &response, &why), -1);
    assert_int_equal(why.kind, ERR_NETWORK);
    assert_true(why.retryable);
    request.url = "file:///etc/passwd";
    check_error(http_do(f->loop, f->client, &request, &response, &err), ERR_PROTOCOL, "bad URL");
}

struct counted {
    struct fixture *f;
    int done;
    int64_t victim;
};

static void count(void *arg, struct http_response *response, const struct error *err)
{
    (void)response, (void)err;
    struct counted *c = arg;
    if (++c->done == 1)
        c->f->client->ops->cancel(c->f->client, c->victim);
    if (c->done == 20)
        loop_stop(c->f->loop);
}

static bool silent_or_echo(int connection, const char *request, void *arg)
{
    return text_starts(request, "GET /silent") ? misbehave(connection, request, arg)
                                               : echo(connection, request, arg);
}

static void many_requests_run_at_once_and_a_cancelled_one_is_never_heard_of_again(void **state)
{
    struct fixture *f = *state;
    tcp_server_start(&f->server, silent_or_echo, NULL);
    struct counted c = {.f = f};
    AUTO_FREE char *silent = mem_printf("%s/silent", f->server.origin);
    struct http_request request = {.url = silent, .timeout_ms = 60};
    c.victim = http_start(f->client, &request, count, &c, NULL);
    request = (struct http_request){.url = f->server.origin};
    for (int i = 0; i < 20; i++)
        assert_true(http_start(f->client, &request, count, &c, NULL) > 0);
    check_ok(loop_run(f->loop, &err));
    assert_int_equal(c.done, 20);
    // Its time-out passes without a word while another request is waited for.
    struct http_request later = {.url = silent, .timeout_ms = 120};
    struct http_response response = {0};
    check_error(http_do(f->loop, f->client, &later, &response, &err), ERR_TIMEOUT, "");
    assert_int_equal(c.done, 20);
}

// Redirects to the URL in the path: /to?URL
static bool redirect(int connection, const char *request, void *arg)
{
    (void)arg;
    const char *target = strstr(request, "/to?");
    if (!target) {
        tcp_reply(connection, "200 OK", "", "arrived");
        return true;
    }
    target += 4;
    AUTO_FREE char *header = mem_printf("Location: %.*s\r\n", (int)strcspn(target, " "), target);
    tcp_reply(connection, "307 Temporary Redirect", header, "");
    return true;
}

static void headers_stay_with_the_origin_that_they_were_meant_for(void **state)
{
    struct fixture *f = *state;
    struct tcp_server other;
    tcp_server_start(&f->server, redirect, NULL);
    tcp_server_start(&other, redirect, NULL);
    AUTO(strv) struct strv headers = {0};
    strv_push(&headers, "Authorization: Bearer secret");
    strv_push(&headers, "X-Token: secret");
    AUTO_FREE char *away = mem_printf("%s/to?%s/end", f->server.origin, other.origin);
    struct http_request request = {.url = away, .headers = &headers, .redirects = 3};
    struct http_response response = {0};
    check_ok(http_do(f->loop, f->client, &request, &response, &err));
    assert_string_equal(response.body.data, "arrived");
    assert_true(text_starts(response.effective_url, other.origin));
    http_response_done(&response);
    AUTO_FREE char *heard = tcp_server_log(&other);
    assert_non_null(strstr(heard, "GET /end"));
    assert_null(strstr(heard, "secret"));

    // Nor does the way back bring them out again.
    AUTO_FREE char *back =
        mem_printf("%s/to?%s/to?%s/back", f->server.origin, other.origin, f->server.origin);
    request.url = back;
    check_ok(http_do(f->loop, f->client, &request, &response, &err));
    http_response_done(&response);
    tcp_server_stop(&other);
    AUTO_FREE char *returned = tcp_server_log(&f->server);
    assert_null(strstr(strstr(returned, "GET /back"), "secret"));

    // The positive control: within the origin they are sent with every hop.
    AUTO_FREE char *within = mem_printf("%s/to?/end", f->server.origin);
    request.url = within;
    check_ok(http_do(f->loop, f->client, &request, &response, &err));
    http_response_done(&response);
    AUTO_FREE char *log = tcp_server_log(&f->server);
    assert_non_null(strstr(strstr(log, "GET /end"), "Authorization: Bearer secret"));
}

static void redirects_are_counted_and_an_uncounted_one_is_the_answer(void **state)
{
    struct fixture *f = *state;
    tcp_server_start(&f->server, redirect, NULL);
    AUTO_FREE char *twice = mem_printf("%s/to?/to?/end", f->server.origin);
    struct http_request request = {.url = twice};
    struct http_response response = {0};
    check_ok(http_do(f->loop, f->client, &request, &response, &err));
    assert_int_equal(response.status, 307);
    http_response_done(&response);
    request.redirects = 1;
    check_error(
        http_do(f->loop, f->client, &request, &response, &err), ERR_PROTOCOL, "more than 1");
    request.redirects = 2;
    check_ok(http_do(f->loop, f->client, &request, &response, &err));
    assert_int_equal(response.status, 200);
    http_response_done(&response);
    AUTO_FREE char *file = mem_printf("%s/to?file:///etc/passwd", f->server.origin);
    request.url = file;
    check_error(
        http_do(f->loop, f->client, &request, &response, &err), ERR_PROTOCOL, "neither http");
}

static void a_private_peer_is_refused_before_anything_is_sent(void **state)
{
    struct fixture *f = *state;
    tcp_server_start(&f->server, echo, NULL);
    struct http_request request = {.url = f->server.origin, .public_only = true};
    struct http_response response = {0};
    check_error(http_do(f->loop, f->client, &request, &response, &err), ERR_DENIED, "127.0.0.1");
    AUTO_FREE char *log = tcp_server_log(&f->server);
    assert_string_equal(log, "");
    request.public_only = false; // the positive control
    check_ok(http_do(f->loop, f->client, &request, &response, &err));
    http_response_done(&response);
}

// The certificate names 127.0.0.1 and nobody has signed it. `-HTTP` serves files that hold a whole
// answer.
static void certificates_are_checked_and_a_redirect_never_leaves_https(void **state)
{
    struct fixture *f = *state;
    char directory[] = "/tmp/davit-test-XXXXXX";
    assert_non_null(mkdtemp(directory));
    static const char *const make[] = {"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
        "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=127.0.0.1", "-addext",
        "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem", NULL};
    free(run_program(make, directory, 0));
    tcp_server_start(&f->server, echo, NULL);
    AUTO_FREE char *page = path_join(directory, "page");
    AUTO_FREE char *away = path_join(directory, "away");
    AUTO_FREE char *certificate = path_join(directory, "cert.pem");
    static const char hello[] = "HTTP/1.0 200 OK\r\n\r\nhello";
    AUTO_FREE char *downgrade =
        mem_printf("HTTP/1.0 302 Found\r\nLocation: %s\r\n\r\n", f->server.origin);
    check_ok(file_replace(AT_FDCWD, page, 0600, hello, strlen(hello), &err));
    check_ok(file_replace(AT_FDCWD, away, 0600, downgrade, strlen(downgrade), &err));
    static const char *const serve[] = {"openssl", "s_server", "-HTTP", "-key", "key.pem", "-cert",
        "cert.pem", "-accept", "127.0.0.1:0", NULL};
    struct daemon d;
    AUTO_FREE char *ready = daemon_start(&d, serve, directory, "ACCEPT");
    AUTO_FREE char *url = mem_printf("https://%s/page", ready + strlen("ACCEPT "));

    struct http_request request = {.url = url};
    struct http_response response = {0};
    struct error why = {0};
    assert_int_equal(http_do(f->loop, f->client, &request, &response, &why), -1);
    check_kind(&why, ERR_NETWORK, "certificate", "an unknown authority");
    assert_false(why.retryable);

    request.ca_file = certificate;
    check_ok(http_do(f->loop, f->client, &request, &response, &err));
    assert_string_equal(response.body.data, "hello");
    http_response_done(&response);

    AUTO_FREE char *leaving = mem_printf("https://%s/away", ready + strlen("ACCEPT "));
    request.url = leaving;
    request.redirects = 1;
    check_error(http_do(f->loop, f->client, &request, &response, &err), ERR_DENIED, "to http");

    setenv("SSL_CERT_FILE", certificate, 1);
    struct http_client *trusting = http_curl_new(f->loop, NULL);
    unsetenv("SSL_CERT_FILE");
    request = (struct http_request){.url = url};
    check_ok(http_do(f->loop, trusting, &request, &response, &err));
    assert_int_equal(response.status, 200);
    http_response_done(&response);
    http_client_free(trusting);
    daemon_stop(&d);
    check_ok(dir_remove_tree(AT_FDCWD, directory, &err));
}

#define with_client(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

TEST_MAIN(cmocka_unit_test(urls),
    cmocka_unit_test(a_relative_reference_is_joined_and_an_origin_is_scheme_host_and_port),
    cmocka_unit_test(addresses),
    with_client(a_request_carries_method_headers_and_body_and_the_answer_comes_back),
    with_client(a_connection_for_one_request_is_closed_after_it),
    with_client(a_body_comes_from_a_file_from_its_offset_on),
    with_client(a_sink_gets_the_body_of_a_success_only_and_its_error_ends_the_transfer),
    with_client(every_misbehaviour_of_a_server_has_its_kind_of_error),
    with_client(nobody_listening_is_an_error_of_the_network_that_may_be_tried_again),
    with_client(many_requests_run_at_once_and_a_cancelled_one_is_never_heard_of_again),
    with_client(headers_stay_with_the_origin_that_they_were_meant_for),
    with_client(redirects_are_counted_and_an_uncounted_one_is_the_answer),
    with_client(certificates_are_checked_and_a_redirect_never_leaves_https),
    with_client(a_private_peer_is_refused_before_anything_is_sent))
