#include "sandbox/seccomp.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/memory.h"

#include "sandbox/seccomp_program.h" // made by seccomp_compile

int seccomp_install(struct error *err)
{
    const struct sock_fprog program = {
        .len = ARRAY_LEN(seccomp_program),
        .filter = (struct sock_filter *)(uintptr_t)seccomp_program, // the kernel only reads it
    };
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
        return error_errno(err, "seccomp");
    return 0;
}
