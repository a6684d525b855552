#include "os/ipc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "os/fd.h"

void ipc_fds_close(struct ipc_fds *fds)
{
    for (size_t i = 0; i < fds->count; i++)
        fd_close(fds->fd[i]);
    fds->count = 0;
}

int ipc_pair(int ret_pair[2], struct error *err)
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_pair) < 0)
        return error_errno(err, "socketpair");
    return 0;
}

union fd_control {
    struct cmsghdr header; // for its alignment
    char bytes[CMSG_SPACE(sizeof(int) * IPC_FDS_MAX)];
};

static int send_packet(int fd, const void *bytes, size_t length, const int *fds, size_t fd_count,
    bool wait, struct error *err)
{
    if (length > IPC_PACKET_MAX || fd_count > IPC_FDS_MAX)
        return error_set(err, ERR_LIMIT, "message of %zu bytes, %zu descriptors", length, fd_count);
    struct iovec part = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = length};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    union fd_control control = {0};
    if (fd_count) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
        memcpy(CMSG_DATA(header), fds, sizeof(int) * fd_count);
    }
    for (;;) {
        if (sendmsg(fd, &message, MSG_NOSIGNAL | (wait ? 0 : MSG_DONTWAIT)) >= 0)
            return 0;
        if (errno == EINTR)
            continue;
        if (errno == EAGAIN && !wait)
            return error_set(err, ERR_TIMEOUT, "the other end does not read what it is sent");
        if (errno == EAGAIN) { // a non-blocking socket: the peer is slow, not gone
            poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
            continue;
        }
        bool gone = errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN;
        error_errno(err, "send");
        if (gone && err)
            err->kind = ERR_CONFLICT;
        return -1;
    }
}

int ipc_send(
    int fd, const void *bytes, size_t length, const int *fds, size_t fd_count, struct error *err)
{
    return send_packet(fd, bytes, length, fds, fd_count, true, err);
}

int ipc_send_now(
    int fd, const void *bytes, size_t length, const int *fds, size_t fd_count, struct error *err)
{
    return send_packet(fd, bytes, length, fds, fd_count, false, err);
}

static void take_descriptors(struct msghdr *message, struct ipc_fds *ret)
{
    ret->count = 0;
    for (struct cmsghdr *h = CMSG_FIRSTHDR(message); h; h = CMSG_NXTHDR(message, h)) {
        if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(ret->fd, CMSG_DATA(h), n * sizeof(int));
        ret->count = n;
    }
}

int ipc_receive(int fd, int timeout_ms, struct str *out, struct ipc_fds *ret_fds, struct error *err)
{
    static _Thread_local char bytes[IPC_PACKET_MAX];
    union fd_control control;
    struct iovec part = {.iov_base = bytes, .iov_len = sizeof bytes};
    struct msghdr message = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof control.bytes,
    };
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    int ready = poll(&poller, 1, timeout_ms);
    if (ready < 0 && errno != EINTR)
        return error_errno(err, "poll");
    if (ready <= 0)
        return error_set(err, ERR_TIMEOUT, "no answer within %d ms", timeout_ms);
    ssize_t n;
    do
        n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == ECONNRESET)
        return 0;
    if (n < 0)
        return error_errno(err, "receive");
    struct ipc_fds fds = {.count = 0};
    take_descriptors(&message, &fds);
    if (n == 0 && fds.count == 0)
        return 0;
    if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
        ipc_fds_close(&fds);
        return error_set(err, ERR_LIMIT, "a message is larger than %u bytes", IPC_PACKET_MAX);
    }
    str_clear(out);
    str_add(out, bytes, (size_t)n);
    if (str_check(out, "message", err) < 0) {
        ipc_fds_close(&fds);
        return -1;
    }
    *ret_fds = fds;
    return 1;
}

static int address(int dir, const char *name, struct sockaddr_un *ret, struct error *err)
{
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    int n = snprintf(ret->sun_path, sizeof ret->sun_path, "/proc/self/fd/%d/%s", dir, name);
    if (n < 0 || (size_t)n >= sizeof ret->sun_path)
        return error_set(err, ERR_LIMIT, "%s: too long a name for a socket", name);
    return 0;
}

int ipc_listen(int dir, const char *name, mode_t mode, struct error *err)
{
    struct sockaddr_un where;
    if (address(dir, name, &where, err) < 0)
        return -1;
    AUTO_FD int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return error_errno(err, "socket");
    if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
        return error_errno(err, "%s", name);
    // The file appears with the umask's rights; fchmod on the socket before bind decides them
    // without a window.
    if (fchmod(fd, mode) < 0 || bind(fd, (struct sockaddr *)&where, sizeof where) < 0 ||
        fchmodat(dir, name, mode, 0) < 0 || listen(fd, 64) < 0)
        return error_errno(err, "%s", name);
    return take_fd(fd);
}

int ipc_connect(int dir, const char *name, struct error *err)
{
    struct sockaddr_un where;
    if (address(dir, name, &where, err) < 0)
        return -1;
    AUTO_FD int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return error_errno(err, "socket");
    if (connect(fd, (struct sockaddr *)&where, sizeof where) < 0) {
        bool nobody = errno == ENOENT || errno == ECONNREFUSED;
        error_errno(err, "%s", name);
        if (nobody && err)
            err->kind = ERR_NOT_FOUND;
        return -1;
    }
    return take_fd(fd);
}

int ipc_peer(int fd, struct ipc_peer *ret, struct error *err)
{
    struct ucred credentials;
    socklen_t size = sizeof credentials;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0)
        return error_errno(err, "SO_PEERCRED");
    *ret = (struct ipc_peer){.pid = credentials.pid, .uid = credentials.uid};
    return 0;
}
