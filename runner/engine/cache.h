// What stages keep between runs: a directory per key, used by one stage at a time.
//
// On disk: cache/HEX/kept/PART, HEX being of the repository and the key, PART of the path. A stage
// of a trusted run that finds nothing kept writes into `new`, which takes the name `kept` when the
// stage succeeds. Every other stage sees a copy-on-write `view` of what is kept; when a trusted one
// succeeds, the view takes the name `merge` and is merged into `kept`, by the next user of the
// cache if we die meanwhile. So what a stage leaves that fails is never kept, and what is kept is
// whole.
#pragma once

#include "engine/launcher.h"

struct cache;
// `why` is NULL, or what is wrong: the cache cannot be used then.
typedef void cache_ready_fn(void *arg, const struct error *why);

// Opens the cache of `key` for the paths `targets` (as of cache_target(); copied) and calls `ready`
// once this stage alone holds it (at once, if nobody else does, but always from the loop). NULL
// with *err when the disk fails us.
struct cache *cache_open(struct launcher *l, const char *repository, const char *key,
    const struct strv *targets, bool trusted, cache_ready_fn *ready, void *arg, struct error *err);
bool cache_hit(const struct cache *cache); // something was kept before
// The mount of path number i. Strings live as long as the cache.
struct sandbox_mount cache_mount(struct cache *cache, size_t i);
// Where a path of the pipeline file is mounted: relative ones lie in the workspace. The caller's.
char *cache_target(const char *path);
// Ends the use; `keep` is whether the stage succeeded. Accepts NULL.
void cache_close(struct cache *cache, bool keep);
