#include "git/library.h"

#include <stdarg.h>

#include "base/str.h"

// Before 1.5.1 libgit2 took any SSH host key (CVE-2023-22742).
#define OLDEST_VERSION(major, minor, patch) ((major)*10000 + (minor)*100 + (patch) >= 10501)
// Packs are kept open; a repository that is never collected has thousands.
#define OPEN_PACKS_MAX ((size_t)256)

// What a repository may say of itself without a meaning for reading it. The two formats are let in
// here so that repository.c can refuse them by name.
static const char *const extensions[] = {
    "worktreeconfig", "partialclone", "preciousobjects", "objectformat", "refstorage"};

static int set_options(void)
{
    static const git_config_level_t machine[] = {GIT_CONFIG_LEVEL_PROGRAMDATA,
        GIT_CONFIG_LEVEL_SYSTEM, GIT_CONFIG_LEVEL_XDG, GIT_CONFIG_LEVEL_GLOBAL};
    int status = 0;
    for (size_t i = 0; i < ARRAY_LEN(machine) && status == 0; i++)
        status = git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, (int)machine[i], "");
    // The ids of a sandbox are not those that own the repository: who may read what was decided
    // when it was mounted there.
    if (status == 0)
        status = git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
    if (status == 0)
        status = git_libgit2_opts(GIT_OPT_SET_EXTENSIONS, extensions, ARRAY_LEN(extensions));
    // Trees are built here only to have their names checked (checkout.c).
    if (status == 0)
        status = git_libgit2_opts(GIT_OPT_ENABLE_STRICT_OBJECT_CREATION, 0);
    if (status == 0)
        status = git_libgit2_opts(GIT_OPT_SET_MWINDOW_FILE_LIMIT, OPEN_PACKS_MAX);
    return status;
}

int library_start(struct error *err)
{
    int major, minor, patch;
    git_libgit2_version(&major, &minor, &patch);
    if (!OLDEST_VERSION(major, minor, patch))
        return error_set(err, ERR_UNSUPPORTED,
            "libgit2 %d.%d.%d is too old: install 1.5.1 or newer", major, minor, patch);
    int status = git_libgit2_init();
    if (status >= 0)
        status = set_options();
    if (status < 0)
        return library_error(err, status, "starting libgit2");
    return 0;
}

static enum error_kind kind_of(int status, const git_error *said)
{
    if (status == GIT_ENOTFOUND)
        return ERR_NOT_FOUND;
    if (said && said->klass == GIT_ERROR_OS)
        return ERR_SYSTEM;
    return ERR_PROTOCOL;
}

int library_error(struct error *err, int status, const char *format, ...)
{
    const git_error *said = git_error_last();
    va_list args;
    va_start(args, format);
    AUTO_FREE char *context = mem_vprintf(format, args);
    va_end(args);
    // Names out of the repository may stand in the message: it stays one line.
    AUTO_FREE char *reason = mem_strdup(said && said->message ? said->message : "unknown failure");
    for (char *p = reason; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    return error_set(err, kind_of(status, said), "%s: %s", context, reason);
}
