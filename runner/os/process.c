#include "os/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"
#include "os/fd.h"

void process_done(struct process *p)
{
    if (p->pid)
        fd_close(p->pidfd);
    *p = PROCESS_NONE;
}

int process_start_time(pid_t pid, uint64_t *ret, struct error *err)
{
    AUTO_FREE char *path = mem_printf("/proc/%d/stat", pid);
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_errno(err, "%s", path);
    char text[1024];
    ssize_t n = read(fd, text, sizeof text - 1);
    if (n <= 0)
        return error_errno(err, "%s", path);
    text[n] = '\0';
    // The second field is the command in parentheses and may hold anything, so count from the last
    // ')'.
    char *p = strrchr(text, ')');
    for (int field = 2; p && field < 22; field++)
        p = strchr(p + 1, ' ');
    if (!p)
        return error_set(err, ERR_PROTOCOL, "%s: not as in proc(5)", path);
    *ret = strtoull(p + 1, NULL, 10);
    return 0;
}

int process_ended(const struct process *p)
{
    struct pollfd poller = {.fd = p->pidfd, .events = POLLIN};
    return poll(&poller, 1, 0) > 0;
}

int process_find(pid_t pid, uint64_t start_time, struct process *ret, struct error *err)
{
    if (pid <= 0)
        return 0;
    // First the handle, then the check: what the handle names cannot change any more.
    struct process found = {.pid = pid, .pidfd = (int)syscall(SYS_pidfd_open, pid, 0)};
    if (found.pidfd < 0)
        return errno == ESRCH ? 0 : error_errno(err, "pidfd_open %d", pid);
    if (process_start_time(pid, &found.start_time, NULL) < 0 || found.start_time != start_time ||
        process_ended(&found)) {
        process_done(&found);
        return 0;
    }
    *ret = found;
    return 1;
}

int process_signal(const struct process *p, int signal, struct error *err)
{
    if (syscall(SYS_pidfd_send_signal, p->pidfd, signal, NULL, 0) < 0 && errno != ESRCH)
        return error_errno(err, "signal %d to process %d", signal, p->pid);
    return 0;
}

static bool namespace_of(const char *pid, char *ret, size_t size)
{
    AUTO_FREE char *path = mem_printf("/proc/%s/ns/pid", pid);
    ssize_t n = readlink(path, ret, size - 1);
    if (n < 0)
        return false;
    ret[n] = '\0';
    return true;
}

void process_list_namespace(pid_t init, struct pids *out)
{
    char wanted[64], own[64], name[16];
    snprintf(name, sizeof name, "%d", init);
    DIR *proc = namespace_of(name, wanted, sizeof wanted) ? opendir("/proc") : NULL;
    for (struct dirent *entry; proc && (entry = readdir(proc));) {
        int64_t pid;
        if (int_parse(entry->d_name, 1, INT_MAX, &pid) &&
            namespace_of(entry->d_name, own, sizeof own) && strcmp(own, wanted) == 0)
            vec_push(&out->items, (pid_t)pid);
    }
    if (proc)
        closedir(proc);
}

int process_reap(int pidfd, int *ret_status, struct error *err)
{
    siginfo_t info;
    int status;
    do
        status = waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED);
    while (status < 0 && errno == EINTR);
    if (status < 0)
        return error_errno(err, "waitid");
    *ret_status =
        info.si_code == CLD_EXITED ? W_EXITCODE(info.si_status, 0) : W_EXITCODE(0, info.si_status);
    return 0;
}

void process_harden(void)
{
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
}
