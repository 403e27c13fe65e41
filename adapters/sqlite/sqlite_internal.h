/*
 * sqlite_internal.h - what the files of adapters/sqlite share.
 *
 * The connection, its prepared statements, and the three ways in which a statement can end.
 */
#ifndef FAREBOX_SQLITE_INTERNAL_H
#define FAREBOX_SQLITE_INTERNAL_H

#include "sqlite_store.h"

#include <sqlite3.h>

/* Every SQL text is in sqlite_statements.c, in this order. */
enum sqlite_sql {
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_SAVEPOINT,
    SQL_RELEASE,
    SQL_ROLLBACK_TO,
    SQL_PAYMENT_OPEN,
    SQL_PAYMENT_MOVE,
    SQL_PAYMENT_BY_ID,
    SQL_PAYMENT_BY_TRIP,
    SQL_PAYMENTS_DUE,
    SQL_OUTBOX_OPEN,
    SQL_OUTBOX_MOVE_BY_ROW,
    SQL_OUTBOX_MOVE_BY_EVENT,
    SQL_OUTBOX_TOKEN_BY_ROW,
    SQL_OUTBOX_TOKEN_BY_EVENT,
    SQL_OUTBOX_DUE,
    SQL_OUTBOX_PURGE,
    SQL_FAILED_EVENT_OPEN,
    SQL_FAILED_EVENT_MOVE,
    SQL_FAILED_EVENT_REQUEUE,
    SQL_FAILED_EVENT_TOKEN_BY_ROW,
    SQL_FAILED_EVENT_TOKEN_BY_ORIGIN,
    SQL_FAILED_EVENTS,
    SQL_FAILED_EVENT_BY_ROW,
    SQL_LEASE_TAKE,
    SQL_LEASE_EXTEND,
    SQL_LEASE_RELEASE,
    SQL_LEASE_TOKEN,
    SQL_COUNT
};

const char *sqlite_sql_text(enum sqlite_sql sql);

struct sqlite_store {
    struct store base; /* first: the port's handle */
    sqlite3 *db;
    sqlite3_stmt *statements[SQL_COUNT];
    int64_t (*now)(void *context);
    void *clock_context;
    int64_t now_ms;                             /* the store's now of the batch or read under way */
    char *readable;                             /* READABLE_SIZE(STORE_BODY_MAX) bytes */
    struct unit_result staged[STORE_BATCH_MAX]; /* results until they are known to be durable */
};

/* How a statement or a unit ended. */
enum step {
    STEP_OK = 1,
    STEP_UNIT_ERROR, /* this unit will never be written: a constraint, a value too long */
    STEP_ABORT,      /* the batch, or the read, cannot go on now */
};

/* Runs a writing statement with what is bound to it, and makes it ready for the next use. */
enum step sqlite_run(struct sqlite_store *store, enum sqlite_sql sql);

/* The rows that the last sqlite_run() changed. */
int sqlite_changed(const struct sqlite_store *store);

/* Makes a statement ready for its next use; always called after sqlite3_step() by hand. */
void sqlite_reset(struct sqlite_store *store, enum sqlite_sql sql);

/*
 * After a guarded write that changed nothing: applied if the row that `sql` (with its key bound)
 * finds carries the unit's token, else `otherwise`.
 */
enum step sqlite_judge_by_token(struct sqlite_store *store, enum sqlite_sql sql, struct token token,
                                enum unit_verdict otherwise, struct unit_result *result);

/* The units, one file for each table. STEP_OK: `result` is filled in. */
enum step sqlite_payment_open(struct sqlite_store *store, const struct store_batch *batch,
                              const struct unit *unit, struct unit_result *result);
enum step sqlite_payment_move(struct sqlite_store *store, const struct store_batch *batch,
                              const struct unit *unit, struct unit_result *result);
enum step sqlite_outbox_open(struct sqlite_store *store, const struct texts *texts,
                             const struct unit *unit);
enum step sqlite_outbox_move(struct sqlite_store *store, const struct unit *unit,
                             struct unit_result *result);
enum step sqlite_failed_event_open(struct sqlite_store *store, const struct texts *texts,
                                   const struct unit *unit, struct unit_result *result);
enum step sqlite_failed_event_move(struct sqlite_store *store, const struct unit *unit,
                                   struct unit_result *result);
enum step sqlite_lease_write(struct sqlite_store *store, const struct texts *texts,
                             const struct unit *unit, struct unit_result *result);

/* The operations of the port. */
enum batch_outcome sqlite_store_submit(struct store *base, const struct store_batch *batch);
enum store_status sqlite_payments_due(struct sqlite_store *store, const struct store_scan *scan,
                                      struct store_page *page);
enum store_status sqlite_outbox_due(struct sqlite_store *store, const struct store_scan *scan,
                                    struct store_page *page);
enum store_status sqlite_failed_events(struct sqlite_store *store, const struct store_scan *scan,
                                       struct store_page *page);
enum store_status sqlite_outbox_purge(struct sqlite_store *store, int64_t older_than_ms,
                                      uint32_t limit, uint32_t *deleted);
enum store_status sqlite_read_payment(struct store *base, const char *trip_id, size_t len,
                                      struct texts *texts, struct payment_view *view);
enum store_status sqlite_read_failed_event(struct store *base, int64_t row_id, struct texts *texts,
                                           struct failed_event_row *row);

/* Reads the clock for the call under way. */
void sqlite_now_update(struct sqlite_store *store);

#endif
