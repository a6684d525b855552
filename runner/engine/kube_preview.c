#include "engine/kube_preview_private.h"

#include <stdlib.h>
#include <string.h>

#include "engine/expand.h"
#include "engine/manifests.h"
#include "engine/plan.h"
#include "kube/config.h"

struct kube_previews {
    VEC(struct kube_preview *) items;
};

static void preview_free(struct kube_preview *p)
{
    kube_manifest_done(&p->manifest);
    manifest_files_done(&p->files);
    value_free(p->texts);
    free(p->image);
    free(p->context);
    free(p->namespace);
    free(p);
}

void kube_previews_free(struct kube_previews *p)
{
    if (!p)
        return;
    vec_each (preview, &p->items)
        preview_free(*preview);
    vec_free(&p->items);
    free(p);
}

const struct kube_preview *kube_previews_find(
    const struct kube_previews *p, const struct stage *stage)
{
    vec_each (preview, &p->items)
        if ((*preview)->stage == stage)
            return *preview;
    return NULL;
}

struct previewing {
    const struct pipeline *pipeline;
    const struct plan *plan; // NULL: there is no run
    const char *checkout;
    struct diag_list *diags;
};

static const struct plan_stage *plan_of(const struct previewing *p, const struct stage *stage)
{
    if (p->plan)
        vec_each (s, &p->plan->stages)
            if (s->stage == stage)
                return s;
    return NULL;
}

// --- values ---

// Names and what they stand for, where no run gives them a value.
static void add_table(const struct env_table *table, struct value *env, struct value *secrets)
{
    vec_each (entry, &table->entries)
        if (entry->secret)
            value_set_str(secrets, entry->name, "");
        else if (!value_get(env, entry->name))
            value_set_str(env, entry->name,
                entry->value      ? entry->value
                : entry->fallback ? entry->fallback
                                  : entry->name);
}

static void add_environment(
    const struct previewing *p, const struct stage *stage, struct value *env, struct value *secrets)
{
    const struct plan_stage *s = plan_of(p, stage);
    const struct environment *environment = stage_environment(p->pipeline, stage);
    if (s) {
        vec_each (item, &s->env.items)
            value_set_str(item->secret ? secrets : env, item->name, item->value);
        return;
    }
    add_table(&stage->env, env, secrets);
    add_table(&environment->env, env, secrets);
    add_table(&p->pipeline->env, env, secrets);
    struct value_cursor cursor = {.map = secrets}; // the nearest declaration holds
    const char *name;
    struct value *item;
    while (value_next(&cursor, &name, &item))
        value_set(env, name, NULL);
}

static char *expand_image(const struct previewing *p, const struct stage *owner, const char *text)
{
    const struct plan_stage *s = plan_of(p, owner);
    if (!s)
        return mem_strdup(text);
    struct expander e = {.context = p->plan->context, .env = &s->env, .checkout = -1};
    char *expanded = expand(&e, text, NULL);
    return expanded ? expanded : mem_strdup(text);
}

// The reference of the deploy, or the first tag of the stage that builds it.
static char *image_of(const struct previewing *p, const struct stage *stage)
{
    const char *image = value_get_str(stage->deploy, "image");
    const struct stage *maker = pipeline_stage(p->pipeline, image);
    const struct value *tags = value_get(maker ? maker->build : NULL, "tags");
    if (maker && value_length(tags))
        return expand_image(p, maker, value_text(value_at(tags, 0)));
    return expand_image(p, stage, image);
}

static struct value *values_of(
    const struct previewing *p, const struct stage *stage, const char *image)
{
    struct value *v = value_map();
    value_set_str(v, "app", value_get_str(stage->deploy, "app"));
    value_set_str(v, "environment", value_get_str(stage->deploy, "environment"));
    value_set_str(v, "image", image);
    if (p->plan)
        context_add_values(p->plan->context, v);
    return v;
}

// --- one stage ---

static void wrong(const struct previewing *p, const struct stage *stage, const char *message)
{
    diag_error(
        p->diags, p->pipeline->source, stage->place, "stage \"%s\": %s", stage->name, message);
}

// Whether a stage before it leaves files behind, among which a manifest may be.
static bool has_artifacts(const struct previewing *p, const struct stage *stage)
{
    AUTO(strv) struct strv needs = {0};
    strv_copy(&needs, &stage->needs);
    for (size_t i = 0; i < needs.length; i++) {
        const struct stage *need = pipeline_stage(p->pipeline, needs.items[i]);
        if (need->artifacts.length)
            return true;
        strv_each (name, &need->needs)
            if (!strv_has(&needs, *name))
                strv_push(&needs, *name);
    }
    return false;
}

static bool read_texts(const struct previewing *p, struct kube_preview *v)
{
    struct error err = {0};
    AUTO(strv) struct strv directories = {0};
    const struct value *items = value_get(v->stage->deploy, "manifests");
    v->rendered = manifests_rendered(items);
    if (v->rendered)
        return false;
    strv_push(&directories, p->checkout);
    if (manifests_read(&directories, items, NULL, &v->texts, &err) == 0)
        return true;
    v->made_later = err.kind == ERR_NOT_FOUND && has_artifacts(p, v->stage);
    if (!v->made_later)
        wrong(p, v->stage, err.message);
    return false;
}

// The namespace that all of them say, for who does not know that of the context.
static const char *said_namespace(const struct value *objects)
{
    for (size_t i = 0; i < value_length(objects); i++) {
        const char *ns = value_get_str(value_get(value_at(objects, i), "metadata"), "namespace");
        if (ns)
            return ns;
    }
    return "default";
}

static void build(const struct previewing *p, struct kube_preview *v)
{
    struct error err = {0};
    AUTO(value) struct value *env = value_map();
    AUTO(value) struct value *secrets = value_map();
    add_environment(p, v->stage, env, secrets);
    AUTO(value) struct value *values = values_of(p, v->stage, v->image);
    const struct manifest_origin origin = {
        .values = values, .env = env, .secrets = secrets, .checked_only = !p->plan};
    if (manifest_files_read(v->texts, &origin, &v->files, p->diags) < 0)
        return;
    AUTO(strv) struct strv hooks = {0};
    manifest_hook_names(v->stage->deploy, &hooks);
    const struct manifest_input input = {
        .objects = v->files.objects,
        .app = value_get_str(v->stage->deploy, "app"),
        .namespace = v->namespace ? v->namespace : said_namespace(v->files.objects),
        .service = value_get_str(v->stage->deploy, "service"),
        .hooks = &hooks,
        .image = v->image,
        .env = value_length(env) ? env : NULL,
        .secrets = value_length(secrets) ? secrets : NULL,
    };
    AUTO(release) struct release release = {0};
    v->built = manifest_build(&input, &v->manifest, &err) == 0 &&
               release_from_section(v->stage->deploy, &release, &err) == 0 &&
               manifest_check(&v->manifest, &release, &err) == 0;
    if (!v->built)
        wrong(p, v->stage, err.message);
}

// What the environment leaves to the kubeconfig, as that of this machine says it. Another machine's
// may say something else: so nothing of it is a mistake.
static void ask_kubeconfig(struct kube_preview *v)
{
    struct error err = {0};
    AUTO(kube_config) struct kube_config *config = kube_config_load(NULL, NULL);
    AUTO(kube_cluster) struct kube_cluster cluster = {0};
    AUTO(kube_source) struct kube_source source = {0};
    if (!config)
        return;
    if (kube_config_cluster(config, v->context, &cluster, &source, &err) < 0) {
        v->unknown_context = v->context && err.kind == ERR_NOT_FOUND;
        return;
    }
    v->found_context = !v->context;
    v->found_namespace = !v->namespace;
    if (!v->context)
        v->context = mem_strdup(cluster.context);
    if (!v->namespace)
        v->namespace = mem_strdup(cluster.namespace);
}

static void preview_stage(
    const struct previewing *p, const struct stage *stage, struct kube_previews *ret)
{
    const struct environment *environment = stage_environment(p->pipeline, stage);
    const struct plan_stage *s = plan_of(p, stage);
    if (!environment_is_kubernetes(environment) || (p->plan && !(s && s->selected)))
        return;
    struct kube_preview *v = mem_alloc(sizeof *v);
    vec_push(&ret->items, v);
    v->stage = stage;
    v->image = image_of(p, stage);
    v->context = mem_strdup_opt(environment->context);
    v->namespace = mem_strdup_opt(environment->namespace);
    if (p->plan)
        ask_kubeconfig(v);
    if (read_texts(p, v))
        build(p, v);
}

struct kube_previews *kube_previews_new(const struct pipeline *pipeline, const struct plan *plan,
    const char *checkout, struct diag_list *diags)
{
    struct kube_previews *all = mem_alloc(sizeof *all);
    struct previewing p = {
        .pipeline = pipeline, .plan = plan, .checkout = checkout, .diags = diags};
    vec_each (stage, &pipeline->stages)
        preview_stage(&p, stage, all);
    return all;
}
