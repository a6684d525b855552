// Files and directories, always relative to a directory descriptor (AT_FDCWD where a plain path is
// meant).
//
// What must survive a power cut goes through file_replace(): a temporary file beside the final
// name, fsync, rename, fsync of the directory. A reader sees the old content or the new, never half
// of it.
#pragma once

#include <stdbool.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/str.h"
#include "base/vec.h"

// Appends the file's bytes to out. An absent file is ERR_NOT_FOUND; more than out's maximum is
// ERR_LIMIT.
int file_read(int dir, const char *path, struct str *out, struct error *err);
int file_replace(
    int dir, const char *path, mode_t mode, const void *bytes, size_t length, struct error *err);
bool file_exists(int dir, const char *path); // lstat; no error is told apart from absence

// Creates path and what is missing above it. What exists already is fine, if it is a directory.
int dir_make(int dir, const char *path, mode_t mode, struct error *err);
int dir_open(int dir, const char *path, struct error *err); // fd or -1
// Appends the names in a directory, sorted, without "." and "..". An absent one is ERR_NOT_FOUND.
int dir_list(int dir, const char *path, struct strv *out, struct error *err);
// Removes path and everything below it without ever following a symbolic link or leaving the file
// system. What is absent is fine. Directories that deny their owner access are opened up first.
int dir_remove_tree(int dir, const char *path, struct error *err);
// Gives path and everything below it to uid:gid, never following a symbolic link.
int dir_chown_tree(int dir, const char *path, uid_t uid, gid_t gid, struct error *err);

// Opens what lies at `path` inside `root`, resolving every symbolic link as if root were "/"
// (RESOLVE_IN_ROOT): a path that foreign input chose cannot leave root. fd or -1; absence is
// ERR_NOT_FOUND.
int file_open_in_root(int root, const char *path, int flags, mode_t mode, struct error *err);
// The same, but a link or ".." that would leave root is an error (RESOLVE_BENEATH).
int file_open_beneath(int root, const char *path, int flags, mode_t mode, struct error *err);

// An advisory lock on a whole file that vanishes with its holder (open file description lock).
// 1 when taken, 0 when somebody else has it, -1 with *err.
int file_lock(int fd, struct error *err);
// Blocks until it is taken.
int file_lock_wait(int fd, struct error *err);

// "dir/name" pieces; the result is the caller's.
char *path_join(const char *dir, const char *name);
const char *path_base(const char *path); // what follows the last slash
// A single path component that is safe to create: not empty, ".", "..", no slash, no control
// character, at most 200 bytes.
bool path_component_ok(const char *name);
