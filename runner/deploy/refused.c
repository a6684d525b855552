#include "deploy/refused.h"

#include "deploy/releases.h"

struct value *refused_without(const struct value *list, const char *commit)
{
    struct value *kept = value_list();
    for (size_t i = 0; i < value_length(list); i++)
        if (!text_equal(value_get_str(value_at(list, i), "commit"), commit))
            value_append(kept, value_share(value_at(list, i)));
    return kept;
}

struct value *refused_with(const struct value *list, const char *commit, const char *reason,
    int64_t release, int64_t now_unix_ms)
{
    AUTO(value) struct value *others = refused_without(list, commit);
    if (!commit || !*commit)
        return take_ptr(others);
    struct value *entry = value_map(), *all = value_list();
    value_set_str(entry, "commit", commit);
    value_set_str(entry, "reason", reason);
    value_set_int(entry, "release", release);
    value_set_int(entry, "unix_ms", now_unix_ms);
    value_append(all, entry);
    for (size_t i = 0; i < value_length(others) && i < REFUSED_MAX - 1; i++)
        value_append(all, value_share(value_at(others, i)));
    return all;
}

struct value *refused_judged(const struct value *list, const struct rollout *rollout, int64_t live,
    const struct value *records, enum outcome outcome, const char *reason, int64_t now_unix_ms)
{
    const char *to = value_get_str(releases_find(records, rollout->to), "commit");
    const char *from = value_get_str(releases_find(records, rollout->from), "commit");
    const char *serves = value_get_str(releases_find(records, live), "commit");
    if (outcome == OUTCOME_SUCCESS) {
        AUTO(value) struct value *left = refused_without(list, to);
        if (rollout->strategy != STRATEGY_ROLLBACK || text_equal(from, serves))
            return take_ptr(left);
        AUTO_FREE char *why = mem_printf("rolled back from by %s", rollout->who);
        return refused_with(left, from, why, rollout->from, now_unix_ms);
    }
    if (outcome != OUTCOME_CANCELLED && !text_equal(to, serves))
        return refused_with(list, to, reason, rollout->to, now_unix_ms);
    return refused_without(list, NULL);
}

const char *refused_match(
    const struct value *list, const char *app, const char *prefix, struct error *err)
{
    const char *found = NULL;
    for (size_t i = 0; *prefix && i < value_length(list); i++) {
        const char *commit = value_get_str(value_at(list, i), "commit");
        if (!commit || !text_starts(commit, prefix))
            continue;
        if (found) {
            error_set(err, ERR_USAGE, "%s is the beginning of several refused commits: %s, %s",
                prefix, found, commit);
            return NULL;
        }
        found = commit;
    }
    if (!found)
        error_set(
            err, ERR_NOT_FOUND, "no commit of %s that begins with %s is refused", app, prefix);
    return found;
}
