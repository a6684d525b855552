// What the test servers share: a listener on 127.0.0.1, a process that serves it, and a log of what
// clients have sent.
#pragma once

#include <sys/types.h>

// In the server's process; never returns.
typedef void server_run_fn(int listener, int log_fd, const void *arg);

// The process dies with us. Its port and its log are the caller's to keep, for server_stop().
pid_t server_start(server_run_fn *run, const void *arg, int *ret_port, int *ret_log_fd);
void server_stop(pid_t pid, int log_fd);
char *server_log(int log_fd); // all of it so far; the caller's
