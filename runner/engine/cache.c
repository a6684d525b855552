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
#include "engine/overlay.h"
#include "engine/workspace.h"
#include "os/fd.h"
#include "os/file.h"

struct cache {
    struct launcher *launcher;
    char *path; // cache/HEX
    struct strv targets;
    bool trusted, hit;
    bool held; // the lock is ours
    int lock_fd, watch_fd;
    struct loop_io watch;
    struct loop_timer soon;
    struct error why; // it cannot be used
    cache_ready_fn *ready;
    void *arg;
    struct strv texts;   // of the mounts
    struct strv *lowers; // of the views, one list per path
};

static void hash(const char *a, const char *b, char hex[static SHA256_HEX_SIZE])
{
    struct sha256 h;
    sha256_init(&h);
    sha256_add(&h, a, strlen(a) + 1); // the NUL keeps the two apart
    sha256_add(&h, b, strlen(b));
    sha256_hex(&h, hex);
}

static char *directory_of(const struct launcher *l, const char *repository, const char *key)
{
    char hex[SHA256_HEX_SIZE];
    hash(repository, key, hex);
    return state_path(l->state, "cache/%s", hex);
}

// Stages that share a key need not name the same paths, nor in the same order.
static char *path_in(const struct cache *c, const char *below, size_t i)
{
    char hex[SHA256_HEX_SIZE];
    hash("path", c->targets.items[i], hex);
    return mem_printf("%s/%s/%.16s", c->path, below, hex);
}

static bool uses_view(const struct cache *c)
{
    return !c->trusted || c->hit;
}

static int remove_below(const struct cache *c, const char *name, struct error *err)
{
    AUTO_FREE char *path = path_join(c->path, name);
    return dir_remove_tree(AT_FDCWD, path, err);
}

static int rename_below(const struct cache *c, const char *from, const char *to, struct error *err)
{
    AUTO_FREE char *old = path_join(c->path, from);
    AUTO_FREE char *new = path_join(c->path, to);
    return rename(old, new) < 0 ? error_errno(err, "%s", new) : 0;
}

// --- what succeeded is kept ---

static int merge_part(int merge, int kept, const char *part, struct error *err)
{
    AUTO_FREE char *path = path_join(part, "upper");
    if (!file_exists(merge, path))
        return 0; // it was new, and is there already
    if (!file_exists(kept, part))
        return renameat(merge, path, kept, part) < 0 ? error_errno(err, "%s", part) : 0;
    AUTO_FD int upper = dir_open(merge, path, err);
    AUTO_FD int lower = upper < 0 ? -1 : dir_open(kept, part, err);
    return lower < 0 ? -1 : overlay_merge(upper, lower, err);
}

static int merge_parts(const struct cache *c, struct error *err)
{
    AUTO_FREE char *merge_path = path_join(c->path, "merge");
    AUTO_FREE char *kept_path = path_join(c->path, "kept");
    AUTO(strv) struct strv parts = {0};
    AUTO_FD int merge = dir_open(AT_FDCWD, merge_path, err);
    AUTO_FD int kept = merge < 0 ? -1 : dir_open(AT_FDCWD, kept_path, err);
    if (kept < 0 || dir_list(merge, ".", &parts, err) < 0)
        return -1;
    strv_each (part, &parts)
        if (merge_part(merge, kept, *part, err) < 0)
            return -1;
    return 0;
}

// A cache that cannot be merged is dropped: it is never half of anything.
static int finish_merge(const struct cache *c, struct error *err)
{
    AUTO_FREE char *path = path_join(c->path, "merge");
    struct error why = {0};
    if (!file_exists(AT_FDCWD, path))
        return 0;
    if (merge_parts(c, &why) < 0) {
        log_warning("cache: dropped: %s", why.message);
        if (remove_below(c, "kept", err) < 0)
            return -1;
    }
    return remove_below(c, "merge", err);
}

static void keep(const struct cache *c)
{
    struct error err = {0};
    if ((c->hit ? rename_below(c, "view", "merge", &err) : rename_below(c, "new", "kept", &err)) <
            0 ||
        finish_merge(c, &err) < 0)
        log_warning("cache: not kept: %s", err.message);
}

// --- the beginning of a use ---

static int make_view(struct cache *c, size_t i, struct error *err)
{
    AUTO_FREE char *path = path_in(c, "view", i);
    AUTO_FREE char *lower = path_in(c, "kept", i);
    AUTO_FREE char *upper = path_join(path, "upper");
    AUTO_FREE char *work = path_join(path, "work");
    if (launcher_make_owned(c->launcher, path, err) < 0 ||
        launcher_make_owned(c->launcher, upper, err) < 0 ||
        launcher_make_owned(c->launcher, work, err) < 0)
        return -1;
    if (file_exists(AT_FDCWD, lower))
        strv_push(&c->lowers[i], lower);
    return 0;
}

// With the lock held: what an earlier holder left half-made goes or is finished, and this use's
// directories are made.
static int lay_out(struct cache *c, struct error *err)
{
    AUTO_FREE char *kept = path_join(c->path, "kept");
    if (remove_below(c, "new", err) < 0 || remove_below(c, "view", err) < 0 ||
        finish_merge(c, err) < 0)
        return -1;
    c->hit = file_exists(AT_FDCWD, kept);
    for (size_t i = 0; i < c->targets.length; i++) {
        AUTO_FREE char *path = path_in(c, "new", i);
        int status =
            uses_view(c) ? make_view(c, i, err) : launcher_make_owned(c->launcher, path, err);
        if (status < 0)
            return -1;
    }
    return 0;
}

static void on_soon(struct loop_timer *timer)
{
    struct cache *c = timer->arg;
    c->ready(c->arg, c->why.kind == ERR_NONE ? NULL : &c->why);
}

// From a callback of its own, so that the owner may close the cache in it.
static void get_ready(struct cache *c)
{
    loop_timer_start(c->launcher->loop, &c->soon, loop_now(c->launcher->loop), on_soon, c);
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
    get_ready(c);
    return 1;
}

// The holder has closed the lock's file (or somebody else just looked at it).
static void on_closed(struct loop_io *io, uint32_t events)
{
    (void)events;
    struct cache *c = io->arg;
    char buffer[4096];
    if (read(c->watch_fd, buffer, sizeof buffer) < 0)
        return;
    int got = try_lock(c, &c->why);
    if (!got)
        return;
    loop_io_stop(&c->watch);
    if (got < 0) {
        error_wrap(&c->why, "cache");
        get_ready(c);
    }
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

struct cache *cache_open(struct launcher *l, const char *repository, const char *key,
    const struct strv *targets, bool trusted, cache_ready_fn *ready, void *arg, struct error *err)
{
    struct cache *c = mem_alloc(sizeof *c);
    *c = (struct cache){.launcher = l,
        .path = directory_of(l, repository, key),
        .trusted = trusted,
        .lock_fd = -1,
        .watch_fd = -1,
        .ready = ready,
        .arg = arg,
        .lowers = mem_array(targets->length, sizeof *c->lowers)};
    strv_copy(&c->targets, targets);
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

struct sandbox_mount cache_mount(struct cache *c, size_t i)
{
    const char *target = c->targets.items[i];
    char *path = path_in(c, uses_view(c) ? "view" : "new", i);
    strv_push_take(&c->texts, path);
    if (!uses_view(c))
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

void cache_close(struct cache *c, bool keep_it)
{
    if (!c)
        return;
    if (keep_it && c->trusted)
        keep(c);
    if (c->held) {
        remove_below(c, "new", NULL);
        remove_below(c, "view", NULL);
    }
    loop_io_stop(&c->watch);
    loop_timer_stop(&c->soon);
    fd_close(c->watch_fd);
    fd_close(c->lock_fd);
    strv_done(&c->texts);
    for (size_t i = 0; i < c->targets.length; i++)
        strv_done(&c->lowers[i]);
    free(c->lowers);
    strv_done(&c->targets);
    free(c->path);
    free(c);
}
