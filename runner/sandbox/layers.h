// An image's layers as one tree, for those who only read it.
#pragma once

#include "base/error.h"
#include "base/vec.h"

// A detached read-only mount of host directories, top first: usable by openat(2) and openat2(2), in
// no namespace, gone when it is closed. fd or -1. Needs root.
int sandbox_mount_layers(const struct strv *directories, struct error *err);
