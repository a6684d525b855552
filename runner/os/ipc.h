// Packets between processes of this machine: one message is one packet of a SOCK_SEQPACKET socket,
// with descriptors.
//
// What a message says is codec/rpc.h's business; here are only its bytes. Bigger things travel as
// descriptors.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/str.h"

#define IPC_PACKET_MAX (128u << 10)
#define IPC_FDS_MAX    8

struct ipc_fds {
    int fd[IPC_FDS_MAX];
    size_t count;
};
void ipc_fds_close(struct ipc_fds *fds); // closes what is left; a taken one is -1
DEFINE_AUTO(ipc_fds, struct ipc_fds, ipc_fds_close)

int ipc_pair(int ret_pair[2], struct error *err); // both close-on-exec

// Sends one packet; the descriptors stay the caller's. A peer that has gone is ERR_CONFLICT, never
// SIGPIPE.
int ipc_send(
    int fd, const void *bytes, size_t length, const int *fds, size_t fd_count, struct error *err);
// The same, but never waits for a peer that does not read what it was sent: ERR_TIMEOUT.
int ipc_send_now(
    int fd, const void *bytes, size_t length, const int *fds, size_t fd_count, struct error *err);
// Blocks for at most timeout_ms (-1: for ever). The packet replaces what `out` held; the
// descriptors are the caller's. 1 with a packet, 0 when the peer has closed, -1 with *err
// (ERR_TIMEOUT, ERR_LIMIT, …).
int ipc_receive(
    int fd, int timeout_ms, struct str *out, struct ipc_fds *ret_fds, struct error *err);

// Listens on a socket file, replacing a stale one. Paths longer than sun_path work: they go through
// /proc/self/fd.
int ipc_listen(int dir, const char *name, mode_t mode, struct error *err); // fd or -1
int ipc_connect(
    int dir, const char *name, struct error *err); // fd or -1; nobody there: ERR_NOT_FOUND

// Who is at the other end (SO_PEERCRED, unix(7)): ids at the time of connect.
struct ipc_peer {
    pid_t pid;
    uid_t uid;
};
int ipc_peer(int fd, struct ipc_peer *ret, struct error *err);
