// A proxy that a test asks: HTTP CONNECT (RFC 9110, 9.3.6) or SOCKS 5 (RFC 1928, without
// authentication). Whatever host is asked for, it connects to 127.0.0.1.
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct proxy {
    pid_t pid;
    int port; // on 127.0.0.1
    int log_fd;
};

void proxy_start(struct proxy *p, bool socks);
void proxy_stop(struct proxy *p);
// "HOST:PORT\n" for each connection that was asked for; an address that came as one is "ADDRESS".
// The caller's.
char *proxy_log(const struct proxy *p);
