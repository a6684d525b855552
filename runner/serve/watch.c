#include "serve/watch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "git/refname.h"
#include "os/fd.h"
#include "os/file.h"
#include "serve/watch_table.h"

#define READ_SIZE      ((size_t)64 << 10)
#define READS_PER_TURN 16 // others have their turn, too

#define ARRIVED (IN_CREATE | IN_MOVED_TO)
#define LEFT    (IN_DELETE | IN_MOVED_FROM)

struct repository {
    char *path;
    bool present;   // it was a repository when it was looked at last
    bool lost;      // a directory that led to it has changed: look again
    bool suspected; // in the queue of those to be told
    struct repository *next;
    struct error why;
};

struct watch {
    struct loop_io io;
    struct watch_table table;
    watch_fn *changed;
    void *arg;
    VEC(struct repository *) repositories;
    struct repository *suspects;
    _Alignas(struct inotify_event) char buffer[READ_SIZE];
};

static void suspect(struct watch *w, struct repository *r)
{
    if (r->suspected)
        return;
    r->suspected = true;
    r->next = w->suspects;
    w->suspects = r;
}

static bool is_directory(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool below_refs(enum watch_role role, const char *name)
{
    return role != WATCH_REFS_TOP || strcmp(name, "heads") == 0 || strcmp(name, "tags") == 0;
}

// Watches a directory below refs and all below it. First the watch, then the look: what is made in
// between is seen by one of them. 1 when there are refs in it.
static int add_refs(struct watch *w, struct repository *r, const char *path, enum watch_role role,
    struct error *err)
{
    // Somewhat deeper than any name that davit takes could be.
    if (strlen(path) > strlen(r->path) + strlen("/.git/") + REFNAME_MAX)
        return 0;
    int status = watch_table_add(&w->table, path, role, r, NULL, err);
    if (status <= 0)
        return status;
    DIR *stream = opendir(path);
    if (!stream)
        return errno == ENOENT ? 0 : error_errno(err, "%s", path);
    int found = 0;
    for (struct dirent *entry; found >= 0 && (entry = readdir(stream));) {
        struct stat st;
        if (*entry->d_name == '.' || text_ends(entry->d_name, ".lock") ||
            fstatat(dirfd(stream), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        int below = role == WATCH_REFS;
        if (S_ISDIR(st.st_mode)) {
            AUTO_FREE char *child = path_join(path, entry->d_name);
            below = below_refs(role, entry->d_name) ? add_refs(w, r, child, WATCH_REFS, err) : 0;
        }
        found = below < 0 ? -1 : found | below;
    }
    closedir(stream);
    return found;
}

// Watches the directory above the repository, or the nearest one that there is. 1 when the
// repository's own directory exists.
static int add_trail(struct watch *w, struct repository *r, struct error *err)
{
    AUTO_FREE char *path = mem_strdup(r->path);
    for (;;) {
        char *slash = strrchr(path, '/');
        AUTO_FREE char *parent =
            slash == path ? mem_strdup("/") : mem_strndup(path, (size_t)(slash - path));
        int status = watch_table_add(&w->table, parent, WATCH_TRAIL, r, slash + 1, err);
        if (status < 0)
            return -1;
        if (status > 0 && strcmp(path, r->path) == 0)
            return is_directory(path);
        if (status > 0 && !is_directory(path))
            return 0;
        if (status > 0) // it came while we were looking further up
            mem_replace(&path, r->path);
        else
            *slash = '\0';
    }
}

static int attach_present(struct watch *w, struct repository *r, struct error *err)
{
    static const char *const parts[] = {"HEAD", "refs", "objects"};
    AUTO_FREE char *inner = path_join(r->path, ".git");
    if (watch_table_add(&w->table, r->path, WATCH_TRAIL, r, ".git", err) < 0)
        return -1;
    const char *top = is_directory(inner) ? inner : r->path;
    if (watch_table_add(&w->table, top, WATCH_TOP, r, NULL, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        AUTO_FREE char *part = path_join(top, parts[i]);
        if (!file_exists(AT_FDCWD, part))
            return 0;
    }
    r->present = true;
    AUTO_FREE char *refs = path_join(top, "refs");
    return add_refs(w, r, refs, WATCH_REFS_TOP, err) < 0 ? -1 : 0;
}

// Looks for the repository anew and watches what there is.
static int attach(struct watch *w, struct repository *r, struct error *err)
{
    watch_table_drop(&w->table, r);
    r->present = false;
    int status = add_trail(w, r, err);
    if (status > 0)
        status = attach_present(w, r, err);
    return status < 0 ? error_wrap(err, "%s", r->path) : 0;
}

static void on_top(struct watch *w, struct repository *r, unsigned mask, const char *name)
{
    bool head = strcmp(name, "HEAD") == 0;
    if (head || strcmp(name, "packed-refs") == 0) {
        if (r->present)
            suspect(w, r);
        r->lost |= head && (!r->present || (mask & LEFT));
    }
    bool part = strcmp(name, "refs") == 0 || strcmp(name, "objects") == 0;
    r->lost |= part && (mask & (ARRIVED | LEFT));
}

static void on_refs(struct watch *w, const struct watch_use *use, unsigned mask, const char *name)
{
    struct repository *r = use->owner;
    if (!(mask & IN_ISDIR)) {
        if (use->role == WATCH_REFS && !text_ends(name, ".lock"))
            suspect(w, r);
        return;
    }
    if (!below_refs(use->role, name))
        return;
    r->lost |= (mask & IN_MOVED_FROM) != 0; // its watches went with it
    if (!(mask & ARRIVED))
        return;
    AUTO_FREE char *path = path_join(use->path, name);
    int found = add_refs(w, r, path, WATCH_REFS, &r->why);
    if (found != 0)
        suspect(w, r);
}

static void on_use(struct watch *w, const struct watch_use *use, unsigned mask, const char *name)
{
    struct repository *r = use->owner;
    if (mask & (IN_IGNORED | IN_MOVE_SELF)) {
        // Directories of refs come and go; where they go to, the one above tells.
        r->lost |= use->role != WATCH_REFS;
        return;
    }
    switch (use->role) {
    case WATCH_TRAIL:
        r->lost |= strcmp(name, use->name) == 0 && (mask & (ARRIVED | LEFT));
        break;
    case WATCH_TOP:
        on_top(w, r, mask, name);
        break;
    case WATCH_REFS_TOP:
    case WATCH_REFS:
        on_refs(w, use, mask, name);
        break;
    }
}

static void on_event(struct watch *w, const struct inotify_event *event)
{
    if (event->mask & IN_Q_OVERFLOW)
        vec_each (r, &w->repositories)
            (*r)->lost = true;
    const struct watch_dir *dir = watch_table_find(&w->table, event->wd);
    for (size_t i = 0; dir && i < dir->uses.length; i++) {
        const struct watch_use use = dir->uses.items[i]; // the array may grow meanwhile
        on_use(w, &use, event->mask, event->len ? event->name : "");
    }
    if (event->mask & IN_IGNORED)
        watch_table_forget(&w->table, event->wd);
}

static void find_lost(struct watch *w)
{
    vec_each (item, &w->repositories) {
        struct repository *r = *item;
        if (!r->lost)
            continue;
        r->lost = false;
        bool before = r->present;
        if (attach(w, r, &r->why) < 0 || before || r->present)
            suspect(w, r);
    }
}

static void tell(struct watch *w)
{
    for (struct repository *r; (r = w->suspects);) {
        w->suspects = r->next;
        r->suspected = false;
        struct error why = r->why;
        r->why = (struct error){0};
        w->changed(w->arg, r->path, why.kind == ERR_NONE ? NULL : &why); // r may be gone now
    }
}

static void on_readable(struct loop_io *io, uint32_t events)
{
    (void)events;
    struct watch *w = io->arg;
    for (int i = 0; i < READS_PER_TURN; i++) {
        ssize_t n = read(w->table.fd, w->buffer, READ_SIZE);
        if (n <= 0)
            break;
        for (char *at = w->buffer; at < w->buffer + n;) {
            const struct inotify_event *event = (const void *)at;
            on_event(w, event);
            at += sizeof *event + event->len;
        }
    }
    find_lost(w);
    tell(w);
}

struct watch *watch_new(struct loop *loop, watch_fn *changed, void *arg, struct error *err)
{
    struct watch *w = mem_alloc(sizeof *w);
    w->changed = changed;
    w->arg = arg;
    if (watch_table_init(&w->table, err) < 0 ||
        loop_io_start(loop, &w->io, w->table.fd, EPOLLIN, on_readable, w, err) < 0) {
        watch_free(w);
        return NULL;
    }
    return w;
}

static void repository_free(struct repository *r)
{
    free(r->path);
    free(r);
}

void watch_free(struct watch *w)
{
    if (!w)
        return;
    loop_io_stop(&w->io);
    vec_each (r, &w->repositories)
        repository_free(*r);
    vec_free(&w->repositories);
    watch_table_done(&w->table);
    free(w);
}

static struct repository **find(struct watch *w, const char *path)
{
    vec_each (r, &w->repositories)
        if (strcmp((*r)->path, path) == 0)
            return r;
    return NULL;
}

int watch_add(struct watch *w, const char *path, struct error *err)
{
    if (*path != '/' || text_ends(path, "/"))
        return error_set(err, ERR_CONFIG,
            "%s: a repository to watch is named by its absolute path, without a slash at its end",
            path);
    if (find(w, path))
        return error_set(err, ERR_CONFLICT, "%s: is watched already", path);
    struct repository *r = mem_alloc(sizeof *r);
    r->path = mem_strdup(path);
    if (attach(w, r, err) < 0) {
        watch_table_drop(&w->table, r);
        repository_free(r);
        return -1;
    }
    vec_push(&w->repositories, r);
    return 0;
}

void watch_remove(struct watch *w, const char *path)
{
    struct repository **item = find(w, path);
    if (!item)
        return;
    struct repository *r = *item;
    *item = w->repositories.items[--w->repositories.length];
    for (struct repository **at = &w->suspects; *at; at = &(*at)->next)
        if (*at == r) {
            *at = r->next;
            break;
        }
    watch_table_drop(&w->table, r);
    repository_free(r);
}
