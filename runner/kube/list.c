#include "kube/list.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "net/url.h"

void kube_pages_init(
    struct kube_pages *p, const struct kube_kind *kind, const char *ns, const char *selector)
{
    AUTO_FREE char *path = kube_path(kind, ns, NULL);
    AUTO_FREE char *escaped = selector ? url_escape(selector) : NULL;
    *p = (struct kube_pages){
        .path =
            mem_printf("%s?%s%s", path, escaped ? "labelSelector=" : "", escaped ? escaped : ""),
        .items = value_list(),
    };
}

void kube_pages_done(struct kube_pages *p)
{
    free(p->path);
    free(p->token);
    free(p->version);
    value_free(p->items);
    *p = (struct kube_pages){0};
}

void kube_pages_restart(struct kube_pages *p)
{
    value_free(p->items);
    p->items = value_list();
    mem_replace(&p->token, NULL);
    mem_replace(&p->version, NULL);
    p->whole = false;
}

char *kube_pages_path(const struct kube_pages *p)
{
    const char *and = text_ends(p->path, "?") ? "" : "&";
    if (p->whole)
        return mem_strdup(p->path);
    AUTO_FREE char *token = p->token ? url_escape(p->token) : NULL;
    return mem_printf(
        "%s%slimit=%d%s%s", p->path, and, KUBE_PAGE, token ? "&continue=" : "", token ? token : "");
}

// "DeploymentList" of "apps/v1": the items say neither.
static void add_item(struct value *items, const struct value *list, struct value *item)
{
    const char *kind = value_get_str(list, "kind");
    const char *version = value_get_str(list, "apiVersion");
    if (!value_get(item, "apiVersion"))
        value_set_str(item, "apiVersion", version);
    if (!value_get(item, "kind") && kind && text_ends(kind, "List")) {
        AUTO_FREE char *own = mem_strndup(kind, strlen(kind) - strlen("List"));
        value_set_str(item, "kind", own);
    }
    value_append(items, value_share(item));
}

int kube_pages_take(
    struct kube_pages *p, const struct value *answer, enum kube_page *ret, struct error *err)
{
    const struct value *items = value_get(answer, "items");
    const char *version = kube_version(answer);
    const char *token = value_get_str(value_get(answer, "metadata"), "continue");
    // An empty list is "items": null in some versions.
    if (!version || (items && value_type(items) != VALUE_LIST && value_type(items) != VALUE_NULL))
        return error_set(err, ERR_PROTOCOL, "%s: the answer is no list", p->path);
    for (size_t i = 0; i < value_length(items); i++) {
        if (!kube_name(value_at(items, i)))
            return error_set(err, ERR_PROTOCOL, "%s: an object without a name", p->path);
        add_item(p->items, answer, value_at(items, i));
    }
    mem_replace(&p->token, token && *token ? token : NULL);
    mem_replace(&p->version, version);
    *ret = p->token ? KUBE_PAGE_MORE : KUBE_PAGE_LAST;
    return 0;
}

bool kube_pages_expired(struct kube_pages *p, const struct error *err)
{
    if (err->http_status != 410 || !p->token)
        return false;
    kube_pages_restart(p);
    p->whole = true;
    return true;
}

int kube_list(struct kube_client *c, const struct kube_kind *kind, const char *ns,
    const char *selector, struct value **ret_items, struct error *err)
{
    AUTO(kube_pages) struct kube_pages pages = {0};
    kube_pages_init(&pages, kind, ns, selector);
    for (enum kube_page next = KUBE_PAGE_MORE; next == KUBE_PAGE_MORE;) {
        AUTO_FREE char *path = kube_pages_path(&pages);
        AUTO(value) struct value *answer = NULL;
        struct error why = {0};
        if (kube_do(c, &(struct kube_request){.path = path}, &answer, &why) == 0) {
            if (kube_pages_take(&pages, answer, &next, err) < 0)
                return -1;
        } else if (!kube_pages_expired(&pages, &why)) {
            if (err)
                *err = why;
            return -1;
        }
    }
    *ret_items = take_ptr(pages.items);
    return 0;
}
