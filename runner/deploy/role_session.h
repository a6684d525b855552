// What the jobs of davit-deploy share: the app's target, reached through the worker, and one
// rollout driven on it.
#pragma once

#include "codec/rpc.h"
#include "deploy/drive.h"
#include "deploy/release.h"
#include "os/loop.h"

struct http_client;
struct role_cluster;

struct session {
    struct rpc *worker;      // lent
    const struct value *job; // lent
    const char *app;         // lent from the job
    char *named;             // the app in a command: "web", "web --context lab --namespace web"
    char who[128];           // cut, if need be, to what a rollout can hold
    struct loop *loop;
    struct http_client *http;     // NULL until a rollout is driven
    struct role_cluster *cluster; // NULL: the app is on this host
    struct target *target;
    int64_t epoch; // of our claim; 0: none
    // As last asked for by session_look(); releases and refused are NULL before.
    struct snapshot seen;
    struct value *releases, *refused;
    bool cancelled; // SIGTERM has come
    bool aborts;    // and would take back the rollout that is being driven
    struct loop_timer abort_again;
};

// Connects to the app's target: on the cluster that the job names, else on this host. *s is to be
// freed in any case, by session_done().
int session_open(struct session *s, struct rpc *worker, const struct value *job, struct error *err);
void session_done(struct session *s);
DEFINE_AUTO(session, struct session, session_done)

// A text of the job; "" where it says nothing.
const char *session_text(const struct session *s, const char *key);
int session_claim(struct session *s, const char *run, bool preempt, struct error *err);
// Fills seen, releases and refused.
int session_look(struct session *s, struct error *err);
// A rollout is under way, by what was seen last; it waits for a person.
bool session_under_way(const struct session *s);
bool session_parked(const struct session *s);
// Whether SIGTERM has come by now.
bool session_cancelled(struct session *s);
// Requests the abort of the rollout under way in the name of this process, until that is heard.
void session_abort(struct session *s);
// The live release: 1, 0 when nothing is live, -1. *ret (all-zero before) is the caller's in any
// case.
int session_live(const struct session *s, struct release *ret, struct error *err);

// What a driven rollout left; all-zero before, to be freed in any case.
struct driven {
    struct drive_result result;
    struct rollout rollout;
    struct str explained; // of the release that was given up
    bool looked;          // the session's seen, releases and refused are of after it
};
void driven_done(struct driven *d);
DEFINE_AUTO(driven, struct driven, driven_done)

// Drives what is under way (claimed, and seen by session_look()) to its end or until it parks, and
// looks again. `mine`: SIGTERM takes it back.
int session_drive(struct session *s, bool mine, struct driven *ret, struct error *err);
// The outcome as a result's word: a pending one is "parked".
const char *driven_outcome(const struct driven *d);
// Where the app lives, into a result: "named", "target", on Kubernetes "context" and "namespace".
void session_say_place(const struct session *s, struct value *result);
// The result of a job that drove a rollout; headline may be NULL. The caller's.
struct value *session_result(const struct session *s, const struct driven *d, const char *headline);
// The result of one that drove none.
struct value *session_result_plain(
    const struct session *s, const char *outcome, const char *reason);

// Puts a release (its revision is set) and begins its rollout, sure of both whatever answers get
// lost: what is there already, of this run, is not made twice. `secrets_of` as in target.h.
int session_put(struct session *s, struct release *release, const struct value *secrets,
    int64_t secrets_of, struct error *err);
int session_begin(struct session *s, const struct release *to, const struct release *live,
    bool rollback, struct error *err);
