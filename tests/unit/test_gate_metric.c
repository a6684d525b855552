#include "support/check.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/gate_metric.h"
#include "net/http_curl.h"
#include "os/file.h"
#include "support/daemon.h"
#include "support/directory.h"
#include "support/gate_bench.h"
#include "support/tcp_server.h"

// Answers.

#define VECTOR(series)                                                                             \
    "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[" series "]}}"
#define ONE(labels, number) "{\"metric\":{" labels "},\"value\":[1.5,\"" number "\"]}"

static const struct {
    const char *min, *max;
    int status;
    const char *body;
    enum metric_kind kind;
    const char *text;
} answers[] = {
    // One number.
    {NULL, "0.01", 200, VECTOR(ONE("", "0.01")), METRIC_GOOD, "0.01"},
    {NULL, "0.01", 200, VECTOR(ONE("", "0.0100001")), METRIC_BAD, "0.0100001"},
    {"1", NULL, 200, VECTOR(ONE("", "1")), METRIC_GOOD, "1"},
    {"1", NULL, 200, VECTOR(ONE("", "0.9")), METRIC_BAD, "0.9"},
    {"1", "2", 200, VECTOR(ONE("", "2.5")), METRIC_BAD, "2.5"},
    {"1", "2", 200, VECTOR(ONE("", "0.5")), METRIC_BAD, "0.5"},
    {"1", "2", 200, VECTOR(ONE("", "1.5e0")), METRIC_GOOD, "1.5e0"},
    {NULL, "1", 200, VECTOR(ONE("", "+Inf")), METRIC_BAD, "+Inf"},
    {NULL, "1", 200, VECTOR(ONE("", "-Inf")), METRIC_GOOD, "-Inf"},
    {"1", "2", 200, VECTOR(ONE("", "-Inf")), METRIC_BAD, "-Inf"},
    {"1", NULL, 200, VECTOR(ONE("", "+Inf")), METRIC_GOOD, "+Inf"},
    {NULL, "1", 200,
        "{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":[1.5,\"7\"]}}",
        METRIC_BAD, "7"},
    {NULL, "1", 200,
        "{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":[1.5,\"NaN\"]}}",
        METRIC_NO_DATA, "NaN"},
    // Of several the worst is named.
    {NULL, "1", 200,
        VECTOR(ONE("\"pod\":\"a\"", "0.5") "," ONE(
            "\"__name__\":\"errs\",\"pod\":\"b\",\"x\":\"y\"", "3") "," ONE("\"pod\":\"c\"", "2")),
        METRIC_BAD, "3 of errs{pod=\"b\",x=\"y\"}, the worst of 3 series"},
    {"1", NULL, 200, VECTOR(ONE("\"pod\":\"a\"", "5") "," ONE("\"pod\":\"b\"", "4")), METRIC_GOOD,
        "4 of {pod=\"b\"}, the worst of 2 series"},
    {NULL, "1", 200, VECTOR(ONE("\"__name__\":\"up\"", "1")), METRIC_GOOD, "1 of up"},
    {NULL, "1", 200, VECTOR(ONE("\"pod\":\"\\u001b[2J\"", "9")), METRIC_BAD, "9 of {pod=\"?[2J\"}"},
    // No data is worse than good, and better than bad.
    {NULL, "1", 200, VECTOR(""), METRIC_NO_DATA, "the answer is empty"},
    {NULL, "1", 200, VECTOR(ONE("\"pod\":\"a\"", "0.5") "," ONE("\"pod\":\"b\"", "NaN")),
        METRIC_NO_DATA, "NaN of {pod=\"b\"}, the worst of 2 series"},
    {NULL, "1", 200, VECTOR(ONE("\"pod\":\"a\"", "NaN") "," ONE("\"pod\":\"b\"", "2")), METRIC_BAD,
        "2 of {pod=\"b\"}, the worst of 2 series"},
    // What is no answer.
    {NULL, "1", 400,
        "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"parse error: unclosed\"}",
        METRIC_ERROR, "bad_data: parse error: unclosed"},
    {NULL, "1", 200, "{\"status\":\"error\"}", METRIC_ERROR, "error: it does not say why"},
    {NULL, "1", 503, "Service Unavailable", METRIC_ERROR, "status 503"},
    {NULL, "1", 503, VECTOR(ONE("", "0")), METRIC_ERROR, "status 503"},
    {NULL, "1", 200, "<html>", METRIC_ERROR, "this is no answer of a Prometheus: bad JSON"},
    {NULL, "1", 200, "", METRIC_ERROR, "this is no answer of a Prometheus: bad JSON"},
    {NULL, "1", 200, "{}", METRIC_ERROR, "this is no answer of a Prometheus: no \"status\" in it"},
    {NULL, "1", 200, "[]", METRIC_ERROR, "this is no answer of a Prometheus"},
    {NULL, "1", 200, "{\"status\":\"success\"}", METRIC_ERROR, "holds no result"},
    {NULL, "1", 200, "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\"}}", METRIC_ERROR,
        "the query gives a vector, not numbers"},
    {NULL, "1", 200, "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[]}}",
        METRIC_ERROR, "the query gives a matrix, not numbers of one moment"},
    {NULL, "1", 200, VECTOR("{\"metric\":{},\"histogram\":[1,{}]}"), METRIC_ERROR,
        "the query gives histograms"},
    {NULL, "1", 200, VECTOR("{\"metric\":{}}"), METRIC_ERROR, "has no number"},
    {NULL, "1", 200, VECTOR("7"), METRIC_ERROR, "has no number"},
    {NULL, "1", 200, VECTOR("{\"metric\":{},\"value\":[1,2]}"), METRIC_ERROR, "has no number"},
    {NULL, "1", 200, VECTOR(ONE("", "0x1")), METRIC_ERROR, "has no number"},
    {NULL, "1", 200, VECTOR(ONE("", "1 ")), METRIC_ERROR, "has no number"},
    {NULL, "1", 200, VECTOR(ONE("", "")), METRIC_ERROR, "has no number"},
    {NULL, "1", 200, VECTOR(ONE("", "nan")), METRIC_ERROR, "has no number"},
};

static void an_answer_is_good_bad_or_none(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        struct gate_spec gate = {.kind = GATE_PROMETHEUS,
            .min = (char *)(uintptr_t)answers[i].min,
            .max = (char *)(uintptr_t)answers[i].max};
        struct http_response response = {.status = answers[i].status};
        str_init(&response.body, 4000);
        str_puts(&response.body, answers[i].body);
        struct metric_sample sample;
        metric_read(&gate, &response, &sample);
        if (sample.kind != answers[i].kind || !strstr(sample.text, answers[i].text) ||
            (sample.kind != METRIC_ERROR && strcmp(sample.text, answers[i].text) != 0))
            fail_msg("%s: %d: %s", answers[i].body, (int)sample.kind, sample.text);
        str_done(&response.body);
    }
}

static void a_redirect_is_an_error_that_says_where_it_leads(void **state)
{
    (void)state;
    struct gate_spec gate = {.kind = GATE_PROMETHEUS};
    struct http_response response = {.status = 302};
    str_init(&response.body, 100);
    strv_push(&response.headers, "location: https://login.example/?back=x");
    struct metric_sample sample;
    metric_read(&gate, &response, &sample);
    assert_string_equal(sample.text, "status 302, to https://login.example/");
    strv_done(&response.headers);
    str_done(&response.body);
}

// Sample by sample.

// A sample a second: g good, b bad, n no data, e error. Each is answered by: . again, h hold, P
// passed, R rejected.
static const struct {
    enum no_data no_data;
    int for_s;
    const char *samples, *wanted, *seen;
} windows[] = {
    {NO_DATA_HOLD, 0, "g", "P", "1"},
    {NO_DATA_HOLD, 0, "b", "R", "9"},
    {NO_DATA_HOLD, 3, "gggg", "...P", "at worst 1, in 4 samples"},
    {NO_DATA_HOLD, 3, "ggb", "..R", "9, in sample 3"},
    // hold: what held before is forgotten.
    {NO_DATA_HOLD, 0, "nnng", "hhhP", "1"},
    {NO_DATA_HOLD, 2, "ggnggg", "..h..P", "at worst 1, in 3 samples"},
    {NO_DATA_HOLD, 0, "nb", "hR", "9, in sample 2"},
    {NO_DATA_HOLD, 0, "n", "h", "no data: none"},
    {NO_DATA_PASS, 0, "n", "P", "no data: none"},
    {NO_DATA_PASS, 2, "ngn", "..P", "at worst 1, in 3 samples"},
    {NO_DATA_PASS, 2, "nnn", "..P", "at worst no data: none, in 3 samples"},
    {NO_DATA_PASS, 2, "nb", ".R", "9, in sample 2"},
    {NO_DATA_FAIL, 2, "gn", ".R", "no data: none"},
    // Four errors in a row are endured, five are not; they neither hold nor break what holds.
    {NO_DATA_HOLD, 0, "eeeeg", "....P", "1"},
    {NO_DATA_HOLD, 0, "eeeee", "....R", "5 errors in a row: refused"},
    {NO_DATA_HOLD, 9, "geeeegeeeeg", "..........P", "at worst 1, in 3 samples"},
    {NO_DATA_HOLD, 3, "geeee", ".....", "refused"},
    {NO_DATA_HOLD, 3, "geeeeg", ".....P", "at worst 1, in 2 samples"},
    {NO_DATA_HOLD, 0, "neenee", "hhhhhh", "refused"},
    {NO_DATA_HOLD, 0, "neeeee", "hhhhhR", "5 errors in a row: refused"},
};

static struct metric_sample sample_of(char letter)
{
    struct metric_sample sample = {0};
    switch (letter) {
    case 'g':
        sample = (struct metric_sample){METRIC_GOOD, 1, "1"};
        break;
    case 'b':
        sample = (struct metric_sample){METRIC_BAD, -7, "9"};
        break;
    case 'n':
        sample = (struct metric_sample){METRIC_NO_DATA, 0, "none"};
        break;
    default:
        metric_error("refused", &sample);
    }
    return sample;
}

static void samples_hold_for_their_time(void **state)
{
    (void)state;
    char bound[] = "2";
    for (size_t i = 0; i < ARRAY_LEN(windows); i++) {
        struct gate_spec gate = {.kind = GATE_PROMETHEUS,
            .max = bound,
            .no_data = windows[i].no_data,
            .for_ms = windows[i].for_s * 1000};
        struct metric_window w = {0};
        struct gate_verdict verdict;
        for (size_t k = 0; windows[i].samples[k]; k++) {
            struct metric_sample sample = sample_of(windows[i].samples[k]);
            int64_t now = 5000 + (int64_t)k * 1000;
            enum metric_next next = metric_take(&gate, &w, &sample, now, &verdict);
            char seen = next == METRIC_AGAIN  ? '.'
                        : next == METRIC_HOLD ? 'h'
                        : verdict.passed      ? 'P'
                                              : 'R';
            assert_int_equal(verdict.held, next == METRIC_HOLD);
            if (seen != windows[i].wanted[k])
                fail_msg(
                    "%s of %s: sample %zu: %c", windows[i].samples, windows[i].wanted, k + 1, seen);
        }
        if (strcmp(verdict.seen, windows[i].seen) != 0)
            fail_msg("%s: seen: %s", windows[i].samples, verdict.seen);
    }
}

static void the_worst_sample_is_what_is_told(void **state)
{
    (void)state;
    char bound[] = "2";
    struct gate_spec gate = {.kind = GATE_PROMETHEUS, .max = bound, .for_ms = 2000};
    struct metric_window w = {0};
    struct gate_verdict verdict;
    const struct metric_sample samples[] = {
        {METRIC_GOOD, 1, "1"}, {METRIC_GOOD, 0.1, "1.9"}, {METRIC_GOOD, 2, "0"}};
    for (int i = 0; i < 3; i++)
        metric_take(&gate, &w, &samples[i], i * 1000, &verdict);
    assert_true(verdict.passed);
    assert_string_equal(verdict.seen, "at worst 1.9, in 3 samples");
    assert_string_equal(verdict.wanted, "at most 2 for 2s");
}

// The prober.

#define URL "http://prom:9090/x/api/v1/query?query=sum%28a%7Bb%3D%22c%22%7D%29"
#define GATE(more)                                                                                 \
    "{\"kind\":\"prometheus\",\"url\":\"http://prom:9090/x/\",\"query\":\"sum(a{b=\\\"c\\\"})\","  \
    "\"max\":\"1\",\"interval_ms\":20,\"timeout_ms\":1500" more "}"

static void a_query_is_asked_again_until_it_has_held(void **state)
{
    (void)state;
    static const struct http_answer script[] = {{URL, 1, 200, {0}, VECTOR(ONE("", "0.5"))}, {0}};
    struct bench b;
    bench_start(&b, "[" GATE(",\"for_ms\":100") "]", script);
    bench_run(&b);
    assert_int_equal(b.status.state, GATE_PASSED);
    assert_in_range(b.http.count, 3, 7);
    assert_int_equal(b.http.timeout_ms, 1500);
    AUTO(value) struct value *verdicts = b.prober->ops->verdicts(b.prober);
    const struct value *v = value_at(verdicts, 0);
    assert_string_equal(
        value_get_str(v, "gate"), "prometheus \"sum(a{b=\"c\"})\" at most 1 for 100ms");
    assert_non_null(strstr(value_get_str(v, "seen"), "at worst 0.5, in "));
    assert_true(value_get_int(v, "ms", 0) >= 100);
    bench_end(&b);
}

static void the_first_bad_number_ends_it(void **state)
{
    (void)state;
    static const struct http_answer script[] = {{URL, 1, 200, {0}, VECTOR(ONE("", "0.5"))},
        {URL, 1, 0, {0}, "connection reset"}, {URL, 1, 200, {0}, VECTOR(ONE("\"pod\":\"b\"", "2"))},
        {0}};
    struct bench b;
    bench_start(&b, "[" GATE(",\"for_ms\":10000") "]", script);
    bench_run(&b);
    assert_int_equal(b.status.state, GATE_REJECTED);
    assert_string_equal(b.status.reason,
        "prometheus \"sum(a{b=\"c\"})\" at most 1 for 10s: 2 of {pod=\"b\"}, in sample 3; wanted: "
        "at most 1 for 10s");
    bench_end(&b);
}

static void without_data_it_is_held_until_there_is_some(void **state)
{
    (void)state;
    static const struct http_answer script[] = {{URL, 1, 200, {0}, VECTOR("")},
        {URL, 1200, 200, {0}, VECTOR("")}, {URL, 1, 200, {0}, VECTOR(ONE("", "0.5"))}, {0}};
    struct bench b;
    bench_start(&b, "[" GATE("") ",{\"kind\":\"log\",\"absent\":\"panic\"}]", script);
    bench_run(&b);
    assert_int_equal(b.status.state, GATE_HELD);
    assert_non_null(strstr(b.status.reason, "no data: the answer is empty; wanted: at most 1"));
    assert_int_equal(b.target.log_reads, 1); // all that can be said has been said
    AUTO(value) struct value *verdicts = b.prober->ops->verdicts(b.prober);
    assert_true(value_get_bool(value_at(verdicts, 0), "held", false));
    assert_false(value_get_bool(value_at(verdicts, 0), "passed", true));
    bench_go_on(&b);
    assert_int_equal(b.status.state, GATE_PASSED);
    assert_int_equal(b.target.log_reads, 2); // what came meanwhile is in the log
    AUTO(value) struct value *after = b.prober->ops->verdicts(b.prober);
    assert_null(value_get(value_at(after, 0), "held"));
    bench_end(&b);
}

static void held_it_may_still_reject(void **state)
{
    (void)state;
    static const struct http_answer script[] = {
        {URL, 1, 200, {0}, VECTOR("")}, {URL, 1, 200, {0}, VECTOR(ONE("", "5"))}, {0}};
    struct bench b;
    bench_start(&b, "[" GATE("") "]", script);
    bench_run(&b);
    if (b.status.state == GATE_HELD)
        bench_go_on(&b);
    assert_int_equal(b.status.state, GATE_REJECTED);
    bench_end(&b);
}

static void a_dry_run_holds_nobody_up(void **state)
{
    (void)state;
    static const struct http_answer script[] = {{URL, 1, 200, {0}, VECTOR("")}, {0}};
    struct bench b;
    bench_start(&b, "[" GATE(",\"dry_run\":true") "]", script);
    bench_run(&b);
    assert_int_equal(b.status.state, GATE_PASSED);
    assert_int_equal(b.http.count, 1);
    AUTO(value) struct value *verdicts = b.prober->ops->verdicts(b.prober);
    assert_true(value_get_bool(value_at(verdicts, 0), "held", false));
    bench_end(&b);
}

// A real Prometheus, and what it scrapes.

struct real {
    struct bench bench;
    struct tcp_server exporter;
    struct daemon prometheus;
    char *metrics; // the file that the exporter shows
    const char *directory;
    char address[40];
    struct http_client *http;
};

static bool export(int connection, const char *request, void *arg)
{
    AUTO(str) struct str text;
    (void)request;
    str_init(&text, 10000);
    if (file_read(AT_FDCWD, arg, &text, NULL) < 0)
        return false;
    tcp_reply(connection, "200 OK", "Content-Type: text/plain\r\n", text.data);
    return true;
}

static void show_metrics(struct real *r, const char *text)
{
    check_ok(file_replace(AT_FDCWD, r->metrics, 0644, text, strlen(text), &err));
}

static void real_start(struct real *r, const char *directory, const char *metrics)
{
    *r = (struct real){.directory = directory, .metrics = mem_printf("%s/metrics", directory)};
    show_metrics(r, metrics);
    tcp_server_start(&r->exporter, export, r->metrics);
    AUTO_FREE char *config = mem_printf("%s/prometheus.yml", directory);
    AUTO_FREE char *text = mem_printf("scrape_configs:\n"
                                      "  - job_name: app\n"
                                      "    scrape_interval: 100ms\n"
                                      "    scrape_timeout: 100ms\n"
                                      "    static_configs: [{targets: ['127.0.0.1:%d']}]\n",
        r->exporter.port);
    check_ok(file_replace(AT_FDCWD, config, 0644, text, strlen(text), &err));
    const char *argv[] = {"/usr/bin/prometheus", "--config.file=prometheus.yml",
        "--storage.tsdb.path=data", "--web.listen-address=127.0.0.1:0", NULL};
    AUTO_FREE char *line = daemon_start(&r->prometheus, argv, directory, "Listening on");
    const char *address = strstr(line, "address=");
    assert_non_null(address);
    assert_int_equal(sscanf(address, "address=%39s", r->address), 1);
}

static void real_gates(struct real *r, const char *query, const char *more)
{
    AUTO_FREE char *gates = mem_printf(
        "[{\"kind\":\"prometheus\",\"url\":\"http://%s\",\"query\":\"%s\",\"interval_ms\":150,"
        "\"timeout_ms\":5000,%s}]",
        r->address, query, more);
    bench_start(&r->bench, gates, NULL);
    r->http = http_curl_new(r->bench.loop, NULL);
    assert_non_null(r->http);
    prober_free(r->bench.prober);
    r->bench.prober =
        prober_new(r->bench.loop, r->http, &r->bench.target.target, &r->bench.gates, NULL);
    bench_listen(&r->bench);
    bench_run(&r->bench);
}

static void real_gates_end(struct real *r)
{
    r->bench.prober->ops->stop(r->bench.prober);
    http_client_free(r->http);
    bench_end(&r->bench);
}

static void real_end(struct real *r)
{
    daemon_stop(&r->prometheus);
    tcp_server_stop(&r->exporter);
    free(r->metrics);
}

static const char two_pods[] = "errors{pod=\"a\"} 0.2\nerrors{pod=\"b\"} 0.7\nidle NaN\n";

static void a_real_one_is_asked(void **state)
{
    struct real r;
    real_start(&r, *state, two_pods);
    real_gates(&r, "errors{job=\\\"app\\\"}", "\"max\":\"0.7\",\"for_ms\":500");
    if (r.bench.status.state == GATE_HELD) // before its first scrape
        bench_go_on(&r.bench);
    assert_int_equal(r.bench.status.state, GATE_PASSED);
    AUTO(value) struct value *verdicts = r.bench.prober->ops->verdicts(r.bench.prober);
    const char *seen = value_get_str(value_at(verdicts, 0), "seen");
    if (!strstr(seen, "at worst 0.7 of errors{instance=\"127.0.0.1:") ||
        !strstr(seen, ", the worst of 2 series, in "))
        fail_msg("%s", seen);
    real_gates_end(&r);

    real_gates(&r, "sum(errors) by (pod)", "\"max\":\"0.5\"");
    assert_int_equal(r.bench.status.state, GATE_REJECTED);
    assert_non_null(strstr(r.bench.status.reason, ": 0.7 of {pod=\"b\"}, the worst of 2 series; "));
    real_gates_end(&r);

    real_gates(&r, "scalar(sum(errors))", "\"min\":\"0.8\"");
    assert_int_equal(r.bench.status.state, GATE_PASSED);
    real_gates_end(&r);

    real_gates(&r, "idle", "\"max\":\"1\"");
    assert_int_equal(r.bench.status.state, GATE_HELD);
    assert_non_null(strstr(r.bench.status.reason, "no data: NaN of idle{"));
    real_gates_end(&r);

    real_gates(&r, "idle", "\"max\":\"1\",\"no_data\":\"fail\"");
    assert_int_equal(r.bench.status.state, GATE_REJECTED);
    real_gates_end(&r);

    real_gates(&r, "errors[1m]", "\"max\":\"1\"");
    assert_int_equal(r.bench.status.state, GATE_REJECTED);
    assert_non_null(
        strstr(r.bench.status.reason, "5 errors in a row: the query gives a matrix, not numbers"));
    real_gates_end(&r);

    real_gates(&r, "sum(", "\"max\":\"1\"");
    assert_int_equal(r.bench.status.state, GATE_REJECTED);
    assert_non_null(strstr(r.bench.status.reason, "5 errors in a row: bad_data: "));
    real_gates_end(&r);
    real_end(&r);
}

static void data_that_come_later_are_waited_for(void **state)
{
    struct real r;
    real_start(&r, *state, "other 1\n");
    real_gates(&r, "late", "\"max\":\"1\"");
    assert_int_equal(r.bench.status.state, GATE_HELD);
    show_metrics(&r, "late 0.25\n");
    bench_go_on(&r.bench);
    assert_int_equal(r.bench.status.state, GATE_PASSED);
    real_gates_end(&r);
    real_end(&r);
}

static void on_kill(struct loop_timer *timer)
{
    daemon_stop(timer->arg);
}

static void one_that_dies_in_the_middle_rejects_after_five_errors(void **state)
{
    struct real r;
    struct loop_timer later = {0};
    real_start(&r, *state, two_pods);
    real_gates(&r, "errors > 9", "\"max\":\"1\""); // until it has loaded what it stores
    assert_int_equal(r.bench.status.state, GATE_HELD);
    loop_timer_start(r.bench.loop, &later, loop_now(r.bench.loop), on_kill, &r.prometheus);
    bench_go_on(&r.bench);
    assert_int_equal(r.bench.status.state, GATE_REJECTED);
    assert_non_null(strstr(r.bench.status.reason, "5 errors in a row: "));
    loop_timer_stop(&later);
    real_gates_end(&r);
    tcp_server_stop(&r.exporter);
    free(r.metrics);
}

TEST_MAIN(cmocka_unit_test(an_answer_is_good_bad_or_none),
    cmocka_unit_test(a_redirect_is_an_error_that_says_where_it_leads),
    cmocka_unit_test(samples_hold_for_their_time),
    cmocka_unit_test(the_worst_sample_is_what_is_told),
    cmocka_unit_test(a_query_is_asked_again_until_it_has_held),
    cmocka_unit_test(the_first_bad_number_ends_it),
    cmocka_unit_test(without_data_it_is_held_until_there_is_some),
    cmocka_unit_test(held_it_may_still_reject), cmocka_unit_test(a_dry_run_holds_nobody_up),
    in_directory(a_real_one_is_asked), in_directory(data_that_come_later_are_waited_for),
    in_directory(one_that_dies_in_the_middle_rejects_after_five_errors))
