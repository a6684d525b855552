#include "store/migrations.h"

// Times are Unix milliseconds. Statuses are words (store/runs.h).
const char *const migrations[] = {
    // 0: the first schema
    "CREATE TABLE runs ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " repository TEXT NOT NULL," // path of the repository or of the checkout
    " pipeline TEXT,"            // its name, once it was read
    " file TEXT,"                // of the pipeline; NULL: the default
    " event TEXT NOT NULL,"
    " ref TEXT, branch TEXT, tag TEXT,"
    " commit_id TEXT, before_id TEXT, message TEXT, author TEXT,"
    " who TEXT, why TEXT, trace_id TEXT NOT NULL,"
    " trusted INTEGER NOT NULL,"
    " status TEXT NOT NULL, reason TEXT, exit_code INTEGER,"
    " queued_ms INTEGER NOT NULL, started_ms INTEGER, finished_ms INTEGER"
    ");"
    "CREATE INDEX runs_by_status ON runs(status, repository, ref);"
    "CREATE TABLE stages ("
    " run_id INTEGER NOT NULL REFERENCES runs(id),"
    " position INTEGER NOT NULL," // in the file
    " name TEXT NOT NULL, kind TEXT NOT NULL,"
    " status TEXT NOT NULL, reason TEXT, exit_code INTEGER,"
    " started_ms INTEGER, finished_ms INTEGER,"
    " outputs TEXT," // JSON
    " PRIMARY KEY (run_id, name)"
    ") WITHOUT ROWID;"
    "CREATE TABLE events ("
    " id INTEGER PRIMARY KEY,"
    " run_id INTEGER NOT NULL REFERENCES runs(id),"
    " at_ms INTEGER NOT NULL, stage TEXT, what TEXT NOT NULL, detail TEXT" // JSON
    ");"
    "CREATE INDEX events_by_run ON events(run_id);"
    "CREATE TABLE refs (" // what the watcher saw last
    " repository TEXT NOT NULL, name TEXT NOT NULL, commit_id TEXT NOT NULL,"
    " PRIMARY KEY (repository, name)"
    ") WITHOUT ROWID;",
};

const int migration_count = sizeof migrations / sizeof migrations[0];
