#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/context.h"
#include "cli/view.h"
#include "engine/secrets.h"
#include "os/file.h"
#include "serve/serve.h"

#define DEFAULT_FILE "/etc/davit/server.yaml"
#define CONFIG_MAX   ((size_t)1 << 20)

static int read_config(
    const char *path, struct diag_source *source, struct serve_config *config, struct error *err)
{
    AUTO(str) struct str text;
    AUTO(diag) struct diag_list diags = {0};
    str_init(&text, CONFIG_MAX);
    if (file_read(AT_FDCWD, path, &text, err) < 0)
        return error_wrap(err, "what is to be watched (`davit help serve` shows such a file)");
    *source = (struct diag_source){.path = path, .length = text.length};
    source->text = str_take(&text);
    int status = serve_config_parse(source, config, &diags);
    view_diagnostics(&diags);
    if (status < 0)
        return error_set(err, ERR_CONFIG, "%zu mistake%s in %s", diags.errors,
            diags.errors == 1 ? "" : "s", path);
    return 0;
}

// What is wrong with a secret's file is better said now than by the first run that wants it.
static void check_secrets(const struct serve_config *config)
{
    struct value_cursor cursor = {.map = config->secrets};
    const char *name;
    struct value *path;
    while (config->secrets && value_next(&cursor, &name, &path)) {
        AUTO(strv) struct strv wanted = {0}, names = {0}, values = {0};
        struct error err = {0};
        strv_push(&wanted, name);
        if (secrets_read(config->secrets, &wanted, &names, &values, &err) < 0)
            log_warning("%s", err.message);
        strv_each (value, &values)
            explicit_bzero(*value, strlen(*value));
    }
}

static int serve(struct cli *cli, const struct serve_config *config, struct error *err)
{
    AUTO(cli_context) struct cli_context context = {0};
    if (cli_context_init(&context, cli, CLI_DATABASE, err) < 0)
        return -1;
    struct serve *s = serve_new(&context.launcher, context.db, config, err);
    int status = s ? serve_run(s, err) : -1;
    serve_free(s);
    return status;
}

static int run(struct cli *cli, void *arg, struct error *err)
{
    (void)arg;
    struct serve_config config = {0};
    struct diag_source source = {0};
    bool terminal = isatty(STDERR_FILENO);
    log_to(terminal ? log_sink_text : log_sink_json, log_fd(STDERR_FILENO), LOG_INFO);
    signal(SIGPIPE, SIG_IGN);
    const char *path = cli->args.length ? cli->args.items[0] : DEFAULT_FILE;
    int status = read_config(path, &source, &config, err);
    if (status == 0)
        check_secrets(&config);
    if (status == 0)
        status = serve(cli, &config, err);
    serve_config_done(&config);
    free((char *)(uintptr_t)source.text);
    return status;
}

static const struct opt options[] = {OPT_END};

const struct command cmd_serve = {
    .name = "serve",
    .arguments = "[FILE]",
    .summary = "the daemon: watch repositories and run their pipelines",
    .help =
        "Watches the local repositories that FILE (default: " DEFAULT_FILE ") names, and starts a\n"
        "worker for every push. Workers outlive it: stopping, restarting or killing the daemon "
        "changes\n"
        "no run. SIGTERM stops watching and exits.\n\n"
        "  repositories:\n"
        "    - path: /srv/git/app.git\n"
        "      branches: [main]\n"
        "  secrets: {DATABASE_URL: /etc/davit/secrets/database-url}\n"
        "  concurrency: 2\n",
    .options = options,
    .args_max = 1,
    .run = run,
};
