// Blobs to files. libgit2 streams loose objects without a look at their digest, and packed ones not
// at all.
#include <sys/mman.h>

#include "git/checkout.h"
#include "os/fd.h"

#define STREAM_FROM ((size_t)4 << 20)
#define MEMORY_MAX  ((size_t)2 << 30)

static int check_written(const git_oid *id, int fd, size_t size, struct error *err)
{
    void *bytes = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    if (bytes == MAP_FAILED)
        return error_errno(err, "mmap");
    git_oid real;
    int status = git_odb_hash(&real, bytes, size, GIT_OBJECT_BLOB);
    munmap(bytes, size);
    if (status < 0)
        return library_error(err, status, "digest");
    if (!git_oid_equal(&real, id))
        return error_set(err, ERR_PROTOCOL, "object %s is damaged: its content has another digest",
            git_oid_tostr_s(id));
    return 0;
}

static int stream(git_odb_stream *from, size_t size, const git_oid *id, int fd, struct error *err)
{
    AUTO_FREE char *buffer = mem_alloc(STREAM_FROM);
    size_t left = size;
    while (left) {
        int n = git_odb_stream_read(from, buffer, STREAM_FROM);
        if (n < 0)
            return library_error(err, n, "object %s", git_oid_tostr_s(id));
        if (n == 0 || (size_t)n > left)
            return error_set(err, ERR_PROTOCOL,
                "object %s is damaged: it has not the length that "
                "it says",
                git_oid_tostr_s(id));
        if (fd_write_all(fd, buffer, (size_t)n, err) < 0)
            return -1;
        left -= (size_t)n;
    }
    return check_written(id, fd, size, err);
}

int blob_write(git_odb *odb, const git_oid *id, int fd, struct error *err)
{
    size_t size;
    git_object_t type;
    int status = git_odb_read_header(&size, &type, odb, id);
    if (status == 0 && type != GIT_OBJECT_BLOB)
        return error_set(err, ERR_PROTOCOL, "object %s is no blob", git_oid_tostr_s(id));
    if (status == 0 && size >= STREAM_FROM) {
        AUTO(git_odb_stream) git_odb_stream *from = NULL;
        if (git_odb_open_rstream(&from, &size, &type, odb, id) == 0)
            return stream(from, size, id, fd, err);
        if (size > MEMORY_MAX)
            return error_set(err, ERR_LIMIT, "it has %zu bytes in a pack: davit takes at most %zu",
                size, MEMORY_MAX);
    }
    AUTO(git_odb_object) git_odb_object *object = NULL;
    if (status == 0)
        status = git_odb_read(&object, odb, id);
    if (status < 0)
        return library_error(err, status, "object %s", git_oid_tostr_s(id));
    return fd_write_all(fd, git_odb_object_data(object), git_odb_object_size(object), err);
}
