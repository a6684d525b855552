// The attack rows, judged from outside the sandbox, each with its positive control: the same
// payload unconfined succeeds.
#include "support/check.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <poll.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "codec/digest.h"
#include "os/fd.h"
#include "os/file.h"
#include "os/process.h"
#include "sandbox/seccomp.h"
#include "support/payload.h"

#define DIRECTORY "/tmp/davit-attack-XXXXXX"

// --- payloads ---

// Row 1: uses whatever descriptor it finds.
static int leak(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    for (int fd = 3; fd < 500; fd++) {
        struct stat st;
        if (fstat(fd, &st) < 0)
            continue;
        if (S_ISREG(st.st_mode) && write(fd, "stolen", 6) == 6)
            printf("wrote to %d\n", fd);
        char path[64];
        snprintf(path, sizeof path, "/proc/self/fd/%d/canary", fd);
        int through = open(path, O_WRONLY);
        if (through >= 0 && write(through, "stolen", 6) == 6)
            printf("wrote through directory %d\n", fd);
    }
    return 0;
}

// Row 10: types a command into the terminal on descriptor 0; with the request's upper bits set,
// too.
static int type_into_terminal(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    setsid();
    ioctl(0, TIOCSCTTY, 1);
    for (const char *p = "id>canary\n"; *p; p++)
        syscall(SYS_ioctl, 0, 0xdeadbeef00000000UL | TIOCSTI, p);
    return 0;
}

static long try_unshare(void)
{
    return unshare(CLONE_NEWUSER);
}

static long try_clone_user(void)
{
    long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0)
        _exit(0);
    return pid;
}

static long try_keyctl(void)
{
    return syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 1);
}

static long try_io_uring(void)
{
    struct io_uring_params params = {0};
    return syscall(SYS_io_uring_setup, 1, &params);
}

static long try_bpf(void)
{
    // BPF_MAP_CREATE of an array with one element.
    struct {
        unsigned type, key_size, value_size, max_entries;
    } map = {2, 4, 4, 1};
    return syscall(SYS_bpf, 0, &map, sizeof map);
}

static long try_perf(void)
{
    struct {
        unsigned type, size;
        unsigned long config;
        char rest[112];
    } event = {.type = 1, .size = 128}; // PERF_TYPE_SOFTWARE, cpu clock
    return syscall(SYS_perf_event_open, &event, 0, -1, -1, 0);
}

static long try_userfaultfd(void)
{
    return syscall(SYS_userfaultfd, 0);
}

static long try_fsopen(void)
{
    return syscall(SYS_fsopen, "tmpfs", 0);
}

static long try_mount(void)
{
    return mount("none", "/tmp", "tmpfs", 0, "");
}

static long try_packet(void)
{
    return socket(AF_PACKET, SOCK_RAW, 0);
}

static long try_vsock(void)
{
    return socket(AF_VSOCK, SOCK_STREAM, 0);
}

static long try_alg(void)
{
    return socket(AF_ALG, SOCK_SEQPACKET, 0);
}

// Rows 11 and 12. unshare comes last: after it the unconfined control is root no more.
static const struct {
    const char *name;
    long (*call)(void);
    bool control; // an unconfined root succeeds on every kernel that davit supports
} surfaces[] = {
    {"clone(NEWUSER)", try_clone_user, true},
    {"keyctl", try_keyctl, true},
    {"io_uring_setup", try_io_uring, false},
    {"bpf", try_bpf, true},
    {"perf_event_open", try_perf, false},
    {"userfaultfd", try_userfaultfd, true},
    {"fsopen", try_fsopen, true},
    {"AF_PACKET", try_packet, true},
    {"AF_VSOCK", try_vsock, false},
    {"AF_ALG", try_alg, false},
    {"mount", try_mount, true},
    {"unshare(NEWUSER)", try_unshare, true},
};

static int reach_surfaces(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    unshare(CLONE_NEWNS);
    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
    for (size_t i = 0; i < ARRAY_LEN(surfaces); i++) {
        errno = 0;
        long got = surfaces[i].call();
        printf("%s: %s\n", surfaces[i].name, got >= 0 ? "open" : strerror(errno));
    }
    return 0;
}

// The same by root with everything that root may do, and nothing but the filter against it.
static int reach_surfaces_filtered(int argc, char **argv)
{
    struct error err = {0};
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || seccomp_install(&err) < 0)
        return 1;
    return reach_surfaces(argc, argv);
}

// Row 13.
static int enter_by_int80(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(20L) : "memory"); // getpid
    printf("returned %s\n", result > 0 ? "a pid" : "an error");
    return 0;
}

static int enter_by_x32(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    syscall(0x40000000 | SYS_getpid);
    puts("returned");
    return 0;
}

// Row 14: run from a setuid-root copy.
static int who_am_i(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    printf("euid %u\n", geteuid());
    return 0;
}

static int run_helper(int argc, char **argv)
{
    char *const arguments[] = {(char[]){"who-am-i"}, NULL};
    execv(argv[argc - 1], arguments);
    printf("cannot run it: %s\n", strerror(errno));
    return 0;
}

// Row 15: reads a process's environment and memory, traces it, kills it.
static int spy(int argc, char **argv)
{
    pid_t victim = atoi(argv[argc - 1]);
    char path[64], buffer[65536];
    snprintf(path, sizeof path, "/proc/%d/environ", victim);
    int fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, buffer, sizeof buffer);
    if (n > 0 && memmem(buffer, (size_t)n, "hunter2", 7))
        puts("read the secret");
    if (ptrace(PTRACE_SEIZE, victim, NULL, NULL) == 0)
        puts("traced it");
    return 0;
}

// Row 16.
static int bomb(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    int children = 0;
    while (children < 400) {
        pid_t pid = fork();
        if (pid < 0)
            break;
        if (pid == 0) {
            pause();
            _exit(0);
        }
        children++;
    }
    printf("%d children\n", children);
    fflush(stdout);
    if (getpid() != 1)
        kill(0, SIGKILL); // outside there is no namespace that would take them along
    return 0;
}

// Row 19: a daemon that leaves its session and parent and holds the output open.
static int daemonise(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    int lives[2];
    if (pipe(lives) < 0)
        return 1;
    if (fork() == 0) {
        setsid();
        if (fork() == 0) {
            signal(SIGTERM, SIG_IGN);
            printf("%d\n", getpid());
            fflush(stdout);
            close(lives[0]);
            if (write(lives[1], "", 1) != 1)
                _exit(1);
            for (;;)
                pause();
        }
        _exit(0);
    }
    char byte;
    wait(NULL);
    return read(lives[0], &byte, 1) == 1 ? 0 : 1; // not before it is a daemon indeed
}

static int read_file(int argc, char **argv)
{
    (void)argc;
    int fd = open(argv[1], O_RDONLY);
    char buffer[4096];
    ssize_t n = fd < 0 ? -1 : read(fd, buffer, sizeof buffer);
    printf("%s\n", n > 0 ? "read it" : "could not");
    return 0;
}

static int connect_to(int argc, char **argv)
{
    (void)argc;
    struct sockaddr_un where = {.sun_family = AF_UNIX};
    socklen_t length = (socklen_t)(sizeof where.sun_family + strlen(argv[1]) + 1);
    if (argv[1][0] == '@') {
        memcpy(where.sun_path + 1, argv[1] + 1, strlen(argv[1]) - 1);
        length--;
    } else {
        strcpy(where.sun_path, argv[1]);
    }
    int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    printf("%s\n", connect(fd, (struct sockaddr *)&where, length) == 0 ? "connected" : "could not");
    return 0;
}

static const struct payload payloads[] = {
    {"leak", leak},
    {"type", type_into_terminal},
    {"surfaces", reach_surfaces},
    {"surfaces-filtered", reach_surfaces_filtered},
    {"int80", enter_by_int80},
    {"x32", enter_by_x32},
    {"who-am-i", who_am_i},
    {"run-helper", run_helper},
    {"spy", spy},
    {"bomb", bomb},
    {"daemonise", daemonise},
    {"read", read_file},
    {"connect", connect_to},
    {0},
};

// --- tests ---

static int make_directory(void **state)
{
    char *path = mem_strdup(DIRECTORY);
    assert_non_null(mkdtemp(path));
    chmod(path, 0755);
    *state = path;
    return 0;
}

static int remove_directory(void **state)
{
    check_ok(dir_remove_tree(AT_FDCWD, *state, &err));
    free(*state);
    return 0;
}

// Descriptors without close-on-exec, as a careless library leaves them: of a file and of its
// directory.
static void open_leaks(const char *dir, int *ret_first, int *ret_last)
{
    AUTO_FREE char *path = path_join(dir, "canary");
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    int directory = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(fchmod(file, 0666), 0);
    *ret_first = 9;
    *ret_last = 300;
    for (int fd = *ret_first; fd <= *ret_last; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            assert_int_equal(dup2(fd % 2 ? file : directory, fd), fd);
    close(file);
    close(directory);
}

static void row_1_no_descriptor_of_the_parent_reaches_a_stage(void **state)
{
    const char *const argv[] = {"leak", NULL};
    AUTO_FREE char *path = path_join(*state, "canary");
    int first, last;
    open_leaks(*state, &first, &last);
    AUTO(payload_result) struct payload_result confined = {0}, control = {0};
    payload_confined(payload_spec(), argv, &confined);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 0);
    assert_string_equal(confined.output.data, "");
    payload_free(argv, 0, &control);
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size > 0);
    for (int fd = first; fd <= last; fd++)
        close(fd);
}

static size_t typed(int terminal)
{
    int waiting = 0;
    ioctl(terminal, FIONREAD, &waiting);
    return (size_t)waiting;
}

static void row_10_a_stage_cannot_type_into_the_terminal(void **state)
{
    (void)state;
    const char *const argv[] = {"type", NULL};
    int master, slave;
    assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
    AUTO(payload_result) struct payload_result confined = {0}, control = {0};
    struct sandbox_spec spec = payload_spec();
    spec.stdin_fd = slave;
    payload_confined(spec, argv, &confined);
    assert_int_equal(typed(slave), 0);
    int saved = dup(0);
    dup2(slave, 0);
    payload_free(argv, 0, &control);
    dup2(saved, 0);
    AUTO(str) struct str legacy;
    str_init(&legacy, 16);
    check_ok(file_read(AT_FDCWD, "/proc/sys/dev/tty/legacy_tiocsti", &legacy, &err));
    if (legacy.data[0] == '1' || geteuid() == 0) // else this kernel refuses it to everybody
        assert_int_equal(typed(slave), strlen("id>canary\n"));
    close(saved);
    close(master);
    close(slave);
}

static void check_refused(const char *name, const char *output)
{
    AUTO_FREE char *eperm = mem_printf("%s: %s\n", name, strerror(EPERM));
    AUTO_FREE char *enosys = mem_printf("%s: %s\n", name, strerror(ENOSYS));
    if (!strstr(output, eperm) && !strstr(output, enosys))
        fail_msg("%s is not refused:\n%s", name, output);
}

static void rows_11_and_12_the_kernels_big_surfaces_are_closed(void **state)
{
    (void)state;
    const char *const argv[] = {"surfaces", NULL};
    const char *const filtered[] = {"surfaces-filtered", NULL};
    AUTO(payload_result) struct payload_result confined = {0}, control = {0}, filter = {0};
    payload_confined(payload_spec(), argv, &confined);
    payload_free(filtered, 0, &filter); // each is closed twice: by this, and for want of rights
    payload_free(argv, 0, &control);
    for (size_t i = 0; i < ARRAY_LEN(surfaces); i++) {
        AUTO_FREE char *open_line = mem_printf("%s: open\n", surfaces[i].name);
        check_refused(surfaces[i].name, confined.output.data);
        check_refused(surfaces[i].name, filter.output.data);
        if (surfaces[i].control && !strstr(control.output.data, open_line))
            fail_msg("the control cannot %s either:\n%s", surfaces[i].name, control.output.data);
    }
}

static void row_13_other_ways_into_the_kernel_kill(void **state)
{
    (void)state;
    static const char *const ways[] = {"int80", "x32"};
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        const char *const argv[] = {ways[i], NULL};
        AUTO(payload_result) struct payload_result confined = {0}, control = {0};
        payload_confined(payload_spec(), argv, &confined);
        assert_true(WIFSIGNALED(confined.status));
        assert_int_equal(WTERMSIG(confined.status), SIGSYS);
        payload_free(argv, 0, &control);
        assert_true(WIFEXITED(control.status) ||
                    (WIFSIGNALED(control.status) && WTERMSIG(control.status) != SIGSYS));
    }
}

// A setuid-root copy of this program.
static char *copy_setuid(const char *dir, uid_t owner)
{
    char *path = path_join(dir, "helper");
    AUTO_FREE char *command = mem_printf(
        "cp /proc/%d/exe %s && chown %u %s && chmod 4755 %s", getpid(), path, owner, path, path);
    assert_int_equal(system(command), 0);
    return path;
}

static void row_14_a_setuid_helper_raises_nobody(void **state)
{
    AUTO_FREE char *root_owned = copy_setuid(*state, 0);
    AUTO(payload_result) struct payload_result confined = {0}, control = {0};
    const char *const outside[] = {"run-helper", root_owned, NULL};
    payload_free(outside, 65534, &control);
    assert_string_equal(control.output.data, "euid 0\n");
    AUTO_FREE char *inside_owned = copy_setuid(*state, SANDBOX_ID_BASE);
    const char *const inside[] = {"run-helper", "/workspace/helper", NULL};
    struct sandbox_mount mount = {.kind = SANDBOX_BIND, .target = "/workspace", .source = *state};
    struct sandbox_spec spec = payload_spec();
    spec.mounts = &mount;
    spec.mount_count = 1;
    spec.uid = spec.gid = 1000;
    payload_confined(spec, inside, &confined);
    assert_string_equal(confined.output.data, "euid 1000\n");
}

// A process of user `uid` with a secret in its environment, hardened or not; it ends when *ret_end
// is closed.
static pid_t start_victim(uid_t uid, bool hardened, int *ret_end)
{
    int ready[2], end[2];
    check_ok(fd_pipe(ready, &err));
    check_ok(fd_pipe(end, &err));
    pid_t pid = fork();
    if (pid == 0) {
        close(end[1]);
        if (setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
            _exit(1);
        prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); // which the change of ids took; execve gives it back
        // A new environment block, as after an execve: /proc/PID/environ shows the one that exec
        // set up.
        char command[] = "printf x >&3; cat <&4 >/dev/null";
        if (hardened)
            process_harden();
        else
            dup2(ready[1], 3), dup2(end[0], 4),
                execle("/bin/sh", "sh", "-c", command, NULL,
                    (char *[]){(char[]){"PASSWORD=hunter2"}, NULL});
        char byte;
        if (write(ready[1], "x", 1) != 1 || read(end[0], &byte, 1) < 0)
            _exit(1);
        _exit(0);
    }
    close(end[0]);
    close(ready[1]);
    char byte;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    *ret_end = end[1];
    return pid;
}

static void end_victim(pid_t pid, int end)
{
    close(end);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void row_15_a_stage_neither_sees_nor_traces_the_runner(void **state)
{
    (void)state;
    int end;
    AUTO(payload_result) struct payload_result confined = {0}, control = {0}, sibling = {0};
    pid_t victim = start_victim(65534, false, &end);
    AUTO_FREE char *pid = mem_printf("%d", victim);
    const char *const argv[] = {"spy", pid, NULL};
    payload_free(argv, 65534, &control); // of the same user
    assert_string_equal(control.output.data, "read the secret\ntraced it\n");
    payload_confined(payload_spec(), argv, &confined);
    assert_string_equal(confined.output.data, "");
    end_victim(victim, end);
    // And where somebody is of davit's own user outside a sandbox: davit's processes are not
    // dumpable.
    victim = start_victim(65534, true, &end);
    AUTO_FREE char *hardened = mem_printf("%d", victim);
    const char *const again[] = {"spy", hardened, NULL};
    payload_free(again, 65534, &sibling);
    assert_string_equal(sibling.output.data, "");
    end_victim(victim, end);
}

// Its memory is a copy of the launcher's, secrets included. What is not dumpable belongs to the
// host's root, whoever it runs as (proc(5)): that is seen from outside.
static void row_15_pid_1_of_the_sandbox_is_not_readable_from_inside(void **state)
{
    (void)state;
    const char *const argv[] = {"spy", "1", NULL};
    AUTO(payload_result) struct payload_result confined = {0};
    payload_confined(payload_spec(), argv, &confined);
    assert_string_equal(confined.output.data, "");
    AUTO(strv) struct strv sleeper = {0};
    strv_push(&sleeper, "sleep");
    strv_push(&sleeper, "1000");
    struct sandbox_spec spec = payload_spec();
    spec.argv = strv_argv(&sleeper);
    struct sandbox_child child;
    check_ok(sandbox_spawn(&spec, payload_host(), &child, &err));
    int status;
    assert_int_equal(sandbox_report(&child, &status, NULL), SANDBOX_STARTED);
    AUTO_FREE char *memory = mem_printf("/proc/%d/mem", child.pid);
    AUTO_FREE char *own = mem_printf(
        "test \"$(stat -c %%u /proc/$(pgrep -P %d)/mem)\" = %u", child.pid, SANDBOX_ID_BASE);
    struct stat st;
    assert_int_equal(stat(memory, &st), 0);
    assert_int_equal(st.st_uid, 0);
    assert_int_equal(system(own), 0); // the control: the command's own is its own
    sandbox_kill(&child);
    sandbox_reap(&child);
}

static int children_of(const char *output)
{
    int n = -1;
    assert_int_equal(sscanf(output, "%d children", &n), 1);
    return n;
}

static void row_16_a_fork_bomb_hits_its_limit_and_leaves_nobody(void **state)
{
    (void)state;
    const char *const argv[] = {"bomb", NULL};
    AUTO(payload_result) struct payload_result confined = {0}, wide = {0};
    struct sandbox_spec spec = payload_spec();
    spec.limits.processes = 64;
    spec.cgroup = "test/bomb";
    payload_confined(spec, argv, &confined); // returns: the output's last writer is gone
    assert_in_range(children_of(confined.output.data), 30, 64);
    spec.limits.processes = 1000;
    payload_confined(spec, argv, &wide);
    assert_int_equal(children_of(wide.output.data), 400);
}

static void row_19_a_daemon_does_not_outlive_its_stage(void **state)
{
    (void)state;
    const char *const argv[] = {"daemonise", NULL};
    AUTO(payload_result) struct payload_result confined = {0};
    payload_confined(
        payload_spec(), argv, &confined); // ends only when the daemon's output is closed
    assert_true(WIFEXITED(confined.status));
    assert_true(confined.output.length > 0);
    // The control: unconfined it holds the pipe after its parent has ended.
    int pipe_fds[2];
    check_ok(fd_pipe(pipe_fds, &err));
    pid_t pid = fork();
    if (pid == 0) {
        dup2(pipe_fds[1], 1);
        execl("/proc/self/exe", "daemonise", NULL);
        _exit(98);
    }
    close(pipe_fds[1]);
    waitpid(pid, NULL, 0);
    char text[32] = "";
    assert_true(read(pipe_fds[0], text, sizeof text - 1) > 0);
    struct pollfd still = {.fd = pipe_fds[0], .events = POLLIN};
    assert_int_equal(poll(&still, 1, 200), 0); // no end of file: it lives
    kill(atoi(text), SIGKILL);
    assert_int_equal(poll(&still, 1, 5000), 1);
    close(pipe_fds[0]);
}

static void the_hosts_secrets_are_not_there(void **state)
{
    AUTO_FREE char *kubeconfig = path_join(*state, "kubeconfig");
    check_ok(file_replace(AT_FDCWD, kubeconfig, 0644, "token: x", 8, &err));
    const char *const paths[] = {
        "/etc/shadow", kubeconfig, "/root/.profile", "/var/lib/dpkg/status"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        const char *const argv[] = {"read", paths[i], NULL};
        AUTO(payload_result) struct payload_result confined = {0}, control = {0};
        payload_confined(payload_spec(), argv, &confined);
        payload_free(argv, 0, &control);
        assert_string_equal(confined.output.data, "could not\n");
        if (i != 2) // there may be no .profile
            assert_string_equal(control.output.data, "read it\n");
    }
}

static int listen_at(const char *path)
{
    struct sockaddr_un where = {.sun_family = AF_UNIX};
    socklen_t length = (socklen_t)(sizeof where.sun_family + strlen(path));
    memcpy(where.sun_path + (path[0] == '@'), path + (path[0] == '@'),
        strlen(path) - (path[0] == '@'));
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&where, path[0] == '@' ? length : length + 1), 0);
    assert_int_equal(listen(fd, 5), 0);
    return fd;
}

static void sockets_of_the_host_cannot_be_reached(void **state)
{
    AUTO_FREE char *path = path_join(*state, "agent.sock");
    AUTO_FREE char *abstract = mem_printf("@davit-test-%d", getpid());
    AUTO_FD int agent = listen_at(path);
    AUTO_FD int hidden = listen_at(abstract);
    const char *const names[] = {path, abstract};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *const argv[] = {"connect", names[i], NULL};
        AUTO(payload_result) struct payload_result confined = {0}, control = {0};
        payload_confined(payload_spec(), argv, &confined);
        assert_string_equal(confined.output.data, "could not\n");
        payload_free(argv, 0, &control);
        assert_string_equal(control.output.data, "connected\n");
    }
}

#define with_directory(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)

int main(int argc, char **argv)
{
    payload_main(argc, argv, payloads);
    if (geteuid() != 0) {
        puts("test_sandbox_attacks needs root: the positive controls are root's");
        return 1;
    }
    const struct CMUnitTest tests[] = {
        with_directory(row_1_no_descriptor_of_the_parent_reaches_a_stage),
        cmocka_unit_test(row_10_a_stage_cannot_type_into_the_terminal),
        cmocka_unit_test(rows_11_and_12_the_kernels_big_surfaces_are_closed),
        cmocka_unit_test(row_13_other_ways_into_the_kernel_kill),
        with_directory(row_14_a_setuid_helper_raises_nobody),
        cmocka_unit_test(row_15_a_stage_neither_sees_nor_traces_the_runner),
        cmocka_unit_test(row_15_pid_1_of_the_sandbox_is_not_readable_from_inside),
        cmocka_unit_test(row_16_a_fork_bomb_hits_its_limit_and_leaves_nobody),
        cmocka_unit_test(row_19_a_daemon_does_not_outlive_its_stage),
        with_directory(the_hosts_secrets_are_not_there),
        with_directory(sockets_of_the_host_cannot_be_reached),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
