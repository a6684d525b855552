// Tags and pins: what keeps an image in the store.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "image/store.h"
#include "os/clock.h"
#include "os/failpoint.h"
#include "os/fd.h"
#include "os/file.h"

#define INDEX_MAX ((size_t)16 << 20)

static struct value *read_index(const struct store *store, struct error *err)
{
    AUTO(str) struct str text;
    str_init(&text, INDEX_MAX);
    if (file_read(store->dir, "index.json", &text, err) < 0)
        return NULL;
    AUTO(value) struct value *index = value_parse(text.data, text.length, err);
    if (!index || value_type(value_get(index, "manifests")) != VALUE_LIST) {
        if (index)
            error_set(err, ERR_PROTOCOL, "it has no list of manifests");
        error_wrap(err, "index.json of the image store");
        return NULL;
    }
    return take_ptr(index);
}

static const char *annotation(const struct value *descriptor, const char *name)
{
    return value_get_str(value_get(descriptor, "annotations"), name);
}

struct value *store_tags(const struct store *store, struct error *err)
{
    AUTO(value) struct value *index = read_index(store, err);
    return index ? value_share(value_get(index, "manifests")) : NULL;
}

int store_find(
    const struct store *store, const char *reference, struct value **ret, struct error *err)
{
    AUTO(value) struct value *tags = store_tags(store, err);
    if (!tags)
        return -1;
    *ret = NULL;
    for (size_t i = 0; i < value_length(tags); i++)
        if (text_equal(annotation(value_at(tags, i), TAG_NAME), reference))
            *ret = value_share(value_at(tags, i));
    return 0;
}

// The index with the tag moved to the new entry.
static struct value *with_tag(const struct value *index, const char *reference, struct value *entry)
{
    struct value *next = value_copy(index);
    struct value *manifests = value_list();
    const struct value *old = value_get(index, "manifests");
    for (size_t i = 0; i < value_length(old); i++)
        if (!text_equal(annotation(value_at(old, i), TAG_NAME), reference))
            value_append(manifests, value_copy(value_at(old, i)));
    value_append(manifests, entry);
    value_set(next, "manifests", manifests);
    return next;
}

int store_tag(struct store *store, const char *reference, const struct value *descriptor,
    const char *source, struct error *err)
{
    AUTO_FD int lock = openat(store->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0)
        return error_errno(err, "lock");
    if (file_lock_wait(lock, err) < 0)
        return -1;
    AUTO(value) struct value *index = read_index(store, err);
    if (!index)
        return -1;
    struct value *entry = value_map(), *annotations = value_map();
    value_set_str(entry, "mediaType", value_get_str(descriptor, "mediaType"));
    value_set_str(entry, "digest", value_get_str(descriptor, "digest"));
    value_set_int(entry, "size", value_get_int(descriptor, "size", 0));
    value_set_str(annotations, TAG_NAME, reference);
    value_set_str(annotations, TAG_SOURCE, source);
    value_set(entry, "annotations", annotations);
    AUTO(value) struct value *next = with_tag(index, reference, entry);
    if (value_equal(next, index))
        return 0;
    AUTO_FREE char *text = value_print(next);
    // What the tag leads to is named for good before the tag is.
    if (fsync(store->blobs_dir) < 0)
        return error_errno(err, "blobs");
    failpoint("image.tag");
    return file_replace(store->dir, "index.json", 0644, text, strlen(text), err);
}

static int open_pins(const struct store *store, const char *app, bool make, struct error *err)
{
    if (!path_component_ok(app))
        return error_set(err, ERR_USAGE, "\"%s\" is not a name of an app", app);
    AUTO_FREE char *path = path_join("pins", app);
    if (make && dir_make(store->dir, path, 0755, err) < 0)
        return -1;
    return dir_open(store->dir, path, err);
}

int store_pin(struct store *store, const char *app, const char *digest, struct error *err)
{
    AUTO_FD int pins = open_pins(store, app, true, err);
    if (pins < 0)
        return -1;
    return file_replace(pins, digest + strlen("sha256:"), 0644, "", 0, err);
}

static bool is_kept(const struct value *digests, const char *hex)
{
    for (size_t i = 0; i < value_length(digests); i++) {
        const char *digest = value_text(value_at(digests, i));
        if (digest && digest_ok(digest) && strcmp(digest + strlen("sha256:"), hex) == 0)
            return true;
    }
    return false;
}

// Of one app; `digests` NULL: it needs none.
static int unpin_app(struct store *store, const char *app, const struct value *digests,
    int64_t before_unix_ms, struct error *err)
{
    AUTO(strv) struct strv names = {0};
    AUTO_FD int pins = open_pins(store, app, false, err);
    if (pins < 0 || dir_list(pins, ".", &names, err) < 0)
        return -1;
    strv_each (name, &names) {
        struct stat st;
        if (is_kept(digests, *name) || fstatat(pins, *name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
            (int64_t)st.st_mtim.tv_sec * 1000 > before_unix_ms)
            continue;
        if (unlinkat(pins, *name, 0) < 0 && errno != ENOENT)
            return error_errno(err, "pin %s of %s", *name, app);
    }
    AUTO_FREE char *path = path_join("pins", app);
    unlinkat(store->dir, path, AT_REMOVEDIR); // if it is empty now
    return 0;
}

int store_unpin(struct store *store, const struct value *kept, int64_t keep_ms, struct error *err)
{
    AUTO(strv) struct strv apps = {0};
    struct error why = {0};
    if (dir_list(store->dir, "pins", &apps, &why) < 0) {
        if (why.kind == ERR_NOT_FOUND)
            return 0;
        if (err)
            *err = why;
        return -1;
    }
    strv_each (app, &apps) {
        const struct value *digests = value_get(kept, *app);
        if (digests && value_type(digests) != VALUE_LIST)
            continue;
        if (unpin_app(store, *app, digests, clock_unix_ms() - keep_ms, err) < 0)
            return -1;
    }
    return 0;
}
