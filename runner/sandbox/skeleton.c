#include "sandbox/skeleton.h"

#include <stddef.h>

const char *const skeleton_root[] = {
    "usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "opt", NULL};

const char *const skeleton_etc[] = {
    "alternatives",    // /usr/bin/cc and the like lead through it
    "ca-certificates", // and ca-certificates.conf: what update-ca-certificates left
    "ca-certificates.conf",
    "fonts",
    "host.conf",
    "java-17-openjdk",
    "java-21-openjdk",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "os-release",
    "pki",
    "protocols",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
    "timezone",
    NULL,
};

const char *const skeleton_devices[] = {"null", "zero", "full", "random", "urandom", "tty", NULL};

const char *const hidden_paths[] = {
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    NULL,
};

const char *const frozen_paths[] = {
    "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger", NULL};
