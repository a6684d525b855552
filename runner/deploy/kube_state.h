// What a target on Kubernetes knows of an app besides its objects: one JSON document, an annotation
// of the app's Lease, so that it changes in one write, and only by whoever holds the epoch.
#pragma once

#include "deploy/target.h"

struct kube_state {
    int64_t live;    // 0: nothing
    int64_t applied; // the release whose other objects were applied last, whole; 0: none, or others
                     // are being applied
    int hooks;       // of the rollout's release: how many were begun, or are about to be
    int percent;     // of an app without a Service: what WEIGHT was written last
    int64_t last_revision; // the highest that was ever given
    struct rollout rollout;
    struct position position;
    enum outcome last;
    bool abort_requested, pause_requested;
    bool promote_requested; // of the position that the next two say
    int promote_turns, promote_step;
    char abort_who[128];
    struct value *refused; // deploy/refused.h; may be NULL
};

void kube_state_done(struct kube_state *s);
DEFINE_AUTO(kube_state, struct kube_state, kube_state_done)

char *kube_state_print(const struct kube_state *s); // the caller's
// NULL text: of an app that has none yet. ERR_PROTOCOL, or ERR_UNSUPPORTED for that of a davit
// whose programs are others. *ret (all-zero before) is to be freed in any case.
int kube_state_parse(const char *text, struct kube_state *ret, struct error *err);
