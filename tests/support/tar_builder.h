// A tar archive, header by header, so that it can say what no honest tool would.
#pragma once

#include "base/str.h"

void tar_begin(struct str *tar);
// An entry of that type ('0' file, '1' hard link, '2' link, '3' character device, '5' directory,
// '6' fifo) with mode, owner 0:0, and for links a target. `text` may be NULL.
void tar_add(struct str *tar, char type, const char *path, unsigned mode, const char *target,
    const char *text);
void tar_add_owned(
    struct str *tar, char type, const char *path, unsigned mode, unsigned uid, unsigned gid);
// A pax record for the entry that follows.
void tar_attribute(struct str *tar, const char *name, const char *value);
void tar_end(struct str *tar);
