#include "serve/refs.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/text.h"
#include "git/refname.h"

void ref_list_done(struct ref_list *list)
{
    vec_each (ref, &list->items)
        free(ref->name);
    vec_free(&list->items);
    mem_freep(&list->head);
    list->head = NULL;
}

void ref_events_done(struct ref_events *events)
{
    vec_each (event, &events->items)
        free(event->ref);
    vec_free(&events->items);
}

const char *ref_event_name(enum ref_event_kind kind)
{
    static const char *const names[] = {
        [REF_PUSH] = "push", [REF_TAG] = "tag", [REF_DELETE] = "delete"};
    return names[kind];
}

static bool id_ok(const char *id)
{
    return strlen(id) == REF_ID_SIZE - 1 && strspn(id, "0123456789abcdef") == REF_ID_SIZE - 1 &&
           strcmp(id, REF_ID_NONE) != 0;
}

static int by_name(const void *a, const void *b)
{
    const struct ref *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static int add(struct ref_list *list, const struct value *item, struct error *err)
{
    const char *name, *id;
    if (value_need_str(item, "name", &name, err) < 0 || value_need_str(item, "id", &id, err) < 0)
        return -1;
    if (!refname_ok(name) || (!refname_branch(name) && !refname_tag(name)) || !id_ok(id))
        return error_set(err, ERR_PROTOCOL, "a ref with a name or an id that davit does not take");
    struct ref *ref = vec_add(&list->items);
    ref->name = mem_strdup(name);
    memcpy(ref->id, id, REF_ID_SIZE);
    return 0;
}

static int parse(const struct value *listing, struct ref_list *list, struct error *err)
{
    const struct value *refs = value_get(listing, "refs");
    const char *head = value_get_str(listing, "head");
    if (value_type(refs) != VALUE_LIST)
        return error_set(err, ERR_PROTOCOL, "no list of refs");
    if (head && !refname_ok(head))
        return error_set(err, ERR_PROTOCOL, "a HEAD that davit does not take");
    for (size_t i = 0; i < value_length(refs); i++)
        if (add(list, value_at(refs, i), err) < 0)
            return -1;
    if (list->items.length)
        qsort(list->items.items, list->items.length, sizeof *list->items.items, by_name);
    for (size_t i = 1; i < list->items.length; i++)
        if (by_name(&list->items.items[i - 1], &list->items.items[i]) == 0)
            return error_set(err, ERR_PROTOCOL, "%s is listed twice", list->items.items[i].name);
    list->head = mem_strdup_opt(head);
    return 0;
}

int ref_list_parse(const struct value *listing, struct ref_list *ret, struct error *err)
{
    AUTO(ref_list) struct ref_list list = {0};
    if (parse(listing, &list, err) < 0)
        return error_wrap(err, "the listing of refs");
    *ret = list;
    list = (struct ref_list){0};
    return 0;
}

static void add_event(
    struct ref_events *out, const char *name, const char *before, const char *after)
{
    struct ref_event *event = vec_add(&out->items);
    event->ref = mem_strdup(name);
    event->branch = refname_branch(event->ref);
    event->tag = refname_tag(event->ref);
    bool gone = strcmp(after, REF_ID_NONE) == 0;
    event->kind = gone ? REF_DELETE : event->tag ? REF_TAG : REF_PUSH;
    memcpy(event->before, before, REF_ID_SIZE);
    memcpy(event->after, after, REF_ID_SIZE);
}

void ref_events_find(const struct ref_list *before, const struct ref_list *after,
    const struct trigger *trigger, struct ref_events *out)
{
    if (!before)
        return;
    const struct ref *then = before->items.items, *now = after->items.items;
    const struct ref *then_end = then + before->items.length, *now_end = now + after->items.length;
    while (then < then_end || now < now_end) {
        int order = then == then_end ? 1 : now == now_end ? -1 : strcmp(then->name, now->name);
        const char *name = order <= 0 ? then->name : now->name;
        const char *was = order <= 0 ? then++->id : REF_ID_NONE;
        const char *is = order >= 0 ? now++->id : REF_ID_NONE;
        if (strcmp(was, is) != 0 &&
            (!trigger || trigger_matches(trigger, refname_branch(name), refname_tag(name))))
            add_event(out, name, was, is);
    }
}
