#include "kube/credential_exec.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/file.h"
#include "os/process.h"

#define ANSWER_MAX ((size_t)1 << 20)
#define STDERR_MAX ((size_t)8192) // the end of it is kept
#define SHOWN_MAX  240            // and the end of that shown

struct stream {
    int fd;
    struct loop_io io;
    struct str text;
};

struct kube_plugin {
    struct loop *loop;
    const struct kube_exec *exec;
    pid_t pid;
    int pidfd; // -1 once it is reaped
    struct loop_io end;
    struct loop_timer deadline;
    struct stream output, complaint;
    bool late;
    kube_plugin_fn *done;
    void *arg;
};

// False at the end of the file, and when there is nothing to read now.
static bool take(struct stream *s)
{
    char buffer[4096];
    ssize_t n = read(s->fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR)
        return true;
    if (n <= 0) {
        if (n == 0)
            loop_io_stop(&s->io);
        return false;
    }
    if (s->text.maximum == STDERR_MAX && s->text.length + (size_t)n > STDERR_MAX)
        str_drop(&s->text, s->text.length + (size_t)n - STDERR_MAX);
    str_add(&s->text, buffer, (size_t)n);
    return true;
}

static void on_bytes(struct loop_io *io, uint32_t events)
{
    (void)events;
    take(io->arg);
}

// What it wrote to stderr, on one line.
static char *complaint_of(struct kube_plugin *p)
{
    const char *text = p->complaint.text.data;
    size_t length = p->complaint.text.length;
    while (length && strchr(" \t\r\n", text[length - 1]))
        length--;
    size_t skipped = length > SHOWN_MAX ? length - SHOWN_MAX : 0;
    while (skipped < length && ((unsigned char)text[skipped] & 0xc0) == 0x80)
        skipped++;
    char *shown = mem_strndup(text + skipped, length - skipped);
    for (char *c = shown; *c; c++)
        if (strchr("\t\r\n", *c))
            *c = ' ';
    text_make_printable(shown);
    return shown;
}

static int judge(struct kube_plugin *p, int status, struct kube_credential *ret, struct error *err)
{
    AUTO_FREE char *complaint = complaint_of(p);
    const char *colon = *complaint ? ": " : "";
    if (p->late) {
        int64_t ms = p->exec->timeout_ms ? p->exec->timeout_ms : KUBE_EXEC_TIMEOUT_MS;
        char limit[DURATION_TEXT_MAX];
        return error_set(err, ERR_TIMEOUT, "no answer within %s%s%s", duration_print(ms, limit),
            colon, complaint);
    }
    if (WIFSIGNALED(status))
        return error_set(
            err, ERR_FAILED, "ended by signal %d%s%s", WTERMSIG(status), colon, complaint);
    if (WEXITSTATUS(status) != 0)
        return error_set(err, ERR_FAILED, "exit %d%s%s", WEXITSTATUS(status), colon, complaint);
    if (p->output.text.overflow)
        return error_set(err, ERR_CONFIG, "it answered more than %zu bytes", ANSWER_MAX);
    if (kube_exec_answer(p->exec, p->output.text.data, p->output.text.length, ret, err) < 0) {
        if (*complaint)
            error_wrap(err, "(it wrote: %s)", complaint);
        return -1;
    }
    return 0;
}

// What it has left running may keep our pipes open: what is in them now is all.
static void on_end(struct loop_io *io, uint32_t events)
{
    (void)events;
    struct kube_plugin *p = io->arg;
    AUTO(kube_credential) struct kube_credential credential = {0};
    struct error err = {0};
    int status = 0;
    while (take(&p->output))
        ;
    while (take(&p->complaint))
        ;
    loop_io_stop(&p->end);
    process_reap(p->pidfd, &status, NULL);
    fd_reset(&p->pidfd);
    int judged = judge(p, status, &credential, &err);
    if (judged < 0)
        error_wrap(&err, "%s: the plugin %s", p->exec->place, path_base(p->exec->command));
    p->done(p->arg, judged < 0 ? NULL : &credential, judged < 0 ? &err : NULL);
}

static void kill_group(struct kube_plugin *p)
{
    kill(-p->pid, SIGKILL);
    kill(p->pid, SIGKILL); // were it not in its group yet
}

static void on_deadline(struct loop_timer *timer)
{
    struct kube_plugin *p = timer->arg;
    p->late = true;
    kill_group(p);
}

static bool is_overridden(const struct kube_exec *exec, const char *entry)
{
    size_t name = strcspn(entry, "=") + 1;
    if (strncmp(entry, "KUBERNETES_EXEC_INFO=", name) == 0)
        return true;
    strv_each (own, &exec->env)
        if (strncmp(*own, entry, name) == 0)
            return true;
    return false;
}

static void make_environment(
    const struct kube_exec *exec, const struct kube_cluster *cluster, struct strv *ret)
{
    for (char **entry = environ; entry && *entry; entry++)
        if (!is_overridden(exec, *entry))
            strv_push(ret, *entry);
    strv_copy(ret, &exec->env);
    AUTO_FREE char *info = kube_exec_info(exec, cluster);
    strv_pushf(ret, "KUBERNETES_EXEC_INFO=%s", info);
}

static int spawn(struct kube_plugin *p, const struct kube_cluster *cluster, int output,
    int complaint, struct error *err)
{
    const struct kube_exec *exec = p->exec;
    AUTO(strv) struct strv argv = {0}, environment = {0};
    strv_push(&argv, exec->command);
    strv_copy(&argv, &exec->args);
    make_environment(exec, cluster, &environment);
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, defaults;
    sigemptyset(&none);
    sigfillset(&defaults);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, output, 1);
    posix_spawn_file_actions_adddup2(&files, complaint, 2);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    int why = posix_spawnp(
        &p->pid, exec->command, &files, &attributes, strv_argv(&argv), strv_argv(&environment));
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    if (why == 0)
        return 0;
    p->pid = 0;
    const char *hint = exec->install_hint;
    AUTO_FREE char *shown = mem_printf("%s%.200s", hint ? "; " : "", hint ? hint : "");
    text_make_printable(shown);
    return error_set(err, ERR_CONFIG, "%s: the plugin \"%s\" cannot be started: %s%s", exec->place,
        exec->command, strerror(why), shown);
}

static int start(struct kube_plugin *p, const struct kube_cluster *cluster, struct error *err)
{
    int output[2] = {-1, -1}, complaint[2] = {-1, -1};
    int status = -1;
    if (fd_pipe(output, err) == 0 && fd_pipe(complaint, err) == 0)
        status = spawn(p, cluster, output[1], complaint[1], err);
    fd_close(output[1]);
    fd_close(complaint[1]);
    p->output.fd = output[0];
    p->complaint.fd = complaint[0];
    if (status < 0)
        return -1;
    p->pidfd = (int)syscall(SYS_pidfd_open, p->pid, 0);
    if (p->pidfd < 0) {
        error_errno(err, "pidfd_open %d", p->pid);
        kill_group(p);
        waitpid(p->pid, NULL, 0);
        return -1;
    }
    struct stream *streams[] = {&p->output, &p->complaint};
    for (size_t i = 0; i < ARRAY_LEN(streams); i++) {
        struct stream *s = streams[i];
        if (fd_set_nonblocking(s->fd, err) < 0 ||
            loop_io_start(p->loop, &s->io, s->fd, EPOLLIN, on_bytes, s, err) < 0)
            return -1;
    }
    return loop_io_start(p->loop, &p->end, p->pidfd, EPOLLIN, on_end, p, err);
}

struct kube_plugin *kube_plugin_start(struct loop *loop, const struct kube_exec *exec,
    const struct kube_cluster *cluster, kube_plugin_fn *done, void *arg, struct error *err)
{
    struct kube_plugin *p = mem_alloc(sizeof *p);
    *p = (struct kube_plugin){.loop = loop,
        .exec = exec,
        .pidfd = -1,
        .output.fd = -1,
        .complaint.fd = -1,
        .done = done,
        .arg = arg};
    str_init(&p->output.text, ANSWER_MAX);
    str_init(&p->complaint.text, STDERR_MAX);
    if (start(p, cluster, err) < 0) {
        kube_plugin_free(p);
        return NULL;
    }
    int64_t ms = exec->timeout_ms ? exec->timeout_ms : KUBE_EXEC_TIMEOUT_MS;
    loop_timer_start(loop, &p->deadline, clock_monotonic_ms() + ms, on_deadline, p);
    return p;
}

static void end_stream(struct stream *s)
{
    loop_io_stop(&s->io);
    fd_close(s->fd);
    if (s->text.data)
        explicit_bzero(s->text.data, s->text.length);
    str_done(&s->text);
}

void kube_plugin_free(struct kube_plugin *p)
{
    if (!p)
        return;
    loop_timer_stop(&p->deadline);
    loop_io_stop(&p->end);
    if (p->pidfd >= 0) {
        int status;
        kill_group(p);
        process_reap(p->pidfd, &status, NULL);
        fd_close(p->pidfd);
    }
    end_stream(&p->output);
    end_stream(&p->complaint);
    free(p);
}
