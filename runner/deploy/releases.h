// Questions to an app's list of releases, as target.h's release_list() gives it (newest first).
// Pure; what is returned is lent from the list.
#pragma once

#include "codec/value.h"

// NULL when there is no such release.
const struct value *releases_find(const struct value *list, int64_t revision);

// Where `davit rollback` goes: to release `to`, or with 0 to the newest one before `live` that was
// a success, whose commit is not refused (it was rolled back from before), and that is not what is
// live anyway: the same commit, image and settings. live == 0: nothing is. NULL with ERR_NOT_FOUND
// when there is no such one, ERR_USAGE when `to` is live.
const struct value *releases_choose(const struct value *list, const struct value *refused,
    int64_t live, int64_t to, struct error *err);

// The entry of a list of refused commits; NULL when it is not refused. An empty commit never is.
const struct value *refused_find(const struct value *refused, const char *commit);

// The name of the last irreversible hook among the first `begun` of a release; NULL: there is none.
const char *release_irreversible(const struct value *record, int64_t begun);
// What a way back from release `from` to `to` crosses: the newest release after `to`, `from` at the
// latest, of which such a hook has run (or may have), and its name. NULL: nothing is in the way.
const struct value *releases_fence(
    const struct value *list, int64_t from, int64_t to, const char **ret_hook);

// "commit 4f0c2d1a9b7e, image 1d2e3f405162": what of a release tells it from another.
void release_print_short(const struct value *record, struct str *out);
