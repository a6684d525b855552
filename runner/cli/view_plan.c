#include <string.h>

#include "base/text.h"
#include "cli/view.h"
#include "codec/mask.h"
#include "engine/cache.h"
#include "engine/confine.h"
#include "engine/plan_deploy.h"
#include "engine/plan_kube.h"
#include "engine/workspace.h"
#include "sandbox/plan.h"

#define HIDDEN "***"

static const char *shown(const struct env_value *value)
{
    return value->secret ? HIDDEN : value->value;
}

// The confinement that the worker would build, with the paths that it would have.
struct preview {
    struct workspace workspace;
    struct confinement confinement;
    struct sandbox_plan sandbox;
    struct strv targets;
    VEC(struct sandbox_mount) caches;
};

static void preview_make(
    const struct plan *plan, size_t index, const struct launcher *launcher, struct preview *p)
{
    const struct plan_stage *s = &plan->stages.items[index];
    *p = (struct preview){0};
    AUTO(strv) struct strv needs = {0};
    plan_needs(plan, index, &needs);
    strv_each (need, &needs)
        strv_pushf(&p->workspace.lowers, "RUN/artifacts/%s", *need);
    strv_push(&p->workspace.lowers, "CHECKOUT");
    p->workspace.foreign_lowers = p->workspace.lowers.length - 1;
    p->workspace.writable = mem_printf("RUN/stages/%s", s->stage->name);
    strv_each (path, &s->stage->cache_paths) {
        strv_push_take(&p->targets, cache_target(*path));
        vec_push(&p->caches, ((struct sandbox_mount){.kind = SANDBOX_BIND,
                                 .target = p->targets.items[p->targets.length - 1],
                                 .source = "CACHE"}));
    }
    AUTO(value) struct value *image = NULL; // its layers are not known before it is pulled
    if (s->stage->image) {
        struct value *layers = value_list();
        image = value_map();
        value_append_str(layers, "LAYERS");
        value_set(image, "layers", layers);
    }
    struct surroundings around = {
        .image = image,
        .images_path = "IMAGE",
        .workspace = &p->workspace,
        .caches = p->caches.items,
        .cache_count = p->caches.length,
    };
    confine_stage(s, plan->context, &around, &p->confinement);
    sandbox_plan_make(&p->confinement.spec, &launcher->host, &p->sandbox);
}

static void preview_done(struct preview *p)
{
    sandbox_plan_done(&p->sandbox);
    confinement_done(&p->confinement);
    workspace_done(&p->workspace);
    strv_done(&p->targets);
    vec_free(&p->caches);
}

// The sandbox in two lines; `-o json` has every operation.
static void sandbox_text(const struct sandbox_plan *sandbox, struct str *out)
{
    str_printf(out,
        "     sandbox: own user, mount, pid, ipc, uts%s namespaces; no capabilities, "
        "no_new_privs,\n"
        "              seccomp allow-list, descriptors 0-2, read-only root\n     writable:",
        sandbox->spec->network == SANDBOX_NETWORK_HOST ? "" : ", network");
    vec_each (op, &sandbox->ops) {
        bool written = op->kind == SANDBOX_OP_TMPFS ||
                       (op->kind == SANDBOX_OP_OVERLAY && op->writable) ||
                       (op->kind == SANDBOX_OP_BIND && !op->read_only);
        if (written && strncmp(op->target, "/dev", 4) != 0)
            str_printf(out, " %s", op->target);
    }
    str_putc(out, '\n');
}

// What is not the user's own command runs confined as well; of these the plan has no more to
// decide.
static const char *const helpers[] = {
    [STAGE_RUN] = NULL,
    [STAGE_BUILD] =
        "davit-image: as a stage, with the host's network (registries);\n"
        "              each RUN step: as a stage, its root the image so far, with the "
        "capabilities\n"
        "              chown, dac_override, fowner, fsetid, kill, net_bind_service, setfcap, "
        "setgid,\n"
        "              setpcap, setuid within its user namespace",
    [STAGE_DEPLOY] =
        "davit-deploy: as a stage, with the host's network (gates) and without the workspace;\n"
        "              each instance: as a stage, its root the image, with the host's network",
};

// A value that a log would show: see codec/mask.h.
static bool shows(const struct env_value *value)
{
    return value->secret && strlen(value->value) < MASK_LENGTH_MIN;
}

static void limits_text(const struct stage *stage, struct str *out)
{
    char timeout[DURATION_TEXT_MAX], memory[SIZE_TEXT_MAX];
    str_printf(out, "     limits: timeout %s", duration_print(stage->timeout_ms, timeout));
    if (stage->memory)
        str_printf(out, ", memory %s", size_print(stage->memory, memory));
    if (stage->processes)
        str_printf(out, ", %u processes", stage->processes);
    if (stage->cpu_percent)
        str_printf(out, ", %u %% of a CPU", stage->cpu_percent);
    str_putc(out, '\n');
}

static void add_list(struct str *out, const char *what, const struct strv *items)
{
    if (!items->length)
        return;
    str_printf(out, "     %s:", what);
    strv_each (item, items)
        str_printf(out, " %s", *item);
    str_putc(out, '\n');
}

static bool on_cluster(const struct plan *plan, const struct stage *stage)
{
    return environment_is_kubernetes(stage_environment(plan->pipeline, stage));
}

static const char *helper_of(const struct plan *plan, const struct stage *stage)
{
    return on_cluster(plan, stage)
               ? "davit-deploy: as a stage, with the host's network (the cluster's API) and "
                 "without\n"
                 "              the workspace"
               : helpers[stage->kind];
}

static void stage_text(const struct plan *plan, size_t index, const struct launcher *launcher,
    const struct kube_previews *previews, struct str *out)
{
    const struct plan_stage *s = &plan->stages.items[index];
    const struct stage *stage = s->stage;
    str_printf(
        out, "%zu. %s (%s) %s\n", index + 1, stage->name, stage_kind_name(stage->kind), s->why);
    add_list(out, "needs", &stage->needs);
    if (!s->selected)
        return;
    if (stage->kind == STAGE_RUN) {
        struct preview p;
        preview_make(plan, index, launcher, &p);
        str_printf(out, "     root: %s\n",
            stage->image ? stage->image : "skeleton of this host, read-only");
        sandbox_text(&p.sandbox, out);
        preview_done(&p);
    }
    if (helpers[stage->kind])
        str_printf(out, "     sandbox: %s\n", helper_of(plan, stage));
    if (stage->kind != STAGE_DEPLOY)
        str_printf(out, "     network: %s\n", stage_network_name(stage->network));
    limits_text(stage, out);
    if (stage->cache_key)
        str_printf(out, "     cache key: %s\n", stage->cache_key);
    add_list(out, "artifacts", &stage->artifacts);
    vec_each (value, &s->env.items)
        str_printf(out, "     env: %s=%s (%s)%s\n", value->name, shown(value),
            env_origin_name(value->origin), shows(value) ? ": too short to be hidden in logs" : "");
    if (stage->kind == STAGE_BUILD)
        str_printf(out, "     push: %s\n",
            value_get_bool(stage->build, "push", false)
                ? s->push ? "yes" : "no: not by default for this event"
            : value_length(value_get(stage->build, "tags")) ? "no: the file says so"
                                                            : "no: it has no tags");
    if (on_cluster(plan, stage))
        plan_kube_text(stage, previews, out);
    else if (stage->kind == STAGE_DEPLOY)
        plan_deploy_text(stage, launcher->state, out);
}

static void add_head(const struct plan *plan, struct str *out)
{
    const struct run_record *run = plan->context->run;
    str_printf(out, "pipeline %s (%s)\n", plan->pipeline->name, plan->pipeline->source->path);
    str_printf(out, "%s%s%s%s%.12s%s\n\n", event_name(plan->context->event),
        run->branch ? " on " : "", run->branch ? run->branch : "", run->commit ? ", commit " : "",
        run->commit ? run->commit : "", plan->context->dirty ? ", with uncommitted changes" : "");
}

void view_plan_text(const struct plan *plan, const struct launcher *launcher,
    const struct kube_previews *previews, struct str *out)
{
    add_head(plan, out);
    for (size_t i = 0; i < plan->stages.length; i++)
        stage_text(plan, i, launcher, previews, out);
}

static struct value *stage_value(const struct plan *plan, size_t index,
    const struct launcher *launcher, const struct kube_previews *previews)
{
    const struct plan_stage *s = &plan->stages.items[index];
    const struct stage *stage = s->stage;
    struct value *v = value_map();
    value_set_str(v, "name", stage->name);
    value_set_str(v, "kind", stage_kind_name(stage->kind));
    value_set_bool(v, "selected", s->selected);
    value_set_str(v, "why", s->why);
    value_set_strv(v, "needs", &stage->needs);
    if (!s->selected)
        return v;
    value_set_str(v, "image", stage->image);
    value_set_str(v, "network", stage_network_name(stage->network));
    struct value *limits = value_map();
    value_set_int(limits, "timeout_ms", stage->timeout_ms);
    if (stage->memory)
        value_set_int(limits, "memory", (int64_t)stage->memory);
    if (stage->processes)
        value_set_int(limits, "processes", stage->processes);
    if (stage->cpu_percent)
        value_set_int(limits, "cpu_percent", stage->cpu_percent);
    value_set(v, "limits", limits);
    value_set_str(v, "cache_key", stage->cache_key);
    value_set_strv(v, "artifacts", &stage->artifacts);
    struct value *env = value_list();
    vec_each (value, &s->env.items) {
        struct value *item = value_map();
        value_set_str(item, "name", value->name);
        value_set_str(item, "value", shown(value));
        value_set_str(item, "origin", env_origin_name(value->origin));
        if (value->secret)
            value_set_bool(item, "hidden_in_logs", !shows(value));
        value_append(env, item);
    }
    value_set(v, "env", env);
    if (stage->kind == STAGE_RUN) {
        struct preview p;
        AUTO(str) struct str sandbox;
        str_init(&sandbox, STR_TEXT_MAX);
        preview_make(plan, index, launcher, &p);
        sandbox_plan_print(&p.sandbox, &sandbox);
        value_set_str(v, "sandbox", sandbox.data);
        preview_done(&p);
    }
    value_set_str(v, "sandbox", helper_of(plan, stage));
    if (stage->build) {
        value_set(v, "build", value_copy(stage->build));
        value_set_bool(v, "push", s->push && value_get_bool(stage->build, "push", false));
    }
    if (on_cluster(plan, stage))
        value_set(v, "deploy", plan_kube_value(stage, previews));
    else if (stage->kind == STAGE_DEPLOY)
        value_set(v, "deploy", plan_deploy_value(stage, launcher->state));
    return v;
}

struct value *view_plan(
    const struct plan *plan, const struct launcher *launcher, const struct kube_previews *previews)
{
    const struct run_record *run = plan->context->run;
    struct value *v = value_map();
    value_set_str(v, "pipeline", plan->pipeline->name);
    value_set_str(v, "file", plan->pipeline->source->path);
    value_set_str(v, "event", event_name(plan->context->event));
    value_set_str(v, "branch", run->branch);
    value_set_str(v, "commit", run->commit);
    value_set_bool(v, "dirty", plan->context->dirty);
    struct value *stages = value_list();
    for (size_t i = 0; i < plan->stages.length; i++)
        value_append(stages, stage_value(plan, i, launcher, previews));
    value_set(v, "stages", stages);
    return v;
}
