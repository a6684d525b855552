// One request on its way through libcurl: its options, what it received, what went wrong. Only for
// http_curl.c, which moves it.
#pragma once

#include <curl/curl.h>

#include "net/http.h"
#include "net/url.h"
#include "os/loop.h"

struct http_transfer {
    void *owner; // the client
    int64_t id;
    struct http_transfer *next;
    CURL *easy;
    struct curl_slist *headers;
    char trouble[CURL_ERROR_SIZE];

    // A copy of the request; its url is the hop's.
    struct http_request request;
    struct strv own_headers;
    char *method, *url, *unix_socket;
    bool peered; // the request has a peer, and these are of it:
    char *url_renamed;
    struct curl_slist *connect_to;
    bool began;       // the connection stands, and what follows may have been sent
    struct url first; // the origin that the headers are meant for
    bool strayed;     // a redirect has led away from it: they are not sent any more
    unsigned hops;
    uint64_t sent, body_size;

    struct http_response response;
    size_t header_bytes;
    bool failed; // a callback of ours ended it, and says why in `failure`
    struct error failure;

    struct loop_timer timer; // the deadline, or the next look whether bytes have moved
    int64_t started_ms, moved_ms;

    http_done_fn *done;
    void *arg;
};

// NULL with *err when the request makes no sense.
struct http_transfer *http_transfer_new(
    const struct http_request *request, const char *ca_file, struct error *err);
void http_transfer_free(struct http_transfer *t); // accepts NULL; it is no longer in a multi handle

bool http_transfer_sends_body(const struct http_transfer *t);

// What follows the end of a hop, whose result is `code`.
enum http_next {
    HTTP_RESPONSE, // t->response is complete
    HTTP_FAILED,   // t->failure says why
    HTTP_REDIRECT, // t->easy is set up for the next hop
};
enum http_next http_transfer_finish(struct http_transfer *t, CURLcode code);

// Fails it from outside (a deadline); http_transfer_finish() then reports that.
void http_transfer_fail(struct http_transfer *t, enum error_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
