// The list of commits that are not to be deployed again by themselves, as every target keeps it:
// [{"commit", "reason", "release", "unix_ms"}], newest first. Values in, values out.
//
// What git says and what runs must agree: a commit that failed, or was rolled back from, is not to
// come again until somebody allows it. One that serves is never refused, however it came there.
#pragma once

#include "deploy/target.h"

#define REFUSED_MAX 100 // the oldest are forgotten

// All return a new list, the caller's; `list` may be NULL. An empty (or NULL) commit, as of a tree
// with changes of its own, cannot come again and is not listed.
struct value *refused_with(const struct value *list, const char *commit, const char *reason,
    int64_t release, int64_t now_unix_ms);
struct value *refused_without(const struct value *list, const char *commit);
// How a rollout ended, and what that means for the commits of its releases. `records` are all
// releases (deploy/releases.h), `live` the one that serves now.
struct value *refused_judged(const struct value *list, const struct rollout *rollout, int64_t live,
    const struct value *records, enum outcome outcome, const char *reason, int64_t now_unix_ms);
// The whole commit that begins with `prefix`, lent from the list. NULL with ERR_NOT_FOUND, or
// ERR_USAGE when several do; `app` is for the message.
const char *refused_match(
    const struct value *list, const char *app, const char *prefix, struct error *err);
