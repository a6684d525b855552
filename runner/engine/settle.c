#include "engine/settle.h"

#include <string.h>

#include "base/log.h"
#include "codec/value.h"
#include "engine/worker_file.h"
#include "os/clock.h"
#include "os/file.h"
#include "sandbox/cgroup.h"

void settle_directory(const struct state *state, int64_t run_id)
{
    static const char *const parts[] = {"checkout", "stages", "artifacts", "worker"};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        struct error err = {0};
        AUTO_FREE char *path = mem_printf("runs/%lld/%s", (long long)run_id, parts[i]);
        if (dir_remove_tree(state->dir, path, &err) < 0)
            log_warning("%s", err.message);
    }
}

// From what a deploy stage leaves in the journal while it runs (engine/deploy_job.h).
static void add_words(const struct value *place, const char *app, struct strv *named)
{
    const struct value *cluster = value_get(place, "cluster");
    const char *context = value_get_str(cluster, "context");
    const char *namespace = value_get_str(cluster, "namespace");
    strv_push(named, app);
    if (cluster) {
        strv_push(named, "--context");
        strv_push(named, context ? context : "");
    }
    if (namespace) {
        strv_push(named, "--namespace");
        strv_push(named, namespace);
    }
}

static void find_apps(const struct stage_list *stages, settle_app_fn *app, void *arg)
{
    vec_each (stage, &stages->items) {
        if (status_ended(stage->status) || strcmp(stage->kind, "deploy") != 0 || !stage->outputs)
            continue;
        AUTO(value)
        struct value *outputs = value_parse(stage->outputs, strlen(stage->outputs), NULL);
        const char *name = value_get_str(outputs, "app");
        AUTO(strv) struct strv named = {0};
        if (!name)
            continue;
        add_words(outputs, name, &named);
        app(arg, &named);
    }
}

int settle_run(struct launcher *launcher, struct db *db, int64_t run_id, settle_app_fn *app,
    void *arg, struct error *err)
{
    static const char reason[] = "its worker died";
    AUTO(run_record) struct run_record run = {0};
    AUTO(stage_list) struct stage_list stages = {0};
    if (runs_get(db, run_id, &run, err) < 0)
        return -1;
    if (status_ended(run.status))
        return 0;
    log_warning("run %lld: %s", (long long)run_id, reason);
    int64_t now = clock_unix_ms();
    if (stages_list(db, run_id, &stages, err) < 0 ||
        stages_abandon(db, run_id, reason, now, err) < 0 ||
        runs_finish(db, run_id, STATUS_ERROR, EXIT_RUNNER, reason, now, err) < 0)
        return -1;
    // Its sandboxes died with it; what they lay in did not.
    AUTO_FREE char *group = mem_printf("run-%lld", (long long)run_id);
    cgroup_sweep(&launcher->host, group);
    settle_directory(launcher->state, run_id);
    if (app)
        find_apps(&stages, app, arg);
    return 0;
}

static void count_app(void *arg, const struct strv *named)
{
    (void)named;
    ++*(size_t *)arg;
}

// Whether the daemon will want to know of it: it resumes the rollouts of its own runs.
static bool is_the_daemons(struct db *db, const struct run_record *run)
{
    AUTO(stage_list) struct stage_list stages = {0};
    size_t apps = 0;
    if (strcmp(run->event, "manual") == 0 || stages_list(db, run->id, &stages, NULL) < 0)
        return false;
    find_apps(&stages, count_app, &apps);
    return apps > 0;
}

static void suggest_resume(void *arg, const struct strv *named)
{
    const struct run_record *run = arg;
    AUTO(str) struct str words;
    str_init(&words, STR_TEXT_MAX);
    strv_each (word, named)
        str_printf(&words, **word ? " %s" : " '%s'", *word);
    log_warning("run %lld died while it deployed %s: `davit resume%s` goes on from there",
        (long long)run->id, named->items[0], words.data);
}

static int settle_dead(
    struct launcher *launcher, struct db *db, struct run_record *run, struct error *err)
{
    struct process worker = PROCESS_NONE;
    int found = worker_find(launcher->state, run->id, &worker, err);
    process_done(&worker);
    if (found)
        return found;
    return settle_run(launcher, db, run->id, suggest_resume, run, err);
}

void settle_all(struct launcher *launcher, struct db *db)
{
    AUTO(run_list) struct run_list running = {0};
    struct error err = {0};
    int status = runs_list(db, STATUS_RUNNING, 0, &running, &err);
    vec_each (run, &running.items)
        if (status >= 0 && !is_the_daemons(db, run))
            status = settle_dead(launcher, db, run, &err);
    if (status < 0)
        log_warning("runs whose workers have died: %s", err.message);
}
