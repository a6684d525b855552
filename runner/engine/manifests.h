// The manifests of a deploy stage, as its workspace has them: read here, and parsed by whoever is
// in a sandbox.
#pragma once

#include "codec/value.h"

#define MANIFESTS_TEXT_MAX ((size_t)1 << 20) // of all together, as deploy/manifest.h has it

// `directories`: what the workspace is made of, the nearest first (host paths). `items`: of a
// deploy section, files and directories; of a directory every *.yaml, *.yml and *.json in it, by
// name; and commands, each of which stands for the next text of the list `rendered`. *ret is a list
// of
// {"path", "text"}, the caller's; the path of what was rendered is "render". No link leads out of
// the workspace. ERR_NOT_FOUND for what is not there, ERR_CONFIG for what is no file, ERR_LIMIT for
// more than MANIFESTS_MAX bytes (deploy/manifest.h).
int manifests_read(const struct strv *directories, const struct value *items,
    const struct value *rendered, struct value **ret, struct error *err);
// Whether one of the items is a command.
bool manifests_rendered(const struct value *items);
