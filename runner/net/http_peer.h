// A request's peer, told to libcurl. Only for http_transfer.c.
#pragma once

#include "net/http_transfer.h"

// Sets t->peered, and what of the peer is not an option of libcurl. t->url is set, and a URL.
// ERR_CONFIG when its server's name is none.
int http_peer_apply(struct http_transfer *t, const struct http_peer *peer, struct error *err);
// Requests with a body have connections apart, of HTTP/1.1. A server may refuse one before it has
// read it, and then resets the stream right behind its answer (RFC 9113, 8.1); libcurl 7.88 loses
// such an answer, in whole or in part, when both arrive together. Apart, so that one connection of
// HTTP/2 stays enough for all others: libcurl takes a server that spoke HTTP/1.1 for one that
// cannot multiplex.
bool http_peer_is_apart(const struct http_transfer *t);
// "Host: …" as the URL has it; the caller's.
char *http_peer_host_header(const char *url);
