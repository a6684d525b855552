#include "support/check.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "image/challenge.h"
#include "image/passwd.h"
#include "image/reference.h"

#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

static void challenges(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        bool found;
        enum challenge_scheme scheme;
        const char *realm, *service;
    } rows[] = {
        {"Basic realm=\"a b\"", true, CHALLENGE_BASIC, "a b", NULL},
        {"Bearer realm=\"https://a/t\",service=\"s\",scope=\"x\"", true, CHALLENGE_BEARER,
            "https://a/t", "s"},
        {"bearer Realm=https, service=\"a\\\"b\"", true, CHALLENGE_BEARER, "https", "a\"b"},
        {"Basic realm=\"x\", Bearer realm=\"y\"", true, CHALLENGE_BEARER, "y", NULL},
        {"Negotiate, Basic realm=\"x\"", true, CHALLENGE_BASIC, "x", NULL},
        {"Bearer", false, CHALLENGE_BASIC, NULL, NULL},
        {"Negotiate abc=", false, CHALLENGE_BASIC, NULL, NULL},
        {"", false, CHALLENGE_BASIC, NULL, NULL},
        {"\"", false, CHALLENGE_BASIC, NULL, NULL},
        {"Bearer realm=\"open", true, CHALLENGE_BEARER, "open", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(challenge) struct challenge c = {0};
        if (challenge_parse(rows[i].header, &c) != rows[i].found)
            fail_msg("%s", rows[i].header);
        if (!rows[i].found)
            continue;
        assert_int_equal(c.scheme, rows[i].scheme);
        if (!text_equal(c.realm, rows[i].realm) || !text_equal(c.service, rows[i].service))
            fail_msg("%s gave %s, %s", rows[i].header, c.realm, c.service);
    }
    AUTO_FREE char *basic = basic_header("davit", "secret");
    assert_string_equal(basic, "Authorization: Basic ZGF2aXQ6c2VjcmV0");
}

static void references(void **state)
{
    (void)state;
    static const struct {
        const char *text, *name; // NULL: not one
    } rows[] = {
        {"alpine", "docker.io/library/alpine:latest"},
        {"alpine:3", "docker.io/library/alpine:3"},
        {"me/app", "docker.io/me/app:latest"},
        {"index.docker.io/me/app", "docker.io/me/app:latest"},
        {"localhost/app", "localhost/app:latest"},
        {"localhost:5000/a/b:v1", "localhost:5000/a/b:v1"},
        {"r.example/a__b/c-d:v1.2_x", "r.example/a__b/c-d:v1.2_x"},
        {"a@sha256:" ZEROS, "docker.io/library/a@sha256:" ZEROS},
        {"a:1@sha256:" ZEROS, "docker.io/library/a:1@sha256:" ZEROS},
        {"", NULL},
        {"A", NULL},
        {"a//b", NULL},
        {"a/", NULL},
        {"a:", NULL},
        {"a:-x", NULL},
        {"a@sha256:12", NULL},
        {"a@md5:" ZEROS, NULL},
        {"../a", NULL},
        {"a/../b", NULL},
        {"http://a/b", NULL},
        {"a b", NULL},
        {"r.example/", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(reference) struct reference r = {0};
        int status = reference_parse(rows[i].text, &r, NULL);
        AUTO_FREE char *name = status == 0 ? reference_name(&r) : NULL;
        if (!text_equal(name, rows[i].name))
            fail_msg("%s gave %s", rows[i].text, name ? name : "an error");
    }
}

static void users_and_groups(void **state)
{
    (void)state;
    static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n# a comment\nbad line\n"
                                 "app:x:1000:1001::/home/app:\nlast:x:7:8:l:/last:/bin/sh";
    static const char group[] = "root:x:0:\nstaff:x:50:app\n";
    static const struct {
        const char *spec;
        int64_t uid, gid, owner_gid; // -1: an error
        const char *home;
    } rows[] = {
        {"0", 0, 0, 0, "/root"},
        {"root", 0, 0, 0, "/root"},
        {"app", 1000, 1001, 1001, "/home/app"},
        {"1000", 1000, 1001, 1000, "/home/app"},
        {"33", 33, 0, 33, "/"},
        {"33:44", 33, 44, 44, "/"},
        {"app:staff", 1000, 50, 50, "/home/app"},
        {":staff", 0, 50, 50, "/root"},
        {"last", 7, 8, 8, "/last"},
        {"bad line", -1, 0, 0, NULL},
        {"nobody", -1, 0, 0, NULL},
        {"app:nobody", -1, 0, 0, NULL},
        {"app:", -1, 0, 0, NULL},
        {"4294967295", -1, 0, 0, NULL},
        {"-1", -1, 0, 0, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ids user = {0}, owner = {0};
        AUTO_FREE char *home = NULL;
        int status = passwd_user(passwd, group, rows[i].spec, &user, &home, NULL);
        assert_int_equal(passwd_owner(passwd, group, rows[i].spec, &owner, NULL), status);
        if ((status < 0) != (rows[i].uid < 0))
            fail_msg("%s", rows[i].spec);
        if (status < 0)
            continue;
        if (user.uid != rows[i].uid || user.gid != rows[i].gid || owner.uid != rows[i].uid ||
            owner.gid != rows[i].owner_gid || strcmp(home, rows[i].home) != 0)
            fail_msg("%s is %u:%u, owner %u:%u, at %s", rows[i].spec, user.uid, user.gid, owner.uid,
                owner.gid, home);
    }
}

TEST_MAIN(
    cmocka_unit_test(users_and_groups), cmocka_unit_test(references), cmocka_unit_test(challenges))
