#include "kube/watch_store.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static void hold_done(struct kube_hold *hold)
{
    free(hold->name);
    free(hold->version);
    free(hold->uid);
}

void kube_store_done(struct kube_store *s)
{
    vec_each (item, &s->items)
        value_free(*item);
    vec_each (hold, &s->holds)
        hold_done(hold);
    for (size_t i = 0; i < KUBE_SEEN_MAX; i++)
        free(s->seen[i]);
    vec_free(&s->items);
    vec_free(&s->holds);
    *s = (struct kube_store){0};
}

// --- objects ---

// Where the name is, or where it belongs.
static size_t place_of(const struct kube_store *s, const char *name, bool *ret_found)
{
    size_t low = 0, high = s->items.length;
    *ret_found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(kube_name(s->items.items[middle]), name);
        *ret_found = order == 0;
        if (order == 0)
            return middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct value *kube_store_get(const struct kube_store *s, const char *name)
{
    bool found;
    size_t at = place_of(s, name, &found);
    return found ? s->items.items[at] : NULL;
}

static bool same_version(const struct value *a, const struct value *b)
{
    const char *version = kube_version(a);
    return version && text_equal(version, kube_version(b)) && text_equal(kube_uid(a), kube_uid(b));
}

static bool put(struct kube_store *s, struct value *object)
{
    bool found;
    size_t at = place_of(s, kube_name(object), &found);
    if (found) {
        bool same = same_version(s->items.items[at], object);
        value_free(s->items.items[at]);
        s->items.items[at] = value_share(object);
        return !same;
    }
    vec_push(&s->items, NULL);
    struct value **slot = &s->items.items[at];
    memmove(slot + 1, slot, (s->items.length - 1 - at) * sizeof *slot);
    *slot = value_share(object);
    return true;
}

static bool drop(struct kube_store *s, const char *name)
{
    bool found;
    size_t at = place_of(s, name, &found);
    if (!found)
        return false;
    struct value **slot = &s->items.items[at];
    value_free(*slot);
    memmove(slot, slot + 1, (s->items.length - 1 - at) * sizeof *slot);
    s->items.length--;
    return true;
}

// --- own writes ---

static struct kube_hold *hold_of(struct kube_store *s, const char *name)
{
    vec_each (hold, &s->holds)
        if (strcmp(hold->name, name) == 0)
            return hold;
    return NULL;
}

static void lift(struct kube_store *s, struct kube_hold *hold)
{
    hold_done(hold);
    *hold = s->holds.items[--s->holds.length];
}

static void hold(struct kube_store *s, const char *name, const char *version, const char *uid)
{
    struct kube_hold *at = hold_of(s, name);
    if (!at) {
        at = vec_add(&s->holds);
        at->name = mem_strdup(name);
    }
    mem_replace(&at->version, version);
    mem_replace(&at->uid, uid);
}

static char *sighting(const struct value *object)
{
    const char *version = kube_version(object);
    return version ? mem_printf("%s %s", version, kube_name(object)) : NULL;
}

static void remember(struct kube_store *s, const struct value *object)
{
    char **slot = &s->seen[s->seen_next];
    free(*slot);
    *slot = sighting(object);
    s->seen_next = (s->seen_next + 1) % KUBE_SEEN_MAX;
}

static bool has_seen(const struct kube_store *s, const struct value *object)
{
    AUTO_FREE char *wanted = sighting(object);
    for (size_t i = 0; i < KUBE_SEEN_MAX && wanted; i++)
        if (text_equal(s->seen[i], wanted))
            return true;
    return false;
}

bool kube_store_own(struct kube_store *s, const char *name, const struct value *object)
{
    const struct value *shown = kube_store_get(s, name);
    if (!object) {
        if (!shown)
            return false;
        hold(s, name, NULL, kube_uid(shown));
        return drop(s, name);
    }
    const char *version = kube_version(object);
    if (same_version(shown, object) || has_seen(s, object))
        return false; // its event was faster; what is shown is that, or newer
    if (version)
        hold(s, name, version, NULL);
    AUTO(value) struct value *copy = value_copy(object);
    return put(s, copy);
}

// Is the event one from before the write that is shown already? The event of the write itself, and
// any of another object of that name, ends that.
static bool is_older(struct kube_store *s, bool deleted, const struct value *object)
{
    struct kube_hold *held = hold_of(s, kube_name(object));
    if (!held)
        return false;
    if (held->version && !text_equal(held->version, kube_version(object)))
        return true;
    bool of_deleted = !held->version && text_equal(held->uid, kube_uid(object));
    if (of_deleted && !deleted)
        return true;
    lift(s, held);
    return false;
}

bool kube_store_event(struct kube_store *s, bool deleted, struct value *object)
{
    remember(s, object);
    if (is_older(s, deleted, object))
        return false;
    return deleted ? drop(s, kube_name(object)) : put(s, object);
}

// --- lists ---

static int by_name(const void *a, const void *b)
{
    return strcmp(kube_name(*(struct value *const *)a), kube_name(*(struct value *const *)b));
}

bool kube_store_replace(struct kube_store *s, const struct value *items)
{
    struct kube_store before = {.items = s->items};
    size_t count = value_length(items);
    bool changed = count != s->items.length;
    memset(&s->items, 0, sizeof s->items);
    for (size_t i = 0; i < count; i++)
        vec_push(&s->items, value_share(value_at(items, i)));
    if (s->items.items)
        qsort(s->items.items, count, sizeof *s->items.items, by_name);
    for (size_t i = 0; i < count && !changed; i++)
        changed = !same_version(s->items.items[i], before.items.items[i]) ||
                  !text_equal(kube_name(s->items.items[i]), kube_name(before.items.items[i]));
    kube_store_done(&before);
    while (s->holds.length)
        lift(s, s->holds.items);
    return changed;
}
