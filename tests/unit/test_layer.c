#include "support/check.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "image/gzip.h"
#include "image/layer_read.h"
#include "image/layer_upper.h"
#include "image/layer_write.h"
#include "os/fd.h"
#include "os/file.h"
#include "support/daemon.h"
#include "support/tar_builder.h"

struct fixture {
    char *directory, *canary;
    struct store store;
};

static int set_up(void **state)
{
    struct fixture *f = mem_alloc(sizeof *f);
    f->directory = mem_strdup("/tmp/davit-test-XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    AUTO_FREE char *path = path_join(f->directory, "store");
    f->canary = path_join(f->directory, "canary");
    check_ok(file_replace(AT_FDCWD, f->canary, 0644, "alive", 5, &err));
    check_ok(store_open(&f->store, path, &err));
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    store_close(&f->store);
    check_ok(dir_remove_tree(AT_FDCWD, f->directory, &err));
    free(f->directory);
    free(f->canary);
    free(f);
    return 0;
}

// The bytes as an uncompressed layer in the store.
static struct layer plain_layer(struct fixture *f, struct str *tar)
{
    struct layer layer = {.compression = LAYER_PLAIN, .size = tar->length};
    tar_end(tar);
    check_ok(store_put_blob(&f->store, tar->data, tar->length, layer.digest, &err));
    memcpy(layer.diff_id, layer.digest, DIGEST_SIZE);
    str_done(tar);
    return layer;
}

static int unpack(struct fixture *f, const struct layer *layer, struct error *err)
{
    AUTO(layer_stack) struct layer_stack stack = {0};
    vec_push(&stack.items, *layer);
    return layer_stack_unpack(&f->store, &stack, err);
}

// A path inside the unpacked layer, for the C library.
static char *inside(struct fixture *f, const struct layer *layer, const char *path)
{
    AUTO_FREE char *directory = layer_directory(layer);
    return mem_printf("%s/store/%s/%s", f->directory, directory, path);
}

static bool holds(struct fixture *f, const struct layer *layer, const char *path, const char *text)
{
    AUTO_FREE char *full = inside(f, layer, path);
    AUTO(str) struct str got;
    str_init(&got, 1000);
    return file_read(AT_FDCWD, full, &got, NULL) == 0 && strcmp(got.data, text) == 0;
}

static void canary_lives(struct fixture *f)
{
    AUTO(str) struct str text;
    struct stat st;
    str_init(&text, 100);
    check_ok(file_read(AT_FDCWD, f->canary, &text, &err));
    assert_string_equal(text.data, "alive");
    assert_int_equal(stat(f->canary, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0644);
    assert_int_equal(st.st_nlink, 1);
}

// Each writes an archive that tries to reach the canary. All are unpacked twice: as they are, and
// (the positive control) with a target inside the layer instead, which must work.
typedef void attack_fn(struct str *tar, const char *target);

static void link_then_file(struct str *tar, const char *target)
{
    tar_add(tar, '5', "inner", 0755, NULL, NULL);
    tar_add(tar, '2', "out", 0777, target, NULL);
    tar_add(tar, '0', "out/canary", 0600, NULL, "written");
}

static void two_hops(struct str *tar, const char *target)
{
    tar_add(tar, '5', "inner", 0755, NULL, NULL);
    tar_add(tar, '2', "a", 0777, target, NULL);
    tar_add(tar, '2', "b", 0777, "a", NULL);
    tar_add(tar, '0', "b/canary", 0600, NULL, "written");
}

static void hard_link_through_link(struct str *tar, const char *target)
{
    tar_add(tar, '0', "inner/canary", 0600, NULL, "written");
    tar_add(tar, '2', "out", 0777, target, NULL);
    tar_add(tar, '1', "got", 0600, "out/canary", NULL);
    tar_add(tar, '0', "got", 0600, NULL, "written");
}

static void whiteout_through_link(struct str *tar, const char *target)
{
    tar_add(tar, '0', "inner/other", 0600, NULL, "x");
    tar_add(tar, '2', "out", 0777, target, NULL);
    tar_add(tar, '0', "out/.wh.canary", 0600, NULL, NULL);
}

static void mode_through_link(struct str *tar, const char *target)
{
    tar_add(tar, '0', "inner/canary", 0600, NULL, "x");
    tar_add(tar, '2', "out", 0777, target, NULL);
    tar_add(tar, '5', "out", 0777, NULL, NULL);
    tar_add(tar, '0', "out/canary", 0666, NULL, "written");
}

static void links_never_lead_out_of_the_layer(void **state)
{
    struct fixture *f = *state;
    static attack_fn *const attacks[] = {
        link_then_file, two_hops, hard_link_through_link, whiteout_through_link, mode_through_link};
    AUTO_FREE char *relative = mem_strdup("../../../..");
    for (size_t i = 0; i < ARRAY_LEN(attacks); i++) {
        const char *const targets[] = {f->directory, relative, "/proc/self/root", "/proc/self/cwd"};
        for (size_t t = 0; t < ARRAY_LEN(targets); t++) {
            struct str tar;
            tar_begin(&tar);
            attacks[i](&tar, targets[t]);
            struct layer layer = plain_layer(f, &tar);
            unpack(f, &layer, NULL);
            canary_lives(f);
        }
        struct str tar;
        tar_begin(&tar);
        attacks[i](&tar, "inner");
        struct layer layer = plain_layer(f, &tar);
        check_ok(unpack(f, &layer, &err));
    }
}

static void names_that_climb_are_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {
        "../canary", "a/../../canary", "..", "/../canary", "./../x"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct str tar;
        tar_begin(&tar);
        tar_add(&tar, '0', names[i], 0600, NULL, "written");
        struct layer layer = plain_layer(f, &tar);
        check_error(unpack(f, &layer, &err), ERR_PROTOCOL, "leads out");
        tar_begin(&tar);
        tar_add(&tar, '0', "fine", 0600, NULL, "x");
        tar_add(&tar, '1', "link", 0600, names[i], NULL);
        layer = plain_layer(f, &tar);
        check_error(unpack(f, &layer, &err), ERR_PROTOCOL, "leads out");
        canary_lives(f);
    }
    struct str tar; // the positive control: an absolute name is taken as below the root
    tar_begin(&tar);
    tar_add(&tar, '0', "/a//b/./c..d", 0600, NULL, "x");
    struct layer layer = plain_layer(f, &tar);
    check_ok(unpack(f, &layer, &err));
    assert_true(holds(f, &layer, "a/b/c..d", "x"));
}

static void devices_and_attributes_of_the_overlay_are_left_out(void **state)
{
    struct fixture *f = *state;
    struct str tar;
    struct stat st;
    char value[100];
    tar_begin(&tar);
    tar_add(&tar, '3', "null", 0666, NULL, NULL); // 0:0: overlayfs would take it for a whiteout
    tar_attribute(&tar, "SCHILY.xattr.user.overlay.redirect", "/etc");
    tar_add(&tar, '5', "dir", 0755, NULL, NULL);
    tar_attribute(&tar, "SCHILY.xattr.user.overlay.opaque", "y");
    tar_add(&tar, '5', "dir2", 0755, NULL, NULL);
    tar_attribute(&tar, "SCHILY.xattr.user.thing", "x");
    tar_add(&tar, '0', "file", 04755, NULL, "x");
    struct layer layer = plain_layer(f, &tar);
    check_ok(unpack(f, &layer, &err));
    AUTO_FREE char *null = inside(f, &layer, "null");
    AUTO_FREE char *dir = inside(f, &layer, "dir");
    AUTO_FREE char *dir2 = inside(f, &layer, "dir2");
    AUTO_FREE char *file = inside(f, &layer, "file");
    assert_int_equal(lstat(null, &st), -1);
    assert_int_equal(listxattr(dir, value, sizeof value), 0);
    assert_int_equal(listxattr(dir2, value, sizeof value), 0);
    assert_int_equal(listxattr(file, value, sizeof value), 0);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 07777, 04755);
    // The positive control: this file system would have kept them.
    assert_int_equal(setxattr(dir, "user.overlay.redirect", "/etc", 4, 0), 0);
}

static void whiteouts_hide_lower_layers_only_wherever_they_stand(void **state)
{
    struct fixture *f = *state;
    struct str tar;
    struct stat st;
    char opaque[2] = {0};
    tar_begin(&tar);
    tar_add(&tar, '0', "a/.wh.gone", 0600, NULL, NULL);
    tar_add(&tar, '0', "a/kept", 0600, NULL, "x");
    tar_add(&tar, '0', "a/.wh.kept", 0600, NULL, NULL);
    tar_add(&tar, '0', ".wh.d", 0600, NULL, NULL);
    tar_add(&tar, '0', "d/new", 0600, NULL, "y");
    tar_add(&tar, '5', "e", 0750, NULL, NULL);
    tar_add(&tar, '0', "e/.wh..wh..opq", 0600, NULL, NULL);
    tar_add(&tar, '0', ".wh..wh.plnk", 0600, NULL, NULL);
    struct layer layer = plain_layer(f, &tar);
    check_ok(unpack(f, &layer, &err));
    AUTO_FREE char *gone = inside(f, &layer, "a/gone");
    AUTO_FREE char *d = inside(f, &layer, "d");
    AUTO_FREE char *e = inside(f, &layer, "e");
    assert_int_equal(lstat(gone, &st), 0);
    assert_true(S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0));
    assert_true(holds(f, &layer, "a/kept", "x"));
    assert_true(holds(f, &layer, "d/new", "y"));
    assert_int_equal(getxattr(d, "user.overlay.opaque", opaque, 1), 1);
    assert_string_equal(opaque, "y");
    assert_int_equal(getxattr(e, "user.overlay.opaque", opaque, 1), 1);
}

static void a_parent_that_is_not_listed_looks_as_below(void **state)
{
    struct fixture *f = *state;
    struct str tar;
    struct stat st;
    AUTO(layer_stack) struct layer_stack stack = {0};
    tar_begin(&tar);
    tar_add_owned(&tar, '5', "tmp", 01777, 7, 8);
    vec_push(&stack.items, plain_layer(f, &tar));
    tar_begin(&tar);
    tar_add(&tar, '0', "tmp/x", 0600, NULL, "x");
    vec_push(&stack.items, plain_layer(f, &tar));
    check_ok(layer_stack_unpack(&f->store, &stack, &err));
    AUTO_FREE char *tmp = inside(f, &stack.items.items[1], "tmp");
    assert_int_equal(stat(tmp, &st), 0);
    assert_int_equal(st.st_mode & 07777, 01777);
    assert_int_equal(st.st_uid, 7);
    assert_int_equal(st.st_gid, 8);
}

static int to_blob(void *arg, const void *bytes, size_t length, struct error *err)
{
    return blob_add(arg, bytes, length, err);
}

// A layer of `megabytes` of zeros, gzipped.
static struct layer zeros(struct fixture *f, unsigned megabytes)
{
    struct layer layer = {.compression = LAYER_GZIP};
    AUTO(blob) struct blob_writer blob = {0};
    AUTO_FREE char *megabyte = mem_alloc(1 << 20);
    struct sha256 hash;
    struct str head;
    sha256_init(&hash);
    check_ok(blob_begin(&f->store, &blob, &err));
    struct gzip_writer *gzip = gzip_writer_new(to_blob, &blob);
    tar_begin(&head);
    tar_add(&head, '0', "zeros", 0600, NULL, NULL);
    char size[13];
    snprintf(size, sizeof size, "%011o", megabytes << 20);
    memcpy(head.data + 124, size, 11);
    unsigned sum = 0;
    memset(head.data + 148, ' ', 8);
    for (size_t i = 0; i < 512; i++)
        sum += (unsigned char)head.data[i];
    snprintf(head.data + 148, 8, "%06o", sum & 0777777u);
    sha256_add(&hash, head.data, 512);
    check_ok(gzip_add(gzip, head.data, 512, false, &err));
    for (unsigned i = 0; i < megabytes; i++) {
        sha256_add(&hash, megabyte, 1 << 20);
        check_ok(gzip_add(gzip, megabyte, 1 << 20, false, &err));
    }
    sha256_add(&hash, megabyte, 1024);
    check_ok(gzip_add(gzip, megabyte, 1024, true, &err));
    gzip_writer_free(gzip);
    str_done(&head);
    digest_finish(&hash, layer.diff_id);
    layer.size = blob.size;
    check_ok(blob_commit(&blob, NULL, layer.digest, &err));
    return layer;
}

static void bombs_are_bounded(void **state)
{
    struct fixture *f = *state;
    struct layer small = zeros(f, 32), bomb = zeros(f, 256);
    check_ok(unpack(f, &small, &err)); // the positive control
    check_error(unpack(f, &bomb, &err), ERR_LIMIT, "bomb");
    // Compressed twice: what comes out is not a tar archive, and is not unpacked again.
    AUTO(str) struct str text;
    str_init(&text, 64 << 20);
    check_ok(store_read_blob(&f->store, small.digest, &text, &err));
    struct layer nested = {.compression = LAYER_PLAIN};
    check_ok(store_put_blob(&f->store, text.data, text.length, nested.digest, &err));
    memcpy(nested.diff_id, nested.digest, DIGEST_SIZE);
    check_error(unpack(f, &nested, &err), ERR_PROTOCOL, "tar");
}

// GNU's sparse format 1.0: a file of `size` bytes of which none is there.
static struct layer hole(struct fixture *f, const char *size)
{
    struct str tar;
    AUTO_FREE char *map = mem_printf("1\n%s\n0\n", size);
    AUTO_FREE char *block = mem_alloc(513); // the map fills a block of the file's data
    memset(block, '\n', 512);
    memcpy(block, map, strlen(map));
    tar_begin(&tar);
    AUTO_FREE char *records = mem_printf("22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n"
                                         "%zu GNU.sparse.realsize=%s\n23 GNU.sparse.name=big\n",
        strlen(size) + 24, size);
    tar_add(&tar, 'x', "pax", 0644, NULL, records);
    tar_add(&tar, '0', "GNUSparseFile.0/big", 0600, NULL, block);
    return plain_layer(f, &tar);
}

static void a_hole_counts_as_what_it_fills(void **state)
{
    struct fixture *f = *state;
    struct layer small = hole(f, "10000000"), large = hole(f, "9000000000"),
                 huge = hole(f, "90000000000");
    struct stat st;
    check_ok(unpack(f, &small, &err)); // the positive control
    AUTO_FREE char *path = inside(f, &small, "big");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 10000000);
    check_error(unpack(f, &large, &err), ERR_LIMIT, "bomb");
    check_error(unpack(f, &huge, &err), ERR_LIMIT, "32.0 GiB");
}

static void too_many_entries_are_refused(void **state)
{
    struct fixture *f = *state;
    struct str tar;
    char name[40];
    tar_begin(&tar);
    for (unsigned i = 0; i <= LAYER_ENTRIES_MAX; i++) {
        snprintf(name, sizeof name, ".wh..wh.x%u", i);
        tar_add(&tar, '0', name, 0600, NULL, NULL);
    }
    struct layer layer = plain_layer(f, &tar);
    check_error(unpack(f, &layer, &err), ERR_LIMIT, "entries");
}

static void what_is_not_what_it_says_is_refused_and_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct str tar;
    tar_begin(&tar);
    tar_add(&tar, '0', "x", 0600, NULL, "x");
    struct layer layer = plain_layer(f, &tar);
    memset(layer.diff_id + 7, 'a', 64);
    check_error(unpack(f, &layer, &err), ERR_PROTOCOL, "diff id");
    assert_false(layer_is_unpacked(&f->store, &layer));
    AUTO_FREE char *directory = inside(f, &layer, "");
    assert_false(file_exists(AT_FDCWD, directory));
    layer.compression = LAYER_ZSTD;
    check_error(unpack(f, &layer, &err), ERR_PROTOCOL, "decompress");
    layer.compression = LAYER_GZIP;
    check_error(unpack(f, &layer, &err), ERR_PROTOCOL, "decompress");
}

static void zstd_is_read_and_an_endless_window_is_not(void **state)
{
    struct fixture *f = *state;
    struct str tar;
    tar_begin(&tar);
    tar_add(&tar, '0', "x", 0644, NULL, "compressed");
    tar_end(&tar);
    AUTO_FREE char *path = path_join(f->directory, "x.tar");
    check_ok(file_replace(AT_FDCWD, path, 0600, tar.data, tar.length, &err));
    const char *const argv[] = {"zstd", "-q", path, NULL};
    free(run_program(argv, NULL, 0));
    AUTO_FREE char *packed = mem_printf("%s.zst", path);
    AUTO(str) struct str bytes;
    str_init(&bytes, 1 << 20);
    check_ok(file_read(AT_FDCWD, packed, &bytes, &err));
    struct layer layer = {.compression = LAYER_ZSTD};
    digest_bytes(tar.data, tar.length, layer.diff_id);
    check_ok(store_put_blob(&f->store, bytes.data, bytes.length, layer.digest, &err));
    check_ok(unpack(f, &layer, &err));
    assert_true(holds(f, &layer, "x", "compressed"));
    str_done(&tar);
    // A frame that wants a window of 2^31 bytes (RFC 8878, 3.1.1.1.2).
    static const unsigned char endless[] = {0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0x00, 0x00};
    check_ok(store_put_blob(&f->store, endless, sizeof endless, layer.digest, &err));
    memset(layer.diff_id + 7, 'b', 64);
    check_error(unpack(f, &layer, &err), ERR_PROTOCOL, "decompress");
}

static struct layer write_sample(struct store *store, int64_t mtime)
{
    AUTO(layer_writer) struct layer_writer *w = layer_writer_new(store, mtime, NULL);
    AUTO_FD int fd = fd_memory("f", "content", 7, NULL);
    struct layer layer;
    const struct layer_entry entries[] = {
        {.path = "a", .type = NODE_DIRECTORY, .mode = 0755},
        {.path = "a/\xc3\xa4\xff",
            .type = NODE_FILE,
            .mode = 04755,
            .uid = 33,
            .size = 7,
            .fd = fd},
        {.item = LAYER_HARD_LINK, .path = "a/b", .target = "a/\xc3\xa4\xff"},
        {.path = "a/link", .type = NODE_LINK, .target = "/etc/\xc3\xa4"},
        {.item = LAYER_WHITEOUT, .path = "gone"},
        {.path = "o", .type = NODE_DIRECTORY, .mode = 01777},
        {.item = LAYER_OPAQUE, .path = "o"},
        {.path = "pipe", .type = NODE_FIFO, .mode = 0600},
    };
    for (size_t i = 0; i < ARRAY_LEN(entries); i++)
        check_ok(layer_writer_add(w, &entries[i], &err));
    check_ok(layer_writer_finish(w, &layer, &err));
    return layer;
}

static void the_same_entries_give_the_same_bytes(void **state)
{
    struct fixture *f = *state;
    struct layer first = write_sample(&f->store, 0);
    // In another process, another locale, with other ids and another umask.
    if (fork() == 0) {
        setenv("LC_ALL", "C.UTF-8", 1);
        umask(077);
        struct layer other = write_sample(&f->store, 0);
        _exit(strcmp(first.digest, other.digest) != 0);
    }
    int status;
    wait(&status);
    assert_int_equal(status, 0);
    struct layer later = write_sample(&f->store, 1000000000);
    assert_string_not_equal(first.diff_id, later.diff_id);
    // The recipe is pinned: a change of it must change LAYER_RECIPE, and this line.
    assert_string_equal(
        first.diff_id, "sha256:cfe512933bcf9af1e652e6e9c9fda640e577c43ab1d0bc17c46b33af5e65b633");
}

static void what_was_written_reads_back(void **state)
{
    struct fixture *f = *state;
    struct layer layer = write_sample(&f->store, 0);
    struct stat st, same;
    check_ok(unpack(f, &layer, &err));
    assert_true(holds(f, &layer, "a/\xc3\xa4\xff", "content"));
    AUTO_FREE char *file = inside(f, &layer, "a/\xc3\xa4\xff");
    AUTO_FREE char *link = inside(f, &layer, "a/b");
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(stat(link, &same), 0);
    assert_int_equal(st.st_ino, same.st_ino);
    assert_int_equal(st.st_mode & 07777, 04755);
    assert_int_equal(st.st_uid, 33);
    assert_int_equal(st.st_mtim.tv_sec, 0);
    // The index that the writer left and the one that the reader makes are the same.
    AUTO_FREE char *directory = layer_directory(&layer);
    AUTO_FREE char *index = mem_printf("%s.index", directory);
    AUTO(str) struct str written;
    AUTO(str) struct str read;
    str_init(&written, 10000);
    str_init(&read, 10000);
    write_sample(&f->store, 0);
    check_ok(file_read(f->store.dir, index, &written, &err));
    check_ok(layer_read(&f->store, &layer, NULL, NULL, &err));
    check_ok(file_read(f->store.dir, index, &read, &err));
    assert_int_equal(written.length, read.length);
    assert_memory_equal(written.data, read.data, read.length);
}

static void put_file(int dir, const char *path, mode_t mode, const char *text)
{
    check_ok(file_replace(dir, path, mode, text, strlen(text), &err));
}

static void an_upper_directory_becomes_a_layer_and_comes_back_the_same(void **state)
{
    struct fixture *f = *state;
    AUTO_FREE char *upper = store_temporary(&f->store);
    check_ok(dir_make(f->store.dir, upper, 0755, &err));
    AUTO_FD int dir = dir_open(f->store.dir, upper, NULL);
    check_ok(dir_make(dir, "d/opaque", 0711, &err));
    put_file(dir, "d/file", 0640, "text");
    put_file(dir, "capable", 0755, "program");
    assert_int_equal(linkat(dir, "d/file", dir, "same", 0), 0);
    assert_int_equal(symlinkat("nowhere", dir, "link"), 0);
    assert_int_equal(mknodat(dir, "gone", S_IFCHR, 0), 0);
    assert_int_equal(mknodat(dir, "socket", S_IFSOCK | 0600, 0), 0);
    AUTO_FREE char *full = mem_printf("%s/store/%s", f->directory, upper);
    AUTO_FREE char *opaque = path_join(full, "d/opaque");
    AUTO_FREE char *capable = path_join(full, "capable");
    static const unsigned char capability[20] = {1, 0, 0, 2, 0, 4, 0, 0};
    assert_int_equal(setxattr(opaque, "user.overlay.opaque", "y", 1, 0), 0);
    assert_int_equal(setxattr(opaque, "user.overlay.origin", "zz", 2, 0), 0);
    assert_int_equal(setxattr(capable, "security.capability", capability, sizeof capability, 0), 0);
    struct layer layer;
    bool empty = true;
    check_ok(layer_from_upper(&f->store, upper, 0, &layer, &empty, &err));
    assert_false(empty);
    assert_true(layer_is_unpacked(&f->store, &layer));

    // What is there now, and what unpacking the blob gives, are the same to the last attribute.
    AUTO_FREE char *here = inside(f, &layer, "");
    AUTO_FREE char *kept = path_join(f->directory, "kept");
    assert_int_equal(rename(here, kept), 0);
    check_ok(unpack(f, &layer, &err));
    static const char script[] = "cd \"$0\" && find . -printf '%P %y %m %U:%G %T@ %n %l\n' | sort";
    const char *const first[] = {"bash", "-c", script, kept, NULL};
    const char *const second[] = {"bash", "-c", script, here, NULL};
    AUTO_FREE char *a = run_program(first, NULL, 0);
    AUTO_FREE char *b = run_program(second, NULL, 0);
    assert_string_equal(a, b);
    assert_non_null(strstr(a, "gone c "));
    assert_non_null(strstr(a, "d/opaque d 711"));
    assert_null(strstr(a, "socket"));
    unsigned char got[20];
    char list[200];
    AUTO_FREE char *marked = inside(f, &layer, "d/opaque");
    assert_int_equal(listxattr(marked, list, sizeof list), strlen("user.overlay.opaque") + 1);
    AUTO_FREE char *kept_opaque = path_join(kept, "d/opaque");
    assert_int_equal(listxattr(kept_opaque, list, sizeof list), strlen("user.overlay.opaque") + 1);
    AUTO_FREE char *program = inside(f, &layer, "capable");
    assert_int_equal(getxattr(program, "security.capability", got, sizeof got), 20);
    assert_memory_equal(got, capability, 20);
}

static void an_upper_directory_without_anything_is_no_layer(void **state)
{
    struct fixture *f = *state;
    AUTO_FREE char *upper = store_temporary(&f->store);
    struct layer layer;
    bool empty = false;
    check_ok(dir_make(f->store.dir, upper, 0755, &err));
    check_ok(layer_from_upper(&f->store, upper, 0, &layer, &empty, &err));
    assert_true(empty);
}

static void a_half_copied_file_of_the_overlay_is_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const attributes[] = {"user.overlay.redirect", "user.overlay.metacopy"};
    for (size_t i = 0; i < ARRAY_LEN(attributes); i++) {
        AUTO_FREE char *upper = store_temporary(&f->store);
        AUTO_FREE char *inner = path_join(upper, "d");
        AUTO_FREE char *full = mem_printf("%s/store/%s", f->directory, inner);
        struct layer layer;
        bool empty;
        check_ok(dir_make(f->store.dir, inner, 0755, &err));
        assert_int_equal(setxattr(full, attributes[i], "x", 1, 0), 0);
        check_error(layer_from_upper(&f->store, upper, 0, &layer, &empty, &err), ERR_UNSUPPORTED,
            "cannot stand alone");
    }
}

#define with_store(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

TEST_MAIN(with_store(links_never_lead_out_of_the_layer), with_store(names_that_climb_are_refused),
    with_store(devices_and_attributes_of_the_overlay_are_left_out),
    with_store(whiteouts_hide_lower_layers_only_wherever_they_stand),
    with_store(a_parent_that_is_not_listed_looks_as_below), with_store(bombs_are_bounded),
    with_store(a_hole_counts_as_what_it_fills), with_store(too_many_entries_are_refused),
    with_store(what_is_not_what_it_says_is_refused_and_leaves_nothing),
    with_store(zstd_is_read_and_an_endless_window_is_not),
    with_store(the_same_entries_give_the_same_bytes), with_store(what_was_written_reads_back),
    with_store(an_upper_directory_becomes_a_layer_and_comes_back_the_same),
    with_store(an_upper_directory_without_anything_is_no_layer),
    with_store(a_half_copied_file_of_the_overlay_is_refused))
