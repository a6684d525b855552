// What a cluster says to a release before it is rolled out.
#include <inttypes.h>

#include "deploy/kube_plan.h"
#include "deploy/role_cluster.h"
#include "deploy/role_jobs.h"
#include "deploy/spec.h"
#include "os/fd.h"

#define DOCUMENT_MAX ((size_t)16 << 20)

// What the file says of the release; of its place beside what is live.
static int make_release(const struct session *s, const struct value *document,
    const struct manifest *m, const struct release *live, struct release *ret, struct error *err)
{
    if (release_from_section(value_get(document, "spec"), ret, err) < 0)
        return -1;
    ret->run = mem_strdup("plan");
    ret->who = mem_strdup("plan");
    ret->revision = value_get_int(value_at(s->releases, 0), "revision", 0) + 1;
    ret->instances = m->workload ? m->replicas : 1;
    if (live)
        ret->slot = ret->strategy.kind == STRATEGY_ROLLING ? live->slot : slot_other(live->slot);
    return 0;
}

// The most pods at once. The offline plan knows what a Deployment's own controller adds.
static int peak_of(const struct session *s, const struct value *document, const struct release *to,
    const struct release *live, int *ret, struct error *err)
{
    struct rollout rollout;
    AUTO(program) struct program program = {0};
    if (spec_rollout(to, live, false, &s->target->ops->caps, &rollout, err) < 0)
        return -1;
    program_forward(&rollout, &program);
    *ret = rollout.native_rolling ? (int)value_get_int(document, "native_peak", to->instances)
                                  : program_peak(&program, &rollout);
    return 0;
}

static int add_rights(struct session *s, const struct manifest *m, const struct release *to,
    struct str *out, size_t *ret_missing, struct error *err)
{
    AUTO(kube_rights) struct kube_rights rights = {0}, missing = {0};
    kube_rights_of(m, &to->gates, &rights);
    if (kube_plan_rights(s->target, &rights, &missing, err) < 0)
        return -1;
    *ret_missing = missing.items.length;
    str_puts(out, missing.items.length ? "     rights that are missing:\n"
                                       : "     rights: all that it takes\n");
    for (int cluster = 0; cluster < 2; cluster++) {
        AUTO(value) struct value *rules = kube_rights_rules(&missing, cluster);
        if (value_length(rules))
            str_printf(out, "       rules of a %sRole to add:\n", cluster ? "Cluster" : "");
        kube_rules_print(rules, 7, out);
    }
    return 0;
}

static int add_rest(struct session *s, const struct value *document, const struct manifest *m,
    struct str *out, size_t *ret_wrong, struct error *err)
{
    AUTO(release) struct release live = {0}, to = {0};
    size_t refused = 0, lacking = 0;
    int any, peak;
    if (session_look(s, err) < 0 || (any = session_live(s, &live, err)) < 0 ||
        make_release(s, document, m, any ? &live : NULL, &to, err) < 0 ||
        peak_of(s, document, &to, any ? &live : NULL, &peak, err) < 0)
        return -1;
    if (any)
        str_printf(out, "     against release %" PRId64 ", which is live:\n", live.revision);
    else
        str_puts(out, "     nothing is live there:\n");
    if (kube_plan_objects(s->target, &to, m, any ? &live : NULL, out, &refused, err) < 0)
        return -1;
    str_printf(out, "     room for at most %d pod%s at once:\n", peak, peak == 1 ? "" : "s");
    if (kube_plan_room(s->target, m, any ? live.instances : 0, peak, out, &lacking, err) < 0)
        return -1;
    *ret_wrong += refused + lacking;
    return 0;
}

int session_plan(
    struct session *s, const struct ipc_fds *fds, struct value **ret_result, struct error *err)
{
    AUTO(str) struct str text, out;
    AUTO(manifest) struct manifest m = {0};
    AUTO(release) struct release to = {0};
    size_t wrong = 0;
    str_init(&text, DOCUMENT_MAX);
    str_init(&out, STR_TEXT_MAX);
    if (!s->cluster || fds->count != 1)
        return error_set(err, ERR_PROTOCOL, "plan: without a cluster, or without a document");
    if (fd_read_all(fds->fd[0], &text, err) < 0)
        return -1;
    AUTO(value) struct value *document = value_parse(text.data, text.length, err);
    if (!document || manifest_from_value(value_get(document, "manifest"), &m, err) < 0 ||
        release_from_section(value_get(document, "spec"), &to, err) < 0)
        return -1;
    str_printf(&out, "     context %s, namespace %s says:\n", role_cluster_context(s->cluster),
        role_cluster_namespace(s->cluster));
    struct error why = {0};
    if (add_rights(s, &m, &to, &out, &wrong, err) < 0)
        return -1;
    if (add_rest(s, document, &m, &out, &wrong, &why) < 0) {
        if (why.kind != ERR_DENIED || !wrong) {
            *err = why;
            return -1;
        }
        str_printf(&out, "     no more is to be seen without them: %s\n", why.message);
    }
    if (fd_write_all(fds->fd[0], out.data, out.length, err) < 0)
        return -1;
    *ret_result = value_map();
    value_set_bool(*ret_result, "fine", wrong == 0);
    return 0;
}
