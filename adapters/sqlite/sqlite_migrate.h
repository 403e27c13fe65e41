/*
 * sqlite_migrate.h - the numbered migrations, and the check of a file's schema version.
 *
 * Private to adapters/sqlite.
 */
#ifndef FAREBOX_SQLITE_MIGRATE_H
#define FAREBOX_SQLITE_MIGRATE_H

#include "invariant.h"

#include <stdbool.h>
#include <stddef.h>

struct sqlite3;

struct sqlite_migration {
    int version; /* 1, 2, 3 ... */
    const char *name;
    const char *sql; /* sets schema_version to `version` */
};

/* Generated from migrations/ at configure time, in order. */
extern const struct sqlite_migration sqlite_migrations[];
extern const int sqlite_migrations_count;

/*
 * Checks the schema of an open database and, where `migrate`, runs what is missing: one
 * transaction, so another process sees the old schema or the new one. False: `reason` says why,
 * and the file is as it was.
 */
MUST_USE bool sqlite_migrate(struct sqlite3 *db, bool migrate, char *reason, size_t reason_size);

#endif
