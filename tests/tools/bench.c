// Times short commands against each other: in turn, A B A B …, so that a machine whose speed drifts
// drifts for both.
//
//     davit-bench RUNS sandbox -- PEER [ARG...]          an isolated no-op stage, spawn to reaped
//     davit-bench RUNS COMMAND [ARG...] -- PEER [ARG...]
//     davit-bench now                                    monotonic milliseconds, as davit-load's
//
// Prints one line: the medians of both, with (min to max), and the same of their ratios, pair by
// pair. A command that fails ends it, except with --any-exit before RUNS: then it may, unheard.
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

// "4.40 ms (4.12 to 6.31)"
static void print_spread(double *values, size_t count, const char *unit)
{
    qsort(values, count, sizeof *values, by_value);
    printf("%.2f%s (%.2f to %.2f)", values[count / 2], unit, values[0], values[count - 1]);
}

static void die(const char *what, const char *why)
{
    fprintf(stderr, "davit-bench: %s: %s\n", what, why);
    exit(70);
}

static void run_command(char *const *argv, bool any_exit)
{
    pid_t pid;
    int status;
    posix_spawn_file_actions_t quiet;
    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (any_exit)
        posix_spawn_file_actions_adddup2(&quiet, STDOUT_FILENO, STDERR_FILENO);
    if (posix_spawnp(&pid, argv[0], &quiet, NULL, argv, environ) != 0)
        die(argv[0], "cannot be started");
    posix_spawn_file_actions_destroy(&quiet);
    waitpid(pid, &status, 0);
    if (any_exit ? !WIFEXITED(status) : status != 0)
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

static double timed(char *const *argv, const struct sandbox_host *host, bool any_exit)
{
    int64_t began = clock_monotonic_ns();
    if (strcmp(argv[0], "sandbox") == 0)
        run_sandbox(host);
    else
        run_command(argv, any_exit);
    return (double)(clock_monotonic_ns() - began) / 1e6;
}

static void compare(char *const *command, char *const *peer, size_t runs, bool any_exit)
{
    static double ours[RUNS_MAX], theirs[RUNS_MAX], ratios[RUNS_MAX];
    struct sandbox_host host;
    struct error err = {0};
    if (sandbox_host_read(&host, &err) < 0)
        die("host", err.message);
    timed(command, &host, any_exit); // warm
    timed(peer, &host, any_exit);
    for (size_t i = 0; i < runs; i++) {
        ours[i] = timed(command, &host, any_exit);
        theirs[i] = timed(peer, &host, any_exit);
        ratios[i] = ours[i] / theirs[i];
    }
    print_spread(ours, runs, " ms");
    printf(" against ");
    print_spread(theirs, runs, " ms");
    printf(": ");
    print_spread(ratios, runs, "");
    putchar('\n');
}

int main(int argc, char **argv)
{
    int64_t runs;
    if (argc == 2 && strcmp(argv[1], "now") == 0) {
        printf("%lld\n", (long long)clock_monotonic_ms());
        return 0;
    }
    bool any_exit = argc > 1 && strcmp(argv[1], "--any-exit") == 0;
    char **command = argv + 2 + any_exit, **end = argv + argc, **peer = command;
    while (peer < end && strcmp(*peer, "--") != 0)
        peer++;
    if (peer == command || end - peer < 2 || !int_parse(command[-1], 1, RUNS_MAX, &runs)) {
        fputs("usage: davit-bench [--any-exit] RUNS sandbox|COMMAND [ARG...] -- PEER [ARG...]\n"
              "       davit-bench now\n",
            stderr);
        return 2;
    }
    *peer++ = NULL;
    compare(command, peer, (size_t)runs, any_exit);
    return 0;
}
