#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/view.h"
#include "os/clock.h"

void view_diagnostics(struct diag_list *diags)
{
    AUTO(str) struct str text;
    const char *no_color = getenv("NO_COLOR");
    str_init(&text, STR_TEXT_MAX);
    diag_sort(diags);
    diag_print(diags, isatty(STDERR_FILENO) && !(no_color && *no_color), &text);
    fwrite(text.data, 1, text.length, stderr);
}

// For people, and exactly: "started" and "started_unix_ms".
static void set_time(struct value *v, const char *key, int64_t unix_ms)
{
    char text[CLOCK_TEXT_MAX];
    if (!unix_ms)
        return;
    AUTO_FREE char *exact = mem_printf("%s_unix_ms", key);
    value_set_str(v, key, clock_print(unix_ms, text));
    value_set_int(v, exact, unix_ms);
}

static struct value *view_stage(const struct stage_record *stage)
{
    struct value *v = value_map();
    value_set_str(v, "name", stage->name);
    value_set_str(v, "kind", stage->kind);
    value_set_str(v, "status", status_name(stage->status));
    value_set_str(v, "reason", stage->reason);
    value_set_int(v, "exit_code", stage->exit_code);
    set_time(v, "started", stage->started_ms);
    if (stage->finished_ms && stage->started_ms)
        value_set_int(v, "duration_ms", stage->finished_ms - stage->started_ms);
    struct value *outputs =
        stage->outputs ? value_parse(stage->outputs, strlen(stage->outputs), NULL) : NULL;
    if (outputs)
        value_set(v, "outputs", outputs);
    return v;
}

struct value *view_run(const struct run_record *run, const struct stage_list *stages)
{
    struct value *v = value_map();
    value_set_int(v, "id", run->id);
    const struct {
        const char *key, *text;
    } texts[] = {
        {"repository", run->repository},
        {"pipeline", run->pipeline},
        {"event", run->event},
        {"ref", run->ref},
        {"branch", run->branch},
        {"tag", run->tag},
        {"commit", run->commit},
        {"message", run->message},
        {"author", run->author},
        {"who", run->who},
        {"why", run->why},
        {"trace_id", run->trace_id},
        {"status", status_name(run->status)},
        {"reason", run->reason},
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        value_set_str(v, texts[i].key, texts[i].text);
    value_set_bool(v, "trusted", run->trusted);
    if (status_ended(run->status))
        value_set_int(v, "exit_code", run->exit_code);
    set_time(v, "queued", run->queued_ms);
    set_time(v, "started", run->started_ms);
    set_time(v, "finished", run->finished_ms);
    if (run->finished_ms && run->started_ms)
        value_set_int(v, "duration_ms", run->finished_ms - run->started_ms);
    if (!stages)
        return v;
    struct value *list = value_list();
    vec_each (stage, &stages->items)
        value_append(list, view_stage(stage));
    value_set(v, "stages", list);
    return v;
}

void view_run_text(const struct cli *cli, const struct run_record *run,
    const struct stage_list *stages, struct str *out)
{
    char elapsed[OUT_AGO_MAX], ago[OUT_AGO_MAX];
    bool fine = run->status == STATUS_SUCCESS;
    const char *on = !cli->out.color ? "" : fine ? OUT_GREEN : OUT_RED;
    str_printf(out, "run %lld: %s%s%s%s%s\n", (long long)run->id, on, status_name(run->status),
        cli->out.color ? OUT_RESET : "", run->reason ? ": " : "", run->reason ? run->reason : "");
    str_printf(out, "  %s of %s%s%s, commit %.12s, %s\n", run->event, run->repository,
        run->branch ? " on " : "", run->branch ? run->branch : "",
        run->commit ? run->commit : "none", out_ago(run->queued_ms, ago));
    struct out_table table = {.columns = 4};
    vec_each (stage, &stages->items) {
        int64_t ms =
            stage->finished_ms && stage->started_ms ? stage->finished_ms - stage->started_ms : -1;
        AUTO_FREE char *name = mem_printf("  %s", stage->name);
        const char *const cells[] = {
            name, status_name(stage->status), out_elapsed(ms, elapsed), stage->reason};
        out_table_row(&table, cells);
    }
    out_table_print(&table, out);
    out_table_done(&table);
    if (!fine && status_ended(run->status) && !stages->items.length)
        str_printf(out, "  `davit logs %lld` says more\n", (long long)run->id);
}
