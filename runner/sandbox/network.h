// A way out of a sandbox's network namespace: a helper process that carries its packets as an
// ordinary program of the host.
#pragma once

#include <sys/types.h>

#include "base/error.h"

struct network_helper {
    int pidfd;   // of the helper; -1 when there is none
    int exit_fd; // the helper ends when this is closed, also by our death
};
#define NETWORK_HELPER_NONE ((struct network_helper){-1, -1})

// Starts the helper for the network namespace of process `pid` and waits until it carries. The
// namespace then has an interface, a default route, and DNS at 10.0.2.3; the host's loopback is out
// of reach.
int network_helper_start(pid_t pid, struct network_helper *ret, struct error *err);
void network_helper_stop(struct network_helper *helper);
