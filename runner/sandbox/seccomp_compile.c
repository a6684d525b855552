// Compiles the seccomp filter while davit is built and writes it as a C array to standard output.
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"

static const char *const allowed[] = {
    // files
    "access", "chdir", "chmod", "chown", "chroot", "close", "close_range", "copy_file_range",
    "creat", "dup", "dup2", "dup3", "faccessat", "faccessat2", "fadvise64", "fallocate",
    "fanotify_mark", "fchdir", "fchmod", "fchmodat", "fchown", "fchownat", "fcntl", "fdatasync",
    "fgetxattr", "flistxattr", "flock", "fremovexattr", "fsetxattr", "fstat", "fstatfs", "fsync",
    "ftruncate", "futimesat", "getcwd", "getdents", "getdents64", "getxattr", "inotify_add_watch",
    "inotify_init", "inotify_init1", "inotify_rm_watch", "lchown", "lgetxattr", "link", "linkat",
    "listxattr", "llistxattr", "lremovexattr", "lseek", "lsetxattr", "lstat", "mkdir", "mkdirat",
    "mknod", "mknodat", "name_to_handle_at", "newfstatat", "open", "openat", "openat2", "pread64",
    "preadv", "preadv2", "pwrite64", "pwritev", "pwritev2", "read", "readahead", "readlink",
    "readlinkat", "readv", "removexattr", "rename", "renameat", "renameat2", "rmdir", "sendfile",
    "setxattr", "splice", "stat", "statfs", "statx", "symlink", "symlinkat", "sync",
    "sync_file_range", "syncfs", "tee", "truncate", "umask", "unlink", "unlinkat", "utime",
    "utimensat", "utimes", "vmsplice", "write", "writev",
    // waiting
    "epoll_create", "epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_pwait2", "epoll_wait",
    "eventfd", "eventfd2", "io_cancel", "io_destroy", "io_getevents", "io_pgetevents", "io_setup",
    "io_submit", "poll", "ppoll", "pselect6", "select", "signalfd", "signalfd4", "timerfd_create",
    "timerfd_gettime", "timerfd_settime",
    // memory
    "brk", "get_mempolicy", "madvise", "mbind", "membarrier", "memfd_create", "memfd_secret",
    "mincore", "mlock", "mlock2", "mlockall", "mmap", "mprotect", "mremap", "msync", "munlock",
    "munlockall", "munmap", "pkey_alloc", "pkey_free", "pkey_mprotect", "process_madvise",
    "process_mrelease", "remap_file_pages", "set_mempolicy", "set_mempolicy_home_node",
    // processes and threads (clone: see the rules)
    "arch_prctl", "capget", "capset", "execve", "execveat", "exit", "exit_group", "fork", "futex",
    "futex_waitv", "get_robust_list", "get_thread_area", "getcpu", "getegid", "geteuid", "getgid",
    "getgroups", "getpgid", "getpgrp", "getpid", "getppid", "getpriority", "getresgid", "getresuid",
    "getrlimit", "getrusage", "getsid", "gettid", "getuid", "ioprio_get", "ioprio_set", "kill",
    "landlock_add_rule", "landlock_create_ruleset", "landlock_restrict_self", "modify_ldt",
    "pidfd_getfd", "pidfd_open", "pidfd_send_signal", "prctl", "prlimit64", "process_vm_readv",
    "process_vm_writev", "ptrace", "rseq", "sched_get_priority_max", "sched_get_priority_min",
    "sched_getaffinity", "sched_getattr", "sched_getparam", "sched_getscheduler",
    "sched_rr_get_interval", "sched_setaffinity", "sched_setattr", "sched_setparam",
    "sched_setscheduler", "sched_yield", "seccomp", "set_robust_list", "set_thread_area",
    "set_tid_address", "setfsgid", "setfsuid", "setgid", "setgroups", "setpgid", "setpriority",
    "setregid", "setresgid", "setresuid", "setreuid", "setrlimit", "setsid", "setuid", "tgkill",
    "times", "tkill", "vfork", "wait4", "waitid",
    // signals and time
    "alarm", "clock_adjtime", "clock_getres", "clock_gettime", "clock_nanosleep", "getitimer",
    "gettimeofday", "nanosleep", "pause", "restart_syscall", "rt_sigaction", "rt_sigpending",
    "rt_sigprocmask", "rt_sigqueueinfo", "rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait",
    "rt_tgsigqueueinfo", "setitimer", "sigaltstack", "time", "timer_create", "timer_delete",
    "timer_getoverrun", "timer_gettime", "timer_settime",
    // pipes, sockets (socket: see the rules), System V and POSIX queues
    "accept", "accept4", "bind", "connect", "getpeername", "getsockname", "getsockopt", "listen",
    "mq_getsetattr", "mq_notify", "mq_open", "mq_timedreceive", "mq_timedsend", "mq_unlink",
    "msgctl", "msgget", "msgrcv", "msgsnd", "pipe", "pipe2", "recvfrom", "recvmmsg", "recvmsg",
    "semctl", "semget", "semop", "semtimedop", "sendmmsg", "sendmsg", "sendto", "setsockopt",
    "shmat", "shmctl", "shmdt", "shmget", "shutdown", "socketpair",
    // the machine
    "getrandom", "ioctl", "sysinfo", "uname", NULL};

// Known and dangerous: EPERM, which programs understand as "you may not". What is in neither list
// is ENOSYS, which they understand as "this kernel has it not", and fall back.
static const char *const refused[] = {
    // new mounts and namespaces
    "fsconfig", "fsmount", "fsopen", "fspick", "mount", "mount_setattr", "move_mount", "open_tree",
    "pivot_root", "setns", "umount2", "unshare",
    // the kernel's big surfaces
    "add_key", "bpf", "io_uring_enter", "io_uring_register", "io_uring_setup", "keyctl",
    "perf_event_open", "request_key", "userfaultfd",
    // what only an administrator does
    "acct", "adjtimex", "clock_settime", "delete_module", "fanotify_init", "finit_module",
    "init_module", "ioperm", "iopl", "kcmp", "kexec_file_load", "kexec_load", "lookup_dcookie",
    "migrate_pages", "move_pages", "nfsservctl", "open_by_handle_at", "quotactl", "quotactl_fd",
    "reboot", "setdomainname", "sethostname", "settimeofday", "swapoff", "swapon", "syslog",
    "uselib", "ustat", "vhangup", NULL};

// Only families that programs use to talk: no AF_VSOCK (the hypervisor), AF_ALG, AF_PACKET, AF_XDP,
// …
static const int families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};

static const unsigned long personalities[] = {
    PER_LINUX, PER_LINUX32, PER_LINUX | UNAME26, PER_LINUX32 | UNAME26, ADDR_NO_RANDOMIZE,
    0xffffffff, // asks, sets nothing
};

#define NAMESPACE_FLAGS                                                                            \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |  \
        CLONE_NEWNET)

#define PROGRAM_MAX 4096

// A name that libseccomp does not know, or a rule that it does not take, ends the build: a typo
// must not become a hole.
static void must(int status, const char *what)
{
    if (status >= 0)
        return;
    fprintf(stderr, "seccomp_compile: %s: error %d\n", what, -status);
    exit(1);
}

static void add_names(scmp_filter_ctx filter, const char *const *names, uint32_t action)
{
    for (; *names; names++) {
        int number = seccomp_syscall_resolve_name(*names);
        must(number == __NR_SCMP_ERROR ? -ENOSYS : 0, *names);
        must(seccomp_rule_add(filter, action, number, 0), *names);
    }
}

// Calls whose arguments decide.
static void add_conditions(scmp_filter_ctx filter)
{
    for (size_t i = 0; i < ARRAY_LEN(families); i++)
        must(seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
                 SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i])),
            "socket");
    for (size_t i = 0; i < ARRAY_LEN(personalities); i++)
        must(seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(personality), 1,
                 SCMP_A0(SCMP_CMP_EQ, personalities[i])),
            "personality");
    // No new namespaces by clone. clone3 takes its flags from memory, which a filter cannot read:
    // ENOSYS (by default) makes every libc fall back to clone.
    must(seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
             SCMP_A0(SCMP_CMP_MASKED_EQ, NAMESPACE_FLAGS, 0)),
        "clone");
}

static size_t compile(struct sock_filter *program)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
    must(filter ? 0 : -ENOMEM, "init");
    // int 0x80 and x32 enter by other numbers: whoever uses them is killed.
    must(seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS), "bad arch");
    must(seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2), "binary tree");
    add_names(filter, allowed, SCMP_ACT_ALLOW);
    add_names(filter, refused, SCMP_ACT_ERRNO(EPERM));
    add_conditions(filter);
    FILE *file = tmpfile();
    must(file ? 0 : -errno, "temporary file");
    must(seccomp_export_bpf(filter, fileno(file)), "export");
    ssize_t bytes = pread(fileno(file), program, PROGRAM_MAX * sizeof *program, 0);
    must(bytes > 0 ? 0 : -EIO, "reading the filter");
    fclose(file);
    seccomp_release(filter);
    return (size_t)bytes / sizeof *program;
}

static void print(const struct sock_filter *program, size_t length)
{
    for (size_t i = 0; i < length; i++)
        printf("    {0x%02x, %u, %u, 0x%08x},\n", program[i].code, program[i].jt, program[i].jf,
            program[i].k);
}

// TIOCSTI and TIOCLINUX type into the terminal of whoever started us (CVE-2017-5226,
// CVE-2023-28100). The kernel looks at the low 32 bits of the request only, and so does this;
// libseccomp cannot say "all but these" of 32 bits, so it stands before its program.
static void print_terminal_rules(void)
{
    const struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)SCMP_SYS(ioctl), 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TIOCSTI, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TIOCLINUX, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
    };
    print(rules, ARRAY_LEN(rules));
}

int main(void)
{
    static struct sock_filter program[PROGRAM_MAX];
    size_t length = compile(program);
    puts("static const struct sock_filter seccomp_program[] = {");
    print_terminal_rules();
    print(program, length);
    puts("};");
    return 0;
}
