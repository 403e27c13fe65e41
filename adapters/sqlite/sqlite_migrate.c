#include "sqlite_migrate.h"

#include <sqlite3.h>
#include <stdio.h>

struct schema {
    bool is_empty;   /* no table at all */
    bool is_farebox; /* has schema_version */
    int version;
    int min_reader;
};

static bool fail(sqlite3 *db, const char *what, char *reason, size_t reason_size)
{
    snprintf(reason, reason_size, "%s: %s", what, sqlite3_errmsg(db));
    return false;
}

/* Reads the first row's first two integers. */
static bool query(sqlite3 *db, const char *sql, int *first, int *second)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK) {
        return false;
    }
    bool found = sqlite3_step(statement) == SQLITE_ROW;
    if (found) {
        *first = sqlite3_column_int(statement, 0);
        *second = sqlite3_column_int(statement, 1);
    }
    return sqlite3_finalize(statement) == SQLITE_OK && found;
}

static bool schema_read(sqlite3 *db, struct schema *schema)
{
    int tables = 0;
    int versions = 0;
    if (!query(db,
               "SELECT count(*), count(CASE name WHEN 'schema_version' THEN 1 END)"
               " FROM sqlite_schema WHERE type = 'table'",
               &tables, &versions)) {
        return false;
    }
    *schema = (struct schema){.is_empty = tables == 0, .is_farebox = versions == 1};
    return !schema->is_farebox || query(db, "SELECT version, min_reader FROM schema_version",
                                        &schema->version, &schema->min_reader);
}

/* False: this program must not work on the file, whatever it migrates. */
static bool schema_check(const struct schema *schema, char *reason, size_t reason_size)
{
    if (!schema->is_empty && !schema->is_farebox) {
        snprintf(reason, reason_size,
                 "is another program's database (it has tables, but no schema_version)");
        return false;
    }
    if (schema->min_reader > sqlite_migrations_count) {
        snprintf(reason, reason_size,
                 "has schema version %d, which needs a Farebox that knows version %d; this one "
                 "knows version %d: start a newer Farebox",
                 schema->version, schema->min_reader, sqlite_migrations_count);
        return false;
    }
    return true;
}

static bool run_missing(sqlite3 *db, int version, char *reason, size_t reason_size)
{
    for (int i = version; i < sqlite_migrations_count; i++) {
        if (sqlite3_exec(db, sqlite_migrations[i].sql, NULL, NULL, NULL) != SQLITE_OK) {
            snprintf(reason, reason_size, "migration %s failed: %s", sqlite_migrations[i].name,
                     sqlite3_errmsg(db));
            return false;
        }
    }
    struct schema schema;
    if (!schema_read(db, &schema)) {
        return fail(db, "its schema cannot be read after the migration", reason, reason_size);
    }
    invariant(schema.version >= sqlite_migrations_count);
    return true;
}

/* Another process may have migrated meanwhile, so the schema is read again inside. */
static bool migrate_locked(sqlite3 *db, char *reason, size_t reason_size)
{
    struct schema schema;
    if (!schema_read(db, &schema)) {
        return fail(db, "its schema cannot be read", reason, reason_size);
    }
    if (!schema_check(&schema, reason, reason_size) ||
        !run_missing(db, schema.version, reason, reason_size)) {
        return false;
    }
    if (sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK) {
        return fail(db, "the migration cannot be committed", reason, reason_size);
    }
    return true;
}

bool sqlite_migrate(sqlite3 *db, bool migrate, char *reason, size_t reason_size)
{
    struct schema schema;
    if (!schema_read(db, &schema)) {
        return fail(db, "its schema cannot be read", reason, reason_size);
    }
    if (!schema_check(&schema, reason, reason_size)) {
        return false;
    }
    if (schema.version >= sqlite_migrations_count) {
        return true;
    }
    if (!migrate) {
        snprintf(reason, reason_size,
                 "has schema version %d, this Farebox needs version %d: run `farebox migrate`",
                 schema.version, sqlite_migrations_count);
        return false;
    }
    if (sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK) {
        return fail(db, "cannot be locked for its migration", reason, reason_size);
    }
    bool migrated = migrate_locked(db, reason, reason_size);
    if (!migrated && sqlite3_get_autocommit(db) == 0) {
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    }
    return migrated;
}
