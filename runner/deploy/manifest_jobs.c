#include "deploy/manifest_jobs.h"

#include <string.h>

#include "codec/digest.h"
#include "deploy/manifest_object.h"

#define HASH_DIGITS   10
#define SUFFIX_LENGTH 12 // "-" and a hash, or "-r" and a revision
#define NAME_LENGTH   63 // pods bear their Job's name as a label

static void hash_text(struct sha256 *h, const char *text)
{
    sha256_add(h, text, strlen(text) + 1);
}

// Whatever the order of keys is.
static void hash(struct sha256 *h, const struct value *v)
{
    AUTO(strv) struct strv keys = {0};
    struct value_cursor cursor = {.map = v};
    const char *key;
    struct value *item;
    if (value_type(v) != VALUE_MAP && value_type(v) != VALUE_LIST) {
        AUTO_FREE char *text = value_print(v);
        hash_text(h, text);
        return;
    }
    hash_text(h, value_type(v) == VALUE_MAP ? "{" : "[");
    for (size_t i = 0; value_type(v) == VALUE_LIST && i < value_length(v); i++)
        hash(h, value_at(v, i));
    while (value_type(v) == VALUE_MAP && value_next(&cursor, &key, &item))
        strv_push(&keys, key);
    strv_sort(&keys);
    strv_each (name, &keys) {
        hash_text(h, *name);
        hash(h, value_get(v, *name));
    }
    hash_text(h, "end");
}

static bool is_job(const struct value *object)
{
    return manifest_is(object, "batch", "Job");
}

static bool is_hook(const struct manifest_input *in, const struct value *job)
{
    return in->hooks && strv_has(in->hooks, manifest_object_name(job));
}

static int name_job(struct value *job, struct strv *notes, struct error *err)
{
    struct sha256 h;
    char hex[SHA256_HEX_SIZE];
    const char *name = manifest_object_name(job);
    if (!manifest_template(job))
        return error_set(
            err, ERR_CONFIG, MANIFEST_OBJECT " has no pod template", MANIFEST_OBJECT_ARGS(job));
    sha256_init(&h);
    hash(&h, value_get(job, "spec"));
    sha256_hex(&h, hex);
    AUTO_FREE char *hashed = mem_printf("%s-%.*s", name, HASH_DIGITS, hex);
    strv_pushf(notes, "Job/%s runs as %s, once for each content that it has", name, hashed);
    value_set_str(value_get(job, "metadata"), "name", hashed);
    return 0;
}

int manifest_name_jobs(
    const struct manifest_input *in, struct value *objects, struct strv *notes, struct error *err)
{
    for (size_t i = 0; i < value_length(objects); i++) {
        struct value *job = value_at(objects, i);
        if (!is_job(job))
            continue;
        if (strlen(manifest_object_name(job)) > NAME_LENGTH - SUFFIX_LENGTH)
            return error_set(err, ERR_CONFIG,
                MANIFEST_OBJECT ": its name is longer than %d characters, which leaves no room for "
                                "what tells one run of it from another",
                MANIFEST_OBJECT_ARGS(job), NAME_LENGTH - SUFFIX_LENGTH);
        if (!is_hook(in, job) && name_job(job, notes, err) < 0)
            return -1;
    }
    return 0;
}

static struct value *find_job(const struct value *objects, const char *name)
{
    for (size_t i = 0; i < value_length(objects); i++)
        if (is_job(value_at(objects, i)) &&
            strcmp(manifest_object_name(value_at(objects, i)), name) == 0)
            return value_at(objects, i);
    return NULL;
}

int manifest_take_hooks(const struct manifest_input *in, const struct value *objects,
    struct manifest *m, struct error *err)
{
    m->hooks = value_list();
    for (size_t i = 0; in->hooks && i < in->hooks->length; i++) {
        const char *name = in->hooks->items[i];
        struct value *job = find_job(objects, name);
        for (size_t earlier = 0; earlier < i; earlier++)
            if (strcmp(in->hooks->items[earlier], name) == 0)
                return error_set(err, ERR_CONFIG, "the hook %s is there twice", name);
        if (!job)
            return error_set(err, ERR_CONFIG,
                "the hook %s is not in the manifests: it is to be the name of a Job there", name);
        if (!manifest_template(job))
            return error_set(
                err, ERR_CONFIG, MANIFEST_OBJECT " has no pod template", MANIFEST_OBJECT_ARGS(job));
        value_append(m->hooks, value_share(job));
    }
    return 0;
}

struct value *manifest_hook(const struct manifest *m, int number, int64_t revision)
{
    const struct value *made = value_at(m->hooks, (size_t)number - 1);
    if (number < 1 || !made)
        return NULL;
    struct value *job = value_copy(made), *spec = value_get(job, "spec");
    AUTO_FREE char *name = manifest_hook_name(m, number, revision);
    value_set_str(value_get(job, "metadata"), "name", name);
    manifest_set_label(job, KUBE_LABEL_HOOK, "true");
    // One that has ended is what tells that it has: it stays until the next release.
    value_set(spec, "ttlSecondsAfterFinished", NULL);
    if (!value_get(spec, "backoffLimit"))
        value_set_int(spec, "backoffLimit", 0);
    return job;
}

char *manifest_hook_name(const struct manifest *m, int number, int64_t revision)
{
    return mem_printf("%s-r%lld", manifest_object_name(value_at(m->hooks, (size_t)number - 1)),
        (long long)revision);
}
