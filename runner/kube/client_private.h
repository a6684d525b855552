// What the files of the client share: calls, with everything that a watch wants of them too.
#pragma once

#include "kube/client.h"

struct kube_call;

struct kube_client {
    struct loop *loop;
    struct http_client *http;
    const struct kube_cluster *cluster;
    const struct kube_credentials *credentials;
    struct kube_call *calls; // not over
    int64_t last_id, requests;
    int64_t unanswered_ms; // monotonic: when a connection failed last; 0: none has

    // Of a dynamic cluster: who we are now. `generation` tells a call that was refused whether
    // somebody has asked again meanwhile; 0: nothing yet.
    struct kube_credential credential;
    uint64_t generation;
    bool fetching;

    VEC(struct kube_group) groups; // discovery.c
};

// What a server says of one API version.
struct kube_group {
    char *api_version;
    VEC(struct kube_kind *) kinds; // each allocated, so that it can be lent
};
void kube_groups_done(struct kube_client *c);

// --- calls (call.c) ---

struct kube_reply {
    struct value *value;    // NULL with a sink, for text, and with an error
    struct str *text;       // of a call for text
    int64_t retry_after_ms; // -1: the server did not say. With an error, too
};
// As kube_done_fn.
typedef void kube_reply_fn(void *arg, const struct kube_reply *reply, const struct error *err);

struct kube_call_options {
    bool text;          // do not read the answer
    bool impatient;     // the first failure ends it (but for a 401, which the credentials may cure)
    http_sink_fn *sink; // NULL: the answer is kept. With it there is no deadline
    void *sink_arg;
    void (*on_head)(void *sink_arg); // as in struct http_request
    kube_done_fn *done;              // is called instead
};
// An id for kube_cancel(), or -1.
int64_t kube_call_start(struct kube_client *c, const struct kube_request *request,
    const struct kube_call_options *options, kube_reply_fn *done, void *arg, struct error *err);
// The credentials have been asked: calls that waited for them go on, or end with `err`.
void kube_calls_resume(struct kube_client *c, const struct error *err);
void kube_calls_cancel(struct kube_client *c);
// URL, headers and TLS of a request, with what we have to say who we are (client.c).
void kube_connect(const struct kube_client *c, const char *path, struct kube_raw *ret);

// --- who we are (auth.c) ---

enum kube_auth {
    KUBE_AUTH_READY,
    KUBE_AUTH_PENDING, // kube_calls_resume() follows
    KUBE_AUTH_FAILED,
};
// Asks the credentials where the cluster is dynamic and what we have is about to expire. `refused`
// is the generation that the server has answered 401 to, else 0.
enum kube_auth kube_auth_need(struct kube_client *c, uint64_t refused, struct error *err);
void kube_auth_headers(const struct kube_client *c, struct strv *headers);
void kube_auth_done(struct kube_client *c);

// --- values to values ---

// "PATCH deployments/web": what was asked, for messages (status.c). The caller's.
char *kube_asked(const char *method, const char *path);
// 0 when the answer is a success, else -1 with the error that the header describes (status.c).
// `body` is the answer as JSON; NULL when it is none.
struct kube_answered {
    const char *asked;
    int status;
    bool json_patch;
    const struct value *body;
    const struct str *text;
};
int kube_status_check(const struct kube_answered *a, struct error *err);
// A Status object (of an answer, or of a watch's ERROR event).
bool kube_is_failure(const struct value *v);

// How long to wait before the request is sent once more; -1: it is not (retry.c).
struct kube_attempt {
    const char *method;
    int tries;              // so far, this one included
    bool answered;          // else the connection failed
    bool timed_out;         // it did not fail: nothing came
    int status;             // of the answer
    int64_t retry_after_ms; // -1: the server did not say
};
int64_t kube_retry_wait(const struct kube_attempt *attempt);
