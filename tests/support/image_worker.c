#include "support/image_worker.h"

#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "codec/role.h"
#include "os/fd.h"
#include "os/file.h"
#include "support/check.h"
#include "support/image_run.h"

struct run {
    struct image_worker *worker;
    struct loop *loop;
    struct value *job, *end;
};

void image_worker_init(struct image_worker *w)
{
    *w = (struct image_worker){.directory = mem_strdup("/tmp/davit-test-XXXXXX")};
    assert_non_null(mkdtemp(w->directory));
    w->store = path_join(w->directory, "store");
    w->context = path_join(w->directory, "context");
    check_ok(dir_make(AT_FDCWD, w->context, 0755, &err));
    str_init(&w->log, 16 << 20);
}

void image_worker_done(struct image_worker *w)
{
    check_ok(dir_remove_tree(AT_FDCWD, w->directory, &err));
    free(w->directory);
    free(w->store);
    free(w->context);
    value_free(w->credentials);
    value_free(w->last_spawn);
    str_done(&w->log);
}

void image_worker_file(struct image_worker *w, const char *path, mode_t mode, const char *text)
{
    AUTO_FREE char *full = *path == '/' ? mem_strdup(path) : path_join(w->context, path);
    AUTO_FREE char *parent = mem_strndup(full, (size_t)(path_base(full) - full));
    check_ok(dir_make(AT_FDCWD, parent, 0755, &err));
    check_ok(file_replace(AT_FDCWD, full, mode, text, strlen(text), &err));
}

void image_worker_busybox(struct image_worker *w, const char *path)
{
    static const char *const names[] = {"sh", "cat", "echo", "mkdir", "rm", "ln", "id", "ls", "env",
        "touch", "chmod", "mv", "pwd", "test"};
    AUTO_FREE char *bin = mem_printf("%s/%s/bin", w->context, path);
    AUTO_FREE char *passwd = mem_printf("%s/etc/passwd", path);
    AUTO_FREE char *group = mem_printf("%s/etc/group", path);
    AUTO_FREE char *copy = mem_printf("cp /bin/busybox %s/busybox", bin);
    check_ok(dir_make(AT_FDCWD, bin, 0755, &err));
    assert_int_equal(system(copy), 0);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        AUTO_FREE char *link = path_join(bin, names[i]);
        assert_int_equal(symlink("busybox", link), 0);
    }
    image_worker_file(
        w, passwd, 0644, "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001:App:/home/app:/bin/sh\n");
    image_worker_file(w, group, 0644, "root:x:0:\nstaff:x:50:\napp:x:1001:\n");
}

static void on_job(struct rpc *rpc, int64_t id, struct value *params, struct ipc_fds *fds)
{
    (void)params, (void)fds;
    struct run *run = rpc_arg(rpc);
    rpc_reply(rpc, id, value_copy(run->job), NULL, 0);
}

static void on_log(struct rpc *rpc, int64_t id, struct value *params, struct ipc_fds *fds)
{
    (void)fds;
    struct run *run = rpc_arg(rpc);
    str_printf(&run->worker->log, "%s\n", value_get_str(params, "line"));
    rpc_reply(rpc, id, NULL, NULL, 0);
}

static void on_done(struct rpc *rpc, int64_t id, struct value *params, struct ipc_fds *fds)
{
    (void)fds;
    struct run *run = rpc_arg(rpc);
    run->end = value_copy(params);
    rpc_reply(rpc, id, NULL, NULL, 0);
}

static void on_credentials(struct rpc *rpc, int64_t id, struct value *params, struct ipc_fds *fds)
{
    (void)fds;
    struct run *run = rpc_arg(rpc);
    const struct value *found =
        value_get(run->worker->credentials, value_get_str(params, "registry"));
    rpc_reply(rpc, id, found ? value_copy(found) : NULL, NULL, 0);
}

static void on_spawn(struct rpc *rpc, int64_t id, struct value *params, struct ipc_fds *fds)
{
    (void)fds;
    struct image_worker *w = ((struct run *)rpc_arg(rpc))->worker;
    w->spawned++;
    value_free(w->last_spawn);
    w->last_spawn = value_copy(params);
    int status = image_run(w->store, params, &w->log);
    struct value *answer = value_map();
    if (WIFSIGNALED(status))
        value_set_int(answer, "signal", WTERMSIG(status));
    else
        value_set_int(answer, "exit", WEXITSTATUS(status));
    rpc_reply(rpc, id, answer, NULL, 0);
}

static void on_closed(struct rpc *rpc, const struct error *why)
{
    (void)why;
    struct run *run = rpc_arg(rpc);
    loop_stop(run->loop);
}

static pid_t start_role(int fd, const char *failpoint)
{
    char self[4096] = {0};
    assert_true(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    AUTO_FREE char *program = path_join(dirname(self), "davit-image");
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (failpoint)
        setenv("DAVIT_FAILPOINT", failpoint, 1);
    if (fd == ROLE_SOCKET_FD)
        fcntl(fd, F_SETFD, 0);
    else
        dup2(fd, ROLE_SOCKET_FD);
    execl(program, "davit-image", NULL);
    _exit(127);
}

struct value *image_worker_job(struct image_worker *w, struct value *job, struct error *err)
{
    static const struct rpc_method methods[] = {{"job", 1, on_job}, {"log", 1, on_log},
        {"done", 1, on_done}, {"credentials", 1, on_credentials}, {"spawn", 1, on_spawn}, {0}};
    struct run run = {.worker = w, .job = job, .loop = loop_new(err)};
    int pair[2], status;
    value_set_str(job, "store", w->store);
    value_set_str(job, "context", w->context);
    if (ipc_pair(pair, err) < 0)
        fail_msg("socketpair");
    pid_t pid = start_role(pair[1], w->failpoint);
    close(pair[1]);
    struct rpc *rpc = rpc_serve(run.loop, pair[0], methods, 1, on_closed, &run, err);
    assert_non_null(rpc);
    assert_int_equal(loop_run(run.loop, err), 0);
    rpc_free(rpc);
    loop_free(run.loop);
    value_free(job);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (w->failpoint && WIFSIGNALED(status)) {
        error_set(err, ERR_CANCELLED, "killed at %s", w->failpoint);
        return NULL;
    }
    if (!WIFEXITED(status) || !run.end)
        fail_msg("davit-image died: status %x, log: %s", (unsigned)status, w->log.data);
    struct value *result = value_get(run.end, "result");
    if (result)
        value_share(result);
    else
        error_from_value(value_get(run.end, "error"), err);
    value_free(run.end);
    return result;
}

struct value *image_worker_build(
    struct image_worker *w, const char *dockerfile, const char *tag, struct error *err)
{
    struct value *job = value_map(), *tags = value_list();
    image_worker_file(w, "Dockerfile", 0644, dockerfile);
    value_set_str(job, "op", "build");
    if (tag)
        value_append_str(tags, tag);
    value_set(job, "tags", tags);
    return image_worker_job(w, job, err);
}
