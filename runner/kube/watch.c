#include "kube/watch.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/text.h"
#include "kube/client_private.h"
#include "kube/list.h"
#include "kube/watch_lines.h"
#include "kube/watch_private.h"
#include "kube/watch_store.h"
#include "net/url.h"
#include "os/clock.h"

#define EVENT_MAX         ((size_t)16 << 20)
#define ASKED_WAIT_MAX_MS 60000

const struct kube_watch_times kube_watch_times = {
    .first_ms = 800,
    .max_ms = 30000,
    .quiet_ms = 120000,
    .short_ms = 1000,
    .head_ms = 30000,
    .stall_ms = 30000,
    .life_min_s = 300,
    .life_max_s = 600,
    .grace_ms = 30000,
    .hold_ms = 10000,
};

enum state {
    LISTING, // a page is asked for
    WATCHING,
    WAITING, // to list again
    PAUSING, // to watch again
};

struct kube_watch {
    struct kube_client *client;
    const struct kube_watch_times *times;
    kube_watch_fn *changed;
    void *arg;

    enum state state;
    int64_t call; // -1: none under way
    struct kube_pages pages;
    char *asked;   // "WATCH pods", for messages
    char *version; // to watch from
    struct kube_store store;
    bool synced;

    // Of the watch that is open.
    struct kube_lines lines;
    bool has_head;
    int64_t opened_ms, moved_ms, life_ms;
    bool is_over;         // an event ended it, and says why in
    struct error verdict; // this

    bool has_error;
    struct error error;
    struct kube_troubles troubles;

    struct loop_timer retry;  // the wait is over
    struct loop_timer cut;    // the open watch has said nothing for too long
    struct loop_timer held;   // the event of an own write has not come for too long
    struct loop_timer notify; // once a turn
};

static void start_list(struct kube_watch *w);
static void start_watch(struct kube_watch *w);

static void on_notify(struct loop_timer *timer)
{
    struct kube_watch *w = timer->arg;
    w->changed(w->arg); // may free it
}

static void notify(struct kube_watch *w)
{
    loop_timer_start(w->client->loop, &w->notify, loop_now(w->client->loop), on_notify, w);
}

static void set_error(struct kube_watch *w, const struct error *err)
{
    if (w->has_error != (err != NULL) || (err && strcmp(err->message, w->error.message) != 0))
        notify(w);
    w->has_error = err != NULL;
    if (err)
        w->error = *err;
}

// Ends what is under way.
static void hang_up(struct kube_watch *w)
{
    kube_cancel(w->client, w->call);
    w->call = -1;
    loop_timer_stop(&w->cut);
    loop_timer_stop(&w->retry);
}

// --- trouble ---

// Only a list shows what a watch that the server refuses has missed; one that it merely cannot
// serve now, or whose connection broke, goes on from where it was.
static bool needs_list(const struct kube_watch *w, const struct error *err)
{
    if (w->state == LISTING)
        return true;
    switch (err->http_status) {
    case 0:
        return err->kind != ERR_NETWORK && err->kind != ERR_TIMEOUT;
    case 429:
    case 502:
    case 503:
    case 504:
        return false;
    default:
        return true;
    }
}

static void on_retry(struct loop_timer *timer)
{
    struct kube_watch *w = timer->arg;
    if (w->state == WAITING)
        start_list(w);
    else
        start_watch(w);
}

static void trouble(struct kube_watch *w, const struct error *err, int64_t retry_after_ms)
{
    struct error why = *err;
    bool expired = why.http_status == 410 && w->state == WATCHING;
    int64_t wait_ms = kube_back_off(&w->troubles, w->times, clock_monotonic_ms());
    if (retry_after_ms > ASKED_WAIT_MAX_MS)
        retry_after_ms = ASKED_WAIT_MAX_MS;
    if (wait_ms < retry_after_ms)
        wait_ms = retry_after_ms;
    if (expired && w->troubles.count == 1)
        wait_ms = 0; // an old version is no sign that anything is wrong, unless the next is, too
    if (!expired)
        set_error(w, &why);
    w->state = needs_list(w, &why) ? WAITING : PAUSING;
    hang_up(w);
    loop_timer_start(w->client->loop, &w->retry, clock_monotonic_ms() + wait_ms, on_retry, w);
}

// --- the list ---

static void on_page(void *arg, const struct kube_reply *reply, const struct error *err);

static void ask_page(struct kube_watch *w)
{
    static const struct kube_call_options options = {.impatient = true};
    struct error err = {0};
    AUTO_FREE char *path = kube_pages_path(&w->pages);
    const struct kube_request request = {.path = path};
    w->call = kube_call_start(w->client, &request, &options, on_page, w, &err);
    if (w->call < 0)
        trouble(w, &err, -1);
}

static void start_list(struct kube_watch *w)
{
    hang_up(w);
    w->state = LISTING;
    kube_pages_restart(&w->pages);
    ask_page(w);
}

static void take_list(struct kube_watch *w)
{
    bool changed = kube_store_replace(&w->store, w->pages.items);
    mem_replace(&w->version, w->pages.version);
    kube_pages_restart(&w->pages);
    if (changed || !w->synced)
        notify(w);
    w->synced = true;
    start_watch(w);
}

static void on_page(void *arg, const struct kube_reply *reply, const struct error *err)
{
    struct kube_watch *w = arg;
    enum kube_page next = KUBE_PAGE_MORE;
    struct error why = {0};
    w->call = -1;
    if (err && !kube_pages_expired(&w->pages, err))
        trouble(w, err, reply->retry_after_ms);
    else if (!err && kube_pages_take(&w->pages, reply->value, &next, &why) < 0)
        trouble(w, &why, -1);
    else if (next == KUBE_PAGE_MORE)
        ask_page(w);
    else
        take_list(w);
}

// --- the watch ---

static void on_silence(struct loop_timer *timer);

// When is what is open given up? The server ends a healthy watch by itself, may say nothing until
// then, and says each event in one go.
static void set_cut(struct kube_watch *w)
{
    int64_t end = w->opened_ms + (w->has_head ? w->life_ms : w->times->head_ms);
    if (w->lines.part.length && w->moved_ms + w->times->stall_ms < end)
        end = w->moved_ms + w->times->stall_ms;
    loop_timer_start(w->client->loop, &w->cut, end, on_silence, w);
}

static void on_silence(struct loop_timer *timer)
{
    struct kube_watch *w = timer->arg;
    struct error err = {0};
    error_set(&err, ERR_TIMEOUT, "%s: %s", w->asked,
        !w->has_head           ? "no answer"
        : w->lines.part.length ? "nothing came in the middle of an event"
                               : "the server does not end it");
    err.retryable = true;
    trouble(w, &err, -1);
}

static void on_head(void *arg)
{
    struct kube_watch *w = arg;
    w->has_head = true;
    w->moved_ms = clock_monotonic_ms();
    set_cut(w);
    set_error(w, NULL);
}

static int end_by(struct kube_watch *w, const struct error *why, struct error *err)
{
    w->is_over = true;
    w->verdict = *why;
    *err = *why;
    return -1;
}

// A Status instead of an event, or in one.
static int take_failure(struct kube_watch *w, const struct value *status, struct error *err)
{
    struct error why = {0};
    const struct kube_answered answered = {.asked = w->asked, .status = 500, .body = status};
    kube_status_check(&answered, &why);
    return end_by(w, &why, err);
}

static int take_event(struct kube_watch *w, const struct value *event, struct error *err)
{
    const char *type = value_get_str(event, "type");
    struct value *object = value_get(event, "object");
    bool deleted = text_equal(type, "DELETED");
    if (kube_is_failure(event))
        return take_failure(w, event, err);
    if (text_equal(type, "ERROR"))
        return take_failure(w, object, err);
    bool change = deleted || text_equal(type, "ADDED") || text_equal(type, "MODIFIED");
    if (!change && !text_equal(type, "BOOKMARK"))
        return 0; // of a newer server: the next of a type that we know brings its version along
    if (!kube_version(object) || (change && !kube_name(object))) {
        struct error why = {0};
        error_set(&why, ERR_PROTOCOL, "%s: an event without %s", w->asked,
            kube_version(object) ? "a name" : "a version");
        return end_by(w, &why, err);
    }
    mem_replace(&w->version, kube_version(object));
    if (change && kube_store_event(&w->store, deleted, object))
        notify(w);
    return 0;
}

static int take_line(void *arg, const char *line, size_t length, struct error *err)
{
    struct kube_watch *w = arg;
    struct error why = {0};
    AUTO(value) struct value *event = value_parse(line, length, &why);
    if (event)
        return take_event(w, event, err);
    error_wrap(&why, "%s", w->asked);
    return end_by(w, &why, err);
}

static int on_bytes(void *arg, const void *bytes, size_t length, struct error *err)
{
    struct kube_watch *w = arg;
    w->moved_ms = clock_monotonic_ms();
    if (kube_lines_feed(&w->lines, bytes, length, take_line, w, err) < 0)
        return w->is_over ? -1 : end_by(w, err, err);
    set_cut(w);
    return 0;
}

static void on_end(void *arg, const struct kube_reply *reply, const struct error *err)
{
    struct kube_watch *w = arg;
    struct error why = {0};
    w->call = -1;
    loop_timer_stop(&w->cut);
    if (w->is_over) {
        trouble(w, &w->verdict, -1);
    } else if (err) {
        trouble(w, err, reply->retry_after_ms);
    } else if (w->lines.part.length || clock_monotonic_ms() - w->opened_ms < w->times->short_ms) {
        error_set(&why, ERR_NETWORK, "%s: the server ended it %s", w->asked,
            w->lines.part.length ? "in the middle of an event" : "at once");
        why.retryable = true;
        trouble(w, &why, -1);
    } else {
        start_watch(w);
    }
}

static int64_t random_life_s(const struct kube_watch_times *times)
{
    uint32_t random = 0;
    int64_t span = times->life_max_s - times->life_min_s + 1;
    if (getrandom(&random, sizeof random, 0) != sizeof random)
        random = 0; // the shortest is as good
    return times->life_min_s + random % span;
}

static void start_watch(struct kube_watch *w)
{
    const struct kube_call_options options = {
        .impatient = true, .sink = on_bytes, .sink_arg = w, .on_head = on_head};
    int64_t life_s = random_life_s(w->times);
    struct error err = {0};
    AUTO_FREE char *version = url_escape(w->version);
    AUTO_FREE char *path = mem_printf("%s%swatch=1&resourceVersion=%s&allowWatchBookmarks=true"
                                      "&timeoutSeconds=%lld",
        w->pages.path, text_ends(w->pages.path, "?") ? "" : "&", version, (long long)life_s);
    const struct kube_request request = {.path = path};
    hang_up(w);
    w->state = WATCHING;
    w->has_head = w->is_over = false;
    w->opened_ms = w->moved_ms = clock_monotonic_ms();
    w->life_ms = life_s * 1000 + w->times->grace_ms;
    str_clear(&w->lines.part);
    w->call = kube_call_start(w->client, &request, &options, on_end, w, &err);
    if (w->call < 0)
        trouble(w, &err, -1);
    else
        set_cut(w);
}

// --- for its owner ---

struct kube_watch *kube_watch_timed(struct kube_client *c, const struct kube_kind *kind,
    const char *ns, const char *selector, const struct kube_watch_times *times,
    kube_watch_fn *changed, void *arg)
{
    struct kube_watch *w = mem_alloc(sizeof *w);
    w->client = c;
    w->times = times;
    w->changed = changed;
    w->arg = arg;
    w->call = -1;
    kube_pages_init(&w->pages, kind, ns, selector);
    w->asked = kube_asked("WATCH", w->pages.path);
    kube_lines_init(&w->lines, EVENT_MAX);
    start_list(w);
    return w;
}

struct kube_watch *kube_watch_new(struct kube_client *c, const struct kube_kind *kind,
    const char *ns, const char *selector, kube_watch_fn *changed, void *arg, struct error *err)
{
    if (kind->namespaced && !ns) { // names are not enough then
        error_set(err, ERR_INTERNAL, "%s are watched in no namespace", kind->plural);
        return NULL;
    }
    return kube_watch_timed(c, kind, ns, selector, &kube_watch_times, changed, arg);
}

void kube_watch_free(struct kube_watch *w)
{
    if (!w)
        return;
    hang_up(w);
    loop_timer_stop(&w->held);
    loop_timer_stop(&w->notify);
    kube_pages_done(&w->pages);
    kube_store_done(&w->store);
    kube_lines_done(&w->lines);
    free(w->version);
    free(w->asked);
    free(w);
}

bool kube_watch_synced(const struct kube_watch *w)
{
    return w->synced;
}

const struct error *kube_watch_error(const struct kube_watch *w)
{
    return w->has_error ? &w->error : NULL;
}

size_t kube_watch_count(const struct kube_watch *w)
{
    return w->store.items.length;
}

struct value *kube_watch_item(const struct kube_watch *w, size_t index)
{
    return w->store.items.items[index];
}

struct value *kube_watch_get(const struct kube_watch *w, const char *name)
{
    return kube_store_get(&w->store, name);
}

static void on_held(struct loop_timer *timer);

static void expect_events(struct kube_watch *w)
{
    int64_t end = clock_monotonic_ms() + w->times->hold_ms;
    if (w->store.holds.length && !w->held.loop)
        loop_timer_start(w->client->loop, &w->held, end, on_held, w);
}

// The event of an own write has not come: it was the same as another's, or came long before its
// answer. A list knows; where none is on its way already, it is asked for.
static void on_held(struct loop_timer *timer)
{
    struct kube_watch *w = timer->arg;
    if (w->store.holds.length && w->state == WATCHING)
        start_list(w);
    expect_events(w);
}

void kube_watch_own(struct kube_watch *w, const char *name, const struct value *object)
{
    if (!kube_store_own(&w->store, name, object))
        return;
    notify(w);
    // The list that is under way may have been made before the write, or after: nobody can tell.
    if (w->state == LISTING)
        start_list(w);
    expect_events(w);
}
