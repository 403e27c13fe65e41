/*
 * One batch: one transaction.
 *
 *   BEGIN IMMEDIATE -> each unit -> COMMIT          every result valid
 *          |               |          |
 *          |               | busy,    | busy: ROLLBACK, nothing was written
 *          |               | I/O ...  | else: ROLLBACK; the frames may be in the file already
 *          v               v          v
 *       ABORTED    ROLLBACK, ABORTED  ABORTED or UNKNOWN
 */
#include "sqlite_internal.h"
#include "sqlite_columns.h"

#include <string.h>

void sqlite_reset(struct sqlite_store *store, enum sqlite_sql sql)
{
    sqlite3_reset(store->statements[sql]);
    sqlite3_clear_bindings(store->statements[sql]);
}

static enum step step_of(int code)
{
    switch (code & 0xFF) {
    case SQLITE_OK:
    case SQLITE_DONE:
        return STEP_OK;
    case SQLITE_CONSTRAINT:
    case SQLITE_TOOBIG:
    case SQLITE_MISMATCH:
        return STEP_UNIT_ERROR;
    default:
        return STEP_ABORT;
    }
}

enum step sqlite_run(struct sqlite_store *store, enum sqlite_sql sql)
{
    int code = sqlite3_step(store->statements[sql]);
    sqlite_reset(store, sql);
    return step_of(code);
}

int sqlite_changed(const struct sqlite_store *store)
{
    return sqlite3_changes(store->db);
}

enum step sqlite_judge_by_token(struct sqlite_store *store, enum sqlite_sql sql, struct token token,
                                enum unit_verdict otherwise, struct unit_result *result)
{
    sqlite3_stmt *statement = store->statements[sql];
    int code = sqlite3_step(statement);
    bool applied = code == SQLITE_ROW && token_equal(column_token(statement, 0), token);
    sqlite_reset(store, sql);
    result->verdict = (uint8_t)(applied ? UNIT_APPLIED : otherwise);
    return code == SQLITE_ROW || code == SQLITE_DONE ? STEP_OK : STEP_ABORT;
}

static bool unit_writes_two_rows(const struct unit *unit)
{
    if (unit->kind == UNIT_FAILED_EVENT_MOVE) {
        return unit->as.failed_event.row.status == FAILED_EVENT_RESOLVED;
    }
    return (unit->kind == UNIT_PAYMENT_OPEN || unit->kind == UNIT_PAYMENT_MOVE) &&
           unit->as.payment.outcome.type != OUTCOME_NONE;
}

static enum step unit_write(struct sqlite_store *store, const struct store_batch *batch,
                            const struct unit *unit, struct unit_result *result)
{
    switch ((enum unit_kind)unit->kind) {
    case UNIT_PAYMENT_OPEN:
        return sqlite_payment_open(store, batch, unit, result);
    case UNIT_PAYMENT_MOVE:
        return sqlite_payment_move(store, batch, unit, result);
    case UNIT_OUTBOX_MOVE:
        return sqlite_outbox_move(store, unit, result);
    case UNIT_FAILED_EVENT_OPEN:
        return sqlite_failed_event_open(store, batch->texts, unit, result);
    case UNIT_FAILED_EVENT_MOVE:
        return sqlite_failed_event_move(store, unit, result);
    case UNIT_LEASE:
        return sqlite_lease_write(store, batch->texts, unit, result);
    }
    return STEP_UNIT_ERROR;
}

/*
 * A statement that fails takes back what it did itself; a unit of two rows needs a savepoint, or
 * the first row would stay.
 */
static enum step unit_apply(struct sqlite_store *store, const struct store_batch *batch,
                            const struct unit *unit, struct unit_result *result)
{
    memset(result, 0, sizeof(*result));
    if (!store_unit_check(unit, batch->texts)) {
        result->verdict = UNIT_ERROR;
        return STEP_OK;
    }
    bool two_rows = unit_writes_two_rows(unit);
    if (two_rows && sqlite_run(store, SQL_SAVEPOINT) != STEP_OK) {
        return STEP_ABORT;
    }
    enum step step = unit_write(store, batch, unit, result);
    if (step == STEP_UNIT_ERROR) {
        memset(result, 0, sizeof(*result));
        result->verdict = UNIT_ERROR;
        step = two_rows ? sqlite_run(store, SQL_ROLLBACK_TO) : STEP_OK;
    }
    if (step == STEP_OK && two_rows) {
        step = sqlite_run(store, SQL_RELEASE);
    }
    return step == STEP_OK ? STEP_OK : STEP_ABORT;
}

/* SQLite has rolled back by itself after some errors; BEGIN must never meet an open one. */
static bool rollback(struct sqlite_store *store)
{
    if (sqlite3_get_autocommit(store->db) == 0) {
        (void)sqlite_run(store, SQL_ROLLBACK);
    }
    return sqlite3_get_autocommit(store->db) != 0;
}

/* After an I/O error the commit frame may be in the file, and be found after a crash. */
static enum batch_outcome commit(struct sqlite_store *store)
{
    int code = sqlite3_step(store->statements[SQL_COMMIT]);
    sqlite_reset(store, SQL_COMMIT);
    if (code == SQLITE_DONE) {
        return BATCH_COMMITTED;
    }
    bool not_written = (code & 0xFF) == SQLITE_BUSY;
    return rollback(store) && not_written ? BATCH_ABORTED : BATCH_UNKNOWN;
}

enum batch_outcome sqlite_store_submit(struct store *base, const struct store_batch *batch)
{
    struct sqlite_store *store = (struct sqlite_store *)base;
    invariant(batch->count <= STORE_BATCH_MAX);
    if (batch->count == 0) {
        return BATCH_COMMITTED;
    }
    if (!rollback(store) || sqlite_run(store, SQL_BEGIN) != STEP_OK) {
        return BATCH_ABORTED;
    }
    sqlite_now_update(store); /* with the write lock held: instants follow the order of commits */
    for (uint32_t i = 0; i < batch->count; i++) {
        if (unit_apply(store, batch, &batch->units[i], &store->staged[i]) != STEP_OK) {
            (void)rollback(store);
            return BATCH_ABORTED;
        }
    }
    enum batch_outcome outcome = commit(store);
    if (outcome == BATCH_COMMITTED) {
        memcpy(batch->results, store->staged, batch->count * sizeof(store->staged[0]));
    }
    return outcome;
}
