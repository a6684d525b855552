// The system calls that sandboxed code may make: an allow-list in the spirit of Docker's default
// profile.
//
// The filter is compiled when davit is built (seccomp_compile.c, by libseccomp): compiling it at
// run time cost 2 ms, as much as a whole stage.
#pragma once

#include "base/error.h"

// Puts the filter on the calling thread, for good. no_new_privs must be set.
int seccomp_install(struct error *err);
