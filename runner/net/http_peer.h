// A request's peer, told to libcurl. Only for http_transfer.c.
#pragma once

#include "net/http_transfer.h"

// Sets t->peered, and what of the peer is not an option of libcurl. t->url is set, and a URL.
// ERR_CONFIG when its server's name is none.
int http_peer_apply(struct http_transfer *t, const struct http_peer *peer, struct error *err);
// "Host: …" as the URL has it; the caller's.
char *http_peer_host_header(const char *url);
