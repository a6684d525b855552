#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "os/process.h"

static const char *const outputs[] = {"text", "json", NULL};

static const struct opt common_options[] = {
    OPT_CHOICE('o', "output", struct cli_common, output, outputs, "FORMAT", "text or json"),
    OPT_STRING(0, "state", struct cli_common, state, "DIR",
        "davit's state (default: $DAVIT_STATE, /var/lib/davit, ~/.local/state/davit)"),
    OPT_FLAG('h', "help", struct cli_common, help, "this help"),
    OPT_END,
};

// The verbs, in the order in which the help shows them; NULL begins a new group.
static const struct command *const commands[] = {
    &cmd_run,
    &cmd_plan,
    &cmd_validate,
    &cmd_serve,
    NULL,
    &cmd_rollback,
    &cmd_status,
    &cmd_history,
    &cmd_allow,
    &cmd_pause,
    &cmd_resume,
    &cmd_promote,
    &cmd_abort,
    &cmd_down,
    &cmd_adopt,
    &cmd_eject,
    NULL,
    &cmd_runs,
    &cmd_show,
    &cmd_logs,
    &cmd_cancel,
    NULL,
    &cmd_build,
    &cmd_image,
    &cmd_doctor,
};

static const struct command *find_command(const char *name, struct error *err)
{
    const char *names[ARRAY_LEN(commands) + 1] = {NULL};
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (!commands[i])
            continue;
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
        names[n++] = commands[i]->name;
    }
    const char *near = suggest(name, names);
    error_set(err, ERR_USAGE, "there is no verb \"%s\"%s%s%s (`davit help` lists them)", name,
        near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
    return NULL;
}

static void print_overview(struct str *out)
{
    str_puts(out,
        "davit lowers software into production and takes it back when it does not float.\n\n"
        "Usage: davit VERB [OPTION...] [ARGUMENT...]\n\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (commands[i])
            str_printf(out, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
        else
            str_putc(out, '\n');
    str_puts(out,
        "\n`davit help VERB` says more of each, with examples.\n\nExit codes: 0 success, 1 a "
        "stage failed, 2 usage or configuration, 3 rolled back,\n4 rollback failed, 5 somebody "
        "else holds the app, 70 runner fault, 124 timeout, 130 cancelled.\n");
}

static void print_help(const struct command *c, struct str *out)
{
    str_printf(out, "%s\n\nUsage: davit %s%s%s\n\n%s\nOptions:\n", c->summary, c->name,
        *c->arguments ? " " : "", c->arguments, c->help);
    opt_help(c->options, out);
    opt_help(common_options, out);
}

static int show(void (*print)(const struct command *, struct str *), const struct command *c)
{
    AUTO(str) struct str text;
    str_init(&text, STR_TEXT_MAX);
    if (c)
        print(c, &text);
    else
        print_overview(&text);
    out_text(&text);
    return EXIT_OK;
}

static int check_arguments(const struct command *c, const struct cli *cli, struct error *err)
{
    if (cli->args.length < c->args_min || cli->args.length > c->args_max)
        return error_set(
            err, ERR_USAGE, "usage: davit %s%s%s", c->name, *c->arguments ? " " : "", c->arguments);
    return 0;
}

static int run_command(const struct command *c, char *const *words, struct error *err)
{
    struct cli cli = {.common.output = "text", .words = words};
    AUTO_FREE void *options = mem_alloc(c->options_size);
    int code =
        opt_parse(c->options, common_options, words + 1, options, &cli.common, &cli.args, err);
    if (code == 0 && cli.common.help) {
        code = show(print_help, c);
    } else if (code == 0) {
        out_init(&cli.out, strcmp(cli.common.output, "json") == 0);
        code = check_arguments(c, &cli, err);
        if (code == 0)
            code = c->run(&cli, options, err);
    }
    strv_done(&cli.args);
    return code;
}

static int dispatch(char *const *argv, struct error *err)
{
    const char *name = *argv;
    if (!name || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        return show(NULL, NULL);
    if (strcmp(name, "--version") == 0 || strcmp(name, "version") == 0) {
        puts("davit " DAVIT_VERSION);
        return EXIT_OK;
    }
    if (strcmp(name, "help") == 0 && !argv[1])
        return show(NULL, NULL);
    bool help = strcmp(name, "help") == 0;
    const struct command *c = find_command(help ? argv[1] : name, err);
    if (!c)
        return -1;
    return help ? show(print_help, c) : run_command(c, argv, err);
}

int cli_main(int argc, char **argv)
{
    process_harden();
    // What davit makes has the modes that davit says; whoever calls it has no say in what a build
    // writes or nginx may read.
    umask(022);
    struct error err = {0};
    log_to(log_sink_text, log_fd(STDERR_FILENO), LOG_WARNING);
    int code = argc > 0 ? dispatch(argv + 1, &err) : EXIT_USAGE;
    if (code >= 0 && out_check(&err) < 0 && code == EXIT_OK)
        code = -1;
    if (code >= 0)
        return code;
    fprintf(stderr, "davit: %s\n", err.message);
    return (int)error_exit_code(err.kind);
}
