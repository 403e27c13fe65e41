/*
 * mysql_migrate.h - the numbered migrations, and the check of a database's schema version.
 *
 * Private to adapters/mysql.
 */
#ifndef FAREBOX_MYSQL_MIGRATE_H
#define FAREBOX_MYSQL_MIGRATE_H

#include "invariant.h"

#include <stdbool.h>
#include <stddef.h>

struct st_mysql;

struct mysql_migration {
    int version; /* 1, 2, 3 ... */
    const char *name;
    const char *sql; /* statements; the last one sets the version */
};

/* Generated from migrations/ at configure time, in order. */
extern const struct mysql_migration mysql_migrations[];
extern const int mysql_migrations_count;

/*
 * Checks the schema of the connection's database and, where `migrate`, runs what is missing, one
 * process at a time. Neither server can take back a CREATE or ALTER, so a migration that was cut
 * off is run again from its start; what it did already is left alone. False: `reason` says why.
 */
MUST_USE bool mysql_migrate(struct st_mysql *db, bool migrate, char *reason, size_t reason_size);

#endif
