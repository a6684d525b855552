#include "store/state.h"

#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/fd.h"
#include "os/file.h"

char *state_default_path(void)
{
    const char *given = getenv("DAVIT_STATE");
    if (given && *given)
        return mem_strdup(given);
    if (geteuid() == 0)
        return mem_strdup("/var/lib/davit");
    const char *xdg = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    if (xdg && *xdg)
        return path_join(xdg, "davit");
    return home && *home ? path_join(home, ".local/state/davit") : NULL;
}

static int check_owner(int dir, const char *path, struct error *err)
{
    struct stat st;
    if (fstat(dir, &st) < 0)
        return error_errno(err, "%s", path);
    if (st.st_uid != geteuid())
        return error_set(err, ERR_DENIED,
            "%s belongs to user %u, not to you (%u); name another with DAVIT_STATE or --state",
            path, st.st_uid, geteuid());
    if (st.st_mode & (S_IWGRP | S_IWOTH))
        return error_set(err, ERR_DENIED, "%s can be written by others: chmod go-w %s", path, path);
    return 0;
}

int state_open(const char *path, struct state *ret, struct error *err)
{
    AUTO_FREE char *wanted = path ? mem_strdup(path) : state_default_path();
    if (!wanted)
        return error_set(
            err, ERR_CONFIG, "no place for davit's state: set DAVIT_STATE, XDG_STATE_HOME or HOME");
    // 0711: nginx's workers, other users, pass through to their app's directory and see nothing on
    // the way.
    if (dir_make(AT_FDCWD, wanted, 0711, err) < 0)
        return error_wrap(err, "state directory");
    AUTO_FD int dir = dir_open(AT_FDCWD, wanted, err);
    if (dir < 0 || check_owner(dir, wanted, err) < 0)
        return error_wrap(err, "state directory");
    char real[PATH_MAX];
    if (!realpath(wanted, real))
        return error_errno(err, "%s", wanted);
    *ret = (struct state){.path = mem_strdup(real), .dir = take_fd(dir)};
    return 0;
}

void state_done(struct state *state)
{
    if (!state->path)
        return;
    fd_close(state->dir);
    free(state->path);
    *state = (struct state){.dir = -1};
}

char *state_path(const struct state *state, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    AUTO_FREE char *below = mem_vprintf(format, args);
    va_end(args);
    return path_join(state->path, below);
}
