#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/fd.h"

#define COMPONENT_MAX 200

int file_read(int dir, const char *path, struct str *out, struct error *err)
{
    AUTO_FD int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        bool absent = errno == ENOENT || errno == ENOTDIR;
        error_errno(err, "%s", path);
        if (absent && err)
            err->kind = ERR_NOT_FOUND;
        return -1;
    }
    struct stat st;
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
        return error_set(err, ERR_SYSTEM, "%s: is a directory", path);
    if (fd_read_all(fd, out, err) < 0)
        return error_wrap(err, "%s", path);
    return 0;
}

static int sync_parent(int dir, const char *path, struct error *err)
{
    const char *slash = strrchr(path, '/');
    AUTO_FREE char *parent =
        slash ? mem_strndup(path, (size_t)(slash - path) + 1) : mem_strdup(".");
    AUTO_FD int fd = openat(dir, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        return error_errno(err, "%s", parent);
    return 0;
}

int file_replace(
    int dir, const char *path, mode_t mode, const void *bytes, size_t length, struct error *err)
{
    uint64_t random; // not the pid: in namespaces of their own, two processes have the same
    if (getrandom(&random, sizeof random, 0) != sizeof random)
        return error_errno(err, "getrandom");
    AUTO_FREE char *temporary = mem_printf("%s.%016llx.tmp", path, (unsigned long long)random);
    AUTO_FD int fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return error_errno(err, "%s", temporary);
    if (fchmod(fd, mode) < 0 || fd_write_all(fd, bytes, length, err) < 0 || fsync(fd) < 0 ||
        renameat(dir, temporary, dir, path) < 0) {
        error_errno(err, "%s", path);
        unlinkat(dir, temporary, 0);
        return -1;
    }
    return sync_parent(dir, path, err);
}

bool file_exists(int dir, const char *path)
{
    struct stat st;
    return fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

int dir_make(int dir, const char *path, mode_t mode, struct error *err)
{
    AUTO_FREE char *partial = mem_strdup(path);
    for (char *p = partial; *p; p++) {
        if (p == partial || *p != '/')
            continue;
        *p = '\0';
        if (mkdirat(dir, partial, mode) < 0 && errno != EEXIST)
            return error_errno(err, "%s", partial);
        *p = '/';
    }
    if (mkdirat(dir, partial, mode) == 0)
        return 0;
    struct stat st;
    if (errno != EEXIST)
        return error_errno(err, "%s", path);
    if (fstatat(dir, path, &st, 0) < 0)
        return error_errno(err, "%s", path);
    if (!S_ISDIR(st.st_mode))
        return error_set(err, ERR_SYSTEM, "%s: is not a directory", path);
    return 0;
}

int dir_open(int dir, const char *path, struct error *err)
{
    int fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        bool absent = errno == ENOENT;
        error_errno(err, "%s", path);
        if (absent && err)
            err->kind = ERR_NOT_FOUND;
    }
    return fd;
}

static int resolve(
    int root, const char *path, int flags, mode_t mode, uint64_t how_to, struct error *err)
{
    struct open_how how = {
        .flags = (uint64_t)(unsigned)flags | O_CLOEXEC,
        .mode = flags & (O_CREAT | O_TMPFILE) ? mode : 0,
        .resolve = how_to | RESOLVE_NO_MAGICLINKS,
    };
    long fd;
    do
        fd = syscall(SYS_openat2, root, path, &how, sizeof how);
    while (fd < 0 && (errno == EINTR || errno == EAGAIN)); // EAGAIN: a rename raced with ".."
    if (fd < 0) {
        bool absent = errno == ENOENT || errno == ENOTDIR;
        if (errno == EXDEV)
            return error_set(
                err, ERR_SYSTEM, "%s: leads out of the directory that it lies in", path);
        error_errno(err, "%s", path);
        if (absent && err)
            err->kind = ERR_NOT_FOUND;
        return -1;
    }
    return (int)fd;
}

int file_open_in_root(int root, const char *path, int flags, mode_t mode, struct error *err)
{
    return resolve(root, path, flags, mode, RESOLVE_IN_ROOT, err);
}

int file_open_beneath(int root, const char *path, int flags, mode_t mode, struct error *err)
{
    return resolve(root, path, flags, mode, RESOLVE_BENEATH, err);
}

static int lock(int fd, int command, struct error *err)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int status;
    do
        status = fcntl(fd, command, &whole);
    while (status < 0 && errno == EINTR);
    if (status == 0)
        return 1;
    if (errno == EAGAIN || errno == EACCES)
        return 0;
    return error_errno(err, "lock");
}

int file_lock(int fd, struct error *err)
{
    return lock(fd, F_OFD_SETLK, err);
}

int file_lock_wait(int fd, struct error *err)
{
    return lock(fd, F_OFD_SETLKW, err) < 0 ? -1 : 0;
}

char *path_join(const char *dir, const char *name)
{
    size_t n = strlen(dir);
    return mem_printf("%s%s%s", dir, n && dir[n - 1] == '/' ? "" : "/", name);
}

const char *path_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool path_component_ok(const char *name)
{
    size_t n = strlen(name);
    if (n == 0 || n > COMPONENT_MAX || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return false;
    for (const unsigned char *p = (const unsigned char *)name; *p; p++)
        if (*p == '/' || *p < 0x20 || *p == 0x7f)
            return false;
    return true;
}
