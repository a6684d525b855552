// Rolling a new release out, and going on with what a dead runner left.
#include <inttypes.h>
#include <string.h>

#include "codec/role.h"
#include "deploy/releases.h"
#include "deploy/role_jobs.h"
#include "deploy/role_release.h"
#include "os/clock.h"
#include "os/fd.h"

#define DOCUMENT_MAX ((size_t)16 << 20)
#define DYING_LOOKS  40
#define TOLD_FROM_MS 5000 // who waits longer wants to know for what

// The document that came with the job; NULL when there was none.
static int read_document(const struct ipc_fds *fds, struct value **ret, struct error *err)
{
    AUTO(str) struct str text;
    str_init(&text, DOCUMENT_MAX);
    if (!fds->count)
        return 0;
    if (fd_read_all(fds->fd[0], &text, err) < 0)
        return error_wrap(err, "the job's document");
    *ret = value_parse(text.data, text.length, err);
    explicit_bzero(text.data, text.length);
    return *ret ? 0 : error_wrap(err, "the job's document");
}

// The commit stands on the refused list: a result, and nothing was touched. Else NULL.
static struct value *refuse(const struct session *s)
{
    char when[CLOCK_TEXT_MAX];
    const char *commit = session_text(s, "commit");
    const struct value *entry = refused_find(s->refused, commit);
    if (!entry)
        return NULL;
    const char *why = value_get_str(entry, "reason");
    AUTO_FREE char *reason =
        mem_printf("commit %.12s is refused since %s: %s; `davit allow %s %.12s` lifts it", commit,
            clock_print(value_get_int(entry, "unix_ms", 0), when),
            why && *why ? why : "no reason was recorded", s->named, commit);
    return session_result_plain(s, "refused", reason);
}

static int parked(const struct session *s, struct error *err)
{
    bool paused = s->seen.pause_requested;
    return error_set(err, ERR_CONFLICT,
        "release %" PRId64 " of %s (run %s) %s: `davit %s %s` or `davit abort %s` first",
        s->seen.rollout.to, s->app, s->seen.rollout.run,
        paused ? "is paused" : "waits for its promotion", paused ? "resume" : "promote", s->named,
        s->named);
}

// The claim is ours, so whoever drove the rollout under way has died.
static int end_foreign(struct session *s, struct error *err)
{
    if (!session_under_way(s))
        return 0;
    if (session_parked(s))
        return parked(s, err);
    role_log(s->worker,
        "release %" PRId64 " (run %s) was left under way by its runner: that rollout is driven to "
        "its end first",
        s->seen.rollout.to, s->seen.rollout.run);
    AUTO(driven) struct driven d = {0};
    if (session_drive(s, false, &d, err) < 0)
        return -1;
    if (d.result.outcome == OUTCOME_PENDING)
        return parked(s, err);
    role_log(s->worker, "release %" PRId64 " (run %s): %s; now this one", d.rollout.to,
        d.rollout.run, driven_outcome(&d));
    return d.looked ? 0 : session_look(s, err);
}

static int journal_release(struct session *s, const struct release *release, struct error *err)
{
    struct value *event = value_map();
    value_set_str(event, "event", "release");
    value_set_str(event, "app", s->app);
    value_set_int(event, "revision", release->revision);
    return rpc_call(s->worker, "journal", event, NULL, 0, RPC_WAIT_FOREVER, NULL, NULL, err);
}

static int roll_out(
    struct session *s, const struct ipc_fds *fds, struct value **ret_result, struct error *err)
{
    AUTO(release) struct release live = {0}, to = {0};
    AUTO(value) struct value *document = NULL;
    AUTO(value) struct value *secrets = NULL;
    AUTO(driven) struct driven d = {0};
    *ret_result = refuse(s); // by now: a rollout of the same commit may have failed before ours
    if (*ret_result)
        return 0;
    int any = session_live(s, &live, err);
    if (any < 0 || read_document(fds, &document, err) < 0 ||
        role_release(s, document, any ? &live : NULL, &to, &secrets, err) < 0)
        return -1;
    if (session_cancelled(s)) {
        *ret_result = session_result_plain(s, "cancelled", "before the rollout began");
        return 0;
    }
    if (session_put(s, &to, secrets, 0, err) < 0 || journal_release(s, &to, err) < 0)
        return -1;
    role_log(s->worker, "release %" PRId64 " of %s: %s, %d instance%s, slot %s", to.revision,
        s->app, strategy_names[to.strategy.kind], to.instances, to.instances == 1 ? "" : "s",
        slot_name(to.slot));
    if (session_begin(s, &to, any ? &live : NULL, false, err) < 0 ||
        session_drive(s, true, &d, err) < 0)
        return -1;
    *ret_result = session_result(s, &d, NULL);
    return 0;
}

int session_deploy(
    struct session *s, const struct ipc_fds *fds, struct value **ret_result, struct error *err)
{
    if (session_look(s, err) < 0)
        return -1;
    *ret_result = refuse(s);
    if (*ret_result)
        return 0;
    if (session_claim(s, session_text(s, "run"), false, err) < 0 || session_look(s, err) < 0 ||
        end_foreign(s, err) < 0)
        return -1;
    return roll_out(s, fds, ret_result, err);
}

// Does the last rollout, under way or ended, belong to the run whose role died?
static bool is_own(const struct session *s)
{
    return s->seen.rollout.to && strcmp(s->seen.rollout.run, session_text(s, "run")) == 0;
}

// A runner that was killed a moment ago may still seem to hold the app: its sandbox dies after it,
// and the daemon asks at once. One that lives is still there when the time is over.
int session_claim_from_the_dead(struct session *s, const char *run, struct error *err)
{
    struct target *t = s->target;
    int64_t end = t->ops->now(t) + t->ops->caps.takeover_ms;
    for (bool told = false; session_claim(s, run, false, err) < 0; told = true) {
        int64_t now = t->ops->now(t);
        if (err->kind != ERR_CONFLICT || now >= end)
            return -1;
        if (!told && t->ops->caps.takeover_ms > TOLD_FROM_MS)
            role_log(s->worker, "%s; if that one has died, its claim runs out within %" PRId64 " s",
                err->message, t->ops->caps.takeover_ms / 1000);
        if (t->ops->wait(t, now + t->ops->caps.takeover_ms / DYING_LOOKS, err) < 0)
            return -1;
    }
    return 0;
}

// A pause that a person has asked for is over: 1 when whoever drives the rollout goes on by
// themselves, and *ret_result says so.
static int end_pause(struct session *s, struct value **ret_result, struct error *err)
{
    struct target *t = s->target;
    if (session_look(s, err) < 0)
        return -1;
    if (!session_under_way(s) || !s->seen.pause_requested)
        return 0;
    if (t->ops->request(t, "resume", s->who, err) < 0)
        return -1;
    if (!s->seen.holder[0])
        return 0;
    AUTO_FREE char *line = mem_printf("the rollout of release %" PRId64
                                      " (run %s) is driven by %s, who goes on with it",
        s->seen.rollout.to, s->seen.rollout.run, s->seen.holder);
    *ret_result = session_result_plain(s, "success", line);
    return 1;
}

int session_resume(
    struct session *s, const struct ipc_fds *fds, struct value **ret_result, struct error *err)
{
    AUTO_FREE char *id = mem_printf("resume-%" PRId64, clock_unix_ms());
    bool deploys = value_get(s->job, "spec") != NULL;
    AUTO(driven) struct driven d = {0};
    int goes_on = deploys ? 0 : end_pause(s, ret_result, err);
    if (goes_on)
        return goes_on < 0 ? -1 : 0;
    if (session_claim_from_the_dead(s, deploys ? session_text(s, "run") : id, err) < 0 ||
        session_look(s, err) < 0)
        return -1;
    if (deploys && !is_own(s))
        return end_foreign(s, err) < 0 ? -1 : roll_out(s, fds, ret_result, err);
    if (!s->seen.rollout.to)
        return error_set(err, ERR_NOT_FOUND, "nothing was ever deployed as %s", s->app);
    if (session_drive(s, true, &d, err) < 0)
        return -1;
    *ret_result = session_result(s, &d, NULL);
    return 0;
}
