#include "support/server.h"

#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "support/check.h"

#define LOG_MAX ((size_t)64 << 20)

pid_t server_start(server_run_fn *run, const void *arg, int *ret_port, int *ret_log_fd)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(listener, 64), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    *ret_port = ntohs(address.sin_port);
    *ret_log_fd = memfd_create("log", MFD_CLOEXEC);
    assert_true(*ret_log_fd >= 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        run(listener, *ret_log_fd, arg);
    }
    close(listener);
    return pid;
}

void server_stop(pid_t pid, int log_fd)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(log_fd);
}

char *server_log(int log_fd)
{
    AUTO(str) struct str text;
    str_init(&text, LOG_MAX);
    char buffer[65536];
    ssize_t n;
    for (off_t at = 0; (n = pread(log_fd, buffer, sizeof buffer, at)) > 0; at += n)
        str_add(&text, buffer, (size_t)n);
    return str_take(&text);
}
