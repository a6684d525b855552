#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/fd.h"
#include "sandbox/prepare.h"

struct known {
    uid_t uid;
    gid_t gid;
    int fd;
};

static int write_map(pid_t pid, const char *file, unsigned id, struct error *err)
{
    AUTO_FREE char *path = mem_printf("/proc/%d/%s", pid, file);
    AUTO_FREE char *map = mem_printf("%u %u %u\n", id, SANDBOX_ID_BASE, id ? 1 : SANDBOX_ID_COUNT);
    AUTO_FD int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, map, strlen(map)) < 0)
        return error_errno(err, "%s", path);
    return 0;
}

// A user namespace needs a process to be born with; that one does nothing and is gone when this
// returns.
static int make_namespace(uid_t uid, gid_t gid, struct error *err)
{
    pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);
    if (pid < 0)
        return error_errno(err, "clone");
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        for (;;)
            pause();
    }
    AUTO_FREE char *path = mem_printf("/proc/%d/ns/user", pid);
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    int status = fd < 0 ? error_errno(err, "%s", path) : 0;
    if (status == 0)
        status = write_map(pid, "uid_map", uid, err);
    if (status == 0)
        status = write_map(pid, "gid_map", gid, err);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return status < 0 ? -1 : take_fd(fd);
}

int sandbox_idmap(uid_t uid, gid_t gid, struct error *err)
{
    static VEC(struct known)
        namespaces; // one per owner of a checkout: a handful in a process's life
    vec_each (known, &namespaces)
        if (known->uid == uid && known->gid == gid)
            return known->fd;
    int fd = make_namespace(uid, gid, err);
    if (fd >= 0)
        vec_push(&namespaces, ((struct known){.uid = uid, .gid = gid, .fd = fd}));
    return fd;
}
