#include <string.h>

#include "base/text.h"
#include "deploy/verdict_private.h"
#include "kube/object.h"

// The scheduler writes the newer form (eventTime, series), kubelet and controllers the older.
int64_t verdict_event_first(const struct value *event)
{
    return verdict_time(event, "firstTimestamp", verdict_time(event, "eventTime", 0));
}

int64_t verdict_event_last(const struct value *event)
{
    int64_t last = verdict_time(event, "lastTimestamp", verdict_event_first(event));
    return verdict_time(value_get(event, "series"), "lastObservedTime", last);
}

int64_t verdict_event_count(const struct value *event)
{
    int64_t count = value_get_int(event, "count", 1);
    return value_get_int(value_get(event, "series"), "count", count);
}

const char *verdict_event_message(const struct value *event)
{
    static const char combined[] = "(combined from similar events): ";
    const char *message = value_get_str(event, "message") ?: "";
    return text_starts(message, combined) ? message + strlen(combined) : message;
}

// "spec.containers{app}"
static bool is_of_container(const struct value *involved, const char *name)
{
    const char *path = value_get_str(involved, "fieldPath");
    const char *brace = path ? strchr(path, '{') : NULL;
    size_t length = strlen(name);
    return brace && strncmp(brace + 1, name, length) == 0 && brace[1 + length] == '}';
}

const struct value *verdict_events_next(struct verdict_events *e)
{
    while (e->next < value_length(e->in->events)) {
        const struct value *event = value_at(e->in->events, e->next++);
        const struct value *involved = value_get(event, "involvedObject");
        const char *uid = value_get_str(involved, "uid");
        if (uid && text_equal(uid, kube_uid(e->object)) &&
            (!e->reason || text_equal(value_get_str(event, "reason"), e->reason)) &&
            (!e->container || is_of_container(involved, e->container)) &&
            verdict_is_of_rollout(e->in, verdict_event_last(event)))
            return event;
    }
    return NULL;
}

// --- messages ---

static const struct {
    const char *begin, *end;
} layers[] = {
    {"Back-off pulling image \"", "\": "},
    {"ErrImagePull", ": "},
    {"Failed to pull image \"", "\": "},
    {"Error: ", ": "},
    {"rpc error: ", "desc = "},
    {"failed to pull and unpack image \"", "\": "},
    {"failed to resolve image \"", "\": "},
    {"failed to resolve reference \"", "\": "},
    {"failed to do request: ", ": "},
    {"failed to create containerd task: ", ": "},
    {"failed to start containerd task \"", "\": "},
    {"failed to create shim task: ", ": "},
    {"OCI runtime create failed: ", ": "},
    {"OCI runtime start failed: ", ": "},
    {"runc create failed: ", ": "},
    {"unable to start container process: ", ": "},
    {"error during container init: ", ": "},
    {"Error creating: ", ": "},
    {"pods \"", "is forbidden: "},
    {"error looking up service account ", ": "},
    {"pod rejected: ", ": "},
    {"Exec lifecycle hook ", "failed - error: "},
    {"MountVolume.SetUp failed for ", "for "},
};

const char *verdict_plain(const char *message)
{
    for (size_t i = 0; i < ARRAY_LEN(layers);) {
        const char *end =
            text_starts(message, layers[i].begin) ? strstr(message, layers[i].end) : NULL;
        if (!end) {
            i++;
            continue;
        }
        message = end + strlen(layers[i].end);
        i = 0;
    }
    return message;
}

bool verdict_has(const char *message, const char *const *parts)
{
    for (; *parts; parts++)
        if (strcasestr(message, *parts))
            return true;
    return false;
}
