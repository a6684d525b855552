// An app goes back to whoever applies manifests.
#include <inttypes.h>
#include <string.h>

#include "deploy/kube_adopt_private.h"
#include "deploy/manifest_object.h"
#include "os/failpoint.h"

static const char *const own_labels[] = {
    KUBE_LABEL_APP, KUBE_LABEL_SLOT, KUBE_LABEL_COPY, KUBE_LABEL_ROUTED};
static const char *const own_annotations[] = {KUBE_ANNOTATION_EPOCH, KUBE_ANNOTATION_RELEASE,
    KUBE_ANNOTATION_RETIRED, KUBE_ANNOTATION_PERCENT, KUBE_ANNOTATION_ADOPTING};

static bool is_marked_as_davits(const struct value *object)
{
    return text_equal(kube_label(object, KUBE_LABEL_MANAGED_BY), "davit");
}

// What is live, as its record says and as it is.
struct leaving {
    struct kube_target *k;
    const struct kube_known *live;
    char *deployment; // its name; NULL: there is none
};

static void leaving_done(struct leaving *l)
{
    mem_replace(&l->deployment, NULL);
}
DEFINE_AUTO(leaving, struct leaving, leaving_done)

// 1; 0 when nothing is live; -1.
static int find_live(struct kube_target *k, struct leaving *ret, struct error *err)
{
    AUTO(kube_state) struct kube_state state = {0};
    if (kube_state_read(k, &state, err) < 0)
        return -1;
    ret->k = k;
    if (state.position.phase != PHASE_NONE)
        return error_set(
            err, ERR_CONFLICT, "the rollout of release %" PRId64 " is under way", state.rollout.to);
    if (!state.live)
        return 0;
    ret->live = kube_known(k, state.live, err);
    if (!ret->live)
        return -1;
    if (ret->live->manifest.workload)
        ret->deployment = manifest_slotted_name(&ret->live->manifest, ret->live->release.slot);
    return 1;
}

// --- as manifests ---

static void clean(struct value *object)
{
    struct value *metadata = value_get(object, "metadata");
    struct value *labels = value_get(metadata, "labels");
    struct value *annotations = value_get(metadata, "annotations");
    if (labels && is_marked_as_davits(object))
        value_set(labels, KUBE_LABEL_MANAGED_BY, NULL);
    for (size_t i = 0; labels && i < ARRAY_LEN(own_labels); i++)
        value_set(labels, own_labels[i], NULL);
    for (size_t i = 0; annotations && i < ARRAY_LEN(own_annotations); i++)
        value_set(annotations, own_annotations[i], NULL);
    if (labels && !value_length(labels))
        value_set(metadata, "labels", NULL);
    if (annotations && !value_length(annotations))
        value_set(metadata, "annotations", NULL);
}

static int add_deployment(const struct leaving *l, struct value *items, struct error *err)
{
    const struct manifest *m = &l->live->manifest;
    struct kube_target *k = l->k;
    AUTO(value) struct value *now = NULL;
    if (!l->deployment)
        return 0;
    if (kube_get(k->client, k->kinds[KUBE_DEPLOYMENT], k->ns, l->deployment, &now, err) < 0)
        return -1;
    const struct value *replicas = kube_at(now, "spec", "replicas");
    AUTO(value)
    struct value *object = manifest_slotted(m, l->live->release.slot, (int)value_number(replicas));
    value_set(value_get(object, "spec"), "selector", value_copy(kube_at(now, "spec", "selector")));
    clean(object);
    value_append(items, take_ptr(object));
    return 0;
}

int kube_eject_manifests(
    struct target *t, struct value **ret_list, struct strv *notes, struct error *err)
{
    AUTO(leaving) struct leaving l = {0};
    AUTO(value) struct value *list = value_map();
    int found = find_live(kube_of(t), &l, err);
    if (found <= 0)
        return found < 0 ? -1 : error_set(err, ERR_NOT_FOUND, "nothing of %s is live", l.k->app);
    struct value *items = value_list();
    value_set_str(list, "apiVersion", "v1");
    value_set_str(list, "kind", "List");
    value_set(list, "items", items);
    const struct manifest *m = &l.live->manifest;
    for (size_t i = 0; i < value_length(m->others); i++) {
        const struct value *object = value_at(m->others, i);
        if (text_equal(value_get_str(object, "kind"), "Secret") && !value_get(object, "data")) {
            strv_pushf(notes,
                "Secret/%s is in the namespace, and not among the manifests: davit keeps no values "
                "of Secrets anywhere else",
                kube_name(object));
            continue;
        }
        struct value *copy = value_copy(object);
        clean(copy);
        value_append(items, copy);
    }
    if (m->service) {
        struct value *service = manifest_service(m, (int)l.live->release.slot);
        clean(service);
        value_append(items, service);
    }
    if (add_deployment(&l, items, err) < 0)
        return -1;
    *ret_list = take_ptr(list);
    return 0;
}

// --- for good ---

// Whose label is not ours (any more) is left alone.
static struct value *stripping(const void *arg, const struct value *now)
{
    const struct kube_target *k = arg;
    if (!text_equal(kube_label(now, KUBE_LABEL_APP), k->app))
        return NULL;
    struct value *patch = value_map();
    struct value *labels = kube_merge_map(patch, "metadata", "labels");
    struct value *annotations = kube_merge_map(patch, "metadata", "annotations");
    for (size_t i = 0; i < ARRAY_LEN(own_labels); i++)
        value_set(labels, own_labels[i], value_null());
    for (size_t i = 0; i < ARRAY_LEN(own_annotations); i++)
        value_set(annotations, own_annotations[i], value_null());
    if (is_marked_as_davits(now))
        value_set(labels, KUBE_LABEL_MANAGED_BY, value_null());
    return patch;
}

static bool is_davit(const char *manager)
{
    return text_equal(manager, KUBE_FIELD_MANAGER);
}

// The managers first: the object is found again by its label.
static int strip(struct kube_target *k, int64_t epoch, const struct kube_kind *kind,
    const char *name, struct error *err)
{
    return kube_disown(k, epoch, kind, name, is_davit, err) < 0
               ? -1
               : kube_merge(k, epoch, kind, name, stripping, k, err);
}

// All of a kind that bear our label.
static int strip_all(struct kube_target *k, int64_t epoch, const char *api_version,
    const char *name, struct error *err)
{
    const struct kube_kind *kind;
    struct error why = {0};
    AUTO(value) struct value *items = NULL;
    if (kube_kind_find(k->client, api_version, name, &kind, &why) < 0 ||
        kube_list(k->client, kind, k->ns, k->selector, &items, &why) < 0) {
        if (why.kind == ERR_NOT_FOUND || why.kind == ERR_DENIED)
            return 0; // we have labelled none
        *err = why;
        return -1;
    }
    for (size_t i = 0; i < value_length(items); i++)
        if (strip(k, epoch, kind, kube_name(value_at(items, i)), err) < 0)
            return -1;
    return 0;
}

static int strip_one(
    struct kube_target *k, int64_t epoch, const struct value *object, struct error *err)
{
    const struct kube_kind *kind;
    struct error why = {0};
    if (kube_kind_find(k->client, value_get_str(object, "apiVersion"),
            value_get_str(object, "kind"), &kind, &why) == 0)
        return strip(k, epoch, kind, kube_name(object), err);
    if (why.kind == ERR_NOT_FOUND)
        return 0;
    *err = why;
    return -1;
}

static int strip_live(const struct leaving *l, int64_t epoch, struct error *err)
{
    const struct manifest *m = &l->live->manifest;
    struct kube_target *k = l->k;
    for (size_t i = 0; i < value_length(m->others); i++)
        if (strip_one(k, epoch, value_at(m->others, i), err) < 0)
            return -1;
    if (strip_all(k, epoch, KUBE_AUTOSCALING, "HorizontalPodAutoscaler", err) < 0 ||
        strip_all(k, epoch, KUBE_POLICY, "PodDisruptionBudget", err) < 0 ||
        (m->service && strip(k, epoch, k->kinds[KUBE_SERVICE], kube_name(m->service), err) < 0))
        return -1;
    failpoint("eject.service");
    return l->deployment ? strip(k, epoch, k->kinds[KUBE_DEPLOYMENT], l->deployment, err) : 0;
}

// What bears our label still and is of no use to anybody else. `optional`: whoever may not look at
// the kind has never made one.
static int delete_rest(struct kube_target *k, int64_t epoch, const char *api_version,
    const char *name, bool optional, struct error *err)
{
    const struct kube_kind *kind;
    AUTO(value) struct value *items = NULL;
    AUTO(manifest) struct manifest rest = {.others = value_list()};
    struct error why = {0};
    if (kube_kind_find(k->client, api_version, name, &kind, err) < 0)
        return -1;
    if (kube_list(k->client, kind, k->ns, k->selector, &items, &why) < 0) {
        if (why.kind == ERR_DENIED && optional)
            return 0;
        *err = why;
        return -1;
    }
    for (size_t i = 0; i < value_length(items); i++) {
        struct value *named = value_map();
        value_set_str(named, "apiVersion", api_version);
        value_set_str(named, "kind", name);
        value_set_str(manifest_map_at(named, "metadata"), "name", kube_name(value_at(items, i)));
        value_append(rest.others, named);
    }
    return kube_prune(k, epoch, &rest, NULL, err);
}

// The other slot has pods for as long as the release before the live one is kept ready.
static int check_other_slot(const struct leaving *l, struct error *err)
{
    struct kube_target *k = l->k;
    AUTO(value) struct value *items = NULL;
    if (kube_list(k->client, k->kinds[KUBE_DEPLOYMENT], k->ns, k->selector, &items, err) < 0)
        return -1;
    for (size_t i = 0; i < value_length(items); i++) {
        const struct value *d = value_at(items, i);
        if (kube_label(d, KUBE_LABEL_SLOT) && !text_equal(kube_name(d), l->deployment) &&
            value_get_int(value_get(d, "status"), "replicas", 0) > 0)
            return error_set(err, ERR_CONFLICT,
                "Deployment/%s, which is not live, still has pods: wait for their end",
                kube_name(d));
    }
    return 0;
}

static int change_ejected(void *arg, struct kube_state *state, struct error *err)
{
    (void)arg;
    (void)err;
    state->live = state->applied = 0;
    state->rollout = (struct rollout){0};
    return 0;
}

static int forget(struct kube_target *k, int64_t epoch, struct error *err)
{
    static const struct {
        const char *api_version, *kind;
        bool optional;
    } rest[] = {{"v1", "Service", false}, {"apps/v1", "Deployment", false},
        {"v1", "ConfigMap", true}, {"v1", "Secret", true},
        {"apps/v1", "ControllerRevision", false}};
    for (size_t i = 0; i < ARRAY_LEN(rest); i++)
        if (delete_rest(k, epoch, rest[i].api_version, rest[i].kind, rest[i].optional, err) < 0)
            return -1;
    failpoint("eject.forgotten");
    kube_unclaim(k);
    return kube_delete(k->client, k->kinds[KUBE_LEASE], k->ns, k->lease_name, NULL, err);
}

// First all that lives loses its label, then what still has one goes: whoever is killed between
// them finds the live release by the state, and by then nothing of it can be deleted.
int kube_eject(struct target *t, int64_t epoch, struct error *err)
{
    struct kube_target *k = kube_of(t);
    AUTO(leaving) struct leaving l = {0};
    int found = find_live(k, &l, err);
    if (found < 0)
        return -1;
    if (found) {
        if (check_other_slot(&l, err) < 0 || strip_live(&l, epoch, err) < 0)
            return -1;
        failpoint("eject.stripped");
        if (kube_state_change(k, epoch, change_ejected, NULL, err) < 0)
            return -1;
    }
    return forget(k, epoch, err);
}
