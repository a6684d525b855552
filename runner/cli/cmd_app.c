// The short verbs on an app: resume, abort, promote, allow, down.
#include "cli/app.h"

static int resume(struct cli *cli, void *arg, struct error *err)
{
    const struct place_command *command = arg;
    AUTO(value) struct value *result = NULL;
    if (app_call(cli, "resume", cli->args.items[0], &command->place, NULL, true, &result, err) < 0)
        return -1;
    return app_report(cli, result);
}

// Verbs that change something, and no rollout.
static int tell(struct cli *cli, const char *op, const struct place_command *command,
    struct value *job, const char *done, struct error *err)
{
    AUTO(value) struct value *result = NULL;
    if (app_call(cli, op, cli->args.items[0], &command->place, job, false, &result, err) < 0)
        return -1;
    if (cli->out.json)
        out_value(result);
    else
        printf("%s: %s\n", cli->args.items[0], done);
    return EXIT_OK;
}

static int abort_rollout(struct cli *cli, void *arg, struct error *err)
{
    const struct place_command *command = arg;
    AUTO(value) struct value *result = NULL;
    if (app_call(cli, "abort", cli->args.items[0], &command->place, NULL, true, &result, err) < 0)
        return -1;
    return app_report(cli, result);
}

static int pause_rollout(struct cli *cli, void *arg, struct error *err)
{
    const struct place_command *command = arg;
    AUTO(value) struct value *result = NULL;
    if (app_call(cli, "pause", cli->args.items[0], &command->place, NULL, false, &result, err) < 0)
        return -1;
    return app_report(cli, result);
}

static int promote(struct cli *cli, void *arg, struct error *err)
{
    const struct place_command *command = arg;
    AUTO(value) struct value *result = NULL;
    if (app_call(cli, "promote", cli->args.items[0], &command->place, NULL, true, &result, err) < 0)
        return -1;
    return app_report(cli, result);
}

static int allow(struct cli *cli, void *arg, struct error *err)
{
    struct value *job = value_map();
    value_set_str(job, "commit", cli->args.items[1]);
    return tell(cli, "allow", arg, job, "the commit may be deployed again", err);
}

static int down(struct cli *cli, void *arg, struct error *err)
{
    return tell(cli, "down", arg, NULL, "gone: what served it, and its releases", err);
}

const struct command cmd_resume = {
    .name = "resume",
    .arguments = "APP",
    .summary = "go on with a rollout that is paused, or whose runner died",
    .help =
        "Reads the rollout's position from the target and goes on from there, to the same end.\n\n"
        "  davit resume gin-app\n"
        "  davit resume gin-app --env staging\n",
    .options = place_options,
    .options_size = sizeof(struct place_command),
    .args_min = 1,
    .args_max = 1,
    .run = resume,
};
const struct command cmd_pause = {
    .name = "pause",
    .arguments = "APP",
    .summary = "hold a rollout at the end of the step that it is at",
    .help =
        "The run that drives it ends (a success that waits); traffic and capacity stay as the "
        "step\nleft them, and nobody watches its gates meanwhile. `davit resume` goes on, `davit "
        "abort`\ntakes it back.\n\n"
        "  davit pause gin-app\n"
        "  davit pause gin-app --env staging\n",
    .options = place_options,
    .options_size = sizeof(struct place_command),
    .args_min = 1,
    .args_max = 1,
    .run = pause_rollout,
};
const struct command cmd_abort = {
    .name = "abort",
    .arguments = "APP",
    .summary = "take a rollout back: traffic first, then capacity",
    .help = "Whoever drives the rollout takes it back; when nobody does, this does.\n\n"
            "  davit abort gin-app\n"
            "  davit abort gin-app --env staging\n",
    .options = place_options,
    .options_size = sizeof(struct place_command),
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
        "  davit promote gin-app\n"
        "  davit promote gin-app --env staging\n",
    .options = place_options,
    .options_size = sizeof(struct place_command),
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
        "  davit allow gin-app 4f0c2d1\n"
        "  davit allow gin-app 4f0c2d1 --env staging\n",
    .options = place_options,
    .options_size = sizeof(struct place_command),
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
            "releases. On Kubernetes: removes all objects that its releases applied, and the "
            "releases.\n\n"
            "  davit down gin-app\n"
            "  davit down gin-app --env staging\n",
    .options = place_options,
    .options_size = sizeof(struct place_command),
    .args_min = 1,
    .args_max = 1,
    .run = down,
};
