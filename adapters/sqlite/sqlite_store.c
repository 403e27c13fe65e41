#define _POSIX_C_SOURCE 200809L /* stat */
#include "sqlite_store.h"

#include "readable.h"
#include "sqlite_internal.h"
#include "sqlite_migrate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Tries to enter WAL mode while another process does the same: SQLite does not wait then. */
#define WAL_TRIES_MAX 100
#define WAL_TRY_MS    10

#define REASON_SIZE 400

int sqlite_store_schema_version(void)
{
    return sqlite_migrations_count;
}

void sqlite_now_update(struct sqlite_store *store)
{
    store->now_ms = store->now(store->clock_context);
}

static enum store_status scan(struct store *base, const struct store_scan *scan,
                              struct store_page *page)
{
    struct sqlite_store *store = (struct sqlite_store *)base;
    invariant(scan->limit <= STORE_PAGE_MAX);
    sqlite_now_update(store);
    page->count = 0;
    switch ((enum scan_kind)scan->kind) {
    case SCAN_PAYMENTS_DUE:
        return sqlite_payments_due(store, scan, page);
    case SCAN_OUTBOX_DUE:
        return sqlite_outbox_due(store, scan, page);
    case SCAN_FAILED_EVENTS:
        return sqlite_failed_events(store, scan, page);
    }
    invariant(false);
    return STORE_UNAVAILABLE;
}

static enum store_status purge(struct store *base, enum purge_kind kind, int64_t older_than_ms,
                               uint32_t limit, uint32_t *deleted)
{
    struct sqlite_store *store = (struct sqlite_store *)base;
    invariant(kind == PURGE_OUTBOX_DONE && older_than_ms >= 0);
    sqlite_now_update(store);
    return sqlite_outbox_purge(store, older_than_ms, limit, deleted);
}

static void store_close(struct store *base)
{
    struct sqlite_store *store = (struct sqlite_store *)base;
    for (int i = 0; i < SQL_COUNT; i++) {
        sqlite3_finalize(store->statements[i]);
    }
    sqlite3_close(store->db); /* an open transaction is rolled back */
    free(store->readable);
    free(store);
}

static const struct store_ops operations = {
    .submit = sqlite_store_submit,
    .scan = scan,
    .purge = purge,
    .read_payment = sqlite_read_payment,
    .read_failed_event = sqlite_read_failed_event,
    .close = store_close,
};

/* What a person needs to hear about a failed open, in SQLite's words where they are clear. */
static void open_reason(sqlite3 *db, int code, const char *path, char *reason)
{
    struct stat status;
    if (stat(path, &status) == 0 && S_ISDIR(status.st_mode)) {
        snprintf(reason, REASON_SIZE, "is a directory");
        return;
    }
    switch (code & 0xFF) {
    case SQLITE_NOTADB:
        snprintf(reason, REASON_SIZE, "is not a SQLite database");
        return;
    case SQLITE_BUSY:
        snprintf(reason, REASON_SIZE, "is locked by another program");
        return;
    case SQLITE_READONLY:
        snprintf(reason, REASON_SIZE, "is read-only");
        return;
    case SQLITE_CANTOPEN:
        if (db != NULL && sqlite3_system_errno(db) != 0) {
            char detail[100] = "";
            (void)strerror_r(sqlite3_system_errno(db), detail, sizeof(detail));
            snprintf(reason, REASON_SIZE, "cannot be opened: %s", detail);
            return;
        }
        break;
    default:
        break;
    }
    snprintf(reason, REASON_SIZE, "cannot be used: %s",
             db == NULL ? sqlite3_errstr(code) : sqlite3_errmsg(db));
}

/* Runs a pragma and reads its answer as text. */
static int pragma(sqlite3 *db, const char *sql, char *answer, size_t answer_size)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (code == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW) {
        const unsigned char *text = sqlite3_column_text(statement, 0);
        snprintf(answer, answer_size, "%s", text == NULL ? "" : (const char *)text);
    }
    int ended = sqlite3_finalize(statement);
    return code == SQLITE_OK ? ended : code;
}

static bool wal_enter(sqlite3 *db, const char *path, char *reason)
{
    char answer[32] = "";
    int code = SQLITE_BUSY;
    for (int i = 0; i < WAL_TRIES_MAX && (code & 0xFF) == SQLITE_BUSY; i++) {
        if (i > 0) {
            sqlite3_sleep(WAL_TRY_MS);
        }
        code = pragma(db, "PRAGMA journal_mode = WAL", answer, sizeof(answer));
    }
    if (code != SQLITE_OK) {
        open_reason(db, code, path, reason);
        return false;
    }
    if (strcmp(answer, "wal") != 0) {
        snprintf(reason, REASON_SIZE, "cannot use a write-ahead log (journal mode: %s)", answer);
        return false;
    }
    return true;
}

/* Settings of the connection. Each is read back: a store that may lose commits is refused. */
static bool connection_configure(sqlite3 *db, const char *path, char *reason)
{
    if (sqlite3_db_readonly(db, "main") == 1) {
        snprintf(reason, REASON_SIZE, "is read-only");
        return false;
    }
    if (!wal_enter(db, path, reason)) {
        return false;
    }
    char synchronous[32] = "";
    int code = sqlite3_exec(db,
                            "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
                            "PRAGMA trusted_schema = OFF",
                            NULL, NULL, NULL);
    if (code == SQLITE_OK) {
        code = pragma(db, "PRAGMA synchronous", synchronous, sizeof(synchronous));
    }
    if (code != SQLITE_OK || strcmp(synchronous, "2") != 0) {
        snprintf(reason, REASON_SIZE, "does not take synchronous = FULL: %s", sqlite3_errmsg(db));
        return false;
    }
    return true;
}

static bool statements_prepare(struct sqlite_store *store, char *reason)
{
    for (int i = 0; i < SQL_COUNT; i++) {
        const char *text = sqlite_sql_text((enum sqlite_sql)i);
        if (sqlite3_prepare_v3(store->db, text, -1, SQLITE_PREPARE_PERSISTENT,
                               &store->statements[i], NULL) != SQLITE_OK) {
            snprintf(reason, REASON_SIZE, "has an unexpected schema: %s",
                     sqlite3_errmsg(store->db));
            return false;
        }
    }
    return true;
}

static bool connection_open(struct sqlite_store *store, const char *path,
                            const struct sqlite_store_options *options, char *reason)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE |
                SQLITE_OPEN_EXRESCODE | (options->migrate ? SQLITE_OPEN_CREATE : 0);
    int code = sqlite3_open_v2(path, &store->db, flags, options->vfs);
    if (code == SQLITE_OK) {
        code = sqlite3_busy_timeout(store->db, options->busy_timeout_ms);
    }
    if (code == SQLITE_OK) {
        char schema_version[32]; /* the first read of the file */
        code = pragma(store->db, "PRAGMA schema_version", schema_version, sizeof(schema_version));
    }
    if (code != SQLITE_OK) {
        open_reason(store->db, code, path, reason);
        return false;
    }
    return connection_configure(store->db, path, reason) &&
           sqlite_migrate(store->db, options->migrate, reason, REASON_SIZE) &&
           statements_prepare(store, reason);
}

bool sqlite_store_open(const char *path, const struct sqlite_store_options *options,
                       struct store **store, char *error, size_t error_size)
{
    invariant(options->now_ms != NULL && options->busy_timeout_ms >= 0);
    char reason[REASON_SIZE] = "no memory";
    struct sqlite_store *opened = calloc(1, sizeof(*opened));
    if (opened == NULL) {
        goto out;
    }
    opened->base.ops = &operations;
    opened->now = options->now_ms;
    opened->clock_context = options->clock_context;
    opened->readable = malloc(READABLE_SIZE(STORE_BODY_MAX));
    if (opened->readable != NULL && connection_open(opened, path, options, reason)) {
        *store = &opened->base;
        return true;
    }
    store_close(&opened->base);
out:
    snprintf(error, error_size, "store file '%s' %s", path, reason);
    return false;
}
