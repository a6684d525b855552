#include "support/proxy.h"

#include "support/server.h"
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int connect_to(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
        .sin_addr = {htonl(INADDR_LOOPBACK)},
        .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return connect(fd, (struct sockaddr *)&address, sizeof address) == 0 ? fd : -1;
}

static void relay(int a, int b)
{
    char buffer[16384];
    struct pollfd ends[2] = {{.fd = a, .events = POLLIN}, {.fd = b, .events = POLLIN}};
    while (poll(ends, 2, -1) > 0)
        for (int i = 0; i < 2; i++) {
            if (!ends[i].revents)
                continue;
            ssize_t n = read(ends[i].fd, buffer, sizeof buffer);
            if (n <= 0 || write(ends[1 - i].fd, buffer, (size_t)n) != n)
                return;
        }
}

static bool read_whole(int fd, unsigned char *to, size_t length)
{
    return recv(fd, to, length, MSG_WAITALL) == (ssize_t)length;
}

static int accept_socks(int fd, int log_fd)
{
    unsigned char b[262] = {0};
    char host[256] = "ADDRESS";
    if (!read_whole(fd, b, 2) || !read_whole(fd, b + 2, b[1]) || write(fd, "\x05\0", 2) != 2 ||
        !read_whole(fd, b, 5))
        return -1;
    size_t length = b[3] == 3 ? b[4] : b[3] == 1 ? 3 : 15; // a name; what is left of an address
    unsigned char rest[260];
    if (!read_whole(fd, rest, length + 2))
        return -1;
    if (b[3] == 3)
        snprintf(host, sizeof host, "%.*s", (int)length, (char *)rest);
    int port = rest[length] << 8 | rest[length + 1];
    dprintf(log_fd, "%s:%d\n", host, port);
    static const char granted[10] = {5, 0, 0, 1};
    return write(fd, granted, sizeof granted) == sizeof granted ? connect_to(port) : -1;
}

static int accept_connect(int fd, int log_fd)
{
    char head[4096] = "", host[256];
    int port;
    for (size_t n = 0; n < sizeof head - 1 && !strstr(head, "\r\n\r\n"); n++)
        if (read(fd, head + n, 1) != 1)
            return -1;
    if (sscanf(head, "CONNECT %255[^:]:%d", host, &port) != 2)
        return -1;
    dprintf(log_fd, "%s:%d\n", host, port);
    static const char granted[] = "HTTP/1.1 200 Connection established\r\n\r\n";
    return write(fd, granted, sizeof granted - 1) > 0 ? connect_to(port) : -1;
}

static void run(int listener, int log_fd, const void *arg)
{
    bool socks = *(const bool *)arg;
    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            _exit(1);
        if (fork() == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            close(listener);
            int other = (socks ? accept_socks : accept_connect)(fd, log_fd);
            if (other >= 0)
                relay(fd, other);
            _exit(0);
        }
        close(fd);
    }
}

void proxy_start(struct proxy *p, bool socks)
{
    p->pid = server_start(run, &socks, &p->port, &p->log_fd);
}

void proxy_stop(struct proxy *p)
{
    server_stop(p->pid, p->log_fd);
}

char *proxy_log(const struct proxy *p)
{
    return server_log(p->log_fd);
}
