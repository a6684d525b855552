// What the jobs about going back share: where to, and the release that it makes.
#pragma once

#include "deploy/role_session.h"

// From where to where.
struct journey {
    int64_t from, to;           // revisions; from == 0: nothing is live
    const struct value *target; // the record of `to`; lent from the session's releases
};

// By what the job says; the session has looked.
int rollback_choose(const struct session *s, struct journey *ret, struct error *err);
// What would be found out only once its instances are to start.
int rollback_check(struct session *s, const struct journey *j, struct error *err);
// "gin-app: release 7 (commit …, image …) → release 3 (commit …, image …)"
void rollback_print_journey(const struct session *s, const struct journey *j, struct str *out);
// What it goes to, once more, as a release of its own, without a revision yet. `live` may be NULL.
int rollback_release(const struct session *s, const struct journey *j, const char *run,
    const struct release *live, struct release *ret, struct error *err);
