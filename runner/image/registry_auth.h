// How a registry's challenges are met. Only for registry.c.
#pragma once

#include "image/registry.h"
#include "net/url.h"

struct registry_auth {
    const struct registry_host *host;
    const char *name;      // the registry's, as references spell it
    const struct url *own; // its origin
    struct value *credentials;
    bool asked;
    char *basic; // header
    VEC(struct registry_token {
        char *scope;
        char *header;
    })
    tokens;
};

void registry_auth_done(struct registry_auth *a);
// The header for that scope, lent; NULL: none is known (yet).
const char *registry_auth_header(const struct registry_auth *a, const char *scope);
// Meets the challenge of a 401; afterwards there is a header. `public_only` as of http_request.
// ERR_DENIED when there is nothing (more) to say.
int registry_auth_meet(struct registry_auth *a, const char *header, const char *scope,
    bool public_only, struct error *err);
