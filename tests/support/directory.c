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

char *directory_read(const char *directory, const char *name)
{
    AUTO_FREE char *path = path_join(directory, name);
    AUTO(str) struct str text;
    str_init(&text, 1 << 20);
    check_ok(file_read(AT_FDCWD, path, &text, &err));
    return str_take(&text);
}
