// What this machine remembers of its runs: runs, show, cancel.
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/context.h"
#include "cli/view.h"
#include "engine/settle.h"
#include "engine/worker_file.h"
#include "os/clock.h"
#include "os/process.h"

struct runs_command {
    int64_t limit;
};

static const struct opt runs_options[] = {
    OPT_NUMBER('n', "limit", struct runs_command, limit, 1, 1000000, "N", "how many (default: 20)"),
    OPT_END,
};
static const struct opt no_options[] = {OPT_END};

static int list_runs(struct cli *cli, void *arg, struct error *err)
{
    const struct runs_command *command = arg;
    AUTO(cli_context) struct cli_context context = {0};
    AUTO(run_list) struct run_list runs = {0};
    if (cli_context_init(&context, cli, CLI_DATABASE, err) < 0)
        return -1;
    settle_all(&context.launcher, context.db);
    if (runs_list(context.db, -1, command->limit ? command->limit : 20, &runs, err) < 0)
        return -1;
    if (cli->out.json) {
        AUTO(value) struct value *list = value_list();
        vec_each (run, &runs.items)
            value_append(list, view_run(run, NULL));
        out_value(list);
        return EXIT_OK;
    }
    static const char *const header[] = {
        "RUN", "STATUS", "PIPELINE", "EVENT", "REF", "COMMIT", "TOOK", "WHEN", "REASON"};
    struct out_table table = {.columns = ARRAY_LEN(header)};
    out_table_row(&table, header);
    vec_each (run, &runs.items) {
        char took[OUT_AGO_MAX], ago[OUT_AGO_MAX];
        AUTO_FREE char *id = mem_printf("%lld", (long long)run->id);
        AUTO_FREE char *commit = mem_strndup(run->commit ? run->commit : "", 12);
        int64_t ms = run->finished_ms && run->started_ms ? run->finished_ms - run->started_ms : -1;
        const char *const cells[] = {id, status_name(run->status), run->pipeline, run->event,
            run->tag ? run->tag : run->branch, commit, out_elapsed(ms, took),
            out_ago(run->queued_ms, ago), run->reason};
        out_table_row(&table, cells);
    }
    AUTO(str) struct str text;
    str_init(&text, STR_TEXT_MAX);
    out_table_print(&table, &text);
    out_table_done(&table);
    out_text(&text);
    return EXIT_OK;
}

static int run_id(const struct cli *cli, int64_t *ret, struct error *err)
{
    if (!int_parse(cli->args.items[0], 1, INT64_MAX, ret))
        return error_set(err, ERR_USAGE, "\"%s\" is not the number of a run", cli->args.items[0]);
    return 0;
}

static int show_run(struct cli *cli, void *arg, struct error *err)
{
    (void)arg;
    int64_t id;
    AUTO(cli_context) struct cli_context context = {0};
    AUTO(run_record) struct run_record run = {0};
    AUTO(stage_list) struct stage_list stages = {0};
    if (run_id(cli, &id, err) < 0 || cli_context_init(&context, cli, CLI_DATABASE, err) < 0)
        return -1;
    settle_all(&context.launcher, context.db);
    if (runs_get(context.db, id, &run, err) < 0 || stages_list(context.db, id, &stages, err) < 0)
        return -1;
    if (cli->out.json) {
        AUTO(value) struct value *v = view_run(&run, &stages);
        out_value(v);
        return EXIT_OK;
    }
    AUTO(str) struct str text;
    str_init(&text, STR_TEXT_MAX);
    view_run_text(cli, &run, &stages, &text);
    out_text(&text);
    return EXIT_OK;
}

static int say(const struct cli *cli, int64_t id, const char *what)
{
    if (!cli->out.json)
        printf("run %lld %s\n", (long long)id, what);
    return EXIT_OK;
}

static int cancel_run(struct cli *cli, void *arg, struct error *err)
{
    (void)arg;
    int64_t id;
    AUTO(cli_context) struct cli_context context = {0};
    AUTO(run_record) struct run_record run = {0};
    if (run_id(cli, &id, err) < 0 || cli_context_init(&context, cli, CLI_DATABASE, err) < 0)
        return -1;
    AUTO_FREE char *who = cli_who();
    AUTO_FREE char *reason = mem_printf("cancelled by %s before it began", who);
    int dropped = runs_cancel_queued(context.db, id, reason, clock_unix_ms(), err);
    if (dropped)
        return dropped < 0 ? -1 : say(cli, id, "will not begin");
    struct process worker = PROCESS_NONE;
    int found = runs_get(context.db, id, &run, err) < 0
                    ? -1
                    : worker_find(&context.state, id, &worker, err);
    if (found < 0)
        return -1;
    if (found == 0)
        return error_set(err, ERR_NOT_FOUND, "run %lld is not running (%s)", (long long)id,
            status_name(run.status));
    int status = process_signal(&worker, SIGTERM, err);
    process_done(&worker);
    return status < 0 ? -1 : say(cli, id, "is told to end");
}

const struct command cmd_runs = {
    .name = "runs",
    .arguments = "",
    .summary = "the runs of this machine, newest first",
    .help = "  davit runs -n 5\n"
            "  davit runs -o json | jq '.[] | select(.status != \"success\")'\n",
    .options = runs_options,
    .options_size = sizeof(struct runs_command),
    .run = list_runs,
};
const struct command cmd_show = {
    .name = "show",
    .arguments = "RUN",
    .summary = "one run with its stages and why each ended as it did",
    .help = "  davit show 7\n",
    .options = no_options,
    .args_min = 1,
    .args_max = 1,
    .run = show_run,
};
const struct command cmd_cancel = {
    .name = "cancel",
    .arguments = "RUN",
    .summary = "end a run: TERM, grace, kill",
    .help =
        "A rollout that it drives goes back: traffic first, then capacity.\n\n  davit cancel 7\n",
    .options = no_options,
    .args_min = 1,
    .args_max = 1,
    .run = cancel_run,
};
