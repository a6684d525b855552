// The manifests of a deploy stage, as its workspace has them: read here, and parsed by whoever is
// in a sandbox.
#pragma once

#include "codec/value.h"

// `directories`: what the workspace is made of, the nearest first (host paths). `paths`: of a
// deploy section, files and directories; of a directory every *.yaml, *.yml and *.json in it, by
// name. *ret is a list of {"path", "text"}, the caller's. No link leads out of the workspace.
// ERR_NOT_FOUND for what is not there, ERR_CONFIG for what is no file, ERR_LIMIT for more than
// MANIFESTS_MAX bytes (deploy/manifest.h).
int manifests_read(const struct strv *directories, const struct value *paths, struct value **ret,
    struct error *err);
