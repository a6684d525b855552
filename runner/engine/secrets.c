#include "engine/secrets.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/fd.h"

static int read_secret(const char *name, const char *path, struct strv *values, struct error *err)
{
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return error_errno(err, "secret %s: %s", name, path);
    if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077))
        return error_set(err, ERR_DENIED,
            "secret %s: %s must be a file of yours that nobody else may read: chmod 600 %s", name,
            path, path);
    AUTO(str) struct str text;
    str_init(&text, SECRET_MAX);
    if (fd_read_all(fd, &text, err) < 0)
        return error_wrap(err, "secret %s: %s", name, path);
    if (text.length && text.data[text.length - 1] == '\n')
        text.data[text.length - 1] = '\0';
    strv_push(values, text.data);
    explicit_bzero(text.data, text.length);
    return 0;
}

int secrets_read(const struct value *files, const struct strv *wanted, struct strv *names,
    struct strv *values, struct error *err)
{
    struct value_cursor cursor = {.map = files};
    const char *name;
    struct value *path;
    while (files && value_next(&cursor, &name, &path)) {
        if (wanted && !strv_has(wanted, name))
            continue;
        if (!value_text(path))
            return error_set(err, ERR_PROTOCOL, "secret %s has no path", name);
        if (read_secret(name, value_text(path), values, err) < 0)
            return -1;
        strv_push(names, name);
    }
    return 0;
}
