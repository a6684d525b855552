#include "cli/app.h"

struct rollback_command {
    struct place_options place;
    const char *why;
    int64_t to;
    bool dry_run, print, past_migration;
};

static const struct opt options[] = {
    OPT_NUMBER(0, "to", struct rollback_command, to, 1, INT64_MAX, "REV",
        "to this release (default: the one before the live one)"),
    OPT_FLAG(
        'n', "dry-run", struct rollback_command, dry_run, "print from → to and the steps only"),
    OPT_FLAG(0, "print", struct rollback_command, print,
        "on Kubernetes: print it as a shell script of kubectl commands only"),
    OPT_STRING('m', "message", struct rollback_command, why, "TEXT", "why, for the history"),
    OPT_FLAG(0, "past-migration", struct rollback_command, past_migration,
        "also across a hook that is marked irreversible and has run"),
    PLACE_OPTIONS(struct rollback_command),
    OPT_END,
};

static int print_script(
    struct cli *cli, const struct rollback_command *command, struct value *job, struct error *err)
{
    AUTO(value) struct value *result = NULL;
    AUTO(str) struct str script;
    str_init(&script, STR_TEXT_MAX);
    if (app_ask_text(cli, "print_rollback", cli->args.items[0], &command->place, job, NULL, &script,
            &result, err) < 0)
        return -1;
    if (cli->out.json) {
        AUTO(value) struct value *v = value_map();
        value_set_str(v, "script", script.data);
        out_value(v);
    } else {
        out_text(&script);
    }
    return EXIT_OK;
}

static int run(struct cli *cli, void *arg, struct error *err)
{
    const struct rollback_command *command = arg;
    struct value *job = value_map();
    if (command->to)
        value_set_int(job, "to", command->to);
    value_set_str(job, "why", command->why);
    value_set_bool(job, "dry_run", command->dry_run);
    value_set_bool(job, "past_migration", command->past_migration);
    if (command->print)
        return print_script(cli, command, job, err);
    AUTO(value) struct value *result = NULL;
    if (app_call(cli, "rollback", cli->args.items[0], &command->place, job, true, &result, err) < 0)
        return -1;
    return app_report(cli, result);
}

const struct command cmd_rollback = {
    .name = "rollback",
    .arguments = "APP",
    .summary = "back to the previous (or named) release, config included, at once",
    .help =
        "Starts the earlier release's instances, waits until they are healthy, and sends the "
        "traffic\n"
        "there. A rollout that is under way is pre-empted; pauses and gates are skipped. Needs "
        "neither\n"
        "git nor the daemon nor a registry. The commit that was rolled back from is refused until\n"
        "`davit allow`. A hook that is marked irreversible and has run stands in the way: a "
        "release\n"
        "that was made before it may not know what it has changed.\n"
        "With --print nothing is changed: what is printed does the same without davit, on the day "
        "that\n"
        "davit does not work, and leaves the app as davit understands it.\n\n"
        "  davit rollback gin-app -m 'checkout is broken'\n"
        "  davit rollback gin-app --to 3\n"
        "  davit rollback gin-app --dry-run\n"
        "  davit rollback gin-app --env staging\n"
        "  davit rollback gin-app --env staging --print >rollback.sh; sh rollback.sh\n"
        "  davit rollback gin-app --context prod --namespace gin\n",
    .options = options,
    .options_size = sizeof(struct rollback_command),
    .args_min = 1,
    .args_max = 1,
    .run = run,
};
