// HTTP(S) requests behind a vtable: `start` a request, its completion is called from the loop.
//
// The real one (net/http_curl.h) is libcurl's multi interface on davit's loop: connections are kept
// and reused, HTTP/2 where the server speaks it, only http and https, TLS verified. Tests of faults
// that no real server shows script one.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"
#include "base/vec.h"

struct http_client;
struct http_response;

// Gives the body piece by piece instead of keeping it: return -1 (with *err) to end the transfer.
// Called only for a response whose status is 2xx; other bodies are kept as usual, for the message.
typedef int http_sink_fn(void *arg, const void *bytes, size_t length, struct error *err);

// Whom a request talks to and as whom, where that is not the system's business but somebody's
// settings: an API server with an authority of its own. All texts are copied when a request starts.
//
// Requests with equal peers to one server share its connections (those without a body one alone,
// where it speaks HTTP/2); requests with different ones never do. They follow no redirect; the
// answer may come compressed, and is handed on plain; a connection whose other end has vanished is
// given up after half a minute, however long a request may take. What is not a GET or HEAD is sent
// once at most: without a peer, a request that a kept connection did not answer before it was
// closed is sent again.
struct http_peer {
    const char *ca;         // PEM: trusted instead of all others; NULL: those that the client knows
    const char *cert, *key; // PEM, shown to the server; both or neither
    const char *server_name; // that its certificate must have (and TLS asks for); NULL: the URL's
    bool insecure;           // any certificate will do
    const char *proxy;       // http://, https:// or socks5:// (which resolves names); NULL: the
                             // environment's
};

struct http_request {
    const char *method;         // "GET" when NULL
    const char *url;            // http or https
    const struct strv *headers; // "Name: value"; may be NULL. Sent to the first host only, never
                                // after a redirect to another
    // The body: bytes, or what is left of a file from `body_offset` on (body_fd > 0, not owned).
    const void *body;
    uint64_t body_length;
    int body_fd;
    uint64_t body_offset;
    int64_t timeout_ms;         // for the whole of it; 0: 30 s
    int64_t connect_timeout_ms; // 0: 10 s
    int64_t stall_ms;   // ends when no byte moved for so long; 0: never (for long transfers:
                        // timeout_ms < 0 and this)
    unsigned redirects; // how many to follow; 0: none (the 3xx is the answer)
    size_t body_max;    // of a kept response body; 0: 1 MiB
    http_sink_fn *sink;
    void *sink_arg;
    // Told once (with sink_arg), as the sink is, when the head of a 2xx answer is here, which may
    // be long before the first byte of its body; NULL: nobody wants to know.
    void (*on_head)(void *arg);
    const char *ca_file;          // NULL: the system's
    const char *unix_socket;      // connect there instead; NULL: by the URL
    const struct http_peer *peer; // lent until start() returns; NULL: by the system's settings
    // A connection of its own, closed after the answer whatever the server thinks of that.
    bool once;
    // Refuse (ERR_DENIED), before anything is sent, a peer whose address the world cannot reach:
    // for URLs that a foreign server chose.
    bool public_only;
};

struct http_response {
    int status;
    struct strv
        headers; // "name: value", names in lower case, of the last response (not of redirects)
    struct str body;
    char *effective_url; // after redirects
    char *peer;          // the address that answered; "" when there is none (a Unix socket)
    int64_t elapsed_ms;
};
void http_response_done(struct http_response *r);
// The value of the first header with that (lower-case) name, lent; NULL when absent.
const char *http_response_header(const struct http_response *r, const char *name);

// Retry-After in milliseconds: seconds, or a date (RFC 9110, 10.2.3). -1 when there is none.
int64_t http_retry_after_ms(const struct http_response *r);

// Exactly one call, from the loop, never from within start(). err is NULL when there is a response
// (of any status); a response that is kept must be moved out. No answer is ERR_NETWORK or
// ERR_TIMEOUT (retryable where nothing was sent), or ERR_CONFIG (a certificate or key cannot be
// read).
typedef void http_done_fn(void *arg, struct http_response *response, const struct error *err);

struct http_ops {
    // Takes a copy of what it needs from *request, but body, sink_arg and body_fd must live until
    // done. Returns an id for cancel(), or -1.
    int64_t (*start)(struct http_client *client, const struct http_request *request,
        http_done_fn *done, void *arg, struct error *err);
    void (*cancel)(struct http_client *client, int64_t id); // done is not called
    void (*free)(struct http_client *client);
};

struct http_client {
    const struct http_ops *ops;
};

static inline int64_t http_start(struct http_client *client, const struct http_request *request,
    http_done_fn *done, void *arg, struct error *err)
{
    return client->ops->start(client, request, done, arg, err);
}

// Accepts NULL.
void http_client_free(struct http_client *client);

// Runs one request to its end on a loop that is otherwise idle (roles that do one thing at a time).
struct loop;
int http_do(struct loop *loop, struct http_client *client, const struct http_request *request,
    struct http_response *ret, struct error *err);
