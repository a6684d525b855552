#include "support/tar_builder.h"

#include <stdio.h>
#include <string.h>

#define BLOCK 512

void tar_begin(struct str *tar)
{
    str_init(tar, (size_t)256 << 20);
}

static void pad(struct str *tar)
{
    str_pad(tar, '\0', (BLOCK - tar->length % BLOCK) % BLOCK);
}

static void header(struct str *tar, char type, const char *path, unsigned mode, unsigned uid,
    unsigned gid, const char *target, size_t size)
{
    char block[BLOCK + 1] = {0};
    memcpy(block, path, strlen(path) < 100 ? strlen(path) : 100);
    snprintf(block + 100, 8, "%07o", mode & 07777777u);
    snprintf(block + 108, 8, "%07o", uid & 07777777u);
    snprintf(block + 116, 8, "%07o", gid & 07777777u);
    snprintf(block + 124, 12, "%011o", (unsigned)size);
    snprintf(block + 136, 12, "%011o", 0u);
    memset(block + 148, ' ', 8);
    block[156] = type;
    if (target)
        memcpy(block + 157, target, strlen(target) < 100 ? strlen(target) : 100);
    memcpy(block + 257,
        "ustar\0"
        "00",
        8);
    unsigned sum = 0;
    for (size_t i = 0; i < BLOCK; i++)
        sum += (unsigned char)block[i];
    snprintf(block + 148, 8, "%06o", sum & 0777777u);
    str_add(tar, block, BLOCK);
}

void tar_add(struct str *tar, char type, const char *path, unsigned mode, const char *target,
    const char *text)
{
    size_t size = text ? strlen(text) : 0;
    header(tar, type, path, mode, 0, 0, target, size);
    str_add(tar, text, size);
    pad(tar);
}

void tar_add_owned(
    struct str *tar, char type, const char *path, unsigned mode, unsigned uid, unsigned gid)
{
    header(tar, type, path, mode, uid, gid, NULL, 0);
}

void tar_attribute(struct str *tar, const char *name, const char *value)
{
    // "LENGTH name=value\n", where LENGTH counts itself.
    size_t rest = strlen(name) + strlen(value) + 3, length = rest + 1;
    char record[1024];
    while (length != rest + (size_t)snprintf(NULL, 0, "%zu", length))
        length = rest + (size_t)snprintf(NULL, 0, "%zu", length);
    snprintf(record, sizeof record, "%zu %s=%s\n", length, name, value);
    tar_add(tar, 'x', "pax", 0644, NULL, record);
}

void tar_end(struct str *tar)
{
    str_pad(tar, '\0', (size_t)2 * BLOCK);
}
