// Puts the entries of a layer's archive into a directory, one by one. Only for layer_read.c.
//
// Nothing that the archive says is resolved by us: parent directories are opened inside the root by
// the kernel, links are made and never followed, devices are left out, and of the extended
// attributes only security.capability is kept (those of overlayfs would steer the kernel).
#pragma once

#include "image/layer_write.h"

struct unpacker {
    int root;
    const struct strv *below; // may be NULL
    int store_dir;
    char *parent; // of the last entry, and
    int parent_fd;
    VEC(struct unpacked_directory {
        char *path;
        int64_t mtime;
    })
    directories;
};

int unpacker_init(struct unpacker *u, int store_dir, const char *directory,
    const struct strv *below, struct error *err);
void unpacker_done(struct unpacker *u); // accepts an all-zero one

// Makes one entry. *ret_fd is where a file's bytes go (the caller's to close), else -1.
int unpacker_add(struct unpacker *u, const struct layer_entry *entry, int64_t mtime, int *ret_fd,
    struct error *err);
// What a file gets once its bytes are written (a write takes setuid and capabilities away).
int unpacker_end_file(const struct layer_entry *entry, int64_t mtime, int fd, struct error *err);
// The times of directories, which making their children has changed.
int unpacker_finish(struct unpacker *u, struct error *err);

DEFINE_AUTO(unpacker, struct unpacker, unpacker_done)
