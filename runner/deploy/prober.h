// The real prober: runs the gates of a phase, all at once, on every ready instance of a set, on a
// loop.
//
//   - http: one GET for each instance, or one of a URL; one answer, one verdict. No answer is a
//     rejection: the instances are ready, by their own health check. A redirect is the answer.
//   - tcp: one connection to each instance.
//   - stable, restarts: looks at the target several times a second.
//   - exec: a command beside each instance, which ends with 0 in its time.
//   - prometheus: a query, again and again until its numbers have held for the gate's time
//     (gate_metric.h). While there are none it may be held: it asks on, and when all others have
//     passed, so are the gates as a whole.
//   - log: searched once, half a second after all others have passed, so that what their probes
//     caused is in it.
//
// The first rejection ends the phase at once, unless it is a dry run's; dry runs are waited for as
// all others are.
#pragma once

#include "deploy/gate.h"
#include "net/http.h"
#include "os/loop.h"

// Everything is lent and must outlive the prober. The target's wait() must run `loop`. Either list
// may be NULL.
struct prober *prober_new(struct loop *loop, struct http_client *http, struct target *target,
    const struct gate_list *before, const struct gate_list *after);
void prober_free(struct prober *p); // accepts NULL
DEFINE_AUTO_PTR(prober, struct prober, prober_free)
