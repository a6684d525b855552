// Causes, and what the instances have logged.
#include <string.h>

#include "deploy/kube_private.h"
#include "os/clock.h"

#define LAST_LINES   20
#define LOG_MAX      ((size_t)4 << 20) // of one container
#define LOG_TAIL_MAX ((size_t)16 << 10)

static int read_log(struct kube_target *k, const char *pod, const char *container, bool previous,
    int lines, struct str *out, struct error *err)
{
    AUTO_FREE char *base = kube_path(k->kinds[KUBE_POD], k->ns, pod);
    AUTO_FREE char *path = mem_printf("%s/log?container=%s&tailLines=%d%s", base, container, lines,
        previous ? "&previous=true" : "");
    return kube_do_text(k->client, path, out, err);
}

static int input_of(struct kube_target *k, int64_t release, struct verdict_input *ret,
    const struct value **ret_deployment, struct error *err)
{
    const struct kube_known *known = kube_known(k, release, err);
    if (!known)
        return -1;
    *ret = (struct verdict_input){
        .deployment = kube_deployment(k, known, known->release.slot),
        .since_unix_ms = known->release.created_unix_ms,
        .now_unix_ms = clock_unix_ms(),
        .port = known->manifest.port,
    };
    *ret_deployment = ret->deployment;
    return 0;
}

void kube_last_lines(
    struct kube_target *k, const char *pod, const char *container, bool previous, struct str *out)
{
    AUTO(str) struct str text;
    str_init(&text, LOG_TAIL_MAX);
    if (!container || read_log(k, pod, container, previous, LAST_LINES, &text, NULL) < 0 ||
        !text.length)
        return;
    str_printf(out, "last lines of pod %s, container %s%s:\n%s", pod, container,
        previous ? ", before its restart" : "", text.data);
    if (!text_ends(text.data, "\n"))
        str_putc(out, '\n');
}

int kube_explain(struct target *t, int64_t release, struct str *out, struct error *err)
{
    struct kube_target *k = kube_of(t);
    struct verdict_input in;
    struct verdict_log wanted;
    const struct value *deployment;
    AUTO(value) struct value *pods = kube_items(k, KUBE_POD, err);
    AUTO(value) struct value *sets = pods ? kube_items(k, KUBE_REPLICA_SET, err) : NULL;
    AUTO(value) struct value *events = sets ? kube_items(k, KUBE_EVENT, err) : NULL;
    if (!events)
        return -1;
    if (kube_hook_explain(k, kube_known(k, release, NULL), pods, out))
        return 0;
    if (input_of(k, release, &in, &deployment, err) < 0)
        return -1;
    in.pods = pods;
    in.replica_sets = sets;
    in.events = events;
    verdict_explain(&in, k->ns, out);
    if (verdict_log_wanted(&in, true, &wanted))
        kube_last_lines(k, wanted.pod, wanted.container, wanted.previous, out);
    return 0;
}

// Every container of the release's pods, one after the other.
int kube_logs(struct target *t, int64_t release, struct str *out, struct error *err)
{
    struct kube_target *k = kube_of(t);
    struct set_state set = {0};
    struct verdict_input in;
    const struct value *deployment;
    AUTO(value) struct value *pods = kube_items(k, KUBE_POD, err);
    AUTO(value) struct value *sets = pods ? kube_items(k, KUBE_REPLICA_SET, err) : NULL;
    if (!sets || input_of(k, release, &in, &deployment, err) < 0)
        return -1;
    in.pods = pods;
    in.replica_sets = sets;
    if (!deployment || kube_release_of(deployment) != release)
        return 0;
    verdict_read(&in, true, &set);
    for (size_t i = 0; i < set.instance_count; i++) {
        const struct value *containers = NULL;
        for (size_t j = 0; j < value_length(pods) && !containers; j++)
            if (text_equal(kube_name(value_at(pods, j)), set.instances[i].name))
                containers = kube_at(value_at(pods, j), "spec", "containers");
        for (size_t j = 0; j < value_length(containers); j++) {
            AUTO(str) struct str text;
            str_init(&text, LOG_MAX);
            const char *name = value_get_str(value_at(containers, j), "name");
            if (name && read_log(k, set.instances[i].name, name, false, 10000, &text, NULL) == 0)
                str_add(out, text.data, text.length);
        }
    }
    return 0;
}
