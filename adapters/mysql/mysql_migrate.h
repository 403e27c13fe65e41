/*
 * mysql_migrate.h - the numbered migrations, and the check of a database's schema version.
 *
 * Private to adapters/mysql.
 */
#ifndef FAREBOX_MYSQL_MIGRATE_H
#define FAREBOX_MYSQL_MIGRATE_H

#include "mysql_internal.h"

struct mysql_migration {
    int version; /* 1, 2, 3 ... */
    const char *name;
    const char *sql; /* statements; the last one sets the version */
};

/* Generated from migrations/ at configure time, in order. */
extern const struct mysql_migration mysql_migrations[];
extern const int mysql_migrations_count;

/* Compares the schema's version with this program's. False: it cannot be read, or this program is
 * too old for it, and `reason` says so. */
MUST_USE bool mysql_schema_check(MYSQL *db, bool *is_current, char *reason, size_t reason_size);

/* Tells the schema's version; 0: none. */
int mysql_schema_version(MYSQL *db);

/* Who asks: an operator who wants to know, or to have it done, or a process that starts. */
enum mysql_migrating { MYSQL_MIGRATE_DRY_RUN, MYSQL_MIGRATE_RUN, MYSQL_MIGRATE_AT_START };
/*
 * Runs what is missing, one process at a time (mysql_migrate_lease.h), on connections of its own;
 * tells `watch` of each statement before it runs. A dry run only tells. A start does not end the
 * work of others: where somebody may be working on the schema as it is and could not on the new
 * one, it refuses, and an operator has to run the migration. Neither server can take back a CREATE
 * or ALTER, so a migration that was cut off is run again from its start; what it did already is
 * left out. A table whose metadata are locked is tried again, so that writers never queue behind a
 * statement that waits. False: `reason` says why.
 */
MUST_USE bool mysql_migrate(const struct mysql_store *store,
                            const struct mysql_migration_watch *watch, enum mysql_migrating how,
                            char *reason, size_t reason_size);

#endif
