// The daemon: watches repositories, queues runs, starts workers. It parses no foreign content, and
// its end changes no run.
#pragma once

#include "engine/launcher.h"
#include "serve/config.h"
#include "store/db.h"

struct serve;

struct serve *serve_new(
    struct launcher *launcher, struct db *db, const struct serve_config *config, struct error *err);
void serve_free(struct serve *s); // accepts NULL

// Runs until SIGTERM or SIGINT. Workers go on; a later daemon finds them again.
int serve_run(struct serve *s, struct error *err);
