#include "pipeline/env_type.h"

#include <string.h>

#include "base/text.h"
#include "codec/yaml.h"
#include "pipeline/pattern.h"
#include "pipeline/scalar.h"

// By enum env_type; -1: no scalar's type.
static const int scalar_of[] = {
    [ENV_STRING] = -1,
    [ENV_INT] = SCALAR_INT,
    [ENV_BOOL] = SCALAR_BOOL,
    [ENV_PORT] = SCALAR_PORT,
    [ENV_DURATION] = SCALAR_DURATION,
    [ENV_URL] = SCALAR_URL,
    [ENV_ENUM] = -1,
};

static const struct env_entry *schema_in(const struct env_table *t, const char *name)
{
    const struct env_entry *entry = t ? env_table_get(t, name) : NULL;
    return entry && !entry->value ? entry : NULL;
}

const struct env_entry *env_schema(const struct pipeline *p, const struct environment *environment,
    const struct stage *stage, const char *name)
{
    const struct env_entry *schema = schema_in(stage ? &stage->env : NULL, name);
    if (!schema)
        schema = schema_in(environment ? &environment->env : NULL, name);
    return schema ? schema : schema_in(&p->env, name);
}

static bool check_scalar(const struct env_entry *schema, const char *value, struct str *why)
{
    enum scalar type = (enum scalar)scalar_of[schema->type];
    char advice[SCALAR_ADVICE_MAX];
    int64_t ignored;
    int is;
    if (scalar_read(type, value, &ignored))
        return true;
    str_printf(why, "must be %s", scalar_wants(type));
    if (schema->secret)
        return false;
    scalar_advice(type, value, advice, &is);
    unsigned other =
        0; // the type that would fit; a port out of range is an int, which helps nobody
    while (other < ARRAY_LEN(scalar_of) && (is < 0 || scalar_of[other] != is))
        other++;
    if (other == ARRAY_LEN(scalar_of) || (type == SCALAR_PORT && is == SCALAR_INT))
        str_printf(why, "; %s", advice);
    else if (strstr(advice, ": write "))
        str_printf(why, "; %s, or declare type: %s", advice, env_type_name((enum env_type)other));
    else
        str_printf(why, "; \"%s\" is not, and would be with type: %s", YAML_SHOW(value),
            env_type_name((enum env_type)other));
    return false;
}

static bool check_choice(const struct env_entry *schema, const char *value, struct str *why)
{
    if (strv_has(&schema->choices, value))
        return true;
    str_puts(why, "must be one of ");
    for (size_t i = 0; i < schema->choices.length; i++)
        str_printf(why, "%s%s", i ? ", " : "", YAML_SHOW(schema->choices.items[i]));
    if (schema->secret)
        return false;
    const char *near =
        schema->choices.length
            ? suggest(value, (const char *const *)(const void *)schema->choices.items)
            : NULL;
    str_printf(why, "; \"%s\" is not", YAML_SHOW(value));
    if (near)
        str_printf(why, ": did you mean \"%s\"?", YAML_SHOW(near));
    return false;
}

static bool check_pattern(const struct env_entry *schema, const char *value, struct str *why)
{
    if (!schema->pattern || pattern_matches(schema->pattern, value))
        return true;
    str_printf(why, "must match the pattern %s", YAML_SHOW(schema->pattern));
    if (!schema->secret)
        str_printf(why, "; \"%s\" does not", YAML_SHOW(value));
    return false;
}

bool env_value_check(const struct env_entry *schema, const char *value, struct str *why)
{
    if (schema->type == ENV_ENUM && !check_choice(schema, value, why))
        return false;
    if (scalar_of[schema->type] >= 0 && !check_scalar(schema, value, why))
        return false;
    return check_pattern(schema, value, why);
}
