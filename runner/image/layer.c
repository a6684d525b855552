#include "image/layer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "image/layer_read.h"
#include "os/fd.h"
#include "os/file.h"

#define DURABLE "durable"

void layer_stack_done(struct layer_stack *stack)
{
    vec_free(&stack->items);
}

void layer_stack_copy(struct layer_stack *to, const struct layer_stack *from)
{
    vec_each (layer, &from->items)
        vec_push(&to->items, *layer);
}

static const struct {
    const char *media_type;
    enum layer_compression compression;
} media_types[] = {
    {"application/vnd.oci.image.layer.v1.tar+gzip", LAYER_GZIP},
    {"application/vnd.oci.image.layer.v1.tar+zstd", LAYER_ZSTD},
    {"application/vnd.oci.image.layer.v1.tar", LAYER_PLAIN},
    {"application/vnd.docker.image.rootfs.diff.tar.gzip", LAYER_GZIP},
    {"application/vnd.docker.image.rootfs.diff.tar.zstd", LAYER_ZSTD},
    {"application/vnd.docker.image.rootfs.diff.tar", LAYER_PLAIN},
};

const char *layer_media_type(enum layer_compression compression)
{
    return media_types[compression].media_type;
}

bool layer_media_parse(const char *media_type, enum layer_compression *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(media_types); i++)
        if (strcmp(media_types[i].media_type, media_type) == 0) {
            *ret = media_types[i].compression;
            return true;
        }
    return false;
}

struct value *layer_to_value(const struct layer *layer)
{
    struct value *v = value_map();
    value_set_str(v, "diff_id", layer->diff_id);
    value_set_str(v, "digest", layer->digest);
    value_set_int(v, "size", (int64_t)layer->size);
    return v;
}

bool layer_from_value(const struct value *v, struct layer *ret)
{
    const char *diff_id = value_get_str(v, "diff_id"), *digest = value_get_str(v, "digest");
    if (!diff_id || !digest || !digest_ok(diff_id) || !digest_ok(digest))
        return false;
    *ret = (struct layer){.size = (uint64_t)value_get_int(v, "size", 0)};
    memcpy(ret->diff_id, diff_id, DIGEST_SIZE);
    memcpy(ret->digest, digest, DIGEST_SIZE);
    return true;
}

static const char *hex(const struct layer *layer)
{
    return layer->diff_id + strlen("sha256:");
}

char *layer_directory(const struct layer *layer)
{
    return path_join("layers", hex(layer));
}

// Nothing is synced when a layer is unpacked: thousands of files would cost seconds. Instead the
// state names the boot in which it was done: within that boot the page cache is right whatever
// reached the disk.
static void boot_id(struct str *out)
{
    str_init(out, 100);
    file_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", out, NULL);
}

bool layer_is_unpacked(const struct store *store, const struct layer *layer)
{
    AUTO_FREE char *directory = layer_directory(layer);
    AUTO_FREE char *path = mem_printf("%s.state", directory);
    AUTO(str) struct str state;
    AUTO(str) struct str boot;
    str_init(&state, 100);
    if (file_read(store->dir, path, &state, NULL) < 0 || !file_exists(store->dir, directory))
        return false;
    boot_id(&boot);
    return strcmp(state.data, DURABLE) == 0 || (boot.length && strcmp(state.data, boot.data) == 0);
}

static int replace(
    struct store *store, const char *path, const char *bytes, size_t length, struct error *err)
{
    AUTO_FREE char *temporary = store_temporary(store);
    AUTO_FD int fd = openat(store->dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return error_errno(err, "%s", temporary);
    if (fd_write_all(fd, bytes, length, err) < 0)
        return error_wrap(err, "%s", path);
    if (renameat(store->dir, temporary, store->dir, path) < 0)
        return error_errno(err, "%s", path);
    return 0;
}

int layer_adopt(
    struct store *store, const char *directory, const struct layer *layer, struct error *err)
{
    AUTO_FREE char *path = layer_directory(layer);
    AUTO_FREE char *state = mem_printf("%s.state", path);
    AUTO(str) struct str boot;
    boot_id(&boot);
    if (renameat(store->dir, directory, store->dir, path) < 0) {
        if (errno != EEXIST && errno != ENOTEMPTY)
            return error_errno(err, "%s", path);
        if (layer_is_unpacked(store, layer)) // somebody was faster
            return dir_remove_tree(store->dir, directory, err);
        AUTO_FREE char *old = store_temporary(store);
        if (renameat(store->dir, path, store->dir, old) < 0 ||
            renameat(store->dir, directory, store->dir, path) < 0)
            return error_errno(err, "%s", path);
        if (dir_remove_tree(store->dir, old, err) < 0)
            return -1;
    }
    return replace(store, state, boot.data, boot.length, err);
}

int layer_settle(struct store *store, const struct layer *layer, struct error *err)
{
    AUTO_FREE char *directory = layer_directory(layer);
    AUTO_FREE char *state = mem_printf("%s.state", directory);
    return file_replace(store->dir, state, 0644, DURABLE, strlen(DURABLE), err);
}

int layer_put_index(
    struct store *store, const struct layer *layer, struct layer_index *index, struct error *err)
{
    size_t length;
    AUTO_FREE char *directory = layer_directory(layer);
    AUTO_FREE char *path = mem_printf("%s.index", directory);
    if (str_check(&index->text, "the index of a layer", err) < 0)
        return -1;
    AUTO_FREE char *text = layer_index_finish(index, &length);
    return replace(store, path, text, length, err);
}

static int unpack(
    struct store *store, const struct layer_stack *stack, size_t at, struct error *err)
{
    const struct layer *layer = &stack->items.items[at];
    AUTO_FREE char *directory = store_temporary(store);
    AUTO(strv) struct strv below = {0};
    for (size_t i = at; i-- > 0;)
        strv_push_take(&below, layer_directory(&stack->items.items[i]));
    if (mkdirat(store->dir, directory, 0755) < 0)
        return error_errno(err, "%s", directory);
    if (layer_read(store, layer, directory, &below, err) < 0) {
        dir_remove_tree(store->dir, directory, NULL);
        return error_wrap(err, "layer %s", layer->digest);
    }
    return layer_adopt(store, directory, layer, err);
}

int layer_stack_unpack(struct store *store, const struct layer_stack *stack, struct error *err)
{
    for (size_t i = 0; i < stack->items.length; i++)
        if (!layer_is_unpacked(store, &stack->items.items[i]) && unpack(store, stack, i, err) < 0)
            return -1;
    return 0;
}

static int apply(struct store *store, const struct layer *layer, size_t number, struct tree *tree,
    struct error *err)
{
    AUTO_FREE char *directory = layer_directory(layer);
    AUTO_FREE char *path = mem_printf("%s.index", directory);
    AUTO(str) struct str text;
    str_init(&text, LAYER_INDEX_MAX);
    if (file_read(store->dir, path, &text, NULL) == 0 &&
        layer_index_apply(tree, text.data, text.length, number, NULL) == 0)
        return 0;
    if (layer_read(store, layer, NULL, NULL, err) < 0)
        return error_wrap(err, "layer %s", layer->digest);
    str_clear(&text);
    if (file_read(store->dir, path, &text, err) < 0)
        return -1;
    return layer_index_apply(tree, text.data, text.length, number, err);
}

int layer_stack_tree(struct store *store, const struct layer_stack *stack, size_t from,
    struct tree *tree, struct error *err)
{
    for (size_t i = from; i < stack->items.length; i++)
        if (apply(store, &stack->items.items[i], i, tree, err) < 0)
            return -1;
    return 0;
}

void layer_stack_lowers(const struct layer_stack *stack, struct strv *out)
{
    for (size_t i = stack->items.length; i-- > 0;) {
        AUTO_FREE char *directory = layer_directory(&stack->items.items[i]);
        if (!strv_has(out, directory))
            strv_push(out, directory);
    }
}
