#include "store/refs.h"

int refs_load(struct db *db, const char *repository, struct strv *names, struct strv *commits,
    struct error *err)
{
    AUTO(query) struct query q;
    if (query_init(
            &q, db, "SELECT name, commit_id FROM refs WHERE repository = ? ORDER BY name", err) < 0)
        return -1;
    query_text(&q, repository);
    int got;
    while ((got = query_next(&q, err)) > 0) {
        strv_push(names, query_column_text(&q, 0));
        strv_push(commits, query_column_text(&q, 1));
    }
    return got;
}

int refs_put(
    struct db *db, const char *repository, const char *name, const char *commit, struct error *err)
{
    AUTO(query) struct query q;
    if (query_init(&q, db,
            "INSERT OR REPLACE INTO refs (repository, name, commit_id) VALUES (?,?,?)", err) < 0)
        return -1;
    query_text(&q, repository);
    query_text(&q, name);
    query_text(&q, commit);
    return query_run(&q, err);
}

int refs_remove(struct db *db, const char *repository, const char *name, struct error *err)
{
    AUTO(query) struct query q;
    if (query_init(&q, db, "DELETE FROM refs WHERE repository = ? AND name = ?", err) < 0)
        return -1;
    query_text(&q, repository);
    query_text(&q, name);
    return query_run(&q, err);
}
