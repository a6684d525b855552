// Registry credentials, from docker's config.json ($DOCKER_CONFIG, else ~/.docker): `auths` only.
#pragma once

#include "base/error.h"

struct credentials {
    char *username, *password; // both NULL: none are known for this registry
};
int credentials_find(const char *registry, struct credentials *ret, struct error *err);
void credentials_done(struct credentials *c);
