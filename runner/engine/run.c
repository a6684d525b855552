#include "engine/run.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "engine/load.h"
#include "engine/run_private.h"
#include "engine/settle.h"
#include "engine/worker_file.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/file.h"

static const struct stage_ops *const kinds[] = {
    [STAGE_RUN] = &stage_kind_run,
    [STAGE_BUILD] = &stage_kind_build,
    [STAGE_DEPLOY] = &stage_kind_deploy,
};

void run_files_done(struct run_files *files)
{
    pipeline_source_done(&files->pipeline);
    pipeline_source_done(&files->dotenv);
    kube_previews_free(take_ptr(files->previews));
}

static struct run *run_new(struct launcher *launcher, struct db *db,
    const struct run_options *options, struct run_files *files)
{
    struct run *run = mem_alloc(sizeof *run);
    run->launcher = launcher;
    run->db = db;
    run->options = *options;
    run->files = files;
    run->context.run = &run->record;
    run->began_ms = clock_monotonic_ms();
    return run;
}

void run_free(struct run *run)
{
    if (!run)
        return;
    vec_each (s, &run->stages)
        stage_done(s);
    vec_free(&run->stages);
    role_free(run->git);
    schedule_done(&run->schedule);
    plan_done(&run->plan);
    pipeline_free(run->pipeline);
    dotenv_done(&run->dotenv);
    output_done(&run->own);
    mask_done(&run->mask);
    context_done(&run->context);
    run_record_done(&run->record);
    free(run->checkout);
    free(run->reason);
    free(run);
}

const struct run_record *run_record(const struct run *run)
{
    return &run->record;
}

const struct plan *run_plan(const struct run *run)
{
    return &run->plan;
}

// --- the run's directory ---

static int make_directory(struct run *run, struct error *err)
{
    int state = run->launcher->state->dir;
    AUTO_FREE char *dir = mem_printf("runs/%lld", (long long)run->record.id);
    AUTO_FREE char *logs = path_join(dir, "logs");
    AUTO_FREE char *log = path_join(dir, "run.log");
    if (dir_make(state, "runs", 0700, err) < 0 || dir_make(state, logs, 0755, err) < 0 ||
        worker_file_write(run->launcher->state, run->record.id, err) < 0)
        return -1;
    int fd = openat(state, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_errno(err, "%s", log);
    output_init(&run->own, &run->mask, fd, run->options.live_fd, "davit", 5, run->options.color,
        run->began_ms);
    return 0;
}

// --- beginnings ---

struct run *run_of_checkout(struct launcher *launcher, struct db *db,
    const struct run_options *options, struct run_files *files, struct diag_list *diags,
    struct error *err)
{
    struct run *run = run_new(launcher, db, options, files);
    run->record.event = mem_strdup(event_name(EVENT_MANUAL));
    run->context.event = EVENT_MANUAL;
    run->record.who = mem_strdup_opt(options->who);
    run->record.why = mem_strdup_opt(options->why);
    run->record.trace_id = context_new_trace_id();
    run->record.status = STATUS_RUNNING;
    run->record.queued_ms = run->record.started_ms = clock_unix_ms();
    if (load_checkout(run, diags, err) < 0 || diags->errors)
        goto fail;
    // Together: a run that is said to run has a worker that can be found.
    if (db && (db_begin(db, err) < 0 || runs_add(db, &run->record, err) < 0 ||
                  make_directory(run, err) < 0 || db_commit(db, err) < 0))
        goto fail;
    return run;
fail:
    if (db)
        db_rollback(db);
    if (diags->errors)
        error_set(err, ERR_CONFIG, "%zu mistake%s", diags->errors, diags->errors == 1 ? "" : "s");
    run_free(run);
    return NULL;
}

struct run *run_of_queue(struct launcher *launcher, struct db *db, int64_t id,
    const struct run_options *options, struct run_files *files, struct error *err)
{
    struct run *run = run_new(launcher, db, options, files);
    int got = db_begin(db, err) < 0 ? -1 : runs_start(db, id, clock_unix_ms(), err);
    if (got == 0)
        error_set(err, ERR_CONFLICT, "run %lld does not wait to be started", (long long)id);
    if (got <= 0 || runs_get(db, id, &run->record, err) < 0 || make_directory(run, err) < 0 ||
        db_commit(db, err) < 0) {
        db_rollback(db);
        run_free(run);
        return NULL;
    }
    run->context.event = run->record.tag ? EVENT_TAG : EVENT_PUSH;
    run->context.default_branch = mem_strdup_opt(options->default_branch);
    return run;
}

// --- the end ---

static void finish(struct run *run, enum status status, int exit_code, const char *reason)
{
    run->finished = true;
    run->status = status;
    run->exit_code = exit_code;
    run->reason = mem_strdup_opt(reason);
    loop_stop(run->launcher->loop);
}

void run_abandon(struct run *run, enum status status, const char *reason)
{
    runs_describe(run->db, &run->record, NULL);
    AUTO_FREE char *text = mask_text(&run->mask, reason);
    enum exit_code code = status == STATUS_SKIPPED     ? EXIT_OK
                          : status == STATUS_FAILURE   ? EXIT_USAGE
                          : status == STATUS_CANCELLED ? EXIT_CANCELLED
                                                       : EXIT_RUNNER;
    output_note(&run->own, "%s: %s", status_name(status), text);
    finish(run, status, (int)code, text);
}

// Which of the stages' ends decides the run's: an error of ours before a failure, a cancellation
// before all.
static int weight(enum status status)
{
    static const int weights[] = {
        [STATUS_FAILURE] = 2, [STATUS_TIMEOUT] = 2, [STATUS_ERROR] = 3, [STATUS_CANCELLED] = 1};
    return (size_t)status < ARRAY_LEN(weights) ? weights[status] : 0;
}

static void conclude(struct run *run)
{
    const struct stage_run *worst = NULL;
    vec_each (s, &run->stages)
        if (weight(s->status) > (worst ? weight(worst->status) : 0))
            worst = s;
    if (!worst) {
        finish(run, STATUS_SUCCESS, EXIT_OK, NULL);
        return;
    }
    AUTO_FREE char *reason = mem_printf("%s: %s", worst->plan->stage->name,
        worst->reason ? worst->reason : status_name(worst->status));
    enum status status =
        run->cancels && worst->status != STATUS_ERROR ? STATUS_CANCELLED : worst->status;
    int code = EXIT_STAGE_FAILED;
    if (status == STATUS_CANCELLED)
        code = worst->exit_code == EXIT_ROLLBACK_FAILED ? EXIT_ROLLBACK_FAILED : EXIT_CANCELLED;
    else if (worst->plan->stage->kind == STAGE_DEPLOY || status != STATUS_FAILURE)
        code = worst->exit_code;
    finish(run, status, code, reason);
}

// --- stages ---

static void skip_stage(struct stage_run *s, const struct node *node)
{
    const char *by = s->run->plan.stages.items[node->by].stage->name;
    AUTO_FREE char *reason = NULL;
    switch (node->skipped) {
    case SKIP_NEED_FAILED:
        reason = mem_printf("%s failed", by);
        break;
    case SKIP_NEED_SKIPPED:
        reason = mem_printf("%s was skipped", by);
        break;
    case SKIP_NOTHING_FAILED:
        reason = mem_strdup("it runs only after a failure");
        break;
    case SKIP_CANCELLED:
        reason = mem_strdup("the run was cancelled");
        break;
    case SKIP_NOT_SELECTED:
    case SKIP_NONE:
        reason = mem_strdup(s->plan->why);
        break;
    }
    s->status = STATUS_SKIPPED;
    output_note(&s->run->own, "%s is skipped: %s", s->plan->stage->name, reason);
    s->reason = take_ptr(reason);
    struct stage_record row = {
        .name = s->plan->stage->name,
        .kind = (char *)(uintptr_t)stage_kind_name(s->plan->stage->kind),
        .reason = s->reason,
        .position = (int)s->index,
        .status = STATUS_SKIPPED,
    };
    stages_put(s->run->db, s->run->record.id, &row, NULL);
}

// Starts what is ready; ends the run when nothing is left.
static void advance(struct run *run)
{
    size_t next;
    while (!run->finished && schedule_next(&run->schedule, &next)) {
        schedule_started(&run->schedule, next);
        stage_start(&run->stages.items[next]);
    }
    for (size_t i = 0; i < run->stages.length; i++)
        if (run->schedule.nodes.items[i].state == NODE_SKIPPED &&
            run->stages.items[i].status == STATUS_QUEUED)
            skip_stage(&run->stages.items[i], &run->schedule.nodes.items[i]);
    if (!run->finished && schedule_finished(&run->schedule))
        conclude(run);
}

void run_stage_ended(struct stage_run *s)
{
    schedule_ended(&s->run->schedule, s->index, s->status == STATUS_SUCCESS);
    advance(s->run);
}

static unsigned when_status(const struct stage *stage)
{
    unsigned status = 0;
    vec_each (c, &stage->when)
        status |= c->status;
    return status ? status : WHEN_SUCCESS;
}

static size_t index_of(const struct plan *plan, const char *name)
{
    size_t i = 0;
    while (strcmp(plan->stages.items[i].stage->name, name) != 0)
        i++;
    return i;
}

void run_begin_stages(struct run *run)
{
    runs_describe(run->db, &run->record, NULL);
    for (size_t i = 0; i < run->plan.stages.length; i++) {
        const struct plan_stage *p = &run->plan.stages.items[i];
        struct node *node = vec_add(&run->schedule.nodes);
        unsigned status = when_status(p->stage);
        node->on_success = status & WHEN_SUCCESS;
        node->on_failure = status & WHEN_FAILURE;
        if (!p->selected) {
            node->state = NODE_SKIPPED;
            node->skipped = SKIP_NOT_SELECTED;
        }
        strv_each (need, &p->stage->needs)
            vec_push(&node->needs, index_of(&run->plan, *need));
        vec_push(&run->stages, ((struct stage_run){.run = run,
                                   .index = i,
                                   .plan = p,
                                   .ops = kinds[p->stage->kind],
                                   .status = STATUS_QUEUED}));
    }
    schedule_prepare(&run->schedule);
    advance(run);
}

// --- the life ---

// A mistake in the pipeline of a pushed commit: all of them are in the run's log.
static void log_diagnostics(struct run *run, struct diag_list *diags)
{
    AUTO(str) struct str text;
    str_init(&text, STR_TEXT_MAX);
    diag_sort(diags);
    diag_print(diags, false, &text);
    if (text.length)
        output_note(&run->own, "%.*s", (int)text.length - 1, text.data);
}

static void on_cloned(void *arg, const struct role_result *result)
{
    struct run *run = arg;
    struct error err = {0};
    AUTO(diag) struct diag_list diags = {0};
    AUTO(value) struct value *cloned = NULL;
    if (result->error)
        err = *result->error;
    else
        cloned = value_share(result->result);
    role_free(take_ptr(run->git));
    if (cloned && load_cloned(run, cloned, &diags, &err) == 0 && !diags.errors) {
        if (trigger_matches(&run->pipeline->on, run->record.branch, run->record.tag))
            run_begin_stages(run);
        else
            run_abandon(run, STATUS_SKIPPED, "the pipeline's `on` does not ask for this push");
        return;
    }
    log_diagnostics(run, &diags);
    if (diags.errors && run->files->pipeline.path)
        error_set(&err, ERR_CONFIG, "%zu mistake%s in %s", diags.errors,
            diags.errors == 1 ? "" : "s", run->files->pipeline.path);
    bool theirs = err.kind == ERR_CONFIG || err.kind == ERR_NOT_FOUND;
    run_abandon(run,
        run->cancels ? STATUS_CANCELLED
        : theirs     ? STATUS_FAILURE
                     : STATUS_ERROR,
        err.message);
}

static void on_begin(struct loop_timer *timer)
{
    struct run *run = timer->arg;
    struct error err = {0};
    if (run->cancels)
        run_abandon(run, STATUS_CANCELLED, "cancelled before it began");
    else if (run->pipeline)
        run_begin_stages(run);
    else if (load_start_clone(run, on_cloned, &err) < 0)
        run_abandon(run, STATUS_ERROR, err.message);
}

void run_cancel(struct run *run)
{
    run->cancels++;
    if (run->cancels > 1) { // a person insists
        vec_each (s, &run->stages)
            if (s->child)
                child_kill(s->child);
        return;
    }
    output_note(&run->own, "cancelling");
    if (run->git)
        role_cancel(run->git);
    schedule_cancel(&run->schedule);
    vec_each (s, &run->stages)
        stage_cancel(s);
    if (run->stages.length)
        advance(run);
}

int run_execute(struct run *run)
{
    struct loop_timer begin = {0};
    struct error err = {0};
    AUTO_FREE char *id = mem_printf("%lld", (long long)run->record.id);
    log_set_run(run->record.trace_id, id);
    loop_timer_start(run->launcher->loop, &begin, loop_now(run->launcher->loop), on_begin, run);
    if (loop_run(run->launcher->loop, &err) < 0 && !run->finished)
        finish(run, STATUS_ERROR, EXIT_RUNNER, err.message);
    vec_each (s, &run->stages)
        s->ops->free(s);
    settle_directory(run->launcher->state, run->record.id);
    vec_each (s, &run->stages) {
        stage_record_again(s);
        stage_done(s);
    }
    vec_free(&run->stages);
    if (runs_finish(run->db, run->record.id, run->status, run->exit_code, run->reason,
            clock_unix_ms(), &err) < 0)
        log_error("%s", err.message);
    run->record.status = run->status;
    mem_replace(&run->record.reason, run->reason);
    return run->exit_code;
}
