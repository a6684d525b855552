// Words left with the target: whoever drives the rollout obeys them, and when nobody drives it, we
// do.
#include <inttypes.h>

#include "codec/role.h"
#include "deploy/decide.h"
#include "deploy/role_jobs.h"
#include "os/clock.h"

// The claim: 1; 0 when somebody else drives.
static int claim_if_free(struct session *s, const char *what, struct error *err)
{
    struct error why = {0};
    AUTO_FREE char *run = mem_printf("%s-%" PRId64, what, clock_unix_ms());
    if (session_claim(s, run, false, &why) == 0)
        return 1;
    if (why.kind == ERR_CONFLICT)
        return 0;
    *err = why;
    return -1;
}

// Leaves the word, and drives the rollout if nobody does: 1. 0: somebody does, and *ret_result says
// so.
static int request(struct session *s, const char *what, const char *driver_does, struct driven *d,
    struct value **ret_result, struct error *err)
{
    struct target *t = s->target;
    if (t->ops->request(t, what, s->who, err) < 0)
        return -1;
    int ours = claim_if_free(s, what, err);
    if (ours < 0 || session_look(s, err) < 0)
        return -1;
    if (ours)
        return session_drive(s, false, d, err) < 0 ? -1 : 1;
    AUTO_FREE char *line =
        mem_printf("the rollout of release %" PRId64 " (run %s) is driven by %s, "
                   "who %s",
            s->seen.rollout.to, s->seen.rollout.run,
            s->seen.holder[0] ? s->seen.holder : "somebody else", driver_does);
    *ret_result = session_result_plain(s, "success", line);
    return 0;
}

static int check_under_way(struct session *s, struct error *err)
{
    if (session_look(s, err) < 0)
        return -1;
    return session_under_way(s)
               ? 0
               : error_set(err, ERR_USAGE, "no rollout of %s is under way", s->app);
}

int session_do_abort(
    struct session *s, const struct ipc_fds *fds, struct value **ret_result, struct error *err)
{
    (void)fds;
    AUTO(driven) struct driven d = {0};
    if (check_under_way(s, err) < 0)
        return -1;
    int ours = request(s, "abort", "takes it back now", &d, ret_result, err);
    if (ours <= 0)
        return ours;
    // To go back is what was asked for. That it went forward all the same is a failure.
    enum outcome how = d.result.outcome;
    AUTO_FREE char *line = mem_printf("release %" PRId64 " of %s %s (%s)", d.rollout.to, s->app,
        how == OUTCOME_SUCCESS ? "was live before the abort came" : "was taken back",
        driven_outcome(&d));
    if (how == OUTCOME_CANCELLED || how == OUTCOME_ROLLED_BACK || how == OUTCOME_FAILED)
        d.result.outcome = OUTCOME_SUCCESS;
    *ret_result = session_result(s, &d, line);
    if (how == OUTCOME_SUCCESS) {
        value_set_str(*ret_result, "outcome", "failed");
        value_set_str(*ret_result, "reason", line);
    }
    return 0;
}

static int check_promotable(struct session *s, struct error *err)
{
    if (check_under_way(s, err) < 0)
        return -1;
    if (s->seen.position.phase != PHASE_FORWARD)
        return error_set(err, ERR_CONFLICT, "release %" PRId64 " of %s is going back already: %s",
            s->seen.rollout.to, s->app, s->seen.position.reason);
    AUTO(program) struct program program;
    if (snapshot_check(&s->seen, err) < 0)
        return -1;
    program_forward(&s->seen.rollout, &program);
    const struct step *step = &program.steps.items[s->seen.position.step];
    if (step->kind == STEP_PAUSE || step->kind == STEP_GATE) // which may be held
        return 0;
    AUTO(str) struct str text;
    str_init(&text, 200);
    step_print(step, &text);
    return error_set(err, ERR_USAGE,
        "the rollout of release %" PRId64 " of %s does not pause now (step %d of %zu: %s): there "
        "is nothing to promote",
        s->seen.rollout.to, s->app, s->seen.position.step + 1, program.steps.length, text.data);
}

int session_do_promote(
    struct session *s, const struct ipc_fds *fds, struct value **ret_result, struct error *err)
{
    (void)fds;
    AUTO(driven) struct driven d = {0};
    if (check_promotable(s, err) < 0)
        return -1;
    int ours = request(s, "promote", "goes on with it", &d, ret_result, err);
    if (ours > 0)
        *ret_result = session_result(s, &d, NULL);
    return ours < 0 ? -1 : 0;
}

// Whoever drives stops at the end of the step; where nobody does, nobody goes on.
int session_do_pause(
    struct session *s, const struct ipc_fds *fds, struct value **ret_result, struct error *err)
{
    (void)fds;
    struct target *t = s->target;
    if (check_under_way(s, err) < 0)
        return -1;
    const struct rollout *r = &s->seen.rollout;
    if (s->seen.position.phase != PHASE_FORWARD || s->seen.live == r->to)
        return error_set(err, ERR_CONFLICT, "release %" PRId64 " of %s %s: that is not paused",
            r->to, s->app,
            s->seen.live == r->to ? "is live already, and what is left is cleaned up"
                                  : "is going back");
    if (t->ops->request(t, "pause", s->who, err) < 0)
        return -1;
    AUTO_FREE char *line = mem_printf("release %" PRId64 " (run %s) pauses %s: `davit resume %s` "
                                      "goes on, `davit abort %s` takes it back",
        r->to, r->run, s->seen.holder[0] ? "after the step that it is at" : "where it stands",
        s->named, s->named);
    *ret_result = session_result_plain(s, "success", line);
    return 0;
}

int session_do_allow(
    struct session *s, const struct ipc_fds *fds, struct value **ret_result, struct error *err)
{
    (void)fds;
    (void)ret_result;
    const char *commit;
    if (value_need_str(s->job, "commit", &commit, err) < 0)
        return -1;
    return s->target->ops->allow(s->target, commit, err);
}

int session_do_down(
    struct session *s, const struct ipc_fds *fds, struct value **ret_result, struct error *err)
{
    (void)fds;
    (void)ret_result;
    AUTO_FREE char *run = mem_printf("down-%" PRId64, clock_unix_ms());
    if (session_claim(s, run, true, err) < 0)
        return -1;
    role_log(s->worker, "its instances drain, then they end");
    return s->target->ops->down(s->target, s->epoch, err);
}
