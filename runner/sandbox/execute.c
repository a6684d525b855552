// The last steps before the user's command: everything that a process carries across execve is made
// what the spec says.
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/fd.h"
#include "sandbox/child.h"
#include "sandbox/seccomp.h"

#define SOCKET_FD          3 // ROLE_SOCKET_FD, codec/role.h
#define DEFAULT_PROCESSES  4096
#define DEFAULT_OPEN_FILES 1024

static int place_descriptors(const struct sandbox_spec *spec, bool keep_output, struct error *err)
{
    AUTO_FD int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        return error_errno(err, "/dev/null");
    // Copies above all targets first, so that placing one never overwrites the source of another.
    int wanted[16] = {spec->stdin_fd, spec->stdout_fd, spec->stderr_fd, spec->socket_fd};
    size_t count = SOCKET_FD + 1;
    for (size_t i = 0; i < spec->extra_fd_count && count < ARRAY_LEN(wanted); i++)
        wanted[count++] = spec->extra_fds[i];
    for (size_t i = 0; i < count; i++) {
        int source = wanted[i] > 0 ? wanted[i] : i < SOCKET_FD ? null : -1;
        wanted[i] = source < 0 ? -1 : fcntl(source, F_DUPFD_CLOEXEC, 100);
        if (source >= 0 && wanted[i] < 0)
            return error_errno(err, "descriptor %zu", i);
    }
    for (size_t i = 0; i < count; i++) {
        bool kept = keep_output && (i == STDOUT_FILENO || i == STDERR_FILENO);
        if (wanted[i] >= 0 && !kept && dup2(wanted[i], (int)i) < 0)
            return error_errno(err, "descriptor %zu", i);
    }
    // Everything else, wherever it came from, ends at execve.
    if ((wanted[SOCKET_FD] < 0 && close_range(SOCKET_FD, SOCKET_FD, CLOSE_RANGE_CLOEXEC) < 0) ||
        close_range((unsigned)count, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
        return error_errno(err, "close_range");
    return 0;
}

static int set_limits(const struct sandbox_spec *spec, struct error *err)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        return error_errno(err, "getrlimit");
    rlim_t soft = spec->limits.open_files ? spec->limits.open_files : DEFAULT_OPEN_FILES;
    files.rlim_cur = soft < files.rlim_max ? soft : files.rlim_max;
    rlim_t processes = spec->limits.processes ? spec->limits.processes : DEFAULT_PROCESSES;
    // Counted per user namespace and id: what other sandboxes run does not count here.
    struct rlimit forks = {processes, processes}, core = {0, 0};
    if (setrlimit(RLIMIT_NOFILE, &files) < 0 || setrlimit(RLIMIT_NPROC, &forks) < 0 ||
        setrlimit(RLIMIT_CORE, &core) < 0)
        return error_errno(err, "setrlimit");
    return 0;
}

// What no process in the sandbox can ever have, by whatever file it executes.
static int bound_capabilities(sandbox_caps keep, struct error *err)
{
    for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
        if (!(keep & SANDBOX_CAP(cap)) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 &&
            errno != EINVAL) // a capability newer than this kernel
            return error_errno(err, "dropping capability %d", cap);
    return 0;
}

static int set_capabilities(sandbox_caps caps, struct error *err)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {
        {.effective = (uint32_t)caps, .permitted = (uint32_t)caps},
        {.effective = (uint32_t)(caps >> 32), .permitted = (uint32_t)(caps >> 32)},
    };
    if (syscall(SYS_capset, &header, data) < 0)
        return error_errno(err, "capset");
    return 0;
}

static int change_ids(const struct sandbox_plan *plan, struct error *err)
{
    const struct sandbox_spec *spec = plan->spec;
    if (!plan->privileged)
        return 0; // one id only, and it is ours
    if (setgroups(0, NULL) < 0 || setresgid(spec->gid, spec->gid, spec->gid) < 0 ||
        setresuid(spec->uid, spec->uid, spec->uid) < 0)
        return error_errno(err, "becoming %u:%u", spec->uid, spec->gid);
    return 0;
}

static int confine(const struct sandbox_plan *plan, struct error *err)
{
    const struct sandbox_spec *spec = plan->spec;
    if (chdir(spec->directory ? spec->directory : "/") < 0)
        return error_errno(err, "%s", spec->directory);
    // A uid other than 0 keeps none, as everywhere.
    if (bound_capabilities(spec->caps, err) < 0 || change_ids(plan, err) < 0 ||
        set_capabilities(spec->uid == 0 ? spec->caps : 0, err) < 0)
        return -1;
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return seccomp_install(err);
}

static void unblock_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (int s = 1; s < NSIG; s++)
        signal(s, SIG_DFL);
}

void child_execute(const struct sandbox_plan *plan, struct error *err)
{
    static char *const nothing[] = {NULL};
    const struct sandbox_spec *spec = plan->spec;
    char *const *environment = spec->environment ? spec->environment : nothing;
    int exec_fd = -1;
    if (spec->exec_fd > 0 && (exec_fd = fcntl(spec->exec_fd, F_DUPFD_CLOEXEC, 100)) < 0) {
        error_errno(err, "descriptor of the program");
        return;
    }
    setsid();
    if (place_descriptors(spec, spec->record != NULL, err) < 0)
        return;
    if (spec->isolation == SANDBOX_FULL && (set_limits(spec, err) < 0 || confine(plan, err) < 0))
        return;
    unblock_signals();
    if (exec_fd >= 0) {
        syscall(SYS_execveat, exec_fd, "", spec->argv, environment, AT_EMPTY_PATH);
        error_errno(err, "%s", spec->argv[0]);
        return;
    }
    errno = ENOENT;
    int worst = ENOENT;
    strv_each (path, &plan->executables) {
        execve(*path, spec->argv, environment);
        if (errno != ENOENT && errno != ENOTDIR)
            worst = errno;
    }
    errno = worst;
    error_errno(err, "%s", spec->argv[0]);
    if (worst == ENOENT)
        err->kind = ERR_NOT_FOUND;
}
