#include "cli/app.h"

static const struct opt options[] = {OPT_END};

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
    str_printf(out, "%s: ", value_get_str(status, "app"));
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

static int run(struct cli *cli, void *arg, struct error *err)
{
    (void)arg;
    if (!cli->args.length && app_list(cli, &cli->args, err) < 0)
        return -1;
    AUTO(value) struct value *all = value_list();
    AUTO(str) struct str text;
    str_init(&text, STR_TEXT_MAX);
    strv_each (app, &cli->args) {
        struct value *status = NULL;
        if (app_call(cli, "status", *app, NULL, false, &status, err) < 0)
            return error_wrap(err, "%s", *app);
        status_text(status, &text);
        value_append(all, status);
    }
    if (cli->out.json)
        out_value(all);
    else if (!cli->args.length)
        str_puts(&text, "no app was deployed on this host\n");
    if (!cli->out.json)
        out_text(&text);
    return EXIT_OK;
}

const struct command cmd_status = {
    .name = "status",
    .arguments = "[APP...]",
    .summary = "what of an app runs, and what a rollout is doing",
    .help = "Without APP: of every app on this host.\n\n"
            "  davit status gin-app\n"
            "  davit status -o json | jq '.[].sets'\n",
    .options = options,
    .args_max = 1000,
    .run = run,
};
