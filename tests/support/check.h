// What every test file needs: cmocka with the headers that it wants before it, and checks that
// print what they saw.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"

// The call must return 0 (or a positive number); otherwise its error is printed.
#define check_ok(call)                                                                             \
    do {                                                                                           \
        struct error err = {0};                                                                    \
        if ((call) < 0)                                                                            \
            fail_msg("%s: %s", #call, err.message);                                                \
    } while (0)

// The call must return -1 with this kind and a message holding `part`. The call passes &err.
#define check_error(call, wanted_kind, part)                                                       \
    do {                                                                                           \
        struct error err = {0};                                                                    \
        if ((call) != -1)                                                                          \
            fail_msg("%s did not fail", #call);                                                    \
        check_kind(&err, wanted_kind, part, #call);                                                \
    } while (0)

void check_kind(const struct error *err, enum error_kind kind, const char *part, const char *call);

// Runs a group of tests and is main(): the process exits with the number of failures.
#define TEST_MAIN(...)                                                                             \
    int main(void)                                                                                 \
    {                                                                                              \
        const struct CMUnitTest tests[] = {__VA_ARGS__};                                           \
        return cmocka_run_group_tests(tests, NULL, NULL);                                          \
    }
