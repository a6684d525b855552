#include "support/check.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/str.h"
#include "os/fd.h"
#include "os/file.h"

// The tests run in tests/ (tests/CMakeLists.txt).
#define SCRIPTS "../scripts"

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

// Runs a bash script with `dir` as its $1; what it wrote to both outputs replaces *out.
static int run_shell(const char *script, const char *dir, struct str *out)
{
    int pipe_fds[2];
    check_ok(fd_pipe(pipe_fds, &err));
    pid_t pid = fork();
    if (pid == 0) {
        dup2(pipe_fds[1], 1);
        dup2(pipe_fds[1], 2);
        execl("/usr/bin/timeout", "timeout", "60", "bash", "-c", script, "test", dir, NULL);
        _exit(127);
    }
    fd_close(pipe_fds[1]);
    str_clear(out);
    check_ok(fd_read_all(pipe_fds[0], out, &err));
    fd_close(pipe_fds[0]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void check_shell(const char *script, const char *dir, int status, const char *part)
{
    AUTO(str) struct str out;
    str_init(&out, 1 << 16);
    int seen = run_shell(script, dir, &out);
    if (seen != status || !strstr(out.data, part))
        fail_msg("exit code %d, wanted %d; \"%s\" is not in: %s\nof: %s", seen, status, part,
            out.data, script);
}

static void this_tree_keeps_to_its_floors(void **state)
{
    (void)state;
    check_shell("exec " SCRIPTS "/check-includes", "", 0, "");
}

static void put(const char *dir, const char *path, const char *text)
{
    AUTO_FREE char *whole = path_join(dir, path);
    AUTO_FREE char *parent = mem_strndup(whole, (size_t)(strrchr(whole, '/') - whole));
    check_ok(dir_make(AT_FDCWD, parent, 0755, &err));
    check_ok(file_replace(AT_FDCWD, whole, 0644, text, strlen(text), &err));
}

static void every_breach_of_the_floors_is_named(void **state)
{
    static const struct {
        const char *path, *text, *complaint; // NULL: it is fine
    } rows[] = {
        {"runner/codec/a.c", "#include \"os/fd.h\"\n#include \"codec/b.h\"\n#include <jansson.h>\n",
            NULL},
        {"runner/bin/davit.c", "#include \"cli/main.h\"\n#include <stdio.h>\n", NULL},
        {"runner/git/a.c", "#include <git2/sys/repository.h>\n", NULL},
        {"runner/sandbox/a.c", "#include <linux/seccomp.h>\n#include <seccomp.h>\n", NULL},
        {"runner/os/a.c", "// says \"codec/value.h\"\nint x;\n", NULL},
        {"tests/unit/a.c", "#include \"serve/x.h\"\n#include <git2.h>\n", NULL},
        {"runner/os/a.c", "\n#include \"codec/value.h\"\n",
            "runner/os/a.c:2: os (floor 2) includes \"codec/value.h\" (floor 3)"},
        {"runner/git/a.h", "#include \"net/http.h\"\n",
            "runner/git/a.h:1: git (floor 5) includes \"net/http.h\" (floor 5)"},
        {"runner/base/a.c", "  #  include\t\"os/fd.h\"\n", "runner/base/a.c:1: base (floor 1)"},
        {"runner/engine/a.c", "#include \"deply/x.h\"\n", "there is no room deply"},
        {"runner/engine/a.c", "#include \"run.h\"\n", "write \"engine/run.h\""},
        {"runner/kitchen/a.c", "int x;\n", "there is no room kitchen"},
        {"runner/image/a.c", "#include <curl/curl.h>\n", "<curl/curl.h> belongs to net"},
        {"runner/deploy/a.c", "#include <git2.h>\n", "<git2.h> belongs to git"},
        {"runner/net/a.c", "#include <archive_entry.h>\n", "<archive_entry.h> belongs to image"},
        {"runner/store/a.c", "#include <openssl/evp.h>\n", "<openssl/evp.h> belongs to codec"},
        {"runner/engine/a.c", "#include <sqlite3.h>\n", "<sqlite3.h> belongs to store"},
        {"runner/engine/a.c", "#include <seccomp.h>\n", "<seccomp.h> belongs to sandbox"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_FREE char *tree = mem_printf("%s/%zu", (char *)*state, i);
        put(tree, "runner/base/good.c", "int good;\n");
        put(tree, "tests/good.c", "int good;\n");
        put(tree, rows[i].path, rows[i].text);
        check_shell("exec " SCRIPTS "/check-includes \"$1\"", tree, rows[i].complaint ? 1 : 0,
            rows[i].complaint ? rows[i].complaint : "");
    }
}

static void a_file_has_at_most_800_lines(void **state)
{
    AUTO(str) struct str text;
    str_init(&text, 4096);
    str_pad(&text, '\n', 800);
    put(*state, "runner/base/long.c", text.data);
    put(*state, "tests/good.c", "int good;\n");
    check_shell("exec " SCRIPTS "/check-includes \"$1\"", *state, 0, "");
    str_putc(&text, '\n');
    put(*state, "runner/base/long.c", text.data);
    check_shell("exec " SCRIPTS "/check-includes \"$1\"", *state, 1,
        "runner/base/long.c:801: the file has more than 800 lines");
}

static void a_tree_without_files_is_not_taken_for_one_in_order(void **state)
{
    check_shell("mkdir -p \"$1/runner\" \"$1/tests\"; exec " SCRIPTS "/check-includes \"$1\"",
        *state, 1, "no C files");
}

// ---- scripts/lib.sh ----

#define LIB "set -euo pipefail; . " SCRIPTS "/lib.sh; "

static void what_is_to_be_done_at_exit_is_done_however_it_ends(void **state)
{
    check_shell(LIB "at_exit echo one 'of  two'; at_exit echo last; false", *state, 1,
        "last\none of  two\n");
    check_shell(LIB "at_exit echo cleaned; kill -TERM $$; sleep 60", *state, 143, "cleaned\n");
    check_shell(LIB "at_exit false; at_exit echo cleaned; die 'no boat'", *state, 1,
        "test: no boat\ncleaned\n");
}

static void a_command_that_fails_quietly_is_shown(void **state)
{
    check_shell(LIB "f() { echo reason >&2; false; echo on >&2; }; quietly \"$1/log\" f", *state, 1,
        "reason\ntest: f failed with exit code 1");
    check_shell(LIB "quietly \"$1/log\" echo hello; echo went on", *state, 0, "hello\nwent on\n");
}

static void only_the_process_that_was_written_down_is_ended(void **state)
{
    static const char start[] = LIB "sleep 60 & pid=$!; at_exit kill $pid; write_pid $pid $1/pid; ";
    static const char end[] = "end_process $1/pid; if process_start $pid >$1/start; then "
                              "echo lives; else echo ended; fi; ls $1";
    AUTO_FREE char *ended = mem_printf("%s%s", start, end);
    check_shell(ended, *state, 0, "ended\n");
    // The same pid, begun at another time: somebody else's by now.
    AUTO_FREE char *other = mem_printf("%secho $pid 1 >$1/pid; %s", start, end);
    check_shell(other, *state, 0, "lives\n");
    // One that does not listen to TERM.
    AUTO_FREE char *deaf = mem_printf("%s(trap '' TERM; exec sleep 60) & deaf=$!; "
                                      "write_pid $deaf $1/pid; pid=$deaf; %s",
        start, end);
    check_shell(deaf, *state, 0, "ended\n");
    check_shell(LIB "end_process $1/none; echo fine", *state, 0, "fine\n");
}

static void a_zombie_counts_as_ended(void **state)
{
    // The inner shell becomes a program that never reaps the child that the shell began.
    check_shell(LIB
        "mkfifo $1/go; : >$1/child; "
        "bash -c '(read -r _ <$1/go) & echo $! >$1/child; exec sleep 60' x $1 & pid=$!; "
        "at_exit kill $pid; "
        "until grep -q '(sleep)' /proc/$pid/stat; do sleep 0.01; done; "
        "child=$(<$1/child); process_start $child >$1/start && echo lives; "
        "echo >$1/go; until grep -q ') Z ' /proc/$child/stat; do sleep 0.01; done; "
        "process_start $child || echo ended",
        *state, 0, "lives\nended\n");
}

static void a_package_that_is_there_is_not_installed_again(void **state)
{
    check_shell(LIB "need bash coreutils; echo \"quiet: $(need bash)\"", *state, 0, "quiet: \n");
}

static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    AUTO_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    return ntohs(address.sin_port);
}

static void a_registry_answers_when_it_is_said_to_run(void **state)
{
    int port = free_port();
    AUTO_FREE char *script =
        mem_printf(LIB "with_registry $1/r %d; at_exit end_process $1/r/pid; "
                       "exec {c}<>/dev/tcp/127.0.0.1/%d; "
                       "printf 'GET /v2/ HTTP/1.0\\r\\n\\r\\n' >&$c; head -n 1 <&$c; "
                       "(with_registry $1/s %d)",
            port, port, port);
    check_shell(script, *state, 1, "HTTP/1.0 200 OK\r\n");
    check_shell(script, *state, 1, "address already in use");
}

#define in_directory(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)

TEST_MAIN(cmocka_unit_test(this_tree_keeps_to_its_floors),
    in_directory(every_breach_of_the_floors_is_named), in_directory(a_file_has_at_most_800_lines),
    in_directory(a_tree_without_files_is_not_taken_for_one_in_order),
    in_directory(what_is_to_be_done_at_exit_is_done_however_it_ends),
    in_directory(a_command_that_fails_quietly_is_shown),
    in_directory(only_the_process_that_was_written_down_is_ended),
    in_directory(a_zombie_counts_as_ended),
    in_directory(a_package_that_is_there_is_not_installed_again),
    in_directory(a_registry_answers_when_it_is_said_to_run))
