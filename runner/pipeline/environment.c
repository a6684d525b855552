#include "pipeline/environment.h"

#include <stdlib.h>
#include <string.h>

#include "codec/yaml.h"
#include "pipeline/env_type.h"

const char *env_origin_name(enum env_origin origin)
{
    static const char *const names[] = {
        [ENV_DEFAULT] = "default",
        [ENV_PIPELINE] = "pipeline",
        [ENV_ENVIRONMENT] = "environment",
        [ENV_STAGE] = "stage",
        [ENV_DOTENV] = ".env",
        [ENV_CALLER] = "caller",
        [ENV_SECRET_FILE] = "secret file",
    };
    return names[origin];
}

void env_values_done(struct env_values *v)
{
    vec_each (item, &v->items) {
        free(item->name);
        if (item->secret)
            explicit_bzero(item->value, strlen(item->value));
        free(item->value);
    }
    vec_free(&v->items);
}

const char *env_values_get(const struct env_values *v, const char *name)
{
    vec_each (item, &v->items)
        if (strcmp(item->name, name) == 0)
            return item->value;
    return NULL;
}

struct resolving {
    const struct pipeline *p;
    const struct environment *environment;
    const struct stage *stage;
    const struct env_sources *sources;
    struct env_values values;
    struct diag_list *diags;
    bool failed;
};

// The value of a name before it is checked, and where a message about it points.
struct found {
    const char *text; // NULL: there is none
    enum env_origin origin;
    const struct diag_source *source;
    struct diag_place place;
};

// An error, said unless another stage had the same to say.
static void report(struct resolving *r, const struct diag_source *source, struct diag_place place,
    const char *message)
{
    r->failed = true;
    vec_each (said, &r->diags->items)
        if (said->source == source && said->place.offset == place.offset &&
            strcmp(said->message, message) == 0)
            return;
    diag_error(r->diags, source, place, "%s", message);
}

static const char *from_caller(char *const *caller, const char *name)
{
    size_t n = strlen(name);
    for (; caller && *caller; caller++)
        if (strncmp(*caller, name, n) == 0 && (*caller)[n] == '=')
            return *caller + n + 1;
    return NULL;
}

static void take_fixed(
    struct found *ret, const struct env_table *t, const char *name, enum env_origin origin)
{
    const struct env_entry *entry = t ? env_table_get(t, name) : NULL;
    if (!entry || !entry->value)
        return;
    ret->text = entry->value;
    ret->origin = origin;
    ret->place = entry->text_place;
}

// What the sources outside of the file say.
static void take_given(struct resolving *r, const char *name, struct found *ret)
{
    const struct env_sources *sources = r->sources;
    if (sources->dotenv)
        vec_each (entry, &sources->dotenv->entries)
            if (strcmp(entry->name, name) == 0)
                *ret = (struct found){
                    entry->value, ENV_DOTENV, sources->dotenv->source, entry->value_place};
    const char *text = from_caller(sources->caller, name);
    if (text)
        *ret = (struct found){.text = text, .origin = ENV_CALLER};
    for (size_t i = 0; sources->secret_names && i < sources->secret_names->length; i++)
        if (strcmp(sources->secret_names->items[i], name) == 0)
            *ret =
                (struct found){.text = sources->secret_values->items[i], .origin = ENV_SECRET_FILE};
}

static struct found find(struct resolving *r, const char *name, const struct env_entry *schema)
{
    struct found found = {.source = r->p->source};
    if (schema) {
        found.text = schema->fallback;
        found.place = schema->text_place;
    }
    take_fixed(&found, &r->p->env, name, ENV_PIPELINE);
    take_fixed(&found, r->environment ? &r->environment->env : NULL, name, ENV_ENVIRONMENT);
    take_fixed(&found, &r->stage->env, name, ENV_STAGE);
    if (schema)
        take_given(r, name, &found);
    return found;
}

static void report_missing(struct resolving *r, const struct env_entry *schema)
{
    AUTO_FREE char *message = mem_printf(
        "%s is required and has no value: set it in .env or in the environment that davit is "
        "called with%s",
        schema->name, schema->secret ? ", or as a secret of the server" : "");
    report(r, r->p->source, schema->place, message);
}

// `API_KEY (from .env:3)`: for a value whose own line is not shown.
static char *name_and_origin(const struct env_entry *schema, const struct found *found)
{
    if (found->origin == ENV_DOTENV)
        return mem_printf("%s (from %s:%zu)", schema->name, found->source->path,
            diag_position(found->source, found->place.offset).line);
    return mem_printf("%s (from %s)", schema->name,
        found->origin == ENV_CALLER ? "the caller's environment" : "the server's secrets");
}

// A value of a secret is in no message, and neither is the line that holds it.
static bool check_value(struct resolving *r, const struct env_entry *schema,
    const struct found *found, const char *value)
{
    AUTO(str) struct str why;
    str_init(&why, ENV_WHY_MAX);
    if (env_value_check(schema, value, &why))
        return true;
    bool shown = found->origin < ENV_DOTENV || (found->origin == ENV_DOTENV && !schema->secret);
    AUTO_FREE char *who = shown ? mem_strdup(schema->name) : name_and_origin(schema, found);
    AUTO_FREE char *message = mem_printf("%s %s", who, why.data);
    if (shown)
        report(r, found->source, found->place, message);
    else
        report(r, r->p->source, schema->place, message);
    return false;
}

// The text with its expressions replaced; NULL after an error.
static char *expand(struct resolving *r, const char *name, const struct found *found)
{
    AUTO(str) struct str out;
    struct error why;
    str_init(&out, YAML_TEXT_MAX);
    if (expr_expand(found->text, r->sources->lookup, &out, &why) == 0)
        return str_take(&out);
    AUTO_FREE char *message = mem_printf("%s: %s", name, why.message);
    report(r, r->p->source, found->place, message);
    return NULL;
}

static void resolve_name(struct resolving *r, const char *name)
{
    const struct env_entry *schema = env_schema(r->p, r->environment, r->stage, name);
    bool secret = schema && schema->secret;
    if (env_values_get(&r->values, name) || (secret && !strv_has(&r->stage->secrets, name)))
        return;
    struct found found = find(r, name, schema);
    if (!found.text) {
        if (schema && schema->required)
            report_missing(r, schema);
        return;
    }
    bool expandable = found.origin < ENV_DOTENV && expr_any(found.text);
    AUTO_FREE char *value =
        expandable && r->sources->lookup ? expand(r, name, &found) : mem_strdup(found.text);
    if (!value)
        return;
    if (schema && !(expandable && !r->sources->lookup) && !check_value(r, schema, &found, value))
        return;
    vec_push(&r->values.items,
        ((struct env_value){mem_strdup(name), take_ptr(value), secret, found.origin}));
}

static void resolve_table(struct resolving *r, const struct env_table *t)
{
    vec_each (entry, &t->entries)
        resolve_name(r, entry->name);
}

int environment_resolve(const struct pipeline *p, const struct stage *stage,
    const struct env_sources *sources, struct env_values *ret, struct diag_list *diags)
{
    struct resolving r = {
        .p = p,
        .environment = stage_environment(p, stage),
        .stage = stage,
        .sources = sources,
        .diags = diags,
    };
    resolve_table(&r, &p->env);
    if (r.environment)
        resolve_table(&r, &r.environment->env);
    resolve_table(&r, &stage->env);
    if (r.failed)
        env_values_done(&r.values);
    *ret = r.values;
    return r.failed ? -1 : 0;
}
