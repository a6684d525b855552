#include "support/check.h"

#include <stdlib.h>

#include "engine/settle.h"
#include "store/db.h"
#include "support/directory.h"

// A run under way by the journal, of which no worker lives, in a stage of that kind.
static int64_t add_dead_with(
    struct db *db, const char *event, const char *kind, const char *outputs)
{
    struct run_record run = {.repository = (char[]){"/r"},
        .event = (char *)(uintptr_t)event,
        .trace_id = (char[]){"0"},
        .status = STATUS_RUNNING};
    struct stage_record stage = {.name = (char[]){"s"},
        .kind = (char *)(uintptr_t)kind,
        .outputs = (char *)(uintptr_t)outputs,
        .status = STATUS_RUNNING};
    check_ok(runs_add(db, &run, &err));
    check_ok(stages_put(db, run.id, &stage, &err));
    return run.id;
}

static int64_t add_dead(struct db *db, const char *event, const char *kind)
{
    return add_dead_with(db, event, kind, "{\"app\":\"shop\"}");
}

static enum status status_of(struct db *db, int64_t id)
{
    AUTO(run_record) struct run_record run = {0};
    check_ok(runs_get(db, id, &run, &err));
    return run.status;
}

static void whoever_looks_leaves_the_daemons_rollouts_to_the_daemon(void **state)
{
    struct state home = {.dir = -1};
    struct launcher launcher;
    check_ok(state_open(*state, &home, &err));
    struct loop *loop = loop_new(NULL);
    check_ok(launcher_init(&launcher, loop, &home, &err));
    AUTO_FREE char *path = state_path(&home, "davit.db");
    struct db *db = db_open(path, NULL);
    int64_t by_hand = add_dead(db, "manual", "deploy");
    int64_t pushed = add_dead(db, "push", "deploy");
    int64_t only_tests = add_dead(db, "push", "run");
    settle_all(&launcher, db);
    assert_int_equal(status_of(db, by_hand), STATUS_ERROR);
    assert_int_equal(status_of(db, pushed), STATUS_RUNNING);
    assert_int_equal(status_of(db, only_tests), STATUS_ERROR);
    db_close(db);
    launcher_done(&launcher);
    loop_free(loop);
    state_done(&home);
}

static void join(void *arg, const struct strv *named)
{
    strv_each (word, named)
        str_printf(arg, "[%s]", *word);
}

static void a_dead_rollout_is_resumed_where_the_app_lives(void **state)
{
    static const struct {
        const char *outputs, *named;
    } rows[] = {
        {"{\"app\":\"web\"}", "[web]"},
        {"{\"app\":\"web\",\"cluster\":{\"context\":\"lab\",\"namespace\":\"w\"}}",
            "[web][--context][lab][--namespace][w]"},
        {"{\"app\":\"web\",\"cluster\":{\"namespace\":\"w\"}}",
            "[web][--context][][--namespace][w]"},
        {"{\"app\":\"web\",\"cluster\":{}}", "[web][--context][]"},
    };
    struct state home = {.dir = -1};
    struct launcher launcher;
    check_ok(state_open(*state, &home, &err));
    struct loop *loop = loop_new(NULL);
    check_ok(launcher_init(&launcher, loop, &home, &err));
    AUTO_FREE char *path = state_path(&home, "davit.db");
    struct db *db = db_open(path, NULL);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(str) struct str named;
        str_init(&named, STR_TEXT_MAX);
        int64_t id = add_dead_with(db, "push", "deploy", rows[i].outputs);
        check_ok(settle_run(&launcher, db, id, join, &named, &err));
        assert_string_equal(named.data, rows[i].named);
    }
    db_close(db);
    launcher_done(&launcher);
    loop_free(loop);
    state_done(&home);
}

TEST_MAIN(in_directory(a_dead_rollout_is_resumed_where_the_app_lives),
    in_directory(whoever_looks_leaves_the_daemons_rollouts_to_the_daemon))
