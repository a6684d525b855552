// The objects of a release that are no instances: applied, settled, pruned.
#include <inttypes.h>
#include <string.h>

#include "deploy/kube_private.h"
#include "os/clock.h"
#include "os/failpoint.h"

#define SERVED_MS      10000
#define SERVED_LOOK_MS 100

static const struct kube_kind *kind_of(
    struct kube_target *k, const struct value *object, struct error *err)
{
    const struct kube_kind *kind;
    const char *version, *name;
    if (value_need_str(object, "apiVersion", &version, err) < 0 ||
        value_need_str(object, "kind", &name, err) < 0 ||
        kube_kind_find(k->client, version, name, &kind, err) < 0)
        return NULL;
    return kind;
}

static void set_annotation(struct value *object, const char *key, const char *text)
{
    struct value *metadata = value_get(object, "metadata");
    struct value *annotations = value_get(metadata, "annotations");
    if (!annotations) {
        annotations = value_map();
        value_set(metadata, "annotations", annotations);
    }
    value_set_str(annotations, key, text);
}

void kube_mark(struct value *object, int64_t epoch, int64_t release)
{
    AUTO_FREE char *e = mem_printf("%" PRId64, epoch);
    AUTO_FREE char *r = mem_printf("%" PRId64, release);
    set_annotation(object, KUBE_ANNOTATION_EPOCH, e);
    if (release)
        set_annotation(object, KUBE_ANNOTATION_RELEASE, r);
}

// NULL and 0: there is none.
static int look(struct kube_target *k, const struct kube_kind *kind, const char *name,
    struct value **ret, struct error *err)
{
    struct error why = {0};
    if (kube_get(k->client, kind, k->ns, name, ret, &why) == 0 || why.kind == ERR_NOT_FOUND)
        return 0;
    if (err)
        *err = why;
    return -1;
}

static int check_owner(const struct kube_target *k, const struct kube_kind *kind,
    const struct value *object, struct error *err)
{
    const char *app = kube_label(object, KUBE_LABEL_APP);
    if (!app || text_equal(app, k->app))
        return 0;
    return error_set(
        err, ERR_DENIED, "%s/%s belongs to the app %s", kind->plural, kube_name(object), app);
}

// A selector is for ever. That of a Deployment which was there before davit tells no slots; another
// difference is the file's mistake, and the server's to name.
static void keep_selector(const struct value *now, struct value *wanted)
{
    const struct value *has = kube_at(now, "spec", "selector");
    struct value *labels = kube_at(wanted, "spec", "selector", "matchLabels");
    if (!has || !value_get_str(labels, KUBE_LABEL_SLOT) ||
        value_get_str(value_get(has, "matchLabels"), KUBE_LABEL_SLOT))
        return;
    value_set(labels, KUBE_LABEL_SLOT, NULL);
}

// Another manager's fields are taken over only where the object is ours: what stands in the file is
// what is meant. In an object that is not, the error names them.
static int apply_once(struct kube_target *k, int64_t epoch, int64_t release,
    const struct kube_kind *kind, const struct value *object, struct error *err)
{
    AUTO(value) struct value *now = NULL;
    AUTO(value) struct value *answer = NULL;
    AUTO(value) struct value *wanted = value_copy(object);
    if (look(k, kind, kube_name(object), &now, err) < 0 || (!now && kube_guard(k, epoch, err) < 0))
        return -1;
    if (now && (check_owner(k, kind, now, err) < 0 || kube_check_stamp(k, now, epoch, err) < 0))
        return -1;
    struct kube_apply how = {.force = now && kube_label(now, KUBE_LABEL_APP)};
    keep_selector(now, wanted);
    kube_mark(wanted, epoch, release);
    // Without its uid, an object that has gone meanwhile would be made again.
    value_set_str(value_get(wanted, "metadata"), "uid", kube_uid(now));
    // A version that no object has lets one be made, and not written over by a late answer to this.
    value_set_str(value_get(wanted, "metadata"), "resourceVersion", now ? kube_version(now) : "1");
    if (kube_apply(k->client, kind, k->ns, wanted, &how, &answer, err) < 0)
        return -1;
    kube_own(k, kind, kube_name(answer), answer);
    return 0;
}

int kube_apply_one(struct kube_target *k, int64_t epoch, int64_t release,
    const struct value *object, struct error *err)
{
    const struct kube_kind *kind = kind_of(k, object, err);
    struct error why = {0};
    if (!kind)
        return -1;
    for (int tries = 0; tries < KUBE_TRIES; tries++) {
        if (apply_once(k, epoch, release, kind, object, &why) == 0)
            return 0;
        if (!kube_has_changed(&why))
            break;
    }
    if (err)
        *err = why;
    return -1;
}

// --- all of a release ---

// A Secret of which the record keeps the name only: it was created with the release.
static bool is_reference(const struct value *object)
{
    return text_equal(value_get_str(object, "kind"), "Secret") && !value_get(object, "data");
}

// Where the traffic goes is not for this step to change. In one slot, there is nothing to choose.
static const char *slot_of(const struct kube_known *release, bool one_slot, const struct value *now)
{
    const char *slot = value_get_str(kube_at(now, "spec", "selector"), KUBE_LABEL_SLOT);
    if (one_slot)
        return slot_name(release->release.slot);
    return slot ? slot : KUBE_SLOT_NONE;
}

int kube_apply_service(struct kube_target *k, int64_t epoch, const struct kube_known *release,
    bool one_slot, struct error *err)
{
    const struct manifest *m = &release->manifest;
    AUTO(value) struct value *now = NULL;
    if (!m->service)
        return 0;
    if (look(k, k->kinds[KUBE_SERVICE], kube_name(m->service), &now, err) < 0)
        return -1;
    AUTO(value) struct value *wanted = manifest_service(m, SLOT_ANY);
    bool both = now && kube_label(now, KUBE_LABEL_APP) &&
                !value_get_str(kube_at(now, "spec", "selector"), KUBE_LABEL_SLOT);
    if (!both)
        value_set_str(
            kube_at(wanted, "spec", "selector"), KUBE_LABEL_SLOT, slot_of(release, one_slot, now));
    return kube_apply_one(k, epoch, release->revision, wanted, err);
}

int kube_point_autoscaler(
    struct kube_target *k, int64_t epoch, const struct kube_known *release, struct error *err)
{
    const struct manifest *m = &release->manifest;
    const struct value *autoscaler = manifest_autoscaler(m);
    if (!autoscaler)
        return 0;
    AUTO(value) struct value *wanted = value_copy(autoscaler);
    AUTO_FREE char *name = manifest_slotted_name(m, release->release.slot);
    value_set_str(kube_at(wanted, "spec", "scaleTargetRef"), "name", name);
    return kube_apply_one(k, epoch, release->revision, wanted, err);
}

// The server takes a moment to serve a kind that it has just been told of.
static int await_kind(struct kube_target *k, const struct value *crd, struct error *err)
{
    const struct value *spec = value_get(crd, "spec"), *versions = value_get(spec, "versions");
    const char *group = value_get_str(spec, "group");
    const char *name = value_get_str(value_get(spec, "names"), "kind");
    const char *version = value_get_str(value_at(versions, 0), "name");
    if (!group || !name || !version)
        return 0;
    AUTO_FREE char *api_version = mem_printf("%s/%s", group, version);
    int64_t end = clock_monotonic_ms() + SERVED_MS;
    const struct kube_kind *kind;
    while (kube_kind_find(k->client, api_version, name, &kind, err) < 0) {
        int64_t now = clock_monotonic_ms();
        if ((err && err->kind != ERR_NOT_FOUND) || now >= end ||
            kube_run(k, now + SERVED_LOOK_MS, err) < 0)
            return -1;
    }
    return 0;
}

static bool is_job(const struct value *object)
{
    return text_equal(value_get_str(object, "kind"), "Job");
}

bool kube_applies_jobs(const struct rollout *rollout, enum phase phase)
{
    return phase == PHASE_FORWARD && rollout->strategy != STRATEGY_ROLLBACK;
}

int kube_apply_others(struct kube_target *k, int64_t epoch, const struct kube_known *release,
    bool one_slot, bool jobs, struct error *err)
{
    const struct value *others = release->manifest.others;
    const struct value *autoscaler = manifest_autoscaler(&release->manifest);
    for (size_t i = 0; i < value_length(others); i++) {
        const struct value *object = value_at(others, i);
        if (is_reference(object) || object == autoscaler || (is_job(object) && !jobs))
            continue;
        if (kube_apply_one(k, epoch, release->revision, object, err) < 0)
            return -1;
        if (text_equal(value_get_str(object, "kind"), "CustomResourceDefinition") &&
            await_kind(k, object, err) < 0)
            return -1;
    }
    return kube_apply_service(k, epoch, release, one_slot, err);
}

static bool rolls(const char *kind)
{
    static const char *const kinds[] = {
        "StatefulSet", "DaemonSet", "Deployment", "Job", "CustomResourceDefinition"};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (text_equal(kind, kinds[i]))
            return true;
    return false;
}

int kube_settled(struct kube_target *k, const struct kube_known *release, bool jobs,
    const struct verdict_input *in, bool *ret_settled, char *ret_doomed, size_t size,
    struct error *err)
{
    const struct value *others = release->manifest.others;
    *ret_settled = true;
    *ret_doomed = '\0';
    for (size_t i = 0; i < value_length(others) && !*ret_doomed; i++) {
        const struct value *wanted = value_at(others, i);
        const char *kind = value_get_str(wanted, "kind");
        if (!rolls(kind) || (is_job(wanted) && !jobs))
            continue;
        struct kube_watch *watch = kube_follow(k, value_get_str(wanted, "apiVersion"), kind, err);
        if (!watch || kube_sync(k, err) < 0)
            return -1;
        const struct value *object = kube_watch_get(watch, kube_name(wanted));
        // A Job that is to go once it has ended may have.
        bool settled = !object && value_get(value_get(wanted, "spec"), "ttlSecondsAfterFinished");
        if (object)
            kube_look_again(k, verdict_other(in, object, &settled, ret_doomed, size));
        *ret_settled = *ret_settled && settled;
    }
    return 0;
}

// --- taking away ---

// What holds data that no file brings back is never taken by a deploy.
static bool is_kept(const struct value *object)
{
    static const char *const kinds[] = {"PersistentVolumeClaim", "PersistentVolume", "Namespace",
        "CustomResourceDefinition", "StorageClass"};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (text_equal(value_get_str(object, "kind"), kinds[i]))
            return true;
    return false;
}

// Both preconditions: what was applied again since we looked stays.
static int delete_once(struct kube_target *k, int64_t epoch, const struct kube_kind *kind,
    const char *name, struct error *err)
{
    AUTO(value) struct value *now = NULL;
    AUTO(value) struct value *options = value_map();
    AUTO_FREE char *path = kube_path(kind, k->ns, name);
    struct value *preconditions = value_map();
    if (look(k, kind, name, &now, err) < 0)
        return -1;
    if (!now || !text_equal(kube_label(now, KUBE_LABEL_APP), k->app))
        return 0;
    if (kube_check_stamp(k, now, epoch, err) < 0)
        return -1;
    value_set_str(preconditions, "uid", kube_uid(now));
    value_set_str(preconditions, "resourceVersion", kube_version(now));
    value_set(options, "preconditions", preconditions);
    value_set_str(options, "propagationPolicy", "Background");
    struct kube_request request = {.method = "DELETE", .path = path, .body = options};
    struct error why = {0};
    int status = kube_do(k->client, &request, NULL, &why);
    failpoint("kube.written");
    if (status < 0 && why.kind != ERR_NOT_FOUND) {
        if (err)
            *err = why;
        return -1;
    }
    return 0;
}

int kube_delete_one(struct kube_target *k, int64_t epoch, const struct kube_kind *kind,
    const char *name, struct error *err)
{
    struct error why = {0};
    for (int tries = 0; tries < KUBE_TRIES; tries++) {
        if (delete_once(k, epoch, kind, name, &why) == 0)
            return 0;
        if (!kube_has_changed(&why))
            break;
    }
    why.retryable = why.retryable || kube_has_changed(&why);
    if (err)
        *err = why;
    return -1;
}

int kube_prune(struct kube_target *k, int64_t epoch, const struct manifest *before,
    const struct manifest *after, struct error *err)
{
    static const struct manifest nothing = {0};
    AUTO(value) struct value *gone = manifest_pruned(before, after ? after : &nothing);
    for (size_t i = 0; i < value_length(gone); i++) {
        const struct value *object = value_at(gone, i);
        struct error why = {0};
        const struct kube_kind *kind = kind_of(k, object, &why);
        if (is_kept(object) || (!kind && why.kind == ERR_NOT_FOUND))
            continue; // its kind has gone before it
        if (kind && kube_delete_one(k, epoch, kind, kube_name(object), &why) == 0)
            continue;
        if (err)
            *err = why;
        return -1;
    }
    return 0;
}

bool kube_has_kind(const struct value *others, const char *kind)
{
    for (size_t i = 0; i < value_length(others); i++)
        if (text_equal(value_get_str(value_at(others, i), "kind"), kind))
            return true;
    return false;
}

static int delete_all(
    struct kube_target *k, int64_t epoch, const struct kube_kind *kind, struct error *err)
{
    AUTO(value) struct value *items = NULL;
    if (kube_list(k->client, kind, k->ns, k->selector, &items, err) < 0)
        return -1;
    for (size_t i = 0; i < value_length(items); i++)
        if (kube_delete_one(k, epoch, kind, kube_name(value_at(items, i)), err) < 0)
            return -1;
    return 0;
}

// Copies, by their label: those whose release was never put, too. Who may not even list them has
// made none.
static int delete_copies(
    struct kube_target *k, int64_t epoch, const char *name, bool used, struct error *err)
{
    const struct kube_kind *kind;
    struct error why = {0};
    if (kube_kind_find(k->client, "v1", name, &kind, &why) == 0 &&
        delete_all(k, epoch, kind, &why) == 0)
        return 0;
    if (why.kind == ERR_DENIED && !used)
        return 0;
    if (err)
        *err = why;
    return -1;
}

// The records go last but for the Lease: whoever is killed here begins again with all he needs.
int kube_down(struct target *t, int64_t epoch, struct error *err)
{
    struct kube_target *k = kube_of(t);
    AUTO(value) struct value *releases = NULL;
    bool configs = false, secrets = false;
    static const enum kube_of own[] = {KUBE_SERVICE, KUBE_DEPLOYMENT, KUBE_REVISION};
    if (kube_release_list(t, &releases, err) < 0)
        return -1;
    for (size_t i = 0; i < value_length(releases); i++) {
        int64_t revision = value_get_int(value_at(releases, i), "revision", 0);
        const struct kube_known *known = kube_known(k, revision, err);
        if (!known || kube_hook_delete(k, epoch, known, 0, err) < 0 ||
            kube_prune(k, epoch, &known->manifest, NULL, err) < 0)
            return -1;
        configs = configs || kube_has_kind(known->manifest.others, "ConfigMap");
        secrets = secrets || kube_has_kind(known->manifest.others, "Secret");
    }
    if (delete_copies(k, epoch, "ConfigMap", configs, err) < 0 ||
        delete_copies(k, epoch, "Secret", secrets, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        if (delete_all(k, epoch, k->kinds[own[i]], err) < 0)
            return -1;
    kube_unclaim(k);
    return kube_delete(k->client, k->kinds[KUBE_LEASE], k->ns, k->lease_name, NULL, err);
}

// --- stamps ---

int kube_stamp(struct kube_target *k, int64_t epoch, const struct kube_kind *kind,
    const struct value *object, struct error *err)
{
    AUTO(value) struct value *now = value_copy(object);
    struct error why = {0};
    for (int tries = 0; tries < KUBE_TRIES; tries++) {
        AUTO(value) struct value *patch = value_list();
        AUTO(value) struct value *answer = NULL;
        if (!now && look(k, kind, kube_name(object), &now, err) < 0)
            return -1;
        if (!now) // it is gone: nothing of it can be written over
            return 0;
        if (kube_check_stamp(k, now, epoch, err) < 0)
            return -1;
        kube_patch_row(
            patch, "test", value_string(kube_version(now)), "metadata", "resourceVersion", NULL);
        kube_mark(now, epoch, 0);
        kube_patch_row(patch, "add", value_copy(kube_at(now, "metadata", "annotations")),
            "metadata", "annotations", NULL);
        if (kube_patch(k->client, kind, k->ns, kube_name(object), patch, &answer, &why) == 0) {
            kube_own(k, kind, kube_name(answer), answer);
            return 0;
        }
        if (!kube_has_changed(&why))
            break;
        value_free(take_ptr(now));
    }
    why.retryable = why.retryable || kube_has_changed(&why);
    if (err)
        *err = why;
    return -1;
}

int kube_stamp_others(
    struct kube_target *k, int64_t epoch, const struct manifest *m, struct error *err)
{
    for (size_t i = 0; i < value_length(m->others); i++) {
        AUTO(value) struct value *now = NULL;
        struct error why = {0};
        const struct value *wanted = value_at(m->others, i);
        const struct kube_kind *kind = kind_of(k, wanted, &why);
        if (!kind && why.kind == ERR_NOT_FOUND)
            continue;
        if (!kind || look(k, kind, kube_name(wanted), &now, &why) < 0 ||
            (now && kube_stamp(k, epoch, kind, now, &why) < 0)) {
            if (why.kind == ERR_DENIED) // nor may whoever is to be fenced
                continue;
            if (err)
                *err = why;
            return -1;
        }
    }
    return 0;
}
