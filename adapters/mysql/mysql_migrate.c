#include "mysql_migrate.h"

#include <mysql.h>
#include <mysqld_error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How long another process may take for its migration, in seconds. */
#define LOCK        "farebox_migrate"
#define LOCK_WAIT_S "600"

struct schema {
    int version; /* 0: none */
    int min_reader;
};

static bool fail(MYSQL *db, const char *what, char *reason, size_t reason_size)
{
    snprintf(reason, reason_size, "%s: %s", what, mysql_error(db));
    return false;
}

/* Reads the first row's first two integers; -1 for NULL or where there is no row. */
static bool query(MYSQL *db, const char *sql, int *first, int *second)
{
    if (mysql_query(db, sql) != 0) {
        return false;
    }
    MYSQL_RES *result = mysql_store_result(db);
    if (result == NULL) {
        return false;
    }
    MYSQL_ROW row = mysql_fetch_row(result);
    *first = row == NULL || row[0] == NULL ? -1 : atoi(row[0]);
    *second = row == NULL || row[1] == NULL ? -1 : atoi(row[1]);
    mysql_free_result(result);
    return true;
}

static bool schema_read(MYSQL *db, struct schema *schema)
{
    *schema = (struct schema){0};
    if (!query(db, "SELECT version, min_reader FROM farebox_schema", &schema->version,
               &schema->min_reader)) {
        return mysql_errno(db) == ER_NO_SUCH_TABLE;
    }
    if (schema->version < 0) { /* cut off between the table and its row */
        *schema = (struct schema){0};
    }
    return true;
}

/* False: this program must not work on the database, whatever it migrates. */
static bool schema_check(const struct schema *schema, char *reason, size_t reason_size)
{
    if (schema->min_reader <= mysql_migrations_count) {
        return true;
    }
    snprintf(reason, reason_size,
             "has schema version %d, which needs a Farebox that knows version %d; this one knows "
             "version %d: start a newer Farebox",
             schema->version, schema->min_reader, mysql_migrations_count);
    return false;
}

static bool done_already(unsigned code)
{
    return code == ER_DUP_FIELDNAME || code == ER_DUP_KEYNAME;
}

static bool is_blank(const char *sql, size_t len)
{
    return strspn(sql, " \n") >= len;
}

/* Statements end with ";\n"; no text inside one does. */
static bool run(MYSQL *db, const struct mysql_migration *migration, char *reason,
                size_t reason_size)
{
    const char *statement = migration->sql;
    while (*statement != '\0') {
        const char *end = strstr(statement, ";\n");
        size_t len = end == NULL ? strlen(statement) : (size_t)(end - statement);
        if (!is_blank(statement, len) && mysql_real_query(db, statement, len) != 0 &&
            !done_already(mysql_errno(db))) {
            snprintf(reason, reason_size, "migration %s failed: %s", migration->name,
                     mysql_error(db));
            return false;
        }
        statement += len + (end == NULL ? 0 : 2);
    }
    return true;
}

/* Another process may have migrated meanwhile, so the schema is read again. */
static bool migrate_locked(MYSQL *db, char *reason, size_t reason_size)
{
    struct schema schema;
    if (!schema_read(db, &schema)) {
        return fail(db, "its schema cannot be read", reason, reason_size);
    }
    if (!schema_check(&schema, reason, reason_size)) {
        return false;
    }
    for (int i = schema.version; i < mysql_migrations_count; i++) {
        if (!run(db, &mysql_migrations[i], reason, reason_size)) {
            return false;
        }
    }
    if (!schema_read(db, &schema)) {
        return fail(db, "its schema cannot be read after the migration", reason, reason_size);
    }
    invariant(schema.version >= mysql_migrations_count);
    return true;
}

bool mysql_migrate(MYSQL *db, bool migrate, char *reason, size_t reason_size)
{
    struct schema schema;
    if (!schema_read(db, &schema)) {
        return fail(db, "its schema cannot be read", reason, reason_size);
    }
    if (!schema_check(&schema, reason, reason_size)) {
        return false;
    }
    if (schema.version >= mysql_migrations_count) {
        return true;
    }
    if (!migrate) {
        snprintf(reason, reason_size,
                 "has schema version %d, this Farebox needs version %d: migrate it first",
                 schema.version, mysql_migrations_count);
        return false;
    }
    int locked = 0;
    int unused = 0;
    if (!query(db, "SELECT GET_LOCK('" LOCK "', " LOCK_WAIT_S "), 0", &locked, &unused) ||
        locked != 1) {
        return fail(db, "cannot be locked for its migration", reason, reason_size);
    }
    bool migrated = migrate_locked(db, reason, reason_size);
    (void)query(db, "SELECT RELEASE_LOCK('" LOCK "'), 0", &locked, &unused);
    return migrated;
}
