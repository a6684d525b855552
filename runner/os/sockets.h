// Which TCP ports of this network namespace are in use, by /proc/net/tcp and tcp6 (proc(5)).
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/vec.h"

struct socket_entry {
    int port; // local
    bool listening, established;
    uint64_t inode;
};
struct sockets {
    VEC(struct socket_entry) items;
};

// All that listen or are connected now.
int sockets_read(struct sockets *ret, struct error *err);
void sockets_done(struct sockets *s);
DEFINE_AUTO(sockets, struct sockets, sockets_done)

bool sockets_listen(const struct sockets *s, int port);
int sockets_established(const struct sockets *s, int port); // how many connections end there

// A port that a process in the PID namespace of `init` listens on, other than those in [first,
// first + count); 0 when there is none. Walks /proc: for explaining, not for watching.
int sockets_other_port(const struct sockets *s, pid_t init, int first, int count);

// Whether 127.0.0.1:port can be bound now.
bool port_is_free(int port);
