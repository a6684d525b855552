#include "engine/worker_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "os/fd.h"
#include "os/file.h"

static char *file_of(int64_t run_id)
{
    return mem_printf("runs/%lld/worker", (long long)run_id);
}

int worker_file_write(const struct state *state, int64_t run_id, struct error *err)
{
    uint64_t start;
    AUTO_FREE char *path = file_of(run_id);
    if (process_start_time(getpid(), &start, err) < 0)
        return -1;
    AUTO_FREE char *text = mem_printf("%d %llu\n", getpid(), (unsigned long long)start);
    // Written plainly: after a power cut there is no worker to find. One may be there already, of a
    // worker that died before it committed its run: the number is ours now.
    AUTO_FD int fd = openat(state->dir, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_errno(err, "%s", path);
    return fd_write_all(fd, text, strlen(text), err);
}

int worker_find(const struct state *state, int64_t run_id, struct process *ret, struct error *err)
{
    AUTO_FREE char *path = file_of(run_id);
    AUTO(str) struct str text;
    str_init(&text, 100);
    struct error why = {0};
    if (file_read(state->dir, path, &text, &why) < 0) {
        if (why.kind == ERR_NOT_FOUND)
            return 0;
        if (err)
            *err = why;
        return -1;
    }
    int pid;
    unsigned long long start;
    if (sscanf(text.data, "%d %llu", &pid, &start) != 2)
        return error_set(err, ERR_PROTOCOL, "%s: not \"PID START\"", path);
    return process_find(pid, start, ret, err);
}
