#include "deploy/releases.h"

#include <inttypes.h>
#include <string.h>

const struct value *releases_find(const struct value *list, int64_t revision)
{
    for (size_t i = 0; i < value_length(list); i++)
        if (value_get_int(value_at(list, i), "revision", 0) == revision)
            return value_at(list, i);
    return NULL;
}

const struct value *refused_find(const struct value *refused, const char *commit)
{
    for (size_t i = 0; commit && *commit && i < value_length(refused); i++)
        if (text_equal(value_get_str(value_at(refused, i), "commit"), commit))
            return value_at(refused, i);
    return NULL;
}

static bool same_member(const struct value *a, const struct value *b, const char *key)
{
    return value_equal(value_get(a, key), value_get(b, key));
}

// A rollback puts an earlier release once more: both are one and the same to go back to.
static bool same_content(const struct value *a, const struct value *b)
{
    return a && b && same_member(a, b, "commit") && same_member(a, b, "env") &&
           same_member(a, b, "manifest") &&
           same_member(value_get(a, "image"), value_get(b, "image"), "digest");
}

const struct value *releases_choose(const struct value *list, const struct value *refused,
    int64_t live, int64_t to, struct error *err)
{
    const struct value *now = releases_find(list, live);
    if (to && to == live) {
        error_set(err, ERR_USAGE, "release %" PRId64 " is the live one already", to);
        return NULL;
    }
    if (to) {
        const struct value *named = releases_find(list, to);
        if (!named)
            error_set(err, ERR_NOT_FOUND, "there is no release %" PRId64, to);
        return named;
    }
    for (size_t i = 0; i < value_length(list); i++) {
        const struct value *r = value_at(list, i);
        bool older = !live || value_get_int(r, "revision", 0) < live;
        if (older && text_equal(value_get_str(r, "outcome"), "success") && !same_content(r, now) &&
            !refused_find(refused, value_get_str(r, "commit")))
            return r;
    }
    error_set(err, ERR_NOT_FOUND,
        "no earlier release was a success and is still wanted (--to REV goes to any that the "
        "history lists)");
    return NULL;
}

const char *release_irreversible(const struct value *record, int64_t begun)
{
    static const char *const lists[] = {"before", "after"};
    const char *found = NULL;
    for (size_t n = 0; n < ARRAY_LEN(lists); n++) {
        const struct value *hooks = value_get(value_get(record, "hooks"), lists[n]);
        for (size_t i = 0; i < value_length(hooks) && begun > 0; i++, begun--)
            if (value_get_bool(value_at(hooks, i), "irreversible", false))
                found = value_get_str(value_at(hooks, i), "job");
    }
    return found;
}

const struct value *releases_fence(
    const struct value *list, int64_t from, int64_t to, const char **ret_hook)
{
    for (size_t i = 0; i < value_length(list); i++) {
        const struct value *r = value_at(list, i);
        int64_t revision = value_get_int(r, "revision", 0);
        const char *hook = release_irreversible(r, value_get_int(r, "hooks_run", 0));
        if (revision <= to || revision > from || !hook)
            continue;
        *ret_hook = hook;
        return r;
    }
    return NULL;
}

void release_print_short(const struct value *record, struct str *out)
{
    const char *commit = value_get_str(record, "commit");
    const struct value *image = value_get(record, "image");
    const char *digest = value_get_str(image, "digest");
    const char *reference = value_get_str(image, "reference");
    const char *hex = digest ? strchr(digest, ':') : NULL;
    if (commit && *commit)
        str_printf(out, "commit %.12s, ", commit);
    if (hex)
        str_printf(out, "image %.12s", hex + 1);
    else
        str_printf(out, "image %.100s", reference && *reference ? reference : "?");
}
