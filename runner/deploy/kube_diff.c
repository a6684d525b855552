#include "deploy/kube_diff.h"

#include <string.h>

#include "base/text.h"

#define TEXT_MAX  200 // of a value that is shown
#define INDENT    "         "
#define PATH_MAX_ 1000

struct diff {
    struct str *out;
    size_t count;
};

static bool is_noise(const char *path)
{
    static const char *const whole[] = {"status", "metadata.managedFields",
        "metadata.resourceVersion", "metadata.uid", "metadata.generation",
        "metadata.creationTimestamp", "metadata.name",
        "metadata.annotations.deployment.kubernetes.io/revision"};
    for (size_t i = 0; i < ARRAY_LEN(whole); i++)
        if (text_equal(path, whole[i]))
            return true;
    return strstr(path, ".davit.dev/") != NULL;
}

static void add_side(struct diff *d, char sign, const char *path, const struct value *v)
{
    if (!v)
        return;
    AUTO_FREE char *text = value_print(v);
    bool cut = strlen(text) > TEXT_MAX;
    str_printf(d->out, INDENT "%c %s: %.*s%s\n", sign, path, TEXT_MAX, text, cut ? "…" : "");
}

static void compare(
    struct diff *d, const char *path, const struct value *before, const struct value *after);

static void compare_below(struct diff *d, const char *path, const char *key,
    const struct value *before, const struct value *after)
{
    AUTO_FREE char *below = *path ? mem_printf("%s.%s", path, key) : mem_strdup(key);
    if (strlen(below) < PATH_MAX_ && !is_noise(below))
        compare(d, below, before, after);
}

static void compare_maps(
    struct diff *d, const char *path, const struct value *before, const struct value *after)
{
    struct value_cursor old = {.map = before}, fresh = {.map = after};
    const char *key;
    struct value *item;
    while (before && value_next(&old, &key, &item))
        compare_below(d, path, key, item, value_get(after, key));
    while (after && value_next(&fresh, &key, &item))
        if (!value_get(before, key))
            compare_below(d, path, key, NULL, item);
}

static const struct value *find_named(const struct value *list, const char *name)
{
    for (size_t i = 0; i < value_length(list); i++)
        if (text_equal(value_get_str(value_at(list, i), "name"), name))
            return value_at(list, i);
    return NULL;
}

static bool all_named(const struct value *list)
{
    for (size_t i = 0; i < value_length(list); i++)
        if (!value_get_str(value_at(list, i), "name"))
            return false;
    return value_length(list) > 0;
}

static void compare_named(
    struct diff *d, const char *path, const struct value *before, const struct value *after)
{
    for (size_t i = 0; i < value_length(before); i++) {
        const char *name = value_get_str(value_at(before, i), "name");
        compare_below(d, path, name, value_at(before, i), find_named(after, name));
    }
    for (size_t i = 0; i < value_length(after); i++) {
        const char *name = value_get_str(value_at(after, i), "name");
        if (!find_named(before, name))
            compare_below(d, path, name, NULL, value_at(after, i));
    }
}

static void compare(
    struct diff *d, const char *path, const struct value *before, const struct value *after)
{
    enum value_type was = value_type(before), is = value_type(after);
    bool map = was == VALUE_MAP || is == VALUE_MAP, list = was == VALUE_LIST && is == VALUE_LIST;
    if (value_equal(before, after))
        return;
    if (map && (was == is || !before || !after)) {
        compare_maps(d, path, before, after);
    } else if (list && all_named(before) && all_named(after)) {
        compare_named(d, path, before, after);
    } else {
        add_side(d, '-', path, before);
        add_side(d, '+', path, after);
        d->count++;
    }
}

size_t kube_diff(const struct value *before, const struct value *after, struct str *out)
{
    struct diff d = {.out = out};
    compare_maps(&d, "", before, after);
    return d.count;
}
