// What the client makes of a server that misbehaves. Tests that begin with a number are the rows of
// the faults that it must survive.
#include "support/check.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "kube/client_private.h"
#include "kube/watch_private.h"
#include "os/clock.h"
#include "support/kube_lab.h"
#include "support/kube_script.h"

#define POD(name) "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"" name "\"}}"
#define STATUS(code)                                                                               \
    "{\"kind\":\"Status\",\"status\":\"Failure\",\"message\":\"because\",\"code\":" code "}"
#define NO_WAIT   "Retry-After: 0\r\n"
#define GET_WEB   "GET /api/v1/namespaces/shop/pods/web HTTP/1.1\r\n"
#define PATCH_WEB "PATCH /api/v1/namespaces/shop/pods/web?fieldManager=davit"
#define POST_POD  "POST /api/v1/namespaces/shop/pods?fieldManager=davit"

static int get(struct kube_script *s, struct value **ret, struct error *err)
{
    return kube_get(s->client, &kube_pods, "shop", "web", ret, err);
}

static int patch(struct kube_script *s, struct error *err)
{
    AUTO(value) struct value *operations = value_list();
    kube_patch_row(operations, "add", value_string("x"), "metadata", "labels", "a", NULL);
    return kube_patch(s->client, &kube_pods, "shop", "web", operations, NULL, err);
}

static int create(struct kube_script *s, struct error *err)
{
    AUTO(value) struct value *object = value_map();
    return kube_create(s->client, &kube_pods, "shop", object, NULL, err);
}

static void check_got(struct kube_script *s)
{
    AUTO(value) struct value *pod = NULL;
    check_ok(get(s, &pod, &err));
    assert_string_equal(kube_name(pod), "web");
}

// --- pure ---

static void when_a_request_is_sent_once_more(void **state)
{
    (void)state;
    static const struct {
        struct kube_attempt attempt;
        int64_t wait_ms;
    } rows[] = {
        {{"GET", 1, .retry_after_ms = -1}, 50},
        {{"GET", 5, .retry_after_ms = -1}, 800},
        {{"GET", 6, .retry_after_ms = -1}, -1},
        {{"GET", 1, .timed_out = true, .retry_after_ms = -1}, -1},
        {{"POST", 1, .retry_after_ms = -1}, -1},
        {{"PATCH", 1, .retry_after_ms = -1}, -1},
        {{"DELETE", 1, .retry_after_ms = -1}, -1},
        {{"GET", 1, .answered = true, .status = 429, .retry_after_ms = 3000}, 3000},
        {{"PATCH", 10, .answered = true, .status = 429, .retry_after_ms = 3000}, 3000},
        {{"GET", 11, .answered = true, .status = 429, .retry_after_ms = 3000}, -1},
        {{"GET", 1, .answered = true, .status = 429, .retry_after_ms = -1}, -1},
        {{"GET", 1, .answered = true, .status = 429, .retry_after_ms = 61000}, -1},
        {{"POST", 1, .answered = true, .status = 503, .retry_after_ms = 0}, 0},
        {{"GET", 1, .answered = true, .status = 500, .retry_after_ms = 1000}, 1000},
        {{"POST", 1, .answered = true, .status = 500, .retry_after_ms = 1000}, -1},
        {{"PATCH", 1, .answered = true, .status = 504, .retry_after_ms = 1000}, -1},
        {{"GET", 1, .answered = true, .status = 404, .retry_after_ms = 1000}, -1},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (kube_retry_wait(&rows[i].attempt) != rows[i].wait_ms)
            fail_msg("row %zu: %lld", i, (long long)kube_retry_wait(&rows[i].attempt));
}

static void how_long_a_watch_backs_off(void **state)
{
    (void)state;
    static const struct {
        int64_t at_ms, wait_ms;
    } rows[] = {{1000000, 800}, {1000800, 1600}, {1003000, 3200}, {1007000, 6400}, {1014000, 12800},
        {1027000, 25600}, {1053000, 30000}, {1083000, 30000}, {1083000 + 119999, 30000},
        {1083000 + 119999 + 120000, 800}, {1323000, 1600}};
    struct kube_troubles troubles = {0};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(
            kube_back_off(&troubles, &kube_watch_times, rows[i].at_ms), rows[i].wait_ms);
}

static void messages_begin_with_what_was_asked(void **state)
{
    (void)state;
    static const struct {
        const char *path, *asked;
    } rows[] = {
        {"/api/v1/namespaces/shop/pods/web?x=/y", "GET pods/web"},
        {"/api/v1/namespaces/shop/pods/web/log?follow=1", "GET pods/web/log"},
        {"/apis/apps/v1/namespaces/shop/deployments", "GET deployments"},
        {"/apis/apps/v1/deployments?limit=1", "GET deployments"},
        {"/api/v1/namespaces/shop", "GET namespaces/shop"},
        {"/api/v1/namespaces", "GET namespaces"},
        {"/apis/apps/v1", "GET /apis/apps/v1"},
        {"/api/v1", "GET /api/v1"},
        {"/version", "GET /version"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_FREE char *asked = kube_asked("GET", rows[i].path);
        assert_string_equal(asked, rows[i].asked);
    }
}

// --- faults ---

static void fault_03_an_old_continue_lists_all_in_one_piece(void **state)
{
    static const struct kube_row rows[] = {
        {"GET /api/v1/namespaces/shop/pods?labelSelector=a%3Db&limit=500 HTTP",
            .body = "{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":"
                    "\"5\",\"continue\":\"t/1\"},\"items\":[{\"metadata\":{\"name\":\"old\"}}]}"},
        {"GET /api/v1/namespaces/shop/pods?labelSelector=a%3Db&limit=500&continue=t%2F1 HTTP",
            .status = "410 Gone", .body = STATUS("410")},
        {"GET /api/v1/namespaces/shop/pods?labelSelector=a%3Db HTTP",
            .body = "{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":"
                    "\"9\"},\"items\":[{\"metadata\":{\"name\":\"new\"}}]}"},
        {0}};
    struct kube_script *s = *state;
    AUTO(value) struct value *items = NULL;
    kube_script_start(s, rows);
    check_ok(kube_list(s->client, &kube_pods, "shop", "a=b", &items, &err));
    assert_int_equal(value_length(items), 1);
    assert_string_equal(kube_name(value_at(items, 0)), "new");
    assert_string_equal(value_get_str(value_at(items, 0), "kind"), "Pod");
    assert_string_equal(value_get_str(value_at(items, 0), "apiVersion"), "v1");
}

static void fault_13_429_waits_as_long_as_the_server_asks(void **state)
{
    static const struct kube_row rows[] = {
        {GET_WEB, "429 Too Many Requests", "Retry-After: 1\r\n", .body = STATUS("429")},
        {GET_WEB, .body = POD("web")}, {0}};
    struct kube_script *s = *state;
    int64_t began = clock_monotonic_ms();
    kube_script_start(s, rows);
    check_got(s);
    assert_true(clock_monotonic_ms() - began >= 1000);
    assert_int_equal(kube_client_requests(s->client), 2);
}

static void fault_14_429_that_names_no_time_is_the_callers(void **state)
{
    static const struct kube_row rows[] = {
        {GET_WEB, "429 Too Many Requests", .body = STATUS("429")}, {0}};
    struct kube_script *s = *state;
    struct error why = {0};
    kube_script_start(s, rows);
    assert_int_equal(get(s, NULL, &why), -1);
    check_kind(&why, ERR_REMOTE, "GET pods/web: HTTP 429: because", "get");
    assert_true(why.retryable);
    assert_int_equal(why.http_status, 429);
}

static void fault_15_503_is_retried_when_the_server_asks_for_it(void **state)
{
    static const struct kube_row rows[] = {
        {GET_WEB, "503 Service Unavailable", NO_WAIT, .body = STATUS("503")},
        {GET_WEB, .body = POD("web")},
        {POST_POD, "503 Service Unavailable", NO_WAIT, .body = "no Status"},
        {POST_POD, "201 Created", .body = POD("web")}, {0}};
    struct kube_script *s = *state;
    kube_script_start(s, rows);
    check_got(s);
    check_ok(create(s, &err));
}

static void fault_16_500_is_not_retried_and_least_of_all_for_a_write(void **state)
{
    static const struct kube_row rows[] = {
        {GET_WEB, "500 Internal Server Error", .body = "<html>\n<b>went wrong</b>\n"},
        {POST_POD, "500 Internal Server Error", .body = STATUS("500")},
        {POST_POD, "500 Internal Server Error", NO_WAIT, .body = STATUS("500")}, {0}};
    struct kube_script *s = *state;
    kube_script_start(s, rows);
    check_error(get(s, NULL, &err), ERR_REMOTE, "HTTP 500: <html> <b>went wrong</b>");
    check_error(create(s, &err), ERR_REMOTE, "POST pods: HTTP 500: because");
    check_error(create(s, &err), ERR_REMOTE, "POST pods: HTTP 500: because");
}

static void fault_17_ten_retries_are_enough(void **state)
{
    static struct kube_row rows[12]; // the fixture looks at them when the test is over
    for (size_t i = 0; i < 11; i++)
        rows[i] =
            (struct kube_row){GET_WEB, "429 Too Many Requests", NO_WAIT, .body = STATUS("429")};
    struct kube_script *s = *state;
    kube_script_start(s, rows);
    check_error(get(s, NULL, &err), ERR_REMOTE, "HTTP 429");
    assert_int_equal(kube_client_requests(s->client), 11);
}

static void fault_18_a_conflict_is_the_callers_to_solve(void **state)
{
#define PUT_WEB "PUT /api/v1/namespaces/shop/pods/web"
    static const struct kube_row rows[] = {{PUT_WEB, "409 Conflict", .body = STATUS("409")},
        {PUT_WEB, "409 Conflict", NO_WAIT, .body = STATUS("409")},
        {PUT_WEB, "409 Conflict", .body = STATUS("409")}, {PUT_WEB, .body = POD("web")}, {0}};
    struct kube_script *s = *state;
    AUTO(value) struct value *object = value_map();
    const struct kube_request request = {
        .method = "PUT", .path = "/api/v1/namespaces/shop/pods/web", .body = object};
    kube_script_start(s, rows);
    for (int i = 0; i < 3; i++)
        check_error(
            kube_do(s->client, &request, NULL, &err), ERR_CONFLICT, "PUT pods/web: HTTP 409");
    check_ok(kube_do(s->client, &request, NULL, &err));
}

static void fault_19_a_conflict_of_fields_names_their_managers(void **state)
{
    static const struct kube_row rows[] = {
        {PATCH_WEB "&force=false HTTP", "409 Conflict",
            .body =
                "{\"kind\":\"Status\",\"status\":\"Failure\",\"code\":409,\"reason\":\"Conflict\","
                "\"message\":\"Apply failed with 3 conflicts\",\"details\":{\"causes\":["
                "{\"reason\":\"FieldManagerConflict\",\"message\":\"conflict with \\\"hpa\\\" "
                "using autoscaling/v2\",\"field\":\".spec.replicas\"},"
                "{\"reason\":\"FieldManagerConflict\",\"message\":\"conflict with "
                "\\\"kubectl\\\"\","
                "\"field\":\".spec.a\"},"
                "{\"reason\":\"FieldManagerConflict\",\"message\":\"conflict with \\\"hpa\\\" "
                "using autoscaling/v2\",\"field\":\".spec.b\"}]}}"},
        {0}};
    struct kube_script *s = *state;
    const struct kube_apply gently = {0};
    AUTO(value) struct value *object = kube_config_map("web", NULL, NULL);
    kube_script_start(s, rows);
    check_error(kube_apply(s->client, &kube_pods, "shop", object, &gently, NULL, &err),
        ERR_CONFLICT,
        "PATCH pods/web: fields belong to other managers: \"hpa\" has .spec.b, .spec.replicas; "
        "\"kubectl\" has .spec.a");
}

// On a new connection, and on one that has served before: libcurl itself would send it again there.
static void fault_20_a_patch_whose_answer_is_lost_is_not_sent_again(void **state)
{
    static const struct kube_row rows[] = {{PATCH_WEB, .end = ROW_CUT, .silent = true},
        {GET_WEB, .body = POD("web")}, {PATCH_WEB, .end = ROW_CUT, .silent = true},
        {GET_WEB, .body = POD("web")}, {PATCH_WEB, .end = ROW_RESET, .silent = true},
        {GET_WEB, .body = POD("web")}, {PATCH_WEB, .pieces = {"{\"ki"}, .end = ROW_CUT}, {0}};
    struct kube_script *s = *state;
    kube_script_start(s, rows);
    for (int i = 0; i < 4; i++) {
        struct error why = {0};
        if (i)
            check_got(s);
        assert_int_equal(patch(s, &why), -1);
        check_kind(&why, ERR_NETWORK, "PATCH pods/web: ", "patch");
        assert_false(why.retryable);
    }
    assert_int_equal(kube_script_sent(s, "PATCH /"), 4);
}

static void a_get_survives_broken_connections_but_not_for_ever(void **state)
{
    static const struct kube_row rows[] = {{GET_WEB, .end = ROW_CUT, .silent = true},
        {GET_WEB, .pieces = {"{\"ki"}, .end = ROW_RESET}, {GET_WEB, .body = POD("web")},
        {GET_WEB, .body = "{\"kind\":"}, {0}};
    struct kube_script *s = *state;
    kube_script_start(s, rows);
    check_got(s);
    check_error(get(s, NULL, &err), ERR_PROTOCOL, "GET pods/web: bad JSON");
    tcp_server_stop(&s->server);
    s->server.pid = 0;
    struct error why = {0};
    assert_int_equal(get(s, NULL, &why), -1);
    check_kind(&why, ERR_NETWORK, "GET pods/web: ", "get");
    assert_true(why.retryable);
    assert_int_equal(patch(s, &why), -1);
    check_kind(&why, ERR_NETWORK, "PATCH pods/web: ", "patch");
    assert_true(why.retryable); // nothing was sent
}

static void a_server_that_says_nothing_is_given_up(void **state)
{
    static const struct kube_row rows[] = {{GET_WEB, .end = ROW_HANG, .silent = true}, {0}};
    struct kube_script *s = *state;
    const struct kube_request request = {
        .path = "/api/v1/namespaces/shop/pods/web", .timeout_ms = 50};
    kube_script_start(s, rows);
    check_error(kube_do(s->client, &request, NULL, &err), ERR_TIMEOUT, "GET pods/web: ");
}

static void a_422_is_a_conflict_only_for_a_json_patch(void **state)
{
#define NO_CAUSES "{\"kind\":\"Status\",\"status\":\"Failure\",\"reason\":\"Invalid\",\"code\":422}"
    static const struct kube_row rows[] = {
        {PATCH_WEB, "422 Unprocessable Entity", .body = NO_CAUSES},
        {POST_POD, "422 Unprocessable Entity", .body = NO_CAUSES}, {0}};
    struct kube_script *s = *state;
    kube_script_start(s, rows);
    check_error(patch(s, &err), ERR_CONFLICT, "PATCH pods/web: HTTP 422: the object is not as");
    check_error(create(s, &err), ERR_REMOTE, "POST pods: HTTP 422: Invalid");
}

// --- credentials ---

struct wallet {
    struct kube_credentials credentials;
    struct loop *loop;
    struct loop_timer timer;
    kube_credential_fn *done;
    void *done_arg;
    int fetched, refused, cancelled;
    const char *const *tokens; // one for each fetch; NULL: it fails
    int64_t lives_ms;          // 0: for ever
};

static void on_fetch(struct loop_timer *timer)
{
    struct wallet *w = timer->arg;
    const char *token = w->tokens[w->fetched++];
    struct error why = {0};
    error_set(&why, ERR_CONFIG, "the plugin exits 1");
    const struct kube_credential credential = {.token = (char *)(uintptr_t)token,
        .expires_unix_ms = w->lives_ms ? clock_unix_ms() + w->lives_ms : 0};
    w->done(w->done_arg, token ? &credential : NULL, token ? NULL : &why);
}

static int fetch(
    void *arg, bool refused, kube_credential_fn *done, void *done_arg, struct error *err)
{
    struct wallet *w = arg;
    (void)err;
    w->refused += refused;
    w->done = done;
    w->done_arg = done_arg;
    loop_timer_start(w->loop, &w->timer, clock_monotonic_ms(), on_fetch, w);
    return 0;
}

static void cancel_fetch(void *arg)
{
    struct wallet *w = arg;
    w->cancelled++;
    loop_timer_stop(&w->timer);
}

static void start_dynamic(
    struct kube_script *s, const struct kube_row *rows, struct wallet *w, const char *const *tokens)
{
    kube_script_start(s, rows);
    kube_client_free(s->client);
    *w =
        (struct wallet){.credentials = {fetch, cancel_fetch, w}, .loop = s->loop, .tokens = tokens};
    struct error why = {0};
    s->cluster.dynamic = true;
    s->client = kube_client_new(s->loop, s->http, &s->cluster, &w->credentials, &why);
    assert_non_null(s->client);
}

#define BEARER(token) "Authorization: Bearer " token "\r\n"

static void fault_21_401_asks_for_new_credentials_once(void **state)
{
    static const struct kube_row rows[] = {
        {BEARER("first"), "401 Unauthorized", .body = STATUS("401")},
        {BEARER("second"), .body = POD("web")}, {BEARER("second"), .body = POD("web")},
        // And once is enough, for a write too.
        {PATCH_WEB, "401 Unauthorized", .body = STATUS("401")},
        {BEARER("third"), "401 Unauthorized", .body = STATUS("401")},
        // It fails: the old one is not sent again.
        {BEARER("third"), "401 Unauthorized", .body = STATUS("401")}, {0}};
    static const char *const tokens[] = {"first", "second", "third", NULL};
    struct kube_script *s = *state;
    struct wallet w;
    start_dynamic(s, rows, &w, tokens);
    check_got(s);
    assert_int_equal(w.refused, 1);
    check_got(s);
    assert_int_equal(w.fetched, 2);
    check_error(patch(s, &err), ERR_DENIED, "PATCH pods/web: HTTP 401: because");
    assert_int_equal(w.fetched, 3);
    check_error(get(s, NULL, &err), ERR_CONFIG, "GET pods/web: credentials: the plugin exits 1");
    assert_int_equal(w.refused, 3);
}

static void a_401_with_what_the_kubeconfig_says_is_final(void **state)
{
    static const struct kube_row rows[] = {
        {BEARER("static"), "401 Unauthorized", .body = STATUS("401")},
        {"Authorization: Basic YW5uOnNlY3JldA==\r\n", .body = POD("web")}, {0}};
    struct kube_script *s = *state;
    kube_script_start(s, rows);
    mem_replace(&s->cluster.token, "static");
    check_error(get(s, NULL, &err), ERR_DENIED, "HTTP 401");
    mem_replace(&s->cluster.token, NULL);
    mem_replace(&s->cluster.username, "ann");
    mem_replace(&s->cluster.password, "secret");
    check_got(s);
}

static void fault_22_what_expires_is_asked_for_again_before(void **state)
{
    static const struct kube_row rows[] = {{BEARER("first"), .body = POD("web")},
        {BEARER("second"), .body = POD("web")}, {BEARER("second"), .body = POD("web")}, {0}};
    static const char *const tokens[] = {"first", "second", NULL};
    struct kube_script *s = *state;
    struct wallet w;
    start_dynamic(s, rows, &w, tokens);
    w.lives_ms = KUBE_EXPIRY_LEEWAY_MS - 1000;
    check_got(s);
    w.lives_ms = 0;
    check_got(s);
    check_got(s);
    assert_int_equal(w.fetched, 2);
    assert_int_equal(w.refused, 0);
}

static void fault_23_what_cannot_be_renewed_is_used_to_its_end(void **state)
{
    static const struct kube_row rows[] = {
        {BEARER("first"), .body = POD("web")}, {BEARER("first"), .body = POD("web")}, {0}};
    static const char *const tokens[] = {"first", NULL};
    struct kube_script *s = *state;
    struct wallet w;
    start_dynamic(s, rows, &w, tokens);
    w.lives_ms = KUBE_EXPIRY_LEEWAY_MS - 1000;
    check_got(s);
    check_got(s);
    assert_int_equal(w.fetched, 2);
}

static void never(void *arg, struct value *answer, const struct error *err)
{
    (void)arg, (void)answer, (void)err;
    fail();
}

static void no_credentials_no_request(void **state)
{
    static const struct kube_row rows[] = {{0}};
    static const char *const tokens[] = {NULL, "never"};
    struct kube_script *s = *state;
    struct wallet w;
    start_dynamic(s, rows, &w, tokens);
    check_error(get(s, NULL, &err), ERR_CONFIG, "GET pods/web: credentials: the plugin exits 1");
    struct error why = {0};
    assert_true(
        kube_start(s->client, &(struct kube_request){.path = "/x"}, never, NULL, &why) >= 0);
    kube_client_free(s->client);
    s->client = NULL;
    assert_int_equal(w.cancelled, 1);
}

// --- what the server says no to ---

static void fault_29_403_fails_at_once_with_the_verb(void **state)
{
    static const struct kube_row rows[] = {
        {PATCH_WEB, "403 Forbidden", NO_WAIT,
            .body = "{\"kind\":\"Status\",\"status\":\"Failure\",\"code\":403,"
                    "\"message\":\"pods \\\"web\\\" is forbidden: User "
                    "\\\"ann\\\" cannot patch resource \\\"pods\\\"\"}"},
        {0}};
    struct kube_script *s = *state;
    kube_script_start(s, rows);
    check_error(patch(s, &err), ERR_DENIED,
        "PATCH pods/web: HTTP 403: pods \"web\" is forbidden: User \"ann\" cannot patch resource");
}

// Seen of a real server: for a moment after its start it forbids everything.
static void a_403_of_a_server_that_was_away_may_not_last(void **state)
{
    static const struct kube_row rows[] = {{PATCH_WEB, "403 Forbidden", .body = STATUS("403")},
        {PATCH_WEB, .end = ROW_CUT, .silent = true},
        {PATCH_WEB, "403 Forbidden", .body = STATUS("403")}, {0}};
    struct kube_script *s = *state;
    struct error before = {0}, cut = {0}, after = {0};
    kube_script_start(s, rows);
    assert_int_equal(patch(s, &before), -1);
    check_kind(&before, ERR_DENIED, "PATCH pods/web: HTTP 403", "before");
    assert_false(before.retryable);
    assert_int_equal(patch(s, &cut), -1);
    check_kind(&cut, ERR_NETWORK, "PATCH pods/web: ", "cut");
    assert_int_equal(patch(s, &after), -1);
    check_kind(&after, ERR_DENIED, "PATCH pods/web: HTTP 403", "after");
    assert_true(after.retryable);
}

static void fault_30_a_kind_that_is_not_there_may_lack_its_definition(void **state)
{
    static const struct kube_row rows[] = {
        {"GET /apis/shop.example.io/v1 HTTP", "404 Not Found", .body = "404 page not found\n"},
        {"GET /apis/shop.example.io/v1 HTTP",
            .body = "{\"kind\":\"APIResourceList\",\"resources\":[]}"},
        // By then somebody has installed it.
        {"GET /apis/shop.example.io/v1 HTTP",
            .body =
                "{\"kind\":\"APIResourceList\",\"resources\":[{\"name\":\"tills/status\",\"kind\":"
                "\"Till\",\"namespaced\":false},{\"name\":\"tills\",\"kind\":\"Till\","
                "\"namespaced\":true}]}"},
        {"GET /apis/shop.example.io/v1/namespaces/shop/tills HTTP", "404 Not Found",
            .body = "404 page not found\n"},
        {0}};
    struct kube_script *s = *state;
    const struct kube_kind *till = NULL, *again = NULL;
    kube_script_start(s, rows);
    for (int i = 0; i < 2; i++)
        check_error(kube_kind_find(s->client, "shop.example.io/v1", "Till", &till, &err),
            ERR_NOT_FOUND, "no kind Till of shop.example.io/v1: its CustomResourceDefinition");
    check_ok(kube_kind_find(s->client, "shop.example.io/v1", "Till", &till, &err));
    check_ok(kube_kind_find(s->client, "shop.example.io/v1", "Till", &again, &err));
    assert_ptr_equal(till, again);
    AUTO_FREE char *path = kube_path(till, "shop", NULL);
    check_error(kube_do(s->client, &(struct kube_request){.path = path}, NULL, &err), ERR_NOT_FOUND,
        "GET tills: HTTP 404: 404 page not found");
}

static bool serve_gzip(int connection, const char *request, void *arg)
{
    (void)request, (void)arg;
    // {"kind":"Pod","apiVersion":"v1","metadata":{"name":"gz"}}
    static const char body[] = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xab\x56\xca\xce\xcc\x4b"
                               "\x51\xb2\x52\x0a\xc8\x4f\x51\xd2\x51\x4a\x2c\xc8\x0c\x4b\x2d\x2a"
                               "\xce\xcc\xcf\x03\x0a\x95\x19\x02\x45\x72\x53\x4b\x12\x53\x12\x4b"
                               "\x12\x95\xac\xaa\x95\xf2\x12\x73\x53\x81\xe2\xe9\x55\x4a\xb5\xb5"
                               "\x00\xc1\x1c\xd9\x46\x39\x00\x00\x00";
    tcp_send(connection, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
                         "Transfer-Encoding: chunked\r\n\r\n");
    for (size_t i = 0; i < sizeof body - 1; i++) { // each byte a chunk of its own
        const char chunk[] = {'1', '\r', '\n', body[i], '\r', '\n'};
        send(connection, chunk, sizeof chunk, MSG_NOSIGNAL);
    }
    tcp_send(connection, "0\r\n\r\n");
    return true;
}

static void fault_33_an_answer_may_come_in_chunks_of_gzip(void **state)
{
    struct kube_script *s = *state;
    struct error why = {0};
    tcp_server_start(&s->server, serve_gzip, NULL);
    s->cluster.server = mem_strdup(s->server.origin);
    s->client = kube_client_new(s->loop, s->http, &s->cluster, NULL, &why);
    AUTO(value) struct value *pod = NULL;
    check_ok(get(s, &pod, &err));
    assert_string_equal(kube_name(pod), "gz");
}

static void fault_35_a_failure_is_one_whatever_the_http_status_says(void **state)
{
    static const struct kube_row rows[] = {{GET_WEB, .body = STATUS("404")},
        {GET_WEB, .headers = NO_WAIT, .body = STATUS("429")}, {GET_WEB, .body = POD("web")},
        {GET_WEB, .body = "{\"kind\":\"Status\",\"status\":\"Failure\"}"},
        {"DELETE /api/v1/namespaces/shop/pods/web HTTP",
            .body = "{\"kind\":\"Status\",\"status\":\"Success\"}"},
        {0}};
    struct kube_script *s = *state;
    kube_script_start(s, rows);
    check_error(get(s, NULL, &err), ERR_NOT_FOUND, "HTTP 404: because");
    check_got(s);
    check_error(get(s, NULL, &err), ERR_REMOTE, "HTTP 500: no reason was given");
    check_ok(kube_delete(s->client, &kube_pods, "shop", "web", NULL, &err));
    assert_int_equal(kube_script_sent(s, "{\"propagationPolicy\":\"Background\"}"), 1);
}

// --- the loop ---

struct beat {
    struct loop *loop;
    struct loop_timer timer;
    int count;
};

static void on_beat(struct loop_timer *timer)
{
    struct beat *b = timer->arg;
    b->count++;
    loop_timer_start(b->loop, &b->timer, clock_monotonic_ms() + 5, on_beat, b);
    loop_stop(b->loop); // as one who wants to wake somebody else
}

static void a_request_lets_all_else_on_the_loop_go_on_and_is_not_ended_by_it(void **state)
{
    static const struct kube_row rows[] = {
        {GET_WEB, "429 Too Many Requests", "Retry-After: 1\r\n", .body = STATUS("429")},
        {GET_WEB, .body = POD("web")}, {0}};
    struct kube_script *s = *state;
    struct beat beat = {.loop = s->loop};
    loop_timer_start(s->loop, &beat.timer, clock_monotonic_ms(), on_beat, &beat);
    kube_script_start(s, rows);
    check_got(s);
    assert_true(beat.count >= 10);
    loop_timer_stop(&beat.timer);
}

struct parallel {
    struct loop *loop;
    int over;
    int64_t cancel;
    struct kube_client *client;
};

static void on_parallel(void *arg, struct value *answer, const struct error *err)
{
    struct parallel *p = arg;
    assert_null(err);
    assert_string_equal(kube_name(answer), "web");
    p->over++;
    kube_cancel(p->client, p->cancel);
    kube_cancel(p->client, -1);
    if (p->over == 2)
        loop_stop(p->loop);
}

static void what_is_cancelled_is_never_heard_of_again(void **state)
{
    static const struct kube_row rows[] = {
        {GET_WEB, "503 Service Unavailable", "Retry-After: 60\r\n", .body = STATUS("503")},
        {GET_WEB, .body = POD("web")}, {GET_WEB, .body = POD("web")}, {0}};
    struct kube_script *s = *state;
    const struct kube_request request = {.path = "/api/v1/namespaces/shop/pods/web"};
    kube_script_start(s, rows);
    struct parallel p = {.loop = s->loop, .client = s->client};
    // It waits for its retry by the time the second one has its answer.
    check_ok(p.cancel = kube_start(s->client, &request, on_parallel, &p, &err));
    check_got(s);
    check_ok(kube_start(s->client, &request, on_parallel, &p, &err));
    p.over = 1;
    check_ok(loop_run(s->loop, &err));
    assert_int_equal(p.over, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, kube_script_set_up, kube_script_tear_down)

TEST_MAIN(cmocka_unit_test(when_a_request_is_sent_once_more),
    cmocka_unit_test(how_long_a_watch_backs_off),
    cmocka_unit_test(messages_begin_with_what_was_asked),
    TEST(fault_03_an_old_continue_lists_all_in_one_piece),
    TEST(fault_13_429_waits_as_long_as_the_server_asks),
    TEST(fault_14_429_that_names_no_time_is_the_callers),
    TEST(fault_15_503_is_retried_when_the_server_asks_for_it),
    TEST(fault_16_500_is_not_retried_and_least_of_all_for_a_write),
    TEST(fault_17_ten_retries_are_enough), TEST(fault_18_a_conflict_is_the_callers_to_solve),
    TEST(fault_19_a_conflict_of_fields_names_their_managers),
    TEST(fault_20_a_patch_whose_answer_is_lost_is_not_sent_again),
    TEST(a_get_survives_broken_connections_but_not_for_ever),
    TEST(a_422_is_a_conflict_only_for_a_json_patch), TEST(a_server_that_says_nothing_is_given_up),
    TEST(fault_21_401_asks_for_new_credentials_once),
    TEST(a_401_with_what_the_kubeconfig_says_is_final),
    TEST(fault_22_what_expires_is_asked_for_again_before),
    TEST(fault_23_what_cannot_be_renewed_is_used_to_its_end), TEST(no_credentials_no_request),
    TEST(fault_29_403_fails_at_once_with_the_verb),
    TEST(a_403_of_a_server_that_was_away_may_not_last),
    TEST(fault_30_a_kind_that_is_not_there_may_lack_its_definition),
    TEST(fault_33_an_answer_may_come_in_chunks_of_gzip),
    TEST(fault_35_a_failure_is_one_whatever_the_http_status_says),
    TEST(a_request_lets_all_else_on_the_loop_go_on_and_is_not_ended_by_it),
    TEST(what_is_cancelled_is_never_heard_of_again))
