#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/text.h"
#include "deploy/prober_private.h"

#define TCP_TIMEOUT_MS 5000

static void on_connected(struct loop_io *io, uint32_t events)
{
    struct probe *probe = io->arg;
    int why = 0;
    socklen_t size = sizeof why;
    (void)events;
    getsockopt(probe->fd, SOL_SOCKET, SO_ERROR, &why, &size);
    if (why) {
        probe_reject(probe, strerror(why), "a connection");
        return;
    }
    probe->verdict = (struct gate_verdict){
        .passed = true, .seen = "it accepts connections", .wanted = "a connection"};
    probe_over(probe);
}

static int64_t connect_ms(const struct probe *probe)
{
    return probe->gate->timeout_ms ? probe->gate->timeout_ms : TCP_TIMEOUT_MS;
}

static void on_connect_late(struct loop_timer *timer)
{
    struct probe *probe = timer->arg;
    char duration[DURATION_TEXT_MAX];
    AUTO_FREE char *seen =
        mem_printf("no answer in %s", duration_print(connect_ms(probe), duration));
    probe_reject(probe, seen, "a connection");
}

// "127.0.0.1:80" or "[::1]:80": instances have no names to look up. NULL with *err.
static struct addrinfo *parse_address(const char *address, struct error *err)
{
    const char *colon = strrchr(address, ':');
    struct addrinfo hints = {
        .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    if (!colon) {
        error_set(err, ERR_PROTOCOL, "\"%s\" is not HOST:PORT", address);
        return NULL;
    }
    bool bracketed = address[0] == '[' && colon > address && colon[-1] == ']';
    AUTO_FREE char *host =
        mem_strndup(address + bracketed, (size_t)(colon - address) - (bracketed ? 2 : 0));
    int rc = getaddrinfo(host, colon + 1, &hints, &found);
    if (rc != 0) {
        error_set(err, ERR_PROTOCOL, "\"%s\": %s", address, gai_strerror(rc));
        return NULL;
    }
    return found;
}

static int connect_to(struct probe *probe, struct error *err)
{
    struct addrinfo *to = parse_address(probe->instance->address, err);
    if (!to)
        return -1;
    probe->fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int rc = probe->fd < 0 ? -1 : connect(probe->fd, to->ai_addr, to->ai_addrlen);
    int why = errno;
    freeaddrinfo(to);
    errno = why;
    if (rc < 0 && (probe->fd < 0 || why != EINPROGRESS))
        return error_errno(err, "connect");
    return loop_io_start(
        probe->owner->loop, &probe->io, probe->fd, EPOLLOUT, on_connected, probe, err);
}

void probe_start_tcp(struct probe *probe)
{
    struct error err = {0};
    struct loop *loop = probe->owner->loop;
    if (connect_to(probe, &err) < 0)
        probe_reject(probe, err.message, "a connection");
    else
        loop_timer_start(
            loop, &probe->timer, loop_now(loop) + connect_ms(probe), on_connect_late, probe);
}
