// Garbage: what no tag, no pin and no fresh record of the build cache reaches.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/manifest.h"
#include "image/store.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/file.h"

struct sweep {
    struct store *store;
    int64_t oldest_ms;         // records that were used before go
    struct strv blobs, layers; // hex names that stay
    struct store_swept *swept;
};

typedef int entry_fn(struct sweep *s, int dir, const char *name, struct error *err);

static int each(struct sweep *s, const char *path, entry_fn *visit, struct error *err)
{
    AUTO_FD int dir = dir_open(s->store->dir, path, err);
    if (dir < 0)
        return -1;
    DIR *stream = fdopendir(fcntl(dir, F_DUPFD_CLOEXEC, 0));
    if (!stream)
        return error_errno(err, "%s", path);
    int status = 0;
    for (struct dirent *entry; status == 0 && (entry = readdir(stream));)
        if (entry->d_name[0] != '.')
            status = visit(s, dir, entry->d_name, err);
    closedir(stream);
    return status;
}

static void keep(struct strv *names, const char *digest)
{
    strv_push(names, digest + strlen("sha256:"));
}

static bool kept(const struct strv *names, const char *name, size_t length)
{
    AUTO_FREE char *hex = mem_strndup(name, length);
    const char *key = hex;
    size_t low = 0, high = names->length;
    while (low < high) { // they are sorted
        size_t middle = low + (high - low) / 2;
        int order = strcmp(key, names->items[middle]);
        if (order == 0)
            return true;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

// An image that cannot be read keeps what is known of it: collecting must not make it worse.
static void mark_image(struct sweep *s, const char *digest)
{
    AUTO(image) struct image image = {0};
    keep(&s->blobs, digest);
    if (image_load(s->store, digest, &image, NULL) < 0)
        return;
    keep(&s->blobs, image.id);
    vec_each (layer, &image.layers.items) {
        keep(&s->blobs, layer->digest);
        keep(&s->layers, layer->diff_id);
    }
}

static int mark_tags(struct sweep *s, struct error *err)
{
    AUTO(value) struct value *tags = store_tags(s->store, err);
    if (!tags)
        return -1;
    for (size_t i = 0; i < value_length(tags); i++) {
        const struct value *tag = value_at(tags, i);
        const char *digest = value_get_str(tag, "digest");
        const char *source = value_get_str(value_get(tag, "annotations"), TAG_SOURCE);
        if (digest && digest_ok(digest))
            mark_image(s, digest);
        if (source && digest_ok(source))
            keep(&s->blobs, source);
    }
    return 0;
}

static int mark_pin(struct sweep *s, int dir, const char *name, struct error *err)
{
    (void)dir, (void)err;
    AUTO_FREE char *digest = mem_printf("sha256:%s", name);
    if (digest_ok(digest))
        mark_image(s, digest);
    return 0;
}

static int mark_app(struct sweep *s, int dir, const char *name, struct error *err)
{
    (void)dir;
    AUTO_FREE char *path = path_join("pins", name);
    return each(s, path, mark_pin, err);
}

static int64_t used_ms(int dir, const char *name)
{
    struct stat st;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    return (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
}

static int visit_record(struct sweep *s, int dir, const char *name, struct error *err)
{
    struct layer layer;
    AUTO(str) struct str text;
    str_init(&text, 65536);
    if (used_ms(dir, name) < s->oldest_ms) {
        s->swept->records++;
        return unlinkat(dir, name, 0) < 0 ? error_errno(err, "%s", name) : 0;
    }
    if (file_read(dir, name, &text, NULL) < 0)
        return 0;
    AUTO(value) struct value *record = value_parse(text.data, text.length, NULL);
    if (layer_from_value(record, &layer)) {
        keep(&s->blobs, layer.digest);
        keep(&s->layers, layer.diff_id);
    }
    return 0;
}

static int visit_blob(struct sweep *s, int dir, const char *name, struct error *err)
{
    struct stat st;
    if (kept(&s->blobs, name, strlen(name)))
        return 0;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        s->swept->bytes += (uint64_t)st.st_blocks * 512;
    s->swept->blobs++;
    return unlinkat(dir, name, 0) < 0 ? error_errno(err, "%s", name) : 0;
}

// layers/HEX, HEX.state and HEX.index.
static int visit_layer(struct sweep *s, int dir, const char *name, struct error *err)
{
    size_t length = strcspn(name, ".");
    if (kept(&s->layers, name, length))
        return 0;
    s->swept->layers += name[length] == '\0';
    return dir_remove_tree(dir, name, err);
}

static int visit_mount(struct sweep *s, int dir, const char *name, struct error *err)
{
    if (used_ms(dir, name) >= s->oldest_ms)
        return 0;
    s->swept->mounts++;
    return dir_remove_tree(dir, name, err);
}

int store_collect(struct store *store, int64_t keep_ms, struct store_swept *ret, struct error *err)
{
    int alone = store_alone(store, err);
    if (alone < 0)
        return -1;
    if (!alone) {
        error_set(err, ERR_CONFLICT, "the image store is in use: nothing was collected");
        if (err)
            err->retryable = true;
        return -1;
    }
    *ret = (struct store_swept){0};
    struct sweep s = {.store = store, .oldest_ms = clock_unix_ms() - keep_ms, .swept = ret};
    int status = -1;
    if (mark_tags(&s, err) == 0 && each(&s, "pins", mark_app, err) == 0 &&
        each(&s, "cache", visit_record, err) == 0) {
        strv_sort(&s.blobs);
        strv_sort(&s.layers);
        status = each(&s, "layers", visit_layer, err);
        if (status == 0)
            status = each(&s, "blobs/sha256", visit_blob, err);
        if (status == 0)
            status = each(&s, "mounts", visit_mount, err);
    }
    strv_done(&s.blobs);
    strv_done(&s.layers);
    return status;
}
