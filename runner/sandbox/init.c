// PID 1 of a sandbox: a few kilobytes of our own code between the launcher and foreign processes.
// It parses nothing.
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/fd.h"
#include "os/file.h"
#include "sandbox/child.h"

struct init {
    const struct sandbox_record *record; // NULL: output is the parent's business
    int output, log, report;
    uint64_t log_size;
    pid_t command;
};

// Keeps CAP_KILL (a USER of an image has another id) and nothing else.
static void drop_to_kill(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    uint32_t keep = 1U << CAP_KILL;
    struct __user_cap_data_struct data[2] = {{.effective = keep, .permitted = keep}};
    syscall(SYS_capset, &header, data);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static void open_log(struct init *init)
{
    struct stat st;
    init->log = openat(init->record->directory, init->record->log,
        O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
    init->log_size = init->log >= 0 && fstat(init->log, &st) == 0 ? (uint64_t)st.st_size : 0;
}

// The log of an instance never grows past twice its maximum: it becomes NAME.1 and a new one
// begins.
static void rotate_log(struct init *init)
{
    AUTO_FREE char *old = mem_printf("%s.1", init->record->log);
    renameat(init->record->directory, init->record->log, init->record->directory, old);
    fd_close(init->log);
    open_log(init);
}

// Moves what the command wrote into the log. False at the end of the output. A full disk loses log,
// not the app.
static bool copy_output(struct init *init)
{
    char buffer[65536];
    ssize_t n = read(init->output, buffer, sizeof buffer);
    if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
        return false;
    if (n > 0) {
        if (init->log_size + (uint64_t)n > init->record->log_max)
            rotate_log(init);
        if (init->log >= 0 && fd_write_all(init->log, buffer, (size_t)n, NULL) == 0)
            init->log_size += (uint64_t)n;
    }
    return true;
}

static void write_exit_record(const struct init *init, int status)
{
    AUTO_FREE char *text = WIFEXITED(status) ? mem_printf("exit %d\n", WEXITSTATUS(status))
                                             : mem_printf("signal %d\n", WTERMSIG(status));
    file_replace(init->record->directory, init->record->exit, 0640, text, strlen(text), NULL);
}

// The command is gone: say so and end, which ends everything else in the namespace. What it left in
// the pipe is read first; a background child that still holds the pipe is not waited for.
static _Noreturn void finish(struct init *init, int status)
{
    if (init->record) {
        fcntl(init->output, F_SETFL, O_NONBLOCK);
        while (poll(&(struct pollfd){.fd = init->output, .events = POLLIN}, 1, 0) > 0 &&
               copy_output(init))
            ;
        write_exit_record(init, status);
    }
    struct child_message message = {.report = CHILD_ENDED, .status = status};
    if (write(init->report, &message, sizeof message) < 0)
        _exit(0); // nobody listens: the exit record says it
    _exit(0);
}

static void reap(struct init *init)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        if (pid == init->command)
            finish(init, status);
}

static void handle_signal(struct init *init, int signals)
{
    struct signalfd_siginfo info;
    if (read(signals, &info, sizeof info) != sizeof info)
        return;
    if (info.ssi_signo == SIGCHLD)
        reap(init);
    else
        kill(-1, (int)info.ssi_signo);
}

_Noreturn void child_init(const struct sandbox_plan *plan, pid_t command, int output, int report)
{
    struct init init = {.record = plan->spec->record,
        .output = output,
        .log = -1,
        .report = report,
        .command = command};
    sigset_t all;
    sigfillset(&all);
    sigdelset(&all, SIGPIPE); // ignored, not passed on: it is ours, of a parent that has gone
    sigprocmask(SIG_SETMASK, &all, NULL);
    int signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
    if (init.record)
        open_log(&init);
    drop_to_kill();
    reap(&init); // it may have ended before the signals were ours
    struct pollfd sources[] = {{.fd = signals, .events = POLLIN}, {.fd = output, .events = POLLIN}};
    for (;;) {
        if (poll(sources, 2, -1) < 0)
            continue;
        if (sources[1].revents && !copy_output(&init))
            sources[1].fd = -1; // closed by the command, which may well run on
        if (sources[0].revents)
            handle_signal(&init, signals);
    }
}
