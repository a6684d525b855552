#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/app.h"
#include "os/fd.h"
#include "os/file.h"

#define LOG_SHOWN_MAX ((size_t)256 << 20)

struct logs_command {
    const char *app;
};

static const struct opt options[] = {
    OPT_STRING(
        0, "app", struct logs_command, app, "APP", "of the app's live instances instead of a run"),
    OPT_END,
};

static int show_file(int dir, const char *name, const char *stage, struct error *err)
{
    AUTO(str) struct str text;
    AUTO(str) struct str shown;
    str_init(&text, LOG_SHOWN_MAX);
    str_init(&shown, LOG_SHOWN_MAX * 2);
    if (file_read(dir, name, &text, err) < 0)
        return -1;
    char *rest = text.data;
    for (char *line; rest && *rest && (line = strsep(&rest, "\n"));)
        str_printf(&shown, "%s%s%s\n", stage ? stage : "", stage ? " | " : "", line);
    out_text(&shown);
    return 0;
}

static int show_run(const struct cli *cli, struct error *err)
{
    AUTO(cli_context) struct cli_context context = {0};
    int64_t id;
    if (!int_parse(cli->args.items[0], 1, INT64_MAX, &id))
        return error_set(err, ERR_USAGE, "\"%s\" is not the number of a run", cli->args.items[0]);
    if (cli_context_init(&context, cli, CLI_STATE, err) < 0)
        return -1;
    AUTO_FREE char *path = mem_printf("runs/%lld/logs", (long long)id);
    AUTO_FD int dir = dir_open(context.state.dir, path, err);
    if (dir < 0) {
        if (err->kind == ERR_NOT_FOUND)
            error_set(err, ERR_NOT_FOUND, "there is no run %lld (`davit runs` lists them)",
                (long long)id);
        return -1;
    }
    AUTO(strv) struct strv logs = {0};
    if (cli->args.length == 2) {
        AUTO_FREE char *name = mem_printf("%s.log", cli->args.items[1]);
        if (!path_component_ok(name) || show_file(dir, name, NULL, err) < 0)
            return error_set(err, ERR_NOT_FOUND, "run %lld has no log of a stage \"%s\"",
                (long long)id, cli->args.items[1]);
        return EXIT_OK;
    }
    AUTO_FREE char *own = mem_printf("runs/%lld/run.log", (long long)id);
    show_file(context.state.dir, own, "davit", NULL);
    if (dir_list(dir, ".", &logs, err) < 0)
        return -1;
    strv_each (log, &logs) {
        if (!text_ends(*log, ".log"))
            continue;
        AUTO_FREE char *stage = mem_strndup(*log, strlen(*log) - strlen(".log"));
        if (show_file(dir, *log, stage, err) < 0)
            return -1;
    }
    return EXIT_OK;
}

static int run(struct cli *cli, void *arg, struct error *err)
{
    const struct logs_command *command = arg;
    if (!command->app && cli->args.length)
        return show_run(cli, err);
    if (!command->app || cli->args.length)
        return error_set(err, ERR_USAGE, "name a run, or --app APP");
    AUTO(value) struct value *result = NULL;
    return app_call(cli, "logs", command->app, NULL, false, &result, err) < 0 ? -1 : EXIT_OK;
}

const struct command cmd_logs = {
    .name = "logs",
    .arguments = "RUN [STAGE] | --app APP",
    .summary = "what a run's stages, or an app's instances, wrote",
    .help =
        "Each line of a stage stands behind the seconds since the run began. Secrets are ***.\n\n"
        "  davit logs 7\n"
        "  davit logs 7 test\n"
        "  davit logs --app gin-app\n",
    .options = options,
    .options_size = sizeof(struct logs_command),
    .args_max = 2,
    .run = run,
};
