// How long a watch waits for what: tests hand in shorter times.
#pragma once

#include "kube/watch.h"

struct kube_watch_times {
    int64_t first_ms, max_ms;       // of the back-off, which doubles
    int64_t quiet_ms;               // without trouble: it begins anew
    int64_t short_ms;               // a watch that ends sooner counts as trouble
    int64_t head_ms;                // until the answer to a watch begins
    int64_t stall_ms;               // without a byte in the middle of an event
    int64_t life_min_s, life_max_s; // how long the server is asked to keep a watch
    int64_t grace_ms;               // and is given beyond that
    int64_t hold_ms;                // until the event of an own write is no longer waited for
};
extern const struct kube_watch_times kube_watch_times;

// Troubles in a row; all-zero at first.
struct kube_troubles {
    unsigned count;
    int64_t last_ms;
};
// One more: how long to wait now (retry.c).
int64_t kube_back_off(
    struct kube_troubles *t, const struct kube_watch_times *times, int64_t now_ms);

// kube_watch_new() with other times; lent for as long as the watch lives.
struct kube_watch *kube_watch_timed(struct kube_client *c, const struct kube_kind *kind,
    const char *ns, const char *selector, const struct kube_watch_times *times,
    kube_watch_fn *changed, void *arg);
