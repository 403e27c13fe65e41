/* Units and reads of the failed_event table. */
#include "readable.h"
#include "sqlite_columns.h"
#include "sqlite_internal.h"

static const char *const failed_event_status_names[] = {[FAILED_EVENT_PENDING] = "PENDING",
                                                        [FAILED_EVENT_RESOLVED] = "RESOLVED",
                                                        [FAILED_EVENT_IGNORED] = "IGNORED"};

static uint8_t failed_event_status_parse(const char *name)
{
    switch (name[0]) {
    case 'P':
        return FAILED_EVENT_PENDING;
    case 'R':
        return FAILED_EVENT_RESOLVED;
    default:
        return FAILED_EVENT_IGNORED;
    }
}

/* The readable copies of key (NULL where there is none) and body, at `at` and `at` + 1. */
static void readable_bind(struct sqlite_store *store, sqlite3_stmt *statement, int at,
                          const struct texts *texts, const struct failed_event_row *row)
{
    size_t len = 0;
    const char *key = texts_get(texts, row->key, &len);
    if (row->has_key != 0) {
        size_t copied = key == NULL ? 0 : readable_copy(key, len, store->readable);
        /* Copied by SQLite, for the body needs the buffer next. */
        int code = sqlite3_bind_text(statement, at, store->readable, (int)copied, SQLITE_TRANSIENT);
        invariant(code == SQLITE_OK || code == SQLITE_NOMEM);
    }
    const char *body = texts_get(texts, row->body, &len);
    size_t copied = 0;
    if (row->has_body != 0 && body != NULL) {
        copied = readable_copy(body, len, store->readable);
    }
    invariant(sqlite3_bind_text(statement, at + 1, store->readable, (int)copied, SQLITE_STATIC) ==
              SQLITE_OK);
}

enum step sqlite_failed_event_open(struct sqlite_store *store, const struct texts *texts,
                                   const struct unit *unit, struct unit_result *result)
{
    const struct failed_event_row *row = &unit->as.failed_event.row;
    sqlite3_stmt *statement = store->statements[SQL_FAILED_EVENT_OPEN];
    bind_int(statement, 1, store->now_ms);
    bind_text(statement, 2, texts, row->error);
    readable_bind(store, statement, 3, texts, row);
    bind_name(statement, 5, failed_event_status_names[row->status]);
    bind_text(statement, 6, texts, row->topic);
    bind_int(statement, 7, row->origin_partition);
    bind_int(statement, 8, row->origin_offset);
    bind_int(statement, 9, row->origin_at_ms);
    bind_record_part(statement, 10, texts, row->has_key, row->key);
    bind_record_part(statement, 11, texts, row->has_body, row->body);
    bind_blob(statement, 12, texts, row->headers);
    bind_token(statement, 13, unit->token);
    enum step step = sqlite_run(store, SQL_FAILED_EVENT_OPEN);
    result->verdict = UNIT_APPLIED;
    if (step != STEP_OK || sqlite_changed(store) == 1) {
        return step;
    }
    sqlite3_stmt *find = store->statements[SQL_FAILED_EVENT_TOKEN_BY_ORIGIN];
    bind_text(find, 1, texts, row->topic);
    bind_int(find, 2, row->origin_partition);
    bind_int(find, 3, row->origin_offset);
    bind_int(find, 4, row->origin_at_ms);
    return sqlite_judge_by_token(store, SQL_FAILED_EVENT_TOKEN_BY_ORIGIN, unit->token,
                                 UNIT_DUPLICATE, result);
}

static enum step requeue(struct sqlite_store *store, const struct unit *unit)
{
    sqlite3_stmt *statement = store->statements[SQL_FAILED_EVENT_REQUEUE];
    bind_int(statement, 1, store->now_ms);
    bind_uuid(statement, 2, &unit->as.failed_event.event_id);
    bind_token(statement, 3, unit->token);
    bind_int(statement, 5, unit->as.failed_event.row.row_id);
    return sqlite_run(store, SQL_FAILED_EVENT_REQUEUE);
}

enum step sqlite_failed_event_move(struct sqlite_store *store, const struct unit *unit,
                                   struct unit_result *result)
{
    const struct unit_failed_event *event = &unit->as.failed_event;
    sqlite3_stmt *statement = store->statements[SQL_FAILED_EVENT_MOVE];
    bind_name(statement, 1, failed_event_status_names[event->row.status]);
    bind_int(statement, 2, event->guard_epoch + 1);
    bind_token(statement, 3, unit->token);
    bind_int(statement, 5, store->now_ms);
    bind_int(statement, 6, event->row.row_id);
    bind_int(statement, 7, event->guard_epoch);
    enum step step = sqlite_run(store, SQL_FAILED_EVENT_MOVE);
    if (step != STEP_OK) {
        return step;
    }
    if (sqlite_changed(store) == 0) {
        bind_int(store->statements[SQL_FAILED_EVENT_TOKEN_BY_ROW], 1, event->row.row_id);
        return sqlite_judge_by_token(store, SQL_FAILED_EVENT_TOKEN_BY_ROW, unit->token,
                                     UNIT_REFUSED, result);
    }
    result->verdict = UNIT_APPLIED;
    return event->row.status == FAILED_EVENT_RESOLVED ? requeue(store, unit) : STEP_OK;
}

/* The columns that both statements have. False: the pool is full. */
static bool failed_event_read(sqlite3_stmt *statement, int64_t now_ms, struct texts *texts,
                              struct failed_event_row *row)
{
    *row = (struct failed_event_row){0};
    row->row_id = sqlite3_column_int64(statement, 0);
    row->token = column_token(statement, 1);
    row->origin_offset = sqlite3_column_int64(statement, 3);
    row->origin_at_ms = sqlite3_column_int64(statement, 4);
    row->origin_partition = sqlite3_column_int(statement, 5);
    row->epoch = (uint32_t)sqlite3_column_int64(statement, 6);
    row->status = failed_event_status_parse(column_name(statement, 7));
    row->has_key = sqlite3_column_int(statement, 8) != 0;
    row->has_body = sqlite3_column_int(statement, 9) != 0;
    row->created_age_ms = column_age(statement, 10, now_ms);
    return column_text(statement, 11, texts, &row->topic);
}

enum store_status sqlite_failed_events(struct sqlite_store *store, const struct store_scan *scan,
                                       struct store_page *page)
{
    sqlite3_stmt *statement = store->statements[SQL_FAILED_EVENTS];
    bind_int(statement, 1, scan->after_id);
    size_t len = 0;
    const char *topic = texts_get(page->texts, scan->topic, &len);
    if (topic != NULL) {
        /* Copied by SQLite, for the rows are interned into the same pool. */
        int code = sqlite3_bind_text(statement, 2, topic, (int)len, SQLITE_TRANSIENT);
        invariant(code == SQLITE_OK || code == SQLITE_NOMEM);
    }
    bind_int(statement, 3, scan->limit);
    bool full = false;
    int code = sqlite3_step(statement);
    while (code == SQLITE_ROW && !full) {
        full = !failed_event_read(statement, store->now_ms, page->texts,
                                  &page->rows[page->count].failed_event);
        if (!full) {
            page->count++;
            code = sqlite3_step(statement);
        }
    }
    sqlite_reset(store, SQL_FAILED_EVENTS);
    if (full) {
        return page->count > 0 ? STORE_OK : STORE_UNAVAILABLE;
    }
    return code == SQLITE_DONE ? STORE_OK : STORE_UNAVAILABLE;
}

enum store_status sqlite_read_failed_event(struct store *base, int64_t row_id, struct texts *texts,
                                           struct failed_event_row *row)
{
    struct sqlite_store *store = (struct sqlite_store *)base;
    sqlite3_stmt *statement = store->statements[SQL_FAILED_EVENT_BY_ROW];
    sqlite_now_update(store);
    bind_int(statement, 1, row_id);
    int code = sqlite3_step(statement);
    enum store_status status = code == SQLITE_DONE ? STORE_NOT_FOUND : STORE_UNAVAILABLE;
    struct failed_event_row read;
    if (code == SQLITE_ROW && failed_event_read(statement, store->now_ms, texts, &read) &&
        column_text(statement, 12, texts, &read.key) &&
        column_text(statement, 13, texts, &read.body) &&
        column_text(statement, 14, texts, &read.headers) &&
        column_text(statement, 15, texts, &read.error)) {
        *row = read;
        status = STORE_OK;
    }
    sqlite_reset(store, SQL_FAILED_EVENT_BY_ROW);
    return status;
}
