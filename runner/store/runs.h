// Runs and their stages, as this machine remembers them.
#pragma once

#include "base/vec.h"
#include "store/db.h"

enum status { // one word for each, everywhere
    STATUS_QUEUED,
    STATUS_RUNNING,
    STATUS_SUCCESS,
    STATUS_FAILURE, // what was run says no
    STATUS_ERROR,   // davit or this machine failed it
    STATUS_TIMEOUT,
    STATUS_CANCELLED,
    STATUS_SKIPPED,
};
const char *status_name(enum status status);
enum status status_from_name(const char *name); // an unknown name is STATUS_ERROR
bool status_ended(enum status status);

struct run_record {
    int64_t id;
    char *repository, *pipeline, *file, *event, *ref, *branch, *tag;
    char *commit, *before, *message, *author, *who, *why, *trace_id;
    bool trusted; // may write caches, get secrets and deploy: the default branch, a tag, or by hand
    enum status status;
    char *reason;
    int exit_code;
    int64_t queued_ms, started_ms, finished_ms; // 0: not yet
};
void run_record_done(struct run_record *r);
DEFINE_AUTO(run_record, struct run_record, run_record_done)

struct stage_record {
    char *name, *kind, *reason, *outputs;
    int position;
    enum status status;
    int exit_code;
    int64_t started_ms, finished_ms;
};
struct run_list {
    VEC(struct run_record) items;
};
struct stage_list {
    VEC(struct stage_record) items;
};
void run_list_done(struct run_list *list);
void stage_list_done(struct stage_list *list);
DEFINE_AUTO(run_list, struct run_list, run_list_done)
DEFINE_AUTO(stage_list, struct stage_list, stage_list_done)

// Adds a run as it is described (id is ignored) and sets its id.
int runs_add(struct db *db, struct run_record *run, struct error *err);
int runs_get(struct db *db, int64_t id, struct run_record *ret, struct error *err); // ERR_NOT_FOUND
// Newest first; `status` -1 for any, limit 0 for all.
int runs_list(struct db *db, int status, int64_t limit, struct run_list *ret, struct error *err);
// QUEUED → RUNNING. 1 when it was this call that did it, 0 when the run was not queued any more.
int runs_start(struct db *db, int64_t id, int64_t now_ms, struct error *err);
// What is known only once the pipeline and the commit were read.
int runs_describe(struct db *db, const struct run_record *run, struct error *err);
int runs_finish(struct db *db, int64_t id, enum status status, int exit_code, const char *reason,
    int64_t now_ms, struct error *err);
// Cancels a run that nobody has claimed yet. 1 when it was cancelled, 0 when it does not wait.
int runs_cancel_queued(
    struct db *db, int64_t id, const char *reason, int64_t now_ms, struct error *err);
// The queue: a newer push of a ref supersedes what still waits for it. Returns how many were, or
// -1.
int runs_supersede(struct db *db, const char *repository, const char *ref, int64_t newer_id,
    int64_t now_ms, struct error *err);

int stages_put(struct db *db, int64_t run_id, const struct stage_record *stage, struct error *err);
int stages_list(struct db *db, int64_t run_id, struct stage_list *ret, struct error *err);
// Running and queued stages of a run whose worker has died.
int stages_abandon(
    struct db *db, int64_t run_id, const char *reason, int64_t now_ms, struct error *err);

// What a rollout is about to do; on disk when this returns.
int events_add(struct db *db, int64_t run_id, const char *stage, const char *what,
    const char *detail_json, int64_t now_ms, struct error *err);
