#include "support/check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "codec/digest.h"
#include "codec/rpc.h"
#include "codec/value.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/file.h"
#include "os/ipc.h"
#include "os/loop.h"
#include "os/process.h"
#include "os/sockets.h"

static int make_directory(void **state)
{
    char *path = mem_strdup("/tmp/davit-test-XXXXXX");
    assert_non_null(mkdtemp(path));
    *state = path;
    return 0;
}

static int remove_directory(void **state)
{
    check_ok(dir_remove_tree(AT_FDCWD, *state, &err));
    free(*state);
    return 0;
}

static void replaces_a_file_whole_and_leaves_no_temporary(void **state)
{
    AUTO_FREE char *path = path_join(*state, "f");
    check_ok(file_replace(AT_FDCWD, path, 0600, "one", 3, &err));
    check_ok(file_replace(AT_FDCWD, path, 0640, "two!", 4, &err));
    AUTO(str) struct str text;
    str_init(&text, 100);
    check_ok(file_read(AT_FDCWD, path, &text, &err));
    assert_string_equal(text.data, "two!");
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    AUTO_FREE char *temporary = mem_printf("%s.%d.tmp", path, getpid());
    assert_false(file_exists(AT_FDCWD, temporary));
    str_clear(&text);
    text.maximum = 3;
    check_error(file_read(AT_FDCWD, path, &text, &err), ERR_LIMIT, "larger than 3");
    check_error(
        file_read(AT_FDCWD, "/nonexistent/x", &text, &err), ERR_NOT_FOUND, "/nonexistent/x");
}

static void removes_a_tree_without_following_links(void **state)
{
    AUTO_FREE char *kept = path_join(*state, "kept/file");
    AUTO_FREE char *kept_dir = path_join(*state, "kept");
    AUTO_FREE char *tree = path_join(*state, "tree");
    AUTO_FREE char *deep = path_join(tree, "a/b/c");
    AUTO_FREE char *link = path_join(tree, "a/link");
    check_ok(dir_make(AT_FDCWD, kept_dir, 0755, &err));
    check_ok(file_replace(AT_FDCWD, kept, 0600, "x", 1, &err));
    check_ok(dir_make(AT_FDCWD, deep, 0755, &err));
    assert_int_equal(symlink(kept_dir, link), 0);
    assert_int_equal(chmod(deep, 0), 0);
    check_ok(dir_remove_tree(AT_FDCWD, tree, &err));
    assert_false(file_exists(AT_FDCWD, tree));
    assert_true(file_exists(AT_FDCWD, kept));
    check_ok(dir_remove_tree(AT_FDCWD, tree, &err));
}

static void removes_a_tree_of_any_depth(void **state)
{
    AUTO_FREE char *tree = path_join(*state, "tree");
    check_ok(dir_make(AT_FDCWD, tree, 0755, &err));
    AUTO_FD int fd = open(tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int depth = 0; depth < 5000; depth++) {
        assert_int_equal(mkdirat(fd, "d", 0755), 0);
        int below = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(fchmod(fd, depth % 100 ? 0755 : 0), 0);
        close(fd);
        fd = below;
        assert_true(fd >= 0);
    }
    check_ok(dir_remove_tree(AT_FDCWD, tree, &err));
    assert_false(file_exists(AT_FDCWD, tree));
}

static void a_path_that_foreign_input_chose_stays_in_its_root(void **state)
{
    AUTO_FREE char *root_path = path_join(*state, "root");
    AUTO_FREE char *out = path_join(root_path, "out");
    check_ok(dir_make(AT_FDCWD, root_path, 0755, &err));
    assert_int_equal(symlink("/etc", out), 0);
    AUTO_FD int root = open(root_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    check_error(file_open_beneath(root, "out/passwd", O_RDONLY, 0, &err), ERR_SYSTEM, "out/passwd");
    check_error(file_open_beneath(root, "../x", O_RDONLY, 0, &err), ERR_SYSTEM, "../x");
    check_error(file_open_in_root(root, "out/passwd", O_RDONLY, 0, &err), ERR_NOT_FOUND, "");
    // The positive control: without the rule the link does lead outside.
    AUTO_FD int control = openat(root, "out/passwd", O_RDONLY | O_CLOEXEC);
    assert_true(control >= 0);
}

static void only_one_holds_a_lock(void **state)
{
    AUTO_FREE char *path = path_join(*state, "lock");
    AUTO_FD int a = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    AUTO_FD int b = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(file_lock(a, NULL), 1);
    assert_int_equal(file_lock(b, NULL), 0);
    fd_reset(&a);
    assert_int_equal(file_lock(b, NULL), 1);
}

struct turns {
    struct loop *loop;
    struct loop_timer first, second;
    struct loop_io io;
    char order[16];
};

static void on_first(struct loop_timer *t)
{
    struct turns *turns = t->arg;
    strcat(turns->order, "1");
}

static void on_second(struct loop_timer *t)
{
    struct turns *turns = t->arg;
    strcat(turns->order, "2");
    loop_stop(turns->loop);
}

static void on_pipe(struct loop_io *io, uint32_t events)
{
    struct turns *turns = io->arg;
    (void)events;
    strcat(turns->order, "p");
    loop_io_stop(io);
}

static void the_loop_calls_timers_in_order_and_descriptors_when_ready(void **state)
{
    (void)state;
    struct turns turns = {0};
    int pipe_fds[2];
    check_ok(fd_pipe(pipe_fds, &err));
    turns.loop = loop_new(NULL);
    int64_t now = loop_now(turns.loop);
    loop_timer_start(turns.loop, &turns.second, now + 20, on_second, &turns);
    loop_timer_start(turns.loop, &turns.first, now + 10, on_first, &turns);
    check_ok(loop_io_start(turns.loop, &turns.io, pipe_fds[0], EPOLLIN, on_pipe, &turns, &err));
    check_ok(fd_write_all(pipe_fds[1], "x", 1, &err));
    check_ok(loop_run(turns.loop, &err));
    assert_string_equal(turns.order, "p12");
    assert_true(clock_monotonic_ms() >= now + 20);
    loop_free(turns.loop);
    fd_close(pipe_fds[0]);
    fd_close(pipe_fds[1]);
}

static const struct {
    const char *text;
    int64_t unix_ms; // -1: no date
} dates[] = {
    {"1970-01-01T00:00:00Z", 0},
    {"2026-11-22T23:48:48Z", 1795391328000},
    {"2026-11-22T23:48:48.254193Z", 1795391328254},
    {"2026-11-22T23:48:48.2Z", 1795391328200},
    {"2026-11-23T01:18:48+01:30", 1795391328000},
    {"2026-11-22T15:48:48-08:00", 1795391328000},
    {"2026-11-22T23:48:48", -1},
    {"2026-11-22T23:48:48ZZ", -1},
    {"2026-11-22T23:48:48+0130", -1},
    {"2026-11-22 23:48:48Z", -1},
    {"2026-13-22T23:48:48Z", -1},
    {"", -1},
    {NULL, -1},
};

static void dates_of_other_machines_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(dates); i++) {
        int64_t ms = -1;
        bool read = clock_parse(dates[i].text, &ms);
        if (read != (dates[i].unix_ms >= 0) || ms != dates[i].unix_ms)
            fail_msg("%s: %lld", dates[i].text, (long long)ms);
    }
}

static void a_process_is_found_by_pid_and_start_time_only(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        pause();
        _exit(0);
    }
    uint64_t start;
    check_ok(process_start_time(pid, &start, &err));
    struct process p = PROCESS_NONE, other = PROCESS_NONE;
    assert_int_equal(process_find(pid, start + 1, &other, NULL), 0);
    assert_int_equal(process_find(pid, start, &p, NULL), 1);
    assert_false(process_ended(&p));
    check_ok(process_signal(&p, SIGKILL, &err));
    int status;
    check_ok(process_reap(p.pidfd, &status, &err));
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_int_equal(process_find(pid, start, &other, NULL), 0);
    process_done(&p);
}

static void values_survive_a_round_trip_and_name_what_is_wrong(void **state)
{
    (void)state;
    AUTO(value) struct value *map = value_map();
    value_set_str(map, "text", "a\"\xff b");
    value_set_int(map, "n", 42);
    AUTO_FREE char *text = value_print(map);
    assert_string_equal(text, "{\"text\":\"a\\\"\xef\xbf\xbd b\",\"n\":42}");
    AUTO(value) struct value *again = value_parse(text, strlen(text), NULL);
    assert_true(value_equal(map, again));
    const char *lent;
    check_error(value_need_str(again, "n", &lent, &err), ERR_PROTOCOL, "\"n\"");
    struct error err;
    assert_null(value_parse("{\"a\":1,\"a\":2}", 13, &err));
    assert_int_equal(err.kind, ERR_PROTOCOL);
    AUTO_FREE char *deep = mem_alloc(100001);
    memset(deep, '[', 100000);
    assert_null(value_parse(deep, 100000, &err));
}

static void digests(void **state)
{
    (void)state;
    char digest[DIGEST_SIZE];
    digest_bytes("abc", 3, digest); // FIPS 180-4, example 1
    assert_string_equal(
        digest, "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_true(digest_ok(digest));
    digest[10] = 'X';
    assert_false(digest_ok(digest));
}

static void handle_echo(struct rpc *rpc, int64_t id, struct value *params, struct ipc_fds *fds)
{
    struct value *answer = value_map();
    value_set_str(answer, "said", value_get_str(params, "say"));
    value_set_str(answer, "op", "an answer may have one, too");
    rpc_notify(rpc, "noted", NULL);
    rpc_reply(rpc, id, answer, fds->fd, fds->count);
}

static void handle_fail(struct rpc *rpc, int64_t id, struct value *params, struct ipc_fds *fds)
{
    (void)params;
    (void)fds;
    struct error why;
    error_set(&why, ERR_CONFLICT, "held by run 7");
    rpc_fail(rpc, id, &why);
}

static void on_closed(struct rpc *rpc, const struct error *why)
{
    (void)why;
    loop_stop(rpc_arg(rpc));
}

static const struct rpc_method methods[] = {
    {"echo", 1, handle_echo}, {"fail", 1, handle_fail}, {"forbidden", 2, handle_echo}, {0}};

static pid_t start_server(int fd, int other)
{
    pid_t pid = fork();
    if (pid)
        return pid;
    close(other);
    struct loop *loop = loop_new(NULL);
    struct rpc *rpc = rpc_serve(loop, fd, methods, 1, on_closed, loop, NULL);
    loop_run(loop, NULL);
    rpc_free(rpc);
    loop_free(loop);
    _exit(0);
}

static void calls_answers_failures_notices_and_descriptors(void **state)
{
    (void)state;
    int pair[2];
    check_ok(ipc_pair(pair, &err));
    pid_t pid = start_server(pair[0], pair[1]);
    close(pair[0]);
    AUTO(rpc) struct rpc *rpc = rpc_connect(pair[1], "test", NULL);
    assert_non_null(rpc);
    struct value *params = value_map();
    value_set_str(params, "say", "hi");
    AUTO(value) struct value *answer = NULL;
    AUTO(ipc_fds) struct ipc_fds fds = {0};
    AUTO_FD int memory = fd_memory("m", "secret", 6, NULL);
    check_ok(rpc_call(rpc, "echo", params, &memory, 1, 5000, &answer, &fds, &err));
    assert_string_equal(value_get_str(answer, "said"), "hi");
    assert_int_equal(fds.count, 1);
    AUTO(str) struct str text;
    str_init(&text, 100);
    check_ok(fd_read_all(fds.fd[0], &text, &err));
    assert_string_equal(text.data, "secret");
    AUTO(value) struct value *notice = NULL;
    assert_int_equal(rpc_notice(rpc, 0, &notice, NULL), 1);
    assert_string_equal(value_get_str(notice, "op"), "noted");
    check_error(
        rpc_call(rpc, "fail", NULL, NULL, 0, 5000, NULL, NULL, &err), ERR_CONFLICT, "run 7");
    check_error(
        rpc_call(rpc, "forbidden", NULL, NULL, 0, 5000, NULL, NULL, &err), ERR_DENIED, "forbidden");
    assert_int_equal(rpc_notice(rpc, 0, &notice, NULL), 0);
    assert_false(rpc_broken(rpc));
    kill(pid, SIGKILL);
    check_error(rpc_call(rpc, "echo", NULL, NULL, 0, 5000, NULL, NULL, &err), ERR_CONFLICT, "echo");
    assert_true(rpc_broken(rpc));
    rpc_free(take_ptr(rpc));
    waitpid(pid, NULL, 0);
}

static void a_peer_of_another_protocol_is_told_so(void **state)
{
    (void)state;
    int pair[2];
    check_ok(ipc_pair(pair, &err));
    pid_t pid = start_server(pair[0], pair[1]);
    close(pair[0]);
    static const char hello[] = "{\"op\":\"hello\",\"id\":1,\"protocol\":99,\"from\":\"davit 9\"}";
    check_ok(ipc_send(pair[1], hello, strlen(hello), NULL, 0, &err));
    AUTO(str) struct str packet;
    str_init(&packet, IPC_PACKET_MAX);
    AUTO(ipc_fds) struct ipc_fds fds = {0};
    assert_int_equal(ipc_receive(pair[1], 5000, &packet, &fds, NULL), 1);
    assert_non_null(strstr(packet.data, "davit 9 speaks protocol 99"));
    assert_int_equal(ipc_receive(pair[1], 5000, &packet, &fds, NULL), 0); // and cut off
    close(pair[1]);
    waitpid(pid, NULL, 0);
}

static void a_peer_that_does_not_read_is_cut_off(void **state)
{
    (void)state;
    int pair[2];
    check_ok(ipc_pair(pair, &err));
    pid_t pid = start_server(pair[0], pair[1]);
    close(pair[0]);
    static const char hello[] = "{\"op\":\"hello\",\"id\":1,\"protocol\":1,\"from\":\"test\"}";
    check_ok(ipc_send(pair[1], hello, strlen(hello), NULL, 0, &err));
    AUTO_FREE char *call = mem_printf("{\"op\":\"echo\",\"id\":2,\"say\":\"%01000d\"}", 0);
    struct pollfd poller = {.fd = pair[1], .events = POLLOUT};
    struct error err = {0};
    while (err.kind != ERR_CONFLICT) {
        assert_int_equal(poll(&poller, 1, 5000), 1); // a server that waits for us takes no more
        ipc_send_now(pair[1], call, strlen(call), NULL, 0, &err);
    }
    waitpid(pid, NULL, 0);
    close(pair[1]);
}

static int listen_somewhere(int *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static int connect_to(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

// In a network of our own, where nobody else listens. Within a sandbox that is so already.
static int enter_own_network(void **state)
{
    static int saved;
    saved = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    *state = &saved;
    struct ifreq up = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    if (unshare(CLONE_NEWNET) < 0)
        return errno == EPERM ? 0 : -1;
    AUTO_FD int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return ioctl(fd, SIOCSIFFLAGS, &up);
}

static int leave_own_network(void **state)
{
    int *saved = *state;
    int status = setns(*saved, CLONE_NEWNET) < 0 && errno != EPERM ? -1 : 0;
    close(*saved);
    return status;
}

static void sockets_are_seen_by_their_port(void **state)
{
    (void)state;
    int port;
    int listening = listen_somewhere(&port);
    AUTO(sockets) struct sockets before = {0}, after = {0}, gone = {0};
    check_ok(sockets_read(&before, &err));
    assert_true(sockets_listen(&before, port));
    assert_int_equal(sockets_established(&before, port), 0);
    assert_false(port_is_free(port));
    int client = connect_to(port);
    check_ok(sockets_read(&after, &err));
    assert_int_equal(sockets_established(&after, port), 1); // its end, not the client's
    close(client);
    close(listening);
    check_ok(sockets_read(&gone, &err));
    assert_false(sockets_listen(&gone, port));
    assert_true(port_is_free(port));
}

static void names_of_a_directory_come_in_order(void **state)
{
    AUTO_FD int dir = open(*state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO(strv) struct strv names = {0};
    check_ok(dir_make(dir, "d/b", 0755, &err));
    check_ok(dir_make(dir, "d/.a", 0755, &err));
    check_ok(dir_list(dir, "d", &names, &err));
    assert_int_equal(names.length, 2);
    assert_string_equal(names.items[0], ".a");
    check_error(dir_list(dir, "none", &names, &err), ERR_NOT_FOUND, "none");
}

#define with_directory(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)

TEST_MAIN(with_directory(replaces_a_file_whole_and_leaves_no_temporary),
    with_directory(removes_a_tree_without_following_links),
    with_directory(removes_a_tree_of_any_depth),
    with_directory(a_path_that_foreign_input_chose_stays_in_its_root),
    with_directory(only_one_holds_a_lock), with_directory(names_of_a_directory_come_in_order),
    cmocka_unit_test_setup_teardown(
        sockets_are_seen_by_their_port, enter_own_network, leave_own_network),
    cmocka_unit_test(the_loop_calls_timers_in_order_and_descriptors_when_ready),
    cmocka_unit_test(dates_of_other_machines_are_read),
    cmocka_unit_test(a_process_is_found_by_pid_and_start_time_only),
    cmocka_unit_test(values_survive_a_round_trip_and_name_what_is_wrong), cmocka_unit_test(digests),
    cmocka_unit_test(calls_answers_failures_notices_and_descriptors),
    cmocka_unit_test(a_peer_of_another_protocol_is_told_so),
    cmocka_unit_test(a_peer_that_does_not_read_is_cut_off))
