// Records of the build cache. They are hints: one that is damaged or lost costs a step, no more, so
// nothing is synced.
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/store.h"
#include "os/fd.h"
#include "os/file.h"

#define RECORD_MAX ((size_t)64 << 10)

void store_recall(const struct store *store, const char *key, struct value **ret)
{
    AUTO_FREE char *path = path_join("cache", key);
    AUTO(str) struct str text;
    str_init(&text, RECORD_MAX);
    *ret = NULL;
    if (file_read(store->dir, path, &text, NULL) < 0)
        return;
    *ret = value_parse(text.data, text.length, NULL);
    utimensat(store->dir, path, NULL, 0);
}

int store_remember(
    struct store *store, const char *key, const struct value *record, struct error *err)
{
    AUTO_FREE char *path = path_join("cache", key);
    AUTO_FREE char *temporary = store_temporary(store);
    AUTO_FREE char *text = value_print(record);
    AUTO_FD int fd = openat(store->dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return error_errno(err, "%s", temporary);
    if (fd_write_all(fd, text, strlen(text), err) < 0)
        return -1;
    if (renameat(store->dir, temporary, store->dir, path) < 0)
        return error_errno(err, "%s", path);
    return 0;
}
