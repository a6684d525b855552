#include "support/check.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "deploy/gate_check.h"
#include "os/fd.h"
#include "support/gate_bench.h"

// Specs.

static const char all_kinds[] =
    "[{\"kind\":\"http\",\"path\":\"/ping\",\"status\":200,\"headers\":{\"X-A\":\"b\"},"
    "\"content_type\":\"application/json\",\"body\":\"pong\",\"json\":{\"message\":\"pong\"},"
    "\"timeout_ms\":5000},{\"kind\":\"http\",\"url\":\"https://a.example/b?c=d\",\"status\":200,"
    "\"timeout_ms\":1},{\"kind\":\"tcp\"},{\"kind\":\"tcp\",\"timeout_ms\":700},{\"kind\":"
    "\"log\",\"absent\":\"panic|FATAL\"},"
    "{\"kind\":\"prometheus\",\"url\":\"http://p:9090\",\"query\":\" rate(\\n  "
    "a)\\n\",\"max\":\"2\","
    "\"min\":\"1\",\"no_data\":\"fail\",\"interval_ms\":1000,\"for_ms\":90000,\"timeout_ms\":1},"
    "{\"kind\":\"exec\",\"command\":[\"/app\",\"check\"],\"timeout_ms\":5},"
    "{\"kind\":\"restarts\",\"max\":2,\"for_ms\":5000},"
    "{\"kind\":\"stable\",\"dry_run\":true,\"for_ms\":10000}]";

static void gates_survive_being_stored(void **state)
{
    (void)state;
    AUTO(value) struct value *v = bench_parse(all_kinds);
    struct gate_list list = {0};
    check_ok(gate_list_from_value(v, "gates", &list, &err));
    assert_int_equal(list.items.length, 9);
    AUTO(value) struct value *again = gate_list_to_value(&list);
    AUTO_FREE char *text = value_print(again);
    assert_string_equal(text, all_kinds);
    AUTO(str) struct str names;
    str_init(&names, 1000);
    vec_each (gate, &list.items) {
        gate_print(gate, &names);
        str_puts(&names, "; ");
    }
    assert_string_equal(names.data,
        "http /ping; http https://a.example/b; tcp; tcp; log without "
        "\"panic|FATAL\"; prometheus \"rate( a)\" between 1 and 2 for "
        "1m30s; exec /app check; restarts at most 2 in 5s; stable for 10s (dry "
        "run); ");
    gate_list_done(&list);
}

#define PROMETHEUS                                                                                 \
    "\"kind\":\"prometheus\",\"url\":\"http://p:9090\",\"interval_ms\":1,\"timeout_ms\":1"
static const struct {
    const char *json, *part;
    enum error_kind kind;
} bad_gates[] = {
    {"{}", "gates is not a list", ERR_PROTOCOL},
    {"[1]", "gates, gate 1: \"\" is no kind of gate", ERR_PROTOCOL},
    {"[{\"kind\":\"tcp\"},{\"kind\":\"udp\"}]", "gates, gate 2: \"udp\" is no kind of gate",
        ERR_PROTOCOL},
    {"[{\"kind\":\"tcp\",\"path\":\"/\"}]", "unknown key \"path\"", ERR_PROTOCOL},
    {"[{\"kind\":\"http\",\"status\":200,\"timeout_ms\":1}]",
        "one of \"path\" and \"url\" is needed", ERR_PROTOCOL},
    {"[{\"kind\":\"http\",\"path\":\"/\",\"url\":\"http://a/\",\"status\":200,\"timeout_ms\":1}]",
        "one of \"path\" and \"url\" is needed", ERR_PROTOCOL},
    {"[{\"kind\":\"http\",\"url\":\"ftp://a/\",\"status\":200,\"timeout_ms\":1}]",
        "neither http nor https", ERR_PROTOCOL},
    {"[{\"kind\":\"http\",\"url\":\"http://u:p@a/\",\"status\":200,\"timeout_ms\":1}]",
        "gates, gate 1: bad URL", ERR_PROTOCOL},
    {"[{\"kind\":\"http\",\"path\":\"ping\",\"status\":200,\"timeout_ms\":1}]",
        "\"ping\" does not begin with a slash", ERR_PROTOCOL},
    {"[{\"kind\":\"http\",\"path\":\"/\",\"status\":99,\"timeout_ms\":1}]",
        "\"status\" is 99, not within 100 and 599", ERR_PROTOCOL},
    {"[{\"kind\":\"http\",\"path\":\"/\",\"status\":200,\"timeout_ms\":0}]", "\"timeout_ms\" is 0",
        ERR_PROTOCOL},
    {"[{\"kind\":\"http\",\"path\":\"/\",\"status\":200,\"timeout_ms\":1,\"headers\":{\"a\":1}}]",
        "\"a\" is not a string", ERR_PROTOCOL},
    {"[{\"kind\":\"http\",\"path\":\"/\",\"status\":200,\"timeout_ms\":1,\"json\":{\"a\":[]}}]",
        "\"a\" is not a single value", ERR_PROTOCOL},
    {"[{\"kind\":\"http\",\"path\":\"/\",\"status\":200,\"timeout_ms\":1,\"json\":[]}]",
        "\"json\" is not a map", ERR_PROTOCOL},
    {"[{\"kind\":\"log\",\"absent\":\"(\"}]", "\"(\" is not a POSIX extended regular expression",
        ERR_CONFIG},
    {"[{" PROMETHEUS ",\"query\":\"up\"}]", "one of \"max\" and \"min\" is needed", ERR_PROTOCOL},
    {"[{" PROMETHEUS ",\"max\":\"1\"}]", "\"query\" is missing", ERR_PROTOCOL},
    {"[{" PROMETHEUS ",\"query\":\"up\",\"max\":\"inf\"}]", "the bound \"inf\" is no number",
        ERR_PROTOCOL},
    {"[{" PROMETHEUS ",\"query\":\"up\",\"max\":\"1\",\"no_data\":\"wait\"}]", "\"no_data\"",
        ERR_PROTOCOL},
    {"[{\"kind\":\"exec\",\"command\":[],\"timeout_ms\":1}]", "the command is empty", ERR_PROTOCOL},
    {"[{\"kind\":\"exec\",\"command\":[\"\"],\"timeout_ms\":1}]", "the command is empty",
        ERR_PROTOCOL},
    {"[{\"kind\":\"restarts\",\"max\":-1,\"for_ms\":1}]", "\"max\" is -1", ERR_PROTOCOL},
    {"[{\"kind\":\"stable\"}]", "\"for_ms\" is missing", ERR_PROTOCOL},
};

static void gates_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad_gates); i++) {
        AUTO(value) struct value *v = bench_parse(bad_gates[i].json);
        struct gate_list list = {0};
        check_error(
            gate_list_from_value(v, "gates", &list, &err), bad_gates[i].kind, bad_gates[i].part);
        gate_list_done(&list);
    }
}

// Verdicts.

static const struct {
    const char *gate; // besides kind, path, timeout_ms
    int status;
    const char *header, *body;
    const char *seen, *wanted; // NULL wanted: passed
} answers[] = {
    {"\"status\":200", 200, NULL, "", "status 200 in 12 ms", NULL},
    {"\"status\":200", 503, NULL, "", "status 503", "status 200"},
    {"\"status\":404", 404, NULL, "", "status 404 in 12 ms", NULL},
    {"\"status\":200", 302, "location: /login?token=x", "", "status 302, to /login", "status 200"},
    {"\"status\":200,\"headers\":{\"X-Ver\":\"2\"}", 200, "x-ver: 2", "", "status 200", NULL},
    {"\"status\":200,\"headers\":{\"X-Ver\":\"2\"}", 200, "x-ver: 1", "", "X-Ver: 1", "X-Ver: 2"},
    {"\"status\":200,\"headers\":{\"X-Ver\":\"2\"}", 200, "x-version: 2", "", "no header X-Ver",
        "X-Ver: 2"},
    {"\"status\":200,\"content_type\":\"application/json\"", 200,
        "content-type: application/json; charset=utf-8", "", "status 200", NULL},
    {"\"status\":200,\"content_type\":\"application/json\"", 200, "content-type: text/html", "",
        "content type text/html", "content type application/json"},
    {"\"status\":200,\"content_type\":\"text/plain\"", 200, NULL, "", "content type unknown",
        "content type text/plain"},
    {"\"status\":200,\"body\":\"pong\"", 200, NULL, "ping pong", "status 200", NULL},
    {"\"status\":200,\"body\":\"pong\"", 200, NULL, "nothing here",
        "a body of 12 bytes beginning with \"nothing here\"", "\"pong\" in it"},
    {"\"status\":200,\"body\":\"pong\"", 200, NULL, "\x1b[2Jno\xff\n",
        "a body of 8 bytes beginning with \"?[2Jno??\"", "\"pong\" in it"},
    {"\"status\":200,\"json\":{\"message\":\"pong\"}", 200, NULL, "{\"message\":\"pong\"}",
        "status 200", NULL},
    {"\"status\":200,\"json\":{\"message\":\"pong\"}", 200, NULL, "{\"message\":\"ping\"}",
        "message: ping", "message: pong"},
    {"\"status\":200,\"json\":{\"a.1.b\":\"3\"}", 200, NULL, "{\"a\":[0,{\"b\":3}]}", "status 200",
        NULL},
    {"\"status\":200,\"json\":{\"a.2.b\":3}", 200, NULL, "{\"a\":[0,{\"b\":3}]}", "a.2.b: nothing",
        "a.2.b: 3"},
    {"\"status\":200,\"json\":{\"ok\":true}", 200, NULL, "{\"ok\":false}", "ok: false", "ok: true"},
    {"\"status\":200,\"json\":{\"ok\":true}", 200, NULL, "<html>", "bad JSON at 1:1",
        "a body of JSON"},
};

static void an_answer_is_what_the_gate_wants_or_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        AUTO_FREE char *json =
            mem_printf("[{\"kind\":\"http\",\"path\":\"/\",\"timeout_ms\":1,%s}]", answers[i].gate);
        AUTO(value) struct value *v = bench_parse(json);
        struct gate_list list = {0};
        check_ok(gate_list_from_value(v, "gates", &list, &err));
        struct http_response response = {.status = answers[i].status, .elapsed_ms = 12};
        str_init(&response.body, 1000);
        str_puts(&response.body, answers[i].body);
        if (answers[i].header)
            strv_push(&response.headers, answers[i].header);
        struct gate_verdict verdict;
        gate_check_http(&list.items.items[0], &response, &verdict);
        if (verdict.passed != !answers[i].wanted || !strstr(verdict.seen, answers[i].seen))
            fail_msg("%s: seen: %s", json, verdict.seen);
        if (answers[i].wanted)
            assert_string_equal(verdict.wanted, answers[i].wanted);
        strv_done(&response.headers);
        str_done(&response.body);
        gate_list_done(&list);
    }
}

#define TEXT(text) text, sizeof(text) - 1
static const struct {
    const char *absent, *text;
    size_t length;
    const char *seen; // NULL: passed
} logs[] = {
    {"panic", TEXT(""), NULL},
    {"panic", TEXT("started\nlistening\n"), NULL},
    {"panic", TEXT("started\nhttp: panic serving: x\nmore\n"), "\"http: panic serving: x\""},
    {"panic", TEXT("a \0 NUL\npanic: 2"), "\"panic: 2\""},
    {"^E[0-9]+", TEXT("xE12\n"), NULL},
    {"^E[0-9]+", TEXT("I1\nE12 bad\n"), "\"E12 bad\""},
    {"a.b", TEXT("a\nb"), NULL},
};

static void a_log_is_searched_line_by_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(logs); i++) {
        char pattern[40];
        snprintf(pattern, sizeof pattern, "%s", logs[i].absent);
        struct gate_spec gate = {.kind = GATE_LOG, .absent = pattern};
        struct gate_verdict verdict;
        gate_check_log(&gate, logs[i].text, logs[i].length, &verdict);
        assert_int_equal(verdict.passed, !logs[i].seen);
        if (logs[i].seen)
            assert_string_equal(verdict.seen, logs[i].seen);
    }
}

static void stable_is_all_ready_and_no_restart(void **state)
{
    (void)state;
    struct gate_spec gate = {.kind = GATE_STABLE, .for_ms = 1000};
    struct set_state before = {.desired = 2, .ready = 2, .instance_count = 2};
    before.instances[1].index = 1;
    struct set_state now = before;
    struct gate_verdict verdict;
    gate_check_stable(&gate, &before, &now, &verdict);
    assert_true(verdict.passed);
    now.ready = 1;
    gate_check_stable(&gate, &before, &now, &verdict);
    assert_false(verdict.passed);
    assert_string_equal(verdict.seen, "1 of 2 ready");
    now.ready = 2; // again, and yet
    now.instances[1].restarts = 1;
    snprintf(now.instances[1].last_end, sizeof now.instances[1].last_end, "exit 2");
    gate_check_stable(&gate, &before, &now, &verdict);
    assert_false(verdict.passed);
    assert_string_equal(verdict.seen, "instance 1 restarted: exit 2");
    assert_string_equal(verdict.wanted, "2 ready and no restart for 1s");
}

static void restarts_are_counted_of_all_instances_together(void **state)
{
    (void)state;
    struct gate_spec gate = {.kind = GATE_RESTARTS, .restarts_max = 2, .for_ms = 1000};
    struct set_state before = {.desired = 2, .ready = 2, .instance_count = 2};
    before.instances[0].restarts = 7;
    before.instances[1].index = 1;
    struct set_state now = before;
    struct gate_verdict verdict;
    gate_check_restarts(&gate, &before, &now, &verdict);
    assert_true(verdict.passed);
    assert_string_equal(verdict.seen, "none");
    assert_string_equal(verdict.wanted, "at most 2 in 1s");
    now.ready = 0; // that is not what it is about
    now.instances[0].restarts = 8;
    now.instances[1].restarts = 1;
    gate_check_restarts(&gate, &before, &now, &verdict);
    assert_true(verdict.passed);
    now.instances[0].restarts = 9;
    snprintf(now.instances[0].last_end, sizeof now.instances[0].last_end, "exit 2");
    gate_check_restarts(&gate, &before, &now, &verdict);
    assert_false(verdict.passed);
    assert_string_equal(verdict.seen, "3, most of instance 0: exit 2");
    // Another one in its place, and one more: all of theirs count.
    now.instances[0].restarts = 1;
    now.instances[2] = (struct instance){.index = 2, .restarts = 1};
    now.instance_count = 3;
    gate_check_restarts(&gate, &before, &now, &verdict);
    assert_false(verdict.passed);
    gate_check_stable(&gate, &before, &now, &verdict); // and for stable as well
    assert_false(verdict.passed);
}

// The prober.

static const char ping[] =
    "[{\"kind\":\"http\",\"path\":\"/ping\",\"status\":200,\"timeout_ms\":1500}]";

static void every_ready_instance_is_asked_and_the_verdicts_have_numbers(void **state)
{
    (void)state;
    static const struct http_answer script[] = {
        {"http://app:0/ping", 5, 200, {0}, ""}, {"http://app:1/ping", 10, 200, {0}, ""}, {0}};
    struct bench b;
    bench_start(&b, ping, script);
    bench_run(&b);
    assert_int_equal(b.status.state, GATE_PASSED);
    assert_int_equal(b.http.count, 2);
    assert_int_equal(b.http.timeout_ms, 1500);
    AUTO(value) struct value *verdicts = b.prober->ops->verdicts(b.prober);
    assert_int_equal(value_length(verdicts), 2);
    const struct value *v = value_at(verdicts, 1);
    assert_string_equal(value_get_str(v, "phase"), "before_switch");
    assert_string_equal(value_get_str(v, "gate"), "http /ping");
    assert_int_equal(value_get_int(v, "instance", -1), 1);
    assert_true(value_get_bool(v, "passed", false));
    assert_string_equal(value_get_str(v, "seen"), "status 200 in 10 ms");
    assert_true(value_get_int(v, "ms", -1) >= 10);
    bench_end(&b);
}

static void one_rejection_ends_the_phase_at_once(void **state)
{
    (void)state;
    // The second never answers; the stable gate would last an hour.
    static const struct http_answer script[] = {{"http://app:0/ping", 5, 500, {0}, ""}, {0}};
    struct bench b;
    bench_start(&b,
        "[{\"kind\":\"stable\",\"for_ms\":3600000},{\"kind\":\"log\",\"absent\":\"panic\"},"
        "{\"kind\":\"http\",\"path\":\"/ping\",\"status\":200,\"timeout_ms\":1500}]",
        script);
    bench_run(&b);
    assert_int_equal(b.status.state, GATE_REJECTED);
    assert_string_equal(
        b.status.reason, "http /ping on instance 0 (app:0): status 500; wanted: status 200");
    assert_int_equal(b.http.open, 0);
    assert_int_equal(b.target.log_reads, 0);
    bench_end(&b);
}

static void a_url_is_asked_once_whatever_the_instances(void **state)
{
    (void)state;
    static const struct http_answer script[] = {{"https://a.example/b?c=d", 5, 503, {0}, ""}, {0}};
    struct bench b;
    bench_start(&b,
        "[{\"kind\":\"http\",\"url\":\"https://a.example/"
        "b?c=d\",\"status\":200,\"timeout_ms\":1500}]",
        script);
    bench_run(&b);
    assert_int_equal(b.http.count, 1);
    assert_int_equal(b.status.state, GATE_REJECTED);
    assert_string_equal(
        b.status.reason, "http https://a.example/b: status 503; wanted: status 200");
    bench_end(&b);
}

static void a_dry_run_tells_its_verdict_and_rejects_nothing(void **state)
{
    (void)state;
    static const struct http_answer script[] = {
        {"http://app:0/new", 30, 404, {0}, ""}, {"http://app:1/new", 30, 200, {0}, ""}, {0}};
    static const char gates[] = "[{\"kind\":\"http\",\"dry_run\":true,\"path\":\"/new\",\"status\":"
                                "200,\"timeout_ms\":1500},"
                                "{\"kind\":\"stable\",\"for_ms\":10}]";
    struct bench b;
    bench_start(&b, gates, script);
    bench_run(&b);
    assert_int_equal(b.status.state, GATE_PASSED);
    AUTO(value) struct value *verdicts = b.prober->ops->verdicts(b.prober);
    assert_int_equal(value_length(verdicts), 3); // it was waited for
    const struct value *v = value_at(verdicts, 0);
    assert_string_equal(value_get_str(v, "gate"), "http /new (dry run)");
    assert_true(value_get_bool(v, "dry_run", false));
    assert_false(value_get_bool(v, "passed", true));
    assert_string_equal(value_get_str(v, "seen"), "status 404");
    assert_true(value_get_bool(value_at(verdicts, 1), "passed", false));
    assert_null(value_get(value_at(verdicts, 2), "dry_run"));
    b.target.restart_at = b.target.looks + 1; // what is no dry run still rejects
    bench_run(&b);
    assert_int_equal(b.status.state, GATE_REJECTED);
    bench_end(&b);
}

static void dry_runs_alone_do_not_need_an_instance(void **state)
{
    (void)state;
    struct bench b;
    bench_start(&b, "[{\"kind\":\"tcp\",\"dry_run\":true}]", NULL);
    struct set_state *set = &b.target.shown.sets[SET_NEW];
    set->ready = 0;
    for (size_t i = 0; i < set->instance_count; i++)
        set->instances[i].state = INSTANCE_DOWN;
    bench_run(&b);
    assert_int_equal(b.status.state, GATE_PASSED);
    AUTO(value) struct value *verdicts = b.prober->ops->verdicts(b.prober);
    assert_int_equal(value_length(verdicts), 1);
    assert_string_equal(value_get_str(value_at(verdicts, 0), "seen"), "no instance is ready");
    bench_end(&b);
}

static void no_answer_is_a_rejection(void **state)
{
    (void)state;
    static const struct http_answer script[] = {{"http://app:0/ping", 0, 200, {0}, ""},
        {"http://app:1/ping", 0, 0, {0}, "connection refused"}, {0}};
    struct bench b;
    bench_start(&b, ping, script);
    bench_run(&b);
    assert_int_equal(b.status.state, GATE_REJECTED);
    assert_string_equal(
        b.status.reason, "http /ping on instance 1 (app:1): connection refused; wanted: an answer");
    bench_end(&b);
}

static void the_log_is_searched_after_all_else_has_passed(void **state)
{
    (void)state;
    static const struct http_answer script[] = {
        {"http://app:0/ping", 5, 200, {0}, ""}, {"http://app:1/ping", 5, 200, {0}, ""}, {0}};
    static const char gates[] =
        "[{\"kind\":\"log\",\"absent\":\"panic\"},"
        "{\"kind\":\"http\",\"path\":\"/ping\",\"status\":200,\"timeout_ms\":1500}]";
    struct bench b;
    bench_start(&b, gates, script);
    b.target.log = "started\npanic: by the probe\n";
    bench_run(&b);
    assert_int_equal(b.target.log_reads, 1);
    assert_int_equal(b.status.state, GATE_REJECTED);
    assert_string_equal(b.status.reason,
        "log without \"panic\": \"panic: by the probe\"; wanted: no line like \"panic\"");
    b.target.log = "started\n";
    bench_run(&b); // the same prober again
    assert_int_equal(b.status.state, GATE_PASSED);
    bench_end(&b);
}

static void stable_watches_for_its_time(void **state)
{
    (void)state;
    struct bench b;
    bench_start(&b, "[{\"kind\":\"stable\",\"for_ms\":600}]", NULL);
    int64_t began = loop_now(b.loop);
    bench_run(&b);
    assert_int_equal(b.status.state, GATE_PASSED);
    assert_true(loop_now(b.loop) - began >= 600);
    assert_true(b.target.looks >= 3);
    b.target.restart_at = b.target.looks + 2;
    bench_run(&b);
    assert_int_equal(b.status.state, GATE_REJECTED);
    assert_non_null(strstr(b.status.reason, "instance 0 restarted"));
    b.target.blind_until = b.target.looks + 3; // a target that does not answer for a while
    bench_run(&b);
    assert_int_equal(b.status.state, GATE_PASSED);
    bench_end(&b);
}

// A socket on a free port of the loopback; *address becomes its "HOST:PORT".
static int listen_somewhere(bool accepting, char *address, size_t size)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    if (accepting)
        assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &length), 0);
    snprintf(address, size, "127.0.0.1:%d", ntohs(at.sin_port));
    return fd;
}

static void restarts_are_watched_for_their_time(void **state)
{
    (void)state;
    struct bench b;
    bench_start(&b, "[{\"kind\":\"restarts\",\"max\":0,\"for_ms\":600}]", NULL);
    b.target.shown.sets[SET_NEW].instances[0].restarts = 3; // before it began
    bench_run(&b);
    assert_int_equal(b.status.state, GATE_PASSED);
    assert_true(b.target.looks >= 3);
    b.target.restart_at = b.target.looks + 2;
    bench_run(&b);
    assert_int_equal(b.status.state, GATE_REJECTED);
    assert_string_equal(b.status.reason,
        "restarts at most 0 in 600ms: 1, most of instance 0; wanted: at most 0 in 600ms");
    bench_end(&b);
}

static const char check[] =
    "[{\"kind\":\"exec\",\"command\":[\"/app\",\"check\"],\"timeout_ms\":700}]";

static void a_command_is_looked_after_until_it_is_over(void **state)
{
    (void)state;
    static const struct target_exec_state fine[] = {
        {0}, {0}, {.over = true, .succeeded = true, .how = "exit 0", .last = "all \x1b[2J well"}};
    struct bench b;
    bench_start(&b, check, NULL);
    b.target.shown.sets[SET_NEW].instances[1].state = INSTANCE_DRAINING;
    b.target.execs = fine;
    b.target.blind_until = 2;
    bench_run(&b);
    assert_int_equal(b.status.state, GATE_PASSED);
    assert_int_equal(b.target.exec_looks, 5);
    assert_int_equal(b.target.execs_open, 0);
    assert_int_equal(b.target.exec.release, 2);
    assert_int_equal(b.target.exec.timeout_ms, 700);
    AUTO(value) struct value *verdicts = b.prober->ops->verdicts(b.prober);
    assert_string_equal(value_get_str(value_at(verdicts, 0), "seen"), "exit 0: all ?[2J well");
    bench_end(&b);
}

static void a_command_that_fails_rejects(void **state)
{
    (void)state;
    static const struct target_exec_state bad[] = {
        {.over = true, .how = "killed after 700ms", .last = ""}};
    struct bench b;
    bench_start(&b, check, NULL);
    b.target.execs = bad;
    bench_run(&b);
    assert_string_equal(b.status.reason,
        "exec /app check on instance 0 (app:0): killed after 700ms; wanted: exit 0");
    assert_int_equal(b.target.execs_open, 0);
    struct target_ops ops = *b.target.target.ops;
    ops.exec = NULL;
    ops.name = "other";
    b.target.target.ops = &ops;
    bench_run(&b);
    assert_non_null(strstr(b.status.reason, "target other runs no commands for gates"));
    bench_end(&b);
}

static void tcp_connects_to_real_sockets(void **state)
{
    (void)state;
    struct bench b;
    bench_start(&b, "[{\"kind\":\"tcp\"}]", NULL);
    struct instance *instances = b.target.shown.sets[SET_NEW].instances;
    AUTO_FD int first = listen_somewhere(true, instances[0].address, sizeof instances[0].address);
    AUTO_FD int second = listen_somewhere(true, instances[1].address, sizeof instances[1].address);
    bench_run(&b);
    assert_int_equal(b.status.state, GATE_PASSED);
    AUTO_FD int deaf = listen_somewhere(false, instances[1].address, sizeof instances[1].address);
    bench_run(&b);
    assert_int_equal(b.status.state, GATE_REJECTED);
    assert_non_null(strstr(b.status.reason, "Connection refused; wanted: a connection"));
    snprintf(instances[1].address, sizeof instances[1].address, "nowhere");
    bench_run(&b);
    assert_int_equal(b.status.state, GATE_REJECTED);
    assert_non_null(strstr(b.status.reason, "\"nowhere\" is not HOST:PORT"));
    bench_end(&b);
}

static void a_phase_without_gates_passes_and_one_without_instances_does_not(void **state)
{
    (void)state;
    struct bench b;
    bench_start(&b, "[]", NULL);
    bench_run(&b);
    assert_int_equal(b.status.state, GATE_PASSED);
    b.target.shown.sets[SET_NEW].ready = 0;
    check_error(b.prober->ops->start(b.prober, GATE_BEFORE_SWITCH, SET_NEW, &b.target.shown, &err),
        ERR_FAILED, "no instance is ready");
    bench_end(&b);
}

static void stopping_cancels_what_runs(void **state)
{
    (void)state;
    struct bench b;
    bench_start(&b, ping, NULL);
    check_ok(b.prober->ops->start(b.prober, GATE_BEFORE_SWITCH, SET_NEW, &b.target.shown, &err));
    assert_int_equal(b.http.open, 2);
    b.prober->ops->stop(b.prober);
    b.prober->ops->stop(b.prober);
    assert_int_equal(b.http.open, 0);
    bench_end(&b);
}

TEST_MAIN(cmocka_unit_test(gates_survive_being_stored),
    cmocka_unit_test(gates_that_make_no_sense_are_refused),
    cmocka_unit_test(an_answer_is_what_the_gate_wants_or_not),
    cmocka_unit_test(a_log_is_searched_line_by_line),
    cmocka_unit_test(restarts_are_counted_of_all_instances_together),
    cmocka_unit_test(restarts_are_watched_for_their_time),
    cmocka_unit_test(stable_is_all_ready_and_no_restart),
    cmocka_unit_test(every_ready_instance_is_asked_and_the_verdicts_have_numbers),
    cmocka_unit_test(one_rejection_ends_the_phase_at_once),
    cmocka_unit_test(a_url_is_asked_once_whatever_the_instances),
    cmocka_unit_test(a_dry_run_tells_its_verdict_and_rejects_nothing),
    cmocka_unit_test(dry_runs_alone_do_not_need_an_instance),
    cmocka_unit_test(no_answer_is_a_rejection),
    cmocka_unit_test(the_log_is_searched_after_all_else_has_passed),
    cmocka_unit_test(stable_watches_for_its_time),
    cmocka_unit_test(a_command_is_looked_after_until_it_is_over),
    cmocka_unit_test(a_command_that_fails_rejects), cmocka_unit_test(tcp_connects_to_real_sockets),
    cmocka_unit_test(a_phase_without_gates_passes_and_one_without_instances_does_not),
    cmocka_unit_test(stopping_cancels_what_runs))
