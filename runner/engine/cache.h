// What stages keep between runs: a directory per key, used by one stage at a time.
//
// On disk: cache/HEX/{lock,paths/0,paths/1,…}, HEX being of the repository and the key. A new key's
// directory is kept only when its stage succeeds. A run that is not trusted sees a copy-on-write
// view that is thrown away.
#pragma once

#include "engine/launcher.h"

struct cache;
typedef void cache_ready_fn(void *arg);

// Opens the cache of `key` for `count` paths and calls `ready` once this stage alone holds it (at
// once, if nobody else does, but always from the loop). NULL with *err when the disk fails us.
struct cache *cache_open(struct launcher *l, const char *repository, const char *key, size_t count,
    bool trusted, cache_ready_fn *ready, void *arg, struct error *err);
bool cache_hit(const struct cache *cache); // something was kept before
// The mount of path number i at `target`. Strings live as long as the cache.
struct sandbox_mount cache_mount(struct cache *cache, size_t i, const char *target);
// Where a path of the pipeline file is mounted: relative ones lie in the workspace. The caller's.
char *cache_target(const char *path);
// Ends the use; `keep` is whether the stage succeeded. Accepts NULL.
void cache_close(struct cache *cache, bool keep);
