#include "serve/watch_table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>

#include "base/error.h"
#include "base/str.h"
#include "os/fd.h"
#include "os/file.h"

// A use more may widen a watch, never narrow it: events that a use did not ask for are told apart
// by their names.
#define COMINGS_AND_GOINGS                                                                         \
    (IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_MOVE_SELF | IN_ONLYDIR | IN_MASK_ADD)

static const unsigned masks[] = {
    [WATCH_TRAIL] = COMINGS_AND_GOINGS,
    // git renames a finished file to its place, others write into it.
    [WATCH_TOP] = COMINGS_AND_GOINGS | IN_CLOSE_WRITE,
    [WATCH_REFS_TOP] = COMINGS_AND_GOINGS,
    [WATCH_REFS] = COMINGS_AND_GOINGS | IN_CLOSE_WRITE | IN_DONT_FOLLOW,
};

static int limit_error(struct error *err, const char *setting)
{
    AUTO_FREE char *path = mem_printf("/proc/sys/fs/inotify/%s", setting);
    AUTO(str) struct str value;
    str_init(&value, 64);
    if (file_read(AT_FDCWD, path, &value, NULL) < 0)
        str_puts(&value, "unknown");
    return error_set(err, ERR_LIMIT,
        "inotify: this user's limit is reached (fs.inotify.%s is %.*s): raise it with sysctl(8)",
        setting, (int)strcspn(value.data, "\n"), value.data);
}

int watch_table_init(struct watch_table *table, struct error *err)
{
    *table = (struct watch_table){.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC)};
    if (table->fd >= 0)
        return 0;
    return errno == EMFILE ? limit_error(err, "max_user_instances") : error_errno(err, "inotify");
}

static void use_done(struct watch_use *use)
{
    free(use->path);
    free(use->name);
}

static void dir_free(struct watch_dir *dir)
{
    vec_each (use, &dir->uses)
        use_done(use);
    vec_free(&dir->uses);
    free(dir);
}

void watch_table_done(struct watch_table *table)
{
    vec_each (dir, &table->dirs)
        dir_free(*dir);
    vec_free(&table->dirs);
    fd_reset(&table->fd);
}

// The first place whose watch descriptor is not below wd.
static size_t position(const struct watch_table *table, int wd)
{
    size_t low = 0, high = table->dirs.length;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (table->dirs.items[middle]->wd < wd)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct watch_dir *watch_table_find(const struct watch_table *table, int wd)
{
    size_t at = position(table, wd);
    bool found = at < table->dirs.length && table->dirs.items[at]->wd == wd;
    return found ? table->dirs.items[at] : NULL;
}

static struct watch_dir *find_or_add(struct watch_table *table, int wd)
{
    struct watch_dir *dir = watch_table_find(table, wd);
    if (dir)
        return dir;
    size_t at = position(table, wd);
    dir = mem_alloc(sizeof *dir);
    dir->wd = wd;
    vec_push(&table->dirs, dir);
    struct watch_dir **items = table->dirs.items;
    memmove(items + at + 1, items + at, (table->dirs.length - 1 - at) * sizeof *items);
    items[at] = dir;
    return dir;
}

static bool has_use(
    const struct watch_dir *dir, enum watch_role role, const void *owner, const char *name)
{
    vec_each (use, &dir->uses)
        if (use->role == role && use->owner == owner && text_equal(use->name, name))
            return true;
    return false;
}

int watch_table_add(struct watch_table *table, const char *path, enum watch_role role, void *owner,
    const char *name, struct error *err)
{
    int wd = inotify_add_watch(table->fd, path, masks[role]);
    if (wd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return 0;
    if (wd < 0 && errno == ENOSPC)
        return limit_error(err, "max_user_watches");
    if (wd < 0)
        return error_errno(err, "%s: cannot be watched", path);
    struct watch_dir *dir = find_or_add(table, wd);
    if (!has_use(dir, role, owner, name))
        vec_push(&dir->uses, ((struct watch_use){.owner = owner,
                                 .role = role,
                                 .path = mem_strdup(path),
                                 .name = mem_strdup_opt(name)}));
    return 1;
}

// Keeps the uses of others.
static void drop_uses(struct watch_dir *dir, const void *owner)
{
    size_t kept = 0;
    vec_each (use, &dir->uses) {
        if (use->owner == owner)
            use_done(use);
        else
            dir->uses.items[kept++] = *use;
    }
    dir->uses.length = kept;
}

void watch_table_drop(struct watch_table *table, const void *owner)
{
    size_t kept = 0;
    vec_each (dir, &table->dirs) {
        drop_uses(*dir, owner);
        if ((*dir)->uses.length) {
            table->dirs.items[kept++] = *dir;
            continue;
        }
        inotify_rm_watch(table->fd, (*dir)->wd);
        dir_free(*dir);
    }
    table->dirs.length = kept;
}

void watch_table_forget(struct watch_table *table, int wd)
{
    size_t at = position(table, wd);
    if (!watch_table_find(table, wd))
        return;
    struct watch_dir **items = table->dirs.items;
    dir_free(items[at]);
    table->dirs.length--;
    memmove(items + at, items + at + 1, (table->dirs.length - at) * sizeof *items);
}
