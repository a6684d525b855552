#include "sandbox/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/fd.h"
#include "os/process.h"
#include "sandbox/child.h"
#include "sandbox/prepare.h"

static int write_id_map(pid_t pid, const char *file, struct error *err)
{
    char path[64], map[64];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
    int length = snprintf(map, sizeof map, "0 %u %u\n", SANDBOX_ID_BASE, SANDBOX_ID_COUNT);
    AUTO_FD int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, map, (size_t)length) < 0)
        return error_errno(err, "%s", path);
    return 0;
}

// clone3 as fork: the child returns 0 with a copy of everything, in its new namespaces and cgroup.
static pid_t clone_child(const struct sandbox_plan *plan, int cgroup_fd, int *ret_pidfd)
{
    struct clone_args args = {
        .flags = plan->namespaces | CLONE_PIDFD,
        .pidfd = (uint64_t)(uintptr_t)ret_pidfd,
        .exit_signal = SIGCHLD,
    };
    if (cgroup_fd >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (unsigned)cgroup_fd;
    }
    return (pid_t)syscall(SYS_clone3, &args, sizeof args);
}

// The parent's part between the clone and the child's first step of its own.
static int admit(
    const struct sandbox_plan *plan, struct sandbox_child *child, int go_fd, struct error *err)
{
    if (plan->privileged && plan->namespaces &&
        (write_id_map(child->pid, "uid_map", err) < 0 ||
            write_id_map(child->pid, "gid_map", err) < 0))
        return -1;
    if (cgroup_join(&child->cgroup, child->pid, err) < 0)
        return -1;
    if (plan->namespaces && plan->spec->network == SANDBOX_NETWORK_EGRESS &&
        network_helper_start(child->pid, &child->network, err) < 0)
        return -1;
    return fd_write_all(go_fd, "", 1, err);
}

static int launch(struct sandbox_plan *plan, struct sandbox_child *child, struct error *err)
{
    int report[2], go[2];
    if (fd_pipe(report, err) < 0)
        return -1;
    if (fd_pipe(go, err) < 0) {
        fd_close(report[0]);
        fd_close(report[1]);
        return -1;
    }
    // Init must not lose a signal that comes before it is ready for it.
    sigset_t all, old;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &old);
    child->pid = clone_child(plan, child->cgroup.fd, &child->pidfd);
    if (child->pid == 0) {
        close(report[0]);
        close(go[1]);
        child_main(plan, (struct child_pipes){.report = report[1], .go = go[0]});
    }
    int saved = errno;
    sigprocmask(SIG_SETMASK, &old, NULL);
    close(report[1]);
    // Our copy of the end to read stays until we have written: a child that has died meanwhile is
    // told by its report, not by a SIGPIPE.
    AUTO_FD int go_read = go[0];
    AUTO_FD int go_fd = go[1];
    child->report_fd = report[0];
    errno = saved;
    if (child->pid < 0)
        return error_errno(err, "clone3");
    return admit(plan, child, go_fd, err);
}

static int check_spec(
    const struct sandbox_spec *spec, const struct sandbox_host *host, struct error *err)
{
    if (host->privileged || spec->isolation == SANDBOX_NONE)
        return 0;
    if (spec->root == SANDBOX_ROOT_LAYERS)
        return error_set(err, ERR_UNSUPPORTED, "an image as root needs davit to run as root (yet)");
    if (spec->network == SANDBOX_NETWORK_EGRESS)
        return error_set(err, ERR_UNSUPPORTED,
            "`network: egress` needs davit to run as root (yet); `network: host` works without");
    if (spec->limits.memory || spec->limits.cpu_percent)
        return error_set(err, ERR_UNSUPPORTED,
            "limits of memory and CPU need davit to run as root (yet); `processes` works without");
    return 0;
}

int sandbox_spawn(const struct sandbox_spec *spec, const struct sandbox_host *host,
    struct sandbox_child *ret, struct error *err)
{
    AUTO(sandbox_plan) struct sandbox_plan plan = {0};
    struct sandbox_child child = SANDBOX_CHILD_NONE;
    if (check_spec(spec, host, err) < 0)
        return error_wrap(err, "%s", spec->name);
    sandbox_plan_make(spec, host, &plan);
    int status = host->privileged ? sandbox_prepare(&plan, err) : 0;
    if (status == 0)
        status = cgroup_make(spec, host, &child.cgroup, err);
    if (status == 0)
        status = launch(&plan, &child, err);
    sandbox_prepare_done(&plan);
    if (status < 0) {
        error_wrap(err, "%s: sandbox", spec->name);
        sandbox_kill(&child);
        sandbox_reap(&child);
        return -1;
    }
    *ret = child;
    return 0;
}

enum sandbox_state sandbox_report(struct sandbox_child *child, int *ret_status, struct error *err)
{
    struct child_message message;
    ssize_t n;
    do
        n = read(child->report_fd, &message, sizeof message);
    while (n < 0 && errno == EINTR);
    if (n != sizeof message)
        return SANDBOX_LOST;
    switch (message.report) {
    case CHILD_STARTED:
        return SANDBOX_STARTED;
    case CHILD_FAILED:
        if (err)
            *err = message.err;
        return SANDBOX_FAILED;
    case CHILD_ENDED:
        *ret_status = message.status;
        return SANDBOX_ENDED;
    }
    return SANDBOX_LOST;
}

static struct process init_of(const struct sandbox_child *child)
{
    return (struct process){.pid = child->pid, .pidfd = child->pidfd};
}

int sandbox_signal(const struct sandbox_child *child, int signal, struct error *err)
{
    struct process init = init_of(child);
    return process_signal(&init, signal, err);
}

void sandbox_kill(const struct sandbox_child *child)
{
    if (child->pidfd < 0)
        return;
    cgroup_kill(&child->cgroup);
    sandbox_signal(child, SIGKILL, NULL);
}

void sandbox_release(struct sandbox_child *child)
{
    fd_close(child->pidfd);
    fd_close(child->report_fd);
    *child = SANDBOX_CHILD_NONE;
}

void sandbox_reap(struct sandbox_child *child)
{
    int status;
    if (child->pidfd >= 0)
        process_reap(child->pidfd, &status, NULL);
    network_helper_stop(&child->network);
    cgroup_remove(&child->cgroup);
    sandbox_release(child);
}

int sandbox_find(int lock, struct process *ret, struct error *err)
{
    struct flock held = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(lock, F_GETLK, &held) < 0)
        return error_errno(err, "asking who holds a lock");
    uint64_t start;
    if (held.l_type == F_UNLCK || process_start_time(held.l_pid, &start, NULL) < 0)
        return 0; // or gone between the two questions
    return process_find(held.l_pid, start, ret, err);
}

int sandbox_wait(struct sandbox_child *child, int *ret_status, struct error *err)
{
    enum sandbox_state state;
    do
        state = sandbox_report(child, ret_status, err);
    while (state == SANDBOX_STARTED);
    if (state == SANDBOX_LOST) {
        int status;
        process_reap(child->pidfd, &status, NULL);
        *ret_status = status;
        fd_reset(&child->pidfd);
    }
    sandbox_reap(child);
    return state == SANDBOX_FAILED ? -1 : 0;
}
