#include "git/checkout.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/fd.h"
#include "os/file.h"

// A few kilobytes of objects can name the same tree a billion times.
#define ENTRIES_MAX 1000000
#define DEPTH_MAX   256
#define NOTICES_MAX 20

struct writer {
    git_repository *repository;
    git_odb *odb;
    git_treebuilder *names; // asked whether a name may be in a tree
    struct strv *notices;
    size_t entries, submodules;
};

// One directory being written: its descriptor, and its path in the commit ("a/b/") for messages.
struct place {
    int fd;
    const char *path;
    size_t depth;
};

static int write_tree(struct writer *w, struct place at, const git_oid *id, struct error *err);

// libgit2 has no other public door to its rules (".git" in all its spellings, "..", slashes) than
// adding an entry to a tree.
static int check_name(
    struct writer *w, struct place at, const git_tree_entry *entry, struct error *err)
{
    const char *name = git_tree_entry_name(entry);
    for (const char *p = name; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return error_set(err, ERR_DENIED,
                "the directory \"%s\" has an entry with a control character in its name", at.path);
    int status = git_treebuilder_insert(
        NULL, w->names, name, git_tree_entry_id(entry), git_tree_entry_filemode(entry));
    if (status < 0)
        return error_set(err, ERR_DENIED,
            "%s%s: an entry of this name could leave the directory or pass for a repository",
            at.path, name);
    return git_treebuilder_clear(w->names) < 0 ? library_error(err, -1, "names") : 0;
}

static int write_file(
    struct writer *w, int dir, const char *name, const git_oid *id, mode_t mode, struct error *err)
{
    AUTO_FD int fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd < 0)
        return error_errno(err, "create");
    return blob_write(w->odb, id, fd, err);
}

static int write_link(
    struct writer *w, int dir, const char *name, const git_oid *id, struct error *err)
{
    AUTO(git_odb_object) git_odb_object *object = NULL;
    int status = git_odb_read(&object, w->odb, id);
    if (status < 0)
        return library_error(err, status, "object %s", git_oid_tostr_s(id));
    size_t length = git_odb_object_size(object);
    const char *bytes = git_odb_object_data(object);
    if (length == 0 || length >= PATH_MAX || memchr(bytes, '\0', length))
        return error_set(
            err, ERR_PROTOCOL, "a symbolic link with %zu bytes that are no path", length);
    AUTO_FREE char *target = mem_strndup(bytes, length);
    return symlinkat(target, dir, name) < 0 ? error_errno(err, "symlink") : 0;
}

static int make_directory(int dir, const char *name, struct error *err)
{
    if (mkdirat(dir, name, 0755) < 0)
        return error_errno(err, "mkdir");
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? error_errno(err, "open") : fd;
}

static int write_submodule(struct writer *w, struct place at, const char *name, struct error *err)
{
    AUTO_FD int fd = make_directory(at.fd, name, err);
    if (fd < 0)
        return -1;
    if (++w->submodules <= NOTICES_MAX)
        strv_pushf(w->notices,
            "%s%s is a submodule: davit does not fetch it, its directory is empty", at.path, name);
    return 0;
}

static int write_leaf(
    struct writer *w, struct place at, const git_tree_entry *entry, struct error *err)
{
    const char *name = git_tree_entry_name(entry);
    const git_oid *id = git_tree_entry_id(entry);
    switch (git_tree_entry_filemode(entry)) {
    case GIT_FILEMODE_BLOB:
        return write_file(w, at.fd, name, id, 0644, err);
    case GIT_FILEMODE_BLOB_EXECUTABLE:
        return write_file(w, at.fd, name, id, 0755, err);
    case GIT_FILEMODE_LINK:
        return write_link(w, at.fd, name, id, err);
    case GIT_FILEMODE_COMMIT:
        return write_submodule(w, at, name, err);
    default:
        return error_set(err, ERR_PROTOCOL, "its mode is none that git knows");
    }
}

static int write_entry(
    struct writer *w, struct place at, const git_tree_entry *entry, struct error *err)
{
    const char *name = git_tree_entry_name(entry);
    if (check_name(w, at, entry, err) < 0)
        return -1;
    if (git_tree_entry_filemode(entry) != GIT_FILEMODE_TREE)
        return write_leaf(w, at, entry, err) < 0 ? error_wrap(err, "%s%s", at.path, name) : 0;
    AUTO_FD int fd = make_directory(at.fd, name, err);
    if (fd < 0)
        return error_wrap(err, "%s%s", at.path, name);
    AUTO_FREE char *path = mem_printf("%s%s/", at.path, name);
    return write_tree(w, (struct place){fd, path, at.depth + 1}, git_tree_entry_id(entry), err);
}

static int write_tree(struct writer *w, struct place at, const git_oid *id, struct error *err)
{
    if (at.depth > DEPTH_MAX)
        return error_set(err, ERR_LIMIT, "directories are nested deeper than %d", DEPTH_MAX);
    AUTO(git_tree) git_tree *tree = NULL;
    int status = git_tree_lookup(&tree, w->repository, id);
    if (status < 0)
        return library_error(err, status, "\"%s\"", at.path);
    w->entries += git_tree_entrycount(tree);
    if (w->entries > ENTRIES_MAX)
        return error_set(
            err, ERR_LIMIT, "the commit has more than %d files and directories", ENTRIES_MAX);
    for (size_t i = 0; i < git_tree_entrycount(tree); i++)
        if (write_entry(w, at, git_tree_entry_byindex(tree, i), err) < 0)
            return -1;
    return 0;
}

static int open_empty(const char *directory, struct error *err)
{
    AUTO_FD int fd = dir_open(AT_FDCWD, directory, err);
    if (fd < 0)
        return -1;
    int for_stream = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = for_stream < 0 ? NULL : fdopendir(for_stream);
    if (!stream) {
        error_errno(err, "%s", directory);
        fd_close(for_stream);
        return -1;
    }
    bool empty = true;
    for (struct dirent *entry; (entry = readdir(stream));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            empty = false;
    closedir(stream);
    if (!empty)
        return error_set(err, ERR_CONFLICT, "%s: is not empty", directory);
    return take_fd(fd);
}

static int prepare(struct writer *w, struct error *err)
{
    int status = git_repository_odb(&w->odb, w->repository);
    if (status == 0)
        status = git_treebuilder_new(&w->names, w->repository, NULL);
    return status < 0 ? library_error(err, status, "checkout") : 0;
}

int checkout_write(git_repository *repository, const git_commit *commit, const char *directory,
    struct strv *notices, struct error *err)
{
    AUTO_FD int fd = open_empty(directory, err);
    if (fd < 0)
        return -1;
    struct writer w = {.repository = repository, .notices = notices};
    int status = prepare(&w, err);
    if (status == 0)
        status = write_tree(&w, (struct place){fd, "", 0}, git_commit_tree_id(commit), err);
    if (w.submodules > NOTICES_MAX)
        strv_pushf(notices, "… and %zu more submodules", w.submodules - NOTICES_MAX);
    git_treebuilder_free(w.names);
    git_odb_free(w.odb);
    return status;
}
