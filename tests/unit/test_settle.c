#include "support/check.h"

#include <stdlib.h>

#include "engine/settle.h"
#include "store/db.h"
#include "support/directory.h"

// A run under way by the journal, of which no worker lives, in a stage of that kind.
static int64_t add_dead(struct db *db, const char *event, const char *kind)
{
    struct run_record run = {.repository = (char[]){"/r"},
        .event = (char *)(uintptr_t)event,
        .trace_id = (char[]){"0"},
        .status = STATUS_RUNNING};
    struct stage_record stage = {.name = (char[]){"s"},
        .kind = (char *)(uintptr_t)kind,
        .outputs = (char[]){"{\"app\":\"shop\"}"},
        .status = STATUS_RUNNING};
    check_ok(runs_add(db, &run, &err));
    check_ok(stages_put(db, run.id, &stage, &err));
    return run.id;
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

TEST_MAIN(in_directory(whoever_looks_leaves_the_daemons_rollouts_to_the_daemon))
