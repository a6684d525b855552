// The directories that inotify(7) watches, and what for. The kernel knows a directory by its inode:
// one that serves several repositories (the parent of them all) is one watch with several uses.
#pragma once

#include <stddef.h>

#include "base/vec.h"

struct error;

enum watch_role {
    WATCH_TRAIL,    // on the way to a repository: `name` below it is awaited
    WATCH_TOP,      // the repository's own directory: HEAD, packed-refs, refs
    WATCH_REFS_TOP, // refs: heads and tags below it
    WATCH_REFS,     // refs/heads, refs/tags and what is below them
};

struct watch_use {
    void *owner;
    enum watch_role role;
    char *path; // as it was asked for
    char *name; // WATCH_TRAIL only, else NULL
};
struct watch_dir {
    int wd;
    VEC(struct watch_use) uses;
};
struct watch_table {
    int fd;                       // of inotify, non-blocking
    VEC(struct watch_dir *) dirs; // by wd
};

int watch_table_init(struct watch_table *table, struct error *err);
void watch_table_done(struct watch_table *table);

// Watches the directory at `path` for this use; the same again changes nothing. 1, 0 when there is
// no such directory, -1 with *err (ERR_LIMIT names the setting to raise).
int watch_table_add(struct watch_table *table, const char *path, enum watch_role role, void *owner,
    const char *name, struct error *err);
// Ends every use of an owner, and the watches that are left without one.
void watch_table_drop(struct watch_table *table, const void *owner);
// NULL when the watch has been ended already: its last events may still be on their way.
struct watch_dir *watch_table_find(const struct watch_table *table, int wd);
// The kernel has ended the watch by itself (IN_IGNORED).
void watch_table_forget(struct watch_table *table, int wd);
