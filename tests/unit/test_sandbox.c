#include "support/check.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/fd.h"
#include "os/file.h"
#include "os/process.h"
#include "support/payload.h"

static int make_directory(void **state)
{
    char *path = mem_strdup("/tmp/davit-sandbox-XXXXXX");
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

// sh -c script; lives until the next call.
static char *const *shell(const char *script)
{
    static struct strv argv;
    strv_done(&argv);
    strv_push(&argv, "sh");
    strv_push(&argv, "-c");
    strv_push(&argv, script);
    return strv_argv(&argv);
}

// Runs a script by the spec and collects its output.
static void run(struct sandbox_spec spec, const char *script, struct payload_result *ret)
{
    int pipe_fds[2];
    check_ok(fd_pipe(pipe_fds, &err));
    AUTO_FD int output = pipe_fds[0];
    spec.argv = shell(script);
    spec.stdout_fd = spec.stderr_fd = pipe_fds[1];
    struct sandbox_child child;
    check_ok(sandbox_spawn(&spec, payload_host(), &child, &err));
    close(pipe_fds[1]);
    str_init(&ret->output, 1 << 20);
    check_ok(fd_read_all(output, &ret->output, &err));
    check_ok(sandbox_wait(&child, &ret->status, &err));
}

static struct sandbox_spec spec_named(const char *name)
{
    return (struct sandbox_spec){.name = name};
}

static void check_output(struct sandbox_spec spec, const char *script, const char *wanted)
{
    AUTO(payload_result) struct payload_result result = {0};
    run(spec, script, &result);
    assert_string_equal(result.output.data, wanted);
}

// --- the plan, as text ---

static const struct sandbox_host *fixed_host(bool privileged)
{
    static struct strv links, shown;
    if (!links.length) {
        strv_push(&links, "bin=usr/bin");
        strv_push(&links, "lib=usr/lib");
        strv_push(&shown, "/usr");
        strv_push(&shown, "/etc/ld.so.cache");
        strv_push(&shown, "/etc/ssl/certs");
    }
    static struct sandbox_host host;
    host = (struct sandbox_host){
        .privileged = privileged,
        .uid = privileged ? 0 : 1000,
        .gid = privileged ? 0 : 1000,
        .links = links,
        .shown = shown,
    };
    return &host;
}

static void check_plan(const struct sandbox_spec *spec, bool privileged, const char *golden)
{
    AUTO(sandbox_plan) struct sandbox_plan plan = {0};
    AUTO(str) struct str text, wanted;
    str_init(&text, STR_TEXT_MAX);
    str_init(&wanted, STR_TEXT_MAX);
    sandbox_plan_make(spec, fixed_host(privileged), &plan);
    sandbox_plan_print(&plan, &text);
    if (getenv("DAVIT_UPDATE_GOLDEN"))
        check_ok(file_replace(AT_FDCWD, golden, 0644, text.data, text.length, &err));
    check_ok(file_read(AT_FDCWD, golden, &wanted, &err));
    if (strcmp(text.data, wanted.data) != 0)
        fail_msg("%s differs; now:\n%s", golden, text.data);
}

static void the_plan_of_a_stage_is_as_written_down(void **state)
{
    (void)state;
    AUTO(strv) struct strv lowers = {0};
    strv_push(&lowers, "/state/runs/7/artifacts/deps");
    strv_push(&lowers, "/home/me/app");
    struct sandbox_mount mounts[] = {
        {.kind = SANDBOX_OVERLAY,
            .target = "/workspace",
            .lowers = &lowers,
            .foreign_lowers = 1,
            .writable = "/state/runs/7/stages/test"},
        {.kind = SANDBOX_TMPFS, .target = "/home/davit"},
        {.kind = SANDBOX_BIND, .target = "/go/pkg/mod", .source = "/state/cache/ab12"},
    };
    struct sandbox_spec spec = {.name = "test",
        .argv = shell("true"),
        .mounts = mounts,
        .mount_count = 3,
        .directory = "/workspace"};
    check_plan(&spec, true, "sandbox/stage.plan");
    check_plan(&spec, false, "sandbox/stage-unprivileged.plan");
}

static void the_plan_of_an_image_as_root_is_as_written_down(void **state)
{
    (void)state;
    AUTO(strv) struct strv layers = {0};
    strv_push(&layers, "/state/images/layers/22");
    strv_push(&layers, "/state/images/layers/11");
    struct sandbox_spec spec = {.name = "gin-app-1-0",
        .argv = shell("true"),
        .root = SANDBOX_ROOT_LAYERS,
        .layers = &layers,
        .writable = "/state/apps/gin-app/instances/1-0",
        .network = SANDBOX_NETWORK_HOST,
        .uid = 65532,
        .gid = 65532,
        .detached = true};
    check_plan(&spec, true, "sandbox/instance.plan");
}

// --- behaviour ---

static void a_command_runs_with_an_empty_environment_and_its_status_comes_back(void **state)
{
    (void)state;
    AUTO(payload_result) struct payload_result ok = {0}, killed = {0};
    run(spec_named("x"), "env; hostname; pwd; exit 7", &ok);
    assert_string_equal(ok.output.data, "PWD=/\nx\n/\n");
    assert_int_equal(WEXITSTATUS(ok.status), 7);
    run(spec_named("x"), "kill -SEGV $$", &killed);
    assert_true(WIFSIGNALED(killed.status));
    assert_int_equal(WTERMSIG(killed.status), SIGSEGV);
}

static void nothing_that_a_stage_sees_raises_rights_or_is_a_device(void **state)
{
    AUTO(strv) struct strv lowers = {0};
    strv_push(&lowers, "/etc");
    struct sandbox_mount mounts[] = {
        {.kind = SANDBOX_BIND, .target = "/bind", .source = *state},
        {.kind = SANDBOX_TMPFS, .target = "/tmpfs"},
        {.kind = SANDBOX_OVERLAY, .target = "/overlay", .lowers = &lowers, .foreign_lowers = 0},
    };
    struct sandbox_spec spec = spec_named("mounts");
    spec.mounts = mounts;
    spec.mount_count = ARRAY_LEN(mounts);
    check_output(spec, "awk '$6 !~ /nosuid/ {print $5}' /proc/self/mountinfo", "");
    // The devices themselves, of which one covers files of /proc.
    check_output(spec,
        "awk '$6 !~ /nodev/ && $5 !~ /^.proc/ {print $5}' /proc/self/mountinfo | sort",
        "/dev/full\n/dev/null\n/dev/pts\n/dev/random\n/dev/tty\n/dev/urandom\n/dev/zero\n");
}

static void a_command_that_is_not_there_is_an_error_with_its_name(void **state)
{
    (void)state;
    AUTO(strv) struct strv argv = {0};
    strv_push(&argv, "no-such-program");
    struct sandbox_spec spec = spec_named("x");
    spec.argv = strv_argv(&argv);
    spec.cgroup = "test/absent";
    struct sandbox_child child;
    int status;
    check_ok(sandbox_spawn(&spec, payload_host(), &child, &err));
    check_error(
        sandbox_wait(&child, &status, &err), ERR_NOT_FOUND, "no-such-program: No such file");
}

// A child that ignores TERM, stopped on top, with a grandchild in a session of its own.
static void what_ignores_signals_is_killed_and_nobody_is_left(void **state)
{
    (void)state;
    int pipe_fds[2];
    check_ok(fd_pipe(pipe_fds, &err));
    struct sandbox_spec spec = spec_named("stubborn");
    spec.argv = shell("trap '' TERM; setsid sleep 1000 & echo ready; kill -STOP $$; sleep 1000");
    spec.stdout_fd = pipe_fds[1];
    spec.cgroup = "test/stubborn";
    struct sandbox_child child;
    check_ok(sandbox_spawn(&spec, payload_host(), &child, &err));
    close(pipe_fds[1]);
    char text[16];
    assert_int_equal(read(pipe_fds[0], text, sizeof text), 6);
    check_ok(sandbox_signal(&child, SIGTERM, &err));
    struct pollfd ended = {.fd = child.pidfd, .events = POLLIN};
    assert_int_equal(poll(&ended, 1, 100), 0);
    AUTO_FREE char *cgroup = mem_strdup_opt(child.cgroup.path);
    sandbox_kill(&child);
    sandbox_reap(&child);
    assert_int_equal(read(pipe_fds[0], text, sizeof text), 0); // the last writer is gone
    close(pipe_fds[0]);
    if (cgroup)
        assert_false(file_exists(AT_FDCWD, cgroup));
}

static void a_signal_reaches_every_process_of_the_stage(void **state)
{
    (void)state;
    int pipe_fds[2];
    check_ok(fd_pipe(pipe_fds, &err));
    struct sandbox_spec spec = spec_named("polite");
    spec.argv = shell("trap 'echo term; exit 3' TERM; echo ready; while :; do sleep 0.01; done");
    spec.stdout_fd = pipe_fds[1];
    struct sandbox_child child;
    check_ok(sandbox_spawn(&spec, payload_host(), &child, &err));
    close(pipe_fds[1]);
    char text[16] = "";
    assert_int_equal(read(pipe_fds[0], text, 6), 6);
    check_ok(sandbox_signal(&child, SIGTERM, &err));
    int status;
    check_ok(sandbox_wait(&child, &status, &err));
    assert_int_equal(WEXITSTATUS(status), 3);
    memset(text, 0, sizeof text);
    assert_int_equal(read(pipe_fds[0], text, 5), 5);
    assert_string_equal(text, "term\n");
    close(pipe_fds[0]);
}

static void everything_dies_with_the_launcher(void **state)
{
    (void)state;
    int pipe_fds[2];
    check_ok(fd_pipe(pipe_fds, &err));
    pid_t launcher = fork();
    if (launcher == 0) {
        struct sandbox_spec spec = spec_named("orphan");
        spec.argv = shell("setsid sleep 1000 & echo ready; sleep 1000");
        spec.stdout_fd = pipe_fds[1];
        struct sandbox_child child;
        sandbox_spawn(&spec, payload_host(), &child, NULL);
        pause();
        _exit(0);
    }
    close(pipe_fds[1]);
    char text[16];
    assert_int_equal(read(pipe_fds[0], text, sizeof text), 6);
    kill(launcher, SIGKILL);
    waitpid(launcher, NULL, 0);
    assert_int_equal(read(pipe_fds[0], text, sizeof text), 0); // until the last of them is gone
    close(pipe_fds[0]);
}

// Moving a process into a group of cgroup v1 takes milliseconds, in which a child that does not
// wait for its launcher has long executed.
static void a_trusted_child_is_not_faster_than_its_launcher(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct sandbox_spec spec = spec_named("trusted");
        spec.isolation = SANDBOX_NONE;
        spec.argv = shell("exit 4");
        spec.cgroup = "test/trusted";
        spec.limits.processes = 100;
        struct sandbox_child child;
        int status;
        check_ok(sandbox_spawn(&spec, payload_host(), &child, &err));
        check_ok(sandbox_wait(&child, &status, &err));
        assert_int_equal(WEXITSTATUS(status), 4);
    }
}

static void a_place_between_descriptors_that_are_given_stays_empty(void **state)
{
    (void)state;
    int extra = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int careless = fcntl(extra, F_DUPFD, 3); // without close-on-exec, as a library may leave it
    int saved = careless == 3 ? -1 : fcntl(3, F_DUPFD_CLOEXEC, 10);
    assert_int_equal(dup2(careless, 3), 3);
    struct sandbox_spec spec = spec_named("gap");
    spec.isolation = SANDBOX_NONE;
    spec.extra_fds = &extra;
    spec.extra_fd_count = 1;
    const char *script = "test -e /proc/$$/fd/3 && echo held || echo empty";
    check_output(spec, script, "empty\n");
    spec.socket_fd = careless;
    check_output(spec, script, "held\n");
    if (saved >= 0)
        dup2(saved, 3), close(saved);
    else
        close(3);
    close(extra);
    if (careless != 3)
        close(careless);
}

static char *make_dir(const char *parent, const char *name, uid_t owner)
{
    char *path = path_join(parent, name);
    check_ok(dir_make(AT_FDCWD, path, 0755, &err));
    assert_int_equal(chown(path, owner, owner), 0);
    return path;
}

// upper and work, for an overlay.
static char *make_writable(const char *parent, const char *name)
{
    char *path = make_dir(parent, name, SANDBOX_ID_BASE);
    free(make_dir(path, "upper", SANDBOX_ID_BASE));
    free(make_dir(path, "work", SANDBOX_ID_BASE));
    return path;
}

static void write_file(const char *dir, const char *name, const char *text, uid_t owner)
{
    AUTO_FREE char *path = path_join(dir, name);
    check_ok(file_replace(AT_FDCWD, path, 0640, text, strlen(text), &err));
    assert_int_equal(chown(path, owner, owner), 0);
}

static void a_workspace_shows_artifacts_over_the_checkout_and_never_writes_it(void **state)
{
    AUTO_FREE char *checkout = make_dir(*state, "checkout", 1234);
    AUTO_FREE char *artifacts = make_dir(*state, "artifacts", SANDBOX_ID_BASE);
    AUTO_FREE char *writable = make_writable(*state, "stage");
    write_file(checkout, "a", "checkout a\n", 1234);
    write_file(checkout, "b", "checkout b\n", 1234);
    write_file(artifacts, "b", "artifact b\n", SANDBOX_ID_BASE);
    AUTO(strv) struct strv lowers = {0};
    strv_push(&lowers, artifacts);
    strv_push(&lowers, checkout);
    struct sandbox_mount mount = {.kind = SANDBOX_OVERLAY,
        .target = "/workspace",
        .lowers = &lowers,
        .foreign_lowers = 1,
        .writable = writable};
    struct sandbox_spec spec = spec_named("ws");
    spec.mounts = &mount;
    spec.mount_count = 1;
    spec.directory = "/workspace";
    check_output(spec, "cat a b; stat -c %u a b; echo new >a; rm b; mkdir d; echo x >d/f; ls",
        "checkout a\nartifact b\n0\n0\na\nd\n");
    AUTO(str) struct str text;
    str_init(&text, 100);
    AUTO_FREE char *original = path_join(checkout, "a");
    check_ok(file_read(AT_FDCWD, original, &text, &err));
    assert_string_equal(text.data, "checkout a\n");
    AUTO_FREE char *written = path_join(writable, "upper/d/f");
    struct stat st;
    assert_int_equal(stat(written, &st), 0);
    assert_int_equal(st.st_uid, SANDBOX_ID_BASE);
}

// A root filesystem with just enough to run: the host's busybox, which is linked statically.
static char *make_image(const char *parent)
{
    char *layer = make_dir(parent, "layer", SANDBOX_ID_BASE);
    AUTO_FREE char *bin = make_dir(layer, "bin", SANDBOX_ID_BASE);
    free(make_dir(layer, "etc", SANDBOX_ID_BASE));
    AUTO_FREE char *command =
        mem_printf("cp /bin/busybox %s/sh && ln -s sh %s/ls && ln -s sh %s/cat"
                   " && ln -s sh %s/touch && ln -s sh %s/id",
            bin, bin, bin, bin, bin);
    assert_int_equal(system(command), 0);
    return layer;
}

static void an_images_layers_are_the_root_and_stay_as_they_are(void **state)
{
    AUTO_FREE char *layer = make_image(*state);
    AUTO(strv) struct strv layers = {0};
    strv_push(&layers, layer);
    struct sandbox_spec spec = spec_named("image");
    spec.root = SANDBOX_ROOT_LAYERS;
    spec.layers = &layers;
    check_output(spec, "ls /; cat /etc/hostname; touch /x",
        "bin\ndev\netc\nproc\nimage\ntouch: /x: Read-only file system\n");
    AUTO_FREE char *writable = make_writable(*state, "instance");
    AUTO_FREE char *upper = path_join(writable, "upper");
    spec.writable = writable;
    spec.uid = spec.gid = 65532;
    check_output(spec, "id -u; touch /x", "65532\ntouch: /x: Permission denied\n");
    spec.uid = spec.gid = 0;
    check_output(spec, "touch /x; ls /", "bin\ndev\netc\nproc\nx\n");
    AUTO_FREE char *command = mem_printf("test \"$(ls -A %s)\" = x", upper);
    assert_int_equal(system(command), 0); // no mount point was left in it
}

static void a_detached_child_keeps_its_own_record(void **state)
{
    AUTO_FD int directory = open(*state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(fchown(directory, SANDBOX_ID_BASE, SANDBOX_ID_BASE), 0);
    AUTO_FD int lock = openat(directory, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct sandbox_record record = {
        .directory = directory, .log = "log", .log_max = 100, .exit = "exit", .lock = lock};
    struct sandbox_spec spec = spec_named("instance");
    spec.argv =
        shell("i=0; while [ $i -lt 9 ]; do echo 123456789012345678; i=$((i+1)); sleep 0.01; "
              "done; exit 5");
    spec.detached = true;
    spec.record = &record;
    struct sandbox_child child;
    check_ok(sandbox_spawn(&spec, payload_host(), &child, &err));
    AUTO_FD int again = openat(directory, "lock", O_RDONLY | O_CLOEXEC);
    struct process init = PROCESS_NONE;
    int status;
    assert_int_equal(sandbox_report(&child, &status, NULL), SANDBOX_STARTED);
    assert_int_equal(sandbox_find(again, &init, NULL), 1);
    assert_int_equal(init.pid, child.pid);
    sandbox_release(&child);
    struct pollfd ended = {.fd = init.pidfd, .events = POLLIN};
    assert_int_equal(poll(&ended, 1, 10000), 1);
    AUTO(str) struct str text;
    str_init(&text, 1000);
    check_ok(file_read(directory, "exit", &text, &err));
    assert_string_equal(text.data, "exit 5\n");
    str_clear(&text);
    check_ok(file_read(directory, "log.1", &text, &err));
    check_ok(file_read(directory, "log", &text, &err));
    assert_int_equal(text.length, 9 * 19);
    check_ok(process_reap(init.pidfd, &status, &err));
    process_done(&init);
}

static void a_declared_memory_limit_holds(void **state)
{
    (void)state;
    AUTO(payload_result) struct payload_result small = {0}, large = {0};
    struct sandbox_spec spec = spec_named("hungry");
    spec.cgroup = "test/hungry";
    spec.limits.memory = 32 << 20;
    const char *script = "exec tail /dev/zero"; // holds all that it has read
    spec.limits.memory = 32 << 20;
    run(spec, script, &small);
    assert_true(WIFSIGNALED(small.status) && WTERMSIG(small.status) == SIGKILL);
    run(spec_named("x"), "head -c 64M /dev/zero | tail -c 64M | wc -c", &large);
    assert_string_equal(large.output.data, "67108864\n");
}

static void run_steps_have_dockers_capabilities_and_stages_none(void **state)
{
    (void)state;
    struct sandbox_spec spec = spec_named("caps");
    const char *script = "grep -E 'Cap(Prm|Eff|Bnd|Amb)' /proc/self/status | cut -f2 | sort -u";
    check_output(spec, script, "0000000000000000\n");
    spec.caps = sandbox_caps_run;
    check_output(spec, script, "0000000000000000\n00000000800005fb\n"); // ambient stays empty
    spec.uid = spec.gid = 33;
    check_output(spec, "grep CapEff /proc/self/status | cut -f2", "0000000000000000\n");
}

// As a user without privileges, in a process of its own.
static void a_stage_runs_without_privileges_too(void **state)
{
    AUTO_FREE char *checkout = make_dir(*state, "checkout", 65534);
    write_file(checkout, "a", "mine\n", 65534);
    AUTO_FREE char *writable = make_dir(*state, "stage", 65534);
    free(make_dir(writable, "upper", 65534));
    free(make_dir(writable, "work", 65534));
    pid_t pid = fork();
    if (pid == 0) {
        if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
            _exit(1);
        struct sandbox_host host;
        sandbox_host_read(&host, NULL);
        AUTO(strv) struct strv lowers = {0};
        strv_push(&lowers, checkout);
        struct sandbox_mount mount = {.kind = SANDBOX_OVERLAY,
            .target = "/workspace",
            .lowers = &lowers,
            .writable = writable};
        const char *script = "test \"$(cat a)\" = mine && rm a && test ! -e /etc/shadow && "
                             "test $(id -u) = 0 && exit 42";
        struct sandbox_spec spec = {.name = "plain",
            .argv = shell(script),
            .mounts = &mount,
            .mount_count = 1,
            .directory = "/workspace"};
        struct sandbox_child child;
        struct error err = {0};
        int status = 0;
        if (sandbox_spawn(&spec, &host, &child, &err) < 0 ||
            sandbox_wait(&child, &status, &err) < 0)
            fprintf(stderr, "%s\n", err.message);
        _exit(WEXITSTATUS(status));
    }
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(WEXITSTATUS(status), 42);
}

// Both have a run 1.
static void two_state_directories_do_not_sweep_each_others_groups(void **state)
{
    AUTO(sandbox_host) struct sandbox_host ours = {0}, others = {0};
    AUTO_FREE char *other = path_join(*state, "other");
    check_ok(dir_make(AT_FDCWD, other, 0755, &err));
    check_ok(sandbox_host_read(&ours, &err));
    check_ok(sandbox_host_read(&others, &err));
    check_ok(sandbox_host_group(&ours, *state, &err));
    check_ok(sandbox_host_group(&others, other, &err));
    if (!ours.cgroup)
        skip();
    struct sandbox_spec spec = spec_named("run");
    spec.argv = shell("sleep 1000");
    spec.cgroup = "run-1/a";
    struct sandbox_child child;
    check_ok(sandbox_spawn(&spec, &ours, &child, &err));
    struct pollfd ended = {.fd = child.pidfd, .events = POLLIN};
    cgroup_sweep(&others, "run-1");
    assert_int_equal(poll(&ended, 1, 200), 0);
    cgroup_sweep(&ours, "run-1");
    assert_int_equal(poll(&ended, 1, 10000), 1);
    AUTO_FREE char *group = mem_strdup(child.cgroup.path);
    sandbox_reap(&child);
    assert_false(file_exists(AT_FDCWD, group));
}

static int listen_on(const char *address, uint16_t *ret_port)
{
    struct sockaddr_in where = {.sin_family = AF_INET};
    socklen_t length = sizeof where;
    inet_pton(AF_INET, address, &where.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fd, (struct sockaddr *)&where, sizeof where) < 0 || listen(fd, 5) < 0 ||
        getsockname(fd, (struct sockaddr *)&where, &length) < 0)
        _exit(20);
    *ret_port = ntohs(where.sin_port);
    return fd;
}

// In a network namespace of our own, which stands for the host: an address on lo is its "outside".
// What is dropped on the way to the host's loopback is not answered: two seconds are enough to see.
static void check_egress(void)
{
    if (unshare(CLONE_NEWNET) < 0 || system("ip link set lo up && ip addr add 10.99.0.1/32 dev lo "
                                            "&& ip route add default dev lo") != 0)
        _exit(21);
    uint16_t port, hidden_port;
    int outside = listen_on("10.99.0.1", &port);
    int hidden = listen_on("127.0.0.1", &hidden_port);
    AUTO_FREE char *script =
        mem_printf("exec 2>/dev/null; bash -c 'echo >/dev/tcp/10.99.0.1/%u' && echo out; "
                   "timeout 2 bash -c 'echo >/dev/tcp/10.0.2.2/%u' && echo loopback; "
                   "bash -c 'echo >/dev/tcp/127.0.0.1/%u' && echo own",
            port, hidden_port, hidden_port);
    struct sandbox_spec spec = spec_named("egress");
    spec.network = SANDBOX_NETWORK_EGRESS;
    check_output(spec, script, "out\n");
    spec.network = SANDBOX_NETWORK_NONE;
    check_output(spec, script, "");
    spec.network = SANDBOX_NETWORK_HOST;
    check_output(spec, script, "out\nown\n");
    close(outside);
    close(hidden);
}

static void egress_goes_out_and_does_not_reach_the_hosts_loopback(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        check_egress();
        _exit(0);
    }
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
}

#define with_directory(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)

TEST_MAIN(cmocka_unit_test(the_plan_of_a_stage_is_as_written_down),
    cmocka_unit_test(the_plan_of_an_image_as_root_is_as_written_down),
    cmocka_unit_test(a_command_runs_with_an_empty_environment_and_its_status_comes_back),
    with_directory(nothing_that_a_stage_sees_raises_rights_or_is_a_device),
    cmocka_unit_test(a_command_that_is_not_there_is_an_error_with_its_name),
    cmocka_unit_test(what_ignores_signals_is_killed_and_nobody_is_left),
    cmocka_unit_test(a_signal_reaches_every_process_of_the_stage),
    cmocka_unit_test(everything_dies_with_the_launcher),
    cmocka_unit_test(a_trusted_child_is_not_faster_than_its_launcher),
    cmocka_unit_test(a_place_between_descriptors_that_are_given_stays_empty),
    with_directory(a_workspace_shows_artifacts_over_the_checkout_and_never_writes_it),
    with_directory(an_images_layers_are_the_root_and_stay_as_they_are),
    with_directory(two_state_directories_do_not_sweep_each_others_groups),
    with_directory(a_detached_child_keeps_its_own_record),
    cmocka_unit_test(a_declared_memory_limit_holds),
    cmocka_unit_test(run_steps_have_dockers_capabilities_and_stages_none),
    with_directory(a_stage_runs_without_privileges_too),
    cmocka_unit_test(egress_goes_out_and_does_not_reach_the_hosts_loopback))
