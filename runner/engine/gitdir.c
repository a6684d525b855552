#include "engine/gitdir.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "os/file.h"

#define PREFIX "gitdir: "

// The one line of such a file, as a path that exists; relative ones begin at `base`.
static char *read_pointer(const char *base, const char *file, const char *prefix, struct error *err)
{
    AUTO_FREE char *path = path_join(base, file);
    AUTO(str) struct str text;
    str_init(&text, PATH_MAX);
    if (file_read(AT_FDCWD, path, &text, err) < 0)
        return NULL;
    text.data[strcspn(text.data, "\r\n")] = '\0';
    if (!text_starts(text.data, prefix)) {
        error_set(err, ERR_CONFIG, "%s does not say where its repository is", path);
        return NULL;
    }
    const char *said = text.data + strlen(prefix);
    AUTO_FREE char *joined = said[0] == '/' ? mem_strdup(said) : path_join(base, said);
    char *real = realpath(joined, NULL);
    if (!real)
        error_errno(err, "%s: %s", path, joined);
    return real;
}

int gitdir_find(const char *top, struct strv *ret, struct error *err)
{
    AUTO_FREE char *git = path_join(top, ".git");
    struct stat st;
    if (lstat(git, &st) < 0 || !S_ISREG(st.st_mode))
        return 0;
    AUTO_FREE char *own = read_pointer(top, ".git", PREFIX, err);
    if (!own)
        return -1;
    AUTO_FREE char *common = NULL;
    AUTO_FREE char *commondir = path_join(own, "commondir");
    if (file_exists(AT_FDCWD, commondir) && !(common = read_pointer(own, "commondir", "", err)))
        return -1;
    AUTO_FREE char *below = path_join(common ? common : own, "");
    if (common)
        strv_push(ret, common);
    if (!common || !text_starts(own, below))
        strv_push(ret, own);
    return 0;
}
