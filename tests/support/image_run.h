// A RUN step for tests, in place of davit's sandbox: an overlay over the layers and a chroot.
#pragma once

#include "base/str.h"
#include "codec/value.h"

// Parameters as davit-image sends them; the output is appended to log. The wait status.
int image_run(const char *store, const struct value *params, struct str *log);
