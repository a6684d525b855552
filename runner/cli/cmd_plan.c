#include "cli/cmd_plan.h"

#include "cli/context.h"
#include "cli/view.h"
#include "engine/run.h"

struct plan_command {
    const char *directory, *env_file;
};

static const struct opt options[] = {
    OPT_STRING(
        'C', "directory", struct plan_command, directory, "DIR", "look there instead of here"),
    OPT_STRING(0, "env-file", struct plan_command, env_file, "FILE",
        "values for the environment (default: .env beside the pipeline)"),
    OPT_END,
};

static void print(const struct cli *cli, const struct plan *plan, const struct launcher *launcher,
    const struct kube_previews *previews)
{
    if (cli->out.json) {
        AUTO(value) struct value *v = view_plan(plan, launcher, previews);
        out_value(v);
        return;
    }
    AUTO(str) struct str text;
    str_init(&text, STR_TEXT_MAX);
    view_plan_text(plan, launcher, previews, &text);
    out_text(&text);
}

int plan_checkout(struct cli *cli, const char *file, const char *directory, const char *env_file,
    struct error *err)
{
    AUTO(cli_context) struct cli_context context = {0};
    AUTO(run_files) struct run_files files = {0};
    AUTO(diag) struct diag_list diags = {0};
    if (cli_context_init(&context, cli, CLI_READ, err) < 0)
        return -1;
    struct run_options given = {
        .file = file, .directory = directory, .dotenv = env_file, .live_fd = -1, .grace_ms = 0};
    struct run *run = run_of_checkout(&context.launcher, NULL, &given, &files, &diags, err);
    view_diagnostics(&diags);
    if (!run)
        return -1;
    print(cli, run_plan(run), &context.launcher, files.previews);
    run_free(run);
    return EXIT_OK;
}

static int run(struct cli *cli, void *arg, struct error *err)
{
    const struct plan_command *command = arg;
    return plan_checkout(cli, cli->args.length ? cli->args.items[0] : NULL, command->directory,
        command->env_file, err);
}

const struct command cmd_plan = {
    .name = "plan",
    .arguments = "[FILE]",
    .summary = "dry run: what would run, and why",
    .help =
        "Prints every stage with the reason why it runs or is skipped, its sandbox, its "
        "environment\n"
        "(secrets as ***) and, for a deploy, the steps with their instance counts; on "
        "Kubernetes\n"
        "what is applied, too, from the manifests here. Opens no network connection, makes and\n"
        "changes nothing.\n\n"
        "  davit plan\n"
        "  davit plan -o json | jq '.stages[] | {name, why}'\n",
    .options = options,
    .options_size = sizeof(struct plan_command),
    .args_max = 1,
    .run = run,
};
