// Ports for apps: each app on this host has ranges of its own below the kernel's ephemeral ports
// (ip_local_port_range, 32768 by default).
#pragma once

#include "base/error.h"

#define PORTS_FIRST 20000
#define PORTS_END   32768

// Finds `count` ports in a row that are free now and that no app's state.json below
// `state_path`/apps names. Until *ret_lock (the caller's) is closed nobody else is given any: the
// caller writes its state.json meanwhile.
int ports_reserve(
    const char *state_path, int count, int *ret_first, int *ret_lock, struct error *err);
