#include "support/check.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "base/vec.h"
#include "deploy/verdict.h"
#include "kube/object.h"
#include "support/golden.h"

// --- what a real cluster showed ---
//
// tests/verdict/NAME.json is what a real cluster (Kubernetes 1.36) showed of a namespace, change by
// change, without what does not matter here: {since, until, changes: [{ms, type, object}]}, times
// in Unix milliseconds. NAME.txt is what is to be said of it, and when.

struct world {
    struct value *lists[5]; // by kind
    int64_t since, now;
};

static const char *const kinds[] = {"Deployment", "ReplicaSet", "Pod", "Event", NULL};
enum { DEPLOYMENT, REPLICA_SET, POD, EVENT, OTHER };

static void world_change(struct world *w, const struct value *change)
{
    struct value *object = value_get(change, "object");
    size_t kind = 0;
    while (kinds[kind] && !text_equal(value_get_str(object, "kind"), kinds[kind]))
        kind++;
    struct value *list = value_list();
    for (size_t i = 0; i < value_length(w->lists[kind]); i++) {
        struct value *other = value_at(w->lists[kind], i);
        if (!text_equal(kube_name(other), kube_name(object)))
            value_append(list, value_share(other));
    }
    if (!text_equal(value_get_str(change, "type"), "DELETED"))
        value_append(list, value_share(object));
    value_free(w->lists[kind]);
    w->lists[kind] = list;
    w->now = value_get_int(change, "ms", 0);
}

static struct verdict_input input_of(const struct world *w)
{
    return (struct verdict_input){
        .deployment = value_at(w->lists[DEPLOYMENT], 0),
        .replica_sets = w->lists[REPLICA_SET],
        .pods = w->lists[POD],
        .events = w->lists[EVENT],
        .since_unix_ms = w->since,
        .now_unix_ms = w->now,
        .port = 8080,
    };
}

static void print_instance(const struct instance *instance, struct str *out)
{
    str_printf(
        out, "    %d %s %s", instance->index, instance->name, instance_state_name(instance->state));
    if (instance->address[0])
        str_printf(out, " at %s", instance->address);
    if (instance->restarts)
        str_printf(out, ", restarted %d times", instance->restarts);
    if (instance->last_end[0])
        str_printf(out, ", last end: %s", instance->last_end);
    str_putc(out, '\n');
}

static void print_set(const char *name, const struct set_state *set, struct str *out)
{
    if (!set->desired && !set->present && !set->instance_count)
        return;
    str_printf(out, "%s%s: %d wanted, %d present, %d ready\n", name,
        set->current ? "" : " (not current)", set->desired, set->present, set->ready);
    for (size_t i = 0; i < set->instance_count; i++)
        print_instance(&set->instances[i], out);
    if (set->doomed[0])
        str_printf(out, "    doomed: %s\n", set->doomed);
}

// Returns when to look again.
static int64_t print_world(const struct world *w, struct str *out)
{
    struct verdict_input in = input_of(w);
    struct set_state newest = {0}, others = {0};
    const struct value *object = value_at(w->lists[OTHER], 0);
    int64_t again = INT64_MAX;
    if (in.deployment) {
        again = verdict_read(&in, true, &newest);
        int64_t when = verdict_read(&in, false, &others);
        again = when < again ? when : again;
        print_set("newest", &newest, out);
        print_set("others", &others, out);
    }
    bool settled = false;
    char doomed[256];
    const struct value *rolls = object ? object : in.deployment;
    if (!rolls)
        return again;
    int64_t when = verdict_other(&in, rolls, &settled, doomed, sizeof doomed);
    if (object || settled)
        str_printf(out, "%s %s\n", value_get_str(rolls, "kind"),
            settled     ? "has settled"
            : doomed[0] ? doomed
                        : "may settle");
    return when < again ? when : again;
}

// Adds what the world says unless it says the same as before.
static int64_t tell(const struct world *w, struct str *said, struct str *out)
{
    AUTO(str) struct str now;
    str_init(&now, STR_TEXT_MAX);
    int64_t again = print_world(w, &now);
    if (text_equal(now.data, said->data))
        return again;
    str_printf(out, "%+.2fs\n%s", (double)(w->now - w->since) / 1000, now.data);
    str_clear(said);
    str_puts(said, now.data);
    return again;
}

static void explain(const struct world *w, struct str *out)
{
    struct verdict_input in = input_of(w);
    struct verdict_log log;
    if (!in.deployment)
        return;
    str_puts(out, "explained\n");
    verdict_explain(&in, "shop", out);
    if (verdict_log_wanted(&in, true, &log))
        str_printf(
            out, "log of %s, %s%s\n", log.pod, log.container, log.previous ? ", previous" : "");
}

static void replay(const struct value *recording, struct str *out)
{
    struct world w = {.since = value_get_int(recording, "since", 0)};
    const struct value *changes = value_get(recording, "changes");
    int64_t until = value_get_int(recording, "until", 0), again = INT64_MAX;
    AUTO(str) struct str said;
    str_init(&said, STR_TEXT_MAX);
    for (size_t i = 0; i <= value_length(changes); i++) {
        const struct value *change = value_at(changes, i);
        int64_t next = change ? value_get_int(change, "ms", 0) : until;
        while (again <= next && again > w.now) {
            w.now = again;
            again = tell(&w, &said, out);
        }
        if (!change)
            break;
        world_change(&w, change);
        if (w.now >= w.since)
            again = tell(&w, &said, out);
    }
    explain(&w, out);
    for (size_t i = 0; i < ARRAY_LEN(w.lists); i++)
        value_free(w.lists[i]);
}

static void what_a_cluster_showed_is_judged_as_soon_as_it_can_be(void **state)
{
    (void)state;
    AUTO(strv) struct strv names = {0};
    golden_names("verdict", ".json", &names);
    assert_true(names.length > 20);
    strv_each (name, &names) {
        AUTO(str) struct str text, out;
        str_init(&text, STR_TEXT_MAX);
        str_init(&out, STR_TEXT_MAX);
        golden_read("verdict", *name, ".json", &text);
        struct error err = {0};
        AUTO(value) struct value *recording = value_parse(text.data, text.length, &err);
        if (!recording)
            fail_msg("%s: %s", *name, err.message);
        replay(recording, &out);
        golden_check("verdict", *name, ".txt", out.data);
    }
}

TEST_MAIN(cmocka_unit_test(what_a_cluster_showed_is_judged_as_soon_as_it_can_be))
