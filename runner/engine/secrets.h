// Secrets that server.yaml names: each a file of mode 0600 (or stricter) that belongs to whoever
// runs davit.
#pragma once

#include "base/vec.h"
#include "codec/value.h"

#define SECRET_MAX ((size_t)64 << 10)

// `files`: {NAME: path}. Of these the ones that are wanted (NULL: all) are read: a file that is
// wrong is nobody's business who does not ask for it. Values are the files' contents without one
// trailing newline. Names and values in step.
int secrets_read(const struct value *files, const struct strv *wanted, struct strv *names,
    struct strv *values, struct error *err);
