// Kinds, as the server's discovery names them, and the paths that follow from them.
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "kube/client_private.h"
#include "net/url.h"

static void kind_free(struct kube_kind *kind)
{
    free(kind->api_version);
    free(kind->kind);
    free(kind->plural);
    free(kind);
}

void kube_groups_done(struct kube_client *c)
{
    vec_each (group, &c->groups) {
        vec_each (kind, &group->kinds)
            kind_free(*kind);
        vec_free(&group->kinds);
        free(group->api_version);
    }
    vec_free(&c->groups);
}

static struct kube_group *group_of(struct kube_client *c, const char *api_version)
{
    vec_each (group, &c->groups)
        if (strcmp(group->api_version, api_version) == 0)
            return group;
    return NULL;
}

static const struct kube_kind *kind_in(const struct kube_group *group, const char *kind)
{
    vec_each (known, &group->kinds)
        if (strcmp((*known)->kind, kind) == 0)
            return *known;
    return NULL;
}

static char *api_path(const char *api_version)
{
    // The core group has a path of its own.
    return mem_printf("/%s/%s", strchr(api_version, '/') ? "apis" : "api", api_version);
}

// Adds what an APIResourceList names and we do not know yet: what is known is lent.
static void learn(struct kube_group *group, const struct value *list)
{
    const struct value *resources = value_get(list, "resources");
    for (size_t i = 0; i < value_length(resources); i++) {
        const struct value *resource = value_at(resources, i);
        const char *plural = value_get_str(resource, "name");
        const char *kind = value_get_str(resource, "kind");
        // "deployments/scale" is a part of another resource.
        if (!plural || !kind || strchr(plural, '/') || kind_in(group, kind))
            continue;
        struct kube_kind *known = mem_alloc(sizeof *known);
        known->api_version = mem_strdup(group->api_version);
        known->kind = mem_strdup(kind);
        known->plural = mem_strdup(plural);
        known->namespaced = value_get_bool(resource, "namespaced", false);
        vec_push(&group->kinds, known);
    }
}

static int no_kind(const char *api_version, const char *kind, struct error *err)
{
    bool own = strchr(api_version, '.') != NULL; // "apps/v1" is Kubernetes' own, "x.io/v1" is not
    error_set(err, ERR_NOT_FOUND, "the cluster has no kind %s of %s%s", kind, api_version,
        own ? ": its CustomResourceDefinition is not installed, or does not serve that version"
            : ": wrong version of the API, or misspelt");
    if (err)
        err->http_status = 404;
    return -1;
}

int kube_kind_find(struct kube_client *c, const char *api_version, const char *kind,
    const struct kube_kind **ret, struct error *err)
{
    const struct kube_group *asked = group_of(c, api_version);
    const struct kube_kind *found = asked ? kind_in(asked, kind) : NULL;
    if (found) {
        *ret = found;
        return 0;
    }
    AUTO_FREE char *path = api_path(api_version);
    AUTO(value) struct value *list = NULL;
    struct error why = {0};
    if (kube_do(c, &(struct kube_request){.path = path}, &list, &why) < 0) {
        if (why.kind == ERR_NOT_FOUND)
            return no_kind(api_version, kind, err);
        if (err)
            *err = why;
        return -1;
    }
    struct kube_group *group = group_of(c, api_version);
    if (!group) {
        group = vec_add(&c->groups);
        group->api_version = mem_strdup(api_version);
    }
    learn(group, list);
    found = kind_in(group, kind);
    if (!found)
        return no_kind(api_version, kind, err);
    *ret = found;
    return 0;
}

char *kube_path(const struct kube_kind *kind, const char *ns, const char *name)
{
    AUTO_FREE char *api = api_path(kind->api_version);
    AUTO_FREE char *in = kind->namespaced && ns ? url_escape(ns) : NULL;
    AUTO_FREE char *one = name ? url_escape(name) : NULL;
    return mem_printf("%s%s%s/%s%s%s", api, in ? "/namespaces/" : "", in ? in : "", kind->plural,
        one ? "/" : "", one ? one : "");
}
