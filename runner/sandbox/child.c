#include "sandbox/child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/fd.h"
#include "os/process.h"
#include "sandbox/apply.h"
#include "sandbox/prepare.h"

static _Noreturn void give_up(int report, const struct error *err)
{
    struct child_message message = {.report = CHILD_FAILED, .err = *err};
    if (write(report, &message, sizeof message) < 0)
        _exit(EXIT_RUNNER);
    _exit(EXIT_RUNNER);
}

// Unprivileged, a process maps itself: one id, its own, as root (user_namespaces(7)).
static int map_self(const struct sandbox_plan *plan, struct error *err)
{
    AUTO_FREE char *uid_map = mem_printf("0 %u 1\n", plan->uid);
    AUTO_FREE char *gid_map = mem_printf("0 %u 1\n", plan->gid);
    const char *const writes[][2] = {
        {"/proc/self/setgroups", "deny"},
        {"/proc/self/uid_map", uid_map},
        {"/proc/self/gid_map", gid_map},
    };
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); // else /proc/self is not ours to write
    for (size_t i = 0; i < ARRAY_LEN(writes); i++) {
        AUTO_FD int fd = open(writes[i][0], O_WRONLY | O_CLOEXEC);
        if (fd < 0 || fd_write_all(fd, writes[i][1], strlen(writes[i][1]), err) < 0)
            return error_errno(err, "%s", writes[i][0]);
    }
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    return 0;
}

// Until the parent has done its part: our ids, our cgroup, our network.
static void await_admission(struct child_pipes pipes)
{
    char go;
    if (read(pipes.go, &go, 1) != 1)
        _exit(EXIT_RUNNER); // the parent died before we were anything
}

// Takes the ids that the parent mapped, and from then on dies with it unless detached.
static int take_ids(const struct sandbox_plan *plan, struct child_pipes pipes, struct error *err)
{
    await_admission(pipes);
    if (!plan->privileged && map_self(plan, err) < 0)
        return -1;
    if (plan->privileged &&
        (setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0))
        return error_errno(err, "taking the sandbox's ids");
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    if (plan->spec->detached)
        return 0;
    // After the change of ids, which clears it. A parent that died before this line shows at the
    // pipe.
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    struct pollfd parent = {.fd = pipes.report};
    if (poll(&parent, 1, 0) > 0 && (parent.revents & POLLERR))
        _exit(EXIT_RUNNER);
    return 0;
}

// Of a detached child with a record, init reads the output; returns the pipe's end to read, and
// makes the command's stdout and stderr the other.
static int redirect_output(int *ret_command_end, struct error *err)
{
    int pipe_fds[2];
    if (fd_pipe(pipe_fds, err) < 0)
        return -1;
    *ret_command_end = pipe_fds[1];
    return pipe_fds[0];
}

// Forks the command. A pipe that its execve closes tells whether it came to run.
static pid_t start_command(const struct sandbox_plan *plan, int output, int report)
{
    int started[2];
    struct error err = {0};
    if (fd_pipe(started, &err) < 0)
        give_up(report, &err);
    pid_t pid = fork();
    if (pid < 0) {
        error_errno(&err, "fork");
        give_up(report, &err);
    }
    if (pid == 0) {
        if (output >= 0 && (dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0))
            error_errno(&err, "output");
        else
            child_execute(plan, &err);
        if (write(started[1], &err, sizeof err) < 0)
            _exit(EXIT_RUNNER);
        _exit(EXIT_RUNNER);
    }
    close(started[1]);
    ssize_t n = read(started[0], &err, sizeof err);
    close(started[0]);
    if (n == sizeof err)
        give_up(report, &err);
    struct child_message message = {.report = CHILD_STARTED};
    if (write(report, &message, sizeof message) < 0)
        return pid; // the parent is gone: a detached child lives on, another dies by its death
                    // signal
    return pid;
}

static _Noreturn void run_trusted(struct sandbox_plan *plan, struct child_pipes pipes)
{
    struct error err = {0};
    if (!plan->spec->detached)
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    await_admission(pipes);
    setsid();
    child_execute(plan, &err);
    give_up(pipes.report, &err);
}

// PID 1 keeps no file of the parent's open: a pipe held here would never end.
static void close_all_but(const int *kept, size_t count)
{
    unsigned next = 0;
    for (;;) {
        unsigned first = ~0U;
        for (size_t i = 0; i < count; i++)
            if (kept[i] >= 0 && (unsigned)kept[i] >= next && (unsigned)kept[i] < first)
                first = (unsigned)kept[i];
        if (first == ~0U) {
            close_range(next, ~0U, 0);
            return;
        }
        if (first > next)
            close_range(next, first - 1, 0);
        next = first + 1;
    }
}

_Noreturn void child_main(struct sandbox_plan *plan, struct child_pipes pipes)
{
    const struct sandbox_spec *spec = plan->spec;
    struct error err = {0};
    if (spec->isolation == SANDBOX_NONE)
        run_trusted(plan, pipes);
    signal(SIGPIPE, SIG_IGN); // the command gets the default back
    // Before the parent lets us go on, so that whoever comes after it finds either us or nothing.
    struct flock held = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (spec->record && fcntl(spec->record->lock, F_SETLK, &held) < 0) {
        error_errno(&err, "the lock of its record");
        give_up(pipes.report, &err);
    }
    if (take_ids(plan, pipes, &err) < 0)
        give_up(pipes.report, &err);
    if (!plan->privileged && sandbox_prepare(plan, &err) < 0)
        give_up(pipes.report, &err);
    setsid();
    if (sandbox_apply(plan, &err) < 0)
        give_up(pipes.report, &err);
    if (sethostname(spec->name, strlen(spec->name)) < 0) {
        error_errno(&err, "sethostname");
        give_up(pipes.report, &err);
    }
    int command_output = -1, output = -1;
    if (spec->record && (output = redirect_output(&command_output, &err)) < 0)
        give_up(pipes.report, &err);
    pid_t command = start_command(plan, command_output, pipes.report);
    fd_close(command_output);
    const int kept[] = {pipes.report, output, spec->record ? spec->record->directory : -1,
        spec->record ? spec->record->lock : -1};
    close_all_but(kept, ARRAY_LEN(kept));
    child_init(plan, command, output, pipes.report);
}
