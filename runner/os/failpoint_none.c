#include "os/failpoint.h"

void failpoint(const char *name)
{
    (void)name;
}
