// What is there, and whether it can be adopted.
#include "deploy/kube_adopt.h"

#include <stdlib.h>
#include <string.h>

#include "deploy/kube_adopt_private.h"
#include "deploy/manifest_object.h"

void kube_adoption_done(struct kube_adoption *a)
{
    value_free(a->deployment);
    value_free(a->replica_set);
    value_free(a->service);
    value_free(a->autoscaler);
    value_free(a->budgets);
    kube_manifest_done(&a->manifest);
    strv_done(&a->warnings);
    free(a->from);
    *a = (struct kube_adoption){0};
}

// --- the objects ---

bool kube_owned_by(const struct value *object, const struct value *owner)
{
    const struct value *owners = kube_at(object, "metadata", "ownerReferences");
    for (size_t i = 0; i < value_length(owners); i++)
        if (value_get_bool(value_at(owners, i), "controller", false) &&
            text_equal(value_get_str(value_at(owners, i), "uid"), kube_uid(owner)))
            return true;
    return false;
}

static bool is_ending(const struct value *object)
{
    return value_get_str(value_get(object, "metadata"), "deletionTimestamp") != NULL;
}

static const struct value *labels_of(const struct value *owner)
{
    return kube_at(owner, "spec", "template", "metadata", "labels");
}

static bool has_pods_of(const struct value *service, const struct value *deployment)
{
    return manifest_selects(kube_at(service, "spec", "selector"), labels_of(deployment));
}

static void print_names(const char *kind, const struct value *objects, struct str *out)
{
    str_init(out, STR_TEXT_MAX);
    for (size_t i = 0; i < value_length(objects); i++)
        str_printf(out, "%s%s/%s", i ? ", " : "", kind, kube_name(value_at(objects, i)));
}

// --- which ones ---

struct finding {
    struct kube_target *k;
    const char *service, *deployment; // as they were named, or NULL
    struct value *services, *deployments, *replica_sets, *pods;
    struct kube_adoption *found;
};

static void finding_done(struct finding *f)
{
    value_free(f->services);
    value_free(f->deployments);
    value_free(f->replica_sets);
    value_free(f->pods);
}
DEFINE_AUTO(finding, struct finding, finding_done)

static struct value *named(const struct value *objects, const char *name)
{
    for (size_t i = 0; i < value_length(objects); i++)
        if (text_equal(kube_name(value_at(objects, i)), name))
            return value_at(objects, i);
    return NULL;
}

static int list_all(struct finding *f, struct error *err)
{
    struct kube_target *k = f->k;
    const struct {
        enum kube_of of;
        struct value **ret;
    } wanted[] = {{KUBE_SERVICE, &f->services}, {KUBE_DEPLOYMENT, &f->deployments},
        {KUBE_REPLICA_SET, &f->replica_sets}, {KUBE_POD, &f->pods}};
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        if (kube_list(k->client, k->kinds[wanted[i].of], k->ns, NULL, wanted[i].ret, err) < 0)
            return -1;
    return 0;
}

static int behind(const struct finding *f, const struct value *service, const struct value **ret,
    struct error *err)
{
    AUTO(str) struct str names = {0};
    AUTO(value) struct value *all = value_list();
    for (size_t i = 0; i < value_length(f->deployments); i++)
        if (has_pods_of(service, value_at(f->deployments, i)))
            value_append(all, value_share(value_at(f->deployments, i)));
    print_names("Deployment", all, &names);
    if (value_length(all) > 1)
        return error_set(err, ERR_CONFLICT,
            "Service/%s selects several Deployments (%s), and would be narrowed to one: give its "
            "selector a label that only one of them has",
            kube_name(service), names.data);
    *ret = value_at(all, 0);
    if (!*ret)
        return error_set(
            err, ERR_NOT_FOUND, "Service/%s selects the pods of no Deployment", kube_name(service));
    if (f->deployment && !text_equal(kube_name(*ret), f->deployment))
        return error_set(err, ERR_CONFLICT, "Service/%s selects Deployment/%s, not Deployment/%s",
            kube_name(service), kube_name(*ret), f->deployment);
    return 0;
}

// The Deployment is known; the Service before it, when there is one.
static int before(const struct finding *f, const struct value *deployment, const struct value **ret,
    struct error *err)
{
    AUTO(str) struct str names = {0};
    AUTO(value) struct value *all = value_list();
    for (size_t i = 0; i < value_length(f->services); i++)
        if (has_pods_of(value_at(f->services, i), deployment))
            value_append(all, value_share(value_at(f->services, i)));
    print_names("Service", all, &names);
    if (value_length(all) > 1)
        return error_set(err, ERR_USAGE,
            "several Services select the pods of Deployment/%s (%s): name the one whose traffic is "
            "to be switched by --service",
            kube_name(deployment), names.data);
    *ret = value_at(all, 0);
    const struct value *other;
    return *ret ? behind(f, *ret, &other, err) : 0;
}

static int choose(struct finding *f, struct error *err)
{
    const struct kube_target *k = f->k;
    const char *name = f->deployment ? f->deployment : k->app;
    const struct value *service = NULL, *deployment = NULL;
    if (f->service)
        service = named(f->services, f->service);
    else if (!f->deployment)
        service = named(f->services, k->app);
    if (f->service && !service)
        return error_set(
            err, ERR_NOT_FOUND, "there is no Service/%s in namespace %s", f->service, k->ns);
    if (service) {
        if (behind(f, service, &deployment, err) < 0)
            return -1;
    } else {
        deployment = named(f->deployments, name);
        if (!deployment)
            return error_set(err, ERR_NOT_FOUND,
                "there is neither a Service nor a Deployment named %s in namespace %s: name them "
                "by --service and --deployment",
                name, k->ns);
        if (before(f, deployment, &service, err) < 0)
            return -1;
    }
    f->found->deployment = value_copy(deployment);
    f->found->service = service ? value_copy(service) : NULL;
    return 0;
}

// --- whether they can be ---

struct value *kube_template_of(const struct value *owner, bool plain)
{
    struct value *template = value_copy(kube_at(owner, "spec", "template"));
    struct value *labels = kube_at(template, "metadata", "labels");
    value_set(value_get(template, "metadata"), "creationTimestamp", NULL);
    if (!labels)
        return template;
    value_set(labels, "pod-template-hash", NULL);
    if (plain) {
        value_set(labels, KUBE_LABEL_APP, NULL);
        value_set(labels, KUBE_LABEL_SLOT, NULL);
    }
    return template;
}

static int check_owner(
    const struct kube_target *k, const char *kind, const struct value *object, struct error *err)
{
    const char *app = kube_label(object, KUBE_LABEL_APP);
    if (!app || text_equal(app, k->app))
        return 0;
    return error_set(
        err, ERR_CONFLICT, "%s/%s belongs to the app %s already", kind, kube_name(object), app);
}

static int moving(const struct value *deployment, const char *how, struct error *err)
{
    return error_set(err, ERR_CONFLICT,
        "Deployment/%s is in the middle of its own rollout (%s): wait for it, or undo it",
        kube_name(deployment), how);
}

static int check_rests(const struct finding *f, bool ours, struct error *err)
{
    const struct value *d = f->found->deployment;
    const struct value *spec = value_get(d, "spec"), *status = value_get(d, "status");
    int64_t wanted = value_get_int(spec, "replicas", 1);
    if (value_get_bool(spec, "paused", false) && !ours)
        return error_set(err, ERR_CONFLICT,
            "Deployment/%s is paused: `kubectl rollout resume deployment/%s` first", kube_name(d),
            kube_name(d));
    if (ours) // it was complete when that began, and is paused since
        return 0;
    if (value_get_int(status, "observedGeneration", 0) <
        value_get_int(value_get(d, "metadata"), "generation", 0))
        return moving(d, "its controller has not seen its last change", err);
    if (value_get_int(status, "replicas", 0) != wanted ||
        value_get_int(status, "updatedReplicas", 0) != wanted)
        return moving(d, "not all of its pods are of its template", err);
    if (value_get_int(status, "availableReplicas", 0) != wanted)
        return moving(d, "not all of its pods are available", err);
    return 0;
}

// That of an app which was ejected from its slot green: a selector is for ever.
static int check_selector(const struct value *deployment, struct error *err)
{
    const char *slot =
        value_get_str(kube_at(deployment, "spec", "selector", "matchLabels"), KUBE_LABEL_SLOT);
    if (!slot || text_equal(slot, slot_name(SLOT_BLUE)))
        return 0;
    return error_set(err, ERR_CONFLICT,
        "Deployment/%s selects its pods by %s=%s, which cannot be changed: put one with another "
        "selector in its place first",
        kube_name(deployment), KUBE_LABEL_SLOT, slot);
}

static int find_replica_set(struct finding *f, struct error *err)
{
    const struct value *d = f->found->deployment, *found = NULL;
    for (size_t i = 0; i < value_length(f->replica_sets); i++) {
        const struct value *set = value_at(f->replica_sets, i);
        if (!kube_owned_by(set, d) || !value_get_int(value_get(set, "spec"), "replicas", 0))
            continue;
        if (found)
            return moving(d, "two of its ReplicaSets have pods", err);
        found = set;
    }
    if (!found)
        return error_set(err, ERR_CONFLICT, "Deployment/%s runs no pods", kube_name(d));
    AUTO(value) struct value *its = kube_template_of(found, true);
    AUTO(value) struct value *wanted = kube_template_of(d, true);
    if (!value_equal(its, wanted))
        return moving(d, "its pods are not of its template", err);
    f->found->replica_set = value_copy(found);
    return 0;
}

// Whatever else the Service leads to would be cut off.
static int check_pods(const struct finding *f, struct error *err)
{
    const struct value *selector = kube_at(f->found->service, "spec", "selector");
    for (size_t i = 0; i < value_length(f->pods); i++) {
        const struct value *pod = value_at(f->pods, i);
        const char *phase = value_get_str(value_get(pod, "status"), "phase");
        bool over = text_equal(phase, "Succeeded") || text_equal(phase, "Failed");
        if (!selector || over || is_ending(pod) ||
            !manifest_selects(selector, kube_at(pod, "metadata", "labels")) ||
            kube_owned_by(pod, f->found->replica_set))
            continue;
        return error_set(err, ERR_CONFLICT,
            "Service/%s leads to Pod/%s as well, which is not of Deployment/%s and would get no "
            "traffic any more",
            kube_name(f->found->service), kube_name(pod), kube_name(f->found->deployment));
    }
    return 0;
}

static int check(struct finding *f, struct error *err)
{
    const struct kube_adoption *a = f->found;
    bool ours = kube_annotation(a->deployment, KUBE_ANNOTATION_ADOPTING) != NULL;
    if (check_owner(f->k, "Deployment", a->deployment, err) < 0 ||
        (a->service && check_owner(f->k, "Service", a->service, err) < 0) ||
        check_selector(a->deployment, err) < 0 || check_rests(f, ours, err) < 0 ||
        find_replica_set(f, err) < 0)
        return -1;
    return check_pods(f, err);
}

// --- who else ---

static bool is_controller(const char *manager)
{
    return text_equal(manager, "kube-controller-manager") ||
           text_equal(manager, KUBE_FIELD_MANAGER);
}

static char *managers_of(const struct value *object)
{
    AUTO(strv) struct strv names = {0};
    struct str out;
    str_init(&out, STR_TEXT_MAX);
    const struct value *fields = kube_at(object, "metadata", "managedFields");
    for (size_t i = 0; i < value_length(fields); i++) {
        const char *manager = value_get_str(value_at(fields, i), "manager");
        if (!manager || is_controller(manager) || strv_has(&names, manager) ||
            value_get_str(value_at(fields, i), "subresource"))
            continue;
        strv_push(&names, manager);
        str_printf(&out, "%s%s", out.length ? ", " : "", manager);
    }
    if (!out.length)
        str_puts(&out, "somebody");
    return out.data;
}

static void find_tools(const struct value *object, const char *kind, struct strv *warnings)
{
    const char *name = kube_name(object);
    const char *helm = kube_annotation(object, "meta.helm.sh/release-name");
    const char *argo = kube_annotation(object, "argocd.argoproj.io/tracking-id");
    const char *flux = kube_label(object, "kustomize.toolkit.fluxcd.io/name");
    const char *flux_helm = kube_label(object, "helm.toolkit.fluxcd.io/name");
    if (!argo)
        argo = kube_label(object, "argocd.argoproj.io/instance");
    if (!flux)
        flux = flux_helm;
    if (helm)
        strv_pushf(warnings,
            "%s/%s is of the Helm release %s: `helm upgrade` of it would write over what davit "
            "deploys or end in a conflict, `helm uninstall` delete it. Take it out of the chart, "
            "or delete the release's own Secrets (sh.helm.release.v1.%s.v*)",
            kind, name, helm, helm);
    if (argo)
        strv_pushf(warnings,
            "%s/%s is of the Argo CD application %.100s, which puts its own state back at its next "
            "sync: take it out there first",
            kind, name, argo);
    if (flux)
        strv_pushf(warnings,
            "%s/%s is applied by Flux (%s), which puts its own state back within minutes: suspend "
            "it or take it out there first",
            kind, name, flux);
    const struct value *owner = value_at(kube_at(object, "metadata", "ownerReferences"), 0);
    if (owner)
        strv_pushf(warnings, "%s/%s belongs to %s/%s, whose controller may put it back", kind, name,
            value_get_str(owner, "kind"), value_get_str(owner, "name"));
}

static void find_other_services(const struct finding *f)
{
    for (size_t i = 0; i < value_length(f->services); i++) {
        const struct value *service = value_at(f->services, i);
        const char *name = kube_name(service);
        if (!text_equal(name, kube_name(f->found->service)) &&
            has_pods_of(service, f->found->deployment))
            strv_pushf(&f->found->warnings,
                "Service/%s selects its pods, too: it stays as it is, and leads to those of both "
                "slots",
                name);
    }
}

// Kinds that we may not be let look at: what they hold is left alone then.
static int list_if_let(const struct finding *f, const char *api_version, const char *kind,
    struct value **ret, struct error *err)
{
    const struct kube_target *k = f->k;
    const struct kube_kind *found;
    struct error why = {0};
    if (kube_kind_find(k->client, api_version, kind, &found, &why) == 0 &&
        kube_list(k->client, found, k->ns, NULL, ret, &why) == 0)
        return 0;
    if (why.kind != ERR_DENIED && why.kind != ERR_NOT_FOUND) {
        *err = why;
        return -1;
    }
    *ret = value_list();
    return 0;
}

static int find_others(const struct finding *f, struct error *err)
{
    struct kube_adoption *a = f->found;
    AUTO(value) struct value *scalers = NULL;
    AUTO(value) struct value *budgets = NULL;
    if (list_if_let(f, KUBE_AUTOSCALING, "HorizontalPodAutoscaler", &scalers, err) < 0 ||
        list_if_let(f, KUBE_POLICY, "PodDisruptionBudget", &budgets, err) < 0)
        return -1;
    for (size_t i = 0; i < value_length(scalers) && !a->autoscaler; i++) {
        const struct value *target = kube_at(value_at(scalers, i), "spec", "scaleTargetRef");
        if (text_equal(value_get_str(target, "kind"), "Deployment") &&
            text_equal(value_get_str(target, "name"), kube_name(a->deployment)))
            a->autoscaler = value_copy(value_at(scalers, i));
    }
    a->budgets = value_list();
    for (size_t i = 0; i < value_length(budgets); i++)
        if (manifest_selects(kube_at(value_at(budgets, i), "spec", "selector", "matchLabels"),
                labels_of(a->deployment)))
            value_append(a->budgets, value_share(value_at(budgets, i)));
    find_other_services(f);
    find_tools(a->deployment, "Deployment", &a->warnings);
    if (a->service)
        find_tools(a->service, "Service", &a->warnings);
    return 0;
}

// --- as a release ---

static void drop_by_prefix(struct value *map, const char *const *prefixes, size_t count)
{
    AUTO(strv) struct strv gone = {0};
    struct value_cursor cursor = {.map = map};
    const char *key;
    struct value *item;
    while (map && value_next(&cursor, &key, &item))
        for (size_t i = 0; i < count; i++)
            if (text_starts(key, prefixes[i]))
                strv_push(&gone, key);
    strv_each (name, &gone)
        value_set(map, *name, NULL);
}

// What a person would have written: nothing that a server, a controller or davit has added.
static struct value *exported(const struct value *object, const char *api_version, const char *kind)
{
    static const char *const labels[] = {"davit.dev/"};
    static const char *const annotations[] = {
        "davit.dev/", "deployment.kubernetes.io/", "kubectl.kubernetes.io/last-applied"};
    static const char *const given[] = {"clusterIPs", "ipFamilies", "healthCheckNodePort"};
    struct value *copy = value_copy(object), *metadata = value_get(copy, "metadata");
    struct value *spec = value_get(copy, "spec");
    value_set_str(copy, "apiVersion", api_version);
    value_set_str(copy, "kind", kind);
    drop_by_prefix(value_get(metadata, "labels"), labels, ARRAY_LEN(labels));
    drop_by_prefix(value_get(metadata, "annotations"), annotations, ARRAY_LEN(annotations));
    value_set(metadata, "ownerReferences", NULL);
    value_set(metadata, "finalizers", NULL);
    if (text_equal(kind, "Deployment")) {
        value_set(spec, "paused", NULL);
        value_set(spec, "template", kube_template_of(object, true));
        return copy;
    }
    for (size_t i = 0; i < ARRAY_LEN(given); i++)
        value_set(spec, given[i], NULL);
    if (!text_equal(value_get_str(spec, "clusterIP"), "None"))
        value_set(spec, "clusterIP", NULL);
    struct value *selector = value_get(spec, "selector");
    if (selector)
        value_set(selector, KUBE_LABEL_SLOT, NULL);
    return copy;
}

static int build(const struct finding *f, struct error *err)
{
    struct kube_adoption *a = f->found;
    const struct kube_target *k = f->k;
    AUTO(value) struct value *objects = value_list();
    value_append(
        objects, exported(a->deployment, k->kinds[KUBE_DEPLOYMENT]->api_version, "Deployment"));
    if (a->service)
        value_append(objects, exported(a->service, k->kinds[KUBE_SERVICE]->api_version, "Service"));
    const struct manifest_input input = {
        .objects = objects,
        .app = k->app,
        .namespace = k->ns,
        .service = kube_name(a->service),
    };
    return manifest_build(&input, &a->manifest, err);
}

int kube_adopt_find(struct target *t, const char *service, const char *deployment,
    struct kube_adoption *ret, struct error *err)
{
    AUTO(finding)
    struct finding f = {
        .k = kube_of(t), .service = service, .deployment = deployment, .found = ret};
    if (list_all(&f, err) < 0 || choose(&f, err) < 0 || check(&f, err) < 0 ||
        find_others(&f, err) < 0 || build(&f, err) < 0)
        return -1;
    ret->from = managers_of(ret->deployment);
    return 0;
}

// --- told ---

static void add_line(struct value *lines, char *line)
{
    AUTO_FREE char *owned = line;
    value_append_str(lines, owned);
}

void kube_adopt_print(const struct kube_adoption *a, struct value *lines)
{
    const char *name = kube_name(a->deployment);
    int64_t replicas = value_get_int(value_get(a->replica_set, "spec"), "replicas", 0);
    add_line(lines, mem_printf("  Deployment/%s is paused; no pod is restarted", name));
    add_line(lines,
        mem_printf("  ReplicaSet/%s, its %lld pods and then the template of Deployment/%s get the "
                   "labels %s and %s=blue; it goes on",
            kube_name(a->replica_set), (long long)replicas, name, KUBE_LABEL_APP, KUBE_LABEL_SLOT));
    if (a->service)
        add_line(lines, mem_printf("  Service/%s selects %s=blue as well: the same pods",
                            kube_name(a->service), KUBE_LABEL_SLOT));
    if (a->autoscaler)
        add_line(lines, mem_printf("  HorizontalPodAutoscaler/%s goes on setting its replicas",
                            kube_name(a->autoscaler)));
    for (size_t i = 0; i < value_length(a->budgets); i++)
        add_line(lines, mem_printf("  PodDisruptionBudget/%s stays as it is",
                            kube_name(value_at(a->budgets, i))));
    add_line(lines, mem_printf("  what %s has made is davit's from then on", a->from));
}
