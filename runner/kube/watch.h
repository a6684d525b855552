// A collection of objects, kept up to date by list and watch: a cache that follows the server.
//
// Lists (by pages, always what is there now, never from an old version), then watches from the
// list's version; bookmarks advance it; 410, in an event or as the answer, lists again; an end or a
// broken connection goes on from the last version. Whatever goes wrong, and a watch that ends
// within a second, is followed by a back-off (0.8 s, doubled up to 30 s, and begun anew after two
// quiet minutes), but the first 410 after quiet minutes; 429 and 503 back off without listing, for
// as long as they say. Versions are opaque: never compared. While nothing happens nothing is done.
#pragma once

#include "kube/client.h"

struct kube_watch;

// From the loop, never from within another call of the watch: the collection has changed (once or
// several times), or its first list is complete, or error() has changed.
typedef void kube_watch_fn(void *arg);
// `ns` and `selector` as in kube_list(); NULL only when a kind that has namespaces is to be watched
// in none. Begins at once; what does not go yet is kube_watch_error(). To be freed before the
// client.
struct kube_watch *kube_watch_new(struct kube_client *c, const struct kube_kind *kind,
    const char *ns, const char *selector, kube_watch_fn *changed, void *arg, struct error *err);
void kube_watch_free(struct kube_watch *w); // accepts NULL

bool kube_watch_synced(const struct kube_watch *w); // the first list is complete
// Why it does not follow now (403, no connection); NULL when it does.
const struct error *kube_watch_error(const struct kube_watch *w);
// Objects, in the order of their names; lent until the loop runs again.
size_t kube_watch_count(const struct kube_watch *w);
struct value *kube_watch_item(const struct kube_watch *w, size_t index);
struct value *kube_watch_get(const struct kube_watch *w, const char *name); // or NULL
// The answer to a write of the caller's own (NULL `object` with a name: it was deleted): shown from
// now on. Events of that object from before that write, which are still on their way, do not bring
// older states back. It ends when the event of that write comes, or a list that began after it; a
// list is asked for when neither has come in 10 s. A deletion holds only for what was shown.
void kube_watch_own(struct kube_watch *w, const char *name, const struct value *object);
