// A client of one registry: the OCI distribution API.
//
// Credentials are told to the registry's own origin only. The realm that issues tokens may be
// another host: it is told them only where that is known to belong together, or the credentials
// themselves say so ("realms"). Redirects and upload locations elsewhere are followed without them,
// and a registry with a public address cannot send us to a private one.
#pragma once

#include "image/manifest.h"
#include "image/reference.h"
#include "net/http.h"
#include "os/loop.h"

struct registry_host {
    struct loop *loop; // idle: requests run it
    struct http_client *http;
    // {username, password, realms: [host, …]}, or {} when there are none for that registry.
    int (*credentials)(void *arg, const char *registry, struct value **ret, struct error *err);
    void (*log)(void *arg, const char *line);
    void *arg;
    const struct strv *insecure; // registries that are spoken to by http; loopback ones are anyway
};

struct registry;
// Of a reference's registry part. The host must outlive it.
struct registry *registry_new(const struct registry_host *host, const char *name);
void registry_free(struct registry *r); // accepts NULL
DEFINE_AUTO_PTR(registry, struct registry, registry_free)

struct registry_call {
    const char *method;
    const char *url;        // absolute, or a path of the registry
    const char *repository; // for the token's scope
    bool push;              // for the token's scope
    const char *accept, *content_type;
    const void *body;
    size_t body_length;
    int body_fd;
    size_t body_max; // of the answer
    http_sink_fn *sink;
    void *sink_arg;
    bool absent_fine; // 404 is an answer, not an error
};
// Sends it, meeting challenges, following redirects, and trying again what may be (waiting as long
// as the registry asks for, at most a minute). An answer other than 2xx is an error with the
// registry's own words: 404 is ERR_NOT_FOUND, 401 and 403 ERR_DENIED.
int registry_send(struct registry *r, const struct registry_call *call, struct http_response *ret,
    struct error *err);

// The digest that the reference has now at the registry; "" in ret when it has none.
int registry_digest(struct registry *r, const struct reference *reference,
    char ret[static DIGEST_SIZE], struct error *err);
// Fetches manifest, configuration and the layers that are missing, everything checked against its
// digest, and tags it in the store.
int registry_pull(struct registry *r, struct store *store, const struct reference *reference,
    struct image *ret, struct error *err);
// Sends what the registry lacks, the tag last. *ret_present: it had everything.
int registry_push(struct registry *r, const struct store *store, const struct image *image,
    const struct reference *reference, bool *ret_present, struct error *err);
