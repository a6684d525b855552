#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/fd.h"
#include "os/file.h"
#include "sandbox/plan.h"
#include "sandbox/skeleton.h"

static void read_root_entries(struct sandbox_host *host)
{
    for (const char *const *entry = skeleton_root; *entry; entry++) {
        AUTO_FREE char *path = path_join("/", *entry);
        char link[PATH_MAX];
        ssize_t n = readlink(path, link, sizeof link - 1);
        if (n > 0)
            strv_pushf(&host->links, "%s=%.*s", *entry, (int)n, link);
        else if (file_exists(AT_FDCWD, path))
            strv_push(&host->shown, path);
    }
    for (const char *const *entry = skeleton_etc; *entry; entry++) {
        AUTO_FREE char *path = path_join("/etc", *entry);
        struct stat st;
        if (stat(path, &st) == 0) // through links: what is shown is what they lead to
            strv_push(&host->shown, path);
    }
}

// Finds the cgroup v2 hierarchy: at /sys/fs/cgroup, or below it on hosts that keep v1 for the
// controllers.
static void find_cgroup(struct sandbox_host *host)
{
    AUTO(str) struct str mounts;
    str_init(&mounts, STR_TEXT_MAX);
    if (file_read(AT_FDCWD, "/proc/self/mounts", &mounts, NULL) < 0)
        return;
    char *rest = mounts.data;
    for (char *line; (line = strsep(&rest, "\n"));) {
        char target[PATH_MAX], type[64];
        if (sscanf(line, "%*s %4095s %63s", target, type) == 2 && strcmp(type, "cgroup2") == 0) {
            host->cgroup = mem_strdup(target);
            break;
        }
    }
    if (!host->cgroup)
        return;
    AUTO_FREE char *path = path_join(host->cgroup, "cgroup.controllers");
    AUTO(str) struct str names;
    str_init(&names, 4096);
    if (file_read(AT_FDCWD, path, &names, NULL) < 0)
        return;
    rest = names.data;
    for (char *name; (name = strsep(&rest, " \n"));)
        if (*name)
            strv_push(&host->controllers, name);
}

int sandbox_host_read(struct sandbox_host *ret, struct error *err)
{
    *ret = (struct sandbox_host){.privileged = geteuid() == 0, .uid = geteuid(), .gid = getegid()};
    read_root_entries(ret);
    if (!strv_has(&ret->shown, "/usr")) {
        sandbox_host_done(ret);
        return error_set(err, ERR_UNSUPPORTED, "this host has no /usr to show to a stage");
    }
    find_cgroup(ret);
    return 0;
}

int sandbox_host_group(struct sandbox_host *host, const char *state_path, struct error *err)
{
    struct stat st;
    if (stat(state_path, &st) < 0)
        return error_errno(err, "%s", state_path);
    free(host->group);
    host->group =
        mem_printf("davit/%llx-%llx", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
    return 0;
}

void sandbox_host_done(struct sandbox_host *host)
{
    strv_done(&host->links);
    strv_done(&host->shown);
    strv_done(&host->controllers);
    free(host->cgroup);
    free(host->group);
    *host = (struct sandbox_host){0};
}
