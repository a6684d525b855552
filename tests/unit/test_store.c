#include "support/check.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/fd.h"
#include "os/file.h"
#include "store/refs.h"
#include "store/runs.h"
#include "store/state.h"

static int make_state(void **state)
{
    char *path = mem_strdup("/tmp/davit-store-XXXXXX");
    assert_non_null(mkdtemp(path));
    *state = path;
    return 0;
}

static int remove_state(void **state)
{
    check_ok(dir_remove_tree(AT_FDCWD, *state, &err));
    free(*state);
    return 0;
}

static struct db *open_in(const char *dir)
{
    AUTO_FREE char *path = path_join(dir, "davit.db");
    struct error err;
    struct db *db = db_open(path, &err);
    if (!db)
        fail_msg("%s", err.message);
    return db;
}

static int64_t add_run(struct db *db, const char *ref)
{
    AUTO(run_record)
    struct run_record run = {
        .repository = mem_strdup("/srv/app.git"),
        .event = mem_strdup("push"),
        .ref = mem_strdup(ref),
        .commit = mem_strdup("abc"),
        .trace_id = mem_strdup("00"),
        .trusted = true,
        .queued_ms = 5,
    };
    check_ok(runs_add(db, &run, &err));
    return run.id;
}

static void a_run_is_started_once_and_remembered(void **state)
{
    AUTO(db) struct db *db = open_in(*state);
    int64_t id = add_run(db, "refs/heads/main");
    assert_int_equal(runs_start(db, id, 10, NULL), 1);
    assert_int_equal(runs_start(db, id, 11, NULL), 0);
    check_ok(runs_finish(db, id, STATUS_FAILURE, 1, "stage test: exit 1", 20, &err));
    AUTO(run_record) struct run_record run = {0};
    check_ok(runs_get(db, id, &run, &err));
    assert_int_equal(run.status, STATUS_FAILURE);
    assert_string_equal(run.reason, "stage test: exit 1");
    assert_int_equal(run.started_ms, 10);
    assert_true(run.trusted);
    assert_null(run.tag);
    check_error(runs_get(db, 99, &run, &err), ERR_NOT_FOUND, "no run 99");
}

static void a_newer_push_supersedes_only_what_waits_for_the_same_ref(void **state)
{
    AUTO(db) struct db *db = open_in(*state);
    int64_t running = add_run(db, "refs/heads/main"), waiting = add_run(db, "refs/heads/main");
    int64_t other = add_run(db, "refs/heads/dev"), newest = add_run(db, "refs/heads/main");
    assert_int_equal(runs_start(db, running, 10, NULL), 1);
    assert_int_equal(runs_supersede(db, "/srv/app.git", "refs/heads/main", newest, 11, NULL), 1);
    AUTO(run_list) struct run_list queued = {0};
    check_ok(runs_list(db, STATUS_QUEUED, 0, &queued, &err));
    assert_int_equal(queued.items.length, 2);
    assert_int_equal(queued.items.items[0].id, newest);
    assert_int_equal(queued.items.items[1].id, other);
    AUTO(run_record) struct run_record run = {0};
    check_ok(runs_get(db, waiting, &run, &err));
    assert_int_equal(run.status, STATUS_CANCELLED);
    assert_string_equal(run.reason, "superseded by run 4");
}

static void what_was_committed_survives_a_kill(void **state)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct db *db = open_in(*state);
        int64_t id = add_run(db, "refs/heads/main");
        db_begin(db, NULL);
        runs_finish(db, id, STATUS_SUCCESS, 0, NULL, 1, NULL); // never committed
        raise(SIGKILL);
    }
    waitpid(pid, NULL, 0);
    AUTO(db) struct db *db = open_in(*state);
    AUTO(run_record) struct run_record run = {0};
    check_ok(runs_get(db, 1, &run, &err));
    assert_int_equal(run.status, STATUS_QUEUED);
}

// Released by one pipe's end, they all make the same new database.
static void many_may_open_it_for_the_first_time_at_once(void **state)
{
    AUTO_FREE char *path = path_join(*state, "davit.db");
    for (int round = 0; round < 50; round++) {
        pid_t pids[8];
        int gate[2];
        check_ok(fd_pipe(gate, &err));
        for (size_t i = 0; i < ARRAY_LEN(pids); i++) {
            pids[i] = fork();
            if (pids[i] == 0) {
                char byte;
                struct error err = {0};
                close(gate[1]);
                (void)!read(gate[0], &byte, 1);
                struct db *db = db_open(path, &err);
                if (!db)
                    fprintf(stderr, "%s\n", err.message);
                db_close(db);
                _exit(!db);
            }
        }
        close(gate[0]);
        close(gate[1]);
        for (size_t i = 0; i < ARRAY_LEN(pids); i++) {
            int status;
            waitpid(pids[i], &status, 0);
            assert_int_equal(status, 0);
        }
        static const char *const parts[] = {"", "-wal", "-shm"};
        for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
            AUTO_FREE char *part = mem_printf("%s%s", path, parts[i]);
            unlink(part);
        }
    }
}

static void a_database_of_a_newer_davit_is_refused(void **state)
{
    db_close(open_in(*state));
    AUTO_FREE char *path = path_join(*state, "davit.db");
    AUTO(db) struct db *db = open_in(*state);
    AUTO(query) struct query q;
    check_ok(query_init(&q, db, "PRAGMA user_version = 99", &err));
    check_ok(query_run(&q, &err));
    struct error err;
    assert_null(db_open(path, &err));
    assert_int_equal(err.kind, ERR_UNSUPPORTED);
}

static void refs_are_kept_by_repository(void **state)
{
    AUTO(db) struct db *db = open_in(*state);
    check_ok(refs_put(db, "/a", "refs/heads/x", "1", &err));
    check_ok(refs_put(db, "/a", "refs/heads/x", "2", &err));
    check_ok(refs_put(db, "/b", "refs/heads/x", "3", &err));
    check_ok(refs_remove(db, "/b", "refs/heads/x", &err));
    AUTO(strv) struct strv refs = {0}, commits = {0};
    check_ok(refs_load(db, "/a", &refs, &commits, &err));
    check_ok(refs_load(db, "/b", &refs, &commits, &err));
    assert_int_equal(refs.length, 1);
    assert_string_equal(commits.items[0], "2");
}

static void a_state_directory_that_others_may_write_is_refused(void **state)
{
    AUTO(state) struct state s = {.dir = -1};
    assert_int_equal(chmod(*state, 0777), 0);
    check_error(state_open(*state, &s, &err), ERR_DENIED, "chmod go-w");
    AUTO_FREE char *below = path_join(*state, "a/b");
    assert_int_equal(chmod(*state, 0755), 0);
    check_ok(state_open(below, &s, &err));
    AUTO_FREE char *path = state_path(&s, "runs/%d", 7);
    assert_true(text_ends(path, "/a/b/runs/7"));
}

#define with_state(test) cmocka_unit_test_setup_teardown(test, make_state, remove_state)

TEST_MAIN(with_state(a_run_is_started_once_and_remembered),
    with_state(a_newer_push_supersedes_only_what_waits_for_the_same_ref),
    with_state(what_was_committed_survives_a_kill),
    with_state(many_may_open_it_for_the_first_time_at_once),
    with_state(a_database_of_a_newer_davit_is_refused), with_state(refs_are_kept_by_repository),
    with_state(a_state_directory_that_others_may_write_is_refused))
