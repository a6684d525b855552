#include "engine/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

void plan_done(struct plan *plan)
{
    vec_each (s, &plan->stages) {
        free(s->why);
        env_values_done(&s->env);
    }
    vec_free(&plan->stages);
}

static bool any_glob(const struct strv *globs, const char *text)
{
    strv_each (glob, globs)
        if (glob_match(*glob, text))
            return true;
    return false;
}

static bool condition_holds(const struct condition *c, const struct context *context)
{
    const char *branch = context->run->branch;
    if (c->branch.length && !(branch && any_glob(&c->branch, branch)))
        return false;
    return !c->event.length || strv_has(&c->event, event_name(context->event));
}

// Whether `when` selects the stage; *ret_given tells whether it said anything about branches or
// events.
static bool when_selects(const struct stage *stage, const struct context *context, bool *ret_given)
{
    bool holds = stage->when.length == 0;
    *ret_given = false;
    vec_each (c, &stage->when) {
        *ret_given |= c->branch.length || c->event.length;
        holds |= condition_holds(c, context);
    }
    return holds;
}

static char *describe_run(const struct context *context)
{
    const struct run_record *run = context->run;
    if (run->tag)
        return mem_printf("%s of tag %s", event_name(context->event), run->tag);
    return mem_printf("%s%s%s", event_name(context->event), run->branch ? " on " : "",
        run->branch ? run->branch : "");
}

static void select_stage(struct plan_stage *s, const struct context *context)
{
    bool given;
    const char *rule;
    bool trusted = context_trusted(context, &rule);
    AUTO_FREE char *what = describe_run(context);
    s->selected = when_selects(s->stage, context, &given);
    s->push = trusted || given;
    if (!s->selected) {
        s->why = mem_printf("skipped: no item of `when` matches %s", what);
        return;
    }
    if (given) {
        s->why = mem_printf("runs: `when` matches %s", what);
        return;
    }
    if (s->stage->kind != STAGE_DEPLOY) {
        s->why = mem_strdup("runs: no `when` restricts it");
        return;
    }
    s->selected = trusted;
    s->why = trusted ? mem_printf("runs: %s deploys by default", rule)
                     : mem_printf("skipped: %s does not deploy by default; a `when` that names the "
                                  "branch or event would",
                           rule);
}

int plan_make(const struct pipeline *pipeline, const struct context *context,
    const struct env_sources *sources, struct plan *ret, struct diag_list *diags)
{
    struct plan plan = {.pipeline = pipeline, .context = context};
    int status = 0;
    vec_each (stage, &pipeline->stages) {
        struct plan_stage *s = vec_add(&plan.stages);
        s->stage = stage;
        select_stage(s, context);
        // Values are asked only of what runs, and all that is wrong is said at once.
        if (s->selected && environment_resolve(pipeline, stage, sources, &s->env, diags) < 0)
            status = -1;
    }
    if (status < 0) {
        plan_done(&plan);
        return -1;
    }
    *ret = plan;
    return 0;
}

void plan_needs(const struct plan *plan, size_t index, struct strv *ret)
{
    strv_copy(ret, &plan->stages.items[index].stage->needs);
    for (size_t i = 0; i < ret->length; i++) {
        const struct stage *need = pipeline_stage(plan->pipeline, ret->items[i]);
        strv_each (name, &need->needs)
            if (!strv_has(ret, *name))
                strv_push(ret, *name);
    }
}
