// Taking over an app that runs already on a cluster, and giving it back.
#include <inttypes.h>
#include <string.h>

#include "codec/role.h"
#include "deploy/kube_adopt.h"
#include "deploy/releases.h"
#include "deploy/role_jobs.h"
#include "deploy/spec.h"
#include "kube/object.h"
#include "os/clock.h"
#include "os/failpoint.h"
#include "os/fd.h"

#define DEADLINE_S 600 // of a Deployment that does not say

static int need_cluster(const struct session *s, const char *what, struct error *err)
{
    if (s->cluster)
        return 0;
    return error_set(err, ERR_USAGE,
        "only an app on a cluster can be %s: say where it is by --env, or by --context and "
        "--namespace",
        what);
}

static struct value *result_of(
    const struct session *s, const char *reason, int64_t release, struct value *lines)
{
    struct value *result = session_result_plain(s, "success", reason);
    struct value *report = value_get(result, "report");
    AUTO(value) struct value *owned = lines;
    for (size_t i = 0; i < value_length(lines); i++)
        value_append(report, value_share(value_at(lines, i)));
    if (release)
        value_set_int(result, "release", release);
    return result;
}

static void add_notes(struct value *lines, const struct strv *notes)
{
    strv_each (note, notes) {
        AUTO_FREE char *line = mem_printf("  note: %s", *note);
        value_append_str(lines, line);
    }
}

// --- adopt ---

static int check_new(const struct session *s, struct error *err)
{
    if (s->seen.live)
        return error_set(err, ERR_CONFLICT,
            "%s is davit's already: release %" PRId64 " is live (`davit status %s`)", s->app,
            s->seen.live, s->named);
    if (session_under_way(s))
        return error_set(err, ERR_CONFLICT,
            "%s is davit's already: the rollout of release %" PRId64 " is under way", s->app,
            s->seen.rollout.to);
    return 0;
}

static int find(struct session *s, struct kube_adoption *ret, struct error *err)
{
    return kube_adopt_find(
        s->target, value_get_str(s->job, "service"), value_get_str(s->job, "deployment"), ret, err);
}

static void make_release(
    const struct session *s, const struct kube_adoption *a, struct release *ret)
{
    const struct value *spec = value_get(a->deployment, "spec");
    const struct value *containers = kube_at(spec, "template", "spec", "containers");
    const char *image = value_get_str(value_at(containers, 0), "image");
    const char *environment = value_get_str(s->job, "environment");
    ret->created_unix_ms = clock_unix_ms();
    ret->app = mem_strdup(s->app);
    ret->environment = mem_strdup(environment ? environment : "");
    ret->commit = mem_strdup("");
    ret->who = mem_strdup(s->who);
    ret->why = mem_printf("adopted from %s", a->from);
    // An adoption that is done again after its death finds its release by that.
    ret->run = mem_printf("adopt-%s", kube_uid(a->deployment));
    ret->trace_id = mem_strdup("");
    spec_image_reference(image ? image : "", &ret->image);
    ret->env = value_map();
    ret->manifest = manifest_to_value(&a->manifest);
    ret->instances = a->manifest.replicas;
    ret->slot = SLOT_BLUE;
    ret->strategy.kind = STRATEGY_ROLLING;
    ret->deadline_ms = 1000 * value_get_int(spec, "progressDeadlineSeconds", DEADLINE_S);
}

// The release of an adoption that died: by whom and from what it was is not to be seen on the
// objects any more.
static bool find_put(const struct session *s, struct release *release)
{
    for (size_t i = 0; i < value_length(s->releases); i++) {
        const struct value *record = value_at(s->releases, i);
        if (!text_equal(value_get_str(record, "run"), release->run) ||
            !value_equal(value_get(record, "manifest"), release->manifest))
            continue;
        release->revision = value_get_int(record, "revision", 0);
        release->created_unix_ms = value_get_int(record, "created_unix_ms", 0);
        return true;
    }
    return false;
}

static struct value *adopted(
    const struct session *s, const struct kube_adoption *a, const char *verb, int64_t release)
{
    struct value *lines = value_list();
    AUTO_FREE char *reason = mem_printf("Deployment/%s%s%s %s as the app %s",
        kube_name(a->deployment), a->service ? " and Service/" : "",
        a->service ? kube_name(a->service) : "", verb, s->app);
    if (!release)
        kube_adopt_print(a, lines);
    add_notes(lines, &a->warnings);
    if (!release)
        value_append_str(lines, "  nothing was changed");
    return result_of(s, reason, release, lines);
}

static int take(
    struct session *s, const struct kube_adoption *a, struct value **ret_result, struct error *err)
{
    AUTO(release) struct release release = {0};
    struct rollout rollout;
    make_release(s, a, &release);
    if (!find_put(s, &release) && session_put(s, &release, NULL, 0, err) < 0)
        return -1;
    failpoint("adopt.put");
    if (spec_rollout(&release, NULL, false, &s->target->ops->caps, &rollout, err) < 0 ||
        kube_adopt_take(s->target, s->epoch, a, release.revision, err) < 0 ||
        kube_adopt_commit(s->target, s->epoch, &rollout, err) < 0)
        return -1;
    *ret_result = adopted(s, a, "live", release.revision);
    return 0;
}

int session_do_adopt(
    struct session *s, const struct ipc_fds *fds, struct value **ret_result, struct error *err)
{
    (void)fds;
    AUTO(kube_adoption) struct kube_adoption a = {0}, again = {0};
    AUTO_FREE char *run = mem_printf("adopt-%" PRId64, clock_unix_ms());
    if (need_cluster(s, "adopted", err) < 0 || session_look(s, err) < 0 || check_new(s, err) < 0 ||
        find(s, &a, err) < 0)
        return -1;
    if (value_get_bool(s->job, "dry_run", false)) {
        *ret_result = adopted(s, &a, "would be live", 0);
        return 0;
    }
    if (session_claim_from_the_dead(s, run, err) < 0 || session_look(s, err) < 0 ||
        check_new(s, err) < 0 || find(s, &again, err) < 0)
        return -1;
    return take(s, &again, ret_result, err);
}

// --- eject ---

static int write_manifests(const struct ipc_fds *fds, const struct value *list, struct error *err)
{
    AUTO_FREE char *text = value_print_indented(list);
    if (!fds->count)
        return error_set(err, ERR_PROTOCOL, "there is nowhere to write the manifests to");
    return fd_write_all(fds->fd[0], text, strlen(text), err);
}

// What it costs, and what cannot be taken off.
static void add_costs(const struct session *s, struct value *lines)
{
    AUTO_FREE char *releases = mem_printf(
        "  gone: the history (%zu release%s), `davit rollback`, and the list of refused commits",
        value_length(s->releases), value_length(s->releases) == 1 ? "" : "s");
    value_append_str(lines, releases);
    value_append_str(lines,
        "  stays: the labels davit.dev/app and davit.dev/slot of the pods and their template, and "
        "the slot in selectors: without them the pods would restart");
    const struct value *record = releases_find(s->releases, s->seen.live);
    const struct value *workload = kube_at(record, "manifest", "workload");
    if (text_equal(value_get_str(record, "slot"), slot_name(SLOT_GREEN)) && kube_name(workload)) {
        AUTO_FREE char *name =
            mem_printf("  the Deployment is called %s-green from now on", kube_name(workload));
        value_append_str(lines, name);
    }
}

int session_do_eject(
    struct session *s, const struct ipc_fds *fds, struct value **ret_result, struct error *err)
{
    AUTO(value) struct value *list = NULL;
    AUTO(strv) struct strv notes = {0};
    AUTO_FREE char *run = mem_printf("eject-%" PRId64, clock_unix_ms());
    bool dry = value_get_bool(s->job, "dry_run", false);
    if (need_cluster(s, "ejected", err) < 0 || session_look(s, err) < 0)
        return -1;
    if (!s->seen.epoch)
        return error_set(err, ERR_NOT_FOUND, "nothing was ever deployed as %s", s->app);
    if (dry && s->seen.live && kube_eject_manifests(s->target, &list, &notes, err) < 0)
        return -1;
    struct value *lines = value_list();
    AUTO_FREE char *reason = mem_printf(
        "%s %s davit's any more; its pods run on", s->app, dry ? "would not be" : "is not");
    add_costs(s, lines);
    add_notes(lines, &notes);
    AUTO(value) struct value *result = result_of(s, reason, s->seen.live, lines);
    if (dry ? list && write_manifests(fds, list, err) < 0
            : session_claim_from_the_dead(s, run, err) < 0 ||
                  kube_eject(s->target, s->epoch, err) < 0)
        return -1;
    *ret_result = take_ptr(result);
    return 0;
}
