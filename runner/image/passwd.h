// Users and groups by name, out of the text of an image's /etc/passwd and /etc/group (NULL: the
// image has none).
#pragma once

#include <sys/types.h>

#include "base/error.h"

struct ids {
    uid_t uid;
    gid_t gid;
};

// `user[:group]` of --chown: a number alone is both ids, a name brings its primary group; ":group"
// is root's. ERR_CONFIG for a name that is not there.
int passwd_owner(
    const char *passwd, const char *group, const char *spec, struct ids *ret, struct error *err);
// `user[:group]` of USER: a number without a group takes the group of the account with that id, or
// 0. *ret_home (the caller's) is "/" when there is no such account.
int passwd_user(const char *passwd, const char *group, const char *spec, struct ids *ret,
    char **ret_home, struct error *err);
