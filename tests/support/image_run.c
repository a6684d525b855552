#include "support/image_run.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/fd.h"
#include "os/file.h"
#include "support/check.h"

static void give_up(const char *what)
{
    fprintf(stderr, "test sandbox: %s failed\n", what);
    _exit(126);
}

static void mount_overlay(const struct value *params, const char *root)
{
    AUTO(str) struct str options;
    str_init(&options, 4000);
    const struct value *layers = value_get(params, "layers");
    for (size_t i = 0; i < value_length(layers); i++)
        str_printf(&options, "%s%s", i ? ":" : "lowerdir=", value_text(value_at(layers, i)));
    str_printf(&options, ",upperdir=%s,workdir=%s,userxattr", value_get_str(params, "upper"),
        value_get_str(params, "work"));
    if (mount("overlay", root, "overlay", 0, options.data) < 0)
        give_up(options.data);
}

static void mount_caches(const struct value *params, const char *root)
{
    const struct value *caches = value_get(params, "caches");
    for (size_t i = 0; i < value_length(caches); i++) {
        const struct value *cache = value_at(caches, i);
        AUTO_FREE char *source = mem_printf("mounts/%s", value_get_str(cache, "id"));
        AUTO_FREE char *target = mem_printf("%s%s", root, value_get_str(cache, "target"));
        if (dir_make(AT_FDCWD, target, 0755, NULL) < 0 ||
            mount(source, target, NULL, MS_BIND, NULL) < 0)
            give_up(target);
    }
}

static void run(const char *store, const struct value *params, const char *root)
{
    AUTO(strv) struct strv argv = {0};
    AUTO(strv) struct strv environment = {0};
    value_need_strv(params, "argv", &argv, NULL);
    value_need_strv(params, "env", &environment, NULL);
    uid_t uid = (uid_t)value_get_int(params, "uid", -1);
    gid_t gid = (gid_t)value_get_int(params, "gid", -1);
    if (chdir(store) < 0 || unshare(CLONE_NEWNS) < 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        give_up("a mount namespace");
    mount_overlay(params, root);
    mount_caches(params, root);
    if (chroot(root) < 0 || chdir(value_get_str(params, "directory")) < 0)
        give_up("chroot");
    if (setgroups(0, NULL) < 0 || setgid(gid) < 0 || setuid(uid) < 0)
        give_up("setuid");
    execvpe(argv.items[0], strv_argv(&argv), strv_argv(&environment));
    give_up(argv.items[0]);
}

// The directories that were made to mount caches on are no part of the layer.
static void remove_stubs(const char *store, const struct value *params)
{
    const struct value *caches = value_get(params, "caches");
    for (size_t i = 0; i < value_length(caches); i++) {
        AUTO_FREE char *path = mem_printf("%s/%s%s", store, value_get_str(params, "upper"),
            value_get_str(value_at(caches, i), "target"));
        size_t least = strlen(store) + 1 + strlen(value_get_str(params, "upper"));
        while (strlen(path) > least && rmdir(path) == 0)
            *strrchr(path, '/') = '\0';
    }
}

int image_run(const char *store, const struct value *params, struct str *log)
{
    char root[] = "/tmp/davit-root-XXXXXX";
    int pair[2], status;
    assert_non_null(mkdtemp(root));
    check_ok(fd_pipe(pair, &err));
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(pair[1], 1);
        dup2(pair[1], 2);
        run(store, params, root);
    }
    close(pair[1]);
    check_ok(fd_read_all(pair[0], log, &err));
    close(pair[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    remove_stubs(store, params);
    rmdir(root);
    return status;
}
