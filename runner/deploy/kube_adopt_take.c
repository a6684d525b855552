// The steps of an adoption.
#include <inttypes.h>
#include <string.h>

#include "deploy/kube_adopt_private.h"
#include "deploy/manifest_object.h"
#include "os/clock.h"
#include "os/failpoint.h"

#define SEEN_MS       60000 // until a controller has seen a change
#define LOOK_AGAIN_MS 200   // at what is not followed

#define LAST_APPLIED "kubectl.kubernetes.io/last-applied-configuration"

// --- merging ---

struct value *kube_merge_keys(struct value *patch, const char *const *keys)
{
    struct value *at = patch;
    for (; *keys; keys++)
        at = manifest_map_at(at, *keys);
    return at;
}

static int merge_once(struct kube_target *k, int64_t epoch, const struct kube_kind *kind,
    const char *name, kube_merge_fn *change, const void *arg, struct error *err)
{
    AUTO(value) struct value *now = NULL;
    AUTO(value) struct value *answer = NULL;
    struct error why = {0};
    if (kube_get(k->client, kind, k->ns, name, &now, &why) < 0) {
        if (why.kind == ERR_NOT_FOUND)
            return 0;
        *err = why;
        return -1;
    }
    AUTO(value) struct value *patch = change(arg, now);
    if (!patch)
        return 0;
    if (kube_check_stamp(k, now, epoch, err) < 0 || kube_guard(k, epoch, err) < 0)
        return -1;
    value_set_str(kube_merge_map(patch, "metadata"), "resourceVersion", kube_version(now));
    AUTO_FREE char *at = kube_path(kind, k->ns, name);
    AUTO_FREE char *path = mem_printf("%s?fieldManager=%s", at, KUBE_FIELD_MANAGER);
    const struct kube_request request = {.method = "PATCH",
        .path = path,
        .content_type = "application/merge-patch+json",
        .body = patch};
    if (kube_do(k->client, &request, &answer, err) < 0)
        return -1;
    kube_own(k, kind, name, answer);
    return 0;
}

int kube_merge(struct kube_target *k, int64_t epoch, const struct kube_kind *kind, const char *name,
    kube_merge_fn *change, const void *arg, struct error *err)
{
    for (int tries = 1;; tries++) {
        if (merge_once(k, epoch, kind, name, change, arg, err) == 0)
            return 0;
        if (err->http_status != 409 || tries == KUBE_TRIES)
            return -1;
    }
}

struct disowning {
    bool (*of)(const char *manager);
};

// The list of managers is replaced whole, which a Merge Patch does to lists.
static struct value *disowned(const void *arg, const struct value *now)
{
    const struct disowning *d = arg;
    const struct value *all = kube_at(now, "metadata", "managedFields");
    struct value *kept = value_list(), *patch = value_map();
    for (size_t i = 0; i < value_length(all); i++) {
        const struct value *entry = value_at(all, i);
        const char *manager = value_get_str(entry, "manager");
        if (value_get_str(entry, "subresource") || !manager || !d->of(manager))
            value_append(kept, value_share(value_at(all, i)));
    }
    bool same = value_length(kept) == value_length(all);
    if (!value_length(kept)) // which the server takes for "as they are": this is how to empty it
        value_append(kept, value_map());
    value_set(kube_merge_map(patch, "metadata"), "managedFields", kept);
    if (!same)
        return patch;
    value_free(patch);
    return NULL;
}

int kube_disown(struct kube_target *k, int64_t epoch, const struct kube_kind *kind,
    const char *name, bool (*of)(const char *manager), struct error *err)
{
    struct disowning d = {of};
    return kube_merge(k, epoch, kind, name, disowned, &d, err);
}

// --- the steps ---

struct taking {
    struct kube_target *k;
    const struct kube_adoption *a;
    const char *deployment, *replica_set;
    int64_t epoch, revision;
};

static void set_stamp(const struct taking *t, struct value *patch)
{
    AUTO_FREE char *stamp = mem_printf("%" PRId64, t->epoch);
    value_set_str(kube_merge_map(patch, "metadata", "annotations"), KUBE_ANNOTATION_EPOCH, stamp);
    value_set_str(kube_merge_map(patch, "metadata", "labels"), KUBE_LABEL_APP, t->k->app);
}

static void set_pod_labels(const struct taking *t, struct value *labels)
{
    value_set_str(labels, KUBE_LABEL_APP, t->k->app);
    value_set_str(labels, KUBE_LABEL_SLOT, slot_name(SLOT_BLUE));
}

static bool has_pod_labels(const struct taking *t, const struct value *labels)
{
    return text_equal(value_get_str(labels, KUBE_LABEL_APP), t->k->app) &&
           text_equal(value_get_str(labels, KUBE_LABEL_SLOT), slot_name(SLOT_BLUE));
}

// That it is paused by us is said in the same write, for whoever goes on if we die here.
static struct value *pausing(const void *arg, const struct value *now)
{
    const struct taking *t = arg;
    (void)now;
    struct value *patch = value_map();
    AUTO_FREE char *revision = mem_printf("%" PRId64, t->revision);
    set_stamp(t, patch);
    value_set_str(
        kube_merge_map(patch, "metadata", "annotations"), KUBE_ANNOTATION_ADOPTING, revision);
    value_set(kube_merge_map(patch, "spec"), "paused", value_bool(true));
    return patch;
}

static struct value *resuming(const void *arg, const struct value *now)
{
    (void)arg;
    if (!kube_annotation(now, KUBE_ANNOTATION_ADOPTING))
        return NULL;
    struct value *patch = value_map();
    value_set(
        kube_merge_map(patch, "metadata", "annotations"), KUBE_ANNOTATION_ADOPTING, value_null());
    value_set(kube_merge_map(patch, "spec"), "paused", value_null());
    return patch;
}

static struct value *labelling_set(const void *arg, const struct value *now)
{
    const struct taking *t = arg;
    if (has_pod_labels(t, kube_at(now, "spec", "template", "metadata", "labels")) &&
        kube_label(now, KUBE_LABEL_APP))
        return NULL;
    struct value *patch = value_map();
    value_set_str(kube_merge_map(patch, "metadata", "labels"), KUBE_LABEL_APP, t->k->app);
    set_pod_labels(t, kube_merge_map(patch, "spec", "template", "metadata", "labels"));
    return patch;
}

static struct value *labelling_pod(const void *arg, const struct value *now)
{
    const struct taking *t = arg;
    if (has_pod_labels(t, kube_at(now, "metadata", "labels")))
        return NULL;
    struct value *patch = value_map();
    set_pod_labels(t, kube_merge_map(patch, "metadata", "labels"));
    return patch;
}

static struct value *labelling_template(const void *arg, const struct value *now)
{
    const struct taking *t = arg;
    if (has_pod_labels(t, kube_at(now, "spec", "template", "metadata", "labels")))
        return NULL;
    struct value *patch = value_map();
    set_pod_labels(t, kube_merge_map(patch, "spec", "template", "metadata", "labels"));
    return patch;
}

// What kubectl remembers to have applied last is not what the next release says.
static struct value *forgetting(const void *arg, const struct value *now)
{
    (void)arg;
    if (!kube_annotation(now, LAST_APPLIED))
        return NULL;
    struct value *patch = value_map();
    value_set(kube_merge_map(patch, "metadata", "annotations"), LAST_APPLIED, value_null());
    return patch;
}

static struct value *claiming(const void *arg, const struct value *now)
{
    (void)now;
    struct value *patch = value_map();
    set_stamp(arg, patch);
    return patch;
}

// --- what controllers have seen ---

static bool is_observed(const struct value *object)
{
    return value_get_int(value_get(object, "status"), "observedGeneration", 0) >=
           value_get_int(value_get(object, "metadata"), "generation", 0);
}

static int64_t status_count(const struct value *object, const char *key)
{
    return value_get_int(value_get(object, "status"), key, 0);
}

static bool all_labelled(const struct value *set)
{
    return is_observed(set) &&
           status_count(set, "fullyLabeledReplicas") == status_count(set, "replicas") &&
           status_count(set, "replicas") == value_get_int(value_get(set, "spec"), "replicas", 0);
}

static bool all_updated(const struct value *deployment)
{
    return is_observed(deployment) &&
           status_count(deployment, "updatedReplicas") == status_count(deployment, "replicas");
}

// Until what is followed of a kind is as `holds` says; `meanwhile` (may be NULL) is done before
// each look.
static int await(const struct taking *t, enum kube_of of, const char *name,
    bool (*holds)(const struct value *), int (*meanwhile)(const struct taking *, struct error *),
    const char *what, struct error *err)
{
    struct kube_target *k = t->k;
    int64_t end = clock_monotonic_ms() + SEEN_MS;
    for (;;) {
        AUTO(value) struct value *now = NULL;
        if (meanwhile && meanwhile(t, err) < 0)
            return -1;
        if (kube_get(k->client, k->kinds[of], k->ns, name, &now, err) < 0)
            return -1;
        if (holds(now))
            return 0;
        int64_t at = clock_monotonic_ms();
        if (at >= end)
            return error_set(err, ERR_TIMEOUT, "%s/%s: %s did not come within %d s",
                k->kinds[of]->kind, name, what, SEEN_MS / 1000);
        if (kube_run(k, at + LOOK_AGAIN_MS, err) < 0)
            return -1;
    }
}

static int list_pods(const struct taking *t, struct value **ret, struct error *err)
{
    const struct kube_target *k = t->k;
    AUTO(str) struct str selector;
    str_init(&selector, STR_TEXT_MAX);
    struct value_cursor cursor = {
        .map = kube_at(t->a->replica_set, "spec", "selector", "matchLabels")};
    const char *key;
    struct value *item;
    while (value_next(&cursor, &key, &item))
        str_printf(&selector, "%s%s=%s", selector.length ? "," : "", key, value_text(item));
    return kube_list(k->client, k->kinds[KUBE_POD], k->ns, selector.data, ret, err);
}

// Those too that were made from the old template while it was changed.
static int label_pods(const struct taking *t, struct error *err)
{
    struct kube_target *k = t->k;
    AUTO(value) struct value *pods = NULL;
    if (list_pods(t, &pods, err) < 0)
        return -1;
    for (size_t i = 0; i < value_length(pods); i++) {
        const struct value *pod = value_at(pods, i);
        if (kube_owned_by(pod, t->a->replica_set) &&
            kube_merge(k, t->epoch, k->kinds[KUBE_POD], kube_name(pod), labelling_pod, t, err) < 0)
            return -1;
    }
    return 0;
}

// --- in order ---

static int merge(const struct taking *t, enum kube_of of, const char *name, kube_merge_fn *change,
    struct error *err)
{
    return kube_merge(t->k, t->epoch, t->k->kinds[of], name, change, t, err);
}

static int label_all(const struct taking *t, struct error *err)
{
    if (merge(t, KUBE_DEPLOYMENT, t->deployment, pausing, err) < 0)
        return -1;
    failpoint("adopt.paused");
    if (await(t, KUBE_DEPLOYMENT, t->deployment, is_observed, NULL, "its pause", err) < 0 ||
        merge(t, KUBE_REPLICA_SET, t->replica_set, labelling_set, err) < 0)
        return -1;
    failpoint("adopt.set_labelled");
    if (label_pods(t, err) < 0)
        return -1;
    failpoint("adopt.pods_labelled");
    if (await(t, KUBE_REPLICA_SET, t->replica_set, all_labelled, label_pods,
            "the labels of its pods", err) < 0 ||
        merge(t, KUBE_DEPLOYMENT, t->deployment, labelling_template, err) < 0)
        return -1;
    failpoint("adopt.template_labelled");
    return await(t, KUBE_DEPLOYMENT, t->deployment, all_updated, NULL,
        "that its pods are of its template", err);
}

// The template, which the pods would follow, and that of the pods are the same.
static int check_same(const struct taking *t, struct error *err)
{
    struct kube_target *k = t->k;
    AUTO(value) struct value *deployment = NULL;
    AUTO(value) struct value *set = NULL;
    if (kube_get(k->client, k->kinds[KUBE_DEPLOYMENT], k->ns, t->deployment, &deployment, err) <
            0 ||
        kube_get(k->client, k->kinds[KUBE_REPLICA_SET], k->ns, t->replica_set, &set, err) < 0)
        return -1;
    AUTO(value) struct value *wanted = kube_template_of(deployment, false);
    AUTO(value) struct value *its = kube_template_of(set, false);
    if (value_equal(wanted, its))
        return 0;
    return error_set(err, ERR_CONFLICT,
        "somebody has changed Deployment/%s meanwhile: to go on would restart its pods",
        t->deployment);
}

static bool is_persons(const char *manager)
{
    return text_starts(manager, "kubectl") || text_equal(manager, "helm") ||
           text_equal(manager, "Helm");
}

// What stood in a file once is davit's from here on, so that it goes when it stands there no more.
static int own(const struct taking *t, enum kube_of of, const struct value *wanted,
    int64_t revision, struct error *err)
{
    struct kube_target *k = t->k;
    if (kube_apply_one(k, t->epoch, revision, wanted, err) < 0 ||
        merge(t, of, kube_name(wanted), forgetting, err) < 0)
        return -1;
    return kube_disown(k, t->epoch, k->kinds[of], kube_name(wanted), is_persons, err);
}

static int own_deployment(const struct taking *t, struct error *err)
{
    // Replicas stay with whoever sets them now, until a release does.
    AUTO(value) struct value *wanted = manifest_slotted(&t->a->manifest, SLOT_BLUE, -1);
    if (own(t, KUBE_DEPLOYMENT, wanted, t->revision, err) < 0 || check_same(t, err) < 0)
        return -1;
    failpoint("adopt.owned");
    if (merge(t, KUBE_DEPLOYMENT, t->deployment, resuming, err) < 0)
        return -1;
    failpoint("adopt.resumed");
    return await(t, KUBE_DEPLOYMENT, t->deployment, all_updated, NULL, "its end of pause", err);
}

static int own_service(const struct taking *t, struct error *err)
{
    const struct manifest *m = &t->a->manifest;
    if (!m->service)
        return 0;
    if (merge(t, KUBE_SERVICE, kube_name(m->service), claiming, err) < 0)
        return -1;
    AUTO(value) struct value *wanted = manifest_service(m, SLOT_BLUE);
    if (own(t, KUBE_SERVICE, wanted, t->revision, err) < 0)
        return -1;
    failpoint("adopt.narrowed");
    return 0;
}

// So that a file that says something of it may be applied over what kubectl has said. One that we
// may not write to stays whose it is.
static int claim_other(
    const struct taking *t, const char *api_version, const struct value *object, struct error *err)
{
    struct kube_target *k = t->k;
    const struct kube_kind *kind;
    struct error why = {0};
    if (!object || kube_label(object, KUBE_LABEL_APP))
        return 0;
    if (kube_kind_find(k->client, api_version, value_get_str(object, "kind"), &kind, &why) == 0 &&
        kube_merge(k, t->epoch, kind, kube_name(object), claiming, t, &why) == 0)
        return 0;
    if (why.kind == ERR_DENIED)
        return 0;
    *err = why;
    return -1;
}

static int claim_others(const struct taking *t, struct error *err)
{
    const struct value *budgets = t->a->budgets;
    if (claim_other(t, KUBE_AUTOSCALING, t->a->autoscaler, err) < 0)
        return -1;
    for (size_t i = 0; i < value_length(budgets); i++)
        if (claim_other(t, KUBE_POLICY, value_at(budgets, i), err) < 0)
            return -1;
    return 0;
}

// Nothing has come of it: the Deployment goes on as it was, if that restarts nothing.
static void let_go(const struct taking *t)
{
    struct error ignored = {0};
    if (check_same(t, &ignored) == 0)
        merge(t, KUBE_DEPLOYMENT, t->deployment, resuming, &ignored);
}

// A patch of nothing, which the server does not keep: it says whether another one would be let
// through, before anything is paused.
static int may_patch(const struct taking *t, enum kube_of of, const char *name, struct error *err)
{
    struct kube_target *k = t->k;
    AUTO(value) struct value *nothing = value_map();
    AUTO_FREE char *at = kube_path(k->kinds[of], k->ns, name);
    AUTO_FREE char *path = mem_printf("%s?dryRun=All", at);
    const struct kube_request request = {.method = "PATCH",
        .path = path,
        .content_type = "application/merge-patch+json",
        .body = nothing};
    return kube_do(k->client, &request, NULL, err);
}

// Of a ReplicaSet and of pods: the rest is what every deploy does.
static int check_rights(const struct taking *t, struct error *err)
{
    struct kube_target *k = t->k;
    AUTO(value) struct value *set = NULL;
    AUTO(value) struct value *pods = NULL;
    if (kube_get(k->client, k->kinds[KUBE_REPLICA_SET], k->ns, t->replica_set, &set, err) < 0 ||
        may_patch(t, KUBE_REPLICA_SET, t->replica_set, err) < 0 || list_pods(t, &pods, err) < 0)
        return -1;
    for (size_t i = 0; i < value_length(pods); i++) {
        AUTO(value) struct value *pod = NULL;
        const char *name = kube_name(value_at(pods, i));
        struct error why = {0};
        if (kube_get(k->client, k->kinds[KUBE_POD], k->ns, name, &pod, &why) == 0 &&
            may_patch(t, KUBE_POD, name, &why) == 0)
            return 0; // one stands for all
        if (why.kind == ERR_NOT_FOUND)
            continue;
        *err = why;
        return -1;
    }
    return 0;
}

int kube_adopt_take(struct target *target, int64_t epoch, const struct kube_adoption *a,
    int64_t revision, struct error *err)
{
    const struct taking t = {
        .k = kube_of(target),
        .a = a,
        .deployment = kube_name(a->deployment),
        .replica_set = kube_name(a->replica_set),
        .epoch = epoch,
        .revision = revision,
    };
    if (check_rights(&t, err) < 0)
        return error_wrap(err, "nothing was changed");
    if (label_all(&t, err) < 0 || own_deployment(&t, err) < 0) {
        let_go(&t);
        return -1;
    }
    return own_service(&t, err) < 0 ? -1 : claim_others(&t, err);
}

static int change_adopted(void *arg, struct kube_state *state, struct error *err)
{
    const struct rollout *r = arg;
    if (state->live || state->position.phase != PHASE_NONE)
        return error_set(err, ERR_CONFLICT, "release %" PRId64 " is live by now", state->live);
    state->live = state->applied = r->to;
    state->rollout = *r;
    state->percent = 100;
    state->last = OUTCOME_SUCCESS;
    return 0;
}

int kube_adopt_commit(
    struct target *t, int64_t epoch, const struct rollout *adopted, struct error *err)
{
    struct kube_target *k = kube_of(t);
    struct rollout copy = *adopted;
    const struct target_end end = {.epoch = epoch,
        .rollout = adopted,
        .outcome = OUTCOME_SUCCESS,
        .reason = "",
        .times = {.total_ms = clock_unix_ms() - adopted->began_unix_ms,
            .switch_ms = -1,
            .detect_ms = -1,
            .back_ms = -1}};
    if (kube_release_end(k, &end, 0, err) < 0)
        return -1;
    failpoint("adopt.ended");
    return kube_state_change(k, epoch, change_adopted, &copy, err);
}
