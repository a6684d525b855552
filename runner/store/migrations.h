// The schema's history: row n takes a database from version n to n + 1. Rows are only ever added.
#pragma once

extern const char *const migrations[];
extern const int migration_count;
