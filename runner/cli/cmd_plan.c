#include "cli/cmd_plan.h"

#include "cli/app.h"
#include "cli/context.h"
#include "cli/view.h"
#include "engine/plan_kube.h"
#include "engine/plan_role.h"
#include "engine/run.h"

struct plan_command {
    const char *directory, *env_file;
    bool role, server;
};

static const struct opt options[] = {
    OPT_STRING(
        'C', "directory", struct plan_command, directory, "DIR", "look there instead of here"),
    OPT_STRING(0, "env-file", struct plan_command, env_file, "FILE",
        "values for the environment (default: .env beside the pipeline)"),
    OPT_FLAG(0, "server", struct plan_command, server,
        "ask the clusters, too: their dry run, rights, quotas"),
    OPT_FLAG(0, "role", struct plan_command, role,
        "print the Role that the deploys to Kubernetes take instead"),
    OPT_END,
};

static int print_plan(const struct cli *cli, const struct plan *plan,
    const struct launcher *launcher, const struct kube_previews *previews)
{
    if (cli->out.json) {
        AUTO(value) struct value *v = view_plan(plan, launcher, previews);
        out_value(v);
        return EXIT_OK;
    }
    AUTO(str) struct str text;
    str_init(&text, STR_TEXT_MAX);
    view_plan_text(plan, launcher, previews, &text);
    out_text(&text);
    return EXIT_OK;
}

static int print_role(const struct cli *cli, const struct plan *plan,
    const struct kube_previews *previews, struct error *err)
{
    if (cli->out.json) {
        AUTO(value) struct value *v = NULL;
        if (plan_role_value(plan, previews, &v, err) < 0)
            return -1;
        out_value(v);
        return EXIT_OK;
    }
    AUTO(str) struct str text;
    str_init(&text, STR_TEXT_MAX);
    if (plan_role_text(plan, previews, &text, err) < 0)
        return -1;
    out_text(&text);
    return EXIT_OK;
}

// What a cluster says to a stage's deploy: into the answers. Whether all is fine is the exit code.
static int ask(struct cli *cli, const struct plan_question *q, const char *stage,
    struct value *answers, struct str *out, struct error *err)
{
    AUTO(value) struct value *result = NULL;
    AUTO(str) struct str text;
    str_init(&text, STR_TEXT_MAX);
    const struct place_options place = {
        .context = q->context ? q->context : "", .namespace = q->namespace};
    if (app_ask_text(cli, "plan", q->app, &place, NULL, q->document, &text, &result, err) < 0)
        return error_wrap(err, "stage \"%s\"", stage);
    bool fine = value_get_bool(result, "fine", false);
    struct value *answer = value_map();
    value_set_str(answer, "stage", stage);
    value_set_bool(answer, "fine", fine);
    value_set_str(answer, "text", text.data);
    value_append(answers, answer);
    str_printf(out, "\n%s, as the cluster has it\n%s", stage, text.data);
    return fine ? EXIT_OK : EXIT_STAGE_FAILED;
}

static int print_server(struct cli *cli, const struct plan *plan,
    const struct kube_previews *previews, struct error *err)
{
    int code = EXIT_OK;
    AUTO(value) struct value *answers = value_list();
    AUTO(str) struct str text;
    str_init(&text, STR_TEXT_MAX);
    vec_each (s, &plan->stages) {
        struct plan_question q = {0};
        int asks = plan_kube_question(s->stage, previews, &q, err);
        AUTO_FREE char *document = q.document;
        int one = asks > 0 ? ask(cli, &q, s->stage->name, answers, &text, err) : asks;
        if (one < 0)
            return -1;
        code = one != EXIT_OK ? one : code;
    }
    if (!value_length(answers))
        return error_set(err, ERR_CONFIG, "no stage that would run deploys to Kubernetes: %s",
            plan->pipeline->source->path);
    if (cli->out.json)
        out_value(answers);
    else
        out_text(&text);
    return code;
}

static int print(
    struct cli *cli, const char *file, const struct plan_command *command, struct error *err)
{
    AUTO(cli_context) struct cli_context context = {0};
    AUTO(run_files) struct run_files files = {0};
    AUTO(diag) struct diag_list diags = {0};
    if (cli_context_init(&context, cli, CLI_READ, err) < 0)
        return -1;
    struct run_options given = {
        .file = file,
        .directory = command->directory,
        .dotenv = command->env_file,
        .live_fd = -1,
    };
    struct run *run = run_of_checkout(&context.launcher, NULL, &given, &files, &diags, err);
    view_diagnostics(&diags);
    if (!run)
        return -1;
    int code = EXIT_OK;
    if (command->role)
        code = print_role(cli, run_plan(run), files.previews, err);
    else if (!command->server || !cli->out.json)
        code = print_plan(cli, run_plan(run), &context.launcher, files.previews);
    if (command->server && code == EXIT_OK)
        code = print_server(cli, run_plan(run), files.previews, err);
    run_free(run);
    return code;
}

int plan_checkout(struct cli *cli, const char *file, const char *directory, const char *env_file,
    struct error *err)
{
    const struct plan_command command = {.directory = directory, .env_file = env_file};
    return print(cli, file, &command, err);
}

static int run(struct cli *cli, void *arg, struct error *err)
{
    return print(cli, cli->args.length ? cli->args.items[0] : NULL, arg, err);
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
        "changes nothing. With --role: the rights that an account needs in the namespace for "
        "all of\n"
        "davit's verbs on what is deployed there, and no more. With --server, what each cluster "
        "says,\n"
        "too: the difference to what is live, by its own dry run; missing rights; quotas. It "
        "changes\n"
        "nothing there either, and fails when the cluster would not take it.\n\n"
        "  davit plan\n"
        "  davit plan -o json | jq '.stages[] | {name, why}'\n"
        "  davit plan --server\n"
        "  davit plan --role | kubectl apply -f -\n",
    .options = options,
    .options_size = sizeof(struct plan_command),
    .args_max = 1,
    .run = run,
};
