// What an app is doing, what it was, and what it says.
#include <inttypes.h>
#include <string.h>

#include "codec/role.h"
#include "deploy/releases.h"
#include "deploy/report.h"
#include "deploy/role_jobs.h"
#include "os/clock.h"

#define ANSWER_MAX  ((size_t)96 << 10) // a packet is a little more
#define REFUSED_MAX 100

// --- status ---

static struct value *instances_to_value(const struct set_state *set)
{
    struct value *list = value_list();
    for (size_t i = 0; i < set->instance_count; i++) {
        const struct instance *instance = &set->instances[i];
        struct value *v = value_map();
        value_set_int(v, "index", instance->index);
        value_set_str(v, "state", instance_state_name(instance->state));
        if (instance->address[0])
            value_set_str(v, "address", instance->address);
        value_set_int(v, "restarts", instance->restarts);
        if (instance->last_end[0])
            value_set_str(v, "last_end", instance->last_end);
        value_append(list, v);
    }
    return list;
}

static struct value *sets_to_value(const struct snapshot *seen)
{
    struct value *list = value_list();
    for (size_t i = 0; i < ARRAY_LEN(seen->sets); i++) {
        const struct set_state *set = &seen->sets[i];
        if (!set->exists)
            continue;
        struct value *v = value_map();
        value_set_str(v, "slot", slot_name(set->slot));
        value_set_int(v, "release", set->release);
        value_set_int(v, "ready", set->ready);
        value_set_int(v, "desired", set->desired);
        value_set_int(v, "percent", set->percent);
        if (set->doomed[0])
            value_set_str(v, "doomed", set->doomed);
        value_set(v, "instances", instances_to_value(set));
        value_append(list, v);
    }
    return list;
}

// Whether `davit rollback` could go somewhere now.
static void print_rollback(struct session *s, struct str *out)
{
    struct error err = {0};
    AUTO(value) struct value *missing = NULL;
    const struct value *to = releases_choose(s->releases, s->refused, s->seen.live, 0, &err);
    int64_t revision = value_get_int(to, "revision", 0);
    if (!to || s->target->ops->release_check(s->target, revision, &missing, &err) < 0) {
        str_printf(out, "not possible: %s", err.message);
        return;
    }
    bool ready = value_length(missing) == 0;
    str_printf(out, "%s: release %" PRId64 ", ", ready ? "ready" : "not possible", revision);
    release_print_short(to, out);
    if (ready)
        str_puts(out, "; image and settings are here");
    for (size_t i = 0; i < value_length(missing); i++)
        str_printf(out, "; %s", value_text(value_at(missing, i)));
}

int session_status(
    struct session *s, const struct ipc_fds *fds, struct value **ret_result, struct error *err)
{
    (void)fds;
    AUTO(str) struct str text;
    str_init(&text, 2000);
    if (session_look(s, err) < 0)
        return -1;
    struct value *v = value_map();
    value_set_str(v, "app", s->app);
    session_say_place(s, v);
    value_set_int(v, "live", s->seen.live);
    if (session_under_way(s)) {
        rollout_print(s->named, &s->seen, session_parked(s), clock_unix_ms(), &text);
        value_set_str(v, "rollout", text.data);
    }
    if (s->seen.holder[0])
        value_set_str(v, "holder", s->seen.holder);
    value_set(v, "sets", sets_to_value(&s->seen));
    str_clear(&text);
    print_rollback(s, &text);
    value_set_str(v, "rollback", text.data);
    *ret_result = v;
    return 0;
}

// --- history ---

// A driver may have died after it put the record and before it began: nothing will come of it.
static bool never_begun(const struct session *s, const struct value *record)
{
    bool under_way =
        session_under_way(s) && value_get_int(record, "revision", 0) == s->seen.rollout.to;
    const char *outcome = value_get_str(record, "outcome");
    return !under_way && text_equal(outcome, outcome_name(OUTCOME_PENDING));
}

static struct value *summary(const struct session *s, const struct value *record)
{
    static const char *const keys[] = {"revision", "created_unix_ms", "commit", "outcome", "reason",
        "times", "who", "why", "run", "trace_id", "slot", "instances"};
    struct value *v = value_map(), *image = value_map();
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        struct value *item = value_get(record, keys[i]);
        if (item)
            value_set(v, keys[i], value_share(item));
    }
    if (never_begun(s, record))
        value_set_str(v, "outcome", "not begun");
    const struct value *from = value_get(record, "image");
    value_set_str(image, "reference", value_get_str(from, "reference"));
    value_set_str(image, "digest", value_get_str(from, "digest"));
    value_set(v, "image", image);
    value_set_str(v, "strategy", value_get_str(value_get(record, "strategy"), "kind"));
    return v;
}

int session_history(
    struct session *s, const struct ipc_fds *fds, struct value **ret_result, struct error *err)
{
    (void)fds;
    if (session_look(s, err) < 0)
        return -1;
    struct value *v = value_map(), *releases = value_list(), *refused = value_list();
    value_set_str(v, "app", s->app);
    session_say_place(s, v);
    value_set_int(v, "live", s->seen.live);
    for (size_t i = 0; i < value_length(s->refused) && i < REFUSED_MAX; i++)
        value_append(refused, value_share(value_at(s->refused, i)));
    AUTO_FREE char *fixed = value_print(refused);
    size_t size = strlen(fixed), shown = 0;
    for (; shown < value_length(s->releases); shown++) {
        AUTO(value) struct value *one = summary(s, value_at(s->releases, shown));
        AUTO_FREE char *text = value_print(one);
        size += strlen(text) + 1;
        if (size > ANSWER_MAX)
            break;
        value_append(releases, take_ptr(one));
    }
    value_set(v, "releases", releases);
    value_set(v, "refused", refused);
    if (shown < value_length(s->releases))
        value_set_int(v, "omitted", (int64_t)(value_length(s->releases) - shown));
    *ret_result = v;
    return 0;
}

// --- logs ---

static void tell_line(struct session *s, const char *line, size_t length)
{
    AUTO_FREE char *copy = mem_strndup(line, length);
    role_log(s->worker, "%s", copy);
}

int session_logs(
    struct session *s, const struct ipc_fds *fds, struct value **ret_result, struct error *err)
{
    (void)fds;
    (void)ret_result;
    AUTO(str) struct str text;
    str_init(&text, STR_TEXT_MAX);
    if (session_look(s, err) < 0)
        return -1;
    if (!s->seen.live)
        return error_set(err, ERR_NOT_FOUND, "nothing of %s is live", s->app);
    if (s->target->ops->logs(s->target, s->seen.live, &text, err) < 0)
        return -1;
    for (size_t at = 0; at < text.length;) {
        const char *line = text.data + at;
        const char *end = memchr(line, '\n', text.length - at);
        size_t length = end ? (size_t)(end - line) : text.length - at;
        tell_line(s, line, length);
        at += length + 1;
    }
    return 0;
}
