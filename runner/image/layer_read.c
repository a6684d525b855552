#include "image/layer_read.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "image/layer_stream.h"
#include "image/layer_unpack.h"
#include "os/fd.h"
#include "os/file.h"

#define PIECE ((size_t)128 << 10)

struct reader {
    struct layer_stream *stream;
    struct archive *tar;
    struct unpacker *unpacker; // NULL: only the index
    struct layer_index index;
    struct error failure; // of the stream, which libarchive cannot carry
    unsigned entries;
    unsigned char buffer[PIECE];
};

static la_ssize_t on_read(struct archive *archive, void *arg, const void **ret)
{
    struct reader *r = arg;
    ssize_t n = layer_stream_next(r->stream, ret, &r->failure);
    if (n < 0)
        archive_set_error(archive, EIO, "%s", r->failure.message);
    return n;
}

static int tar_failure(struct reader *r, struct error *err)
{
    const char *why = archive_error_string(r->tar);
    if (!r->failure.kind)
        error_set(&r->failure, ERR_PROTOCOL, "a bad tar archive: %s", why ? why : "unknown");
    if (err)
        *err = r->failure;
    return -1;
}

// The path as the index and the unpacker want it. NULL with *err for one that no honest archive
// has.
static char *entry_path(const char *name, struct error *err)
{
    if (!name || strlen(name) > LAYER_NAME_MAX) {
        error_set(err, ERR_PROTOCOL, "an entry without a name, or with one that is too long");
        return NULL;
    }
    for (const char *p = name; *p; p += strcspn(p, "/")) {
        p += strspn(p, "/");
        if (strncmp(p, "..", 2) == 0 && (p[2] == '/' || p[2] == '\0')) {
            error_set(err, ERR_PROTOCOL, "the entry \"%.200s\" leads out of the layer", name);
            return NULL;
        }
    }
    return path_clean(name);
}

// What kind of entry it is; false for those that are left out: devices, and what older tools left
// for themselves.
static bool classify(struct archive_entry *entry, struct layer_entry *e, char *path)
{
    const char *base = path_base(path);
    if (strncmp(base, ".wh.", 4) == 0) {
        bool opaque = strcmp(base, ".wh..wh..opq") == 0;
        if (!opaque && strncmp(base, ".wh..wh.", 8) == 0)
            return false;
        size_t at = (size_t)(base - path);
        if (opaque)
            path[at ? at - 1 : 0] = '\0';
        else
            memmove(path + at, base + 4, strlen(base + 4) + 1);
        e->item = opaque ? LAYER_OPAQUE : LAYER_WHITEOUT;
        return opaque || path_component_ok(path_base(path));
    }
    if (archive_entry_hardlink(entry)) {
        e->item = LAYER_HARD_LINK;
        return true;
    }
    e->item = LAYER_NODE;
    switch (archive_entry_filetype(entry)) {
    case AE_IFREG:
        e->type = NODE_FILE;
        return *path;
    case AE_IFDIR:
        e->type = NODE_DIRECTORY;
        return true;
    case AE_IFLNK:
        e->type = NODE_LINK;
        return *path;
    case AE_IFIFO:
        e->type = NODE_FIFO;
        return *path;
    default:
        return false;
    }
}

static void find_capability(struct archive_entry *entry, struct layer_entry *e)
{
    const char *name;
    const void *value;
    size_t size;
    archive_entry_xattr_reset(entry);
    while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK)
        if (strcmp(name, "security.capability") == 0 && size <= LAYER_CAPABILITY_MAX) {
            e->capability = value;
            e->capability_size = size;
        }
}

static int copy_file(struct reader *r, const struct layer_entry *e, int fd, struct error *err)
{
    AUTO(str) struct str kept;
    str_init(&kept, (size_t)1 << 20);
    bool keep = layer_index_wants_text(e->path);
    uint64_t done = 0;
    if (fd < 0 && !keep)
        return 0; // libarchive skips what nobody reads
    for (la_ssize_t n; (n = archive_read_data(r->tar, r->buffer, PIECE)) != 0;) {
        if (n < 0)
            return tar_failure(r, err);
        if (layer_stream_count(r->stream, (uint64_t)n, err) < 0)
            return -1;
        if (fd >= 0 && fd_write_all(fd, r->buffer, (size_t)n, err) < 0)
            return error_wrap(err, "%s", e->path);
        if (keep)
            str_add(&kept, r->buffer, (size_t)n);
        done += (uint64_t)n;
    }
    // A hole at the end of a sparse file is not among its data.
    if (done < e->size && layer_stream_count(r->stream, e->size - done, err) < 0)
        return -1;
    if (done < e->size && fd >= 0 && ftruncate(fd, (off_t)e->size) < 0)
        return error_errno(err, "%s", e->path);
    if (keep)
        layer_index_text(&r->index, e->path, kept.data, kept.length);
    return 0;
}

static void add_to_index(struct layer_index *index, const struct layer_entry *e)
{
    if (e->item == LAYER_NODE)
        layer_index_add(index, e->type, e->path, e->mode, e->uid, e->gid, e->target);
    else if (e->item == LAYER_HARD_LINK)
        layer_index_hard_link(index, e->path, e->target);
    else if (e->item == LAYER_WHITEOUT)
        layer_index_whiteout(index, e->path);
    else
        layer_index_opaque(index, e->path);
}

static int read_entry(struct reader *r, struct archive_entry *entry, struct error *err)
{
    struct layer_entry e = {0};
    AUTO_FREE char *path = entry_path(archive_entry_pathname(entry), err);
    if (!path)
        return -1;
    if (!classify(entry, &e, path))
        return 0;
    AUTO_FREE char *link =
        e.item == LAYER_HARD_LINK ? entry_path(archive_entry_hardlink(entry), err) : NULL;
    if (e.item == LAYER_HARD_LINK && !link)
        return -1;
    e.path = path;
    e.mode = archive_entry_perm(entry) & 07777;
    e.uid = (uid_t)archive_entry_uid(entry);
    e.gid = (gid_t)archive_entry_gid(entry);
    e.size = archive_entry_size(entry) > 0 ? (uint64_t)archive_entry_size(entry) : 0;
    e.target = link ? link : archive_entry_symlink(entry);
    if (e.item == LAYER_NODE && e.type == NODE_LINK && (!e.target || !*e.target))
        return error_set(err, ERR_PROTOCOL, "%s: a link without a target", path);
    find_capability(entry, &e);
    add_to_index(&r->index, &e);
    bool file = e.item == LAYER_NODE && e.type == NODE_FILE;
    AUTO_FD int fd = -1;
    int64_t mtime = archive_entry_mtime(entry);
    if (r->unpacker && unpacker_add(r->unpacker, &e, mtime, &fd, err) < 0)
        return -1;
    if (file && copy_file(r, &e, fd, err) < 0)
        return -1;
    return fd >= 0 ? unpacker_end_file(&e, mtime, fd, err) : 0;
}

static int read_entries(struct reader *r, struct error *err)
{
    struct archive_entry *entry;
    for (;;) {
        int status = archive_read_next_header(r->tar, &entry);
        if (status == ARCHIVE_EOF)
            break;
        // A warning is about the encoding of a name: names are bytes to us.
        if (status < ARCHIVE_WARN)
            return tar_failure(r, err);
        if (++r->entries > LAYER_ENTRIES_MAX)
            return error_set(err, ERR_LIMIT, "it has more than %u entries", LAYER_ENTRIES_MAX);
        if (read_entry(r, entry, err) < 0)
            return -1;
    }
    if (r->unpacker && unpacker_finish(r->unpacker, err) < 0)
        return -1;
    return layer_stream_verify(r->stream, err);
}

static int read_all(struct reader *r, struct error *err)
{
    r->tar = archive_read_new();
    if (!r->tar)
        abort();
    if (archive_read_support_format_tar(r->tar) != ARCHIVE_OK ||
        archive_read_open(r->tar, r, NULL, on_read, NULL) != ARCHIVE_OK)
        return tar_failure(r, err);
    return read_entries(r, err);
}

int layer_read(struct store *store, const struct layer *layer, const char *directory,
    const struct strv *below, struct error *err)
{
    AUTO(unpacker) struct unpacker unpacker = {.root = -1};
    AUTO(layer_stream) struct layer_stream *stream = layer_stream_open(store, layer, err);
    if (!stream)
        return -1;
    if (directory && unpacker_init(&unpacker, store->dir, directory, below, err) < 0)
        return -1;
    struct reader *r = mem_alloc(sizeof *r);
    r->stream = stream;
    r->unpacker = directory ? &unpacker : NULL;
    layer_index_init(&r->index);
    int status = read_all(r, err);
    archive_read_free(r->tar);
    if (status == 0)
        status = layer_put_index(store, layer, &r->index, err);
    layer_index_done(&r->index);
    free(r);
    return status;
}
