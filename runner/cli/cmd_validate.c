#include <fcntl.h>

#include "cli/cli.h"
#include "cli/view.h"

static const struct opt options[] = {OPT_END};

// Whether the file is in order; its mistakes are printed. A file that cannot be read is one, too.
static bool validate(const char *file)
{
    struct diag_source source = {0};
    struct error err = {0};
    AUTO(diag) struct diag_list diags = {0};
    if (pipeline_read(AT_FDCWD, file, &source, &err) < 0) {
        fprintf(stderr, "davit: %s\n", err.message);
        return false;
    }
    AUTO(pipeline) struct pipeline *pipeline = pipeline_parse(&source, &diags);
    view_diagnostics(&diags);
    bool fine = pipeline != NULL;
    pipeline_free(take_ptr(pipeline));
    pipeline_source_done(&source);
    return fine;
}

static int run(struct cli *cli, void *arg, struct error *err)
{
    (void)arg;
    (void)err;
    if (!cli->args.length)
        strv_push(&cli->args, PIPELINE_FILE);
    size_t bad = 0;
    strv_each (file, &cli->args)
        bad += !validate(*file);
    if (bad == 0 && !cli->out.json)
        printf("%zu file%s in order\n", cli->args.length, cli->args.length == 1 ? "" : "s");
    return bad ? EXIT_USAGE : EXIT_OK;
}

const struct command cmd_validate = {
    .name = "validate",
    .arguments = "[FILE...]",
    .summary = "check pipeline files: every mistake at once",
    .help =
        "Reports every mistake as file:line:col with the line and a caret. Without FILE it checks\n"
        ".davit.yaml. Exits 2 when there is a mistake.\n\n"
        "  davit validate\n"
        "  davit validate pipelines/*.yaml\n",
    .options = options,
    .args_max = 10000,
    .run = run,
};
