// What a watch makes of a server that misbehaves. Tests that begin with a number are the rows of
// the faults that it must survive.
#include "support/check.h"

#include <stdlib.h>
#include <string.h>

#include "kube/watch_lines.h"
#include "kube/watch_private.h"
#include "kube/watch_store.h"
#include "os/clock.h"
#include "support/kube_script.h"

#define OBJECT(name, version)                                                                      \
    "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"" name                       \
    "\",\"uid\":\"u-" name "\",\"resourceVersion\":\"" version "\"}}"
#define EVENT(type, name, version) "{\"type\":\"" type "\",\"object\":" OBJECT(name, version) "}\n"
#define BOOKMARK(version)                                                                          \
    "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Pod\",\"metadata\":{\"resourceVersion\":"       \
    "\"" version "\"}}}\n"
#define STATUS(code)                                                                               \
    "{\"kind\":\"Status\",\"status\":\"Failure\",\"message\":\"because\",\"code\":" code "}"
#define ERROR_EVENT(code) "{\"type\":\"ERROR\",\"object\":" STATUS(code) "}\n"
#define LIST(version, ...)                                                                         \
    "{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"" version     \
    "\"},\"items\":[" __VA_ARGS__ "]}"
#define GET_LIST           "GET /api/v1/namespaces/shop/pods?limit=500 HTTP"
#define GET_WATCH_FROM     "GET /api/v1/namespaces/shop/pods?watch=1&resourceVersion="
#define GET_WATCH(version) GET_WATCH_FROM version "&allowWatchBookmarks=true&timeoutSeconds="
// The last watch of a script: its event says that all before it is over.
#define END(version)                                                                               \
    {GET_WATCH(version), .pieces = {EVENT("ADDED", "z-end", "end")}, .end = ROW_HANG},             \
    {                                                                                              \
        0                                                                                          \
    }

static const struct kube_watch_times quick = {
    .first_ms = 10,
    .max_ms = 40,
    .quiet_ms = 120000,
    .short_ms = 0,
    .head_ms = 20000,
    .stall_ms = 20000,
    .life_min_s = 300,
    .life_max_s = 600,
    .grace_ms = 30000,
    .hold_ms = 20000,
};

struct follower {
    struct kube_script *script;
    struct kube_watch *watch;
    struct kube_watch_times times;
    int calls;
    struct error error; // the last that was shown
    const char *until;
    const char *forbidden; // must never be part of what is shown; NULL: nothing is
};

// "a@5 b@6": what is shown, with versions.
static char *print_shown(const struct follower *f)
{
    AUTO(str) struct str out;
    str_init(&out, STR_TEXT_MAX);
    for (size_t i = 0; i < kube_watch_count(f->watch); i++) {
        const struct value *item = kube_watch_item(f->watch, i);
        str_printf(&out, "%s%s@%s", i ? " " : "", kube_name(item), kube_version(item));
    }
    return str_take(&out);
}

static void on_change(void *arg)
{
    struct follower *f = arg;
    f->calls++;
    if (kube_watch_error(f->watch))
        f->error = *kube_watch_error(f->watch);
    AUTO_FREE char *shown = print_shown(f);
    if (f->forbidden && strstr(shown, f->forbidden))
        fail_msg("shown is \"%s\"", shown);
    if (!f->until || strcmp(shown, f->until) == 0)
        loop_stop(f->script->loop);
}

static void too_late(struct loop_timer *timer)
{
    struct follower *f = timer->arg;
    AUTO_FREE char *shown = print_shown(f);
    const struct error *why = kube_watch_error(f->watch);
    fail_msg("waiting for \"%s\"; shown is \"%s\"; %s", f->until, shown, why ? why->message : "");
}

static void run_until(struct follower *f, const char *shown)
{
    struct loop_timer timer = {0};
    struct loop *loop = f->script->loop;
    f->until = shown;
    AUTO_FREE char *now = print_shown(f);
    if (shown && strcmp(now, shown) == 0)
        return;
    loop_timer_start(loop, &timer, clock_monotonic_ms() + 10000, too_late, f);
    check_ok(loop_run(loop, &err));
    loop_timer_stop(&timer);
}

static void stop_loop(struct loop_timer *timer)
{
    loop_stop(timer->arg);
}

static void run_for(struct loop *loop, int64_t ms)
{
    struct loop_timer timer = {0};
    loop_timer_start(loop, &timer, clock_monotonic_ms() + ms, stop_loop, loop);
    check_ok(loop_run(loop, &err));
    loop_timer_stop(&timer);
}

static void begin(struct follower *f, struct kube_script *s, const struct kube_row *rows)
{
    f->script = s;
    if (!f->times.first_ms)
        f->times = quick;
    kube_script_start(s, rows);
    f->watch = kube_watch_timed(s->client, &kube_pods, "shop", NULL, &f->times, on_change, f);
}

// A whole script whose end shows just that.
static void follow(
    struct follower *f, struct kube_script *s, const struct kube_row *rows, const char *shown)
{
    begin(f, s, rows);
    run_until(f, shown);
    assert_null(kube_watch_error(f->watch));
    kube_watch_free(f->watch);
}

static void check_no_error(const struct follower *f)
{
    if (f->error.kind)
        fail_msg("%s", f->error.message);
}

// --- faults ---

static void fault_01_an_event_410_lists_again(void **state)
{
    static const struct kube_row rows[] = {{GET_LIST, .body = LIST("5", OBJECT("a", "1"))},
        {GET_WATCH("5"), .pieces = {EVENT("ADDED", "b", "6"), ERROR_EVENT("410")}, .end = ROW_HANG},
        // What was deleted meanwhile is gone, what was made is there.
        {GET_LIST, .body = LIST("9", OBJECT("a", "8") "," OBJECT("c", "9"))}, END("9")};
    struct follower f = {0};
    follow(&f, *state, rows, "a@8 c@9 z-end@end");
    check_no_error(&f);
}

static void fault_02_http_410_lists_again(void **state)
{
    static const struct kube_row rows[] = {{GET_LIST, .body = LIST("5", OBJECT("a", "1"))},
        {GET_WATCH("5"), "410 Gone", .body = STATUS("410")},
        {GET_LIST, .body = LIST("9", OBJECT("a", "8"))}, END("9")};
    struct follower f = {0};
    follow(&f, *state, rows, "a@8 z-end@end");
    check_no_error(&f);
}

static void always_410_backs_off(void **state)
{
    static const struct kube_row rows[] = {{GET_LIST, .body = LIST("5")},
        {GET_WATCH("5"), "410 Gone", .body = STATUS("410")}, {GET_LIST, .body = LIST("6")},
        {GET_WATCH("6"), .pieces = {ERROR_EVENT("410")}}, {GET_LIST, .body = LIST("7")},
        {GET_WATCH("7"), "410 Gone", .body = STATUS("410")}, {GET_LIST, .body = LIST("8")},
        END("8")};
    struct follower f = {.times = quick};
    f.times.first_ms = 50;
    f.times.max_ms = 80;
    int64_t began = clock_monotonic_ms();
    follow(&f, *state, rows, "z-end@end");
    assert_true(clock_monotonic_ms() - began >= 160);
    check_no_error(&f);
}

static void fault_03_410_for_a_page_lists_all_in_one_piece(void **state)
{
    static const struct kube_row rows[] = {
        {GET_LIST,
            .body =
                "{\"metadata\":{\"resourceVersion\":\"5\",\"continue\":\"t\"},\"items\":[" OBJECT(
                    "old", "1") "]}"},
        {"pods?limit=500&continue=t HTTP", "410 Gone", .body = STATUS("410")},
        {"GET /api/v1/namespaces/shop/pods? HTTP", .body = LIST("9", OBJECT("a", "8"))}, END("9")};
    struct follower f = {0};
    follow(&f, *state, rows, "a@8 z-end@end");
    check_no_error(&f);
}

static void fault_04_410_for_a_list_tries_again_without_any_version(void **state)
{
    static const struct kube_row rows[] = {{GET_LIST, .body = LIST("5", OBJECT("a", "1"))},
        {GET_WATCH("5"), "410 Gone", .body = STATUS("410")},
        {GET_LIST, "410 Gone", .body = STATUS("410")}, {GET_LIST, .body = LIST("9")}, END("9")};
    struct follower f = {0};
    follow(&f, *state, rows, "z-end@end");
    assert_int_equal(f.error.http_status, 410);
}

static void fault_05_without_bookmarks_it_goes_on_from_the_list(void **state)
{
    static const struct kube_row rows[] = {{GET_LIST, .body = LIST("5", OBJECT("a", "1"))},
        {GET_WATCH("5"), .end = ROW_DONE}, {GET_WATCH("5"), .end = ROW_DONE}, END("5")};
    struct follower f = {0};
    follow(&f, *state, rows, "a@1 z-end@end");
    check_no_error(&f);
}

static void fault_06_bookmarks_alone_advance_it(void **state)
{
    static const struct kube_row rows[] = {{GET_LIST, .body = LIST("5", OBJECT("a", "1"))},
        {GET_WATCH("5"), .pieces = {BOOKMARK("7"), BOOKMARK("8")}}, END("8")};
    struct follower f = {0};
    follow(&f, *state, rows, "a@1 z-end@end");
    check_no_error(&f);
}

static void fault_07_the_end_that_was_asked_for_is_none(void **state)
{
    static const struct kube_row rows[] = {{GET_LIST, .body = LIST("5")},
        {GET_WATCH("5"), .pieces = {EVENT("ADDED", "a", "6"), EVENT("MODIFIED", "a", "7")}},
        {GET_WATCH("7"), .pieces = {EVENT("DELETED", "a", "8")}}, END("8")};
    struct kube_script *s = *state;
    struct follower f = {0};
    begin(&f, s, rows);
    run_until(&f, "z-end@end");
    check_no_error(&f);
    AUTO_FREE char *log = tcp_server_log(&s->server);
    int watches = 0;
    for (char *at = log; (at = strstr(at, "timeoutSeconds=")); watches++) {
        at += strlen("timeoutSeconds=");
        long life_s = strtol(at, NULL, 10);
        assert_true(life_s >= 300 && life_s <= 600);
    }
    assert_int_equal(watches, 3);
    kube_watch_free(f.watch);
}

static void fault_08_a_broken_connection_loses_nothing_and_repeats_nothing(void **state)
{
    static const struct kube_row rows[] = {{GET_LIST, .body = LIST("5")},
        {GET_WATCH("5"),
            .pieces = {EVENT("ADDED", "a", "6"), "{\"type\":\"ADDED\",\"object\":{\"meta"},
            .end = ROW_CUT},
        // An RST may overtake what came before it: here that is nothing whole.
        {GET_WATCH("6"), .pieces = {"{\"type\":\"ADDED\",\"object\":{\"meta"}, .end = ROW_RESET},
        {GET_WATCH("6"), .pieces = {EVENT("ADDED", "b", "7"), "{\"type\":"}, .end = ROW_CUT},
        {GET_WATCH("7"), .pieces = {EVENT("ADDED", "c", "8"), "{\"type\":"}, .end = ROW_DONE},
        {GET_WATCH("8"), .end = ROW_RESET, .silent = true}, END("8")};
    struct follower f = {0};
    follow(&f, *state, rows, "a@6 b@7 c@8 z-end@end");
    assert_int_equal(f.error.kind, ERR_NETWORK);
    assert_true(f.error.retryable);
}

static void fault_09_half_an_event_is_not_waited_for_for_ever(void **state)
{
    static const struct kube_row rows[] = {{GET_LIST, .body = LIST("5")},
        {GET_WATCH("5"), .pieces = {EVENT("ADDED", "a", "6"), "{\"type\":\"ADDED\","},
            .end = ROW_HANG},
        END("6")};
    struct follower f = {.times = quick};
    f.times.stall_ms = 50;
    follow(&f, *state, rows, "a@6 z-end@end");
    check_kind(&f.error, ERR_TIMEOUT, "WATCH pods: nothing came in the middle of an event", "");
}

static void silence_between_events_is_no_stall(void **state)
{
    static const struct kube_row rows[] = {{GET_LIST, .body = LIST("5")}, END("5")};
    struct follower f = {.times = quick};
    f.times.stall_ms = 20;
    begin(&f, *state, rows);
    run_until(&f, "z-end@end");
    run_for(f.script->loop, 100);
    check_no_error(&f);
    kube_watch_free(f.watch);
}

static void an_answer_that_never_begins_and_a_watch_that_never_ends_are_cut(void **state)
{
    static const struct kube_row rows[] = {{GET_LIST, .body = LIST("5")},
        {GET_WATCH("5"), .end = ROW_HANG, .silent = true},
        {GET_WATCH("5"), .pieces = {EVENT("ADDED", "a", "6")}, .end = ROW_HANG}, END("6")};
    struct follower f = {.times = quick};
    f.times.head_ms = 200;
    f.times.life_min_s = f.times.life_max_s = 0;
    f.times.grace_ms = 200;
    follow(&f, *state, rows, "a@6 z-end@end");
    check_kind(&f.error, ERR_TIMEOUT, "WATCH pods: the server does not end it", "");
}

static void fault_10_events_are_lines_however_they_are_cut(void **state)
{
    static const struct kube_row rows[] = {{GET_LIST, .body = LIST("5")},
        {GET_WATCH("5"),
            .pieces = {EVENT("ADDED", "a", "6") "\n" EVENT("ADDED", "b", "7"), "{\"type\":\"AD",
                "DED\",\"object\":" OBJECT("c", "8"), "}\n" EVENT("DELETED", "a", "9")}},
        {GET_WATCH("9"),
            .pieces = {"{\"type\":\"ADDED\",\"object\":{\"data\":\"",
                "\",\"metadata\":{\"name\":\"d\",\"resourceVersion\":\"10\"}}}\n"},
            .filler = 4 << 20},
        END("10")};
    struct follower f = {0};
    begin(&f, *state, rows);
    run_until(&f, "b@7 c@8 d@10 z-end@end");
    check_no_error(&f);
    const char *data = value_get_str(kube_watch_get(f.watch, "d"), "data");
    assert_int_equal(strlen(data), 4 << 20);
    kube_watch_free(f.watch);
}

static void an_event_beyond_all_bounds_is_not_kept(void **state)
{
    static const struct kube_row rows[] = {{GET_LIST, .body = LIST("5")},
        {GET_WATCH("5"), .pieces = {"{\"type\":\"ADDED\",\"object\":{\"data\":\""},
            .filler = 17 << 20, .end = ROW_HANG},
        {GET_LIST, .body = LIST("6")}, END("6")};
    struct follower f = {0};
    follow(&f, *state, rows, "z-end@end");
    assert_int_equal(f.error.kind, ERR_LIMIT);
}

static void fault_11_events_of_unknown_types_are_passed_over(void **state)
{
    static const struct kube_row rows[] = {{GET_LIST, .body = LIST("5")},
        {GET_WATCH("5"), .pieces = {EVENT("ADDED", "a", "6"), EVENT("RENAMED", "a", "7"),
                             "{\"type\":7,\"object\":null}\n", "{}\n"}},
        END("6")};
    struct follower f = {0};
    follow(&f, *state, rows, "a@6 z-end@end");
    check_no_error(&f);
}

static void fault_12_an_event_of_an_error_lists_again_after_a_while(void **state)
{
    static const struct kube_row rows[] = {{GET_LIST, .body = LIST("5", OBJECT("a", "1"))},
        {GET_WATCH("5"), .pieces = {ERROR_EVENT("500")}, .end = ROW_HANG},
        {GET_LIST, .body = LIST("6", OBJECT("a", "6"))},
        {GET_WATCH("6"), .pieces = {"this is no JSON\n"}, .end = ROW_HANG},
        {GET_LIST, .body = LIST("7", OBJECT("a", "7"))},
        {GET_WATCH("7"), .pieces = {"{\"type\":\"ADDED\",\"object\":{}}\n"}, .end = ROW_HANG},
        {GET_LIST, .body = LIST("8", OBJECT("a", "8"))}, END("8")};
    struct follower f = {.times = quick};
    f.times.first_ms = f.times.max_ms = 30;
    int64_t began = clock_monotonic_ms();
    begin(&f, *state, rows);
    run_until(&f, "a@6");
    check_kind(&f.error, ERR_REMOTE, "WATCH pods: HTTP 500: because", "");
    assert_true(clock_monotonic_ms() - began >= 30);
    run_until(&f, "a@7");
    check_kind(&f.error, ERR_PROTOCOL, "WATCH pods: bad JSON", "");
    run_until(&f, "a@8 z-end@end");
    check_kind(&f.error, ERR_PROTOCOL, "WATCH pods: an event without a version", "");
    assert_null(kube_watch_error(f.watch));
    kube_watch_free(f.watch);
}

static void fault_13_429_backs_off_as_long_as_asked_without_listing(void **state)
{
    static const struct kube_row rows[] = {{GET_LIST, .body = LIST("5")},
        {GET_WATCH("5"), "429 Too Many Requests", "Retry-After: 1\r\n", .body = STATUS("429")},
        END("5")};
    struct follower f = {0};
    int64_t began = clock_monotonic_ms();
    follow(&f, *state, rows, "z-end@end");
    assert_true(clock_monotonic_ms() - began >= 1000);
    assert_int_equal(f.error.http_status, 429);
}

static void fault_14_429_and_503_that_name_no_time_do_not_list_either(void **state)
{
    static const struct kube_row rows[] = {{GET_LIST, .body = LIST("5")},
        {GET_WATCH("5"), "429 Too Many Requests", .body = STATUS("429")},
        {GET_WATCH("5"), .pieces = {EVENT("ADDED", "a", "6") ERROR_EVENT("429")}, .end = ROW_HANG},
        {GET_WATCH("6"), "503 Service Unavailable", .body = "upstream"}, END("6")};
    struct follower f = {0};
    follow(&f, *state, rows, "a@6 z-end@end");
    assert_int_equal(f.error.http_status, 503);
}

static void a_watch_that_ends_at_once_is_not_asked_for_in_circles(void **state)
{
    static const struct kube_row rows[] = {{GET_LIST, .body = LIST("5")},
        {GET_WATCH("5"), .end = ROW_DONE}, {GET_WATCH("5"), .end = ROW_DONE},
        {GET_WATCH("5"), .pieces = {EVENT("ADDED", "a", "6")}}, END("6")};
    struct follower f = {.times = quick};
    f.times.short_ms = 5000;
    f.times.first_ms = 30;
    f.times.max_ms = 60;
    int64_t began = clock_monotonic_ms();
    follow(&f, *state, rows, "a@6 z-end@end");
    assert_true(clock_monotonic_ms() - began >= 150);
    check_kind(&f.error, ERR_NETWORK, "WATCH pods: the server ended it at once", "");
}

static void who_may_not_list_is_told_and_tries_again(void **state)
{
    static const struct kube_row rows[] = {{GET_LIST, "403 Forbidden", .body = STATUS("403")},
        {GET_LIST, .pieces = {"{\"kind\""}, .end = ROW_CUT}, {GET_LIST, .body = LIST("5")},
        {GET_WATCH("5"), "403 Forbidden", .body = STATUS("403")}, {GET_LIST, .body = LIST("6")},
        END("6")};
    struct follower f = {0};
    begin(&f, *state, rows);
    run_until(&f, NULL);
    check_kind(&f.error, ERR_DENIED, "GET pods: HTTP 403: because", "");
    assert_false(kube_watch_synced(f.watch));
    run_until(&f, NULL);
    check_kind(&f.error, ERR_NETWORK, "GET pods: ", "");
    run_until(&f, "z-end@end");
    assert_null(kube_watch_error(f.watch));
    assert_true(kube_watch_synced(f.watch));
    kube_watch_free(f.watch);
}

static void fault_34_versions_are_whatever_the_server_says(void **state)
{
    static const struct kube_row rows[] = {{GET_LIST, .body = LIST("x/1 &", OBJECT("a", "zz"))},
        {GET_WATCH("x%2F1%20%26"), .pieces = {EVENT("MODIFIED", "a", "aa"), BOOKMARK("=?")}},
        END("%3D%3F")};
    struct follower f = {0};
    follow(&f, *state, rows, "a@aa z-end@end");
    check_no_error(&f);
}

static void fault_35_a_failure_with_200_is_one(void **state)
{
    static const struct kube_row rows[] = {{GET_LIST, .body = STATUS("500")},
        {GET_LIST, .body = "{\"kind\":\"Pod\"}"}, {GET_LIST, .body = LIST("5", OBJECT("a", "1"))},
        {GET_WATCH("5"), .body = STATUS("410") "\n"}, {GET_LIST, .body = LIST("6")},
        {GET_WATCH("6"), .body = STATUS("500") "\n"}, {GET_LIST, .body = LIST("7")}, END("7")};
    struct follower f = {0};
    begin(&f, *state, rows);
    run_until(&f, NULL);
    check_kind(&f.error, ERR_REMOTE, "HTTP 500", "");
    run_until(&f, NULL);
    check_kind(&f.error, ERR_PROTOCOL, "is no list", "");
    run_until(&f, "z-end@end");
    kube_watch_free(f.watch);
}

static void events_of_one_turn_are_one_call(void **state)
{
    static const struct kube_row rows[] = {
        {GET_LIST, .body = "{\"metadata\":{\"resourceVersion\":\"5\"},\"items\":null}"},
        {GET_WATCH("5"),
            .pieces = {EVENT("ADDED", "a", "6") EVENT("MODIFIED", "a", "6") EVENT("ADDED", "b", "7")
                    EVENT("ADDED", "z-end", "end")},
            .end = ROW_HANG},
        {0}};
    struct follower f = {0};
    follow(&f, *state, rows, "a@6 b@7 z-end@end");
    assert_int_equal(f.calls, 2); // the list, the events
}

static void free_at_once(void *arg)
{
    struct follower *f = arg;
    kube_watch_free(f->watch);
    f->watch = NULL;
    loop_stop(f->script->loop);
}

static void it_may_be_freed_by_its_own_call_and_at_any_time(void **state)
{
    static const struct kube_row rows[] = {{GET_LIST, .body = LIST("5")}, {0}};
    struct kube_script *s = *state;
    struct follower f = {.script = s};
    struct error why = {0};
    kube_script_start(s, rows);
    f.watch = kube_watch_timed(s->client, &kube_pods, "shop", NULL, &quick, free_at_once, &f);
    kube_watch_free(
        kube_watch_timed(s->client, &kube_pods, "shop", NULL, &quick, free_at_once, NULL));
    check_ok(loop_run(s->loop, &err));
    assert_null(f.watch);
    assert_null(kube_watch_new(s->client, &kube_pods, NULL, NULL, free_at_once, NULL, &why));
}

// --- own writes ---

static struct value *object(const char *name, const char *uid, const char *version)
{
    struct value *v = value_map(), *metadata = value_map();
    value_set_str(metadata, "name", name);
    value_set_str(metadata, "uid", uid);
    value_set_str(metadata, "resourceVersion", version);
    value_set(v, "metadata", metadata);
    return v;
}

enum what { STOP, EVENT_SET, EVENT_DELETED, OWN, OWN_DELETED, LISTED };

// One step about the object "a", and what is shown of it then ("": nothing). A list is of "a", or
// (NULL version) of nothing.
struct step {
    enum what what;
    const char *uid, *version, *shown;
};

static void take_step(struct kube_store *s, const struct step *step)
{
    AUTO(value) struct value *v = object("a", step->uid, step->version);
    AUTO(value) struct value *list = value_list();
    switch (step->what) {
    case EVENT_SET:
    case EVENT_DELETED:
        kube_store_event(s, step->what == EVENT_DELETED, v);
        break;
    case OWN:
        kube_store_own(s, "a", v);
        break;
    case OWN_DELETED:
        kube_store_own(s, "a", NULL);
        break;
    case LISTED:
        if (step->version)
            value_append(list, value_share(v));
        kube_store_replace(s, list);
        break;
    case STOP:
        break;
    }
}

static void events_from_before_an_own_write_do_not_undo_it(void **state)
{
    (void)state;
    static const struct step stories[][8] = {
        // The event comes after the answer; what is older is passed over, what is newer is not.
        {{LISTED, "u", "1", "1"}, {OWN, "u", "4", "4"}, {EVENT_SET, "u", "2", "4"},
            {EVENT_SET, "u", "3", "4"}, {EVENT_SET, "u", "4", "4"}, {EVENT_SET, "u", "5", "5"}},
        // The event was faster than the answer, and another one as well.
        {{LISTED, "u", "1", "1"}, {EVENT_SET, "u", "4", "4"}, {OWN, "u", "4", "4"},
            {EVENT_SET, "u", "5", "5"}},
        {{LISTED, "u", "1", "1"}, {EVENT_SET, "u", "4", "4"}, {EVENT_SET, "u", "5", "5"},
            {OWN, "u", "4", "5"}, {EVENT_SET, "u", "6", "6"}},
        // … even its deletion.
        {{LISTED, "u", "1", "1"}, {EVENT_SET, "u", "4", "4"}, {EVENT_DELETED, "u", "5", ""},
            {OWN, "u", "4", ""}},
        // A write that changed nothing.
        {{LISTED, "u", "1", "1"}, {OWN, "u", "1", "1"}, {EVENT_SET, "u", "2", "2"}},
        // Two writes.
        {{LISTED, "u", "1", "1"}, {OWN, "u", "2", "2"}, {OWN, "u", "3", "3"},
            {EVENT_SET, "u", "2", "3"}, {EVENT_SET, "u", "3", "3"}, {EVENT_SET, "u", "4", "4"}},
        // Made anew by us, while events of the one before are on their way.
        {{LISTED, "u", "1", "1"}, {OWN, "v", "4", "4"}, {EVENT_SET, "u", "2", "4"},
            {EVENT_DELETED, "u", "3", "4"}, {EVENT_SET, "v", "4", "4"},
            {EVENT_DELETED, "v", "5", ""}},
        // The write itself takes it out of what the selector matches.
        {{LISTED, "u", "1", "1"}, {OWN, "u", "4", "4"}, {EVENT_DELETED, "u", "4", ""}},
        // Deleted by us.
        {{LISTED, "u", "1", "1"}, {OWN_DELETED, NULL, NULL, ""}, {EVENT_SET, "u", "2", ""},
            {EVENT_DELETED, "u", "3", ""}, {EVENT_SET, "v", "4", "4"}},
        // … and made anew by another, before or without that event.
        {{LISTED, "u", "1", "1"}, {OWN_DELETED, NULL, NULL, ""}, {EVENT_SET, "v", "4", "4"},
            {EVENT_SET, "v", "5", "5"}},
        // … and made anew by us.
        {{LISTED, "u", "1", "1"}, {OWN_DELETED, NULL, NULL, ""}, {OWN, "v", "4", "4"},
            {EVENT_SET, "u", "2", "4"}, {EVENT_DELETED, "u", "3", "4"}, {EVENT_SET, "v", "4", "4"},
            {EVENT_SET, "v", "5", "5"}},
        // What is not there is not held.
        {{LISTED, NULL, NULL, ""}, {OWN_DELETED, NULL, NULL, ""}, {EVENT_SET, "u", "2", "2"}},
        // A list knows better.
        {{LISTED, "u", "1", "1"}, {OWN, "u", "4", "4"}, {LISTED, "u", "6", "6"},
            {EVENT_SET, "u", "7", "7"}},
        {{LISTED, "u", "1", "1"}, {OWN, "u", "4", "4"}, {LISTED, NULL, NULL, ""},
            {EVENT_SET, "v", "7", "7"}},
    };
    for (size_t i = 0; i < ARRAY_LEN(stories); i++) {
        struct kube_store store = {0};
        for (size_t k = 0; k < ARRAY_LEN(stories[i]) && stories[i][k].what != STOP; k++) {
            take_step(&store, &stories[i][k]);
            const struct value *a = kube_store_get(&store, "a");
            const char *shown = a ? kube_version(a) : "";
            if (strcmp(shown, stories[i][k].shown) != 0)
                fail_msg("story %zu, step %zu: shown is \"%s\"", i, k, shown);
        }
        kube_store_done(&store);
    }
}

static void objects_are_in_the_order_of_their_names(void **state)
{
    (void)state;
    struct kube_store store = {0};
    static const char *const names[] = {"m", "b", "z", "a", "y", "c", "b"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        AUTO(value) struct value *v = object(names[i], names[i], "1");
        assert_int_equal(kube_store_event(&store, false, v), i != 6); // it is there already
    }
    assert_int_equal(store.items.length, 6);
    for (size_t i = 1; i < store.items.length; i++)
        assert_true(
            strcmp(kube_name(store.items.items[i - 1]), kube_name(store.items.items[i])) < 0);
    AUTO(value) struct value *gone = object("m", "m", "2");
    assert_true(kube_store_event(&store, true, gone));
    assert_false(kube_store_event(&store, true, gone));
    assert_null(kube_store_get(&store, "m"));
    assert_int_equal(store.items.length, 5);
    AUTO(value) struct value *same = value_list();
    for (size_t i = store.items.length; i; i--)
        value_append(same, value_share(store.items.items[i - 1]));
    assert_false(kube_store_replace(&store, same));
    AUTO(value) struct value *less = value_list();
    value_append(less, value_share(value_at(same, 0)));
    assert_true(kube_store_replace(&store, less));
    kube_store_done(&store);
}

static void own(struct follower *f, const char *name, const char *version)
{
    AUTO_FREE char *uid = mem_printf("u-%s", name);
    AUTO(value) struct value *v = object(name, uid, version);
    kube_watch_own(f->watch, name, v);
}

static void an_own_write_is_shown_and_survives_the_end_of_a_watch(void **state)
{
    static const struct kube_row rows[] = {{GET_LIST, .body = LIST("5", OBJECT("a", "1"))},
        {GET_WATCH("5"), .pieces = {EVENT("ADDED", "b", "6")}, .end = ROW_CUT},
        {GET_WATCH("6"),
            .pieces = {EVENT("MODIFIED", "a", "7"), EVENT("MODIFIED", "a", "8"),
                EVENT("ADDED", "z-end", "end")},
            .end = ROW_HANG},
        {0}};
    struct follower f = {.times = quick};
    f.times.first_ms = 100; // the write falls into the wait
    begin(&f, *state, rows);
    run_until(&f, "a@1 b@6");
    own(&f, "a", "8");
    AUTO_FREE char *shown = print_shown(&f);
    assert_string_equal(shown, "a@8 b@6");
    f.forbidden = "a@7";
    run_until(&f, "a@8 b@6 z-end@end");
    kube_watch_free(f.watch);
}

static void a_list_that_began_before_an_own_write_is_begun_again(void **state)
{
    static const struct kube_row rows[] = {{GET_LIST, .silent = true, .end = ROW_HANG},
        {GET_LIST, .body = LIST("9", OBJECT("a", "9"))}, END("9")};
    struct follower f = {0};
    struct kube_script *s = *state;
    begin(&f, s, rows);
    while (!kube_script_sent(s, "\r\n\r\n")) // the first list is under way
        run_for(s->loop, 1);
    own(&f, "a", "8");
    run_until(&f, "a@8");
    run_until(&f, "a@9 z-end@end");
    kube_watch_free(f.watch);
}

static void an_event_that_does_not_come_is_made_up_for_by_a_list(void **state)
{
    static const struct kube_row rows[] = {{GET_LIST, .body = LIST("5", OBJECT("a", "5"))},
        {GET_WATCH("5"), .pieces = {EVENT("ADDED", "b", "6")}, .end = ROW_HANG},
        {GET_LIST, .body = LIST("9", OBJECT("a", "5"))}, END("9")};
    struct follower f = {.times = quick};
    f.times.hold_ms = 50;
    begin(&f, *state, rows);
    run_until(&f, "a@5 b@6");
    own(&f, "a", "4"); // older than what is shown: nobody can know
    run_until(&f, "a@5 z-end@end");
    kube_watch_free(f.watch);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, kube_script_set_up, kube_script_tear_down)

TEST_MAIN(TEST(fault_01_an_event_410_lists_again), TEST(fault_02_http_410_lists_again),
    TEST(always_410_backs_off), TEST(fault_03_410_for_a_page_lists_all_in_one_piece),
    TEST(fault_04_410_for_a_list_tries_again_without_any_version),
    TEST(fault_05_without_bookmarks_it_goes_on_from_the_list),
    TEST(fault_06_bookmarks_alone_advance_it), TEST(fault_07_the_end_that_was_asked_for_is_none),
    TEST(fault_08_a_broken_connection_loses_nothing_and_repeats_nothing),
    TEST(fault_09_half_an_event_is_not_waited_for_for_ever),
    TEST(silence_between_events_is_no_stall),
    TEST(an_answer_that_never_begins_and_a_watch_that_never_ends_are_cut),
    TEST(fault_10_events_are_lines_however_they_are_cut),
    TEST(an_event_beyond_all_bounds_is_not_kept),
    TEST(fault_11_events_of_unknown_types_are_passed_over),
    TEST(fault_12_an_event_of_an_error_lists_again_after_a_while),
    TEST(fault_13_429_backs_off_as_long_as_asked_without_listing),
    TEST(fault_14_429_and_503_that_name_no_time_do_not_list_either),
    TEST(a_watch_that_ends_at_once_is_not_asked_for_in_circles),
    TEST(who_may_not_list_is_told_and_tries_again),
    TEST(fault_34_versions_are_whatever_the_server_says), TEST(fault_35_a_failure_with_200_is_one),
    TEST(events_of_one_turn_are_one_call), TEST(it_may_be_freed_by_its_own_call_and_at_any_time),
    cmocka_unit_test(events_from_before_an_own_write_do_not_undo_it),
    cmocka_unit_test(objects_are_in_the_order_of_their_names),
    TEST(an_own_write_is_shown_and_survives_the_end_of_a_watch),
    TEST(a_list_that_began_before_an_own_write_is_begun_again),
    TEST(an_event_that_does_not_come_is_made_up_for_by_a_list))
