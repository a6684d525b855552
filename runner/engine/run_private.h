// What the parts of a worker share: run.c (its life), load.c (commit, checkout, pipeline), stage.c
// and the kinds of stages.
#pragma once

#include "engine/cache.h"
#include "engine/output.h"
#include "engine/role.h"
#include "engine/run.h"
#include "engine/schedule.h"
#include "engine/workspace.h"

struct stage_run;

// A kind of stage. `start` begins it and later stage_end() is called exactly once, from the loop;
// -1 with *err when it could not begin. `cancel` asks it to end (stage_end comes all the same).
// `free` releases what `start` made; it accepts a stage that never started, and a second call.
struct stage_ops {
    int (*start)(struct stage_run *s, struct error *err);
    void (*cancel)(struct stage_run *s);
    void (*free)(struct stage_run *s); // idempotent
};
extern const struct stage_ops stage_kind_run, stage_kind_build, stage_kind_deploy;

struct stage_run {
    struct run *run;
    size_t index; // in the plan and the schedule
    const struct plan_stage *plan;
    const struct stage_ops *ops;
    enum status status;
    char *reason;
    int exit_code;                   // of the command; for a deploy that of its outcome
    int64_t started_ms, finished_ms; // Unix
    struct output output;
    bool has_output;
    struct value *outputs; // typed, persisted before dependents start
    char *cgroup;
    bool unrecorded; // the journal could not be written (a full disk)
    // of the kinds
    struct workspace workspace;
    struct cache *cache;
    struct child *child;
    struct role *role;
    struct value *image; // davit-image's answer
    struct render *render;
    struct value *rendered; // what commands have printed as manifests, a list of texts
    int attempts;
};

struct run {
    struct launcher *launcher; // lent
    struct db *db;             // lent
    struct run_options options;
    struct run_record record;
    struct context context;
    struct run_files *files; // lent
    struct pipeline *pipeline;
    struct dotenv dotenv;
    struct plan plan;
    struct schedule schedule;
    VEC(struct stage_run) stages;
    struct mask mask;
    char *checkout;        // host path
    bool checkout_foreign; // it belongs to a person, not to the sandbox's ids
    struct role *git;      // the checkout being made
    struct output own;     // davit's own lines
    int64_t began_ms;      // monotonic
    int cancels;           // how often it was asked to end
    bool finished;
    enum status status; // of the run, decided at the end
    char *reason;
    int exit_code;
};

// The stage has ended: recorded, its dependents are looked at. Reason may be NULL.
void stage_end(struct stage_run *s, enum status status, int exit_code, const char *reason);
// The same by an error of ours (or of a role).
void stage_fail(struct stage_run *s, const struct error *err);
void stage_start(struct stage_run *s);
void stage_cancel(struct stage_run *s);
// Once more, if the journal could not be written: the run's own files are gone by then.
void stage_record_again(struct stage_run *s);
void stage_done(struct stage_run *s);
char *stage_expand(struct stage_run *s, const char *text, struct error *err);
// Starts davit-image with a job for this stage; network is that of its RUN steps.
struct role *stage_image_role(
    struct stage_run *s, struct value *job, role_ended_fn *ended, struct error *err);

// run.c
void run_begin_stages(struct run *run); // the plan stands
void run_abandon(struct run *run, enum status status, const char *reason);
void run_stage_ended(struct stage_run *s);
