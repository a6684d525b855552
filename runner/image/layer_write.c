#include "image/layer_write.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/gzip.h"
#include "os/file.h"

#define BLOCK ((size_t)128 << 10) // the pieces that the compressor gets: part of the recipe

struct layer_writer {
    struct store *store;
    int64_t mtime;
    struct archive *archive;
    struct archive_entry *entry;
    struct gzip_writer *gzip;
    struct blob_writer blob;
    struct sha256 diff;
    struct layer_index index;
    struct error failure; // of the sink, which libarchive cannot carry
    unsigned char buffer[BLOCK];
};

static int to_blob(void *arg, const void *bytes, size_t length, struct error *err)
{
    struct layer_writer *w = arg;
    return blob_add(&w->blob, bytes, length, err);
}

static la_ssize_t on_block(struct archive *archive, void *arg, const void *bytes, size_t length)
{
    struct layer_writer *w = arg;
    sha256_add(&w->diff, bytes, length);
    if (gzip_add(w->gzip, bytes, length, false, &w->failure) < 0) {
        archive_set_error(archive, EIO, "%s", w->failure.message);
        return ARCHIVE_FATAL;
    }
    return (la_ssize_t)length;
}

static int archive_failure(struct layer_writer *w, const char *path, struct error *err)
{
    if (w->failure.kind) {
        if (err)
            *err = w->failure;
        return -1;
    }
    return error_set(err, ERR_SYSTEM, "%s: %s", path, archive_error_string(w->archive));
}

struct layer_writer *layer_writer_new(struct store *store, int64_t mtime, struct error *err)
{
    struct layer_writer *w = mem_alloc(sizeof *w);
    w->store = store;
    w->mtime = mtime;
    w->gzip = gzip_writer_new(to_blob, w);
    w->archive = archive_write_new();
    w->entry = archive_entry_new();
    if (!w->archive || !w->entry)
        abort();
    layer_index_init(&w->index);
    sha256_init(&w->diff);
    if (blob_begin(store, &w->blob, err) < 0) {
        layer_writer_free(w);
        return NULL;
    }
    // Names are bytes: no conversion from the locale's encoding, whatever that is.
    if (archive_write_set_format_pax_restricted(w->archive) != ARCHIVE_OK ||
        archive_write_set_options(w->archive, "pax:xattrheader=SCHILY,pax:hdrcharset=BINARY") !=
            ARCHIVE_OK ||
        archive_write_set_bytes_per_block(w->archive, (int)BLOCK) != ARCHIVE_OK ||
        archive_write_set_bytes_in_last_block(w->archive, 1) != ARCHIVE_OK ||
        archive_write_open(w->archive, w, NULL, on_block, NULL) != ARCHIVE_OK) {
        archive_failure(w, "a layer", err);
        layer_writer_free(w);
        return NULL;
    }
    return w;
}

void layer_writer_free(struct layer_writer *w)
{
    if (!w)
        return;
    archive_write_free(
        w->archive); // may still write the end of the archive, into an abandoned blob
    archive_entry_free(w->entry);
    gzip_writer_free(w->gzip);
    blob_abandon(&w->blob);
    layer_index_done(&w->index);
    free(w);
}

static int write_file(struct layer_writer *w, const struct layer_entry *e, struct error *err)
{
    AUTO(str) struct str kept;
    str_init(&kept, (size_t)1 << 20);
    bool keep = layer_index_wants_text(e->path);
    for (uint64_t done = 0; done < e->size;) {
        size_t want = e->size - done < BLOCK ? (size_t)(e->size - done) : BLOCK;
        ssize_t n = pread(e->fd, w->buffer, want, (off_t)done);
        if (n < 0)
            return error_errno(err, "%s", e->path);
        if (n == 0)
            return error_set(err, ERR_CONFLICT, "%s became shorter while it was read", e->path);
        if (archive_write_data(w->archive, w->buffer, (size_t)n) < 0)
            return archive_failure(w, e->path, err);
        if (keep)
            str_add(&kept, w->buffer, (size_t)n);
        done += (uint64_t)n;
    }
    if (keep)
        layer_index_text(&w->index, e->path, kept.data, kept.length);
    return 0;
}

static void add_to_index(struct layer_writer *w, const struct layer_entry *e)
{
    switch (e->item) {
    case LAYER_NODE:
        layer_index_add(&w->index, e->type, e->path, e->mode, e->uid, e->gid, e->target);
        break;
    case LAYER_HARD_LINK:
        layer_index_hard_link(&w->index, e->path, e->target);
        break;
    case LAYER_WHITEOUT:
        layer_index_whiteout(&w->index, e->path);
        break;
    case LAYER_OPAQUE:
        layer_index_opaque(&w->index, e->path);
        break;
    }
}

// The name in the archive: directories end in a slash, whiteouts have their prefix.
static char *name_of(const struct layer_entry *e)
{
    if (e->item == LAYER_OPAQUE)
        return *e->path ? mem_printf("%s/.wh..wh..opq", e->path) : mem_strdup(".wh..wh..opq");
    const char *base = path_base(e->path);
    if (e->item == LAYER_WHITEOUT)
        return mem_printf("%.*s.wh.%s", (int)(base - e->path), e->path, base);
    bool directory = e->item == LAYER_NODE && e->type == NODE_DIRECTORY;
    return mem_printf("%s%s", e->path, directory ? "/" : "");
}

int layer_writer_add(struct layer_writer *w, const struct layer_entry *e, struct error *err)
{
    static const mode_t types[] = {
        [NODE_FILE] = AE_IFREG,
        [NODE_DIRECTORY] = AE_IFDIR,
        [NODE_LINK] = AE_IFLNK,
        [NODE_FIFO] = AE_IFIFO,
    };
    bool node = e->item == LAYER_NODE;
    bool file = node && e->type == NODE_FILE;
    AUTO_FREE char *name = name_of(e);
    archive_entry_clear(w->entry);
    archive_entry_set_pathname(w->entry, name);
    archive_entry_set_filetype(w->entry, node ? types[e->type] : AE_IFREG);
    archive_entry_set_perm(w->entry, node && e->type == NODE_LINK ? 0777 : e->mode);
    archive_entry_set_uid(w->entry, e->uid);
    archive_entry_set_gid(w->entry, e->gid);
    archive_entry_set_mtime(w->entry, w->mtime, 0);
    archive_entry_set_size(w->entry, file ? (la_int64_t)e->size : 0);
    if (node && e->type == NODE_LINK)
        archive_entry_set_symlink(w->entry, e->target);
    if (e->item == LAYER_HARD_LINK)
        archive_entry_set_hardlink(w->entry, e->target);
    if (e->capability)
        archive_entry_xattr_add_entry(
            w->entry, "security.capability", e->capability, e->capability_size);
    if (archive_write_header(w->archive, w->entry) < ARCHIVE_WARN)
        return archive_failure(w, e->path, err);
    add_to_index(w, e);
    return file ? write_file(w, e, err) : 0;
}

int layer_writer_finish(struct layer_writer *w, struct layer *ret, struct error *err)
{
    struct layer layer = {.compression = LAYER_GZIP};
    if (archive_write_close(w->archive) != ARCHIVE_OK)
        return archive_failure(w, "a layer", err);
    if (gzip_add(w->gzip, NULL, 0, true, err) < 0)
        return -1;
    digest_finish(&w->diff, layer.diff_id);
    layer.size = w->blob.size;
    if (blob_commit(&w->blob, NULL, layer.digest, err) < 0 ||
        layer_put_index(w->store, &layer, &w->index, err) < 0)
        return -1;
    *ret = layer;
    return 0;
}
