// davit-witness: looks at one app on a cluster ten times a second, and says what must never be
// seen.
//
//     davit-witness NAMESPACE SERVICE
//
// KUBECONFIG names the cluster. It ends by SIGTERM, and prints {"looks": N, "violations": [TEXT…]};
// its exit code is 1 when there are any. What it holds to (the names are those of the tests):
//
//     I1  the Service, once it has selected a Ready pod, always selects one
//     I2  the outcome of a release is written once, and stays
//     I6  the epoch on an object never goes down, and what davit writes of an object does not
//         change at an epoch that has been over for a while
//
// It follows the cluster by watches of its own, which show two objects as of slightly different
// times: what looks like I1 broken counts when the server, asked for the pods between two looks at
// the same version of the Service, says so.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kube/config.h"
#include "kube/watch.h"
#include "net/http_curl.h"
#include "os/clock.h"

#define LOOK_MS  100
#define CLAIM_MS 3000 // a claim takes the Lease first and stamps the objects then
#define EPOCH    "davit.dev/epoch"
#define END_     "davit.dev/end"

enum of { LEASES, SERVICES, PODS, DEPLOYMENTS, CONFIGS, REVISIONS, OF_COUNT };
static const char *const kinds[OF_COUNT][2] = {
    {"coordination.k8s.io/v1", "Lease"},
    {"v1", "Service"},
    {"v1", "Pod"},
    {"apps/v1", "Deployment"},
    {"v1", "ConfigMap"},
    {"apps/v1", "ControllerRevision"},
};

// An object as it was seen last.
struct seen {
    char *uid;
    int64_t epoch;
    struct value *content;
};

struct witness {
    const char *ns, *service;
    struct loop *loop;
    struct kube_client *client;
    const struct kube_kind *kind[OF_COUNT];
    struct kube_watch *watch[OF_COUNT];
    VEC(struct seen) seen;
    bool served; // the Service has selected somebody
    bool over;
    int64_t epoch, epoch_since_ms; // of the Lease
    int64_t looks;
    struct value *violations;
};

static void violation(struct witness *w, const char *text)
{
    fprintf(stderr, "%lld %s\n", (long long)clock_unix_ms(), text);
    value_append_str(w->violations, text);
}

// --- I1 ---

static bool selects(const struct value *service, const struct value *pod)
{
    struct value_cursor cursor = {.map = kube_at(service, "spec", "selector")};
    const char *key;
    struct value *wanted;
    if (!value_length(cursor.map) || kube_at(pod, "metadata", "deletionTimestamp"))
        return false;
    while (value_next(&cursor, &key, &wanted))
        if (!text_equal(kube_label(pod, key), value_text(wanted)))
            return false;
    return true;
}

static bool is_ready(const struct value *pod)
{
    const struct value *conditions = kube_at(pod, "status", "conditions");
    for (size_t i = 0; i < value_length(conditions); i++) {
        const struct value *c = value_at(conditions, i);
        if (text_equal(value_get_str(c, "type"), "Ready"))
            return text_equal(value_get_str(c, "status"), "True");
    }
    return false;
}

static bool serves_now(const struct witness *w)
{
    const struct value *service = kube_watch_get(w->watch[SERVICES], w->service);
    for (size_t i = 0; i < kube_watch_count(w->watch[PODS]); i++) {
        const struct value *pod = kube_watch_item(w->watch[PODS], i);
        if (selects(service, pod) && is_ready(pod))
            return true;
    }
    return false;
}

// Whether the server itself says that nobody serves. One that does not answer says nothing.
static bool nobody_serves(const struct witness *w)
{
    AUTO(value) struct value *before = NULL;
    AUTO(value) struct value *pods = NULL;
    AUTO(value) struct value *after = NULL;
    struct error err = {0};
    if (kube_get(w->client, w->kind[SERVICES], w->ns, w->service, &before, &err) < 0)
        return err.kind == ERR_NOT_FOUND;
    if (kube_list(w->client, w->kind[PODS], w->ns, NULL, &pods, &err) < 0 ||
        kube_get(w->client, w->kind[SERVICES], w->ns, w->service, &after, &err) < 0 ||
        !text_equal(kube_version(before), kube_version(after)))
        return false;
    for (size_t i = 0; i < value_length(pods); i++)
        if (selects(before, value_at(pods, i)) && is_ready(value_at(pods, i)))
            return false;
    return true;
}

static void look_at_service(struct witness *w)
{
    if (serves_now(w))
        w->served = true;
    else if (w->served && nobody_serves(w))
        violation(w, "I1: the Service selects no Ready pod");
}

// --- I2 and I6 ---

// What davit alone writes.
static struct value *content_of(const struct value *object)
{
    struct value *content = value_map(), *annotations = value_map();
    struct value_cursor cursor = {.map = kube_at(object, "metadata", "annotations")};
    const char *key;
    struct value *item;
    while (value_next(&cursor, &key, &item))
        if (strncmp(key, "davit.dev/", 10) == 0 && strcmp(key, EPOCH) != 0)
            value_set(annotations, key, value_copy(item));
    value_set(content, "annotations", annotations);
    static const char *const parts[] = {"spec", "data"};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (value_get(object, parts[i]))
            value_set(content, parts[i], value_copy(value_get(object, parts[i])));
    return content;
}

// NULL while it has none.
static char *outcome_of(const struct value *content)
{
    const char *text = value_get_str(value_get(content, "annotations"), END_);
    AUTO(value) struct value *end = text ? value_parse(text, strlen(text), NULL) : NULL;
    const char *outcome = value_get_str(end, "outcome");
    return outcome ? mem_strdup(outcome) : NULL;
}

static void compare(struct witness *w, const char *what, const struct seen *before,
    const struct value *content, int64_t epoch)
{
    AUTO_FREE char *was = outcome_of(before->content);
    AUTO_FREE char *is = outcome_of(content);
    bool past = epoch < w->epoch && clock_monotonic_ms() > w->epoch_since_ms + CLAIM_MS;
    AUTO_FREE char *text = NULL;
    if (epoch < before->epoch)
        text = mem_printf("I6: the epoch of %s went from %lld to %lld", what,
            (long long)before->epoch, (long long)epoch);
    else if (past && !value_equal(before->content, content))
        text = mem_printf("I6: %s was changed at epoch %lld, while %lld rules", what,
            (long long)epoch, (long long)w->epoch);
    else if (was && !text_equal(was, is))
        text = mem_printf("I2: the outcome of %s was \"%s\" and is \"%s\"", what, was, is);
    if (text)
        violation(w, text);
}

static void look_at_object(struct witness *w, enum of of, const struct value *object)
{
    const char *stamp = kube_annotation(object, EPOCH);
    if (!stamp)
        return;
    int64_t epoch = strtoll(stamp, NULL, 10);
    AUTO(value) struct value *content = content_of(object);
    AUTO_FREE char *what = mem_printf("%s %s", kinds[of][1], kube_name(object));
    vec_each (s, &w->seen) {
        if (!text_equal(s->uid, kube_uid(object)))
            continue;
        compare(w, what, s, content, epoch);
        value_free(s->content);
        s->content = take_ptr(content);
        s->epoch = epoch;
        return;
    }
    const struct seen fresh = {mem_strdup(kube_uid(object)), epoch, take_ptr(content)};
    vec_push(&w->seen, fresh);
}

static void look_at_lease(struct witness *w)
{
    for (size_t i = 0; i < kube_watch_count(w->watch[LEASES]); i++) {
        const struct value *lease = kube_watch_item(w->watch[LEASES], i);
        int64_t epoch = value_get_int(value_get(lease, "spec"), "leaseTransitions", 0);
        if (epoch < w->epoch)
            violation(w, "I6: the epoch of the Lease went down");
        if (epoch != w->epoch)
            w->epoch_since_ms = clock_monotonic_ms();
        w->epoch = epoch;
    }
}

// --- the life ---

static void look(struct witness *w)
{
    for (int of = 0; of < OF_COUNT; of++)
        if (!kube_watch_synced(w->watch[of]))
            return;
    static const enum of stamped[] = {SERVICES, DEPLOYMENTS, CONFIGS, REVISIONS};
    look_at_lease(w);
    for (size_t i = 0; i < ARRAY_LEN(stamped); i++)
        for (size_t j = 0; j < kube_watch_count(w->watch[stamped[i]]); j++)
            look_at_object(w, stamped[i], kube_watch_item(w->watch[stamped[i]], j));
    look_at_service(w);
    w->looks++;
}

static void on_change(void *arg)
{
    (void)arg; // it is looked at in time
}

static void on_time(struct loop_timer *timer)
{
    loop_stop(timer->arg);
}

static void on_signal(void *arg, int signal)
{
    (void)signal;
    struct witness *w = arg;
    w->over = true;
    loop_stop(w->loop);
}

static int follow(struct witness *w, struct error *err)
{
    for (int of = 0; of < OF_COUNT; of++) {
        if (kube_kind_find(w->client, kinds[of][0], kinds[of][1], &w->kind[of], err) < 0)
            return -1;
        w->watch[of] = kube_watch_new(w->client, w->kind[of], w->ns, NULL, on_change, w, err);
        if (!w->watch[of])
            return -1;
    }
    return 0;
}

static int watch(struct witness *w, struct error *err)
{
    struct loop_timer timer = {0};
    int status = follow(w, err);
    while (status == 0 && !w->over) {
        loop_timer_start(w->loop, &timer, clock_monotonic_ms() + LOOK_MS, on_time, w->loop);
        status = loop_run(w->loop, err);
        loop_timer_stop(&timer);
        if (status == 0)
            look(w);
    }
    for (int of = 0; of < OF_COUNT; of++)
        kube_watch_free(w->watch[of]);
    vec_each (s, &w->seen) {
        free(s->uid);
        value_free(s->content);
    }
    vec_free(&w->seen);
    return status;
}

static int run(struct witness *w, struct error *err)
{
    static const int signals[] = {SIGTERM, SIGINT};
    AUTO(kube_cluster) struct kube_cluster cluster = {0};
    AUTO(kube_source) struct kube_source source = {0};
    AUTO(kube_config) struct kube_config *config = kube_config_load(NULL, err);
    if (!config || kube_config_cluster(config, NULL, &cluster, &source, err) < 0)
        return -1;
    w->loop = loop_new(err);
    if (!w->loop || loop_signals(w->loop, signals, ARRAY_LEN(signals), on_signal, w, err) < 0)
        return -1;
    struct http_client *http = http_curl_new(w->loop, err);
    struct kube_login *login = kube_login_new(w->loop, &source, &cluster);
    const struct kube_credentials credentials = kube_login_credentials(login);
    w->client = http ? kube_client_new(w->loop, http, &cluster, &credentials, err) : NULL;
    int status = w->client ? watch(w, err) : -1;
    kube_client_free(w->client);
    kube_login_free(login);
    http_client_free(http);
    loop_free(w->loop);
    return status;
}

int main(int argc, char **argv)
{
    struct error err = {0};
    if (argc != 3) {
        fputs("usage: davit-witness NAMESPACE SERVICE\n", stderr);
        return 2;
    }
    struct witness w = {.ns = argv[1], .service = argv[2], .violations = value_list()};
    if (run(&w, &err) < 0) {
        fprintf(stderr, "davit-witness: %s\n", err.message);
        return 70;
    }
    bool broken = value_length(w.violations) > 0;
    AUTO(value) struct value *told = value_map();
    value_set_int(told, "looks", w.looks);
    value_set(told, "violations", w.violations);
    AUTO_FREE char *text = value_print(told);
    puts(text);
    return broken;
}
