#include "os/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

void fd_close(int fd)
{
    if (fd < 0)
        return;
    int saved = errno;
    close(fd); // not again on EINTR: Linux has closed it
    errno = saved;
}

void fd_reset(int *fd)
{
    fd_close(*fd);
    *fd = -1;
}

int fd_write_all(int fd, const void *bytes, size_t length, struct error *err)
{
    const char *p = bytes;
    while (length) {
        ssize_t n = write(fd, p, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_errno(err, "write");
        p += n;
        length -= (size_t)n;
    }
    return 0;
}

int fd_read_all(int fd, struct str *out, struct error *err)
{
    char buffer[16384];
    for (;;) {
        ssize_t n = read(fd, buffer, sizeof buffer);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_errno(err, "read");
        if (n == 0)
            return str_check(out, "input", err);
        str_add(out, buffer, (size_t)n);
        if (out->overflow)
            return str_check(out, "input", err);
    }
}

int fd_set_nonblocking(int fd, struct error *err)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return error_errno(err, "fcntl");
    return 0;
}

int fd_pipe(int ret_pipe[2], struct error *err)
{
    if (pipe2(ret_pipe, O_CLOEXEC) < 0)
        return error_errno(err, "pipe");
    return 0;
}

int fd_memory(const char *name, const void *bytes, size_t length, struct error *err)
{
    AUTO_FD int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return error_errno(err, "memfd_create");
    if (fd_write_all(fd, bytes, length, err) < 0)
        return -1;
    if (lseek(fd, 0, SEEK_SET) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
        return error_errno(err, "sealing %s", name);
    return take_fd(fd);
}
