// SQLite behind a few calls: one connection, write-ahead log. A commit survives the death of every
// process at once, and a power cut as soon as the log is synced; db_set_durable() has it synced
// before the commit returns, which costs a millisecond and is for what must not be forgotten.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/memory.h"

struct db;

// Opens (and makes) the database and brings its schema up to date. A database of a newer davit is
// refused.
struct db *db_open(const char *path, struct error *err);
void db_close(struct db *db); // accepts NULL
DEFINE_AUTO_PTR(db, struct db, db_close)

// One statement: bind its parameters in order, then step through its rows.
//
//     AUTO(query) struct query q;
//     if (query_init(&q, db, "SELECT a, b FROM t WHERE c = ?", err) < 0) return -1;
//     query_int(&q, 7);
//     while ((got = query_next(&q, err)) > 0) … query_column_text(&q, 0) …
struct query {
    void *statement;
    struct db *db;
    int bound;
};
int query_init(struct query *q, struct db *db, const char *sql, struct error *err);
void query_done(struct query *q);
void query_int(struct query *q, int64_t value);
void query_text(struct query *q, const char *value); // copied; NULL is SQL's NULL
int query_next(struct query *q, struct error *err);  // 1 with a row, 0 at the end, -1
int query_run(struct query *q, struct error *err);   // for statements without rows
int64_t query_column_int(const struct query *q, int column);
const char *query_column_text(
    const struct query *q, int column); // lent until the next step; NULL for NULL
DEFINE_AUTO(query, struct query, query_done)

int64_t db_last_id(const struct db *db); // of the last INSERT
int64_t db_changes(const struct db *db); // rows that the last statement changed

int db_set_durable(struct db *db, bool durable, struct error *err); // of the commits that follow

// Several statements that hold together. An end without db_commit() undoes them.
int db_begin(struct db *db, struct error *err);
int db_commit(struct db *db, struct error *err);
void db_rollback(struct db *db); // fine after a commit
