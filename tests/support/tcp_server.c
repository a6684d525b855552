#include "support/tcp_server.h"

#include "support/server.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUEST_MAX ((size_t)64 << 20)

void tcp_send(int connection, const char *text)
{
    size_t length = strlen(text);
    while (length) {
        ssize_t n = send(connection, text, length, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        text += n;
        length -= (size_t)n;
    }
}

void tcp_reply(int connection, const char *status, const char *headers, const char *body)
{
    AUTO_FREE char *text = mem_printf(
        "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n%s", status, headers, strlen(body), body);
    tcp_send(connection, text);
}

void tcp_hang(void)
{
    for (;;)
        pause();
}

// How long the request at the start of `text` is; 0 while it is not whole.
static size_t request_length(const struct str *text)
{
    const char *end = strstr(text->data, "\r\n\r\n");
    if (!end)
        return 0;
    size_t head = (size_t)(end - text->data) + 4;
    const char *field = strcasestr(text->data, "\r\ncontent-length:");
    size_t body = field && field < end ? strtoul(field + 17, NULL, 10) : 0;
    return text->length >= head + body ? head + body : 0;
}

static void serve_connection(int fd, int log_fd, tcp_server_fn *serve, void *arg)
{
    AUTO(str) struct str text;
    str_init(&text, REQUEST_MAX);
    static char buffer[65536];
    for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0;) {
        if (write(log_fd, buffer, (size_t)n) != n)
            _exit(1);
        str_add(&text, buffer, (size_t)n);
        for (size_t length; (length = request_length(&text));) {
            AUTO_FREE char *request = mem_strndup(text.data, length);
            str_drop(&text, length);
            if (!serve(fd, request, arg))
                return;
        }
    }
}

// How a server's process serves.
struct service {
    tcp_server_fn *serve;
    void *arg;
};

static void run(int listener, int log_fd, const void *arg)
{
    const struct service *service = arg;
    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            _exit(1);
        if (fork() == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            close(listener);
            serve_connection(fd, log_fd, service->serve, service->arg);
            _exit(0);
        }
        close(fd);
    }
}

void tcp_server_start(struct tcp_server *server, tcp_server_fn *serve, void *arg)
{
    const struct service service = {serve, arg};
    server->pid = server_start(run, &service, &server->port, &server->log_fd);
    snprintf(server->origin, sizeof server->origin, "http://127.0.0.1:%d", server->port);
}

void tcp_server_stop(struct tcp_server *server)
{
    server_stop(server->pid, server->log_fd);
}

char *tcp_server_log(const struct tcp_server *server)
{
    return server_log(server->log_fd);
}
