#include "support/daemon.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/fd.h"
#include "support/check.h"

static pid_t launch(const char *const *argv, const char *directory, int output)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    dup2(null, 0);
    dup2(output, 1);
    dup2(output, 2);
    if (!directory || chdir(directory) == 0)
        execvp(argv[0], (char *const *)(uintptr_t)argv);
    dprintf(2, "%s cannot be executed\n", argv[0]);
    _exit(127);
}

char *daemon_start(
    struct daemon *d, const char *const *argv, const char *directory, const char *ready)
{
    int pair[2];
    check_ok(fd_pipe(pair, &err));
    fcntl(pair[1], F_SETPIPE_SZ, 1 << 20); // nobody reads once it is ready
    d->pid = launch(argv, directory, pair[1]);
    d->output_fd = pair[0];
    close(pair[1]);
    AUTO(str) struct str text;
    str_init(&text, 1 << 20);
    for (char c; read(d->output_fd, &c, 1) == 1;) {
        str_putc(&text, c);
        char *line = strrchr(text.data, '\n');
        if (c != '\n')
            continue;
        *line = '\0';
        const char *start = strrchr(text.data, '\n');
        start = start ? start + 1 : text.data;
        if (strstr(start, ready))
            return mem_strdup(start);
        *line = '\n';
    }
    fail_msg("%s ended before it was ready: %s", argv[0], text.data);
    return NULL;
}

void daemon_stop(struct daemon *d)
{
    kill(d->pid, SIGKILL);
    waitpid(d->pid, NULL, 0);
    close(d->output_fd);
}

char *run_program(const char *const *argv, const char *directory, int code)
{
    int pair[2];
    check_ok(fd_pipe(pair, &err));
    pid_t pid = launch(argv, directory, pair[1]);
    close(pair[1]);
    AUTO(str) struct str text;
    str_init(&text, 16 << 20);
    check_ok(fd_read_all(pair[0], &text, &err));
    close(pair[0]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != code)
        fail_msg("%s: status %x: %s", argv[0], (unsigned)status, text.data);
    return str_take(&text);
}
