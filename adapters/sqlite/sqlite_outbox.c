/* Units and reads of the payment_outbox table. */
#include "readable.h"
#include "sqlite_columns.h"
#include "sqlite_internal.h"

#include <string.h>

static const char *const outbox_status_names[] = {
    [OUTBOX_READY] = "READY", [OUTBOX_PUBLISHING] = "PUBLISHING", [OUTBOX_DONE] = "DONE"};

static uint8_t outbox_status_parse(const char *name)
{
    switch (name[0]) {
    case 'R':
        return OUTBOX_READY;
    case 'P':
        return OUTBOX_PUBLISHING;
    default:
        return OUTBOX_DONE;
    }
}

/* The record of a payment's outcome, leased to its writer, in the transition's transaction. */
enum step sqlite_outbox_open(struct sqlite_store *store, const struct texts *texts,
                             const struct unit *unit)
{
    const struct unit_outcome *outcome = &unit->as.payment.outcome;
    const struct outbox_row *record = &outcome->record;
    sqlite3_stmt *statement = store->statements[SQL_OUTBOX_OPEN];
    bind_int(statement, 1, store->now_ms);
    bind_text(statement, 2, texts, unit->as.payment.row.trip_id);
    size_t len = 0;
    const char *body = texts_get(texts, record->body, &len);
    if (record->has_body != 0) {
        size_t copied = body == NULL ? 0 : readable_copy(body, len, store->readable);
        invariant(sqlite3_bind_text(statement, 3, store->readable, (int)copied, SQLITE_STATIC) ==
                  SQLITE_OK);
    }
    bind_text(statement, 4, texts, record->topic);
    bind_uuid(statement, 5, &record->event_id);
    bind_token(statement, 6, unit->token);
    bind_due(statement, 8, store->now_ms, outcome->lease_ms);
    bind_record_part(statement, 9, texts, record->has_key, record->key);
    bind_record_part(statement, 10, texts, record->has_body, record->body);
    bind_blob(statement, 11, texts, record->headers);
    bind_int(statement, 12, record->record_at_ms);
    return sqlite_run(store, SQL_OUTBOX_OPEN);
}

enum step sqlite_outbox_move(struct sqlite_store *store, const struct unit *unit,
                             struct unit_result *result)
{
    const struct unit_outbox *outbox = &unit->as.outbox;
    bool by_row = outbox->row_id != 0;
    enum sqlite_sql sql = by_row ? SQL_OUTBOX_MOVE_BY_ROW : SQL_OUTBOX_MOVE_BY_EVENT;
    sqlite3_stmt *statement = store->statements[sql];
    bind_name(statement, 1, outbox_status_names[outbox->status]);
    bind_int(statement, 2, outbox->guard_epoch + 1);
    bind_token(statement, 3, unit->token);
    bind_int(statement, 5, outbox->attempts);
    bind_due(statement, 6, store->now_ms, outbox->due_in_ms);
    bind_int(statement, 7, store->now_ms);
    bind_name(statement, 8, outbox_status_names[outbox->guard_status]);
    bind_int(statement, 9, outbox->guard_epoch);
    enum sqlite_sql find = by_row ? SQL_OUTBOX_TOKEN_BY_ROW : SQL_OUTBOX_TOKEN_BY_EVENT;
    if (by_row) {
        bind_int(statement, 10, outbox->row_id);
        bind_int(store->statements[find], 1, outbox->row_id);
    } else {
        bind_uuid(statement, 10, &outbox->event_id);
        bind_uuid(store->statements[find], 1, &outbox->event_id);
    }
    enum step step = sqlite_run(store, sql);
    if (step == STEP_OK && sqlite_changed(store) == 0) {
        return sqlite_judge_by_token(store, find, unit->token, UNIT_REFUSED, result);
    }
    sqlite_reset(store, find);
    result->verdict = UNIT_APPLIED;
    return step;
}

/* Key, body and headers: what a page's bound counts. */
static size_t outbox_bytes(sqlite3_stmt *statement)
{
    return (size_t)sqlite3_column_bytes(statement, 10) +
           (size_t)sqlite3_column_bytes(statement, 11) +
           (size_t)sqlite3_column_bytes(statement, 12);
}

/* False: the pool is full, or the event id is not a UUID. */
static bool outbox_row_read(const struct sqlite_store *store, sqlite3_stmt *statement,
                            struct texts *texts, struct outbox_row *row)
{
    *row = (struct outbox_row){0};
    if (!column_uuid(statement, 1, &row->event_id) ||
        !column_text(statement, 9, texts, &row->topic) ||
        !column_text(statement, 10, texts, &row->key) ||
        !column_text(statement, 11, texts, &row->body) ||
        !column_text(statement, 12, texts, &row->headers)) {
        return false;
    }
    row->row_id = sqlite3_column_int64(statement, 0);
    row->token = column_token(statement, 2);
    row->due_in_ms = column_due_in(statement, 4, store->now_ms);
    row->record_at_ms = sqlite3_column_int64(statement, 5);
    row->epoch = (uint32_t)sqlite3_column_int64(statement, 6);
    row->attempts = (uint16_t)sqlite3_column_int(statement, 7);
    row->status = outbox_status_parse(column_name(statement, 8));
    row->has_key = row->key != TEXT_NONE;
    row->has_body = row->body != TEXT_NONE;
    return true;
}

enum store_status sqlite_outbox_due(struct sqlite_store *store, const struct store_scan *scan,
                                    struct store_page *page)
{
    sqlite3_stmt *statement = store->statements[SQL_OUTBOX_DUE];
    bind_int(statement, 1, store->now_ms);
    bind_int(statement, 2, scan->limit);
    size_t bytes = 0;
    bool full = false;
    int code = sqlite3_step(statement);
    while (code == SQLITE_ROW && !full) {
        bytes += outbox_bytes(statement);
        full = (page->count > 0 && bytes > STORE_PAGE_BYTES_MAX) ||
               !outbox_row_read(store, statement, page->texts, &page->rows[page->count].outbox);
        if (!full) {
            page->count++;
            code = sqlite3_step(statement);
        }
    }
    sqlite_reset(store, SQL_OUTBOX_DUE);
    if (full) {
        return page->count > 0 ? STORE_OK : STORE_UNAVAILABLE;
    }
    return code == SQLITE_DONE ? STORE_OK : STORE_UNAVAILABLE;
}

enum store_status sqlite_outbox_purge(struct sqlite_store *store, int64_t older_than_ms,
                                      uint32_t limit, uint32_t *deleted)
{
    sqlite3_stmt *statement = store->statements[SQL_OUTBOX_PURGE];
    bind_int(statement, 1, instant_after(store->now_ms, -older_than_ms));
    bind_int(statement, 2, limit);
    if (sqlite_run(store, SQL_OUTBOX_PURGE) != STEP_OK) {
        return STORE_UNAVAILABLE;
    }
    *deleted = (uint32_t)sqlite_changed(store);
    return STORE_OK;
}
