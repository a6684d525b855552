#include "engine/plan_kube.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "deploy/spec.h"
#include "deploy/target_kube.h"
#include "engine/kube_preview_private.h"
#include "kube/object.h"

// --- rollouts ---

// The rollout over a release with as many pods (`over`), or the first one.
static int make_rollout(const struct stage *stage, const struct kube_preview *preview, bool over,
    struct rollout *ret, struct error *err)
{
    AUTO(release) struct release to = {0}, live = {0};
    if (release_from_section(stage->deploy, &to, err) < 0)
        return -1;
    to.run = mem_strdup("plan");
    to.who = mem_strdup("plan");
    to.instances = live.instances = preview->manifest.workload ? preview->manifest.replicas : 1;
    to.revision = over ? 2 : 1;
    live.revision = 1;
    if (over && to.strategy.kind != STRATEGY_ROLLING)
        to.slot = slot_other(live.slot);
    return spec_rollout(&to, over ? &live : NULL, false, &TARGET_KUBE_CAPS, ret, err);
}

// --- the pods of a native rolling ---

// maxSurge in pods: a number, or a percentage of the replicas, rounded up. apps/v1's default is
// 25%.
static int surge_of(const struct value *workload, int replicas)
{
    const struct value *rolling = kube_at(workload, "spec", "strategy", "rollingUpdate");
    const struct value *surge = value_get(rolling, "maxSurge");
    const char *text = value_text(surge);
    int64_t n = 25;
    if (surge && !text)
        return (int)value_number(surge);
    if (text) {
        AUTO_FREE char *digits = mem_strndup(text, strcspn(text, "%"));
        if (!int_parse(digits, 0, 1000, &n))
            return 0; // the server will say
    }
    return (int)((n * replicas + 99) / 100);
}

static bool recreates(const struct value *workload)
{
    return text_equal(value_text(kube_at(workload, "spec", "strategy", "type")), "Recreate");
}

static int peak_of(
    const struct kube_preview *preview, const struct program *p, const struct rollout *r)
{
    const struct value *workload = preview->manifest.workload;
    int replicas = preview->manifest.replicas;
    if (!r->native_rolling || !r->from)
        return program_peak(p, r);
    return recreates(workload) ? replicas : replicas + surge_of(workload, replicas);
}

static void steps_text(const struct kube_preview *preview, const struct program *p,
    const struct rollout *r, struct str *out)
{
    if (!r->native_rolling) {
        program_print(p, r, out);
        return;
    }
    int number = 0;
    str_printf(out, "      %s, by the Deployment's own controller\n", strategy_names[r->strategy]);
    vec_each (step, &p->steps) {
        str_printf(out, "%4d  ", ++number);
        step_print(step, out);
        str_putc(out, '\n');
    }
    str_printf(out, "      at most %d pods at once", peak_of(preview, p, r));
    if (r->from && recreates(preview->manifest.workload))
        str_puts(out, ", and none between the old and the new: strategy type Recreate");
    else if (r->from)
        str_printf(out, ": %d and maxSurge %d", preview->manifest.replicas,
            surge_of(preview->manifest.workload, preview->manifest.replicas));
    str_putc(out, '\n');
}

static void rollout_text(
    const struct stage *stage, const struct kube_preview *preview, bool over, struct str *out)
{
    struct rollout rollout;
    struct error err = {0};
    AUTO(program) struct program program = {0};
    if (make_rollout(stage, preview, over, &rollout, &err) < 0) {
        str_printf(out, "     %s\n", err.message);
        return;
    }
    program_forward(&rollout, &program);
    steps_text(preview, &program, &rollout, out);
}

// --- what may go wrong ---

static bool any_container(const struct value *workload, const char *key, const char *below)
{
    const struct value *containers = kube_at(workload, "spec", "template", "spec", "containers");
    for (size_t i = 0; i < value_length(containers); i++) {
        const struct value *found = value_get(value_at(containers, i), key);
        if (below ? value_get(found, below) != NULL : found != NULL)
            return true;
    }
    return false;
}

// Lines; what follows the first of a warning is indented.
static void add_warnings(const struct kube_preview *preview, struct strv *ret)
{
    const struct value *workload = preview->manifest.workload;
    const char *name = kube_name(workload);
    if (!workload || !preview->manifest.service)
        return;
    if (!any_container(workload, "readinessProbe", NULL))
        strv_pushf(ret,
            "Deployment/%s has no readinessProbe: a pod gets traffic as soon as it runs, and "
            "nothing "
            "tells that a new one is broken",
            name);
    if (any_container(workload, "lifecycle", "preStop"))
        return;
    strv_pushf(ret,
        "Deployment/%s has no preStop hook: a pod ends while requests are still sent to it, and "
        "some fail at the end of each. Add to its container",
        name);
    strv_push(ret, "  lifecycle:");
    strv_push(ret, "    preStop:");
    strv_push(ret, "      sleep: {seconds: 3}");
}

// --- what is applied ---

static void add_object(const struct value *object, struct value *list)
{
    struct value *v = value_map();
    value_set_str(v, "apiVersion", value_get_str(object, "apiVersion"));
    value_set_str(v, "kind", value_get_str(object, "kind"));
    value_set_str(v, "name", kube_name(object));
    value_append(list, v);
}

// In the order in which they are applied.
static struct value *objects_of(const struct manifest *m)
{
    struct value *list = value_list();
    for (size_t i = 0; i < value_length(m->others); i++)
        add_object(value_at(m->others, i), list);
    if (m->workload)
        add_object(m->workload, list);
    if (m->service)
        add_object(m->service, list);
    return list;
}

static void objects_text(const struct manifest *m, struct str *out)
{
    AUTO(value) struct value *objects = objects_of(m);
    str_puts(out, "     applies, in this order:\n");
    for (size_t i = 0; i < value_length(objects); i++) {
        const struct value *o = value_at(objects, i);
        str_printf(out, "       %s/%s (%s)\n", value_get_str(o, "kind"), value_get_str(o, "name"),
            value_get_str(o, "apiVersion"));
    }
}

static void notes_text(const struct kube_preview *preview, struct str *out)
{
    AUTO(strv) struct strv warnings = {0};
    strv_each (note, &preview->manifest.notes)
        str_printf(out, "     note: %s\n", *note);
    add_warnings(preview, &warnings);
    strv_each (line, &warnings)
        str_printf(out, **line == ' ' ? "              %s\n" : "     warning: %s\n", *line);
}

static const char *const hook_lists[] = {"before", "after"};

static void hooks_text(const struct stage *stage, struct str *out)
{
    for (size_t n = 0; n < ARRAY_LEN(hook_lists); n++) {
        const struct value *hooks = value_get(value_get(stage->deploy, "hooks"), hook_lists[n]);
        for (size_t i = 0; i < value_length(hooks); i++)
            str_printf(out, "     hook %s, %s: Job/%s%s\n", hook_lists[n],
                n ? "with the traffic on the new pods" : "before the first new pod",
                value_get_str(value_at(hooks, i), "job"),
                value_get_bool(value_at(hooks, i), "irreversible", false)
                    ? ", irreversible: no rollback across it without --past-migration"
                    : "");
    }
}

// --- the whole ---

static void place_text(
    const struct stage *stage, const struct kube_preview *preview, struct str *out)
{
    str_printf(out, "     app %s on kubernetes: ", value_get_str(stage->deploy, "app"));
    if (preview->context)
        str_printf(out, "context %s%s, ", preview->context,
            preview->found_context ? " (the current one)" : "");
    else
        str_puts(out, "the kubeconfig's current context, ");
    if (preview->namespace)
        str_printf(out, "namespace %s%s\n", preview->namespace,
            preview->found_namespace ? " (the context's)" : "");
    else
        str_puts(out, "its namespace\n");
    if (preview->unknown_context)
        str_printf(out, "     note: the kubeconfig here has no context \"%s\"\n", preview->context);
}

void plan_kube_text(
    const struct stage *stage, const struct kube_previews *previews, struct str *out)
{
    const struct kube_preview *preview = kube_previews_find(previews, stage);
    place_text(stage, preview, out);
    if (!preview->built) {
        str_puts(
            out, preview->rendered
                     ? "     its manifests are printed by a command when the stage runs: what they "
                       "say is not known here\n"
                 : preview->made_later
                     ? "     its manifests are made by a stage before it: what they say is not "
                       "known here\n"
                     : "     its manifests could not be read\n");
        return;
    }
    str_printf(out, "     image: %s\n", preview->image);
    str_puts(out, "     the first time, when nothing is live there:\n");
    rollout_text(stage, preview, false, out);
    str_printf(
        out, "     later, over a release of as many pods (what is live is not known here):\n");
    rollout_text(stage, preview, true, out);
    objects_text(&preview->manifest, out);
    hooks_text(stage, out);
    notes_text(preview, out);
}

static struct value *rollout_value(
    const struct stage *stage, const struct kube_preview *preview, bool over)
{
    struct rollout rollout;
    struct error err = {0};
    AUTO(program) struct program program = {0};
    if (make_rollout(stage, preview, over, &rollout, &err) < 0) {
        struct value *v = value_map();
        value_set_str(v, "error", err.message);
        return v;
    }
    program_forward(&rollout, &program);
    struct value *v = program_to_value(&program, &rollout);
    value_set_int(v, "peak", peak_of(preview, &program, &rollout));
    return v;
}

struct value *plan_kube_value(const struct stage *stage, const struct kube_previews *previews)
{
    const struct kube_preview *preview = kube_previews_find(previews, stage);
    struct value *v = value_map();
    value_set(v, "section", value_copy(stage->deploy));
    value_set_str(v, "target", "kubernetes");
    value_set_str(v, "context", preview->context);
    value_set_str(v, "namespace", preview->namespace);
    if (!preview->built)
        return v;
    AUTO(strv) struct strv warnings = {0};
    add_warnings(preview, &warnings);
    value_set_str(v, "image", preview->image);
    value_set_int(v, "replicas", preview->manifest.replicas);
    value_set(v, "first", rollout_value(stage, preview, false));
    value_set(v, "later", rollout_value(stage, preview, true));
    value_set(v, "objects", objects_of(&preview->manifest));
    value_set_strv(v, "notes", &preview->manifest.notes);
    value_set_strv(v, "warnings", &warnings);
    return v;
}

int plan_kube_question(const struct stage *stage, const struct kube_previews *previews,
    struct plan_question *ret, struct error *err)
{
    const struct kube_preview *preview = kube_previews_find(previews, stage);
    struct rollout rollout;
    AUTO(program) struct program program = {0};
    AUTO(value) struct value *v = value_map();
    if (!preview)
        return 0;
    if (!preview->built)
        return error_set(err, ERR_CONFIG,
            "stage \"%s\" deploys what a stage before it makes: nobody can be asked about that yet",
            stage->name);
    if (make_rollout(stage, preview, true, &rollout, err) < 0)
        return -1;
    program_forward(&rollout, &program);
    value_set(v, "manifest", manifest_to_value(&preview->manifest));
    value_set(v, "spec", value_copy(stage->deploy));
    value_set_int(v, "native_peak", peak_of(preview, &program, &rollout));
    *ret = (struct plan_question){
        .document = value_print(v),
        .app = value_get_str(stage->deploy, "app"),
        .context = preview->context,
        .namespace = preview->namespace,
    };
    return 1;
}
