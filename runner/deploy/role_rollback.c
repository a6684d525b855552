// Back to an earlier release.
#include <inttypes.h>
#include <string.h>

#include "codec/role.h"
#include "deploy/releases.h"
#include "deploy/role_cluster.h"
#include "deploy/role_jobs.h"
#include "deploy/role_rollback.h"
#include "deploy/spec.h"
#include "os/clock.h"

#define LINE_MAX 600

int rollback_choose(const struct session *s, struct journey *ret, struct error *err)
{
    int64_t to = value_get_int(s->job, "to", 0);
    ret->from = s->seen.live;
    ret->target = releases_choose(s->releases, s->refused, s->seen.live, to, err);
    if (!ret->target)
        return error_wrap(err, "%s", s->app);
    ret->to = value_get_int(ret->target, "revision", 0);
    return 0;
}

static int deny(const struct session *s, const struct value *crossed, const char *hook, int64_t to,
    struct error *err)
{
    const char *commit = value_get_str(crossed, "commit");
    return error_set(err, ERR_DENIED,
        "release %" PRId64 " was made before hook %s of release %" PRId64 " (commit %.12s), which "
        "is irreversible and has run: `davit rollback %s --past-migration` goes back across it",
        to, hook, value_get_int(crossed, "revision", 0), commit && *commit ? commit : "unknown",
        s->named);
}

// Nobody goes back across an irreversible hook without having said so.
static int check_fence(const struct session *s, int64_t from, int64_t to, struct error *err)
{
    const char *hook;
    const struct value *crossed = releases_fence(s->releases, from, to, &hook);
    if (!crossed || value_get_bool(s->job, "past_migration", false))
        return 0;
    return deny(s, crossed, hook, to, err);
}

// What would be found out only once its instances are to start, and what a person has to say first.
int rollback_check(struct session *s, const struct journey *j, struct error *err)
{
    AUTO(value) struct value *missing = NULL;
    if (s->target->ops->release_check(s->target, j->to, &missing, err) < 0)
        return -1;
    if (value_length(missing) == 0)
        return check_fence(s, j->from, j->to, err);
    return error_set(err, ERR_FAILED, "release %" PRId64 " cannot be gone back to: %s%s", j->to,
        value_text(value_at(missing, 0)), value_length(missing) > 1 ? ", and more" : "");
}

static void print_end(const struct session *s, int64_t revision, struct str *out)
{
    const struct value *record = releases_find(s->releases, revision);
    if (!revision) {
        str_puts(out, "nothing");
        return;
    }
    str_printf(out, "release %" PRId64, revision);
    if (record) {
        str_puts(out, " (");
        release_print_short(record, out);
        str_putc(out, ')');
    }
}

// "gin-app: "; on Kubernetes "gin-app on kubernetes (context lab, namespace gin): "
static void print_place(const struct session *s, struct str *out)
{
    str_puts(out, s->app);
    if (s->cluster)
        str_printf(out, " on kubernetes (context %s, namespace %s)",
            role_cluster_context(s->cluster), role_cluster_namespace(s->cluster));
    str_puts(out, ": ");
}

// "gin-app: release 7 (commit …, image …) → release 3 (commit …, image …)"
void rollback_print_journey(const struct session *s, const struct journey *j, struct str *out)
{
    print_place(s, out);
    print_end(s, j->from, out);
    str_puts(out, " → ");
    print_end(s, j->to, out);
}

int rollback_release(const struct session *s, const struct journey *j, const char *run,
    const struct release *live, struct release *ret, struct error *err)
{
    AUTO(release) struct release earlier = {0};
    AUTO_FREE char *plain = mem_printf("back to release %" PRId64, j->to);
    AUTO_FREE char *why =
        *session_text(s, "why") ? mem_printf("%s: %s", plain, session_text(s, "why")) : NULL;
    const struct spec_origin origin = {
        .commit = "",
        .who = s->who,
        .why = why ? why : plain,
        .run = run,
        .trace_id = "",
        .created_unix_ms = clock_unix_ms(),
    };
    if (release_from_value(j->target, &earlier, err) < 0)
        return -1;
    return spec_again(&earlier, &origin, live, &s->target->ops->caps, ret, err);
}

// --- without doing it ---

static void describe(
    const struct session *s, const char *what, int64_t revision, struct value *lines)
{
    char when[CLOCK_TEXT_MAX];
    const struct value *r = releases_find(s->releases, revision);
    const char *who = value_get_str(r, "who"), *slot = value_get_str(r, "slot");
    AUTO(str) struct str line;
    str_init(&line, LINE_MAX);
    str_printf(&line, "  %s ", what);
    print_end(s, revision, &line);
    if (r)
        str_printf(&line, ", of %s by %s, slot %s",
            clock_print(value_get_int(r, "created_unix_ms", 0), when), who ? who : "?",
            slot ? slot : "?");
    value_append_str(lines, line.data);
}

static void add_text(struct value *lines, const char *text)
{
    AUTO_FREE char *copy = mem_strdup(text);
    char *rest = copy;
    for (char *line; rest && *rest && (line = strsep(&rest, "\n"));)
        value_append_str(lines, line);
}

static int add_program(const struct session *s, const struct journey *j, struct value *result,
    struct value *lines, struct error *err)
{
    AUTO(release) struct release live = {0}, to = {0};
    AUTO(program) struct program program = {0};
    AUTO(str) struct str table;
    struct rollout rollout;
    str_init(&table, STR_TEXT_MAX);
    int any = session_live(s, &live, err);
    if (any < 0 || rollback_release(s, j, "dry-run", any ? &live : NULL, &to, err) < 0)
        return -1;
    to.revision = value_get_int(value_at(s->releases, 0), "revision", 0) + 1;
    if (spec_rollout(&to, any ? &live : NULL, true, &s->target->ops->caps, &rollout, err) < 0)
        return -1;
    program_forward(&rollout, &program);
    program_print(&program, &rollout, &table);
    add_text(lines, table.data);
    value_set(result, "program", program_to_value(&program, &rollout));
    return 0;
}

static void set_journey(struct value *result, const struct journey *j)
{
    value_set_int(result, "from", j->from);
    value_set_int(result, "to", j->to);
}

static int dry_run(struct session *s, struct value **ret_result, struct error *err)
{
    struct journey j;
    AUTO(str) struct str line;
    AUTO(value) struct value *result = value_map();
    str_init(&line, LINE_MAX);
    if (session_look(s, err) < 0 || rollback_choose(s, &j, err) < 0 ||
        rollback_check(s, &j, err) < 0)
        return -1;
    struct value *lines = value_list();
    value_set(result, "report", lines);
    value_set_str(result, "outcome", "success");
    value_set_str(result, "app", s->app);
    session_say_place(s, result);
    set_journey(result, &j);
    rollback_print_journey(s, &j, &line);
    value_append_str(lines, line.data);
    describe(s, "from", j.from, lines);
    describe(s, "to  ", j.to, lines);
    if (session_under_way(s)) {
        AUTO_FREE char *first =
            mem_printf("  first: the rollout of release %" PRId64 " (run %s) is taken back",
                s->seen.rollout.to, s->seen.rollout.run);
        value_append_str(lines, first);
    }
    if (add_program(s, &j, result, lines, err) < 0)
        return -1;
    value_append_str(lines, "  nothing was changed");
    *ret_result = take_ptr(result);
    return 0;
}

// --- doing it ---

// What the person wants to be live: the release that is named, or, when a rollout has not come to
// its commit, the one that it was to replace. -1: it takes a choice.
static int64_t wanted(const struct session *s)
{
    const struct rollout *r = &s->seen.rollout;
    int64_t to = value_get_int(s->job, "to", 0);
    bool untouched = s->seen.live == r->from && r->strategy != STRATEGY_ROLLBACK;
    return to ? to : untouched ? r->from : -1;
}

// What would be refused once the app was taken from its driver. How far a rollout under way has
// come with its hooks, its record does not say yet.
static int check_way(const struct session *s, struct error *err)
{
    struct journey j;
    const struct rollout *r = &s->seen.rollout;
    int64_t want = wanted(s);
    if (!session_under_way(s))
        return rollback_choose(s, &j, err) < 0 ? -1 : check_fence(s, j.from, j.to, err);
    const struct value *record = releases_find(s->releases, r->to);
    const char *hook = release_irreversible(record, s->seen.hooks_begun);
    if (want < 0 || want >= r->to)
        return 0;
    if (hook && !value_get_bool(s->job, "past_migration", false))
        return deny(s, record, hook, want, err);
    return check_fence(s, r->from, want, err);
}

// What is under way is a rollback as well, and nobody has named another release.
static bool is_the_same(const struct session *s)
{
    return s->seen.rollout.strategy == STRATEGY_ROLLBACK && !value_get_int(s->job, "to", 0);
}

static void print_preempted(
    const struct session *s, const struct driven *d, bool same, struct str *out)
{
    print_place(s, out);
    if (same)
        str_printf(out, "the rollback of run %s was under way, and is done: ", d->rollout.run);
    else
        str_printf(out,
            "release %" PRId64 " was taken back (%s); live as before it: ", d->rollout.to,
            driven_outcome(d));
    print_end(s, s->seen.live, out);
}

// Ends what is under way: takes it back, or brings it to its end if it goes where this one would.
// When that alone brings the app to where the person wants it, the result is made.
static int preempt(struct session *s, struct value **ret_result, struct error *err)
{
    AUTO(driven) struct driven d = {0};
    AUTO(str) struct str line;
    bool same = is_the_same(s);
    int64_t want = wanted(s);
    str_init(&line, LINE_MAX);
    role_log(s->worker, "the rollout of release %" PRId64 " (run %s) %s", s->seen.rollout.to,
        s->seen.rollout.run, same ? "is brought to its end" : "is taken back first");
    struct target *t = s->target;
    if (!same && t->ops->request(t, "abort", s->who, err) < 0 && err->kind != ERR_CONFLICT)
        return -1;
    if (session_drive(s, false, &d, err) < 0 || (!d.looked && session_look(s, err) < 0))
        return -1;
    bool there = same ? d.result.outcome == OUTCOME_SUCCESS
                      : s->seen.live == want && d.result.outcome != OUTCOME_ROLLBACK_FAILED;
    if (!there)
        return 0;
    print_preempted(s, &d, same, &line);
    d.result.outcome = OUTCOME_SUCCESS;
    *ret_result = session_result(s, &d, line.data);
    value_set_int(*ret_result, "release", s->seen.live);
    value_set_int(*ret_result, "from", same ? d.rollout.from : d.rollout.to);
    value_set_int(*ret_result, "to", s->seen.live);
    return 0;
}

static int go_back(struct session *s, const char *run, struct value **ret_result, struct error *err)
{
    struct journey j;
    AUTO(release) struct release live = {0}, to = {0};
    AUTO(driven) struct driven d = {0};
    AUTO(str) struct str line;
    str_init(&line, LINE_MAX);
    if (rollback_choose(s, &j, err) < 0 || rollback_check(s, &j, err) < 0)
        return -1;
    if (session_cancelled(s)) {
        *ret_result = session_result_plain(s, "cancelled", "before the rollback began");
        return 0;
    }
    rollback_print_journey(s, &j, &line);
    int any = session_live(s, &live, err);
    if (any < 0 || rollback_release(s, &j, run, any ? &live : NULL, &to, err) < 0 ||
        session_put(s, &to, NULL, to.secrets.length || to.manifest ? j.to : 0, err) < 0)
        return -1;
    str_printf(&line, ", as release %" PRId64, to.revision);
    if (*session_text(s, "why"))
        str_printf(&line, ": %s", session_text(s, "why"));
    role_log(s->worker, "%s", line.data);
    if (session_begin(s, &to, any ? &live : NULL, true, err) < 0 ||
        session_drive(s, true, &d, err) < 0)
        return -1;
    *ret_result = session_result(s, &d, line.data);
    set_journey(*ret_result, &j);
    return 0;
}

int session_rollback(
    struct session *s, const struct ipc_fds *fds, struct value **ret_result, struct error *err)
{
    (void)fds;
    AUTO_FREE char *run = mem_printf("rollback-%" PRId64, clock_unix_ms());
    if (value_get_bool(s->job, "dry_run", false))
        return dry_run(s, ret_result, err);
    // Who asks for what cannot be must not take the app from its driver.
    if (session_look(s, err) < 0 || check_way(s, err) < 0 || session_claim(s, run, true, err) < 0 ||
        session_look(s, err) < 0)
        return -1;
    if (session_under_way(s) && preempt(s, ret_result, err) < 0)
        return -1;
    return *ret_result ? 0 : go_back(s, run, ret_result, err);
}
