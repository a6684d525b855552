#include "os/sockets.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/fd.h"
#include "os/file.h"
#include "os/process.h"

#define TABLE_MAX       ((size_t)64 << 20)
#define TCP_ESTABLISHED 1 // the kernel's include/net/tcp_states.h
#define TCP_LISTEN      10

void sockets_done(struct sockets *s)
{
    vec_free(&s->items);
}

// "  0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345
// …"
static void add_line(struct sockets *s, const char *line)
{
    unsigned port, state;
    unsigned long long inode;
    if (sscanf(line, " %*u: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*u %*u %llu", &port,
            &state, &inode) != 3)
        return;
    if (state == TCP_LISTEN || state == TCP_ESTABLISHED)
        vec_push(&s->items, ((struct socket_entry){
                                .port = (int)port,
                                .listening = state == TCP_LISTEN,
                                .established = state == TCP_ESTABLISHED,
                                .inode = inode,
                            }));
}

static int read_table(const char *path, struct sockets *s, struct error *err)
{
    AUTO(str) struct str text;
    struct error why = {0};
    str_init(&text, TABLE_MAX);
    if (file_read(AT_FDCWD, path, &text, &why) < 0) {
        if (why.kind == ERR_NOT_FOUND)
            return 0; // a kernel without IPv6
        if (err)
            *err = why;
        return -1;
    }
    char *rest = text.data;
    for (char *line; rest && *rest && (line = strsep(&rest, "\n"));)
        add_line(s, line);
    return 0;
}

int sockets_read(struct sockets *ret, struct error *err)
{
    if (read_table("/proc/net/tcp", ret, err) < 0)
        return -1;
    return read_table("/proc/net/tcp6", ret, err);
}

bool sockets_listen(const struct sockets *s, int port)
{
    vec_each (item, &s->items)
        if (item->listening && item->port == port)
            return true;
    return false;
}

int sockets_established(const struct sockets *s, int port)
{
    int count = 0;
    vec_each (item, &s->items)
        count += item->established && item->port == port;
    return count;
}

static const struct socket_entry *find_listener(const struct sockets *s, uint64_t inode)
{
    vec_each (item, &s->items)
        if (item->listening && item->inode == inode)
            return item;
    return NULL;
}

// Of one process: the first port that it listens on outside of [first, first + count).
static int port_of_process(const struct sockets *s, pid_t pid, int first, int count)
{
    AUTO_FREE char *path = mem_printf("/proc/%d/fd", pid);
    DIR *dir = opendir(path);
    int found = 0;
    for (struct dirent *entry; dir && !found && (entry = readdir(dir));) {
        char link[64] = "";
        unsigned long long inode;
        if (readlinkat(dirfd(dir), entry->d_name, link, sizeof link - 1) < 0 ||
            sscanf(link, "socket:[%llu]", &inode) != 1)
            continue;
        const struct socket_entry *listener = find_listener(s, inode);
        if (listener && (listener->port < first || listener->port >= first + count))
            found = listener->port;
    }
    if (dir)
        closedir(dir);
    return found;
}

int sockets_other_port(const struct sockets *s, pid_t init, int first, int count)
{
    struct pids all = {0};
    int found = 0;
    process_list_namespace(init, &all);
    vec_each (pid, &all.items)
        if (!found)
            found = port_of_process(s, *pid, first, count);
    vec_free(&all.items);
    return found;
}

bool port_is_free(int port)
{
    AUTO_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    // As most servers do: connections that an earlier instance left in TIME_WAIT do not count.
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    return fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof address) == 0;
}
