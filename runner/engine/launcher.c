#include "engine/launcher.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/fd.h"
#include "os/file.h"
#include "os/ipc.h"
#include "sandbox/spawn.h"

#define START_ATTEMPTS 3
#define AGENT_READY_MS 10000
#define AGENT_SOCKET   "agent.sock"

static const char *const names[PROGRAM_COUNT] = {
    "davit", "davit-git", "davit-image", "davit-deploy", "davit-agent"};

const char *program_name(enum program program)
{
    return names[program];
}

int launcher_init(
    struct launcher *l, struct loop *loop, const struct state *state, struct error *err)
{
    *l = (struct launcher){.loop = loop, .state = state};
    for (size_t i = 0; i < PROGRAM_COUNT; i++)
        l->programs[i] = -1;
    if (sandbox_host_read(&l->host, err) < 0)
        return -1;
    return state->dir >= 0 ? sandbox_host_group(&l->host, state->path, err) : 0;
}

void launcher_done(struct launcher *l)
{
    for (size_t i = 0; i < PROGRAM_COUNT; i++)
        fd_reset(&l->programs[i]);
    sandbox_host_done(&l->host);
}

void launcher_inherit_programs(struct launcher *l, int first)
{
    for (int i = 0; i < PROGRAM_COUNT; i++) {
        l->programs[i] = first + i;
        fcntl(first + i, F_SETFD, FD_CLOEXEC);
    }
}

static int open_program(enum program program, struct error *err)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0)
        return error_errno(err, "/proc/self/exe");
    self[n] = '\0';
    if (program == PROGRAM_DAVIT) {
        int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        return fd < 0 ? error_errno(err, "%s", self) : fd;
    }
    *strrchr(self, '/') = '\0';
    static const char *const places[] = {"", "/../libexec/davit"};
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        AUTO_FREE char *path = mem_printf("%s%s/%s", self, places[i], names[program]);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0)
            return fd;
    }
    return error_set(err, ERR_CONFIG, "%s is missing: it was looked for in %s and %s%s",
        names[program], self, self, places[1]);
}

int launcher_program(struct launcher *l, enum program program, struct error *err)
{
    if (l->programs[program] < 0)
        l->programs[program] = open_program(program, err);
    return l->programs[program];
}

int launcher_open_programs(struct launcher *l, struct error *err)
{
    for (size_t i = 0; i < PROGRAM_COUNT; i++)
        if (launcher_program(l, (enum program)i, err) < 0)
            return -1;
    return 0;
}

int launcher_make_owned(const struct launcher *l, const char *path, struct error *err)
{
    if (dir_make(AT_FDCWD, path, 0755, err) < 0)
        return -1;
    if (l->host.privileged && chown(path, SANDBOX_ID_BASE, SANDBOX_ID_BASE) < 0)
        return error_errno(err, "%s", path);
    return 0;
}

int launcher_start_agent(
    struct launcher *l, const char *app, int *ret_pidfd, int *ret_ready_fd, struct error *err)
{
    int program = launcher_program(l, PROGRAM_AGENT, err);
    int ready[2];
    if (program < 0 || fd_pipe(ready, err) < 0)
        return -1;
    AUTO(strv) struct strv argv = {0}, environment = {0};
    strv_push(&argv, names[PROGRAM_AGENT]);
    strv_push(&argv, l->state->path);
    strv_push(&argv, app);
    strv_push(&environment, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    const char *failpoints = getenv("DAVIT_FAILPOINT");
    if (failpoints)
        strv_pushf(&environment, "DAVIT_FAILPOINT=%s", failpoints);
    AUTO_FD int ready_fd = ready[0];
    struct sandbox_spec spec = {
        .name = app,
        .isolation = SANDBOX_NONE,
        .exec_fd = program,
        .argv = strv_argv(&argv),
        .environment = strv_argv(&environment),
        .extra_fds = &ready[1],
        .extra_fd_count = 1,
        .detached = true,
    };
    struct sandbox_child child;
    int status = sandbox_spawn(&spec, &l->host, &child, err);
    fd_close(ready[1]);
    if (status < 0)
        return -1;
    *ret_pidfd = take_fd(child.pidfd);
    *ret_ready_fd = take_fd(ready_fd);
    sandbox_release(&child);
    return 0;
}

static int start_and_wait(struct launcher *l, const char *app, struct error *err)
{
    AUTO_FD int pidfd = -1;
    AUTO_FD int ready_fd = -1;
    char byte;
    if (launcher_start_agent(l, app, &pidfd, &ready_fd, err) < 0)
        return -1;
    struct pollfd poller = {.fd = ready_fd, .events = POLLIN};
    if (poll(&poller, 1, AGENT_READY_MS) <= 0)
        return error_set(err, ERR_TIMEOUT, "the agent of %s does not answer", app);
    if (read(ready_fd, &byte, 1) != 1)
        return error_set(err, ERR_SYSTEM,
            "the agent of %s ended at its start; its log is %s/apps/%s/agent.log", app,
            l->state->path, app);
    return 0;
}

int launcher_connect_agent(
    struct launcher *l, const char *app, enum agent_start start, struct error *err)
{
    if (!path_component_ok(app))
        return error_set(err, ERR_USAGE, "\"%s\" is not an app's name", app);
    AUTO_FREE char *path = mem_printf("apps/%s", app);
    if (start == AGENT_CREATE && dir_make(l->state->dir, path, 0711, err) < 0)
        return -1;
    AUTO_FD int dir = dir_open(l->state->dir, path, err);
    if (dir < 0) {
        if (err && err->kind == ERR_NOT_FOUND)
            error_set(err, ERR_NOT_FOUND, "no app \"%s\" was deployed on this host", app);
        return -1;
    }
    struct error why = {0};
    int fd = ipc_connect(dir, AGENT_SOCKET, &why);
    // An agent that is about to die may still have been met by the one that was started.
    for (int i = 0; i < START_ATTEMPTS && start != AGENT_CONNECT; i++) {
        if (fd >= 0 || why.kind != ERR_NOT_FOUND)
            break;
        if (start_and_wait(l, app, err) < 0)
            return -1;
        fd = ipc_connect(dir, AGENT_SOCKET, &why);
    }
    if (fd < 0) {
        if (err)
            *err = why;
        return error_wrap(err, "the agent of %s", app);
    }
    return fd;
}
