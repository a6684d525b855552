#include "support/directory.h"

#include <fcntl.h>
#include <stdlib.h>

#include "base/memory.h"
#include "os/file.h"

int directory_setup(void **state)
{
    char *path = mem_strdup("/tmp/davit-test-XXXXXX");
    assert_non_null(mkdtemp(path));
    *state = path;
    return 0;
}

int directory_teardown(void **state)
{
    check_ok(dir_remove_tree(AT_FDCWD, *state, &err));
    free(*state);
    return 0;
}
