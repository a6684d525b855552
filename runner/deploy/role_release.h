// What a "deploy" job says becomes a release.
#pragma once

#include "deploy/role_session.h"

// `document` came with the job (deploy/role.h), or is NULL. *ret_secrets, the caller's, is what
// goes with the release into release_put(); NULL: none. *ret (all-zero before) is to be freed in
// any case.
int role_release(struct session *s, const struct value *document, const struct release *live,
    struct release *ret, struct value **ret_secrets, struct error *err);
