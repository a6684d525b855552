#include "support/check.h"

#include <string.h>

void check_kind(const struct error *err, enum error_kind kind, const char *part, const char *call)
{
    if (err->kind != kind)
        fail_msg("%s: wanted a %s error, got %s: %s", call, error_kind_name(kind),
            error_kind_name(err->kind), err->message);
    if (!strstr(err->message, part))
        fail_msg("%s: \"%s\" is not in the message: %s", call, part, err->message);
}
