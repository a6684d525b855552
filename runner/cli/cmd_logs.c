#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/app.h"
#include "os/fd.h"
#include "os/file.h"
#include "store/runs.h"

#define LOG_SHOWN_MAX ((size_t)256 << 20)

struct logs_command {
    struct place_options place;
    const char *app;
};

static const struct opt options[] = {
    OPT_STRING(
        0, "app", struct logs_command, app, "APP", "of the app's live instances instead of a run"),
    PLACE_OPTIONS(struct logs_command),
    OPT_END,
};

// What was shown so far: text, or a list of lines for -o json.
struct shown {
    struct str text;
    struct value *lines;
};

// A stage's line as its log has it: "12.345 what it wrote".
static void add_line(struct value *lines, const char *stage, const char *line)
{
    struct value *v = value_map();
    char *end;
    double seconds = strtod(line, &end);
    bool timed = end != line && *end == ' ';
    value_set_str(v, "stage", stage);
    if (timed)
        value_set_int(v, "ms", (int64_t)(seconds * 1000 + 0.5));
    value_set_str(v, "line", timed ? end + 1 : line);
    value_append(lines, v);
}

static int show_file(struct shown *shown, int dir, const char *name, const char *stage, bool named,
    struct error *err)
{
    AUTO(str) struct str text;
    str_init(&text, LOG_SHOWN_MAX);
    if (file_read(dir, name, &text, err) < 0)
        return -1;
    char *rest = text.data;
    for (char *line; rest && *rest && (line = strsep(&rest, "\n"));)
        if (shown->lines)
            add_line(shown->lines, stage, line);
        else
            str_printf(&shown->text, "%s%s%s\n", named ? stage : "", named ? " | " : "", line);
    return 0;
}

// All stages in their order, after what davit itself had to say.
static int show_stages(
    struct shown *shown, struct cli_context *context, int64_t id, int dir, struct error *err)
{
    AUTO(stage_list) struct stage_list stages = {0};
    AUTO_FREE char *own = mem_printf("runs/%lld/run.log", (long long)id);
    show_file(shown, context->state.dir, own, "davit", true, NULL);
    if (stages_list(context->db, id, &stages, err) < 0)
        return -1;
    vec_each (stage, &stages.items) {
        AUTO_FREE char *name = mem_printf("%s.log", stage->name);
        if (file_exists(dir, name) && show_file(shown, dir, name, stage->name, true, err) < 0)
            return -1;
    }
    return 0;
}

static int show_run(const struct cli *cli, struct error *err)
{
    AUTO(cli_context) struct cli_context context = {0};
    const char *stage = cli->args.length == 2 ? cli->args.items[1] : NULL;
    int64_t id;
    if (!int_parse(cli->args.items[0], 1, INT64_MAX, &id))
        return error_set(err, ERR_USAGE, "\"%s\" is not the number of a run", cli->args.items[0]);
    if (cli_context_init(&context, cli, CLI_DATABASE, err) < 0)
        return -1;
    AUTO_FREE char *path = mem_printf("runs/%lld/logs", (long long)id);
    AUTO_FD int dir = dir_open(context.state.dir, path, err);
    if (dir < 0) {
        if (err->kind == ERR_NOT_FOUND)
            error_set(err, ERR_NOT_FOUND, "there is no run %lld (`davit runs` lists them)",
                (long long)id);
        return -1;
    }
    AUTO_FREE char *name = mem_printf("%s.log", stage ? stage : "");
    AUTO(value) struct value *lines = cli->out.json ? value_list() : NULL;
    struct shown shown = {.lines = lines};
    str_init(&shown.text, LOG_SHOWN_MAX * 2);
    int status = 0;
    if (!stage)
        status = show_stages(&shown, &context, id, dir, err);
    else if (!path_component_ok(name) || show_file(&shown, dir, name, stage, false, err) < 0)
        status = error_set(
            err, ERR_NOT_FOUND, "run %lld has no log of a stage \"%s\"", (long long)id, stage);
    if (status == 0 && lines)
        out_value(lines);
    else if (status == 0)
        out_text(&shown.text);
    str_done(&shown.text);
    return status;
}

static int run(struct cli *cli, void *arg, struct error *err)
{
    const struct logs_command *command = arg;
    if (!command->app && cli->args.length)
        return show_run(cli, err);
    if (!command->app || cli->args.length)
        return error_set(err, ERR_USAGE, "name a run, or --app APP");
    if (cli->out.json)
        return error_set(err, ERR_USAGE, "what instances write is text: leave -o json out");
    AUTO(value) struct value *result = NULL;
    return app_call(cli, "logs", command->app, &command->place, NULL, false, &result, err) < 0
               ? -1
               : EXIT_OK;
}

const struct command cmd_logs = {
    .name = "logs",
    .arguments = "RUN [STAGE] | --app APP",
    .summary = "what a run's stages, or an app's instances, wrote",
    .help =
        "Each line of a stage stands behind the seconds since the run began. Secrets are ***.\n\n"
        "  davit logs 7\n"
        "  davit logs 7 test\n"
        "  davit logs 7 -o json | jq -r '.[] | select(.stage == \"test\") | .line'\n"
        "  davit logs --app gin-app\n"
        "  davit logs --app gin-app --env staging\n",
    .options = options,
    .options_size = sizeof(struct logs_command),
    .args_max = 2,
    .run = run,
};
