/* Units and reads of the payments table. */
#include "sqlite_columns.h"
#include "sqlite_internal.h"

static const char *const refund_state_names[] = {
    [REFUND_NONE] = "NONE", [REFUND_INTENDED] = "INTENDED", [REFUND_DONE] = "DONE"};

static uint8_t refund_state_parse(const char *name)
{
    switch (name[0]) {
    case 'I':
        return REFUND_INTENDED;
    case 'D':
        return REFUND_DONE;
    default:
        return REFUND_NONE;
    }
}

/* Parameters 1 to 25, which insert and update have in common. */
static void payment_image_bind(struct sqlite_store *store, sqlite3_stmt *statement,
                               const struct texts *texts, const struct unit *unit, uint32_t epoch)
{
    const struct unit_payment *payment = &unit->as.payment;
    const struct payment_row *row = &payment->row;
    bind_uuid(statement, 1, &row->payment_id);
    bind_int(statement, 2, epoch);
    bind_token(statement, 3, unit->token);
    bind_uint64(statement, 5, row->pg_account);
    bind_due(statement, 6, store->now_ms, row->due_in_ms);
    bind_int(statement, 7, row->amount_krw);
    bind_text(statement, 8, texts, row->user_id);
    bind_text(statement, 9, texts, row->method_id);
    bind_text(statement, 10, texts, row->pg_id);
    bind_text(statement, 11, texts, row->refund_pg_id);
    bind_text(statement, 12, texts, row->traceparent);
    bind_text(statement, 13, texts, row->code);
    bind_int(statement, 14, row->cancel_no);
    bind_int(statement, 15, row->attempts);
    bind_name(statement, 16, payment_status_name(row->status));
    bind_name(statement, 17, refund_state_names[row->refund_state]);
    bind_int(statement, 18, row->absent_count);
    bind_int(statement, 19, row->recheck_no);
    bind_int(statement, 20, row->needs_operator);
    bind_name(statement, 21, payment_reason_name(row->reason));
    bind_int(statement, 22, store->now_ms);
    bind_int(statement, 23, payment->claimed_at);
    bind_int(statement, 24, payment->cancel_at);
}

static bool payment_texts_read(sqlite3_stmt *statement, struct texts *texts,
                               struct payment_row *row)
{
    return column_text(statement, 9, texts, &row->trip_id) &&
           column_text(statement, 10, texts, &row->user_id) &&
           column_text(statement, 11, texts, &row->method_id) &&
           column_text(statement, 12, texts, &row->pg_id) &&
           column_text(statement, 13, texts, &row->refund_pg_id) &&
           column_text(statement, 14, texts, &row->traceparent) &&
           column_text(statement, 15, texts, &row->code);
}

/* PAYMENT_COLUMNS to a row. False: the pool is full, or the payment id is not a UUID. */
static bool payment_row_read(const struct sqlite_store *store, sqlite3_stmt *statement,
                             struct texts *texts, struct payment_row *row)
{
    *row = (struct payment_row){0};
    if (!column_uuid(statement, 0, &row->payment_id) ||
        !payment_texts_read(statement, texts, row)) {
        return false;
    }
    row->token = column_token(statement, 1);
    row->pg_account = (uint64_t)sqlite3_column_int64(statement, 3);
    row->claimed_age_ms = column_age(statement, 4, store->now_ms);
    row->cancel_age_ms = column_age(statement, 5, store->now_ms);
    row->due_in_ms = column_due_in(statement, 6, store->now_ms);
    row->amount_krw = sqlite3_column_int(statement, 7);
    row->epoch = (uint32_t)sqlite3_column_int64(statement, 8);
    row->cancel_no = (uint16_t)sqlite3_column_int(statement, 16);
    row->attempts = (uint16_t)sqlite3_column_int(statement, 17);
    row->status = (uint8_t)payment_status_parse(column_name(statement, 18));
    row->refund_state = refund_state_parse(column_name(statement, 19));
    row->absent_count = (uint8_t)sqlite3_column_int(statement, 20);
    row->recheck_no = (uint8_t)sqlite3_column_int(statement, 21);
    row->needs_operator = (uint8_t)sqlite3_column_int(statement, 22);
    row->reason = (uint8_t)payment_reason_parse(column_name(statement, 23));
    return true;
}

/* The write changed nothing: read the row (its key is bound) and see whose it is. */
static enum step payment_judge(struct sqlite_store *store, enum sqlite_sql sql, struct texts *texts,
                               struct token token, enum unit_verdict otherwise,
                               struct unit_result *result)
{
    sqlite3_stmt *statement = store->statements[sql];
    int code = sqlite3_step(statement);
    enum step step = STEP_OK;
    result->verdict = (uint8_t)otherwise;
    if (code == SQLITE_ROW && token_equal(column_token(statement, 1), token)) {
        result->verdict = UNIT_APPLIED;
    } else if (code == SQLITE_ROW) {
        result->has_row = payment_row_read(store, statement, texts, &result->row);
        step = result->has_row ? STEP_OK : STEP_ABORT;
    } else if (code != SQLITE_DONE) {
        step = STEP_ABORT;
    }
    sqlite_reset(store, sql);
    return step;
}

static enum step outcome_insert(struct sqlite_store *store, const struct store_batch *batch,
                                const struct unit *unit, struct unit_result *result)
{
    result->verdict = UNIT_APPLIED;
    if (unit->as.payment.outcome.type == OUTCOME_NONE) {
        return STEP_OK;
    }
    return sqlite_outbox_open(store, batch->texts, unit);
}

enum step sqlite_payment_open(struct sqlite_store *store, const struct store_batch *batch,
                              const struct unit *unit, struct unit_result *result)
{
    const struct payment_row *row = &unit->as.payment.row;
    sqlite3_stmt *statement = store->statements[SQL_PAYMENT_OPEN];
    payment_image_bind(store, statement, batch->texts, unit, 1);
    bind_text(statement, 25, batch->texts, row->trip_id);
    enum step step = sqlite_run(store, SQL_PAYMENT_OPEN);
    if (step != STEP_OK) {
        return step;
    }
    if (sqlite_changed(store) == 1) {
        return outcome_insert(store, batch, unit, result);
    }
    bind_text(store->statements[SQL_PAYMENT_BY_TRIP], 1, batch->texts, row->trip_id);
    step = payment_judge(store, SQL_PAYMENT_BY_TRIP, batch->texts, unit->token, UNIT_DUPLICATE,
                         result);
    if (step == STEP_OK && result->verdict == UNIT_DUPLICATE && !result->has_row) {
        return STEP_UNIT_ERROR; /* another trip's row has this payment id */
    }
    return step;
}

enum step sqlite_payment_move(struct sqlite_store *store, const struct store_batch *batch,
                              const struct unit *unit, struct unit_result *result)
{
    const struct unit_payment *payment = &unit->as.payment;
    sqlite3_stmt *statement = store->statements[SQL_PAYMENT_MOVE];
    payment_image_bind(store, statement, batch->texts, unit, payment->guard_epoch + 1);
    bind_name(statement, 26, payment_status_name(payment->guard_status));
    bind_int(statement, 27, payment->guard_epoch);
    enum step step = sqlite_run(store, SQL_PAYMENT_MOVE);
    if (step != STEP_OK) {
        return step;
    }
    if (sqlite_changed(store) == 1) {
        return outcome_insert(store, batch, unit, result);
    }
    bind_uuid(store->statements[SQL_PAYMENT_BY_ID], 1, &payment->row.payment_id);
    return payment_judge(store, SQL_PAYMENT_BY_ID, batch->texts, unit->token, UNIT_REFUSED, result);
}

enum store_status sqlite_payments_due(struct sqlite_store *store, const struct store_scan *scan,
                                      struct store_page *page)
{
    sqlite3_stmt *statement = store->statements[SQL_PAYMENTS_DUE];
    bind_int(statement, 1, store->now_ms);
    bind_int(statement, 2, scan->limit);
    bool full = false;
    int code = sqlite3_step(statement);
    while (code == SQLITE_ROW && !full) {
        full = !payment_row_read(store, statement, page->texts, &page->rows[page->count].payment);
        if (!full) {
            page->count++;
            code = sqlite3_step(statement);
        }
    }
    sqlite_reset(store, SQL_PAYMENTS_DUE);
    if (full) {
        return page->count > 0 ? STORE_OK : STORE_UNAVAILABLE;
    }
    return code == SQLITE_DONE ? STORE_OK : STORE_UNAVAILABLE;
}

enum store_status sqlite_read_payment(struct store *base, const char *trip_id, size_t len,
                                      struct texts *texts, struct payment_view *view)
{
    struct sqlite_store *store = (struct sqlite_store *)base;
    if (len > STORE_ID_MAX) {
        return STORE_NOT_FOUND;
    }
    sqlite_now_update(store);
    sqlite3_stmt *statement = store->statements[SQL_PAYMENT_BY_TRIP];
    invariant(sqlite3_bind_text(statement, 1, trip_id, (int)len, SQLITE_STATIC) == SQLITE_OK);
    int code = sqlite3_step(statement);
    enum store_status status = code == SQLITE_DONE ? STORE_NOT_FOUND : STORE_UNAVAILABLE;
    struct payment_view read;
    if (code == SQLITE_ROW && payment_row_read(store, statement, texts, &read.row)) {
        read.requested_at_ms = column_instant(statement, 24);
        read.completed_at_ms = column_instant(statement, 25);
        *view = read;
        status = STORE_OK;
    }
    sqlite_reset(store, SQL_PAYMENT_BY_TRIP);
    return status;
}
