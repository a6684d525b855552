#include "image/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "os/fd.h"
#include "os/file.h"

static int lock_users(int fd, int command, short type, struct error *err)
{
    struct flock whole = {.l_type = type, .l_whence = SEEK_SET};
    int status;
    do
        status = fcntl(fd, command, &whole);
    while (status < 0 && errno == EINTR);
    if (status == 0)
        return 1;
    if (errno == EAGAIN || errno == EACCES)
        return 0;
    return error_errno(err, "the lock of the store");
}

int store_alone(struct store *store, struct error *err)
{
    return lock_users(store->users_fd, F_OFD_SETLK, F_WRLCK, err);
}

static int make_layout(struct store *store, struct error *err)
{
    static const char *const directories[] = {
        "blobs/sha256", "layers", "cache", "pins", "mounts", "work"};
    static const char layout[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
    static const char index[] = "{\"schemaVersion\":2,\"mediaType\":\"application/"
                                "vnd.oci.image.index.v1+json\",\"manifests\":[]}";
    for (size_t i = 0; i < ARRAY_LEN(directories); i++)
        if (dir_make(store->dir, directories[i], 0755, err) < 0)
            return -1;
    if (!file_exists(store->dir, "index.json") &&
        file_replace(store->dir, "index.json", 0644, index, strlen(index), err) < 0)
        return -1;
    if (!file_exists(store->dir, "oci-layout") &&
        file_replace(store->dir, "oci-layout", 0644, layout, strlen(layout), err) < 0)
        return -1;
    return 0;
}

// Whoever is alone removes what dead processes have left, before others come in.
static int enter(struct store *store, struct error *err)
{
    store->users_fd = openat(store->dir, "users", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (store->users_fd < 0)
        return error_errno(err, "users");
    int alone = store_alone(store, err);
    if (alone < 0)
        return -1;
    if (alone && make_layout(store, err) < 0)
        return -1;
    if (alone && (dir_remove_tree(store->dir, "work", err) < 0 ||
                     dir_make(store->dir, "work", 0755, err) < 0))
        return -1;
    return lock_users(store->users_fd, F_OFD_SETLKW, F_RDLCK, err) < 0 ? -1 : 0;
}

int store_open(struct store *store, const char *path, struct error *err)
{
    *store = (struct store){.dir = -1, .users_fd = -1, .blobs_dir = -1};
    if (dir_make(AT_FDCWD, path, 0755, err) == 0 &&
        (store->dir = dir_open(AT_FDCWD, path, err)) >= 0 && enter(store, err) == 0 &&
        (store->blobs_dir = dir_open(store->dir, "blobs/sha256", err)) >= 0)
        return 0;
    store_close(store);
    return error_wrap(err, "the image store %s", path);
}

// What an error has left behind. Others' work has other names.
static void remove_own_work(const struct store *store)
{
    size_t length = strlen(store->work_id);
    AUTO_FD int work = dir_open(store->dir, "work", NULL);
    AUTO_FD int listed = dir_open(store->dir, "work", NULL);
    DIR *stream = listed < 0 ? NULL : fdopendir(take_fd(listed));
    for (struct dirent *entry; stream && (entry = readdir(stream));)
        if (strncmp(entry->d_name, store->work_id, length) == 0)
            dir_remove_tree(work, entry->d_name, NULL);
    if (stream)
        closedir(stream);
}

void store_close(struct store *store)
{
    if (store->work_id)
        remove_own_work(store);
    free(store->work_id);
    fd_close(store->blobs_dir);
    fd_close(store->users_fd);
    fd_close(store->dir);
    *store = (struct store){.dir = -1, .users_fd = -1, .blobs_dir = -1};
}

int store_sync(struct store *store, struct error *err)
{
    return syncfs(store->dir) < 0 ? error_errno(err, "sync of the image store") : 0;
}

char *store_temporary(struct store *store)
{
    if (!store->work_id) {
        uint64_t random = 0;
        if (getrandom(&random, sizeof random, 0) != sizeof random)
            abort();
        store->work_id = mem_printf("%016llx", (unsigned long long)random);
    }
    return mem_printf("work/%s-%u", store->work_id, ++store->serial);
}
