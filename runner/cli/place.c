#include "cli/place.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli/app.h"
#include "cli/view.h"
#include "engine/deploy_job.h"
#include "pipeline/model.h"

const struct opt place_options[] = {PLACE_OPTIONS(struct place_command), OPT_END};

void place_done(struct place *p)
{
    value_free(p->cluster);
    *p = (struct place){0};
}

// --- the pipeline file ---

struct file {
    struct diag_source source;
    struct pipeline *pipeline;
};

static void file_done(struct file *f)
{
    pipeline_free(f->pipeline);
    pipeline_source_done(&f->source);
}
DEFINE_AUTO(file, struct file, file_done)

// 1; 0 when there is none and nobody named one; -1.
static int read_pipeline(const char *named, struct file *ret, struct error *err)
{
    struct error why = {0};
    AUTO(diag) struct diag_list diags = {0};
    if (pipeline_read(AT_FDCWD, named, &ret->source, &why) < 0) {
        if (!named && why.kind == ERR_NOT_FOUND)
            return 0;
        *err = why;
        return -1;
    }
    ret->pipeline = pipeline_parse(&ret->source, &diags);
    if (ret->pipeline)
        return 1;
    view_diagnostics(&diags);
    return error_set(err, ERR_CONFIG, "%s has mistakes", ret->source.path);
}

static const struct environment *find_environment(
    const struct pipeline *p, const char *name, struct error *err)
{
    const struct environment *found = pipeline_environment(p, name);
    if (found)
        return found;
    AUTO(strv) struct strv names = {0};
    AUTO(str) struct str known;
    str_init(&known, 200);
    vec_each (e, &p->environments) {
        strv_push(&names, e->name);
        str_printf(&known, "%s%s", known.length ? ", " : "", e->name);
    }
    const char *near = suggest(name, (const char *const *)(const void *)strv_argv(&names));
    error_set(err, ERR_USAGE, "%s has no environment \"%s\"%s%s%s", p->source->path, name,
        near ? "; did you mean \"" : "; it has: ",
        near           ? near
        : known.length ? known.data
                       : "none",
        near ? "\"?" : "");
    return NULL;
}

static int need_pipeline(const struct place_options *options, struct file *ret, struct error *err)
{
    int found = read_pipeline(options->file, ret, err);
    if (found == 0)
        error_set(err, ERR_NOT_FOUND,
            "there is no %s here, which says where environment \"%s\" is: name the file by -f, or "
            "the place by --context and --namespace",
            PIPELINE_FILE, options->environment);
    return found == 1 ? 0 : -1;
}

static bool deploys(const struct stage *stage, const char *app)
{
    return stage->deploy && text_equal(value_get_str(stage->deploy, "app"), app);
}

// --- several ---

static void add_word(struct str *out, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_-./:=@,+";
    if (*word && !word[strspn(word, plain)]) {
        str_printf(out, " %s", word);
        return;
    }
    str_puts(out, " '");
    for (; *word; word++)
        if (*word == '\'')
            str_puts(out, "'\\''");
        else
            str_putc(out, *word);
    str_putc(out, '\'');
}

static int name_one(const struct cli *cli, const char *app, const struct pipeline *p,
    const struct strv *environments, struct error *err)
{
    AUTO(str) struct str commands;
    str_init(&commands, STR_TEXT_MAX);
    strv_each (name, environments) {
        str_puts(&commands, "\n  davit");
        for (char *const *word = cli->words; *word; word++)
            add_word(&commands, *word);
        str_puts(&commands, " --env");
        add_word(&commands, *name);
    }
    return error_set(err, ERR_USAGE, "%s is in %zu environments of %s; name one:%s", app,
        environments->length, p->source->path, commands.data);
}

// --- the choice ---

static int nowhere(
    const struct cli *cli, const char *app, bool has_file, const char *file, struct error *err)
{
    AUTO_FREE char *state =
        cli->common.state ? mem_strdup(cli->common.state) : state_default_path();
    return error_set(err, ERR_NOT_FOUND,
        "no app \"%s\" was deployed on this host (%s/apps), and %s%s: name the environment by "
        "--env, with -f FILE, or the place by --context and --namespace",
        app, state ? state : "?", has_file ? file : "there is no " PIPELINE_FILE " here",
        has_file ? " deploys it to no cluster" : " that deploys it");
}

static int is_here(const struct cli *cli, const char *app, struct error *err)
{
    AUTO(strv) struct strv apps = {0};
    return app_list(cli, &apps, err) < 0 ? -1 : strv_has(&apps, app);
}

// The app is not on this host: the environments on Kubernetes to which the file deploys it.
static int find_in_file(const struct cli *cli, const char *app, const struct place_options *options,
    struct place *ret, struct error *err)
{
    AUTO(file) struct file file = {0};
    AUTO(strv) struct strv names = {0};
    int found = read_pipeline(options->file, &file, err);
    if (found < 0)
        return -1;
    if (found)
        vec_each (stage, &file.pipeline->stages) {
            const struct environment *e = stage_environment(file.pipeline, stage);
            if (deploys(stage, app) && environment_is_kubernetes(e) && !strv_has(&names, e->name))
                strv_push(&names, e->name);
        }
    if (!names.length)
        return nowhere(cli, app, found, file.source.path, err);
    if (names.length > 1)
        return name_one(cli, app, file.pipeline, &names, err);
    ret->cluster = deploy_cluster_value(pipeline_environment(file.pipeline, names.items[0]));
    return 0;
}

static int find_environment_place(
    const struct place_options *options, struct place *ret, struct error *err)
{
    AUTO(file) struct file file = {0};
    if (need_pipeline(options, &file, err) < 0)
        return -1;
    const struct environment *e = find_environment(file.pipeline, options->environment, err);
    if (!e)
        return -1;
    if (environment_is_kubernetes(e))
        ret->cluster = deploy_cluster_value(e);
    return 0;
}

int place_find(const struct cli *cli, const char *app, const struct place_options *options,
    struct place *ret, struct error *err)
{
    bool given = options->context || options->namespace;
    if (given && (options->environment || options->file))
        return error_set(err, ERR_USAGE,
            "--env (with -f) says where an app is, and so do --context and --namespace: give one "
            "or the other");
    if (given) {
        bool current = !options->context || !*options->context;
        ret->cluster = value_map();
        value_set_str(ret->cluster, "context", current ? NULL : options->context);
        value_set_str(ret->cluster, "namespace", options->namespace);
        return 0;
    }
    if (options->environment)
        return find_environment_place(options, ret, err);
    int here = options->file ? 0 : is_here(cli, app, err);
    return here < 0 ? -1 : here ? 0 : find_in_file(cli, app, options, ret, err);
}

int place_apps(const struct place_options *options, struct strv *ret, struct error *err)
{
    AUTO(file) struct file file = {0};
    if (need_pipeline(options, &file, err) < 0)
        return -1;
    const struct environment *e = find_environment(file.pipeline, options->environment, err);
    if (!e)
        return -1;
    vec_each (stage, &file.pipeline->stages) {
        const char *app = value_get_str(stage->deploy, "app");
        if (app && stage_environment(file.pipeline, stage) == e && !strv_has(ret, app))
            strv_push(ret, app);
    }
    return ret->length ? 0
                       : error_set(err, ERR_NOT_FOUND, "%s deploys no app to environment \"%s\"",
                             file.source.path, e->name);
}

void place_suggest(struct str *out)
{
    AUTO(file) struct file file = {0};
    AUTO(diag) struct diag_list diags = {0};
    if (pipeline_read(AT_FDCWD, NULL, &file.source, NULL) < 0)
        return;
    file.pipeline = pipeline_parse(&file.source, &diags);
    if (!file.pipeline)
        return;
    vec_each (stage, &file.pipeline->stages) {
        const struct environment *e = stage_environment(file.pipeline, stage);
        if (environment_is_kubernetes(e))
            str_printf(
                out, "  davit status %s --env %s\n", value_get_str(stage->deploy, "app"), e->name);
    }
}
