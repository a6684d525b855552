// The Kubernetes API, on davit's loop: requests with the patience that the API asks for.
//
// Retried: 429 and 503 (for GET every 5xx) that carry Retry-After, at most KUBE_RETRIES times; a
// connection that failed, only for GET, for a second or two. 401 asks the credentials once more,
// once. Nothing else is sent twice: after an error of a write that is ERR_NETWORK, ERR_TIMEOUT or a
// 5xx the write may have happened, and the caller looks.
//
// Errors: ERR_NETWORK and ERR_TIMEOUT (retryable for GET, and where nothing was sent),
// ERR_NOT_FOUND (404), ERR_CONFLICT (409, and 422 of a JSON Patch whose `test` failed; http_status
// tells them apart), ERR_DENIED (401, 403: the message names verb, resource and namespace as the
// server said it; retryable for some seconds after a connection failed, because a server that has
// just started does not know all accounts and rights yet), ERR_REMOTE (every other status;
// retryable for 429 and 5xx), ERR_PROTOCOL. A Status object of status "Failure" counts by its
// `code` whatever the HTTP status was. Messages begin with what was asked: "PATCH deployments/web:
// …".
#pragma once

#include "codec/value.h"
#include "kube/cluster.h"
#include "kube/object.h"
#include "net/http.h"
#include "os/loop.h"

#define KUBE_FIELD_MANAGER "davit"
#define KUBE_RETRIES       10
#define KUBE_ANSWER_MAX    ((size_t)64 << 20)
#define KUBE_PAGE          500 // of a list, in objects

struct kube_client;

// Everything is lent and must outlive the client. `credentials` is used when the cluster says
// `dynamic`, else may be NULL.
struct kube_client *kube_client_new(struct loop *loop, struct http_client *http,
    const struct kube_cluster *cluster, const struct kube_credentials *credentials,
    struct error *err);
void kube_client_free(struct kube_client *c); // accepts NULL; open requests are cancelled
DEFINE_AUTO_PTR(kube_client, struct kube_client, kube_client_free)
// How many requests were sent, retries and watches included.
int64_t kube_client_requests(const struct kube_client *c);
struct loop *kube_client_loop(const struct kube_client *c);

// --- one request ---

struct kube_request {
    const char *method;       // "GET" when NULL
    const char *path;         // "/api/v1/…?query", of the server; escaped by the caller
    const char *content_type; // of the body; "application/json" when NULL
    const struct value *body; // NULL: none
    int64_t timeout_ms;       // of one try; 0: 30 s
};
// Exactly one call, from the loop, never from within start. `answer` (lent; value_share() keeps it)
// is NULL when err is not.
typedef void kube_done_fn(void *arg, struct value *answer, const struct error *err);
// An id for cancel, or -1.
int64_t kube_start(struct kube_client *c, const struct kube_request *request, kube_done_fn *done,
    void *arg, struct error *err);
void kube_cancel(struct kube_client *c, int64_t id); // done is not called; accepts -1
// Runs the loop until the request is over: everything else on the loop (a Lease's renewal, watches)
// goes on meanwhile, and a loop_stop() of others does not end it (who wants to wake somebody by
// that keeps a flag). Not to be called from within a callback of the loop. *ret (may be NULL) is
// the caller's.
int kube_do(struct kube_client *c, const struct kube_request *request, struct value **ret,
    struct error *err);
// As text, with no reading of it: logs. At most `out`'s maximum; what is over is cut at the front.
int kube_do_text(struct kube_client *c, const char *path, struct str *out, struct error *err);
// What an own HTTP request to the API server needs (a pod's proxy): fills url, headers and TLS of
// *ret (all-zero before), which live until kube_raw_done(); *ret must not be moved. Before the
// first credential of a dynamic cluster is there the loop runs as in kube_do().
struct kube_raw {
    struct http_request request;
    struct http_peer peer;
    char *url;
    struct strv headers;
};
int kube_raw_request(
    struct kube_client *c, const char *path, struct kube_raw *ret, struct error *err);
void kube_raw_done(struct kube_raw *r); // accepts an all-zero struct
DEFINE_AUTO(kube_raw, struct kube_raw, kube_raw_done)

// --- kinds ---

struct kube_kind {
    char *api_version; // "apps/v1", "v1"
    char *kind;        // "Deployment"
    char *plural;      // "deployments"
    bool namespaced;
};
// Asks the server once for each API version (discovery), and again when a kind is not in what it
// knows. Lent until the client is freed. ERR_NOT_FOUND says what may be missing (a CRD).
int kube_kind_find(struct kube_client *c, const char *api_version, const char *kind,
    const struct kube_kind **ret, struct error *err);
// "/apis/apps/v1/namespaces/NS/deployments/NAME"; name may be NULL (the collection); ns is not
// looked at for kinds that have none. The caller's.
char *kube_path(const struct kube_kind *kind, const char *ns, const char *name);

// --- objects ---

int kube_get(struct kube_client *c, const struct kube_kind *kind, const char *ns, const char *name,
    struct value **ret, struct error *err);
// All pages; `selector` (labels) may be NULL. *ret_items is a list of objects, each with apiVersion
// and kind. A `continue` that is too old (410) asks for all of it in one piece.
int kube_list(struct kube_client *c, const struct kube_kind *kind, const char *ns,
    const char *selector, struct value **ret_items, struct error *err);
int kube_create(struct kube_client *c, const struct kube_kind *kind, const char *ns,
    const struct value *object, struct value **ret, struct error *err);
struct kube_apply {
    bool force;   // take fields over from other managers; else ERR_CONFLICT names them and theirs
    bool dry_run; // the server does all but keep it
};
// Server-side apply by KUBE_FIELD_MANAGER. The object's metadata.resourceVersion, when it has one,
// is a precondition, but for an object that is not there (any more): that one is made. With
// metadata.uid as well it is not.
int kube_apply(struct kube_client *c, const struct kube_kind *kind, const char *ns,
    const struct value *object, const struct kube_apply *how, struct value **ret,
    struct error *err);
// JSON Patch (RFC 6902): a list of {op, path, value}.
int kube_patch(struct kube_client *c, const struct kube_kind *kind, const char *ns,
    const char *name, const struct value *operations, struct value **ret, struct error *err);
// `uid` (may be NULL) is a precondition. Dependents go in the background.
int kube_delete(struct kube_client *c, const struct kube_kind *kind, const char *ns,
    const char *name, const char *uid, struct error *err);
