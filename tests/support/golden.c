#include "support/golden.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "os/file.h"
#include "support/check.h"

void golden_names(const char *dir, const char *suffix, struct strv *ret)
{
    DIR *d = opendir(dir);
    if (!d)
        fail_msg("%s cannot be read: tests are run from tests/", dir);
    for (struct dirent *entry; (entry = readdir(d));)
        if (text_ends(entry->d_name, suffix))
            strv_push_take(ret, mem_strndup(entry->d_name, strlen(entry->d_name) - strlen(suffix)));
    closedir(d);
    strv_sort(ret);
}

bool golden_read(const char *dir, const char *name, const char *suffix, struct str *out)
{
    AUTO_FREE char *relative = mem_printf("%s/%s%s", dir, name, suffix);
    return file_read(AT_FDCWD, relative, out, NULL) == 0;
}

void golden_check(const char *dir, const char *name, const char *suffix, const char *text)
{
    AUTO(str) struct str wanted;
    str_init(&wanted, STR_TEXT_MAX);
    const char *mode = getenv("GOLDEN");
    if (mode && strcmp(mode, "write") == 0) {
        AUTO_FREE char *relative = mem_printf("%s/%s%s", dir, name, suffix);
        check_ok(file_replace(AT_FDCWD, relative, 0644, text, strlen(text), &err));
        return;
    }
    if (!golden_read(dir, name, suffix, &wanted))
        fail_msg("%s/%s%s is missing; it would hold:\n%s", dir, name, suffix, text);
    if (strcmp(wanted.data, text) != 0)
        fail_msg("%s/%s%s: wanted\n%s\ngot\n%s", dir, name, suffix, wanted.data, text);
}
