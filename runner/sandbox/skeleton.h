// What a skeleton root shows of the host, and what every root hides: tables, so that they can be
// read and argued about.
#pragma once

// Entries of / (directories read-only, symbolic links as they are).
extern const char *const skeleton_root[];
// Entries of /etc, read-only: what programs need to start, resolve names and verify TLS; nothing
// that names a secret.
extern const char *const skeleton_etc[];
// Device nodes of the host that appear in /dev.
extern const char *const skeleton_devices[];

// Paths of /proc, as Docker masks them and makes them read-only.
extern const char *const hidden_paths[];
extern const char *const frozen_paths[];
