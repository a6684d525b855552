// Gates that ask strangers, by the real HTTP client: those that say too much, nothing, or something
// else.
#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/http_curl.h"
#include "support/gate_bench.h"
#include "support/tcp_server.h"

#define BODY_SIZE (3 << 20)

// What is asked for says how it is answered. An answer of a Prometheus ends in its query.
static bool serve(int connection, const char *request, void *arg)
{
    (void)arg;
    char path[20];
    if (sscanf(request, "GET /%19[a-z]", path) != 1)
        return false;
    if (strcmp(path, "hang") == 0)
        tcp_hang();
    if (strcmp(path, "part") == 0) {
        tcp_send(connection, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"status\":");
        tcp_hang();
    }
    if (strcmp(path, "moved") == 0)
        tcp_reply(connection, "301 Moved", "Location: http://127.0.0.1:1/secret?token=t\r\n", "");
    if (strcmp(path, "junk") == 0)
        tcp_send(connection, "\x16\x03\x01junk\r\n\r\n");
    if (strcmp(path, "large") == 0) {
        AUTO_FREE char *body = mem_alloc(BODY_SIZE + 1);
        memset(body, 'x', BODY_SIZE);
        tcp_reply(connection, "200 OK", "", body);
    }
    if (strcmp(path, "endless") == 0) {
        tcp_send(connection, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        for (;;)
            tcp_send(connection, "5\r\nhello\r\n");
    }
    return false;
}

static const struct {
    const char *gate;   // %s is the server's origin
    const char *reason; // NULL: it passes
} rows[] = {
    // What a gate does not look at may be as large as it likes, but not for ever.
    {"\"kind\":\"http\",\"url\":\"%s/large\",\"status\":200,\"timeout_ms\":5000", NULL},
    {"\"kind\":\"http\",\"url\":\"%s/large\",\"status\":200,\"timeout_ms\":5000,\"body\":\"x\"",
        "the answer is larger than 1048576 bytes; wanted: an answer"},
    {"\"kind\":\"http\",\"url\":\"%s/endless\",\"status\":200,\"timeout_ms\":400",
        "no complete answer within "},
    {"\"kind\":\"http\",\"url\":\"%s/hang\",\"status\":200,\"timeout_ms\":300",
        "no complete answer within "},
    {"\"kind\":\"http\",\"url\":\"%s/part\",\"status\":200,\"timeout_ms\":300",
        "no complete answer within "},
    {"\"kind\":\"http\",\"url\":\"%s/junk\",\"status\":200,\"timeout_ms\":3000", "an answer"},
    {"\"kind\":\"http\",\"url\":\"%s/moved\",\"status\":200,\"timeout_ms\":3000",
        ": status 301, to http://127.0.0.1:1/secret; wanted: status 200"},
    {"\"kind\":\"http\",\"url\":\"%s/moved\",\"status\":301,\"timeout_ms\":3000", NULL},
    {"\"kind\":\"http\",\"url\":\"http://127.0.0.1:1/\",\"status\":200,\"timeout_ms\":3000",
        "Couldn't connect to server"},
    // A Prometheus of such a sort.
    {"\"kind\":\"prometheus\",\"url\":\"%s/large\",\"interval_ms\":1,\"timeout_ms\":5000,\"max\":"
     "\"1\",\"query\":\"up\"",
        "/api/v1/query: the answer is larger than 1048576 bytes; wanted"},
    {"\"kind\":\"prometheus\",\"url\":\"%s/endless\",\"interval_ms\":1,\"timeout_ms\":5000,"
     "\"max\":\"1\",\"query\":\"up\"",
        "/api/v1/query: the answer is larger than 1048576 bytes; wanted"},
    {"\"kind\":\"prometheus\",\"url\":\"%s/hang\",\"interval_ms\":1,\"timeout_ms\":100,\"max\":"
     "\"1\",\"query\":\"up\"",
        "no complete answer within "},
    {"\"kind\":\"prometheus\",\"url\":\"%s/part\",\"interval_ms\":1,\"timeout_ms\":100,\"max\":"
     "\"1\",\"query\":\"up\"",
        "no complete answer within "},
    {"\"kind\":\"prometheus\",\"url\":\"%s/junk\",\"interval_ms\":1,\"timeout_ms\":1000,\"max\":"
     "\"1\",\"query\":\"up\"",
        "5 errors in a row: "},
    {"\"kind\":\"prometheus\",\"url\":\"%s/moved\",\"interval_ms\":1,\"timeout_ms\":1000,\"max\":"
     "\"1\",\"query\":\"up\"",
        "5 errors in a row: status 301, to http://127.0.0.1:1/secret; wanted"},
};

static void strangers_may_answer_as_they_like(void **state)
{
    (void)state;
    struct tcp_server server;
    tcp_server_start(&server, serve, NULL);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *origin = strstr(rows[i].gate, "%s");
        AUTO_FREE char *gates = origin ? mem_printf("[{%.*s%s%s}]", (int)(origin - rows[i].gate),
                                             rows[i].gate, server.origin, origin + 2)
                                       : mem_printf("[{%s}]", rows[i].gate);
        struct bench b;
        bench_start(&b, gates, NULL);
        struct http_client *http = http_curl_new(b.loop, NULL);
        assert_non_null(http);
        prober_free(b.prober);
        b.prober = prober_new(b.loop, http, &b.target.target, &b.gates, NULL);
        bench_listen(&b);
        bench_run(&b);
        enum gate_state wanted = rows[i].reason ? GATE_REJECTED : GATE_PASSED;
        if (b.status.state != wanted ||
            (rows[i].reason && !strstr(b.status.reason, rows[i].reason)))
            fail_msg("%s: %d: %s", gates, (int)b.status.state, b.status.reason);
        b.prober->ops->stop(b.prober);
        http_client_free(http);
        bench_end(&b);
    }
    tcp_server_stop(&server);
}

TEST_MAIN(cmocka_unit_test(strangers_may_answer_as_they_like))
