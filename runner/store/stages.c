#include <stdlib.h>

#include "store/runs.h"

void stage_list_done(struct stage_list *list)
{
    vec_each (item, &list->items) {
        free(item->name);
        free(item->kind);
        free(item->reason);
        free(item->outputs);
    }
    vec_free(&list->items);
}

int stages_put(struct db *db, int64_t run_id, const struct stage_record *stage, struct error *err)
{
    AUTO(query) struct query q;
    if (query_init(&q, db,
            "INSERT OR REPLACE INTO stages (run_id, position, name, kind, status, reason,"
            " exit_code, started_ms, finished_ms, outputs) VALUES (?,?,?,?,?,?,?,?,?,?)",
            err) < 0)
        return -1;
    query_int(&q, run_id);
    query_int(&q, stage->position);
    query_text(&q, stage->name);
    query_text(&q, stage->kind);
    query_text(&q, status_name(stage->status));
    query_text(&q, stage->reason);
    query_int(&q, stage->exit_code);
    query_int(&q, stage->started_ms);
    query_int(&q, stage->finished_ms);
    query_text(&q, stage->outputs);
    return query_run(&q, err);
}

int stages_list(struct db *db, int64_t run_id, struct stage_list *ret, struct error *err)
{
    AUTO(query) struct query q;
    if (query_init(&q, db,
            "SELECT position, name, kind, status, reason, exit_code, started_ms, finished_ms,"
            " outputs FROM stages WHERE run_id = ? ORDER BY position",
            err) < 0)
        return -1;
    query_int(&q, run_id);
    int got;
    while ((got = query_next(&q, err)) > 0)
        vec_push(&ret->items, ((struct stage_record){
                                  .position = (int)query_column_int(&q, 0),
                                  .name = mem_strdup_opt(query_column_text(&q, 1)),
                                  .kind = mem_strdup_opt(query_column_text(&q, 2)),
                                  .status = status_from_name(query_column_text(&q, 3)),
                                  .reason = mem_strdup_opt(query_column_text(&q, 4)),
                                  .exit_code = (int)query_column_int(&q, 5),
                                  .started_ms = query_column_int(&q, 6),
                                  .finished_ms = query_column_int(&q, 7),
                                  .outputs = mem_strdup_opt(query_column_text(&q, 8)),
                              }));
    return got;
}

int stages_abandon(
    struct db *db, int64_t run_id, const char *reason, int64_t now_ms, struct error *err)
{
    AUTO(query) struct query q;
    if (query_init(&q, db,
            "UPDATE stages SET status = 'error', reason = ?, finished_ms = ?"
            " WHERE run_id = ? AND status IN ('queued', 'running')",
            err) < 0)
        return -1;
    query_text(&q, reason);
    query_int(&q, now_ms);
    query_int(&q, run_id);
    return query_run(&q, err);
}

static int insert_event(struct db *db, int64_t run_id, const char *stage, const char *what,
    const char *detail_json, int64_t now_ms, struct error *err)
{
    AUTO(query) struct query q;
    if (query_init(&q, db,
            "INSERT INTO events (run_id, at_ms, stage, what, detail) VALUES (?,?,?,?,?)", err) < 0)
        return -1;
    query_int(&q, run_id);
    query_int(&q, now_ms);
    query_text(&q, stage);
    query_text(&q, what);
    query_text(&q, detail_json);
    return query_run(&q, err);
}

int events_add(struct db *db, int64_t run_id, const char *stage, const char *what,
    const char *detail_json, int64_t now_ms, struct error *err)
{
    // What a rollout is about to do is known before it is done, even to a machine that lost power.
    if (db_set_durable(db, true, err) < 0)
        return -1;
    int status = insert_event(db, run_id, stage, what, detail_json, now_ms, err);
    db_set_durable(db, false, NULL);
    return status;
}
