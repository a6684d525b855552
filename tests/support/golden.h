// Files that hold what a test expects. They lie beside the tests' own sources and are named
// relative to tests/, where test programs are run: a path from the build would be another one under
// ccache.
#pragma once

#include "base/str.h"
#include "base/vec.h"

// The names in the directory tests/DIR that end in `suffix`, sorted, without it.
void golden_names(const char *dir, const char *suffix, struct strv *ret);
// Appends what tests/DIR/NAME.SUFFIX holds; false when there is no such file.
bool golden_read(const char *dir, const char *name, const char *suffix, struct str *out);

// Fails with both texts unless tests/DIR/NAME.SUFFIX holds `text`. With GOLDEN=write in the
// environment it is written instead: read the difference before you commit it.
void golden_check(const char *dir, const char *name, const char *suffix, const char *text);
