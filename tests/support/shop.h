// An app "shop" to deploy with the real agent: a state directory with an image of busybox' httpd,
// and the jobs that a worker would give to davit-deploy for it.
#pragma once

#include "codec/value.h"
#include "store/state.h"
#include "support/check.h"

struct shop {
    struct state state;
    char listen[32]; // where its nginx is, "127.0.0.1:PORT"
};

// *state of a test: a shop. The teardown takes the app down, if it is there.
int shop_setup(void **state);
int shop_teardown(void **state);

#define in_shop(test) cmocka_unit_test_setup_teardown(test, shop_setup, shop_teardown)

// Shell lines for `script`: a server of /ping, and of /version as it says.
#define SHOP_SERVES(version)                                                                       \
    "echo " version " >/www/version; exec busybox httpd -f -p 127.0.0.1:$PORT -h /www"

// {"op", "app", "who"}
struct value *shop_job(const char *op);
// A blue-green deploy of two instances, of commit and run; the image runs `script`.
struct value *shop_deploy_job(
    const struct shop *shop, const char *run, const char *commit, const char *script);
// Adds an HTTP gate on /version to a deploy job; `phase` is "before_switch" or "after_switch".
void shop_add_gate(struct value *job, const char *phase);

// Kills the app's agent and waits until it is gone; the next call starts another.
void shop_kill_agent(const struct shop *shop);

// What the app's users see of `path` now; the caller's. "" when there is no answer.
char *shop_get(const struct shop *shop, const char *path);
void shop_check(const struct shop *shop, const char *path, const char *wanted);
