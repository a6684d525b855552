#include "engine/plan_role.h"

#include "deploy/kube_rights.h"
#include "engine/kube_preview_private.h"

static bool on_cluster(const struct plan *plan, const struct stage *stage)
{
    return environment_is_kubernetes(stage_environment(plan->pipeline, stage));
}

static int check(const struct plan *plan, const struct kube_previews *previews, struct error *err)
{
    size_t count = 0;
    vec_each (s, &plan->stages) {
        const struct kube_preview *preview = kube_previews_find(previews, s->stage);
        if (!preview)
            continue;
        count++;
        if (!preview->built)
            return error_set(err, ERR_CONFIG,
                "stage \"%s\" deploys what a stage before it makes: what that takes is not known "
                "here",
                s->stage->name);
    }
    return count ? 0
                 : error_set(err, ERR_CONFIG, "no stage that would run deploys to Kubernetes: %s",
                       plan->pipeline->source->path);
}

static int rights_of(const struct kube_preview *preview, struct kube_rights *ret, struct error *err)
{
    AUTO(release) struct release release = {0};
    if (release_from_section(preview->stage->deploy, &release, err) < 0)
        return -1;
    kube_rights_of(&preview->manifest, &release.gates, ret);
    return 0;
}

static const char *app_of(const struct kube_preview *preview)
{
    return value_get_str(preview->stage->deploy, "app");
}

static int stage_text(const struct kube_preview *preview, struct str *out, struct error *err)
{
    AUTO(kube_rights) struct kube_rights rights = {0};
    if (rights_of(preview, &rights, err) < 0)
        return -1;
    str_printf(out, "# What davit needs to keep the app %s (stage %s)%s%s.\n", app_of(preview),
        preview->stage->name, preview->context ? " in context " : "",
        preview->context ? preview->context : "");
    str_printf(out,
        "# An account gets it by `kubectl create rolebinding davit-%s --role=davit-%s "
        "--serviceaccount=NAMESPACE:NAME`.\n",
        app_of(preview), app_of(preview));
    kube_rights_print(&rights, app_of(preview), preview->namespace, out);
    return 0;
}

int plan_role_text(const struct plan *plan, const struct kube_previews *previews, struct str *out,
    struct error *err)
{
    if (check(plan, previews, err) < 0)
        return -1;
    bool first = true;
    vec_each (s, &plan->stages) {
        const struct kube_preview *preview = kube_previews_find(previews, s->stage);
        if (!preview && on_cluster(plan, s->stage))
            str_printf(out, "# Not of stage %s: %s.\n", s->stage->name, s->why);
        if (!preview)
            continue;
        if (!first)
            str_puts(out, "---\n");
        first = false;
        if (stage_text(preview, out, err) < 0)
            return -1;
    }
    return 0;
}

int plan_role_value(const struct plan *plan, const struct kube_previews *previews,
    struct value **ret, struct error *err)
{
    if (check(plan, previews, err) < 0)
        return -1;
    AUTO(value) struct value *items = value_list();
    vec_each (s, &plan->stages) {
        const struct kube_preview *preview = kube_previews_find(previews, s->stage);
        AUTO(kube_rights) struct kube_rights rights = {0};
        if (!preview)
            continue;
        if (rights_of(preview, &rights, err) < 0)
            return -1;
        AUTO(value)
        struct value *objects = kube_rights_objects(&rights, app_of(preview), preview->namespace);
        for (size_t i = 0; i < value_length(objects); i++)
            value_append(items, value_share(value_at(objects, i)));
    }
    *ret = value_map();
    value_set_str(*ret, "apiVersion", "v1");
    value_set_str(*ret, "kind", "List");
    value_set(*ret, "items", take_ptr(items));
    return 0;
}
