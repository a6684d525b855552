// What happened in a repository between two listings of its refs. Pure: values to values.
#pragma once

#include "base/vec.h"
#include "codec/value.h"
#include "pipeline/model.h"

#define REF_ID_SIZE 41 // 40 hex digits and the NUL
#define REF_ID_NONE "0000000000000000000000000000000000000000"

struct ref {
    char *name; // full: refs/heads/… or refs/tags/…
    char id[REF_ID_SIZE];
};
// All-zero is empty.
struct ref_list {
    VEC(struct ref) items; // by name, bytewise; each name once
    char *head;            // the ref that HEAD stands for; NULL when it is detached
};
void ref_list_done(struct ref_list *list);
DEFINE_AUTO(ref_list, struct ref_list, ref_list_done)

// From what davit-git lists (git/refs.h). The role reads foreign content, so its words are checked
// as any peer's: ERR_PROTOCOL.
int ref_list_parse(const struct value *listing, struct ref_list *ret, struct error *err);

enum ref_event_kind {
    REF_PUSH,   // a branch is new or has moved
    REF_TAG,    // the same of a tag
    REF_DELETE, // a branch or tag is gone: never deploys
};
struct ref_event {
    enum ref_event_kind kind;
    char *ref;
    const char *branch, *tag; // within ref; one of them is NULL
    char before[REF_ID_SIZE]; // REF_ID_NONE: it is new
    char after[REF_ID_SIZE];  // REF_ID_NONE: it is gone
};
struct ref_events {
    VEC(struct ref_event) items;
};
void ref_events_done(struct ref_events *events);
DEFINE_AUTO(ref_events, struct ref_events, ref_events_done)
const char *ref_event_name(enum ref_event_kind kind); // "push", "tag", "delete"

// Appends the changes that the trigger asks for, by name. `before` NULL: the repository is seen for
// the first time, and what is there already is no event. `trigger` NULL: every change.
void ref_events_find(const struct ref_list *before, const struct ref_list *after,
    const struct trigger *trigger, struct ref_events *out);
