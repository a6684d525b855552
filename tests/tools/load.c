// davit-load: asks a server of this machine (or of its test cluster) as its users would, and says
// what came of it.
//
// One JSON object on stdout at the end (at SIGTERM, SIGINT, or after --duration), when the requests
// under way have ended. On stderr, while it runs, "MS BEFORE -> VERSION" (monotonic milliseconds)
// when another version of the application answers than before, and the first failures.
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "os/clock.h"
#include "tools/load_client.h"

static const char usage[] =
    "usage: davit-load [OPTION]... http://127.0.0.1:PORT/PATH\n"
    "  --connections N    keep-alive connections, one request at a time on each (8)\n"
    "  --requests N       on one connection, then a new one (0: no limit)\n"
    "  --rate N           requests a second, all connections together (0: as fast as they come)\n"
    "  --duration TIME    ends by itself (at SIGTERM or SIGINT)\n"
    "  --posts PERCENT    how many of the requests are POSTs, whose body must come back (0)\n"
    "  --post-path PATH   where they go (/echo)\n"
    "  --body BYTES       of a POST (1024)\n"
    "  --slow-posts TIME  their body goes in ten pieces over this time (0s)\n"
    "  --timeout TIME     of one request (10s)\n"
    "Exit code: 0 no request failed, 1 some did, 2 usage.\n";

// One row per option: where its number goes, and what it may be.
struct option_row {
    const char *name;
    int64_t *value;
    int64_t min, max;
    bool duration;
};

static int parse_number(const struct option_row *row, const char *text, struct error *err)
{
    int64_t value;
    bool good = row->duration ? duration_parse(text, &value)
                              : int_parse(text, INT64_MIN, INT64_MAX, &value);
    if (!good)
        return error_set(err, ERR_USAGE, "--%s %s: want a %s", row->name, text,
            row->duration ? "duration such as 10s" : "number");
    if (value < row->min || value > row->max)
        return error_set(err, ERR_USAGE, "--%s %s: want %lld to %lld%s", row->name, text,
            (long long)row->min, (long long)row->max, row->duration ? " ms" : "");
    *row->value = value;
    return 0;
}

static void stop_client(void *arg, int signal)
{
    (void)signal;
    client_stop(arg);
}

static void on_duration(struct loop_timer *timer)
{
    client_stop(timer->arg);
}

static int run(const struct load_options *options, int64_t duration_ms, struct error *err)
{
    static struct stats stats;
    static const int signals[] = {SIGTERM, SIGINT};
    struct loop *loop = loop_new(err);
    if (!loop)
        return -1;
    int64_t began = clock_monotonic_ms();
    struct client *client = client_new(loop, options, &stats);
    struct loop_timer timer = {0};
    if (duration_ms)
        loop_timer_start(loop, &timer, began + duration_ms, on_duration, client);
    int failed = loop_signals(loop, signals, ARRAY_LEN(signals), stop_client, client, err);
    if (!failed)
        failed = loop_run(loop, err);
    loop_timer_stop(&timer);
    client_free(client);
    loop_free(loop);
    if (failed)
        return -1;
    AUTO(value) struct value *report = stats_to_value(&stats, clock_monotonic_ms() - began);
    AUTO_FREE char *text = value_print(report);
    puts(text);
    return stats_failed(&stats) ? 1 : 0;
}

int main(int argc, char **argv)
{
    int64_t connections = 8, rate = 0, duration = 0, posts = 0, body = 1024, slow = 0;
    int64_t timeout = 10000, requests = 0;
    const struct option_row rows[] = {
        {"connections", &connections, 1, 1000, false},
        {"requests", &requests, 0, 1000000, false},
        {"rate", &rate, 0, 1000000, false},
        {"duration", &duration, 0, 86400000, true},
        {"posts", &posts, 0, 100, false},
        {"body", &body, 0, 1 << 20, false},
        {"slow-posts", &slow, 0, 600000, true},
        {"timeout", &timeout, 1, 600000, true},
    };
    struct option long_options[ARRAY_LEN(rows) + 2] = {0};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        long_options[i] =
            (struct option){.name = rows[i].name, .has_arg = required_argument, .val = (int)i};
    const int post_path_option = (int)ARRAY_LEN(rows);
    long_options[post_path_option] =
        (struct option){.name = "post-path", .has_arg = required_argument, .val = post_path_option};

    const char *post_path = "/echo";
    struct error err = {0};
    for (int i; (i = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        if (i == post_path_option && optarg[0] == '/' && !strpbrk(optarg, " \r\n")) {
            post_path = optarg;
        } else if (i == '?' || i == post_path_option) {
            fputs(usage, stderr);
            return EXIT_USAGE;
        } else if (parse_number(&rows[i], optarg, &err) < 0) {
            fprintf(stderr, "davit-load: %s\n", err.message);
            return EXIT_USAGE;
        }
    }
    if (argc - optind != 1) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    AUTO_FREE char *host = NULL;
    AUTO_FREE char *path = NULL;
    struct load_options options = {.post_path = post_path,
        .connections = (int)connections,
        .requests = (int)requests,
        .rate = (int)rate,
        .posts = (int)posts,
        .body_size = (size_t)body,
        .slow_ms = slow,
        .timeout_ms = timeout,
        .events = stderr};
    if (load_url_parse(argv[optind], &options, &host, &path, &err) < 0) {
        fprintf(stderr, "davit-load: %s\n", err.message);
        return EXIT_USAGE;
    }
    options.host = host;
    options.path = path;
    int result = run(&options, duration, &err);
    if (result < 0)
        fprintf(stderr, "davit-load: %s\n", err.message);
    return result < 0 ? EXIT_RUNNER : result;
}
