// What a watch shows: the objects by name, and which of their events are out of date because a
// write of our own is already shown. Pure.
//
// Versions are opaque, so "older" is never asked. A name whose object is of our own hand is held
// until the event of just that version comes; all its events before that one are older. A list that
// began after the write knows better in any case.
#pragma once

#include "kube/object.h"

#define KUBE_SEEN_MAX 256

struct kube_hold {
    char *name;
    char *version; // the event that is waited for; NULL: a deletion, of
    char *uid;
};

struct kube_store {
    VEC(struct value *) items; // by name, each name once
    VEC(struct kube_hold) holds;
    // Versions and names of the last events: that of a write may be here before its answer.
    char *seen[KUBE_SEEN_MAX];
    size_t seen_next;
};

void kube_store_done(struct kube_store *s); // accepts an all-zero struct
// NULL when there is none.
struct value *kube_store_get(const struct kube_store *s, const char *name);

// All of these: has what is shown changed?
// `object` has a name; it is shared.
bool kube_store_event(struct kube_store *s, bool deleted, struct value *object);
// The whole collection, which was asked for after all own writes.
bool kube_store_replace(struct kube_store *s, const struct value *items);
// As kube_watch_own().
bool kube_store_own(struct kube_store *s, const char *name, const struct value *object);
