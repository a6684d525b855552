#include "cli/app.h"

static void instances_text(const struct value *set, struct str *out)
{
    const struct value *instances = value_get(set, "instances");
    for (size_t i = 0; i < value_length(instances); i++) {
        const struct value *instance = value_at(instances, i);
        const char *address = value_get_str(instance, "address");
        const char *end = value_get_str(instance, "last_end");
        int64_t restarts = value_get_int(instance, "restarts", 0);
        str_printf(out, restarts || (end && *end) ? "    %lld  %-9s %-22s" : "    %lld  %-9s %s",
            (long long)value_get_int(instance, "index", 0), value_get_str(instance, "state"),
            address ? address : "-");
        if (restarts)
            str_printf(out, " %lld restart%s", (long long)restarts, restarts == 1 ? "" : "s");
        if (end && *end)
            str_printf(out, " (last end: %s)", end);
        str_putc(out, '\n');
    }
}

static void status_text(const struct value *status, struct str *out)
{
    app_print_place(status, out);
    str_puts(out, ": ");
    int64_t live = value_get_int(status, "live", 0);
    if (live)
        str_printf(out, "release %lld is live", (long long)live);
    else
        str_puts(out, "nothing is live");
    const char *rollout = value_get_str(status, "rollout");
    str_printf(out, "%s%s\n", rollout ? "; " : "", rollout ? rollout : "");
    const struct value *sets = value_get(status, "sets");
    for (size_t i = 0; i < value_length(sets); i++) {
        const struct value *set = value_at(sets, i);
        str_printf(out, "  %-5s release %lld: %lld of %lld ready, %lld %% of the traffic\n",
            value_get_str(set, "slot"), (long long)value_get_int(set, "release", 0),
            (long long)value_get_int(set, "ready", 0), (long long)value_get_int(set, "desired", 0),
            (long long)value_get_int(set, "percent", 0));
        instances_text(set, out);
    }
    const char *rollback = value_get_str(status, "rollback");
    if (rollback)
        str_printf(out, "  rollback: %s\n", rollback);
}

// Those that are meant when none is named.
static int list_apps(struct cli *cli, const struct place_options *where, struct error *err)
{
    if (where->context || where->namespace)
        return error_set(err, ERR_USAGE, "name the app whose status it is to be");
    return where->environment ? place_apps(where, &cli->args, err) : app_list(cli, &cli->args, err);
}

static void nothing_text(struct str *out)
{
    AUTO(str) struct str elsewhere;
    str_init(&elsewhere, STR_TEXT_MAX);
    str_puts(out, "no app was deployed on this host\n");
    place_suggest(&elsewhere);
    if (elsewhere.length)
        str_printf(out, "elsewhere, by the pipeline file here:\n%s", elsewhere.data);
}

static int run(struct cli *cli, void *arg, struct error *err)
{
    const struct place_command *command = arg;
    if (!cli->args.length && list_apps(cli, &command->place, err) < 0)
        return -1;
    AUTO(value) struct value *all = value_list();
    AUTO(str) struct str text;
    str_init(&text, STR_TEXT_MAX);
    strv_each (app, &cli->args) {
        struct value *status = NULL;
        if (app_call(cli, "status", *app, &command->place, NULL, false, &status, err) < 0)
            return error_wrap(err, "%s", *app);
        status_text(status, &text);
        value_append(all, status);
    }
    if (cli->out.json)
        out_value(all);
    else if (!cli->args.length)
        nothing_text(&text);
    if (!cli->out.json)
        out_text(&text);
    return EXIT_OK;
}

const struct command cmd_status = {
    .name = "status",
    .arguments = "[APP...]",
    .summary = "what of an app runs, and what a rollout is doing",
    .help = "Without APP: of every app on this host; with --env, of those that the pipeline file "
            "deploys\n"
            "there.\n\n"
            "  davit status gin-app\n"
            "  davit status --env staging\n"
            "  davit status -o json | jq '.[].sets'\n",
    .options = place_options,
    .options_size = sizeof(struct place_command),
    .args_max = 1000,
    .run = run,
};
