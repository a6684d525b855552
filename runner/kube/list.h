// The pages of a list, for whoever asks for them: kube_list() at once, a watch from the loop.
#pragma once

#include "kube/client.h"

struct kube_pages {
    char *path;          // of the collection, with its selector
    struct value *items; // so far
    char *token;         // `continue` of the next page; NULL at the front
    bool whole;          // a token was too old: all at once now
    char *version;       // of the list, when it is complete
};

void kube_pages_init(
    struct kube_pages *p, const struct kube_kind *kind, const char *ns, const char *selector);
void kube_pages_done(struct kube_pages *p); // accepts an all-zero struct
DEFINE_AUTO(kube_pages, struct kube_pages, kube_pages_done)
// Forgets what it has: from the front, by pages.
void kube_pages_restart(struct kube_pages *p);
// The path of the page to ask for now. The caller's.
char *kube_pages_path(const struct kube_pages *p);

enum kube_page {
    KUBE_PAGE_MORE, // ask for the next one
    KUBE_PAGE_LAST, // items and version are complete
};
// Takes a page's answer. -1 with ERR_PROTOCOL when it is no list.
int kube_pages_take(
    struct kube_pages *p, const struct value *answer, enum kube_page *ret, struct error *err);
// Asking failed: true when the next page to ask for is all of it, because the token was too old.
bool kube_pages_expired(struct kube_pages *p, const struct error *err);
