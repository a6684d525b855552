#include "deploy/manifest_workload.h"

#include <string.h>

#include "deploy/manifest_object.h"
#include "kube/object.h"

#define NAME_MAX_LENGTH 63 // of a label's value and of a DNS label: pods carry both

// Objects of the list, lent.
struct found {
    VEC(struct value *) all;
};

static void found_done(struct found *f)
{
    vec_free(&f->all);
}
DEFINE_AUTO(found, struct found, found_done)

static const struct value *selector_of(const struct value *service)
{
    const char *type = value_get_str(value_get(service, "spec"), "type");
    return text_equal(type, "ExternalName") ? NULL : kube_at(service, "spec", "selector");
}

static bool selected(const struct value *service, struct value *object)
{
    const struct value *template = manifest_template(object);
    return template &&
           manifest_selects(selector_of(service), kube_at(template, "metadata", "labels"));
}

static void find_kind(const struct value *objects, const char *group, const char *kind,
    const struct value *service, struct found *ret)
{
    for (size_t i = 0; i < value_length(objects); i++) {
        struct value *object = value_at(objects, i);
        if (manifest_is(object, group, kind) && (!service || selected(service, object)))
            vec_push(&ret->all, object);
    }
}

// "Service/a, Service/b"
static void print_found(const struct found *f, struct str *out)
{
    str_init(out, STR_TEXT_MAX);
    vec_each (object, &f->all)
        str_printf(
            out, "%s" MANIFEST_OBJECT, out->length ? ", " : "", MANIFEST_OBJECT_ARGS(*object));
}

// The Service by its name; where none is given, the only one that selects a Deployment.
static int find_service(const struct manifest_input *in, const struct value *objects,
    struct value **ret, struct error *err)
{
    AUTO(found) struct found services = {0}, candidates = {0};
    AUTO(str) struct str names = {0};
    find_kind(objects, "", "Service", NULL, &services);
    vec_each (service, &services.all) {
        AUTO(found) struct found behind = {0};
        if (in->service && strcmp(manifest_object_name(*service), in->service) == 0) {
            *ret = *service;
            return 0;
        }
        find_kind(objects, "apps", "Deployment", *service, &behind);
        if (behind.all.length)
            vec_push(&candidates.all, *service);
    }
    if (in->service) {
        print_found(&services, &names);
        return error_set(err, ERR_CONFIG, "Service/%s is not in the manifests; there is %s",
            in->service, names.length ? names.data : "none");
    }
    if (candidates.all.length > 1) {
        print_found(&candidates, &names);
        return error_set(err, ERR_CONFIG,
            "several Services select a Deployment (%s): name the one whose traffic is switched",
            names.data);
    }
    *ret = candidates.all.length ? candidates.all.items[0] : NULL;
    return 0;
}

static bool selects_others(const struct value *service, const struct value *objects)
{
    for (size_t i = 0; i < value_length(objects); i++)
        if (selected(service, value_at(objects, i)))
            return true;
    return false;
}

static int find_behind(
    struct value *service, const struct value *objects, struct manifest *m, struct error *err)
{
    AUTO(found) struct found behind = {0};
    AUTO(str) struct str names = {0};
    find_kind(objects, "apps", "Deployment", service, &behind);
    if (behind.all.length == 1) {
        m->workload = value_share(behind.all.items[0]);
        m->service = value_share(service);
        return 0;
    }
    if (behind.all.length) {
        print_found(&behind, &names);
        return error_set(err, ERR_CONFIG,
            MANIFEST_OBJECT " selects several Deployments (%s): give its selector a label that "
                            "only one of them has",
            MANIFEST_OBJECT_ARGS(service), names.data);
    }
    if (selects_others(service, objects))
        return 0; // a StatefulSet, say: it rolls by itself
    return error_set(err, ERR_CONFIG, MANIFEST_OBJECT " selects no pods of the manifests",
        MANIFEST_OBJECT_ARGS(service));
}

static int find(const struct manifest_input *in, const struct value *objects, struct manifest *m,
    struct error *err)
{
    struct value *service = NULL;
    if (find_service(in, objects, &service, err) < 0)
        return -1;
    if (service)
        return find_behind(service, objects, m, err);
    AUTO(found) struct found deployments = {0};
    AUTO(str) struct str names = {0};
    find_kind(objects, "apps", "Deployment", NULL, &deployments);
    if (deployments.all.length == 1)
        m->workload = value_share(deployments.all.items[0]);
    if (deployments.all.length > 1) {
        print_found(&deployments, &names);
        strv_pushf(&m->notes, "no Service selects one of %s: all of them simply roll", names.data);
    }
    return 0;
}

static bool scales(const struct value *object, const struct value *workload)
{
    const struct value *target = kube_at(object, "spec", "scaleTargetRef");
    return manifest_is(object, "autoscaling", "HorizontalPodAutoscaler") &&
           text_equal(value_get_str(target, "kind"), "Deployment") &&
           text_equal(value_get_str(target, "name"), kube_name(workload));
}

static struct value *autoscaler_in(const struct value *objects, const struct value *workload)
{
    for (size_t i = 0; workload && i < value_length(objects); i++)
        if (scales(value_at(objects, i), workload))
            return value_at(objects, i);
    return NULL;
}

struct value *manifest_autoscaler(const struct manifest *m)
{
    return autoscaler_in(m->others, m->workload);
}

static int check_count(
    const struct value *object, const char *key, int64_t count, struct error *err)
{
    if (count >= 1 && count <= INSTANCES_MAX)
        return 0;
    return error_set(err, ERR_CONFIG, MANIFEST_OBJECT ": %s is %lld, not within 1 and %d",
        MANIFEST_OBJECT_ARGS(object), key, (long long)count, INSTANCES_MAX);
}

static int find_replicas(const struct value *objects, struct manifest *m, struct error *err)
{
    const struct value *spec = value_get(m->workload, "spec");
    const struct value *given = value_get(spec, "replicas");
    const struct value *autoscaler = autoscaler_in(objects, m->workload);
    const struct value *bounds = value_get(autoscaler, "spec");
    if (value_type(given) != VALUE_NULL && value_type(given) != VALUE_INT)
        return error_set(err, ERR_CONFIG, MANIFEST_OBJECT ": replicas is not a whole number",
            MANIFEST_OBJECT_ARGS(m->workload));
    int64_t replicas = value_get_int(spec, "replicas", value_get_int(bounds, "minReplicas", 1));
    if (check_count(m->workload, "replicas", replicas, err) < 0)
        return -1;
    if (autoscaler &&
        check_count(autoscaler, "maxReplicas", value_get_int(bounds, "maxReplicas", 1), err) < 0)
        return -1;
    m->replicas = (int)replicas;
    return 0;
}

// Of the containers that run as long as the pod does, and of init containers that stay (sidecars).
static int64_t named_port(const struct value *pod, const char *name)
{
    static const char *const lists[] = {"containers", "initContainers"};
    for (size_t n = 0; n < ARRAY_LEN(lists); n++) {
        const struct value *containers = value_get(pod, lists[n]);
        for (size_t c = 0; c < value_length(containers); c++) {
            const struct value *ports = value_get(value_at(containers, c), "ports");
            for (size_t i = 0; i < value_length(ports); i++)
                if (text_equal(value_get_str(value_at(ports, i), "name"), name))
                    return value_get_int(value_at(ports, i), "containerPort", 0);
        }
    }
    return 0;
}

static int find_port(struct manifest *m, struct error *err)
{
    const struct value *port = value_at(kube_at(m->service, "spec", "ports"), 0);
    const struct value *target = value_get(port, "targetPort");
    const char *name = value_text(target);
    if (!port)
        return 0;
    int64_t number = value_type(target) == VALUE_INT ? value_number(target)
                     : name ? named_port(value_get(manifest_template(m->workload), "spec"), name)
                            : value_get_int(port, "port", 0);
    if (name && !number)
        return error_set(err, ERR_CONFIG,
            MANIFEST_OBJECT " leads to the port \"%s\", which no container of " MANIFEST_OBJECT
                            " has",
            MANIFEST_OBJECT_ARGS(m->service), name, MANIFEST_OBJECT_ARGS(m->workload));
    if (number < 1 || number > 65535)
        return error_set(err, ERR_CONFIG, MANIFEST_OBJECT ": its first port is none",
            MANIFEST_OBJECT_ARGS(m->service));
    m->port = (int)number;
    return 0;
}

// What davit makes beside the user's object must have room for its name, and be nobody's yet.
static int check_made(
    const struct value *objects, const struct value *from, const char *suffix, struct error *err)
{
    AUTO_FREE char *name = mem_printf("%s%s", manifest_object_name(from), suffix);
    if (strlen(name) > NAME_MAX_LENGTH)
        return error_set(err, ERR_CONFIG,
            MANIFEST_OBJECT ": davit makes a %s beside it, whose name would be longer than %d "
                            "characters",
            MANIFEST_OBJECT_ARGS(from), name, NAME_MAX_LENGTH);
    AUTO(value) struct value *made = value_copy(from);
    value_set_str(value_get(made, "metadata"), "name", name);
    for (size_t i = 0; i < value_length(objects); i++)
        if (manifest_same(made, value_at(objects, i)))
            return error_set(err, ERR_CONFIG,
                MANIFEST_OBJECT ": davit makes one of this name beside %s: give yours another",
                MANIFEST_OBJECT_ARGS(made), manifest_object_name(from));
    return 0;
}

// A second Service before the workload is no mistake; but its pods are those of both slots.
static void note_services(const struct value *objects, struct manifest *m)
{
    AUTO(found) struct found services = {0};
    find_kind(objects, "", "Service", NULL, &services);
    vec_each (service, &services.all)
        if (*service != m->service && selected(*service, m->workload))
            strv_pushf(&m->notes, MANIFEST_OBJECT " has the pods of both slots during a rollout",
                MANIFEST_OBJECT_ARGS(*service));
}

int manifest_find_workload(
    const struct manifest_input *in, struct value *objects, struct manifest *m, struct error *err)
{
    if (find(in, objects, m, err) < 0)
        return -1;
    if (!m->workload)
        return 0;
    if (!manifest_template(m->workload))
        return error_set(err, ERR_CONFIG, MANIFEST_OBJECT " has no pod template",
            MANIFEST_OBJECT_ARGS(m->workload));
    if (find_replicas(objects, m, err) < 0 || check_made(objects, m->workload, "-green", err) < 0 ||
        (m->service &&
            (find_port(m, err) < 0 || check_made(objects, m->service, "-preview", err) < 0)))
        return -1;
    note_services(objects, m);
    return 0;
}
