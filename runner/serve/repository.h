// One watched repository: lists its refs when they may have changed, compares with what was known,
// and queues runs.
#pragma once

#include "engine/launcher.h"
#include "serve/config.h"
#include "store/runs.h"

struct repository;

// Something was queued.
typedef void repository_queued_fn(void *arg);
struct repository *repository_new(struct launcher *launcher, struct db *db,
    const struct serve_repository *config, repository_queued_fn *queued, void *arg);
void repository_free(struct repository *r); // accepts NULL
const char *repository_path(const struct repository *r);
// The branch that its HEAD stands for; NULL while it is not known.
const char *repository_default_branch(const struct repository *r);

// Its refs may have changed. A call while a listing runs makes another one follow.
void repository_look(struct repository *r);
// It cannot be watched (any more): it is looked at twice a minute from now on.
void repository_poll(struct repository *r);
