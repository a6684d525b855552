#include "sandbox/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/fd.h"
#include "os/file.h"

#define TOP        "davit" // of all our groups
#define CPU_PERIOD 100000  // microseconds
#define V1_MOUNT   "/sys/fs/cgroup"

static int write_file(const char *dir, const char *name, const char *text, struct error *err)
{
    AUTO_FREE char *path = path_join(dir, name);
    AUTO_FD int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        return error_errno(err, "%s", path);
    return 0;
}

// What each limit is called on either version, and how its value is written.
struct limit {
    const char *controller, *v1_file, *v2_file;
    char value[64];    // v2's form
    char v1_value[64]; // v1's form
    const char *v1_extra_file, *v1_extra_value;
};

static size_t limits_of(const struct sandbox_limits *limits, struct limit *ret)
{
    size_t n = 0;
    if (limits->memory) {
        ret[n] =
            (struct limit){"memory", "memory.limit_in_bytes", "memory.max", "", "", NULL, NULL};
        snprintf(ret[n].value, sizeof ret[n].value, "%llu", (unsigned long long)limits->memory);
        memcpy(ret[n].v1_value, ret[n].value, sizeof ret[n].value);
        n++;
    }
    if (limits->processes) {
        ret[n] = (struct limit){"pids", "pids.max", "pids.max", "", "", NULL, NULL};
        snprintf(ret[n].value, sizeof ret[n].value, "%u", limits->processes);
        memcpy(ret[n].v1_value, ret[n].value, sizeof ret[n].value);
        n++;
    }
    if (limits->cpu_percent) {
        uint32_t quota = limits->cpu_percent * (CPU_PERIOD / 100);
        ret[n] = (struct limit){"cpu", "cpu.cfs_quota_us", "cpu.max", "", "", NULL, NULL};
        snprintf(ret[n].value, sizeof ret[n].value, "%u %u", quota, CPU_PERIOD);
        snprintf(ret[n].v1_value, sizeof ret[n].v1_value, "%u", quota);
        n++;
    }
    return n;
}

static char *group_path(const struct sandbox_host *host, const char *root, const char *below)
{
    return mem_printf("%s/%s/%s", root, host->group ? host->group : TOP, below);
}

static int make_dir(const struct sandbox_host *host, const char *root, const char *below,
    char **ret, struct error *err)
{
    *ret = group_path(host, root, below);
    struct error why = {0};
    // Another process may remove a level above, as the last of its groups went, while we make ours.
    for (int attempt = 0; attempt < 10; attempt++)
        if (dir_make(AT_FDCWD, *ret, 0755, &why) == 0)
            return 0;
        else if (why.os_errno != ENOENT)
            break;
    if (err)
        *err = why;
    return -1;
}

// Lets a group's children use the controllers: every level above must pass them on. What is not
// offered is not written.
static void pass_on_controllers(const struct sandbox_host *host, const char *path)
{
    AUTO(str) struct str wanted;
    str_init(&wanted, 256);
    static const char *const used[] = {"memory", "pids", "cpu"};
    for (size_t i = 0; i < ARRAY_LEN(used); i++)
        if (strv_has(&host->controllers, used[i]))
            str_printf(&wanted, "+%s ", used[i]);
    if (!wanted.length)
        return;
    size_t root = strlen(host->cgroup);
    AUTO_FREE char *level = mem_strdup(path);
    for (char *p = level + root; p && *p; p = strchr(p + 1, '/')) {
        *p = '\0';
        write_file(level, "cgroup.subtree_control", wanted.data, NULL);
        *p = '/';
    }
}

static int set_v2(struct cgroup *group, const struct limit *limit, struct error *err)
{
    return write_file(group->path, limit->v2_file, limit->value, err);
}

static int set_v1(const struct sandbox_host *host, struct cgroup *group, const char *below,
    const struct limit *limit, struct error *err)
{
    AUTO_FREE char *root = path_join(V1_MOUNT, limit->controller);
    AUTO_FREE char *dir = NULL;
    if (!file_exists(AT_FDCWD, root))
        return error_set(err, ERR_UNSUPPORTED,
            "a %s limit was declared, and this host has no %s controller (`davit doctor`)",
            limit->controller, limit->controller);
    if (make_dir(host, root, below, &dir, err) < 0 ||
        write_file(dir, limit->v1_file, limit->v1_value, err) < 0)
        return -1;
    strv_push(&group->v1, dir);
    return 0;
}

static int set_limits(const struct sandbox_spec *spec, const struct sandbox_host *host,
    struct cgroup *group, struct error *err)
{
    struct limit limits[3];
    size_t count = limits_of(&spec->limits, limits);
    for (size_t i = 0; i < count; i++) {
        bool v2 = group->path && strv_has(&host->controllers, limits[i].controller);
        if ((v2 ? set_v2(group, &limits[i], err)
                : set_v1(host, group, spec->cgroup, &limits[i], err)) < 0)
            return -1;
    }
    return 0;
}

int cgroup_make(const struct sandbox_spec *spec, const struct sandbox_host *host,
    struct cgroup *ret, struct error *err)
{
    struct cgroup group = CGROUP_NONE;
    *ret = CGROUP_NONE;
    if (!spec->cgroup || !host->privileged)
        return 0;
    if (host->cgroup) {
        if (make_dir(host, host->cgroup, spec->cgroup, &group.path, err) < 0)
            goto fail;
        pass_on_controllers(host, group.path);
        group.fd = dir_open(AT_FDCWD, group.path, err);
        if (group.fd < 0)
            goto fail;
    }
    if (set_limits(spec, host, &group, err) < 0)
        goto fail;
    *ret = group;
    return 0;
fail:
    cgroup_remove(&group);
    return error_wrap(err, "cgroup");
}

int cgroup_join(const struct cgroup *group, pid_t pid, struct error *err)
{
    char text[16];
    snprintf(text, sizeof text, "%d", pid);
    strv_each (dir, &group->v1)
        if (write_file(*dir, "cgroup.procs", text, err) < 0)
            return -1;
    return 0;
}

void cgroup_kill(const struct cgroup *group)
{
    if (group->path)
        write_file(group->path, "cgroup.kill", "1", NULL);
}

// A directory stays busy until the last zombie's exit has been accounted, some milliseconds at
// most.
static void remove_dir(const char *path)
{
    for (int attempt = 0; attempt < 100; attempt++) {
        if (rmdir(path) == 0 || errno != EBUSY)
            return;
        usleep(1000);
    }
}

// The groups above (the stage's, the run's) go with their last child.
static void remove_parents(const char *path)
{
    AUTO_FREE char *parent = mem_strdup(path);
    for (char *slash; (slash = strrchr(parent, '/'));) {
        *slash = '\0';
        if (strcmp(path_base(parent), TOP) == 0 || rmdir(parent) < 0)
            return;
    }
}

static void sweep(const char *path)
{
    DIR *dir = opendir(path);
    if (!dir)
        return;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
            continue;
        AUTO_FREE char *below = path_join(path, entry->d_name);
        sweep(below);
    }
    closedir(dir);
    remove_dir(path);
}

void cgroup_sweep(const struct sandbox_host *host, const char *name)
{
    static const char *const controllers[] = {"memory", "pids", "cpu"};
    if (!host->privileged)
        return;
    if (host->cgroup) {
        AUTO_FREE char *path = group_path(host, host->cgroup, name);
        write_file(path, "cgroup.kill", "1", NULL);
        sweep(path);
        remove_parents(path);
    }
    for (size_t i = 0; i < ARRAY_LEN(controllers); i++) {
        AUTO_FREE char *root = path_join(V1_MOUNT, controllers[i]);
        AUTO_FREE char *path = group_path(host, root, name);
        sweep(path);
        remove_parents(path);
    }
}

void cgroup_remove(struct cgroup *group)
{
    fd_close(group->fd);
    if (group->path) {
        remove_dir(group->path);
        remove_parents(group->path);
    }
    strv_each (dir, &group->v1) {
        remove_dir(*dir);
        remove_parents(*dir);
    }
    strv_done(&group->v1);
    free(group->path);
    *group = CGROUP_NONE;
}
