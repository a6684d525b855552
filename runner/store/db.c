#include "store/db.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "os/clock.h"
#include "store/migrations.h"

#define BUSY_MS 10000 // how long one process waits for another's write

struct db {
    sqlite3 *handle;
    bool in_transaction;
};

static int failure(struct db *db, const char *what, struct error *err)
{
    int code = sqlite3_errcode(db->handle);
    int cause = code == SQLITE_IOERR || code == SQLITE_CANTOPEN
                    ? sqlite3_system_errno(db->handle)
                    : 0; // of the others it may be of an earlier call
    error_set(err, ERR_SYSTEM, "%s: %s%s%s", what, sqlite3_errmsg(db->handle), cause ? ": " : "",
        cause ? strerror(cause) : "");
    if (err)
        err->retryable = code == SQLITE_BUSY || code == SQLITE_FULL;
    return -1;
}

static int execute(struct db *db, const char *sql, struct error *err)
{
    if (sqlite3_exec(db->handle, sql, NULL, NULL, NULL) != SQLITE_OK)
        return failure(db, "database", err);
    return 0;
}

static int read_version(struct db *db, int64_t *ret, struct error *err)
{
    AUTO(query) struct query q;
    if (query_init(&q, db, "PRAGMA user_version", err) < 0 || query_next(&q, err) < 0)
        return -1;
    *ret = query_column_int(&q, 0);
    return 0;
}

static int migrate(struct db *db, struct error *err)
{
    int64_t version;
    if (read_version(db, &version, err) < 0)
        return -1;
    if (version == migration_count)
        return 0;
    if (version > migration_count)
        return error_set(err, ERR_UNSUPPORTED,
            "the database is of a newer davit (schema %lld, this one knows %d)", (long long)version,
            migration_count);
    // Two processes may come here at once: the second finds the work done.
    if (db_begin(db, err) < 0 || read_version(db, &version, err) < 0)
        return -1;
    for (; version < migration_count; version++)
        if (execute(db, migrations[version], err) < 0) {
            db_rollback(db);
            return error_wrap(err, "migration %lld", (long long)version);
        }
    AUTO_FREE char *done = mem_printf("PRAGMA user_version = %d", migration_count);
    if (execute(db, done, err) < 0 || db_commit(db, err) < 0) {
        db_rollback(db);
        return -1;
    }
    return 0;
}

// Where two processes make a database into one with a write-ahead log at the same moment, SQLite
// tells one of them at once that it is locked, whatever the busy timeout says.
static int set_up(struct db *db, struct error *err)
{
    static const char pragmas[] =
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON";
    int64_t deadline = clock_monotonic_ms() + BUSY_MS;
    while (execute(db, pragmas, err) < 0) {
        if (sqlite3_errcode(db->handle) != SQLITE_BUSY || clock_monotonic_ms() >= deadline)
            return -1;
        sqlite3_sleep(10);
    }
    return 0;
}

struct db *db_open(const char *path, struct error *err)
{
    struct db *db = mem_alloc(sizeof *db);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    // What a private repository's commits and stages say is nobody else's business. Its log and
    // shared memory get the rights that the database has.
    mode_t before = umask(077);
    int code = sqlite3_open_v2(path, &db->handle, flags, NULL);
    umask(before);
    if (code != SQLITE_OK) {
        failure(db, path, err);
        db_close(db);
        return NULL;
    }
    sqlite3_busy_timeout(db->handle, BUSY_MS);
    if (set_up(db, err) < 0 || migrate(db, err) < 0) {
        error_wrap(err, "%s", path);
        db_close(db);
        return NULL;
    }
    return db;
}

void db_close(struct db *db)
{
    if (!db)
        return;
    sqlite3_close(db->handle);
    free(db);
}

int query_init(struct query *q, struct db *db, const char *sql, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    *q = (struct query){.db = db};
    if (sqlite3_prepare_v2(db->handle, sql, -1, &statement, NULL) != SQLITE_OK)
        return failure(db, "database", err);
    q->statement = statement;
    return 0;
}

void query_done(struct query *q)
{
    sqlite3_finalize(q->statement);
    q->statement = NULL;
}

void query_int(struct query *q, int64_t value)
{
    sqlite3_bind_int64(q->statement, ++q->bound, value);
}

void query_text(struct query *q, const char *value)
{
    if (value)
        sqlite3_bind_text(q->statement, ++q->bound, value, -1, SQLITE_TRANSIENT);
    else
        sqlite3_bind_null(q->statement, ++q->bound);
}

int query_next(struct query *q, struct error *err)
{
    switch (sqlite3_step(q->statement)) {
    case SQLITE_ROW:
        return 1;
    case SQLITE_DONE:
        return 0;
    default:
        return failure(q->db, "database", err);
    }
}

int query_run(struct query *q, struct error *err)
{
    return query_next(q, err) < 0 ? -1 : 0;
}

int64_t query_column_int(const struct query *q, int column)
{
    return sqlite3_column_int64(q->statement, column);
}

const char *query_column_text(const struct query *q, int column)
{
    return (const char *)sqlite3_column_text(q->statement, column);
}

int64_t db_last_id(const struct db *db)
{
    return sqlite3_last_insert_rowid(db->handle);
}

int64_t db_changes(const struct db *db)
{
    return sqlite3_changes64(db->handle);
}

int db_set_durable(struct db *db, bool durable, struct error *err)
{
    return execute(db, durable ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL", err);
}

int db_begin(struct db *db, struct error *err)
{
    if (execute(db, "BEGIN IMMEDIATE", err) < 0)
        return -1;
    db->in_transaction = true;
    return 0;
}

int db_commit(struct db *db, struct error *err)
{
    if (execute(db, "COMMIT", err) < 0)
        return -1;
    db->in_transaction = false;
    return 0;
}

void db_rollback(struct db *db)
{
    if (db->in_transaction)
        execute(db, "ROLLBACK", NULL);
    db->in_transaction = false;
}
