#include "pipeline/model.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

const char *event_name(enum event_kind event)
{
    static const char *const names[] = {
        [EVENT_PUSH] = "push",
        [EVENT_TAG] = "tag",
        [EVENT_PULL_REQUEST] = "pull_request",
        [EVENT_SCHEDULE] = "schedule",
        [EVENT_MANUAL] = "manual",
    };
    return names[event];
}

const char *stage_kind_name(enum stage_kind kind)
{
    static const char *const names[] = {
        [STAGE_RUN] = "run", [STAGE_BUILD] = "build", [STAGE_DEPLOY] = "deploy"};
    return names[kind];
}

const char *stage_network_name(enum stage_network network)
{
    static const char *const names[] = {
        [NETWORK_NONE] = "none", [NETWORK_EGRESS] = "egress", [NETWORK_HOST] = "host"};
    return names[network];
}

const char *env_type_name(enum env_type type)
{
    static const char *const names[] = {
        [ENV_STRING] = "string",
        [ENV_INT] = "int",
        [ENV_BOOL] = "bool",
        [ENV_PORT] = "port",
        [ENV_DURATION] = "duration",
        [ENV_URL] = "url",
        [ENV_ENUM] = "enum",
    };
    return names[type];
}

const struct env_entry *env_table_get(const struct env_table *t, const char *name)
{
    vec_each (entry, &t->entries)
        if (strcmp(entry->name, name) == 0)
            return entry;
    return NULL;
}

static void env_table_done(struct env_table *t)
{
    vec_each (entry, &t->entries) {
        free(entry->name);
        free(entry->value);
        free(entry->fallback);
        free(entry->pattern);
        strv_done(&entry->choices);
    }
    vec_free(&t->entries);
}

static void stage_done(struct stage *stage)
{
    free(stage->name);
    strv_done(&stage->needs);
    vec_each (condition, &stage->when) {
        strv_done(&condition->branch);
        strv_done(&condition->event);
    }
    vec_free(&stage->when);
    env_table_done(&stage->env);
    strv_done(&stage->secrets);
    strv_done(&stage->artifacts);
    strv_done(&stage->cache_paths);
    free(stage->cache_key);
    free(stage->image);
    free(stage->run);
}

void pipeline_free(struct pipeline *p)
{
    if (!p)
        return;
    free(p->name);
    strv_done(&p->on.branches);
    strv_done(&p->on.tags);
    env_table_done(&p->env);
    vec_each (environment, &p->environments) {
        free(environment->name);
        free(environment->target);
        free(environment->context);
        free(environment->namespace);
        env_table_done(&environment->env);
    }
    vec_free(&p->environments);
    vec_each (stage, &p->stages)
        stage_done(stage);
    vec_free(&p->stages);
    value_free(p->tree);
    free(p);
}

struct stage *pipeline_stage(const struct pipeline *p, const char *name)
{
    vec_each (stage, &p->stages)
        if (strcmp(stage->name, name) == 0)
            return stage;
    return NULL;
}

struct environment *pipeline_environment(const struct pipeline *p, const char *name)
{
    vec_each (environment, &p->environments)
        if (strcmp(environment->name, name) == 0)
            return environment;
    return NULL;
}

struct environment *stage_environment(const struct pipeline *p, const struct stage *stage)
{
    const char *name = value_get_str(stage->deploy, "environment");
    return name ? pipeline_environment(p, name) : NULL;
}

bool environment_is_kubernetes(const struct environment *environment)
{
    return environment && text_equal(environment->target, "kubernetes");
}

static bool any_glob(const struct strv *globs, const char *name)
{
    strv_each (glob, globs)
        if (glob_match(*glob, name))
            return true;
    return false;
}

bool trigger_matches(const struct trigger *trigger, const char *branch, const char *tag)
{
    return (branch && any_glob(&trigger->branches, branch)) ||
           (tag && any_glob(&trigger->tags, tag));
}
