// The refs that each watched repository had when it was last looked at.
#pragma once

#include "base/vec.h"
#include "store/db.h"

// Names and commits, in step.
int refs_load(struct db *db, const char *repository, struct strv *names, struct strv *commits,
    struct error *err);
int refs_put(
    struct db *db, const char *repository, const char *name, const char *commit, struct error *err);
int refs_remove(struct db *db, const char *repository, const char *name, struct error *err);
