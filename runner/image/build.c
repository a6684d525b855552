#include "image/build.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "image/build_state.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/file.h"

#define EPOCH_ARG "SOURCE_DATE_EPOCH"

void build_result_done(struct build_result *r)
{
    image_done(&r->image);
    vec_each (step, &r->steps)
        free(step->text);
    vec_free(&r->steps);
}

static void __attribute__((format(printf, 2, 3))) say(struct build *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    AUTO_FREE char *line = mem_vprintf(format, args);
    va_end(args);
    b->host->log(b->host->arg, line);
}

// Prints all that diags hold, and makes the first mistake the error.
static int report(struct build *b, struct error *err)
{
    AUTO(str) struct str text;
    str_init(&text, STR_TEXT_MAX);
    diag_sort(&b->diags);
    diag_print(&b->diags, false, &text);
    char *rest = text.data;
    for (char *line; b->diags.items.length && (line = strsep(&rest, "\n"));)
        if (*line)
            b->host->log(b->host->arg, line);
    if (!b->diags.errors)
        return 0;
    vec_each (d, &b->diags.items) {
        if (d->severity != DIAG_ERROR)
            continue;
        struct diag_position at = diag_position(d->source, d->place.offset);
        return error_set(
            err, ERR_CONFIG, "%s:%zu:%zu: %s", d->source->path, at.line, at.column, d->message);
    }
    return error_set(err, ERR_CONFIG, "%s has mistakes", b->source.path);
}

// The error of a step, at its place: as a diagnostic when the Dockerfile is at fault, else in front
// of the message.
static int fail_step(struct build *b, const struct instruction *in, struct error *err)
{
    if (b->diags.errors)
        return report(b, err);
    struct diag_position at = diag_position(&b->source, in->place.offset);
    if (err && err->kind == ERR_CONFIG) {
        AUTO_FREE char *message = mem_strdup(err->message);
        diag_error(&b->diags, &b->source, in->place, "%s", message);
        return report(b, err);
    }
    return error_wrap(err, "%s:%zu:%zu: %.120s", b->source.path, at.line, at.column, in->line);
}

static int read_dockerfile(struct build *b, struct str *text, struct error *err)
{
    const char *name = b->options->dockerfile;
    AUTO_FD int fd = file_open_beneath(b->options->context, name, O_RDONLY | O_NONBLOCK, 0, err);
    if (fd < 0 || fd_read_all(fd, text, err) < 0)
        return error_wrap(err, "the Dockerfile");
    b->source = (struct diag_source){.path = name, .text = text->data, .length = text->length};
    return 0;
}

static int read_epoch(struct build *b, struct error *err)
{
    const char *text = variables_get(b->options->args, EPOCH_ARG);
    if (text && !int_parse(text, 0, INT64_MAX / 1000, &b->epoch))
        return error_set(
            err, ERR_CONFIG, "%s is \"%s\": it must be seconds since 1970", EPOCH_ARG, text);
    return 0;
}

// What can be said before anything runs.
static void check(struct build *b)
{
    vec_each (in, &b->file.instructions) {
        struct value *mounts =
            in->keyword == DOCKER_RUN ? build_mounts(in, &b->file, NULL, NULL, &b->diags) : NULL;
        value_free(mounts);
    }
}

static bool declares(const struct build *b, const char *name)
{
    vec_each (in, &b->file.instructions)
        for (size_t i = 0; in->keyword == DOCKER_ARG && i < in->words.length; i += 2)
            if (strcmp(in->words.items[i].text, name) == 0)
                return true;
    return strcmp(name, EPOCH_ARG) == 0 || strcasestr(name, "_proxy");
}

static void warn_unused(struct build *b)
{
    strv_each (name, &b->options->args->names)
        if (!declares(b, *name))
            say(b, "warning: the build argument \"%s\" is not declared by any ARG", *name);
}

static void add_history(
    struct build *b, struct stage_state *state, const struct instruction *in, bool made_layer)
{
    char date[CLOCK_TEXT_MAX];
    struct value *entry = value_map(), *history = value_get(state->config, "history");
    if (value_type(history) != VALUE_LIST) {
        history = value_list();
        value_set(state->config, "history", history);
    }
    value_set_str(entry, "created", clock_print(b->epoch * 1000, date));
    value_set_str(entry, "created_by", in->line);
    value_set_str(entry, "comment", "davit");
    if (!made_layer)
        value_set_bool(entry, "empty_layer", true);
    value_append(history, entry);
}

void step_say(const struct step *s, const char *how)
{
    struct build *b = s->build;
    say(b, "[%zu/%zu] %.200s%s", s->number, b->steps_total, s->in->line, how);
}

static int do_step(struct build *b, size_t stage, const struct instruction *in, struct error *err)
{
    struct step s = {.build = b,
        .state = &b->stages.items[stage],
        .stage = stage,
        .in = in,
        .number = b->result->steps.length + 1};
    int64_t start = clock_monotonic_ms();
    int status = in->keyword == DOCKER_RUN       ? step_run(&s, err)
                 : in->keyword == DOCKER_COPY    ? step_copy(&s, err)
                 : in->keyword == DOCKER_WORKDIR ? step_workdir(&s, err)
                                                 : step_configure(&s, err);
    if (status < 0 || b->diags.errors)
        return fail_step(b, in, err);
    if (s.state->layers.items.length > LAYERS_MAX) {
        error_set(err, ERR_LIMIT, "an image has at most %d layers", LAYERS_MAX);
        return fail_step(b, in, err);
    }
    struct build_step *step = vec_add(&b->result->steps);
    step->text = mem_strdup(in->line);
    step->cached = s.cached;
    step->ms = clock_monotonic_ms() - start;
    if (in->keyword != DOCKER_ARG)
        add_history(b, s.state, in, s.made_layer);
    if (in->keyword != DOCKER_RUN || s.cached)
        step_say(&s, s.cached ? " (cached)" : "");
    return 0;
}

static int build_stage(struct build *b, size_t index, struct error *err)
{
    const struct build_stage *stage = &b->graph.stages.items[index];
    const struct instruction *from = &b->file.instructions.items[stage->first - 1];
    if (stage_state_begin(b, index, err) < 0)
        return fail_step(b, from, err);
    for (size_t i = stage->first; i < stage->last; i++)
        if (do_step(b, index, &b->file.instructions.items[i], err) < 0)
            return -1;
    return 0;
}

static int finish(struct build *b, struct error *err)
{
    char date[CLOCK_TEXT_MAX];
    struct stage_state *state = &b->stages.items[b->graph.target];
    struct image *image = &b->result->image;
    struct value *labels = value_get(stage_state_config_map(state), "Labels");
    struct value_cursor c = {.map = b->options->labels};
    const char *name;
    struct value *item;
    while (c.map && value_next(&c, &name, &item)) {
        if (!labels) {
            labels = value_map();
            value_set(stage_state_config_map(state), "Labels", labels);
        }
        value_set(labels, name, value_share(item));
    }
    image->config = value_map();
    value_set_str(image->config, "created", clock_print(b->epoch * 1000, date));
    struct value_cursor all = {.map = state->config};
    while (value_next(&all, &name, &item))
        value_set(image->config, name, value_share(item));
    layer_stack_copy(&image->layers, &state->layers);
    return image_save(b->store, image, b->options->annotations, err);
}

static int run_stages(struct build *b, struct error *err)
{
    vec_each (skipped, &b->graph.stages)
        if (skipped->needed)
            b->steps_total += skipped->last - skipped->first;
    for (size_t i = 0; i < b->graph.stages.length; i++)
        vec_add(&b->stages);
    for (size_t i = 0; i <= b->graph.target; i++)
        if (b->graph.stages.items[i].needed && build_stage(b, i, err) < 0)
            return -1;
    vec_each (path, &b->context.skipped)
        say(b, "warning: %s was left out: neither a file, a directory nor a link", *path);
    return finish(b, err);
}

static int build(struct build *b, struct error *err)
{
    AUTO(str) struct str text;
    str_init(&text, DOCKERFILE_MAX);
    if (read_epoch(b, err) < 0 || read_dockerfile(b, &text, err) < 0)
        return -1;
    dockerfile_parse(&b->source, &b->file, &b->diags);
    graph_make(&b->file, b->options->args, b->options->target, &b->graph, &b->diags);
    check(b);
    if (context_open(&b->context, b->options->context, b->options->dockerfile, &b->diags, err) < 0)
        return -1;
    if (report(b, err) < 0)
        return -1;
    diag_done(&b->diags); // warnings are said
    warn_unused(b);
    return run_stages(b, err);
}

int build_image(struct store *store, const struct build_options *options,
    const struct build_host *host, struct build_result *ret, struct error *err)
{
    AUTO(build_result) struct build_result result = {0};
    struct build b = {.store = store, .options = options, .host = host, .result = &result};
    int status = build(&b, err);
    vec_each (state, &b.stages)
        stage_state_done(state);
    vec_free(&b.stages);
    vec_each (e, &b.externals) {
        free(e->reference);
        stage_state_done(&e->state);
    }
    vec_free(&b.externals);
    context_close(&b.context);
    graph_done(&b.graph);
    dockerfile_done(&b.file);
    diag_done(&b.diags);
    if (status < 0)
        return -1;
    *ret = result;
    result = (struct build_result){0};
    return 0;
}
