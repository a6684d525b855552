#include "support/check.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "codec/value.h"
#include "os/fd.h"
#include "os/file.h"
#include "tools/load_client.h"
#include "tools/load_response.h"
#include "tools/load_stats.h"

// ---- the response parser ----

static const struct {
    const char *name, *bytes;
    enum response_part part; // after all bytes, and the end of the connection
    int status;
    const char *body, *version;
    bool close;
} responses[] = {
    {"a length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", RESPONSE_DONE, 200, "hi", "",
        false},
    {"no reason phrase", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", RESPONSE_DONE, 200, "", "",
        false},
    {"chunks with a trailer",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: "
        "chunked\r\n\r\n2;x=y\r\nhi\r\nA\r\n0123456789\r\n0\r\n"
        "X-Sum: 1\r\n\r\n",
        RESPONSE_DONE, 200, "hi0123456789", "", false},
    {"until the end", "HTTP/1.1 200 OK\r\n\r\nall of it", RESPONSE_DONE, 200, "all of it", "",
        true},
    {"an interim response first",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        RESPONSE_DONE, 404, "", "", false},
    {"no content", "HTTP/1.1 204 No Content\r\nX-App-Version: v7\r\n\r\n", RESPONSE_DONE, 204, "",
        "v7", false},
    {"closing", "HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 0\r\n\r\n", RESPONSE_DONE,
        200, "", "", true},
    {"an old server", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", RESPONSE_DONE, 200, "", "",
        true},
    {"a version in JSON",
        "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: 16\r\n"
        "\r\n{\"version\":\"v2\"}",
        RESPONSE_DONE, 200, "{\"version\":\"v2\"}", "v2", false},
    {"a version in both",
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nx-app-version: v1\r\n"
        "Content-Length: 16\r\n\r\n{\"version\":\"v2\"}",
        RESPONSE_DONE, 200, "{\"version\":\"v2\"}", "v1", false},
    {"cut in the head", "HTTP/1.1 200 OK\r\nContent-Le", RESPONSE_BAD, 200, "", "", false},
    {"cut in the body", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", RESPONSE_BAD, 200, "hi",
        "", false},
    {"cut in a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhi", RESPONSE_BAD,
        200, "hi", "", false},
    {"without the last chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n",
        RESPONSE_BAD, 200, "hi", "", false},
    {"nothing", "", RESPONSE_BAD, 0, "", "", false},
    {"another protocol", "SSH-2.0-OpenSSH_9.2\r\n", RESPONSE_BAD, 0, "", "", false},
    {"a status of two digits", "HTTP/1.1 20 OK\r\n\r\n", RESPONSE_BAD, 0, "", "", false},
    {"a status of four digits", "HTTP/1.1 2000 OK\r\n\r\n", RESPONSE_BAD, 0, "", "", false},
    {"a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", RESPONSE_BAD, 200, "",
        "", false},
    {"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        RESPONSE_BAD, 200, "", "", false},
    {"a length and chunks",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", RESPONSE_BAD,
        200, "", "", false},
    {"a chunk size that is none", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhi\r\n",
        RESPONSE_BAD, 200, "", "", false},
    {"a header without a colon", "HTTP/1.1 200 OK\r\nContent-Length\r\n\r\n", RESPONSE_BAD, 200, "",
        "", false},
    {"a body larger than we take in", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nhi",
        RESPONSE_BAD, 200, "hi", "", false},
};

// However the bytes are cut into pieces, the response is the same.
static void a_response_is_read_whole_however_it_arrives(void **state)
{
    (void)state;
    struct response r;
    response_init(&r);
    for (size_t i = 0; i < ARRAY_LEN(responses); i++) {
        size_t length = strlen(responses[i].bytes);
        for (size_t piece = 1; piece <= length + 1; piece++) {
            response_begin(&r);
            for (size_t at = 0; at < length && r.part < RESPONSE_DONE;) {
                size_t n = length - at < piece ? length - at : piece;
                at += response_feed(&r, responses[i].bytes + at, n);
            }
            response_end(&r);
            bool good = r.part == responses[i].part && r.status == responses[i].status &&
                        strcmp(r.body.data, responses[i].body) == 0 &&
                        strcmp(r.version, responses[i].version) == 0 &&
                        r.close == responses[i].close;
            if (!good)
                fail_msg("%s, in pieces of %zu: part %d, status %d, body \"%s\", version \"%s\", "
                         "close %d",
                    responses[i].name, piece, r.part, r.status, r.body.data, r.version, r.close);
        }
    }
    response_done(&r);
}

static void what_follows_a_response_is_left_where_it_is(void **state)
{
    (void)state;
    static const char bytes[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1";
    struct response r;
    response_init(&r);
    assert_int_equal(response_feed(&r, bytes, sizeof bytes - 1), sizeof bytes - 1 - 8);
    assert_int_equal(r.part, RESPONSE_DONE);
    response_done(&r);
}

static void an_endless_head_or_body_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *start, *again;
    } rows[] = {
        {"HTTP/1.1 200 OK\r\nX: ", "aaaaaaaaaaaaaaaa"},
        {"HTTP/1.1 200 OK\r\n", "X: aaaaaaaaaaaa\r\n"},
        {"HTTP/1.1 200 OK\r\n\r\n", "bbbbbbbbbbbbbbbb"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "8\r\ncccccccc\r\n"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", "dddddddddddddddd"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct response r;
        response_init(&r);
        response_feed(&r, rows[i].start, strlen(rows[i].start));
        for (size_t n = 0; n <= RESPONSE_BODY_MAX && r.part < RESPONSE_DONE; n += 8)
            response_feed(&r, rows[i].again, strlen(rows[i].again));
        if (r.part != RESPONSE_BAD)
            fail_msg("row %zu: part %d", i, r.part);
        response_done(&r);
    }
}

// ---- what is counted ----

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void percentiles_are_right_to_a_thirtysecond(void **state)
{
    (void)state;
    static struct histogram h;
    static uint64_t values[5000];
    uint64_t x = 88172645463325252u;
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        values[i] = x % 7 == 0 ? x >> 20 : x % 5000; // a long tail
        histogram_add(&h, values[i]);
    }
    qsort(values, ARRAY_LEN(values), sizeof *values, by_size);
    static const int percents[] = {1, 50, 90, 99, 100};
    for (size_t i = 0; i < ARRAY_LEN(percents); i++) {
        uint64_t exact = values[ARRAY_LEN(values) * (size_t)percents[i] / 100 - 1];
        uint64_t seen = histogram_percentile(&h, percents[i]);
        if (seen < exact || seen > exact + exact / 32)
            fail_msg("p%d: %llu, exactly %llu", percents[i], (unsigned long long)seen,
                (unsigned long long)exact);
    }
    static struct histogram extreme;
    histogram_add(&extreme, UINT64_MAX);
    assert_true(histogram_percentile(&extreme, 50) == UINT64_MAX);
    static struct histogram none;
    assert_true(histogram_percentile(&none, 50) == 0);
}

static void versions_are_counted_and_changes_are_told(void **state)
{
    (void)state;
    static struct stats s;
    const char *before = "?";
    assert_true(stats_version(&s, "v1", 10, &before));
    assert_null(before);
    assert_false(stats_version(&s, "v1", 20, &before));
    assert_true(stats_version(&s, "v2", 30, &before));
    assert_string_equal(before, "v1");
    assert_true(stats_version(&s, "v1", 40, &before));
    assert_string_equal(before, "v2");
    AUTO(value) struct value *report = stats_to_value(&s, 50);
    AUTO_FREE char *versions = value_print(value_get(report, "versions"));
    assert_string_equal(versions, "{\"v1\":{\"answers\":3,\"first_ms\":10,\"last_ms\":40},"
                                  "\"v2\":{\"answers\":1,\"first_ms\":30,\"last_ms\":30}}");
    assert_int_equal(value_get_int(report, "version_changes", -1), 2);
    for (int i = 0; i < 100; i++) {
        AUTO_FREE char *name = mem_printf("w%d", i);
        stats_version(&s, name, 60, &before);
    }
    assert_int_equal(s.version_count, VERSIONS_MAX);
    assert_string_equal(s.versions[VERSIONS_MAX - 1].name, "(other)");
    assert_int_equal(s.versions[VERSIONS_MAX - 1].answers, 100 - (VERSIONS_MAX - 1 - 2));
}

static void only_this_machine_is_asked(void **state)
{
    (void)state;
    static const struct {
        const char *url, *host, *path; // host NULL: refused
    } rows[] = {
        {"http://127.0.0.1:8080/version", "127.0.0.1:8080", "/version"},
        {"http://127.9.8.7", "127.9.8.7", "/"},
        {"http://localhost:81/a?b=c", "localhost:81", "/a?b=c"},
        {"http://[::1]:8080/", "[::1]:8080", "/"},
        {"http://[::1]", "[::1]", "/"},
        {"http://10.96.7.8/version", "10.96.7.8", "/version"},
        {"http://10.0.0.1:8080/", NULL, NULL},
        {"http://10.97.0.1/", NULL, NULL},
        {"http://128.0.0.1/", NULL, NULL},
        {"http://0.0.0.0/", NULL, NULL},
        {"http://[::]/", NULL, NULL},
        {"http://[::ffff:10.0.0.1]/", NULL, NULL},
        {"http://example.org/", NULL, NULL},
        {"http://127.0.0.1.example.org/", NULL, NULL},
        {"http://127.0.0.1@example.org/", NULL, NULL},
        {"http://127.1/", NULL, NULL},
        {"http://127.0.0.1:0/", NULL, NULL},
        {"http://127.0.0.1:70000/", NULL, NULL},
        {"http:///", NULL, NULL},
        {"https://127.0.0.1/", NULL, NULL},
        {"127.0.0.1:8080", NULL, NULL},
        {"http://127.0.0.1/a b", NULL, NULL},
        {"http://127.0.0.1/a\r\nHost: x", NULL, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct load_options options = {0};
        AUTO_FREE char *host = NULL;
        AUTO_FREE char *path = NULL;
        struct error err = {0};
        int result = load_url_parse(rows[i].url, &options, &host, &path, &err);
        if ((result == 0) != (rows[i].host != NULL))
            fail_msg("%s: %s", rows[i].url, result ? err.message : "was let through");
        if (rows[i].host && (strcmp(host, rows[i].host) != 0 || strcmp(path, rows[i].path) != 0))
            fail_msg("%s: host %s, path %s", rows[i].url, host, path);
    }
}

// ---- the program, against a server that behaves as its path says ----

static void say(int fd, const char *format, ...)
{
    char text[4096];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (fd_write_all(fd, text, (size_t)n, NULL) < 0)
        _exit(0);
}

// Reads one request, head and body. False when the client has closed.
static bool read_request(int fd, struct str *head, struct str *body)
{
    str_clear(head);
    str_clear(body);
    char c;
    while (!strstr(head->data, "\r\n\r\n")) {
        if (read(fd, &c, 1) != 1)
            return false;
        str_putc(head, c);
    }
    const char *length = strstr(head->data, "Content-Length: ");
    for (long left = length ? atol(length + 16) : 0; left > 0; left--) {
        if (read(fd, &c, 1) != 1)
            return false;
        str_putc(body, c);
    }
    return true;
}

static void answer(int fd, int number, const char *path, const struct str *body)
{
    static const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    if (strcmp(path, "/500") == 0) {
        say(fd, "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n");
    } else if (strcmp(path, "/half") == 0) {
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        _exit(0);
    } else if (strcmp(path, "/reset") == 0) {
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        _exit(0);
    } else if (strcmp(path, "/hang") == 0) {
        pause();
    } else if (strcmp(path, "/garbage") == 0) {
        say(fd, "220 smtp.example.org\r\n");
    } else if (strcmp(path, "/wrong") == 0) {
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%.*s?", body->length,
            (int)body->length - 1, body->data);
    } else if (strcmp(path, "/early") == 0) {
        say(fd, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        _exit(0);
    } else if (strcmp(path, "/switch") == 0) {
        say(fd, "HTTP/1.1 200 OK\r\nX-App-Version: v%d\r\nContent-Length: 0\r\n\r\n",
            number < 5 ? 1 : 2);
    } else {
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", body->length, body->data);
    }
}

static void serve_connection(int fd)
{
    AUTO(str) struct str head;
    AUTO(str) struct str body;
    str_init(&head, 4096);
    str_init(&body, 3000);
    for (int number = 0; read_request(fd, &head, &body); number++) {
        char *path = strchr(head.data, ' ') + 1;
        *strchr(path, ' ') = '\0';
        answer(fd, number, path, &body);
    }
    _exit(0);
}

struct server {
    pid_t pid;
    int port;
};

// A process for each connection, all of which end with the test.
static int start_server(void **state)
{
    struct server *server = mem_alloc(sizeof *server);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 64), 0);
    getsockname(listener, (struct sockaddr *)&address, &length);
    server->port = ntohs(address.sin_port);
    server->pid = fork();
    if (server->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGCHLD, SIG_IGN);
        for (;;) {
            int fd = accept(listener, NULL, NULL);
            if (fork() == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                fd_close(listener);
                serve_connection(fd);
            }
            fd_close(fd);
        }
    }
    fd_close(listener);
    *state = server;
    return 0;
}

static int stop_server(void **state)
{
    struct server *server = *state;
    if (server->pid > 0) {
        kill(server->pid, SIGKILL);
        waitpid(server->pid, NULL, 0);
    }
    free(server);
    return 0;
}

struct outcome {
    int status; // exit code
    char *out, *events;
    struct value *report;
};

static void outcome_done(struct outcome *o)
{
    mem_freep(&o->out);
    mem_freep(&o->events);
    value_free(o->report);
}
DEFINE_AUTO(outcome, struct outcome, outcome_done)

// The program stands beside this one.
static struct outcome run_load(int port, const char *path, const char *arguments)
{
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(n > 0);
    self[n] = '\0';
    *strrchr(self, '/') = '\0';
    AUTO_FREE char *command =
        mem_printf("exec %s/davit-load %s http://127.0.0.1:%d%s", self, arguments, port, path);
    int out[2], events[2];
    check_ok(fd_pipe(out, &err));
    check_ok(fd_pipe(events, &err));
    pid_t pid = fork();
    if (pid == 0) {
        dup2(out[1], 1);
        dup2(events[1], 2);
        execl("/bin/sh", "sh", "-c", command, NULL);
        _exit(127);
    }
    fd_close(out[1]);
    fd_close(events[1]);
    struct str text, told;
    str_init(&text, 1 << 16);
    str_init(&told, 1 << 16);
    check_ok(fd_read_all(out[0], &text, &err)); // events fit into their pipe
    check_ok(fd_read_all(events[0], &told, &err));
    fd_close(out[0]);
    fd_close(events[0]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    struct outcome o = {.status = WEXITSTATUS(status)};
    o.report = value_parse(text.data, text.length, NULL);
    o.out = str_take(&text);
    o.events = str_take(&told);
    return o;
}

static void a_healthy_server_fails_no_request_and_keeps_its_connections(void **state)
{
    struct server *server = *state;
    AUTO(outcome)
    struct outcome o = run_load(server->port, "/echo",
        "--connections 4 --rate 400 --posts 25 --body 2000 --duration 500ms");
    assert_int_equal(o.status, 0);
    int64_t requests = value_get_int(o.report, "requests", -1);
    assert_in_range(requests, 150, 202);
    assert_int_equal(value_get_int(o.report, "failed", -1), 0);
    assert_int_equal(value_get_int(o.report, "connections", -1), 4);
    assert_in_range(value_get_int(o.report, "posts", -1), requests / 4 - 1, requests / 4 + 1);
    assert_int_equal(value_get_int(value_get(o.report, "statuses"), "200", -1), requests);
}

static void every_way_to_fail_is_told_apart(void **state)
{
    struct server *server = *state;
    static const struct {
        const char *path, *arguments, *kind;
    } rows[] = {
        {"/500", "", "status"},
        {"/half", "", "closed"},
        {"/reset", "", "reset"},
        {"/garbage", "", "protocol"},
        {"/hang", "--timeout 60ms", "timeout"},
        {"/echo", "--posts 100 --post-path /wrong", "body"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_FREE char *arguments =
            mem_printf("--connections 2 --rate 50 --duration 200ms %s", rows[i].arguments);
        AUTO(outcome) struct outcome o = run_load(server->port, rows[i].path, arguments);
        int64_t failed = value_get_int(o.report, "failed", -1);
        int64_t kind = value_get_int(value_get(o.report, "failures"), rows[i].kind, -1);
        if (o.status != 1 || failed < 1 || kind != failed || !strstr(o.events, rows[i].kind) ||
            failed != value_get_int(o.report, "requests", -1))
            fail_msg("%s: exit code %d, %s%s", rows[i].path, o.status, o.out, o.events);
    }
}

static void a_server_that_is_not_there_is_a_failed_connection(void **state)
{
    struct server *server = *state;
    kill(server->pid, SIGKILL);
    waitpid(server->pid, NULL, 0);
    server->pid = 0;
    AUTO(outcome)
    struct outcome o = run_load(server->port, "/", "--connections 2 --duration 100ms");
    assert_int_equal(o.status, 1);
    int64_t failed = value_get_int(value_get(o.report, "failures"), "connect", -1);
    assert_in_range(failed, 2, 22); // not in a tight loop
    assert_int_equal(failed, value_get_int(o.report, "requests", -1));
    assert_int_equal(value_get_int(o.report, "connections", -1), 0);
}

static void a_connection_that_the_server_closes_in_good_order_is_no_failure(void **state)
{
    struct server *server = *state;
    AUTO(outcome)
    struct outcome o =
        run_load(server->port, "/early", "--connections 2 --rate 100 --duration 200ms");
    assert_int_equal(o.status, 0);
    assert_int_equal(
        value_get_int(o.report, "connections", -1), value_get_int(o.report, "requests", -2));
}

static void the_moment_of_a_switch_is_told(void **state)
{
    struct server *server = *state;
    AUTO(outcome)
    struct outcome o =
        run_load(server->port, "/switch", "--connections 1 --rate 50 --duration 300ms");
    assert_int_equal(o.status, 0);
    struct value *v1 = value_get(value_get(o.report, "versions"), "v1");
    struct value *v2 = value_get(value_get(o.report, "versions"), "v2");
    assert_int_equal(value_get_int(v1, "answers", -1), 5);
    assert_true(value_get_int(v2, "answers", -1) > 1);
    AUTO_FREE char *line =
        mem_printf("\n%lld v1 -> v2\n", (long long)value_get_int(v2, "first_ms", -1));
    assert_non_null(strstr(o.events, " (none) -> v1\n"));
    assert_non_null(strstr(o.events, line));
    assert_true(value_get_int(v1, "last_ms", -1) <= value_get_int(v2, "first_ms", -1));
}

static void slow_posts_take_their_time_and_come_back_whole(void **state)
{
    struct server *server = *state;
    AUTO(outcome)
    struct outcome o = run_load(server->port, "/echo",
        "--connections 2 --posts 100 --slow-posts 200ms --body 999 --duration 100ms");
    assert_int_equal(o.status, 0);
    assert_int_equal(value_get_int(o.report, "posts", -1), 2);
    assert_true(value_get_int(value_get(o.report, "latency_us"), "p50", -1) >= 190000);
}

static void a_wrong_command_line_is_refused(void **state)
{
    struct server *server = *state;
    static const char *const rows[] = {"--rate -1", "--connections 0", "--duration 10",
        "--posts 101", "--post-path echo", "--nonsense", "http://127.0.0.1/"};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(outcome) struct outcome o = run_load(server->port, "/", rows[i]);
        if (o.status != 2 || o.out[0] || !o.events[0])
            fail_msg("%s: exit code %d, %s", rows[i], o.status, o.out);
    }
}

#define with_server(test) cmocka_unit_test_setup_teardown(test, start_server, stop_server)

TEST_MAIN(cmocka_unit_test(a_response_is_read_whole_however_it_arrives),
    cmocka_unit_test(what_follows_a_response_is_left_where_it_is),
    cmocka_unit_test(an_endless_head_or_body_is_refused),
    cmocka_unit_test(percentiles_are_right_to_a_thirtysecond),
    cmocka_unit_test(versions_are_counted_and_changes_are_told),
    cmocka_unit_test(only_this_machine_is_asked),
    with_server(a_healthy_server_fails_no_request_and_keeps_its_connections),
    with_server(every_way_to_fail_is_told_apart),
    with_server(a_server_that_is_not_there_is_a_failed_connection),
    with_server(a_connection_that_the_server_closes_in_good_order_is_no_failure),
    with_server(the_moment_of_a_switch_is_told),
    with_server(slow_posts_take_their_time_and_come_back_whole),
    with_server(a_wrong_command_line_is_refused))
