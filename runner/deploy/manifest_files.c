#include "deploy/manifest_files.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define SHOWN_MAX 3
#define ENV       "env."

static const char *const run_names[] = {
    "app", "environment", "image", "git.sha", "git.short_sha", "git.branch", "git.tag", NULL};

static bool is_of_run(const char *name)
{
    for (const char *const *n = run_names; *n; n++)
        if (strcmp(name, *n) == 0)
            return true;
    return false;
}

static int give_env(
    const struct manifest_origin *origin, const char *name, struct str *out, struct error *err)
{
    const char *value = value_get_str(origin->env, name);
    if (value_get(origin->secrets, name))
        return error_set(err, ERR_NOT_FOUND,
            "%s is a secret: pods get it as a variable, and it stands in no manifest", name);
    if (!value)
        return error_set(err, ERR_NOT_FOUND, "`env` holds no \"%s\"", name);
    str_puts(out, value);
    return 0;
}

static int give(void *arg, const char *name, struct str *out, struct error *err)
{
    const struct manifest_origin *origin = arg;
    const char *value = value_get_str(origin->values, name);
    if (text_starts(name, ENV))
        return give_env(origin, name + strlen(ENV), out, err);
    if (value) {
        str_puts(out, value);
        return 0;
    }
    if (is_of_run(name) && origin->checked_only) {
        str_puts(out, name);
        return 0;
    }
    if (is_of_run(name))
        return error_set(err, ERR_NOT_FOUND, "%s has no value in this run", name);
    const char *near = suggest(name, run_names);
    return error_set(err, ERR_NOT_FOUND, "nothing is called \"%s\"%s%s%s", name,
        near ? "; did you mean \"" : ": there are image, app, environment, git.… and env.NAME",
        near ? near : "", near ? "\"?" : "");
}

int manifest_files_read(const struct value *files, const struct manifest_origin *origin,
    struct manifest_files *ret, struct diag_list *diags)
{
    struct manifest_origin copy = *origin;
    const struct manifest_values values = {.value = give, .arg = &copy};
    int status = 0;
    ret->objects = value_list();
    ret->sources = mem_array(value_length(files) + 1, sizeof *ret->sources);
    for (size_t i = 0; i < value_length(files); i++) {
        const struct value *file = value_at(files, i);
        const char *text = value_get_str(file, "text"), *path = value_get_str(file, "path");
        if (!text || !path)
            continue;
        ret->sources[i] = (struct diag_source){path, text, strlen(text)};
        if (manifest_read(&ret->sources[i], &values, ret->objects, diags) < 0)
            status = -1;
    }
    return status;
}

void manifest_files_done(struct manifest_files *f)
{
    free(f->sources);
    value_free(f->objects);
    *f = (struct manifest_files){0};
}

int manifest_files_error(const struct diag_list *diags, struct error *err)
{
    size_t shown = 0;
    AUTO(str) struct str text;
    str_init(&text, ERROR_MESSAGE_MAX);
    vec_each (d, &diags->items) {
        if (d->severity != DIAG_ERROR || shown == SHOWN_MAX)
            continue;
        str_puts(&text, shown++ ? "; " : "");
        if (d->source) {
            struct diag_position at = diag_position(d->source, d->place.offset);
            str_printf(&text, "%s:%zu:%zu: ", d->source->path, at.line, at.column);
        }
        str_printf(&text, "%.150s", d->message);
    }
    if (diags->errors > shown)
        str_printf(&text, "; and %zu more", diags->errors - shown);
    return error_set(err, ERR_CONFIG, "manifests: %s", text.data);
}

void manifest_hook_names(const struct value *section, struct strv *ret)
{
    static const char *const lists[] = {"before", "after"};
    for (size_t n = 0; n < ARRAY_LEN(lists); n++) {
        const struct value *hooks = value_get(value_get(section, "hooks"), lists[n]);
        for (size_t i = 0; i < value_length(hooks); i++)
            strv_push(ret, value_get_str(value_at(hooks, i), "job"));
    }
}

static bool connects(const struct gate_list *gates)
{
    vec_each (gate, &gates->items)
        if (gate->kind == GATE_HTTP || gate->kind == GATE_TCP)
            return true;
    return false;
}

int manifest_check(const struct manifest *m, const struct release *r, struct error *err)
{
    if (r->strategy.kind != STRATEGY_ROLLING && !(m->workload && m->service))
        return error_set(err, ERR_CONFIG,
            "strategy %s moves the traffic of a Service from one Deployment to another, and the "
            "manifests have no Service that selects a Deployment: add it, or use rolling",
            strategy_names[r->strategy.kind]);
    if (!m->port && (connects(&r->gates.before_switch) || connects(&r->gates.after_switch)))
        return error_set(err, ERR_CONFIG,
            "an http or tcp gate asks a pod at the port where the Service's first port leads, and "
            "the manifests have none: add a Service with a port");
    return 0;
}
