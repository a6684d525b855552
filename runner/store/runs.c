#include "store/runs.h"

#include <stdlib.h>
#include <string.h>

static const char *const names[] = {
    "queued", "running", "success", "failure", "error", "timeout", "cancelled", "skipped"};

const char *status_name(enum status status)
{
    return names[status];
}

enum status status_from_name(const char *name)
{
    for (size_t i = 0; name && i < ARRAY_LEN(names); i++)
        if (strcmp(names[i], name) == 0)
            return (enum status)i;
    return STATUS_ERROR;
}

bool status_ended(enum status status)
{
    return status != STATUS_QUEUED && status != STATUS_RUNNING;
}

void run_record_done(struct run_record *r)
{
    char **const texts[] = {&r->repository, &r->pipeline, &r->file, &r->event, &r->ref, &r->branch,
        &r->tag, &r->commit, &r->before, &r->message, &r->author, &r->who, &r->why, &r->trace_id,
        &r->reason};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        free(*texts[i]);
    *r = (struct run_record){0};
}

void run_list_done(struct run_list *list)
{
    vec_each (item, &list->items)
        run_record_done(item);
    vec_free(&list->items);
}

#define RUN_COLUMNS                                                                                \
    "id, repository, pipeline, file, event, ref, branch, tag, commit_id, before_id, message,"      \
    " author, who, why, trace_id, trusted, status, reason, exit_code, queued_ms, started_ms,"      \
    " finished_ms"

static char *copy_column(const struct query *q, int column)
{
    return mem_strdup_opt(query_column_text(q, column));
}

static void read_run(const struct query *q, struct run_record *ret)
{
    int c = 0;
    *ret = (struct run_record){.id = query_column_int(q, c++)};
    char **const texts[] = {&ret->repository, &ret->pipeline, &ret->file, &ret->event, &ret->ref,
        &ret->branch, &ret->tag, &ret->commit, &ret->before, &ret->message, &ret->author, &ret->who,
        &ret->why, &ret->trace_id};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        *texts[i] = copy_column(q, c++);
    ret->trusted = query_column_int(q, c++) != 0;
    ret->status = status_from_name(query_column_text(q, c++));
    ret->reason = copy_column(q, c++);
    ret->exit_code = (int)query_column_int(q, c++);
    ret->queued_ms = query_column_int(q, c++);
    ret->started_ms = query_column_int(q, c++);
    ret->finished_ms = query_column_int(q, c++);
}

int runs_add(struct db *db, struct run_record *run, struct error *err)
{
    AUTO(query) struct query q;
    if (query_init(&q, db,
            "INSERT INTO runs (repository, pipeline, file, event, ref, branch, tag, commit_id,"
            " before_id, message, author, who, why, trace_id, trusted, status, queued_ms,"
            " started_ms) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            err) < 0)
        return -1;
    const char *const texts[] = {run->repository, run->pipeline, run->file, run->event, run->ref,
        run->branch, run->tag, run->commit, run->before, run->message, run->author, run->who,
        run->why, run->trace_id};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        query_text(&q, texts[i]);
    query_int(&q, run->trusted);
    query_text(&q, status_name(run->status));
    query_int(&q, run->queued_ms);
    query_int(&q, run->started_ms);
    if (query_run(&q, err) < 0)
        return -1;
    run->id = db_last_id(db);
    return 0;
}

int runs_get(struct db *db, int64_t id, struct run_record *ret, struct error *err)
{
    AUTO(query) struct query q;
    if (query_init(&q, db, "SELECT " RUN_COLUMNS " FROM runs WHERE id = ?", err) < 0)
        return -1;
    query_int(&q, id);
    int got = query_next(&q, err);
    if (got < 0)
        return -1;
    if (got == 0)
        return error_set(
            err, ERR_NOT_FOUND, "there is no run %lld (`davit runs` lists them)", (long long)id);
    read_run(&q, ret);
    return 0;
}

int runs_list(struct db *db, int status, int64_t limit, struct run_list *ret, struct error *err)
{
    AUTO(query) struct query q;
    if (query_init(&q, db,
            "SELECT " RUN_COLUMNS " FROM runs WHERE ?1 IS NULL OR status = ?1"
            " ORDER BY id DESC LIMIT ?2",
            err) < 0)
        return -1;
    query_text(&q, status < 0 ? NULL : status_name((enum status)status));
    query_int(&q, limit ? limit : -1);
    int got;
    while ((got = query_next(&q, err)) > 0)
        read_run(&q, vec_add(&ret->items));
    return got;
}

int runs_start(struct db *db, int64_t id, int64_t now_ms, struct error *err)
{
    AUTO(query) struct query q;
    if (query_init(&q, db,
            "UPDATE runs SET status = 'running', started_ms = ? WHERE id = ? AND status = 'queued'",
            err) < 0)
        return -1;
    query_int(&q, now_ms);
    query_int(&q, id);
    return query_run(&q, err) < 0 ? -1 : db_changes(db) > 0;
}

int runs_describe(struct db *db, const struct run_record *run, struct error *err)
{
    AUTO(query) struct query q;
    if (query_init(&q, db,
            "UPDATE runs SET pipeline = ?, commit_id = ?, branch = ?, tag = ?, message = ?,"
            " author = ?, trusted = ? WHERE id = ?",
            err) < 0)
        return -1;
    const char *const texts[] = {
        run->pipeline, run->commit, run->branch, run->tag, run->message, run->author};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        query_text(&q, texts[i]);
    query_int(&q, run->trusted);
    query_int(&q, run->id);
    return query_run(&q, err);
}

int runs_finish(struct db *db, int64_t id, enum status status, int exit_code, const char *reason,
    int64_t now_ms, struct error *err)
{
    AUTO(query) struct query q;
    if (query_init(&q, db,
            "UPDATE runs SET status = ?, exit_code = ?, reason = ?, finished_ms = ? WHERE id = ?",
            err) < 0)
        return -1;
    query_text(&q, status_name(status));
    query_int(&q, exit_code);
    query_text(&q, reason);
    query_int(&q, now_ms);
    query_int(&q, id);
    return query_run(&q, err);
}

int runs_cancel_queued(
    struct db *db, int64_t id, const char *reason, int64_t now_ms, struct error *err)
{
    AUTO(query) struct query q;
    if (query_init(&q, db,
            "UPDATE runs SET status = 'cancelled', exit_code = 130, reason = ?, finished_ms = ?"
            " WHERE id = ? AND status = 'queued'",
            err) < 0)
        return -1;
    query_text(&q, reason);
    query_int(&q, now_ms);
    query_int(&q, id);
    return query_run(&q, err) < 0 ? -1 : db_changes(db) > 0;
}

int runs_supersede(struct db *db, const char *repository, const char *ref, int64_t newer_id,
    int64_t now_ms, struct error *err)
{
    AUTO(query) struct query q;
    if (query_init(&q, db,
            "UPDATE runs SET status = 'cancelled', exit_code = 130, finished_ms = ?1,"
            " reason = 'superseded by run ' || ?2"
            " WHERE status = 'queued' AND repository = ?3 AND ref = ?4 AND id < ?2",
            err) < 0)
        return -1;
    query_int(&q, now_ms);
    query_int(&q, newer_id);
    query_text(&q, repository);
    query_text(&q, ref);
    return query_run(&q, err) < 0 ? -1 : (int)db_changes(db);
}
