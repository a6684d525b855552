// What is done to one object.
#include <stdlib.h>

#include "kube/client_private.h"
#include "os/failpoint.h"

// A write, and a point to be killed at before anything else is known to have happened.
static int write_object(struct kube_client *c, const struct kube_request *request,
    struct value **ret, struct error *err)
{
    int status = kube_do(c, request, ret, err);
    failpoint("kube.written");
    return status;
}

int kube_get(struct kube_client *c, const struct kube_kind *kind, const char *ns, const char *name,
    struct value **ret, struct error *err)
{
    AUTO_FREE char *path = kube_path(kind, ns, name);
    return kube_do(c, &(struct kube_request){.path = path}, ret, err);
}

int kube_create(struct kube_client *c, const struct kube_kind *kind, const char *ns,
    const struct value *object, struct value **ret, struct error *err)
{
    AUTO_FREE char *collection = kube_path(kind, ns, NULL);
    AUTO_FREE char *path = mem_printf("%s?fieldManager=%s", collection, KUBE_FIELD_MANAGER);
    const struct kube_request request = {.method = "POST", .path = path, .body = object};
    return write_object(c, &request, ret, err);
}

int kube_apply(struct kube_client *c, const struct kube_kind *kind, const char *ns,
    const struct value *object, const struct kube_apply *how, struct value **ret, struct error *err)
{
    const char *name = kube_name(object);
    if (!name)
        return error_set(err, ERR_INTERNAL, "a %s without a name is applied", kind->kind);
    AUTO_FREE char *at = kube_path(kind, ns, name);
    AUTO_FREE char *path = mem_printf("%s?fieldManager=%s&force=%s%s", at, KUBE_FIELD_MANAGER,
        how->force ? "true" : "false", how->dry_run ? "&dryRun=All" : "");
    const struct kube_request request = {
        .method = "PATCH",
        .path = path,
        .content_type = "application/apply-patch+yaml", // JSON is YAML
        .body = object,
    };
    return write_object(c, &request, ret, err);
}

int kube_patch(struct kube_client *c, const struct kube_kind *kind, const char *ns,
    const char *name, const struct value *operations, struct value **ret, struct error *err)
{
    AUTO_FREE char *at = kube_path(kind, ns, name);
    AUTO_FREE char *path = mem_printf("%s?fieldManager=%s", at, KUBE_FIELD_MANAGER);
    const struct kube_request request = {
        .method = "PATCH",
        .path = path,
        .content_type = "application/json-patch+json",
        .body = operations,
    };
    return write_object(c, &request, ret, err);
}

int kube_delete(struct kube_client *c, const struct kube_kind *kind, const char *ns,
    const char *name, const char *uid, struct error *err)
{
    AUTO_FREE char *path = kube_path(kind, ns, name);
    AUTO(value) struct value *options = value_map();
    value_set_str(options, "propagationPolicy", "Background");
    if (uid) {
        struct value *preconditions = value_map();
        value_set_str(preconditions, "uid", uid);
        value_set(options, "preconditions", preconditions);
    }
    const struct kube_request request = {.method = "DELETE", .path = path, .body = options};
    return write_object(c, &request, NULL, err);
}
