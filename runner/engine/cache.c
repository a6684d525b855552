#include "engine/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "codec/digest.h"
#include "engine/workspace.h"
#include "os/fd.h"
#include "os/file.h"

struct cache {
    struct launcher *launcher;
    char *path; // cache/HEX
    size_t count;
    bool trusted, hit;
    bool held; // the lock is ours
    int lock_fd, watch_fd;
    struct loop_io watch;
    struct loop_timer soon;
    cache_ready_fn *ready;
    void *arg;
    struct strv texts;   // of the mounts
    struct strv *lowers; // untrusted: one list per path
};

static char *directory_of(const struct launcher *l, const char *repository, const char *key)
{
    struct sha256 h;
    char hex[SHA256_HEX_SIZE];
    sha256_init(&h);
    sha256_add(&h, repository, strlen(repository) + 1); // the NUL keeps the two apart
    sha256_add(&h, key, strlen(key));
    sha256_hex(&h, hex);
    return state_path(l->state, "cache/%s", hex);
}

// Each path is a directory below `kept` (trusted and hit), `new` (trusted and not) or, untrusted,
// an overlay in `view`.
static char *part_path(const struct cache *c, const char *part, size_t i)
{
    return mem_printf("%s/%s/%zu", c->path, part, i);
}

static int remove_part(const struct cache *c, const char *part, struct error *err)
{
    AUTO_FREE char *path = path_join(c->path, part);
    return dir_remove_tree(AT_FDCWD, path, err);
}

// With the lock held: what an earlier holder left half-made goes, and this use's directories are
// made.
static int lay_out(struct cache *c, struct error *err)
{
    AUTO_FREE char *kept = path_join(c->path, "kept");
    c->hit = file_exists(AT_FDCWD, kept);
    if (remove_part(c, "new", err) < 0 || remove_part(c, "view", err) < 0)
        return -1;
    for (size_t i = 0; i < c->count; i++) {
        AUTO_FREE char *path = part_path(c, !c->trusted ? "view" : c->hit ? "kept" : "new", i);
        if (launcher_make_owned(c->launcher, path, err) < 0)
            return -1;
        if (c->trusted)
            continue;
        AUTO_FREE char *lower = part_path(c, "kept", i);
        AUTO_FREE char *upper = path_join(path, "upper");
        AUTO_FREE char *work = path_join(path, "work");
        if (launcher_make_owned(c->launcher, upper, err) < 0 ||
            launcher_make_owned(c->launcher, work, err) < 0)
            return -1;
        if (c->hit)
            strv_push(&c->lowers[i], lower);
    }
    return 0;
}

static void on_soon(struct loop_timer *timer)
{
    struct cache *c = timer->arg;
    c->ready(c->arg);
}

// Takes the lock if it is free. 1 when it is ours.
static int try_lock(struct cache *c, struct error *err)
{
    int got = file_lock(c->lock_fd, err);
    if (got <= 0)
        return got;
    c->held = true;
    if (lay_out(c, err) < 0)
        return -1;
    loop_timer_start(c->launcher->loop, &c->soon, loop_now(c->launcher->loop), on_soon, c);
    return 1;
}

// The holder has closed the lock's file (or somebody else just looked at it).
static void on_closed(struct loop_io *io, uint32_t events)
{
    (void)events;
    struct cache *c = io->arg;
    char buffer[4096];
    struct error err = {0};
    if (read(c->watch_fd, buffer, sizeof buffer) < 0)
        return;
    int got = try_lock(c, &err);
    if (got < 0)
        log_warning("cache: %s", err.message);
    if (got)
        loop_io_stop(&c->watch);
}

static int await_lock(struct cache *c, struct error *err)
{
    AUTO_FREE char *path = path_join(c->path, "lock");
    c->watch_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (c->watch_fd < 0 || inotify_add_watch(c->watch_fd, path, IN_CLOSE_WRITE) < 0)
        return error_errno(err, "watching %s", path);
    // Once more, for a holder that left before the watch was there.
    int got = try_lock(c, err);
    if (got)
        return got < 0 ? -1 : 0;
    return loop_io_start(c->launcher->loop, &c->watch, c->watch_fd, EPOLLIN, on_closed, c, err);
}

struct cache *cache_open(struct launcher *l, const char *repository, const char *key, size_t count,
    bool trusted, cache_ready_fn *ready, void *arg, struct error *err)
{
    struct cache *c = mem_alloc(sizeof *c);
    *c = (struct cache){.launcher = l,
        .path = directory_of(l, repository, key),
        .count = count,
        .trusted = trusted,
        .lock_fd = -1,
        .watch_fd = -1,
        .ready = ready,
        .arg = arg,
        .lowers = mem_array(count, sizeof *c->lowers)};
    AUTO_FREE char *lock = path_join(c->path, "lock");
    int got = dir_make(AT_FDCWD, c->path, 0755, err);
    if (got == 0) {
        c->lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        got = c->lock_fd < 0 ? error_errno(err, "%s", lock) : try_lock(c, err);
    }
    if (got == 0)
        got = await_lock(c, err);
    if (got < 0) {
        error_wrap(err, "cache");
        cache_close(c, false);
        return NULL;
    }
    return c;
}

bool cache_hit(const struct cache *cache)
{
    return cache->hit;
}

struct sandbox_mount cache_mount(struct cache *c, size_t i, const char *target)
{
    char *path = part_path(c, !c->trusted ? "view" : c->hit ? "kept" : "new", i);
    strv_push_take(&c->texts, path);
    if (c->trusted)
        return (struct sandbox_mount){.kind = SANDBOX_BIND, .target = target, .source = path};
    return (struct sandbox_mount){.kind = SANDBOX_OVERLAY,
        .target = target,
        .lowers = &c->lowers[i],
        .foreign_lowers = c->lowers[i].length,
        .writable = path};
}

char *cache_target(const char *path)
{
    return path[0] == '/' ? mem_strdup(path) : path_join(WORKSPACE, path);
}

// A new key's directory becomes the kept one in one step.
static void keep_new(const struct cache *c)
{
    AUTO_FREE char *from = path_join(c->path, "new");
    AUTO_FREE char *to = path_join(c->path, "kept");
    if (rename(from, to) < 0)
        log_warning("cache: keeping %s failed: %s", to, strerror(errno));
}

void cache_close(struct cache *c, bool keep)
{
    if (!c)
        return;
    if (keep && c->trusted && !c->hit)
        keep_new(c);
    if (c->held) {
        remove_part(c, "new", NULL);
        remove_part(c, "view", NULL);
    }
    loop_io_stop(&c->watch);
    loop_timer_stop(&c->soon);
    fd_close(c->watch_fd);
    fd_close(c->lock_fd);
    strv_done(&c->texts);
    for (size_t i = 0; i < c->count; i++)
        strv_done(&c->lowers[i]);
    free(c->lowers);
    free(c->path);
    free(c);
}
