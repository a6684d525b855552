#include "image/layer_stream.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "image/layer_read.h"
#include "os/fd.h"

#define PIECE ((size_t)128 << 10)

struct layer_stream {
    const struct layer *layer;
    int fd;
    struct archive *archive; // no archive at all: libarchive's decompression of one "raw" file
    struct sha256 hash;
    uint64_t unpacked, files;
    unsigned char buffer[PIECE];
};

static int failure(struct layer_stream *s, struct error *err)
{
    const char *why = archive_error_string(s->archive);
    return error_set(err, ERR_PROTOCOL, "it cannot be decompressed: %s", why ? why : "bad data");
}

static int open_archive(struct layer_stream *s, struct error *err)
{
    static const int filters[] = {
        [LAYER_GZIP] = ARCHIVE_FILTER_GZIP,
        [LAYER_ZSTD] = ARCHIVE_FILTER_ZSTD,
        [LAYER_PLAIN] = ARCHIVE_FILTER_NONE,
    };
    struct archive_entry *entry;
    s->archive = archive_read_new();
    if (!s->archive)
        abort();
    // Exactly the compression that was declared: what is compressed twice is not unpacked twice.
    if (archive_read_support_format_raw(s->archive) != ARCHIVE_OK ||
        archive_read_append_filter(s->archive, filters[s->layer->compression]) != ARCHIVE_OK ||
        archive_read_open_fd(s->archive, s->fd, PIECE) != ARCHIVE_OK ||
        archive_read_next_header(s->archive, &entry) != ARCHIVE_OK)
        return failure(s, err);
    return 0;
}

struct layer_stream *layer_stream_open(
    const struct store *store, const struct layer *layer, struct error *err)
{
    struct layer_stream *s = mem_alloc(sizeof *s);
    s->layer = layer;
    sha256_init(&s->hash);
    s->fd = store_open_blob(store, layer->digest, err);
    if (s->fd < 0 || open_archive(s, err) < 0) {
        layer_stream_close(s);
        return NULL;
    }
    return s;
}

void layer_stream_close(struct layer_stream *s)
{
    if (!s)
        return;
    if (s->archive)
        archive_read_free(s->archive);
    fd_close(s->fd);
    free(s);
}

static int check(struct layer_stream *s, struct error *err)
{
    uint64_t unpacked = s->unpacked > s->files ? s->unpacked : s->files;
    uint64_t packed = (uint64_t)archive_filter_bytes(s->archive, -1);
    char size[SIZE_TEXT_MAX];
    if (unpacked > LAYER_BYTES_MAX)
        return error_set(
            err, ERR_LIMIT, "unpacked it is larger than %s", size_print(LAYER_BYTES_MAX, size));
    if (unpacked > LAYER_RATIO_FREE && unpacked / LAYER_RATIO_MAX > packed)
        return error_set(err, ERR_LIMIT,
            "unpacked it is more than %u times its size: a decompression bomb",
            (unsigned)LAYER_RATIO_MAX);
    return 0;
}

ssize_t layer_stream_next(struct layer_stream *s, const void **ret, struct error *err)
{
    la_ssize_t n = archive_read_data(s->archive, s->buffer, PIECE);
    if (n < 0)
        return failure(s, err);
    sha256_add(&s->hash, s->buffer, (size_t)n);
    s->unpacked += (uint64_t)n;
    *ret = s->buffer;
    return check(s, err) < 0 ? -1 : n;
}

int layer_stream_count(struct layer_stream *s, uint64_t bytes, struct error *err)
{
    s->files += bytes;
    return check(s, err);
}

int layer_stream_verify(struct layer_stream *s, struct error *err)
{
    const void *ignored;
    char digest[DIGEST_SIZE];
    ssize_t n;
    while ((n = layer_stream_next(s, &ignored, err)) > 0)
        ;
    if (n < 0)
        return -1;
    digest_finish(&s->hash, digest);
    if (strcmp(digest, s->layer->diff_id) != 0)
        return error_set(err, ERR_PROTOCOL, "its diff id is %s, not %s as the configuration says",
            digest, s->layer->diff_id);
    return 0;
}
