#include <fcntl.h>

#include "cli/cli.h"
#include "cli/view.h"
#include "engine/kube_preview.h"
#include "os/file.h"

static const struct opt options[] = {OPT_END};

// One mistake, as programs read it; the place is left out where there is none.
static void add_finding(struct value *list, const char *file, struct diag_position at,
    const char *severity, const char *message)
{
    struct value *v = value_map();
    value_set_str(v, "file", file);
    if (at.line) {
        value_set_int(v, "line", (int64_t)at.line);
        value_set_int(v, "column", (int64_t)at.column);
    }
    value_set_str(v, "severity", severity);
    value_set_str(v, "message", message);
    value_append(list, v);
}

static void list_diagnostics(struct value *list, const char *file, struct diag_list *diags)
{
    diag_sort(diags);
    vec_each (d, &diags->items) {
        struct diag_position at = {0};
        if (d->source)
            at = diag_position(d->source, d->place.offset);
        add_finding(list, d->source ? d->source->path : file, at, diag_severity_name(d->severity),
            d->message);
    }
}

// Where the manifests that the file names are looked for: beside a .davit.yaml, else here.
static char *workspace_of(const char *file)
{
    const char *base = path_base(file);
    return base > file && text_equal(base, PIPELINE_FILE) ? mem_strndup(file, (size_t)(base - file))
                                                          : mem_strdup(".");
}

// Whether the file is in order, with the manifests that it names; its mistakes are printed, or
// added to the list where there is one. A file that cannot be read is one, too.
static bool validate(const char *file, struct value *list)
{
    struct diag_source source = {0};
    struct error err = {0};
    AUTO(diag) struct diag_list diags = {0};
    if (pipeline_read(AT_FDCWD, file, &source, &err) < 0) {
        if (list)
            add_finding(list, file, (struct diag_position){0}, "error", err.message);
        else
            fprintf(stderr, "davit: %s\n", err.message);
        return false;
    }
    AUTO(pipeline) struct pipeline *pipeline = pipeline_parse(&source, &diags);
    AUTO(kube_previews) struct kube_previews *previews = NULL;
    AUTO_FREE char *workspace = workspace_of(file);
    if (pipeline)
        previews = kube_previews_new(pipeline, NULL, workspace, &diags);
    if (list)
        list_diagnostics(list, file, &diags);
    else
        view_diagnostics(&diags);
    bool fine = pipeline && !diags.errors;
    pipeline_free(take_ptr(pipeline));
    pipeline_source_done(&source);
    return fine;
}

static int run(struct cli *cli, void *arg, struct error *err)
{
    (void)arg;
    (void)err;
    AUTO(value) struct value *list = cli->out.json ? value_list() : NULL;
    if (!cli->args.length)
        strv_push(&cli->args, PIPELINE_FILE);
    size_t bad = 0;
    strv_each (file, &cli->args)
        bad += !validate(*file, list);
    if (list)
        out_value(list);
    else if (bad == 0)
        printf("%zu file%s in order\n", cli->args.length, cli->args.length == 1 ? "" : "s");
    return bad ? EXIT_USAGE : EXIT_OK;
}

const struct command cmd_validate = {
    .name = "validate",
    .arguments = "[FILE...]",
    .summary = "check pipeline files: every mistake at once",
    .help = "Reports every mistake as file:line:col with the line and a caret, those in the "
            "Kubernetes\n"
            "manifests that the file names, too. Without FILE it checks .davit.yaml. Exits 2 when "
            "there\n"
            "is a mistake.\n\n"
            "  davit validate\n"
            "  davit validate pipelines/*.yaml\n"
            "  davit validate -o json | jq -r '.[] | \"\\(.file):\\(.line): \\(.message)\"'\n",
    .options = options,
    .args_max = 10000,
    .run = run,
};
