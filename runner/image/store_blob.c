#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "image/store.h"
#include "os/failpoint.h"
#include "os/fd.h"
#include "os/file.h"

#define JSON_MAX    ((size_t)8 << 20)
#define FLUSH_EVERY ((uint64_t)4 << 20)

static const char *hex(const char *digest)
{
    return digest + strlen("sha256:");
}

bool store_has_blob(const struct store *store, const char *digest)
{
    return file_exists(store->blobs_dir, hex(digest));
}

int store_open_blob(const struct store *store, const char *digest, struct error *err)
{
    if (!digest_ok(digest))
        return error_set(err, ERR_PROTOCOL, "\"%.80s\" is not a sha256 digest", digest);
    int fd = openat(store->blobs_dir, hex(digest), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        bool absent = errno == ENOENT;
        error_errno(err, "blob %s", digest);
        if (absent && err)
            err->kind = ERR_NOT_FOUND;
    }
    return fd;
}

int store_read_blob(
    const struct store *store, const char *digest, struct str *out, struct error *err)
{
    size_t before = out->length;
    char found[DIGEST_SIZE];
    AUTO_FD int fd = store_open_blob(store, digest, err);
    if (fd < 0)
        return -1;
    if (fd_read_all(fd, out, err) < 0)
        return error_wrap(err, "blob %s", digest);
    digest_bytes(out->data + before, out->length - before, found);
    if (strcmp(found, digest) != 0)
        return error_set(err, ERR_PROTOCOL, "blob %s is damaged: its bytes are %s", digest, found);
    return 0;
}

struct value *store_read_json(const struct store *store, const char *digest, struct error *err)
{
    AUTO(str) struct str text;
    str_init(&text, JSON_MAX);
    if (store_read_blob(store, digest, &text, err) < 0)
        return NULL;
    struct value *v = value_parse(text.data, text.length, err);
    if (!v)
        error_wrap(err, "blob %s", digest);
    return v;
}

int blob_begin(struct store *store, struct blob_writer *w, struct error *err)
{
    *w = (struct blob_writer){.store = store, .name = store_temporary(store)};
    w->fd = openat(store->dir, w->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (w->fd < 0) {
        error_errno(err, "%s", w->name);
        mem_replace(&w->name, NULL);
        return -1;
    }
    sha256_init(&w->hash);
    return 0;
}

int blob_add(struct blob_writer *w, const void *bytes, size_t length, struct error *err)
{
    sha256_add(&w->hash, bytes, length);
    w->size += length;
    if (fd_write_all(w->fd, bytes, length, err) < 0)
        return error_wrap(err, "a blob");
    // The disk works while we compress, so that the fsync at the end has little left to do.
    if (w->size - w->flushed >= FLUSH_EVERY) {
        sync_file_range(
            w->fd, (off_t)w->flushed, (off_t)(w->size - w->flushed), SYNC_FILE_RANGE_WRITE);
        w->flushed = w->size;
    }
    return 0;
}

void blob_abandon(struct blob_writer *w)
{
    if (!w->name)
        return;
    fd_close(w->fd);
    unlinkat(w->store->dir, w->name, 0);
    mem_replace(&w->name, NULL);
}

int blob_commit(
    struct blob_writer *w, const char *expected, char ret[static DIGEST_SIZE], struct error *err)
{
    char digest[DIGEST_SIZE];
    digest_finish(&w->hash, digest);
    int status = 0;
    failpoint("image.blob.written");
    if (expected && strcmp(digest, expected) != 0)
        status = error_set(
            err, ERR_PROTOCOL, "the bytes of %s have another digest: %s", expected, digest);
    else if (store_has_blob(w->store, digest))
        ; // somebody was faster
    else if (fsync(w->fd) < 0 ||
             renameat(w->store->dir, w->name, w->store->blobs_dir, hex(digest)) < 0)
        status = error_errno(err, "blob %s", digest);
    blob_abandon(w);
    failpoint("image.blob.named");
    if (status == 0)
        memcpy(ret, digest, DIGEST_SIZE);
    return status;
}

int store_put_blob(struct store *store, const void *bytes, size_t length,
    char ret_digest[static DIGEST_SIZE], struct error *err)
{
    AUTO(blob) struct blob_writer w = {0};
    digest_bytes(bytes, length, ret_digest);
    if (store_has_blob(store, ret_digest))
        return 0;
    if (blob_begin(store, &w, err) < 0 || blob_add(&w, bytes, length, err) < 0)
        return -1;
    return blob_commit(&w, NULL, ret_digest, err);
}
