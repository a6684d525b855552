// A directory of its own for each test, removed after it: *state is its path.
#pragma once

#include "support/check.h"

int directory_setup(void **state);
int directory_teardown(void **state);
char *directory_read(const char *directory, const char *name); // a file whole; the caller's

#define in_directory(test)                                                                         \
    cmocka_unit_test_setup_teardown(test, directory_setup, directory_teardown)
