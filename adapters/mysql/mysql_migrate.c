#define _POSIX_C_SOURCE 200809L /* nanosleep */
#include "mysql_migrate.h"

#include "mysql_migrate_lease.h"

#include <mysqld_error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* An index on a large table takes its time. */
#define READ_TIMEOUT_S 86400
/* Writers queue behind an ALTER that waits for a table's metadata, so it waits for one second only,
 * the shortest time that both servers know, and then lets them pass. */
#define LOCK_WAIT_SQL   "SET SESSION lock_wait_timeout = 1"
#define LOCKED_PAUSE_MS 2000
#define LOCKED_TRIES    300
#define LEASE_PAUSE_MS  500

struct schema {
    int version; /* 0: none */
    int min_reader;
};

/* One run of the migrations. */
struct migrating {
    MYSQL *db;
    struct migrate_lease *lease; /* NULL: not taken yet, or a dry run */
    const struct mysql_migration_watch *watch;
    enum mysql_migrating how;
    char *reason;
    size_t reason_size;
};

static bool fail(MYSQL *db, const char *what, char *reason, size_t reason_size)
{
    snprintf(reason, reason_size, "%s: %s", what, mysql_error(db));
    return false;
}

static void pause_ms(long ms)
{
    const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&pause, NULL);
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

int mysql_schema_version(MYSQL *db)
{
    struct schema schema;
    return schema_read(db, &schema) ? schema.version : 0;
}

static bool schema_fits(MYSQL *db, struct schema *schema, char *reason, size_t reason_size)
{
    if (!schema_read(db, schema)) {
        return fail(db, "its schema cannot be read", reason, reason_size);
    }
    if (schema->min_reader <= mysql_migrations_count) {
        return true;
    }
    snprintf(reason, reason_size,
             "has schema version %d, which needs a Farebox that knows version %d; this one knows "
             "version %d: start a newer Farebox",
             schema->version, schema->min_reader, mysql_migrations_count);
    return false;
}

bool mysql_schema_check(MYSQL *db, bool *is_current, char *reason, size_t reason_size)
{
    struct schema schema;
    if (!schema_fits(db, &schema, reason, reason_size)) {
        return false;
    }
    *is_current = schema.version >= mysql_migrations_count;
    return true;
}

/* The next statement of a migration: they end with ";\n", and comments are lines of their own. */
static bool statement_next(const char **at, const char **sql, size_t *len)
{
    const char *from = *at + strspn(*at, " \n");
    while (strncmp(from, "--", 2) == 0) {
        from += strcspn(from, "\n");
        from += strspn(from, " \n");
    }
    const char *end = strstr(from, ";\n");
    *sql = from;
    *len = end == NULL ? strlen(from) : (size_t)(end - from);
    *at = from + *len + (end == NULL ? 0 : 2);
    return *len > 0;
}

/* Rows of a table in information_schema: what is there already. */
static bool there_is(MYSQL *db, const char *where, const char *table, const char *name, bool *is)
{
    char sql[500];
    char condition[120] = "";
    int count = 0;
    int unused = 0;
    if (name != NULL) {
        (void)snprintf(condition, sizeof(condition), "%s = '%s'",
                       strstr(where, "statistics") != NULL ? "index_name" : "column_name", name);
    }
    (void)snprintf(sql, sizeof(sql),
                   "SELECT COUNT(*), 0 FROM information_schema.%s AND table_schema = DATABASE()"
                   " AND table_name = '%s'%s%s",
                   where, table, name == NULL ? "" : " AND ", condition);
    if (!query(db, sql, &count, &unused)) {
        return false;
    }
    *is = count > 0;
    return true;
}

/* Whether a statement would change nothing, because an earlier run that was cut off came so far.
 * An ALTER happens wholly or not at all, so its first column stands for all. */
static bool statement_is_done(MYSQL *db, const char *sql, size_t len, bool *done)
{
    char begin[200];
    char table[65] = "";
    char name[65] = "";
    (void)snprintf(begin, sizeof(begin), "%.*s", len > 199 ? 199 : (int)len, sql);
    *done = false;
    if (sscanf(begin, "CREATE TABLE IF NOT EXISTS %64[a-z_]", table) == 1) {
        return there_is(db, "tables WHERE 1 = 1", table, NULL, done);
    }
    if (sscanf(begin, "ALTER TABLE %64[a-z_] ADD COLUMN %64[a-z_]", table, name) == 2) {
        return there_is(db, "columns WHERE 1 = 1", table, name, done);
    }
    if (sscanf(begin, "ALTER TABLE %64[a-z_] ADD INDEX %64[a-z_]", table, name) == 2 ||
        sscanf(begin, "ALTER TABLE %64[a-z_] ADD UNIQUE INDEX %64[a-z_]", table, name) == 2) {
        return there_is(db, "statistics WHERE 1 = 1", table, name, done);
    }
    if (sscanf(begin, "ALTER TABLE %64[a-z_] DROP INDEX %64[a-z_]", table, name) == 2) {
        bool is = false;
        bool known = there_is(db, "statistics WHERE 1 = 1", table, name, &is);
        *done = known && !is;
        return known;
    }
    if (sscanf(begin, "ALTER TABLE %64[a-z_] ALTER COLUMN %64[a-z_]", table, name) == 2) {
        return there_is(db, "columns WHERE column_default = '0'", table, name, done);
    }
    return true;
}

static bool done_meanwhile(unsigned code)
{
    return code == ER_DUP_FIELDNAME || code == ER_DUP_KEYNAME || code == ER_CANT_DROP_FIELD_OR_KEY;
}

/* What the operator can do about it. */
static void explain(struct migrating *run, const char *name)
{
    const char *what = "failed";
    switch (mysql_errno(run->db)) {
    case ER_TABLEACCESS_DENIED_ERROR:
    case ER_DBACCESS_DENIED_ERROR:
        what = "needs a right that the user does not have";
        break;
    case ER_LOCK_WAIT_TIMEOUT:
        what = "finds a table in use by a transaction that does not end";
        break;
    case ER_ALTER_OPERATION_NOT_SUPPORTED:
    case ER_ALTER_OPERATION_NOT_SUPPORTED_REASON:
        what = "would lock writers out of a table; stop them and run the statement by hand "
               "without ALGORITHM and LOCK";
        break;
    default:
        break;
    }
    snprintf(run->reason, run->reason_size, "migration %s %s: %s", name, what,
             mysql_error(run->db));
}

static bool statement_send(struct migrating *run, const char *name, const char *sql, size_t len)
{
    for (int i = 0; i < LOCKED_TRIES; i++) {
        if (run->lease != NULL && !migrate_lease_is_held(run->lease)) {
            snprintf(run->reason, run->reason_size,
                     "migration %s has lost its lease to another process: try again", name);
            return false;
        }
        if (mysql_real_query(run->db, sql, len) == 0 || done_meanwhile(mysql_errno(run->db))) {
            return true;
        }
        if (!migrate_error_passes(mysql_errno(run->db))) {
            break;
        }
        pause_ms(LOCKED_PAUSE_MS);
    }
    explain(run, name);
    return false;
}

static bool statement_run(struct migrating *run, const char *name, const char *sql, size_t len)
{
    bool done = false;
    if (!statement_is_done(run->db, sql, len, &done)) {
        return fail(run->db, "its schema cannot be read", run->reason, run->reason_size);
    }
    if (done) {
        return true;
    }
    if (run->watch != NULL) {
        run->watch->statement(run->watch->context, sql, len);
    }
    return run->how == MYSQL_MIGRATE_DRY_RUN || statement_send(run, name, sql, len);
}

static bool migration_run(struct migrating *run, const struct mysql_migration *migration)
{
    const char *at = migration->sql;
    const char *sql = NULL;
    size_t len = 0;
    while (statement_next(&at, &sql, &len)) {
        if (!statement_run(run, migration->name, sql, len)) {
            return false;
        }
    }
    return true;
}

/* Version 1 was never whole: nobody works on it. */
#define VERSION_FIRST 2

/* False: a start leaves it to an operator, who sees to it that nobody is at work. */
static bool migrations_may_run(struct migrating *run, const struct schema *schema)
{
    for (int i = schema->version; i < mysql_migrations_count; i++) {
        if (run->how == MYSQL_MIGRATE_AT_START && schema->version >= VERSION_FIRST &&
            strstr(mysql_migrations[i].sql, "min_reader =") != NULL) {
            snprintf(run->reason, run->reason_size,
                     "has schema version %d, and instances at work on it could not go on with "
                     "version %d: stop all instances, then run `farebox migrate`",
                     schema->version, mysql_migrations[i].version);
            return false;
        }
    }
    return true;
}

static bool migrations_run(struct migrating *run, const struct schema *schema)
{
    for (int i = schema->version; i < mysql_migrations_count; i++) {
        if (!migration_run(run, &mysql_migrations[i])) {
            return false;
        }
    }
    return true;
}

/* The first statement makes the table of the leases. */
static bool lease_table_make(struct migrating *run)
{
    const char *at = mysql_migrations[0].sql;
    const char *sql = NULL;
    size_t len = 0;
    return statement_next(&at, &sql, &len) &&
           statement_run(run, mysql_migrations[0].name, sql, len);
}

/* Waits for the lease for as long as another process extends it and does not end. */
static bool migrate_in_turn(struct migrating *run, const struct mysql_store *store)
{
    struct schema schema;
    if (!lease_table_make(run)) {
        return false;
    }
    for (;;) {
        if (!schema_fits(run->db, &schema, run->reason, run->reason_size)) {
            return false;
        }
        if (schema.version >= mysql_migrations_count) {
            return true;
        }
        if (!migrate_lease_take(store, &run->lease, run->reason, run->reason_size)) {
            return false;
        }
        if (run->lease != NULL) {
            break;
        }
        pause_ms(LEASE_PAUSE_MS);
    }
    /* Another process may have ended between the look and the lease. */
    bool ran = schema_fits(run->db, &schema, run->reason, run->reason_size) &&
               migrations_may_run(run, &schema) && migrations_run(run, &schema);
    migrate_lease_release(run->lease);
    run->lease = NULL;
    return ran;
}

bool mysql_migrate(const struct mysql_store *store, const struct mysql_migration_watch *watch,
                   enum mysql_migrating how, char *reason, size_t reason_size)
{
    struct migrating run = {
        .watch = watch, .how = how, .reason = reason, .reason_size = reason_size};
    struct schema schema;
    bool ran = false;
    run.db = mysql_session_connect(store, READ_TIMEOUT_S, reason);
    if (run.db == NULL) {
        return false;
    }
    if (mysql_query(run.db, LOCK_WAIT_SQL) != 0) {
        (void)fail(run.db, "refuses a setting of the session", reason, reason_size);
    } else if (how == MYSQL_MIGRATE_DRY_RUN) {
        ran = schema_fits(run.db, &schema, reason, reason_size) && migrations_run(&run, &schema);
    } else {
        ran = migrate_in_turn(&run, store);
    }
    mysql_close(run.db);
    return ran;
}
