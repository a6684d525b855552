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
// change, without what does not matter here: {since, until, changes: [{ms, type, name, object}]},
// times in Unix milliseconds, of an object only what is new. NAME.txt is what is to be said of it,
// and when.

struct world {
    struct value *lists[5]; // by kind
    int64_t since, now;
};

static const char *const kinds[] = {"Deployment", "ReplicaSet", "Pod", "Event", NULL};
enum { DEPLOYMENT, REPLICA_SET, POD, EVENT, OTHER };

// What has changed of an object; all else is as before.
static struct value *merge(const struct value *before, const struct value *change)
{
    struct value *object = before ? value_copy(before) : value_map();
    struct value_cursor c = {.map = change};
    const char *key;
    for (struct value *item; value_next(&c, &key, &item);)
        value_set(object, key, value_share(item));
    return object;
}

static void world_change(struct world *w, const struct value *change)
{
    const struct value *shown = value_get(change, "object"), *before = NULL;
    const char *type = value_get_str(change, "type"), *name = value_get_str(change, "name");
    struct value *list = value_list();
    size_t kind = 0;
    while (kinds[kind] && !text_equal(value_get_str(shown, "kind"), kinds[kind]))
        kind++;
    for (size_t i = 0; i < value_length(w->lists[kind]); i++) {
        struct value *other = value_at(w->lists[kind], i);
        if (text_equal(kube_name(other), name))
            before = other;
        else
            value_append(list, value_share(other));
    }
    if (!text_equal(type, "DELETED"))
        value_append(list, merge(text_equal(type, "ADDED") ? NULL : before, shown));
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

// --- what it did not show ---

// Objects with single quotes. The rollout began at 00:00:00; the Deployment "web" has one
// ReplicaSet.
#define SINCE      1767225600000
#define AT(second) "'2026-01-01T00:00:" second "Z'"
#define OWNED(name, uid, owner)                                                                    \
    "'metadata':{'name':'" name "','uid':'" uid "','creationTimestamp':" AT(                       \
        "01") ",'ownerReferences':[{'uid':'" owner "','controller':true}]}"
#define TEMPLATE "'template':{'spec':{'containers':[{'name':'app'}]}}"
#define DEPLOYMENT_OF(spec, status)                                                                \
    "{'kind':'Deployment','metadata':{'name':'web','uid':'d','generation':2},'spec':{" spec        \
    "," TEMPLATE "},'status':{" status "}}"
#define ONE DEPLOYMENT_OF("'replicas':1", "'observedGeneration':2")
#define SET_OF(status)                                                                             \
    "{" OWNED("web-7d", "r", "d") ",'spec':{'replicas':1," TEMPLATE "},'status':{" status "}}"
#define POD_OF(spec, status)                                                                       \
    "{" OWNED("web-7d-x", "p", "r") ",'spec':{" spec "},'status':{" status "}}"
#define APP           "'containers':[{'name':'app','image':'shop:1'}]"
#define PROBED(probe) "'containers':[{'name':'app','readinessProbe':{" probe "}}]"
#define STATUS(state) "'containerStatuses':[{'name':'app'," state "}]"
#define WAITS(reason, message)                                                                     \
    POD_OF(APP, STATUS("'state':{'waiting':{'reason':'" reason "','message':'" message "'}}"))
#define ENDED(restarts, end)                                                                       \
    POD_OF(APP, STATUS("'restartCount':" restarts ",'state':{'terminated':{" end                   \
                       ",'startedAt':" AT("02") ",'finishedAt':" AT("05") "}}"))
#define RUNS(probe) POD_OF(PROBED(probe), STATUS("'state':{'running':{'startedAt':" AT("02") "}}"))
#define EVENT_OF(reason, message, first, last)                                                     \
    "{'reason':'" reason "','message':'" message "','firstTimestamp':" AT(                         \
        first) ",'lastTimestamp':" AT(last) ",'involvedObject':{'uid':'p',"                        \
                                            "'fieldPath':'spec.containers{app}'}}"
#define UNREADY(message) EVENT_OF("Unhealthy", "Readiness probe failed: " message, "04", "30")
#define UNSCHEDULED(more)                                                                          \
    POD_OF(APP, "'conditions':[{'type':'PodScheduled','status':'False','reason':"                  \
                "'Unschedulable','message':'0/3 nodes','lastTransitionTime':" AT("05") "}]" more)
#define REFUSED(message)                                                                           \
    SET_OF("'conditions':[{'type':'ReplicaFailure','status':'True','message':'" message            \
           "','lastTransitionTime':" AT("05") "}]")
#define LEAVING "{'metadata':{'name':'old','uid':'o','deletionTimestamp':" AT("09") "},'status':{}}"
#define APP_POD "pod web-7d-x, container app: "

static const struct sign {
    const char *name;
    const char *deployment, *sets, *pods, *events; // NULL: one, one, none, none
    int64_t now_s;                                 // since the rollout began
    const char *doomed;
    int64_t again_s; // 0: never
} signs[] = {
    // Images.
    {"the registry denies", .pods = WAITS("ErrImagePull", "pull access denied, no basic auth"),
        .doomed = APP_POD "image shop:1 cannot be pulled: pull access denied, no basic auth"},
    {"the registry has no such manifest",
        .pods = WAITS("ImagePullBackOff",
            "Back-off pulling image \\'shop:1\\': ErrImagePull: manifest unknown"),
        .doomed = APP_POD "image shop:1 cannot be pulled: manifest unknown"},
    {"the registry has an error of its own",
        .pods = WAITS("ErrImagePull", "rpc error: code = Unknown desc = 503 Service Unavailable"),
        .now_s = 20, .again_s = 31},
    {"the registry is not found by name",
        .pods = WAITS("ErrImagePull", "lookup registry: no such host"), .again_s = 31},
    {"the registry has not answered for long, and there are no events",
        .pods = WAITS("ImagePullBackOff", "dial tcp: i/o timeout"), .now_s = 31,
        .doomed = APP_POD "image shop:1 cannot be pulled: dial tcp: i/o timeout"},
    {"the registry has not answered once",
        .pods = WAITS("ImagePullBackOff", "dial tcp: i/o timeout"),
        .events = EVENT_OF("Failed", "Failed to pull image \\'shop:1\\': i/o timeout", "02", "02"),
        .now_s = 50},
    {"the registry has not answered before this rollout",
        .pods = WAITS("ImagePullBackOff", "dial tcp: i/o timeout"),
        .events = "{'reason':'Failed','count':9,'message':'Failed to pull image','lastTimestamp':"
                  "'2025-12-31T23:59:59Z','involvedObject':{'uid':'p','fieldPath':"
                  "'spec.containers{app}'}}",
        .again_s = 31},
    // Configuration.
    {"a cache is not filled yet",
        .pods = WAITS("CreateContainerConfigError", "failed to sync configmap cache: timed out")},
    {"services are not read yet", .pods = WAITS("CreateContainerConfigError",
                                      "services have not yet been read at least once")},
    {"the runtime does not answer in time",
        .pods = WAITS("CreateContainerError", "context deadline exceeded")},
    {"a container cannot be made", .pods = WAITS("CreateContainerError", "no such device"),
        .doomed = APP_POD "cannot be made: no such device"},
    {"a volume's cache is not filled yet", .pods = WAITS("ContainerCreating", ""),
        .events = EVENT_OF("FailedMount", "failed to sync configmap cache", "02", "02")},
    {"the namespace is new", .pods = WAITS("ContainerCreating", ""),
        .events =
            EVENT_OF("FailedMount", "configmap \\'kube-root-ca.crt\\' not found", "02", "02")},
    {"it waits for its image", .pods = WAITS("ContainerCreating", "")},
    // Ends.
    {"it has ended once", .pods = ENDED("0", "'exitCode':1")},
    {"it has ended twice", .pods = ENDED("1", "'exitCode':1"),
        .doomed = APP_POD "ended 2 times, last with exit 1 after 3s"},
    {"it says why", .pods = ENDED("1", "'exitCode':70,'message':'a\\nno disk\\n'"),
        .doomed = APP_POD "ended 2 times, last with exit 70 after 3s: no disk"},
    {"a signal, as the runtime tells it", .pods = ENDED("1", "'exitCode':137"),
        .doomed = APP_POD "ended 2 times, last with signal 9 (KILL) after 3s"},
    {"an exit status that is no signal", .pods = ENDED("1", "'exitCode':255"),
        .doomed = APP_POD "ended 2 times, last with exit 255 after 3s"},
    {"out of memory once", .pods = ENDED("0", "'exitCode':137,'reason':'OOMKilled'"),
        .doomed = APP_POD "OOMKilled"},
    {"its node was lost", .pods = ENDED("4", "'exitCode':137,'reason':'ContainerStatusUnknown'")},
    {"it cannot be run",
        .pods = ENDED("0", "'exitCode':127,'reason':'ContainerCannotRun','message':'no such file'"),
        .doomed = APP_POD "cannot be started: no such file"},
    {"its layers were not there",
        .pods = ENDED("0", "'exitCode':128,'reason':'ContainerCannotRun'")},
    {"an init container that was done at the third try",
        .pods = POD_OF("'initContainers':[{'name':'migrate'}]," APP,
            "'initContainerStatuses':[{'name':'migrate','restartCount':2,'state':{'terminated':{"
            "'exitCode':0}},'lastState':{'terminated':{'exitCode':1}}}]")},
    {"a sidecar that ends",
        .pods = POD_OF("'initContainers':[{'name':'proxy','restartPolicy':"
                       "'Always'}]," APP,
            "'initContainerStatuses':[{'name':'proxy','restartCount':1,"
            "'state':{'terminated':{'exitCode':0}}}]"),
        .doomed = "pod web-7d-x, container proxy: ended 2 times, last with exit 0 at once"},
    {"a pod from before the rollout",
        .pods = "{'metadata':{'name':'web-7d-x','uid':'p','creationTimestamp':"
                "'2025-12-31T23:59:59Z','ownerReferences':[{'uid':'r','controller':true}]},"
                "'spec':{" APP "},'status':{" STATUS("'state':{'waiting':{'reason':"
                                                     "'InvalidImageName'}}") "}}"},
    {"a pod that is being ended",
        .pods = "{'metadata':{'name':'web-7d-x','uid':'p','creationTimestamp':" AT(
            "01") ",'deletionTimestamp':" AT("02") ",'ownerReferences':[{'uid':'r','controller':"
                                                   "true}]},'spec':{" APP "},'status':{" STATUS(
                                                       "'state':{'waiting':{'reason':"
                                                       "'InvalidImageName'}}") "}}"},
    {"a pod of somebody else",
        .pods = "{" OWNED("web-8e-x", "p", "another") ",'spec':{" APP "},'status':{" STATUS(
            "'state':{'waiting':{'reason':'InvalidImageName'}}") "}}"},
    // Probes.
    {"within its grace", .pods = RUNS("'periodSeconds':10"), .events = UNREADY("refused"),
        .now_s = 30, .again_s = 36},
    {"after its grace", .pods = RUNS("'periodSeconds':10"), .events = UNREADY("refused"),
        .now_s = 36, .doomed = APP_POD "its readiness probe fails: refused"},
    {"a short period is no short start", .pods = RUNS("'periodSeconds':1"),
        .events = UNREADY("refused"), .now_s = 12, .again_s = 14},
    {"it says that it is not ready yet", .pods = RUNS("'periodSeconds':1"),
        .events = UNREADY("HTTP probe failed with statuscode: 503"), .now_s = 12, .again_s = 14},
    {"it says that there is no such thing", .pods = RUNS("'periodSeconds':1"),
        .events = UNREADY("HTTP probe failed with statuscode: 404"), .now_s = 9,
        .doomed = APP_POD "its readiness probe fails: HTTP probe failed with statuscode: 404"},
    {"it is probed late", .pods = RUNS("'periodSeconds':1,'initialDelaySeconds':30"),
        .events = UNREADY("HTTP probe failed with statuscode: 404"), .now_s = 36, .again_s = 37},
    {"it was ready in between",
        .pods = POD_OF(PROBED("'periodSeconds':10"),
            STATUS("'state':{'running':{'startedAt':" AT(
                "02") "}}") ",'conditions':[{'type':'Ready','status':'False',"
                            "'lastTransitionTime':" AT("20") "}]"),
        .events = UNREADY("refused"), .now_s = 40, .again_s = 52},
    {"its startup probe has not passed yet",
        .pods = POD_OF(PROBED("'periodSeconds':1"),
            STATUS("'started':false,'state':{'running':{'startedAt':" AT("02") "}}")),
        .events = UNREADY("refused"), .now_s = 59},
    {"the failures are of the run before",
        .pods = POD_OF(PROBED("'periodSeconds':1"),
            STATUS("'restartCount':1,'state':{'running':{'startedAt':" AT("40") "}}")),
        .events = UNREADY("refused"), .now_s = 59},
    // Nodes.
    {"no node yet", .pods = UNSCHEDULED(""), .now_s = 14, .again_s = 15},
    {"no node", .pods = UNSCHEDULED(""), .now_s = 15,
        .doomed = "pod web-7d-x: no node takes it: 0/3 nodes"},
    {"somebody makes room", .pods = UNSCHEDULED(",'nominatedNodeName':'node3'"), .now_s = 59},
    {"a node is on its way", .pods = UNSCHEDULED(""), .now_s = 59,
        .events = EVENT_OF("TriggeredScaleUp", "pod triggered scale-up: 3->4", "06", "06")},
    {"a pod that leaves makes room", .pods = UNSCHEDULED("") "," LEAVING, .now_s = 59},
    {"its node needed the room",
        .pods = POD_OF(APP, "'phase':'Failed','reason':'Evicted','message':'low on memory'")},
    {"its node was shut down", .pods = POD_OF(APP, "'phase':'Failed','reason':'NodeShutdown'")},
    {"it came too late for its node", .pods = POD_OF(APP, "'phase':'Failed','reason':'OutOfcpu'")},
    // Controllers.
    {"a webhook denies", .sets = REFUSED("admission webhook \\'policy\\' denied the request: no"),
        .now_s = 5,
        .doomed = "no pod can be created: admission webhook \"policy\" denied the request: no"},
    {"a webhook does not answer",
        .sets = REFUSED("failed calling webhook \\'policy\\': connection refused"), .now_s = 14,
        .again_s = 15},
    {"a webhook does not answer for long",
        .sets = REFUSED("failed calling webhook \\'policy\\': connection refused"), .now_s = 15,
        .doomed = "no pod can be created: failed calling webhook \"policy\": connection refused"},
    {"a quota that a leaving pod frees", .sets = REFUSED("exceeded quota: few"), .pods = LEAVING,
        .now_s = 59},
    {"a quota that a pod has just freed", .sets = REFUSED("exceeded quota: few"),
        .events = EVENT_OF("Killing", "Stopping container app", "06", "06"), .now_s = 20,
        .again_s = 36},
    {"the deadline of another rollout",
        .deployment = DEPLOYMENT_OF("'replicas':1",
            "'observedGeneration':2,'conditions':[{'type':'Progressing','status':'False',"
            "'reason':'ProgressDeadlineExceeded','lastUpdateTime':'2025-12-31T23:00:00Z'}]")},
    {"a refusal that only the Deployment shows", .sets = "",
        .deployment = DEPLOYMENT_OF("'replicas':1",
            "'observedGeneration':2,'conditions':[{'type':'ReplicaFailure','status':'True',"
            "'message':'no'}]"),
        .doomed = "no pod can be created: no"},
    {"no ReplicaSet", .sets = "",
        .deployment = DEPLOYMENT_OF("'replicas':1",
            "'observedGeneration':2,'conditions':[{'type':'Progressing','status':'False',"
            "'reason':'ReplicaSetCreateError','message':'too many','lastUpdateTime':" AT(
                "02") "}]"),
        .doomed = "no ReplicaSet can be created: too many"},
};

// Single quotes become double ones; a quote within a text is \'.
static struct value *parse(const char *open, const char *json, const char *close)
{
    AUTO(str) struct str text;
    str_init(&text, STR_TEXT_MAX);
    str_puts(&text, open);
    for (const char *at = json ? json : ""; *at; at++)
        str_putc(&text, *at == '\'' ? '"' : *at);
    str_puts(&text, close);
    struct error err = {0};
    struct value *v = value_parse(text.data, text.length, &err);
    if (!v)
        fail_msg("%s: %s", err.message, text.data);
    return v;
}

// The objects of a table's row; NULL: one Deployment, one ReplicaSet, nothing else.
struct scene {
    struct value *deployment, *sets, *pods, *events;
};

static void scene_done(struct scene *s)
{
    value_free(s->deployment);
    value_free(s->sets);
    value_free(s->pods);
    value_free(s->events);
}
DEFINE_AUTO(scene, struct scene, scene_done)

static struct scene set_up(
    const char *deployment, const char *sets, const char *pods, const char *events)
{
    return (struct scene){
        .deployment = parse("", deployment ? deployment : ONE, ""),
        .sets = parse("[", sets ? sets : SET_OF(""), "]"),
        .pods = parse("[", pods, "]"),
        .events = parse("[", events, "]"),
    };
}

static struct verdict_input input_from(const struct scene *s, int64_t now_s)
{
    return (struct verdict_input){
        .deployment = s->deployment,
        .replica_sets = s->sets,
        .pods = s->pods,
        .events = s->events,
        .since_unix_ms = SINCE + 400, // the API's dates are cut to seconds
        .now_unix_ms = SINCE + now_s * 1000,
        .port = 80,
    };
}

static void a_sign_dooms_or_does_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(signs); i++) {
        const struct sign *sign = &signs[i];
        AUTO(scene)
        struct scene scene = set_up(sign->deployment, sign->sets, sign->pods, sign->events);
        struct verdict_input in = input_from(&scene, sign->now_s);
        struct set_state set;
        int64_t again = verdict_read(&in, true, &set);
        int64_t wanted = sign->again_s ? SINCE + sign->again_s * 1000 : INT64_MAX;
        if (!text_equal(set.doomed, sign->doomed ? sign->doomed : ""))
            fail_msg("%s: wanted \"%s\", got \"%s\"", sign->name, sign->doomed ? sign->doomed : "",
                set.doomed);
        if (!set.doomed[0] && again != wanted)
            fail_msg("%s: looked at again at %lld, not %lld", sign->name,
                (long long)(again - SINCE) / 1000, (long long)sign->again_s);
    }
}

// --- which pods count ---

#define READY_POD(name, set)                                                                       \
    "{" OWNED(name, name,                                                                          \
        set) ",'spec':{'containers':[{'name':'app','readinessProbe':{}}]},"                        \
             "'status':{'podIP':'fd00::7','conditions':[{'type':'Ready','status':'True',"          \
             "'lastTransitionTime':" AT("03") "}]}}"
#define OLD_SET                                                                                    \
    "{" OWNED("web-6c", "q", "d") ",'spec':{'replicas':2,'template':{'spec':{}}},"                 \
                                  "'status':{'replicas':2}}"

static const struct count {
    const char *name, *deployment, *sets, *pods;
    int64_t now_s;
    bool newest, current;
    int desired, present, ready;
} counts[] = {
    {"one, ready", NULL, NULL, READY_POD("a", "r"), 9, true, true, 1, 1, 1},
    {"of somebody else's", NULL, NULL, READY_POD("a", "z"), 9, true, true, 1, 0, 0},
    {"of the release before", NULL, SET_OF("") "," OLD_SET, READY_POD("a", "q"), 9, true, true, 1,
        0, 0},
    {"those of the release before", NULL, SET_OF("") "," OLD_SET,
        READY_POD("a", "q") "," READY_POD("b", "r"), 9, false, true, 2, 1, 1},
    // What was written is not done yet: the annotations would still say that the old one is newest.
    {"the template is new", DEPLOYMENT_OF("'replicas':1", "'observedGeneration':1"), OLD_SET,
        READY_POD("a", "q"), 9, true, false, 1, 0, 0},
    {"only the number is new", DEPLOYMENT_OF("'replicas':3", "'observedGeneration':1"), NULL,
        READY_POD("a", "r"), 9, true, false, 3, 1, 1},
    {"the number has not come to the ReplicaSet",
        DEPLOYMENT_OF("'replicas':3", "'observedGeneration':2"), NULL, READY_POD("a", "r"), 9, true,
        false, 3, 1, 1},
    {"paused, so there is no ReplicaSet",
        DEPLOYMENT_OF("'replicas':1,'paused':true", "'observedGeneration':2"), OLD_SET, "", 9, true,
        false, 1, 0, 0},
    {"not ready for long enough",
        DEPLOYMENT_OF("'replicas':1,'minReadySeconds':10", "'observedGeneration':2"), NULL,
        READY_POD("a", "r"), 12, true, true, 1, 1, 0},
    {"ready for long enough",
        DEPLOYMENT_OF("'replicas':1,'minReadySeconds':10", "'observedGeneration':2"), NULL,
        READY_POD("a", "r"), 13, true, true, 1, 1, 1},
    {"has ended, and is replaced", NULL, NULL, POD_OF(APP, "'phase':'Succeeded'"), 9, true, true, 1,
        0, 0},
    {"no Deployment", "null", NULL, READY_POD("a", "r"), 9, true, true, 0, 0, 0},
};

static void the_pods_of_the_newest_replica_set_count(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        const struct count *count = &counts[i];
        AUTO(scene)
        struct scene scene = set_up(count->deployment, count->sets, count->pods, NULL);
        struct verdict_input in = input_from(&scene, count->now_s);
        if (text_equal(count->deployment, "null"))
            in.deployment = NULL;
        struct set_state set = {.release = 7, .percent = 40};
        verdict_read(&in, count->newest, &set);
        if (set.current != count->current || set.desired != count->desired ||
            set.present != count->present || set.ready != count->ready || set.doomed[0])
            fail_msg("%s: %s, %d wanted, %d present, %d ready, doomed: %s", count->name,
                set.current ? "current" : "not current", set.desired, set.present, set.ready,
                set.doomed);
        assert_true(set.release == 7 && set.percent == 40); // not its own
    }
}

static void an_instance_is_told_by_its_name_and_where_it_is_reached(void **state)
{
    (void)state;
    AUTO(scene) struct scene scene = set_up(NULL, NULL, READY_POD("a", "r"), NULL);
    struct verdict_input in = input_from(&scene, 9);
    struct set_state set;
    verdict_read(&in, true, &set);
    assert_int_equal(set.instance_count, 1);
    assert_string_equal(set.instances[0].name, "a");
    assert_string_equal(set.instances[0].address, "[fd00::7]:80");
}

static void of_very_many_pods_the_leaving_ones_are_left_out_first(void **state)
{
    (void)state;
    AUTO(str) struct str pods;
    str_init(&pods, STR_TEXT_MAX);
    for (int i = 0; i < 2 * INSTANCES_MAX; i++)
        str_printf(&pods,
            "%s{'metadata':{'name':'web-%03d'%s,'ownerReferences':[{'uid':'r','controller':true}]}"
            ",'status':{}}",
            i ? "," : "", i, i % 2 ? "" : ",'deletionTimestamp':'2026-01-01T00:00:05Z'");
    AUTO(scene) struct scene scene = set_up(NULL, NULL, pods.data, NULL);
    struct verdict_input in = input_from(&scene, 9);
    struct set_state set;
    verdict_read(&in, true, &set);
    assert_int_equal(set.present, INSTANCES_MAX);
    assert_int_equal(set.instance_count, INSTANCES_MAX);
    for (size_t i = 0; i < set.instance_count; i++)
        assert_int_equal(set.instances[i].state, INSTANCE_STARTING);
}

// --- other kinds ---

#define OBJECT(kind, spec, status)                                                                 \
    "{'kind':'" kind "','metadata':{'name':'x','uid':'r','generation':2},'spec':{" spec            \
    "},'status':{" status "}}"
#define SEEN "'observedGeneration':2"
#define DEPLOYED(numbers)                                                                          \
    "{'kind':'Deployment','metadata':{'name':'web','uid':'d','generation':2},'spec':{'replicas':"  \
    "1," TEMPLATE "},'status':{" SEEN "," numbers "}}"
#define DONE "'updatedReplicas':1,'replicas':1,'availableReplicas':1"
#define BAD  WAITS("InvalidImageName", "no name")
#define CONDITION(type, status, message)                                                           \
    "'conditions':[{'type':'" type "','status':'" status "','message':'" message "'}]"
#define BY_OBJECT(message)                                                                         \
    "{'reason':'FailedCreate','message':'" message                                                 \
    "','firstTimestamp':" AT("02") ",'lastTimestamp':" AT("03") ",'involvedObject':{'uid':'r'}}"
#define BAD_NAME "pod web-7d-x, container app: image shop:1: InvalidImageName: no name"

static const struct other {
    const char *name, *object, *pods, *events;
    bool settled;
    const char *doomed;
} others[] = {
    {"a Deployment", DEPLOYED(DONE), READY_POD("a", "r"), NULL, true, ""},
    {"a Deployment whose old pods are there still",
        DEPLOYED("'updatedReplicas':1,'replicas':2,'availableReplicas':1"), READY_POD("a", "r"),
        NULL, false, ""},
    {"a Deployment that is not available",
        DEPLOYED("'updatedReplicas':1,'replicas':1,'availableReplicas':0"), "", NULL, false, ""},
    {"a Deployment whose pods are not shown", DEPLOYED(DONE), "", NULL, true, ""},
    {"a Deployment whose pod has just been ready", DEPLOYED(DONE), ENDED("0", "'exitCode':1"), NULL,
        false, ""},
    {"a Deployment that is not observed",
        DEPLOYMENT_OF("'replicas':1", DONE ",'observedGeneration':1"), READY_POD("a", "r"), NULL,
        false, ""},
    {"a paused Deployment", DEPLOYMENT_OF("'paused':true", SEEN), "", NULL, true, ""},
    {"a doomed Deployment", DEPLOYED("'updatedReplicas':1"), BAD, NULL, false,
        "Deployment/web: " BAD_NAME},
    {"a StatefulSet",
        OBJECT("StatefulSet", "'replicas':1",
            SEEN ",'updateRevision':'2','currentRevision':'2','readyReplicas':1"),
        READY_POD("a", "r"), NULL, true, ""},
    {"a StatefulSet on its way",
        OBJECT("StatefulSet", "'replicas':1",
            SEEN ",'updateRevision':'2','currentRevision':'1','readyReplicas':1,'replicas':1"),
        READY_POD("a", "r"), NULL, false, ""},
    {"a StatefulSet up to its partition",
        OBJECT("StatefulSet", "'replicas':1,'updateStrategy':{'rollingUpdate':{'partition':1}}",
            SEEN ",'updateRevision':'2','currentRevision':'1','readyReplicas':1"),
        READY_POD("a", "r"), NULL, true, ""},
    {"a StatefulSet that a person rolls",
        OBJECT("StatefulSet", "'updateStrategy':{'type':'OnDelete'}", ""), "", NULL, true, ""},
    {"a StatefulSet whose pods are refused", OBJECT("StatefulSet", "'replicas':1", SEEN), "",
        BY_OBJECT("exceeded quota: few"), false,
        "StatefulSet/x: no pod can be created: exceeded quota: few"},
    {"a StatefulSet whose pods were refused",
        OBJECT("StatefulSet", "'replicas':1", SEEN ",'replicas':1"), "",
        BY_OBJECT("exceeded quota: few"), false, ""},
    {"a DaemonSet",
        OBJECT("DaemonSet", "",
            SEEN ",'desiredNumberScheduled':1,'updatedNumberScheduled':1,'numberAvailable':1"),
        READY_POD("a", "r"), NULL, true, ""},
    {"a DaemonSet on its way",
        OBJECT("DaemonSet", "",
            SEEN ",'desiredNumberScheduled':2,'updatedNumberScheduled':1,'numberAvailable':2,"
                 "'currentNumberScheduled':2"),
        "", NULL, false, ""},
    {"a DaemonSet that a person rolls",
        OBJECT("DaemonSet", "'updateStrategy':{'type':'OnDelete'}",
            SEEN ",'desiredNumberScheduled':1"),
        "", NULL, true, ""},
    {"a doomed DaemonSet", OBJECT("DaemonSet", "", SEEN ",'desiredNumberScheduled':1"), BAD, NULL,
        false, "DaemonSet/x: " BAD_NAME},
    {"a Job", OBJECT("Job", "", CONDITION("Complete", "True", "")), "", NULL, true, ""},
    {"a Job that runs", OBJECT("Job", "", "'active':1"), "", NULL, false, ""},
    {"a Job whose pod has failed and may again", OBJECT("Job", "", "'active':1"),
        ENDED("1", "'exitCode':1"), NULL, false, ""},
    {"a Job that has failed", OBJECT("Job", "", CONDITION("Failed", "True", "too often")),
        ENDED("0", "'exitCode':3"), NULL, false, "Job/x: too often; pod web-7d-x: exit 3"},
    {"a Job whose image is not there", OBJECT("Job", "", "'active':1"), BAD, NULL, false,
        "Job/x: " BAD_NAME},
    {"a suspended Job", OBJECT("Job", "'suspend':true", ""), "", NULL, true, ""},
    {"a CustomResourceDefinition",
        OBJECT("CustomResourceDefinition", "", CONDITION("Established", "True", "")), "", NULL,
        true, ""},
    {"a CustomResourceDefinition on its way",
        OBJECT("CustomResourceDefinition", "", CONDITION("Established", "False", "")), "", NULL,
        false, ""},
    {"a CustomResourceDefinition whose names are taken",
        OBJECT("CustomResourceDefinition", "", CONDITION("NamesAccepted", "False", "in use")), "",
        NULL, false, "CustomResourceDefinition/x: in use"},
    {"a claim whose volume waits for a pod",
        OBJECT("PersistentVolumeClaim", "", "'phase':'Pending'"), "", NULL, true, ""},
    {"a CronJob", OBJECT("CronJob", "", ""), "", NULL, true, ""},
};

static void other_kinds_settle_or_are_doomed(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        const struct other *other = &others[i];
        AUTO(value) struct value *object = parse("", other->object, "");
        AUTO(scene) struct scene scene = set_up(NULL, NULL, other->pods, other->events);
        struct verdict_input in = input_from(&scene, 9);
        in.deployment = NULL;
        bool settled;
        char doomed[256];
        verdict_other(&in, object, &settled, doomed, sizeof doomed);
        if (settled != other->settled || !text_equal(doomed, other->doomed))
            fail_msg(
                "%s: %s, doomed: %s", other->name, settled ? "settled" : "not settled", doomed);
    }
}

TEST_MAIN(cmocka_unit_test(what_a_cluster_showed_is_judged_as_soon_as_it_can_be),
    cmocka_unit_test(a_sign_dooms_or_does_not),
    cmocka_unit_test(the_pods_of_the_newest_replica_set_count),
    cmocka_unit_test(an_instance_is_told_by_its_name_and_where_it_is_reached),
    cmocka_unit_test(of_very_many_pods_the_leaving_ones_are_left_out_first),
    cmocka_unit_test(other_kinds_settle_or_are_doomed))
