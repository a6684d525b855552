// File descriptors: ownership by scope, whole reads and writes. Every descriptor that davit opens
// is close-on-exec.
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/str.h"

void fd_close(int fd); // accepts -1; keeps errno

static inline void fd_cleanup(int *fd)
{
    fd_close(*fd);
}
#define AUTO_FD __attribute__((cleanup(fd_cleanup)))
// Hands a descriptor over: the variable becomes -1.
#define take_fd(slot)                                                                              \
    ({                                                                                             \
        int taken_ = (slot);                                                                       \
        (slot) = -1;                                                                               \
        taken_;                                                                                    \
    })
// Closes what the variable holds and makes it -1.
void fd_reset(int *fd);

int fd_write_all(int fd, const void *bytes, size_t length, struct error *err);
// Appends all up to end of file; ERR_LIMIT when out's maximum is passed.
int fd_read_all(int fd, struct str *out, struct error *err);
int fd_set_nonblocking(int fd, struct error *err);
int fd_pipe(int ret_pipe[2], struct error *err);
// An anonymous file holding the bytes, at position 0, sealed against change: how secrets and specs
// are handed to a role.
int fd_memory(const char *name, const void *bytes, size_t length, struct error *err); // fd or -1
