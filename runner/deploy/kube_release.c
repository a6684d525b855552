// Releases: ControllerRevisions. They bear labels of davit only: controllers adopt, and then
// truncate, revisions that match their selectors.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/kube_private.h"
#include "deploy/refused.h"
#include "deploy/wire.h"

static char *revision_name(const struct kube_target *k, int64_t revision)
{
    return mem_printf("davit-%s-r%" PRId64, k->app, revision);
}

// The record as it was put, and how it ended, which is written beside it: `data` cannot be changed.
static struct value *record_of(const struct value *object)
{
    const struct value *data = kube_at(object, "data", "release");
    const char *text = kube_annotation(object, KUBE_ANNOTATION_END);
    if (value_type(data) != VALUE_MAP)
        return NULL;
    struct value *record = value_copy(data);
    value_set_int(record, "revision", value_get_int(object, "revision", 0));
    AUTO(value) struct value *end = text ? value_parse(text, strlen(text), NULL) : NULL;
    struct value_cursor cursor = {.map = end};
    const char *key;
    struct value *item;
    while (end && value_next(&cursor, &key, &item))
        value_set(record, key, value_share(item));
    return record;
}

static int list_objects(struct kube_target *k, struct value **ret, struct error *err)
{
    return kube_list(k->client, k->kinds[KUBE_REVISION], k->ns, k->selector, ret, err);
}

static int newer_first(const void *a, const void *b)
{
    int64_t x = value_get_int(*(struct value *const *)a, "revision", 0);
    int64_t y = value_get_int(*(struct value *const *)b, "revision", 0);
    return (x < y) - (x > y);
}

int kube_release_list(struct target *t, struct value **ret_list, struct error *err)
{
    AUTO(value) struct value *objects = NULL;
    if (list_objects(kube_of(t), &objects, err) < 0)
        return -1;
    size_t count = 0;
    AUTO_FREE struct value **records = mem_array(value_length(objects) + 1, sizeof *records);
    for (size_t i = 0; i < value_length(objects); i++) {
        struct value *record = record_of(value_at(objects, i));
        if (record)
            records[count++] = record;
    }
    qsort(records, count, sizeof *records, newer_first);
    *ret_list = value_list();
    for (size_t i = 0; i < count; i++)
        value_append(*ret_list, records[i]);
    return 0;
}

static int read_known(const struct value *record, struct kube_known *ret, struct error *err)
{
    if (release_from_value(record, &ret->release, err) < 0)
        return -1;
    if (!ret->release.manifest)
        return error_set(err, ERR_PROTOCOL, "release %" PRId64 " has no manifest", ret->revision);
    return manifest_from_value(ret->release.manifest, &ret->manifest, err);
}

void kube_known_free(struct kube_known *known)
{
    release_done(&known->release);
    kube_manifest_done(&known->manifest);
    free(known);
}

const struct kube_known *kube_known(struct kube_target *k, int64_t revision, struct error *err)
{
    AUTO(value) struct value *object = NULL;
    AUTO_FREE char *name = revision_name(k, revision);
    vec_each (known, &k->known)
        if ((*known)->revision == revision)
            return *known;
    if (kube_get(k->client, k->kinds[KUBE_REVISION], k->ns, name, &object, err) < 0)
        return NULL;
    AUTO(value) struct value *record = record_of(object);
    struct kube_known *known = mem_alloc(sizeof *known);
    known->revision = revision;
    if (read_known(record, known, err) < 0) {
        kube_known_free(known);
        return NULL;
    }
    vec_push(&k->known, known);
    return known;
}

// --- put ---

struct numbering {
    int64_t wanted;
};

static int change_last(void *arg, struct kube_state *state, struct error *err)
{
    (void)err;
    struct numbering *n = arg;
    n->wanted = state->last_revision + 1;
    state->last_revision = n->wanted;
    return 0;
}

// One of that name and content is another app's: whoever takes it away would take it from both.
static bool is_foreign(struct kube_target *k, const struct value *secret, struct error *why)
{
    AUTO(value) struct value *found = NULL;
    const char *name = kube_name(secret);
    if (kube_get(k->client, k->kinds[KUBE_SECRET], k->ns, name, &found, why) < 0)
        return true;
    const char *app = kube_label(found, KUBE_LABEL_APP);
    if (text_equal(app, k->app))
        return false;
    error_set(why, ERR_DENIED, "secrets/%s belongs to %s", name, app ? app : "somebody else");
    return true;
}

// A Secret's name carries the hash of its content: one that is there is the same.
static int create_secrets(struct kube_target *k, const struct value *secrets, struct error *err)
{
    for (size_t i = 0; i < value_length(secrets); i++) {
        struct error why = {0};
        if (kube_create(k->client, k->kinds[KUBE_SECRET], k->ns, value_at(secrets, i), NULL, &why) <
                0 &&
            (why.http_status != 409 || is_foreign(k, value_at(secrets, i), &why))) {
            if (err)
                *err = why;
            return -1;
        }
    }
    return 0;
}

struct value *kube_release_object(
    const struct kube_target *k, const struct value *record, int64_t revision, int64_t epoch)
{
    AUTO_FREE char *name = revision_name(k, revision);
    struct value *object = value_map(), *metadata = value_map(), *labels = value_map();
    struct value *data = value_map(), *own = value_copy(record);
    value_set_int(own, "revision", revision);
    value_set(data, "release", own);
    value_set_str(labels, KUBE_LABEL_APP, k->app);
    value_set_str(metadata, "name", name);
    value_set(metadata, "labels", labels);
    value_set_str(object, "apiVersion", k->kinds[KUBE_REVISION]->api_version);
    value_set_str(object, "kind", k->kinds[KUBE_REVISION]->kind);
    value_set(object, "metadata", metadata);
    value_set_int(object, "revision", revision);
    value_set(object, "data", data);
    kube_mark(object, epoch, 0);
    return object;
}

// Numbers are given by the state, under the epoch, so no two drivers get the same.
int kube_release_put(struct target *t, int64_t epoch, const struct value *record,
    const struct value *secrets, int64_t secrets_of, int64_t *ret_revision, struct error *err)
{
    struct kube_target *k = kube_of(t);
    struct numbering n = {0};
    (void)secrets_of; // the manifest names them
    AUTO_FREE char *text = value_print(record);
    if (strlen(text) > MANIFESTS_MAX)
        return error_set(err, ERR_LIMIT,
            "the release is %zu bytes of manifests, and a cluster keeps %zu at most in one object",
            strlen(text), MANIFESTS_MAX);
    if (create_secrets(k, secrets, err) < 0 ||
        kube_state_change(k, epoch, change_last, &n, err) < 0)
        return -1;
    AUTO(value) struct value *object = kube_release_object(k, record, n.wanted, epoch);
    if (kube_create(k->client, k->kinds[KUBE_REVISION], k->ns, object, NULL, err) < 0)
        return -1;
    *ret_revision = n.wanted;
    return 0;
}

// --- the end ---

int kube_stamp_release(struct kube_target *k, int64_t epoch, int64_t revision, struct error *err)
{
    AUTO(value) struct value *object = NULL;
    AUTO_FREE char *name = revision_name(k, revision);
    return kube_get(k->client, k->kinds[KUBE_REVISION], k->ns, name, &object, err) < 0
               ? -1
               : kube_stamp(k, epoch, k->kinds[KUBE_REVISION], object, err);
}

int kube_release_end(
    struct kube_target *k, const struct target_end *end, int hooks, struct error *err)
{
    AUTO(value) struct value *object = NULL;
    AUTO(value) struct value *patch = value_list();
    AUTO(value) struct value *v = value_map();
    AUTO_FREE char *name = revision_name(k, end->rollout->to);
    const struct kube_kind *kind = k->kinds[KUBE_REVISION];
    value_set_str(v, "outcome", outcome_name(end->outcome));
    if (*end->reason)
        value_set_str(v, "reason", end->reason);
    value_set(v, "times", times_to_value(&end->times));
    if (hooks)
        value_set_int(v, "hooks_run", hooks);
    AUTO_FREE char *text = value_print(v);
    if (kube_get(k->client, kind, k->ns, name, &object, err) < 0 ||
        kube_check_stamp(k, object, end->epoch, err) < 0)
        return -1;
    kube_patch_row(
        patch, "test", value_string(kube_version(object)), "metadata", "resourceVersion", NULL);
    kube_patch_row(
        patch, "add", value_string(text), "metadata", "annotations", KUBE_ANNOTATION_END, NULL);
    AUTO_FREE char *stamp = mem_printf("%" PRId64, end->epoch);
    kube_patch_row(
        patch, "add", value_string(stamp), "metadata", "annotations", KUBE_ANNOTATION_EPOCH, NULL);
    if (kube_patch(k->client, kind, k->ns, name, patch, NULL, err) == 0)
        return 0;
    if (err && err->kind == ERR_CONFLICT)
        err->retryable = true;
    return -1;
}

// --- trimming ---

static const struct value *others_of(const struct value *record)
{
    return value_get(value_get(record, "manifest"), "others");
}

static bool is_named(const struct value *records, const struct value *object)
{
    for (size_t i = 0; i < value_length(records); i++) {
        const struct value *others = others_of(value_at(records, i));
        for (size_t j = 0; j < value_length(others); j++)
            if (text_equal(kube_name(value_at(others, j)), kube_name(object)) &&
                text_equal(
                    value_get_str(value_at(others, j), "kind"), value_get_str(object, "kind")))
                return true;
    }
    return false;
}

static int trim_copies(struct kube_target *k, int64_t epoch, const struct value *gone,
    const struct value *kept, const char *kind_name, struct error *err)
{
    const struct kube_kind *kind;
    AUTO(value) struct value *copies = NULL;
    AUTO_FREE char *selector = mem_printf("%s,%s=true", k->selector, KUBE_LABEL_COPY);
    bool any = false;
    for (size_t i = 0; i < value_length(gone) && !any; i++)
        any = kube_has_kind(others_of(value_at(gone, i)), kind_name);
    if (!any) // nor need there be the right to list them
        return 0;
    if (kube_kind_find(k->client, "v1", kind_name, &kind, err) < 0 ||
        kube_list(k->client, kind, k->ns, selector, &copies, err) < 0)
        return -1;
    for (size_t i = 0; i < value_length(copies); i++)
        if (!is_named(kept, value_at(copies, i)) &&
            kube_delete_one(k, epoch, kind, kube_name(value_at(copies, i)), err) < 0)
            return -1;
    return 0;
}

int kube_release_trim(struct kube_target *k, int64_t epoch, const struct value *records,
    int64_t live, const struct rollout *rollout, struct error *err)
{
    AUTO(value) struct value *kept = value_list();
    AUTO(value) struct value *gone = value_list();
    if (value_length(records) <= KUBE_RELEASES_MAX)
        return 0;
    for (size_t i = 0; i < value_length(records); i++) {
        struct value *record = value_at(records, i);
        int64_t revision = value_get_int(record, "revision", 0);
        if (i < KUBE_RELEASES_MAX || revision == live || revision == rollout->from ||
            revision == rollout->to) {
            value_append(kept, value_share(record));
            continue;
        }
        AUTO_FREE char *name = revision_name(k, revision);
        value_append(gone, value_share(record));
        if (kube_delete_one(k, epoch, k->kinds[KUBE_REVISION], name, err) < 0)
            return -1;
    }
    return trim_copies(k, epoch, gone, kept, "ConfigMap", err) < 0 ||
                   trim_copies(k, epoch, gone, kept, "Secret", err) < 0
               ? -1
               : 0;
}

// --- checks ---

int kube_release_check(
    struct target *t, int64_t revision, struct value **ret_missing, struct error *err)
{
    struct kube_target *k = kube_of(t);
    const struct kube_known *known = kube_known(k, revision, err);
    if (!known)
        return -1;
    AUTO(value) struct value *missing = value_list();
    const struct value *others = known->manifest.others;
    for (size_t i = 0; i < value_length(others); i++) {
        const struct value *object = value_at(others, i);
        if (!text_equal(value_get_str(object, "kind"), "Secret"))
            continue;
        struct error why = {0};
        AUTO(value) struct value *found = NULL;
        if (kube_get(k->client, k->kinds[KUBE_SECRET], k->ns, kube_name(object), &found, &why) == 0)
            continue;
        if (why.kind != ERR_NOT_FOUND) {
            if (err)
                *err = why;
            return -1;
        }
        AUTO_FREE char *line = mem_printf("its Secret %s is not there any more", kube_name(object));
        value_append_str(missing, line);
    }
    *ret_missing = take_ptr(missing);
    return 0;
}
