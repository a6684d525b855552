#include "deploy/kube_plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/kube_diff.h"
#include "deploy/kube_private.h"

#define DIFF_MAX ((size_t)1 << 20)

// --- rights ---

static int may(struct kube_target *k, const struct kube_right *right, const char *verb,
    bool *ret_allowed, struct error *err)
{
    AUTO(value) struct value *review = value_map();
    AUTO(value) struct value *answer = NULL;
    struct value *spec = value_map(), *about = value_map();
    const char *slash = strchr(right->resource, '/');
    AUTO_FREE char *resource = mem_strndup(
        right->resource, slash ? (size_t)(slash - right->resource) : strlen(right->resource));
    value_set_str(about, "namespace", right->cluster ? NULL : k->ns);
    value_set_str(about, "verb", verb);
    value_set_str(about, "group", right->group);
    value_set_str(about, "resource", resource);
    value_set_str(about, "subresource", slash ? slash + 1 : NULL);
    value_set(spec, "resourceAttributes", about);
    value_set_str(review, "apiVersion", "authorization.k8s.io/v1");
    value_set_str(review, "kind", "SelfSubjectAccessReview");
    value_set(review, "spec", spec);
    struct kube_request request = {.method = "POST",
        .path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        .body = review};
    if (kube_do(k->client, &request, &answer, err) < 0)
        return -1;
    *ret_allowed = value_get_bool(value_get(answer, "status"), "allowed", false);
    return 0;
}

// As the server has the kind: its plural, and whether it is in a namespace.
static void look_up(struct kube_target *k, const struct kube_right *right, struct kube_right *ret)
{
    const struct kube_kind *kind;
    *ret = *right;
    if (right->guessed_kind &&
        kube_kind_find(k->client, right->guessed_version, right->guessed_kind, &kind, NULL) == 0) {
        ret->resource = kind->plural;
        ret->cluster = !kind->namespaced;
    }
}

int kube_plan_rights(struct target *t, const struct kube_rights *rights,
    struct kube_rights *ret_missing, struct error *err)
{
    struct kube_target *k = kube_of(t);
    vec_each (item, &rights->items) {
        struct kube_right right;
        look_up(k, item, &right); // lends
        for (int i = 0; i < KUBE_VERBS; i++) {
            bool allowed = true;
            if (right.verbs & 1U << i && may(k, &right, kube_verb_names[i], &allowed, err) < 0)
                return -1;
            if (!allowed)
                kube_rights_add(ret_missing, right.group, right.resource, 1U << i, right.cluster);
        }
    }
    return 0;
}

// --- objects ---

struct planning {
    struct kube_target *k;
    const struct kube_known *live; // NULL: nothing is
    struct str *out;
    size_t refused;
};

static void add_head(struct planning *p, const struct value *object, const char *text)
{
    str_printf(p->out, "       %s/%s %s\n", value_get_str(object, "kind"), kube_name(object), text);
}

// What the server would make of it, the caller's; NULL: it would not, which is said.
static struct value *try_object(
    struct planning *p, const struct value *object, const struct value *now)
{
    struct kube_target *k = p->k;
    struct error why = {0};
    const struct kube_kind *kind;
    struct value *answer = NULL;
    struct kube_apply how = {.dry_run = true, .force = now && kube_label(now, KUBE_LABEL_APP)};
    if (kube_kind_find(k->client, value_get_str(object, "apiVersion"),
            value_get_str(object, "kind"), &kind, &why) == 0 &&
        kube_apply(k->client, kind, k->ns, object, &how, &answer, &why) == 0)
        return answer;
    AUTO_FREE char *text = mem_printf("is refused: %s", why.message);
    add_head(p, object, text);
    p->refused++;
    return NULL;
}

static struct value *get_object(struct planning *p, const struct value *object, const char *name)
{
    struct kube_target *k = p->k;
    const struct kube_kind *kind;
    struct value *now = NULL;
    if (kube_kind_find(k->client, value_get_str(object, "apiVersion"),
            value_get_str(object, "kind"), &kind, NULL) == 0)
        kube_get(k->client, kind, k->ns, name, &now, NULL);
    return now;
}

static void add_difference(struct planning *p, const struct value *object,
    const struct value *before, const struct value *after, const char *beside)
{
    AUTO(str) struct str lines;
    str_init(&lines, DIFF_MAX);
    if (!before) {
        add_head(p, object, "is new");
        return;
    }
    size_t count = kube_diff(before, after, &lines);
    AUTO_FREE char *text = mem_printf("%s%s%s", count ? "changes" : "stays as it is",
        beside ? ", beside " : "", beside ? beside : "");
    add_head(p, object, text);
    str_add(p->out, lines.data, lines.length);
}

// "settings" of "settings-1f2e…": copies are named for their content.
static bool same_origin(const struct value *a, const struct value *b)
{
    const char *x = kube_name(a), *y = kube_name(b);
    size_t n = (size_t)(strrchr(x, '-') ? strrchr(x, '-') - x : 0);
    size_t m = (size_t)(strrchr(y, '-') ? strrchr(y, '-') - y : 0);
    return text_equal(value_get_str(a, "kind"), value_get_str(b, "kind")) && n && n == m &&
           strncmp(x, y, n) == 0;
}

// The copy that the live release has in its place.
static const struct value *copy_before(const struct planning *p, const struct value *object)
{
    const struct value *others = p->live ? p->live->manifest.others : NULL;
    for (size_t i = 0; i < value_length(others); i++) {
        const struct value *other = value_at(others, i);
        if (kube_label(other, KUBE_LABEL_COPY) && same_origin(other, object))
            return other;
    }
    return NULL;
}

static void plan_object(struct planning *p, const struct value *object)
{
    bool named_only =
        text_equal(value_get_str(object, "kind"), "Secret") && !value_get(object, "data");
    AUTO(value) struct value *now = get_object(p, object, kube_name(object));
    if (named_only) { // values are not sent for this
        add_head(p, object, now ? "stays as it is" : "is new");
        return;
    }
    AUTO(value) struct value *after = try_object(p, object, now);
    if (!after)
        return;
    const struct value *copy =
        !now && kube_label(object, KUBE_LABEL_COPY) ? copy_before(p, object) : NULL;
    if (copy) // both as the files have them
        add_difference(p, object, copy, object, kube_name(copy));
    else
        add_difference(p, object, now, after, NULL);
}

// The traffic stays where it is.
static void plan_service(struct planning *p, const struct manifest *m)
{
    if (!m->service)
        return;
    AUTO(value) struct value *now = get_object(p, m->service, kube_name(m->service));
    AUTO(value) struct value *wanted = manifest_service(m, SLOT_ANY);
    value_set_str(kube_at(wanted, "spec", "selector"), KUBE_LABEL_SLOT,
        value_get_str(kube_at(now, "spec", "selector"), KUBE_LABEL_SLOT));
    AUTO(value) struct value *after = try_object(p, wanted, now);
    if (after)
        add_difference(p, wanted, now, after, NULL);
}

// Against the slot that serves now, whichever it goes into.
static void plan_workload(struct planning *p, const struct release *to, const struct manifest *m)
{
    if (!m->workload)
        return;
    AUTO(value) struct value *wanted = manifest_slotted(m, to->slot, m->replicas);
    AUTO(value) struct value *now = get_object(p, wanted, kube_name(wanted));
    AUTO(value) struct value *after = try_object(p, wanted, now);
    if (!after)
        return;
    AUTO_FREE char *name = p->live && p->live->manifest.workload
                               ? manifest_slotted_name(&p->live->manifest, p->live->release.slot)
                               : NULL;
    AUTO(value) struct value *before = name ? get_object(p, wanted, name) : NULL;
    add_difference(p, wanted, before, after, text_equal(name, kube_name(wanted)) ? NULL : name);
}

int kube_plan_objects(struct target *t, const struct release *to, const struct manifest *m,
    const struct release *live, struct str *out, size_t *ret_refused, struct error *err)
{
    struct planning p = {.k = kube_of(t), .out = out};
    if (live && !(p.live = kube_known(p.k, live->revision, err)))
        return -1;
    for (size_t i = 0; i < value_length(m->others); i++)
        plan_object(&p, value_at(m->others, i));
    plan_workload(&p, to, m);
    plan_service(&p, m);
    AUTO(value)
    struct value *gone = p.live ? manifest_pruned(&p.live->manifest, m) : value_list();
    for (size_t i = 0; i < value_length(gone); i++)
        add_head(&p, value_at(gone, i), "is taken away in the end");
    *ret_refused = p.refused;
    return 0;
}

// --- room ---

// A quantity (k8s.io/apimachinery): a decimal number with a suffix of tens or of 1024. NAN: none.
static double quantity(const struct value *v)
{
    static const struct {
        const char *suffix;
        double factor;
    } rows[] = {{"", 1}, {"m", 1e-3}, {"k", 1e3}, {"M", 1e6}, {"G", 1e9}, {"T", 1e12},
        {"Ki", 0x1p10}, {"Mi", 0x1p20}, {"Gi", 0x1p30}, {"Ti", 0x1p40}, {"Pi", 0x1p50}};
    const char *text = value_text(v);
    char *end;
    if (!text)
        return v && value_type(v) != VALUE_NULL ? (double)value_number(v) : NAN;
    double n = strtod(text, &end);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (end != text && text_equal(end, rows[i].suffix))
            return n * rows[i].factor;
    return NAN;
}

// What one pod asks for; a limit without a request is one.
static double asked(const struct manifest *m, const char *resource)
{
    const struct value *containers = kube_at(m->workload, "spec", "template", "spec", "containers");
    double sum = 0;
    for (size_t i = 0; i < value_length(containers); i++) {
        const struct value *of = value_get(value_at(containers, i), "resources");
        double n = quantity(kube_at(of, "requests", resource));
        if (isnan(n))
            n = quantity(kube_at(of, "limits", resource));
        sum += isnan(n) ? 0 : n;
    }
    return sum;
}

static void check_quota(const struct value *quota, const char *key, double each, int more,
    struct str *out, size_t *ret_short)
{
    double hard = quantity(value_get(kube_at(quota, "status", "hard"), key));
    double used = quantity(value_get(kube_at(quota, "status", "used"), key));
    if (isnan(hard) || isnan(used))
        return;
    bool enough = used + each * more <= hard;
    *ret_short += !enough;
    str_printf(out, "       ResourceQuota/%s: %s: %g of %g used, %g more at the peak%s\n",
        kube_name(quota), key, used, hard, each * more, enough ? "" : ": NOT ENOUGH");
}

// 1; 0: it may not be looked at, which is said.
static int list_if_allowed(struct kube_target *k, const char *version, const char *name,
    struct value **ret, struct str *out, struct error *err)
{
    const struct kube_kind *kind;
    struct error why = {0};
    if (kube_kind_find(k->client, version, name, &kind, &why) == 0 &&
        kube_list(k->client, kind, k->ns, NULL, ret, &why) == 0)
        return 1;
    if (why.kind != ERR_DENIED) {
        *err = why;
        return -1;
    }
    str_printf(out, "       not known: this account may not list %s\n", kind->plural);
    return 0;
}

int kube_plan_room(struct target *t, const struct manifest *m, int running, int peak,
    struct str *out, size_t *ret_short, struct error *err)
{
    struct kube_target *k = kube_of(t);
    AUTO(value) struct value *quotas = NULL;
    AUTO(value) struct value *nodes = NULL;
    int more = peak > running ? peak - running : 0;
    int some = list_if_allowed(k, "v1", "ResourceQuota", &quotas, out, err);
    if (some < 0)
        return -1;
    for (size_t i = 0; i < value_length(quotas); i++) {
        const struct value *quota = value_at(quotas, i);
        check_quota(quota, "pods", 1, more, out, ret_short);
        check_quota(quota, "requests.cpu", asked(m, "cpu"), more, out, ret_short);
        check_quota(quota, "requests.memory", asked(m, "memory"), more, out, ret_short);
    }
    if (some && !value_length(quotas))
        str_puts(out, "       no ResourceQuota in the namespace\n");
    some = list_if_allowed(k, "v1", "Node", &nodes, out, err);
    if (some <= 0)
        return some;
    double room = 0;
    for (size_t i = 0; i < value_length(nodes); i++) {
        double n = quantity(kube_at(value_at(nodes, i), "status", "allocatable", "pods"));
        room += isnan(n) ? 0 : n;
    }
    *ret_short += peak > room;
    str_printf(out, "       %zu node%s for %g pods of all namespaces%s\n", value_length(nodes),
        value_length(nodes) == 1 ? "" : "s", room, peak > room ? ": NOT ENOUGH" : "");
    return 0;
}
