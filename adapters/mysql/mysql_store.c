#include "mysql_store.h"

#include "mysql_internal.h"
#include "mysql_migrate.h"
#include "readable.h"

#include <mysqld_error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int mysql_store_schema_version(void)
{
    return mysql_migrations_count;
}

static enum store_status scan_once(struct mysql_store *store, const struct store_scan *scan,
                                   struct store_page *page)
{
    page->count = 0;
    if (!mysql_read_begin(store)) {
        return STORE_UNAVAILABLE;
    }
    switch ((enum scan_kind)scan->kind) {
    case SCAN_PAYMENTS_DUE:
        return mysql_payments_due(store, scan, page);
    case SCAN_OUTBOX_DUE:
        return mysql_outbox_due(store, scan, page);
    case SCAN_FAILED_EVENTS:
        return mysql_failed_events(store, scan, page);
    }
    invariant(false);
    return STORE_UNAVAILABLE;
}

/* Reads, and a purge, are repeated once where the connection was lost: perhaps only since the last
 * call. */
static bool lost(const struct mysql_store *store, enum store_status status)
{
    return status == STORE_UNAVAILABLE && store->db == NULL;
}

/* Though it waits for no row, a scan that locks can be the victim of a deadlock (seen on MariaDB
 * 10.11, once in a thousand scans of a table that three connections drained). */
static bool deadlocked(const struct mysql_store *store, enum store_status status)
{
    return status == STORE_UNAVAILABLE && store->db != NULL &&
           mysql_errno(store->db) == ER_LOCK_DEADLOCK;
}

static enum store_status scan(struct store *base, const struct store_scan *scan,
                              struct store_page *page)
{
    struct mysql_store *store = (struct mysql_store *)base;
    invariant(scan->limit <= STORE_PAGE_MAX);
    enum store_status status = scan_once(store, scan, page);
    if (lost(store, status) || deadlocked(store, status)) {
        status = scan_once(store, scan, page);
    }
    if (status != STORE_OK) {
        page->count = 0;
    }
    return status;
}

static enum store_status purge(struct store *base, enum purge_kind kind, int64_t older_than_ms,
                               uint32_t limit, uint32_t *deleted)
{
    struct mysql_store *store = (struct mysql_store *)base;
    enum store_status status = STORE_UNAVAILABLE;
    invariant(kind == PURGE_OUTBOX_DONE && older_than_ms >= 0);
    for (int i = 0; i < 2 && (i == 0 || lost(store, status)); i++) {
        if (mysql_read_begin(store)) {
            status = mysql_outbox_purge(store, older_than_ms, limit, deleted);
        }
    }
    return status;
}

static enum store_status read_payment(struct store *base, const char *trip_id, size_t len,
                                      struct texts *texts, struct payment_view *view)
{
    struct mysql_store *store = (struct mysql_store *)base;
    enum store_status status = STORE_UNAVAILABLE;
    for (int i = 0; i < 2 && (i == 0 || lost(store, status)); i++) {
        if (mysql_read_begin(store)) {
            status = mysql_payment_read(store, trip_id, len, texts, view);
        }
    }
    return status;
}

static enum store_status read_failed_event(struct store *base, int64_t row_id, struct texts *texts,
                                           struct failed_event_row *row)
{
    struct mysql_store *store = (struct mysql_store *)base;
    enum store_status status = STORE_UNAVAILABLE;
    for (int i = 0; i < 2 && (i == 0 || lost(store, status)); i++) {
        if (mysql_read_begin(store)) {
            status = mysql_failed_event_read(store, row_id, texts, row);
        }
    }
    return status;
}

/* The password does not stay in freed memory. */
static void store_close(struct store *base)
{
    struct mysql_store *store = (struct mysql_store *)base;
    mysql_session_drop(store);
    sql_free(&store->sql);
    sql_rows_free(&store->rows);
    free(store->readable);
    volatile char *password = store->password;
    for (size_t i = 0; i < sizeof(store->password); i++) {
        password[i] = '\0';
    }
    free(store);
}

static const struct store_ops operations = {
    .submit = mysql_store_submit,
    .scan = scan,
    .purge = purge,
    .read_payment = read_payment,
    .read_failed_event = read_failed_event,
    .close = store_close,
};

static bool text_copy(char *to, const char *from)
{
    return snprintf(to, OPTION_SIZE, "%s", from == NULL ? "" : from) < OPTION_SIZE;
}

static bool options_copy(struct mysql_store *store, const struct mysql_store_options *options)
{
    store->options = *options;
    store->options.password = NULL;
    if (store->options.idle_timeout_s == 0) {
        store->options.idle_timeout_s = MYSQL_STORE_IDLE_S;
    }
    return text_copy(store->host, options->host) && text_copy(store->user, options->user) &&
           text_copy(store->password, options->password) &&
           text_copy(store->database, options->database) &&
           text_copy(store->tls_ca, options->tls_ca) &&
           text_copy(store->tls_cert, options->tls_cert) &&
           text_copy(store->tls_key, options->tls_key);
}

/* False: the schema is not what this program works on, and was not to be made so. */
static bool schema_ready(struct mysql_store *store, char *reason)
{
    bool is_current = false;
    if (!mysql_schema_check(store->db, &is_current, reason, REASON_SIZE)) {
        return false;
    }
    if (is_current) {
        return true;
    }
    if (store->options.migrate) {
        /* A migration takes longer than the server keeps a session that says nothing. */
        mysql_session_drop(store);
        return mysql_migrate(store, NULL, MYSQL_MIGRATE_AT_START, reason, REASON_SIZE) &&
               mysql_session_open(store, reason);
    }
    int version = mysql_schema_version(store->db);
    if (version == 0) {
        snprintf(reason, REASON_SIZE,
                 "has no tables of Farebox, and migrating is off: run `farebox migrate`");
    } else {
        snprintf(reason, REASON_SIZE,
                 "has schema version %d, this Farebox needs version %d, and migrating is off: run "
                 "`farebox migrate`",
                 version, mysql_migrations_count);
    }
    return false;
}

static void error_say(const struct mysql_store_options *options, const char *reason, char *error,
                      size_t error_size)
{
    snprintf(error, error_size, "store mysql://%s@%s:%u/%s %s", options->user, options->host,
             (unsigned)options->port, options->database, reason);
}

/* A store that is not connected, or NULL and the reason. */
static struct mysql_store *store_make(const struct mysql_store_options *options, char *reason)
{
    invariant(options->connect_timeout_s > 0 && options->read_timeout_s > 0);
    invariant(options->write_timeout_s > 0 && options->lock_wait_timeout_s > 0);
    snprintf(reason, REASON_SIZE, "no memory");
    struct mysql_store *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return NULL;
    }
    made->base.ops = &operations;
    made->readable = malloc(READABLE_SIZE(STORE_BODY_MAX));
    bool fits = options_copy(made, options);
    if (!fits) {
        snprintf(reason, REASON_SIZE, "has a part of more than %d bytes", OPTION_SIZE - 1);
    }
    if (!fits || made->readable == NULL) {
        store_close(&made->base);
        return NULL;
    }
    return made;
}

bool mysql_store_open(const struct mysql_store_options *options, struct store **store, char *error,
                      size_t error_size)
{
    char reason[REASON_SIZE];
    struct mysql_store *opened = store_make(options, reason);
    if (opened != NULL) {
        if (mysql_session_open(opened, reason) && schema_ready(opened, reason) &&
            mysql_rights_check(opened, reason) && mysql_schema_learn(opened, reason)) {
            *store = &opened->base;
            return true;
        }
        store_close(&opened->base);
    }
    error_say(options, reason, error, error_size);
    return false;
}

bool mysql_store_migrate(const struct mysql_store_options *options, bool dry_run,
                         const struct mysql_migration_watch *watch, int *before, char *error,
                         size_t error_size)
{
    char reason[REASON_SIZE];
    struct mysql_store *store = store_make(options, reason);
    if (store != NULL) {
        bool migrated = mysql_session_open(store, reason);
        int version = migrated ? mysql_schema_version(store->db) : 0;
        migrated = migrated &&
                   mysql_migrate(store, watch, dry_run ? MYSQL_MIGRATE_DRY_RUN : MYSQL_MIGRATE_RUN,
                                 reason, sizeof(reason));
        store_close(&store->base);
        if (migrated) {
            *before = version;
            return true;
        }
    }
    error_say(options, reason, error, error_size);
    return false;
}
