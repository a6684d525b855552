#include "engine/schedule.h"

void schedule_done(struct schedule *s)
{
    vec_each (node, &s->nodes)
        vec_free(&node->needs);
    vec_free(&s->nodes);
}

static bool ended(const struct node *n)
{
    return n->state != NODE_WAITING && n->state != NODE_RUNNING;
}

static void skip(struct node *n, enum skip_reason why, size_t by)
{
    n->state = NODE_SKIPPED;
    n->skipped = why;
    n->by = by;
}

// Marks every node that needs `index`, directly or not.
static void mark_dependents(const struct schedule *s, size_t index, bool *marked)
{
    marked[index] = true;
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < s->nodes.length; i++)
            vec_each (need, &s->nodes.items[i].needs)
                if (marked[*need] && !marked[i])
                    marked[i] = more = true;
    }
}

void schedule_prepare(struct schedule *s)
{
    vec_each (n, &s->nodes)
        n->last_resort = n->on_failure && !n->on_success && n->needs.length == 0;
    for (size_t i = 0; i < s->nodes.length; i++) {
        struct node *n = &s->nodes.items[i];
        if (!n->last_resort)
            continue;
        AUTO_FREE bool *dependents = mem_array(s->nodes.length, sizeof *dependents);
        mark_dependents(s, i, dependents);
        for (size_t j = 0; j < s->nodes.length; j++)
            if (!dependents[j] && !s->nodes.items[j].last_resort)
                vec_push(&n->needs, j);
    }
}

// How the needs of a node stand: all ended, whether any failed or was skipped because of a failure,
// and one of each.
struct verdict {
    bool ready;
    bool any_failed, any_skipped;
    size_t failed, skipped;
};

static void judge(const struct schedule *s, size_t index, struct verdict *v)
{
    const struct node *n = &s->nodes.items[index];
    if (!ended(n))
        v->ready = false;
    else if (n->state == NODE_FAILED && !v->any_failed) {
        v->any_failed = true;
        v->failed = index;
    } else if (n->state == NODE_SKIPPED && n->skipped != SKIP_NOTHING_FAILED && !v->any_skipped) {
        v->any_skipped = true;
        v->skipped = index;
        v->any_failed |=
            n->skipped == SKIP_NEED_FAILED; // a failure further up counts for `failure`
        v->failed = v->any_failed && n->skipped == SKIP_NEED_FAILED ? n->by : v->failed;
    }
}

static struct verdict judge_needs(const struct schedule *s, const struct node *n)
{
    struct verdict v = {.ready = true};
    vec_each (need, &n->needs)
        judge(s, *need, &v);
    if (n->last_resort)
        v.any_skipped = false; // it waits for everybody and depends on nobody
    return v;
}

// Whether a ready node runs; otherwise it is skipped here.
static bool admit(struct node *n, const struct verdict *v)
{
    if (v->any_failed && n->on_failure)
        return true;
    if (v->any_failed)
        skip(n, SKIP_NEED_FAILED, v->failed);
    else if (v->any_skipped)
        skip(n, SKIP_NEED_SKIPPED, v->skipped);
    else if (!n->on_success)
        skip(n, SKIP_NOTHING_FAILED, 0);
    else
        return true;
    return false;
}

bool schedule_next(struct schedule *s, size_t *ret)
{
    // A skip may make an earlier node ready (needs may point forward in the file), so look again
    // after one.
    for (bool again = true; again;) {
        again = false;
        for (size_t i = 0; i < s->nodes.length; i++) {
            struct node *n = &s->nodes.items[i];
            if (n->state != NODE_WAITING)
                continue;
            struct verdict v = judge_needs(s, n);
            if (!v.ready)
                continue;
            if (admit(n, &v)) {
                *ret = i;
                return true;
            }
            again = true;
        }
    }
    return false;
}

void schedule_started(struct schedule *s, size_t index)
{
    s->nodes.items[index].state = NODE_RUNNING;
}

void schedule_ended(struct schedule *s, size_t index, bool success)
{
    s->nodes.items[index].state = success ? NODE_SUCCESS : NODE_FAILED;
}

void schedule_cancel(struct schedule *s)
{
    vec_each (n, &s->nodes)
        if (n->state == NODE_WAITING)
            skip(n, SKIP_CANCELLED, 0);
}

bool schedule_finished(const struct schedule *s)
{
    vec_each (n, &s->nodes)
        if (!ended(n))
            return false;
    return true;
}
