// A cluster as one context of a kubeconfig names it, whole: what the files said is in it, so that
// it can be handed to a process that sees none of them.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/memory.h"
#include "codec/value.h"
#include "net/http.h"

struct kube_cluster {
    char *context;             // its name; "in-cluster" for a pod's own
    char *server;              // "https://host:6443", perhaps with a path; no slash at the end
    char *namespace;           // of the context; "default" when it names none
    char *ca;                  // PEM; NULL: the system's authorities
    char *tls_server_name;     // NULL: that of the URL
    bool insecure;             // insecure-skip-tls-verify
    char *proxy;               // http://, https:// or socks5://; NULL: the environment's
    char *cert, *key;          // PEM, of the client; NULL
    char *token;               // static; NULL
    char *username, *password; // basic; NULL
    struct strv impersonate;   // "Impersonate-User: ann", …: sent as they are
    // A token file or an exec plugin says who we are: ask a struct kube_credentials.
    bool dynamic;
};

void kube_cluster_done(struct kube_cluster *c); // accepts an all-zero struct; keys are wiped
DEFINE_AUTO(kube_cluster, struct kube_cluster, kube_cluster_done)

// Between processes. ERR_PROTOCOL, naming the key; *ret stays untouched on failure.
struct value *kube_cluster_to_value(const struct kube_cluster *c);
int kube_cluster_from_value(const struct value *v, struct kube_cluster *ret, struct error *err);

// Who we are, from a token file or a plugin: a token, or a certificate with its key, or both.
struct kube_credential {
    char *token;
    char *cert, *key;        // PEM; both or neither
    int64_t expires_unix_ms; // 0: not said. A client asks again in its last KUBE_EXPIRY_LEEWAY_MS
};
#define KUBE_EXPIRY_LEEWAY_MS 10000
void kube_credential_done(struct kube_credential *c); // accepts an all-zero struct; wipes secrets
DEFINE_AUTO(kube_credential, struct kube_credential, kube_credential_done)
// Between processes. ERR_PROTOCOL when there is neither a token nor a certificate with its key.
struct value *kube_credential_to_value(const struct kube_credential *c);
int kube_credential_from_value(
    const struct value *v, struct kube_credential *ret, struct error *err);

// Whether that can be a bearer token: not empty, and nothing in it but what a header may hold.
bool kube_token_ok(const char *token);

// Whom a request to that cluster talks to (net/http.h), with `credential` (NULL: none) in the place
// of what the cluster itself says. Lent from both.
struct http_peer kube_cluster_peer(
    const struct kube_cluster *c, const struct kube_credential *credential);

// Exactly one call, from the loop, never from within fetch(). The credential is lent.
typedef void kube_credential_fn(
    void *arg, const struct kube_credential *credential, const struct error *err);

// Where a client gets it. `fetch` begins; at most one is under way at a time. `refused`: the server
// has answered 401 to what was given last, so no cache may answer.
struct kube_credentials {
    int (*fetch)(
        void *arg, bool refused, kube_credential_fn *done, void *done_arg, struct error *err);
    void (*cancel)(void *arg); // done is not called
    void *arg;
};
