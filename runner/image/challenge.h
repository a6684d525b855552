// What a registry asks for with a 401: the WWW-Authenticate header (RFC 9110, 11.6.1).
#pragma once

#include <stdbool.h>

#include "base/memory.h"

enum challenge_scheme { CHALLENGE_BASIC, CHALLENGE_BEARER };

struct challenge {
    enum challenge_scheme scheme;
    char *realm, *service, *scope; // NULL where not given
};

// False when the header holds no challenge that we can meet. Bearer is taken before Basic.
bool challenge_parse(const char *header, struct challenge *ret);
void challenge_done(struct challenge *c);
DEFINE_AUTO(challenge, struct challenge, challenge_done)

// "Authorization: Basic …"; the caller's.
char *basic_header(const char *username, const char *password);
