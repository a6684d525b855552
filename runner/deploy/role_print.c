// A rollback as a script for whoever has kubectl and no davit.
#include <inttypes.h>

#include "deploy/kube_print.h"
#include "deploy/role_cluster.h"
#include "deploy/role_jobs.h"
#include "deploy/role_rollback.h"
#include "deploy/spec.h"
#include "os/clock.h"
#include "os/fd.h"

#define LINE_MAX 600

static int add_script(struct session *s, const char *title, const struct rollout *rollout,
    const struct release *fresh, struct str *out, struct error *err)
{
    const struct kube_script script = {
        .context = role_cluster_context(s->cluster),
        .title = title,
        .rollout = rollout,
        .fresh = fresh,
        .records = s->releases,
    };
    return kube_script_print(s->target, &script, out, err);
}

// The rollout under way has not come to its commit: back to what is live.
static int add_abort(struct session *s, struct str *out, struct error *err)
{
    const struct rollout *r = &s->seen.rollout;
    if (value_get_int(s->job, "to", 0))
        return error_set(err, ERR_CONFLICT,
            "release %" PRId64 " is on its way: without --to this prints how it is taken back, and "
            "the rest comes after it",
            r->to);
    if (!r->from)
        return error_set(err, ERR_NOT_FOUND,
            "release %" PRId64 " is the first: there is nothing to go back to", r->to);
    AUTO_FREE char *title =
        mem_printf("%s on kubernetes (context %s, namespace %s): release %" PRId64
                   " is taken back; release %" PRId64 " stays live",
            s->app, role_cluster_context(s->cluster), role_cluster_namespace(s->cluster), r->to,
            r->from);
    return add_script(s, title, r, NULL, out, err);
}

static int add_rollback(struct session *s, struct str *out, struct error *err)
{
    struct journey j;
    struct rollout rollout;
    AUTO(release) struct release live = {0}, to = {0};
    AUTO(str) struct str title;
    AUTO_FREE char *run = mem_printf("by-hand-%" PRId64, clock_unix_ms());
    str_init(&title, LINE_MAX);
    if (rollback_choose(s, &j, err) < 0 || rollback_check(s, &j, err) < 0)
        return -1;
    int any = session_live(s, &live, err);
    if (any < 0 || rollback_release(s, &j, run, any ? &live : NULL, &to, err) < 0)
        return -1;
    to.revision = value_get_int(value_at(s->releases, 0), "revision", 0) + 1;
    if (spec_rollout(&to, any ? &live : NULL, true, &s->target->ops->caps, &rollout, err) < 0)
        return -1;
    rollback_print_journey(s, &j, &title);
    str_printf(&title, ", as release %" PRId64, to.revision);
    return add_script(s, title.data, &rollout, &to, out, err);
}

int session_print_rollback(
    struct session *s, const struct ipc_fds *fds, struct value **ret_result, struct error *err)
{
    AUTO(str) struct str text;
    str_init(&text, STR_TEXT_MAX);
    if (!s->cluster)
        return error_set(err, ERR_UNSUPPORTED,
            "%s is on this host: what would roll it back by hand is not kubectl", s->app);
    if (fds->count != 1)
        return error_set(err, ERR_PROTOCOL, "print_rollback: there is no file to print to");
    if (session_look(s, err) < 0)
        return -1;
    bool before_commit = session_under_way(s) && s->seen.live == s->seen.rollout.from;
    if ((before_commit ? add_abort(s, &text, err) : add_rollback(s, &text, err)) < 0 ||
        fd_write_all(fds->fd[0], text.data, text.length, err) < 0)
        return -1;
    *ret_result = value_map();
    return 0;
}
