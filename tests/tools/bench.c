// Times short commands against each other: in turn, A B A B …, so that a machine whose speed drifts
// drifts for both.
//
//     davit-bench RUNS sandbox -- PEER [ARG…]     an isolated no-op stage, from spawn to reaped,
//     against the peer davit-bench RUNS COMMAND [ARG…] -- PEER …   two commands
//
// Prints one line: medians and the median of the ratios, pair by pair.
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "os/clock.h"
#include "sandbox/spawn.h"

#define RUNS_MAX 10000

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, by_value);
    return values[count / 2];
}

static void die(const char *what, const char *why)
{
    fprintf(stderr, "davit-bench: %s: %s\n", what, why);
    exit(70);
}

static void run_command(char *const *argv)
{
    pid_t pid;
    int status;
    posix_spawn_file_actions_t quiet;
    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (posix_spawnp(&pid, argv[0], &quiet, NULL, argv, environ) != 0)
        die(argv[0], "cannot be started");
    posix_spawn_file_actions_destroy(&quiet);
    waitpid(pid, &status, 0);
    if (status != 0)
        die(argv[0], "failed");
}

static void run_sandbox(const struct sandbox_host *host)
{
    AUTO(strv) struct strv argv = {0};
    strv_push(&argv, "true");
    struct sandbox_spec spec = {.name = "bench", .argv = strv_argv(&argv), .cgroup = "bench/true"};
    struct sandbox_child child;
    struct error err = {0};
    int status;
    if (sandbox_spawn(&spec, host, &child, &err) < 0 || sandbox_wait(&child, &status, &err) < 0)
        die("sandbox", err.message);
}

static double timed(char *const *argv, const struct sandbox_host *host)
{
    int64_t began = clock_monotonic_ns();
    if (strcmp(argv[0], "sandbox") == 0)
        run_sandbox(host);
    else
        run_command(argv);
    return (double)(clock_monotonic_ns() - began) / 1e6;
}

int main(int argc, char **argv)
{
    int64_t runs;
    char **peer = argv + 2;
    while (peer < argv + argc && strcmp(*peer, "--") != 0)
        peer++;
    if (argc < 5 || peer >= argv + argc - 1 || peer == argv + 2 ||
        !int_parse(argv[1], 1, RUNS_MAX, &runs)) {
        fputs("usage: davit-bench RUNS sandbox|COMMAND [ARG...] -- PEER [ARG...]\n", stderr);
        return 2;
    }
    *peer++ = NULL;
    static double ours[RUNS_MAX], theirs[RUNS_MAX], ratios[RUNS_MAX];
    struct sandbox_host host;
    struct error err = {0};
    if (sandbox_host_read(&host, &err) < 0)
        die("host", err.message);
    timed(argv + 2, &host); // warm
    timed(peer, &host);
    for (size_t i = 0; i < (size_t)runs; i++) {
        ours[i] = timed(argv + 2, &host);
        theirs[i] = timed(peer, &host);
        ratios[i] = ours[i] / theirs[i];
    }
    double a = median(ours, (size_t)runs), b = median(theirs, (size_t)runs);
    printf("%.2f ms against %.2f ms: %.2f\n", a, b, median(ratios, (size_t)runs));
    return 0;
}
