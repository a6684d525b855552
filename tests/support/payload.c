#include "support/payload.h"

#include "support/check.h"

#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/fd.h"

void payload_main(int argc, char **argv, const struct payload *table)
{
    for (; table->name; table++)
        if (argc > 0 && strcmp(argv[0], table->name) == 0)
            exit(table->run(argc, argv));
}

void payload_result_done(struct payload_result *r)
{
    str_done(&r->output);
}

const struct sandbox_host *payload_host(void)
{
    static struct sandbox_host host;
    if (!host.shown.length)
        check_ok(sandbox_host_read(&host, &err));
    return &host;
}

struct sandbox_spec payload_spec(void)
{
    return (struct sandbox_spec){.name = "attack"};
}

// The arguments as execve wants them.
static void copy_argv(const char *const *argv, struct strv *ret)
{
    for (; *argv; argv++)
        strv_push(ret, *argv);
}

static void collect(int fd, struct payload_result *ret)
{
    str_init(&ret->output, 1 << 20);
    check_ok(fd_read_all(fd, &ret->output, &err));
}

void payload_confined(struct sandbox_spec spec, const char *const *argv, struct payload_result *ret)
{
    AUTO(strv) struct strv arguments = {0};
    copy_argv(argv, &arguments);
    AUTO_FD int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int pipe_fds[2];
    check_ok(fd_pipe(pipe_fds, &err));
    AUTO_FD int output = pipe_fds[0];
    spec.exec_fd = self;
    spec.argv = strv_argv(&arguments);
    spec.stdout_fd = spec.stderr_fd = pipe_fds[1];
    struct sandbox_child child;
    check_ok(sandbox_spawn(&spec, payload_host(), &child, &err));
    close(pipe_fds[1]);
    collect(output, ret);
    check_ok(sandbox_wait(&child, &ret->status, &err));
}

void payload_free(const char *const *argv, uid_t uid, struct payload_result *ret)
{
    AUTO(strv) struct strv arguments = {0};
    copy_argv(argv, &arguments);
    int pipe_fds[2];
    check_ok(fd_pipe(pipe_fds, &err));
    AUTO_FD int output = pipe_fds[0];
    AUTO_FD int self = open("/proc/self/exe", O_RDONLY);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(pipe_fds[1], 1);
        dup2(pipe_fds[1], 2);
        close(pipe_fds[0]);
        close(pipe_fds[1]);
        if (uid && (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 ||
                       setresuid(uid, uid, uid) < 0))
            _exit(99);
        fexecve(self, strv_argv(&arguments), environ);
        _exit(98);
    }
    close(pipe_fds[1]);
    collect(output, ret);
    waitpid(pid, &ret->status, 0);
}
