#include "sandbox/network.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/memory.h"
#include "os/fd.h"
#include "os/process.h"

#define HELPER   "/usr/bin/slirp4netns"
#define READY_MS 10000

// slirp4netns rather than pasta: it ends by itself when its exit descriptor closes, so that it
// cannot outlive a killed worker, and Debian 12's pasta can do that neither by descriptor nor by
// namespace.
//
// Its own sandbox ends all mounts that it sees, and on what is a shared mount of this host (ip
// netns makes /run/netns one) they would end here, too. Without privileges the kernel sees to that.
static _Noreturn void execute(pid_t pid, int ready_fd, int exit_fd)
{
    if (unshare(CLONE_NEWNS) == 0)
        mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL);
    char ready[16], exit_text[16], pid_text[16];
    snprintf(ready, sizeof ready, "%d", 3);
    snprintf(exit_text, sizeof exit_text, "%d", 4);
    snprintf(pid_text, sizeof pid_text, "%d", pid);
    int ready_copy = fcntl(ready_fd, F_DUPFD_CLOEXEC, 100);
    int exit_copy = fcntl(exit_fd, F_DUPFD_CLOEXEC, 100);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    dup2(null, 0);
    dup2(null, 1);
    dup2(null, 2);
    dup2(ready_copy, 3);
    dup2(exit_copy, 4);
    close_range(5, ~0U, 0);
    setsid();
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    char *const argv[] = {(char[]){"slirp4netns"}, (char[]){"--configure"}, (char[]){"--mtu=65520"},
        (char[]){"--disable-host-loopback"}, (char[]){"--enable-sandbox"},
        (char[]){"--enable-seccomp"}, (char[]){"--ready-fd"}, ready, (char[]){"--exit-fd"},
        exit_text, pid_text, (char[]){"tap0"}, NULL};
    char *const environment[] = {(char[]){"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}, NULL};
    execve(HELPER, argv, environment);
    _exit(127);
}

int network_helper_start(pid_t pid, struct network_helper *ret, struct error *err)
{
    int ready[2] = {-1, -1}, end[2] = {-1, -1};
    if (access(HELPER, X_OK) < 0)
        return error_set(err, ERR_UNSUPPORTED,
            "`network: egress` needs %s, which is not here: install the package slirp4netns",
            HELPER);
    if (fd_pipe(ready, err) < 0 || fd_pipe(end, err) < 0) {
        fd_close(ready[0]);
        fd_close(ready[1]);
        return -1;
    }
    pid_t helper = fork();
    if (helper == 0)
        execute(pid, ready[1], end[0]);
    int saved = errno;
    close(ready[1]);
    close(end[0]);
    AUTO_FD int ready_fd = ready[0];
    struct network_helper started = {-1, end[1]};
    errno = saved;
    if (helper < 0 || (started.pidfd = (int)syscall(SYS_pidfd_open, helper, 0)) < 0) {
        error_errno(err, "starting %s", HELPER);
        fd_close(end[1]);
        return -1;
    }
    char byte;
    struct pollfd poller = {.fd = ready_fd, .events = POLLIN};
    if (poll(&poller, 1, READY_MS) <= 0 || read(ready_fd, &byte, 1) != 1) {
        network_helper_stop(&started);
        return error_set(err, ERR_SYSTEM,
            "%s could not give the sandbox a network (is /dev/net/tun there?)", HELPER);
    }
    *ret = started;
    return 0;
}

void network_helper_stop(struct network_helper *helper)
{
    fd_close(helper->exit_fd);
    if (helper->pidfd >= 0) {
        int status;
        syscall(SYS_pidfd_send_signal, helper->pidfd, SIGKILL, NULL, 0);
        process_reap(helper->pidfd, &status, NULL);
        close(helper->pidfd);
    }
    *helper = NETWORK_HELPER_NONE;
}
