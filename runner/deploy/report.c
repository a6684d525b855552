#include "deploy/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "deploy/decide.h"
#include "deploy/releases.h"

#define LINE_MAX   1000
#define PASSED_MAX 12 // verdicts that are shown one by one
#define FAILED_MAX 12

const char *elapsed_print(int64_t ms, char buffer[static ELAPSED_TEXT_MAX])
{
    if (ms < 1000)
        snprintf(buffer, ELAPSED_TEXT_MAX, "%" PRId64 " ms", ms);
    else if (ms < 60000)
        snprintf(buffer, ELAPSED_TEXT_MAX, "%" PRId64 ".%d s", ms / 1000, (int)(ms % 1000 / 100));
    else
        snprintf(
            buffer, ELAPSED_TEXT_MAX, "%" PRId64 "m%02ds", ms / 60000, (int)(ms % 60000 / 1000));
    return buffer;
}

static void add(struct value *lines, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct value *lines, const char *format, ...)
{
    va_list args;
    AUTO(str) struct str line;
    str_init(&line, LINE_MAX);
    va_start(args, format);
    str_vprintf(&line, format, args);
    va_end(args);
    value_append_str(lines, line.data);
}

// --- what serves ---

void serving_print(const struct snapshot *seen, const struct value *releases, struct str *out)
{
    const struct value *record = releases_find(releases, seen->live);
    const struct set_state *set = NULL;
    for (size_t i = 0; i < ARRAY_LEN(seen->sets); i++)
        if (seen->live && seen->sets[i].exists && seen->sets[i].release == seen->live)
            set = &seen->sets[i];
    if (!seen->live) {
        str_puts(out, "nothing serves");
        return;
    }
    str_printf(out, "release %" PRId64 " serves: ", seen->live);
    if (record) {
        release_print_short(record, out);
        str_puts(out, ", ");
    }
    if (set)
        str_printf(
            out, "%d of %d ready, %d %% of the traffic", set->ready, set->desired, set->percent);
    else
        str_puts(out, "none of its instances is there");
}

static void add_serving(const struct report *r, struct value *lines)
{
    if (!r->seen)
        return;
    AUTO(str) struct str line;
    str_init(&line, LINE_MAX);
    serving_print(r->seen, r->releases, &line);
    value_append_str(lines, line.data);
}

// --- numbers ---

static void add_times(const struct report *r, struct value *lines)
{
    char total[ELAPSED_TEXT_MAX], part[ELAPSED_TEXT_MAX];
    const struct rollout_times *t = &r->times;
    if (t->total_ms < 0)
        return;
    AUTO(str) struct str line;
    str_init(&line, LINE_MAX);
    str_printf(&line, "took %s", elapsed_print(t->total_ms, total));
    if (t->detect_ms >= 0)
        str_printf(
            &line, ": %s until it was decided to go back", elapsed_print(t->detect_ms, part));
    if (t->back_ms >= 0)
        str_printf(&line, ", %s to go back", elapsed_print(t->back_ms, part));
    if (t->switch_ms >= 0)
        str_printf(&line, "; the switch took %s", elapsed_print(t->switch_ms, part));
    value_append_str(lines, line.data);
}

static const char *verdict_word(const struct value *v)
{
    if (value_get_bool(v, "passed", false))
        return "passed";
    bool dry = value_get_bool(v, "dry_run", false);
    if (value_get_bool(v, "held", false))
        return dry ? "would have been held" : "held";
    return dry ? "would have failed" : "failed";
}

static void add_verdict(const struct value *v, struct value *lines)
{
    AUTO(str) struct str line;
    str_init(&line, LINE_MAX);
    bool passed = value_get_bool(v, "passed", false);
    int64_t instance = value_get_int(v, "instance", -1);
    str_printf(&line, "gate %s: %s", value_get_str(v, "phase"), value_get_str(v, "gate"));
    if (instance >= 0)
        str_printf(&line, " on instance %" PRId64, instance);
    str_printf(&line, ": %s: %s", verdict_word(v), value_get_str(v, "seen"));
    if (!passed)
        str_printf(&line, "; wanted: %s", value_get_str(v, "wanted"));
    str_printf(&line, " (%" PRId64 " ms)", value_get_int(v, "ms", 0));
    value_append_str(lines, line.data);
}

// In the order in which they came; of many, some.
static void add_verdicts(const struct report *r, struct value *lines)
{
    size_t shown[2] = {0}, left = 0;
    for (size_t i = 0; i < value_length(r->verdicts); i++) {
        const struct value *v = value_at(r->verdicts, i);
        bool passed = value_get_bool(v, "passed", false);
        if (shown[passed]++ < (passed ? PASSED_MAX : FAILED_MAX))
            add_verdict(v, lines);
        else
            left++;
    }
    if (left)
        add(lines, "gates: %zu more verdicts like these", left);
}

// --- the cause ---

static bool is(const struct report *r, const char *outcome)
{
    return strcmp(r->outcome, outcome) == 0;
}

static void add_head(const struct report *r, struct value *lines)
{
    const struct value *to = releases_find(r->releases, r->rollout->to);
    AUTO(str) struct str what;
    str_init(&what, LINE_MAX);
    if (to) {
        str_puts(&what, ": ");
        release_print_short(to, &what);
    }
    if (is(r, "parked") && r->seen && r->seen->pause_requested)
        add(lines, "paused: release %" PRId64 " waits for `davit resume %s` (or `davit abort %s`)",
            r->rollout->to, r->app, r->app);
    else if (is(r, "parked"))
        add(lines,
            "parked: release %" PRId64 " is ready and waits for `davit promote %s` (or `davit "
            "abort %s`)",
            r->rollout->to, r->app, r->app);
    else if (!is(r, "success"))
        add(lines, "%s: %s", r->outcome, *r->reason ? r->reason : "no reason was recorded");
    else if (!r->headline)
        add(lines, "release %" PRId64 " is live%s", r->rollout->to, what.data);
    if (r->headline)
        add(lines, "%s", r->headline);
}

// It goes back all the same: somebody has to serve.
static void add_hook(const struct report *r, struct value *lines)
{
    const struct value *record = releases_find(r->releases, r->rollout->to);
    const char *hook = release_irreversible(record, value_get_int(record, "hooks_run", 0));
    if (!hook || is(r, "success") || is(r, "parked"))
        return;
    add(lines,
        "hook %s of release %" PRId64 " is irreversible and was begun: what serves now was made "
        "before it",
        hook, r->rollout->to);
}

// The commit that will not come again by itself.
static void add_refused(const struct report *r, struct value *lines)
{
    bool back = r->rollout->strategy == STRATEGY_ROLLBACK && is(r, "success");
    const struct value *record =
        releases_find(r->releases, back ? r->rollout->from : r->rollout->to);
    const char *commit = value_get_str(record, "commit");
    if (refused_find(r->refused, commit))
        add(lines, "commit %.12s is refused from now on; `davit allow %s %.12s` lifts it", commit,
            r->app, commit);
}

static void add_explained(const struct report *r, struct value *lines)
{
    AUTO_FREE char *copy = mem_strdup(r->explained);
    if (!*copy || is(r, "success") || is(r, "parked"))
        return;
    add(lines, "release %" PRId64 ", when it was given up:", r->rollout->to);
    char *rest = copy;
    for (char *line; rest && *rest && (line = strsep(&rest, "\n"));)
        add(lines, "  %s", line);
}

struct value *report_lines(const struct report *r)
{
    struct value *lines = value_list();
    add_head(r, lines);
    add_serving(r, lines);
    add_times(r, lines);
    add_verdicts(r, lines);
    add_hook(r, lines);
    add_refused(r, lines);
    add_explained(r, lines);
    return lines;
}

// --- under way ---

void rollout_print(
    const char *app, const struct snapshot *seen, bool parked, int64_t now_unix_ms, struct str *out)
{
    char since[ELAPSED_TEXT_MAX];
    const struct position *at = &seen->position;
    AUTO(program) struct program program = {0};
    phase_program(&seen->rollout, at->phase, &program);
    str_printf(out, "release %" PRId64 " (run %s)", seen->rollout.to, seen->rollout.run);
    if (parked) {
        if (seen->rollout.strategy == STRATEGY_CANARY)
            str_printf(out, " has %d %% of the traffic and", seen->sets[SET_NEW].percent);
        if (seen->pause_requested)
            str_printf(out, " is paused at step %d of %zu and waits for `davit resume %s`",
                at->step + 1, program.steps.length, app);
        else
            str_printf(out, " waits for `davit promote %s`", app);
        return;
    }
    str_puts(out, at->phase == PHASE_FORWARD ? ": "
                  : at->phase == PHASE_BACK  ? " goes back: "
                                             : " settles: ");
    str_printf(out, "step %d of %zu: ", at->step + 1, program.steps.length);
    if (at->step >= 0 && (size_t)at->step < program.steps.length)
        step_print(&program.steps.items[at->step], out);
    str_printf(out, " since %s", elapsed_print(now_unix_ms - at->step_began_unix_ms, since));
    if (at->reason[0])
        str_printf(out, ", because of %s", at->reason);
    if (seen->pause_requested)
        str_puts(out, "; it pauses after that");
    if (!seen->holder[0])
        str_printf(out, "; nobody drives it: `davit resume %s`", app);
}
