// A session's rollout, driven: what is told on the way, and what is told of it afterwards.
#include <inttypes.h>
#include <string.h>

#include "codec/role.h"
#include "deploy/prober.h"
#include "deploy/releases.h"
#include "deploy/report.h"
#include "deploy/role_cluster.h"
#include "deploy/role_session.h"
#include "deploy/wire.h"
#include "net/http_curl.h"

#define EXPLAINED_MAX ((size_t)16 << 10)
#define VERDICTS_MAX  50                  // that passed, and that did not
#define RESULT_MAX    ((size_t)100 << 10) // a packet is a little more
#define SHORT_REPORT  20                  // lines of one that would not fit

struct telling {
    struct session *s;
    struct driven *d;
    enum phase phase; // as told last
    int index;
};

static const char *const phase_words[] = {
    [PHASE_NONE] = "",
    [PHASE_FORWARD] = "",
    [PHASE_BACK] = "going back, ",
    [PHASE_SETTLE_OLD] = "settling, ",
    [PHASE_SETTLE_NEW] = "settling, ",
};

// While its instances are still there to be asked.
static void explain(struct telling *t)
{
    struct target *target = t->s->target;
    if (t->d->explained.length == 0)
        target->ops->explain(target, t->d->rollout.to, &t->d->explained, NULL);
}

static const char *hook_name(const struct session *s, int64_t release, int number)
{
    const struct value *hooks = value_get(releases_find(s->releases, release), "hooks");
    const struct value *before = value_get(hooks, "before"), *after = value_get(hooks, "after");
    size_t index = (size_t)number - 1, first = value_length(before);
    const char *name = value_get_str(
        index < first ? value_at(before, index) : value_at(after, index - first), "job");
    return name ? name : "?";
}

static void tell_step(void *arg, enum phase phase, int index, const struct step *step)
{
    struct telling *t = arg;
    if (phase != PHASE_FORWARD)
        explain(t);
    if (phase == t->phase && index == t->index) // the same once more
        return;
    t->phase = phase;
    t->index = index;
    AUTO(program) struct program program = {0};
    AUTO(str) struct str text;
    str_init(&text, 200);
    phase_program(&t->d->rollout, phase, &program);
    step_print(step, &text);
    if (step->hook)
        str_printf(&text, " (%s)", hook_name(t->s, t->d->rollout.to, step->hook));
    role_log(t->s->worker, "%sstep %d of %zu: %s", phase_words[phase], index + 1,
        program.steps.length, text.data);
}

static void tell_note(void *arg, const char *line)
{
    struct telling *t = arg;
    role_log(t->s->worker, "%s", line);
}

// The gates are those of the release that is rolled out; a rollback has none.
static int drive(struct session *s, struct driven *d, struct error *err)
{
    AUTO(release) struct release to = {0};
    const struct value *record = releases_find(s->releases, d->rollout.to);
    if (record && release_from_value(record, &to, err) < 0)
        return -1;
    if (!record && session_under_way(s))
        return error_set(err, ERR_PROTOCOL,
            "release %" PRId64 ", which is rolled out, has no record", d->rollout.to);
    if (!s->http && !(s->http = http_curl_new(s->loop, err)))
        return -1;
    AUTO(prober)
    struct prober *gates =
        prober_new(s->loop, s->http, s->target, &to.gates.before_switch, &to.gates.after_switch);
    struct telling telling = {.s = s, .d = d, .index = -1};
    const struct drive_events events = {.arg = &telling, .step = tell_step, .note = tell_note};
    const struct drive driver = {
        .target = s->target,
        .epoch = s->epoch,
        .gates = gates,
        .events = &events,
        .decide = decide,
    };
    return drive_rollout(&driver, &d->result, err);
}

// The record says it for good; what this driver knows is for a target that does not answer now.
static void take_record(const struct session *s, struct driven *d)
{
    const struct value *record = releases_find(s->releases, d->rollout.to);
    const struct value *times = value_get(record, "times");
    if (times)
        times_from_value(times, &d->result.times, NULL);
    const char *reason = value_get_str(record, "reason");
    if (d->result.outcome != OUTCOME_PENDING && reason) {
        size_t length = strnlen(reason, sizeof d->result.position.reason - 1);
        memcpy(d->result.position.reason, reason, length);
        d->result.position.reason[length] = '\0';
    }
}

int session_drive(struct session *s, bool mine, struct driven *ret, struct error *err)
{
    ret->rollout = s->seen.rollout;
    str_init(&ret->explained, EXPLAINED_MAX);
    if (mine && session_cancelled(s))
        session_abort(s);
    s->aborts = mine;
    int status = drive(s, ret, err);
    s->aborts = false;
    loop_timer_stop(&s->abort_again);
    if (status < 0)
        return -1;
    struct error unheard;
    ret->looked = session_look(s, &unheard) == 0;
    take_record(s, ret);
    return 0;
}

void driven_done(struct driven *d)
{
    drive_result_done(&d->result);
    str_done(&d->explained);
}

// --- results ---

const char *driven_outcome(const struct driven *d)
{
    enum outcome outcome = d->result.outcome;
    return outcome == OUTCOME_PENDING ? "parked" : outcome_name(outcome);
}

static struct value *some_verdicts(const struct value *all)
{
    size_t count[2] = {0};
    struct value *some = value_list();
    for (size_t i = 0; i < value_length(all); i++) {
        struct value *v = value_at(all, i);
        if (count[value_get_bool(v, "passed", false)]++ < VERDICTS_MAX)
            value_append(some, value_share(v));
    }
    return some;
}

// What was printed by an app may be long once it is escaped.
static void make_fit(struct value *result)
{
    AUTO_FREE char *text = value_print(result);
    if (strlen(text) <= RESULT_MAX)
        return;
    const struct value *lines = value_get(result, "report");
    struct value *head = value_list();
    for (size_t i = 0; i < value_length(lines) && i < SHORT_REPORT; i++)
        value_append(head, value_share(value_at(lines, i)));
    value_set(result, "report", head);
    value_set(result, "verdicts", NULL);
}

void session_say_place(const struct session *s, struct value *result)
{
    value_set_str(result, "named", s->named);
    value_set_str(result, "target", s->target->ops->name);
    if (!s->cluster)
        return;
    value_set_str(result, "context", role_cluster_context(s->cluster));
    value_set_str(result, "namespace", role_cluster_namespace(s->cluster));
}

struct value *session_result(const struct session *s, const struct driven *d, const char *headline)
{
    struct value *result = value_map();
    const char *reason = d->result.position.reason;
    bool paused = d->looked && s->seen.pause_requested;
    AUTO_FREE char *waits =
        mem_printf("waits for `davit %s %s`", paused ? "resume" : "promote", s->named);
    if (d->result.outcome == OUTCOME_PENDING)
        reason = waits;
    else if (d->result.outcome == OUTCOME_SUCCESS)
        reason = "";
    struct report report = {
        .app = s->named,
        .outcome = driven_outcome(d),
        .reason = reason,
        .headline = headline,
        .rollout = &d->rollout,
        .times = d->result.times,
        .verdicts = d->result.verdicts,
        .releases = s->releases,
        .refused = s->refused,
        .seen = d->looked ? &s->seen : NULL,
        .explained = d->explained.data,
    };
    value_set_str(result, "outcome", report.outcome);
    if (*reason)
        value_set_str(result, "reason", reason);
    value_set_str(result, "app", s->app);
    session_say_place(s, result);
    value_set_int(result, "release", d->rollout.to);
    value_set(result, "times", times_to_value(&d->result.times));
    value_set(result, "verdicts", some_verdicts(d->result.verdicts));
    value_set(result, "report", report_lines(&report));
    make_fit(result);
    return result;
}

struct value *session_result_plain(const struct session *s, const char *outcome, const char *reason)
{
    struct value *result = value_map(), *lines = value_list();
    value_set_str(result, "outcome", outcome);
    value_set_str(result, "reason", reason);
    value_set_str(result, "app", s->app);
    session_say_place(s, result);
    bool fine = strcmp(outcome, "success") == 0;
    AUTO_FREE char *line = mem_printf("%s%s%s", fine ? "" : outcome, fine ? "" : ": ", reason);
    value_append_str(lines, line);
    value_set(result, "report", lines);
    return result;
}
