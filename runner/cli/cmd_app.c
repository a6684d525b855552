// The short verbs on an app: resume, abort, promote, allow, down.
#include "cli/app.h"

static const struct opt no_options[] = {OPT_END};

static int resume(struct cli *cli, void *arg, struct error *err)
{
    (void)arg;
    AUTO(value) struct value *result = NULL;
    if (app_call(cli, "resume", cli->args.items[0], NULL, true, &result, err) < 0)
        return -1;
    return app_report(cli, result);
}

// Verbs that change something, and no rollout.
static int tell(
    struct cli *cli, const char *op, struct value *job, const char *done, struct error *err)
{
    AUTO(value) struct value *result = NULL;
    if (app_call(cli, op, cli->args.items[0], job, false, &result, err) < 0)
        return -1;
    if (cli->out.json)
        out_value(result);
    else
        printf("%s: %s\n", cli->args.items[0], done);
    return EXIT_OK;
}

static int abort_rollout(struct cli *cli, void *arg, struct error *err)
{
    (void)arg;
    AUTO(value) struct value *result = NULL;
    if (app_call(cli, "abort", cli->args.items[0], NULL, true, &result, err) < 0)
        return -1;
    return app_report(cli, result);
}

static int promote(struct cli *cli, void *arg, struct error *err)
{
    (void)arg;
    AUTO(value) struct value *result = NULL;
    if (app_call(cli, "promote", cli->args.items[0], NULL, true, &result, err) < 0)
        return -1;
    return app_report(cli, result);
}

static int allow(struct cli *cli, void *arg, struct error *err)
{
    (void)arg;
    struct value *job = value_map();
    value_set_str(job, "commit", cli->args.items[1]);
    return tell(cli, "allow", job, "the commit may be deployed again", err);
}

static int down(struct cli *cli, void *arg, struct error *err)
{
    (void)arg;
    return tell(cli, "down", NULL, "gone: its instances, its proxy, its releases", err);
}

const struct command cmd_resume = {
    .name = "resume",
    .arguments = "APP",
    .summary = "go on with a rollout whose runner died",
    .help =
        "Reads the rollout's position from the target and goes on from there, to the same end.\n\n"
        "  davit resume gin-app\n",
    .options = no_options,
    .args_min = 1,
    .args_max = 1,
    .run = resume,
};
const struct command cmd_abort = {
    .name = "abort",
    .arguments = "APP",
    .summary = "take a rollout back: traffic first, then capacity",
    .help = "Whoever drives the rollout takes it back; when nobody does, this does.\n\n"
            "  davit abort gin-app\n",
    .options = no_options,
    .args_min = 1,
    .args_max = 1,
    .run = abort_rollout,
};
const struct command cmd_promote = {
    .name = "promote",
    .arguments = "APP",
    .summary = "let a rollout that waits for a person go on",
    .help =
        "For `strategy: {blue-green: {promotion: manual}}`, which then sends the traffic to the "
        "new\nrelease, and for the pauses of a canary: it ends the one that the rollout is at, "
        "and no\nlater one. The run that made it has ended as a success; `davit status` says "
        "what waits.\n\n"
        "  davit promote gin-app\n",
    .options = no_options,
    .args_min = 1,
    .args_max = 1,
    .run = promote,
};
const struct command cmd_allow = {
    .name = "allow",
    .arguments = "APP COMMIT",
    .summary = "take a commit off the refused list",
    .help =
        "A commit whose rollout failed, or that was rolled back from, is not deployed again until\n"
        "this is said. A prefix of the commit's id is enough where it is unique.\n\n"
        "  davit allow gin-app 4f0c2d1\n",
    .options = no_options,
    .args_min = 2,
    .args_max = 2,
    .run = allow,
};
const struct command cmd_down = {
    .name = "down",
    .arguments = "APP",
    .summary = "take an app away whole",
    .help = "Drains and ends its instances, its proxy and its agent, and removes its state with "
            "all its\n"
            "releases.\n\n"
            "  davit down gin-app\n",
    .options = no_options,
    .args_min = 1,
    .args_max = 1,
    .run = down,
};
