// The real HTTP client: libcurl's multi interface on davit's loop.
//
// Only http and https; certificates are checked against the system's authorities, or the file that
// SSL_CERT_FILE names; the usual proxy variables of the environment hold. Redirects are followed
// here rather than by libcurl, so that a request's headers stay with the origin that they were
// meant for, and never from https to http.
//
// A sink is called from within libcurl: it must not start or cancel requests of the same client.
// http_client_free() must not be called from a completion.
#pragma once

#include "net/http.h"
#include "os/loop.h"

// The loop must outlive the client. NULL on failure.
struct http_client *http_curl_new(struct loop *loop, struct error *err);
