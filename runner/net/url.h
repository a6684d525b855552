// URLs, as far as davit asks something of them: http and https, without user names in them.
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "base/memory.h"

struct url {
    char *scheme; // "http" or "https"
    char *host;   // lower case; an IPv6 address without brackets
    char *path;   // starts with '/'; no query
    unsigned port;
};

// ERR_PROTOCOL when the text is not such a URL. End *ret with url_done().
int url_parse(const char *text, struct url *ret, struct error *err);
void url_done(struct url *url); // accepts an all-zero struct
DEFINE_AUTO(url, struct url, url_done)

// `reference` (absolute, or relative to `base`) as an absolute URL for the caller to free; NULL
// with *err.
char *url_join(const char *base, const char *reference, struct error *err);
// The text without its query and fragment (which may hold tokens), for messages; the caller's.
char *url_shown(const char *text);
// Bytes that mean something in a query are percent-encoded; the caller's.
char *url_escape(const char *value);

// Scheme, host and port are equal: what was meant for one may be told to the other.
bool url_same_origin(const struct url *a, const struct url *b);
