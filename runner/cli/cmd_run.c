#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cli/cmd_plan.h"
#include "cli/context.h"
#include "cli/view.h"
#include "engine/run.h"
#include "os/clock.h"
#include "os/fd.h"

struct run_command {
    const char *directory, *env_file, *why;
    bool dry_run, quiet;
    int64_t id;
};

static const struct opt options[] = {
    OPT_STRING('C', "directory", struct run_command, directory, "DIR", "run there instead of here"),
    OPT_STRING(0, "env-file", struct run_command, env_file, "FILE",
        "values for the environment (default: .env beside the pipeline)"),
    OPT_STRING('m', "message", struct run_command, why, "TEXT", "why, for the history"),
    OPT_FLAG('n', "dry-run", struct run_command, dry_run, "the same as `davit plan`"),
    OPT_FLAG('q', "quiet", struct run_command, quiet, "no output of stages, only the result"),
    OPT_HIDDEN_NUMBER("id", struct run_command, id),
    OPT_END,
};

static void on_signal(void *arg, int signal)
{
    (void)signal;
    run_cancel(arg);
}

static int execute(struct cli_context *context, struct run *run, struct error *err)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    if (loop_signals(context->loop, signals, ARRAY_LEN(signals), on_signal, run, err) < 0)
        return -1;
    signal(SIGPIPE, SIG_IGN);
    return run_execute(run);
}

static void print_result(const struct cli *cli, struct cli_context *context, const struct run *run)
{
    const struct run_record *record = run_record(run);
    AUTO(run_record) struct run_record kept = {0};
    char elapsed[OUT_AGO_MAX];
    int64_t ms = clock_unix_ms() - record->started_ms;
    if (cli->out.json) {
        AUTO(stage_list) struct stage_list stages = {0};
        stages_list(context->db, record->id, &stages, NULL);
        bool whole = runs_get(context->db, record->id, &kept, NULL) == 0; // its end, too
        AUTO(value) struct value *v = view_run(whole ? &kept : record, &stages);
        out_value(v);
        return;
    }
    bool fine = record->status == STATUS_SUCCESS;
    AUTO(str) struct str text;
    str_init(&text, STR_TEXT_MAX);
    str_printf(&text, "%srun %lld: %s%s in %s%s%s\n",
        cli->out.color ? (fine ? OUT_GREEN : OUT_RED) : "", (long long)record->id,
        status_name(record->status), cli->out.color ? OUT_RESET : "", out_elapsed(ms, elapsed),
        record->reason ? ": " : "", record->reason ? record->reason : "");
    out_text(&text);
}

// A worker of the daemon: serve hands over what it may know as JSON on standard input
// (serve/worker.h).
static int read_order(struct value **ret, struct error *err)
{
    AUTO(str) struct str text;
    str_init(&text, STR_TEXT_MAX);
    if (fd_read_all(STDIN_FILENO, &text, err) < 0)
        return -1;
    *ret = value_parse(text.data, text.length, err);
    return *ret ? 0 : error_wrap(err, "the order of `davit serve`");
}

static int work(struct cli *cli, const struct run_command *command, struct error *err)
{
    AUTO(cli_context) struct cli_context context = {0};
    AUTO(value) struct value *order = NULL;
    if (cli_context_init(&context, cli, CLI_DATABASE, err) < 0 || read_order(&order, err) < 0)
        return -1;
    launcher_inherit_programs(&context.launcher, (int)value_get_int(order, "programs", 0));
    struct run_options given = {
        .live_fd = -1,
        .grace_ms = RUN_GRACE_MS,
        .default_branch = value_get_str(order, "default_branch"),
        .secret_files = value_get(order, "secrets"),
    };
    AUTO(run_files) struct run_files files = {0};
    struct run *run = run_of_queue(&context.launcher, context.db, command->id, &given, &files, err);
    int code = run ? execute(&context, run, err) : -1;
    run_free(run);
    return code;
}

static int run_here(struct cli *cli, void *arg, struct error *err)
{
    const struct run_command *command = arg;
    if (command->id)
        return work(cli, command, err);
    const char *file = cli->args.length ? cli->args.items[0] : NULL;
    if (command->dry_run)
        return plan_checkout(cli, file, command->directory, command->env_file, err);
    AUTO(cli_context) struct cli_context context = {0};
    if (cli_context_init(&context, cli, CLI_DATABASE, err) < 0)
        return -1;
    AUTO_FREE char *who = cli_who();
    AUTO(run_files) struct run_files files = {0};
    AUTO(diag) struct diag_list diags = {0};
    struct run_options given = {
        .file = file,
        .directory = command->directory,
        .dotenv = command->env_file,
        .who = who,
        .why = command->why,
        .live_fd = command->quiet || cli->out.json ? -1 : STDOUT_FILENO,
        .color = cli->out.color,
        .grace_ms = RUN_GRACE_MS,
    };
    struct run *run = run_of_checkout(&context.launcher, context.db, &given, &files, &diags, err);
    view_diagnostics(&diags);
    if (!run)
        return -1;
    int code = execute(&context, run, err);
    if (code >= 0)
        print_result(cli, &context, run);
    run_free(run);
    return code;
}

const struct command cmd_run = {
    .name = "run",
    .arguments = "[FILE]",
    .summary = "run the pipeline on this checkout",
    .help =
        "Runs every stage of the pipeline (.davit.yaml, or FILE) in a sandbox of its own, on what\n"
        "stands in the checkout now, committed or not. Ctrl-C asks the stages to end, a second\n"
        "Ctrl-C ends them.\n\n"
        "  davit run                     the pipeline of this directory\n"
        "  davit run -C ../app -m 'hotfix for #42'\n"
        "  davit run ci/nightly.yaml     another file\n"
        "  davit run -n                  what would run, and why\n",
    .options = options,
    .options_size = sizeof(struct run_command),
    .args_max = 1,
    .run = run_here,
};
