// A small HTTP server that a test scripts: it answers, stalls, closes early, sends bad bytes. It
// runs in processes of its own and keeps everything that clients sent, as the proof of what they
// told it.
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/str.h"

struct tcp_server {
    pid_t pid;
    int port; // on 127.0.0.1
    int log_fd;
    char origin[40]; // "http://127.0.0.1:PORT"
};

// Called in the connection's process with each whole request (head and body); false closes the
// connection.
typedef bool tcp_server_fn(int connection, const char *request, void *arg);

void tcp_server_start(struct tcp_server *server, tcp_server_fn *serve, void *arg);
void tcp_server_stop(struct tcp_server *server);
// Everything that all clients have sent so far; the caller's.
char *tcp_server_log(const struct tcp_server *server);

// For handlers.
void tcp_send(int connection, const char *text);
// "HTTP/1.1 STATUS", the headers (each ended by \r\n), Content-Length and the body.
void tcp_reply(int connection, const char *status, const char *headers, const char *body);
void tcp_hang(void); // never returns: the connection stays open and silent
