/* Stores side by side: results, reads, and at the end every column of every row. */
#include "store_oracle.h"

#include "sqlite_columns.h"

#include <stdlib.h>
#include <string.h>

#define ASSERT_SAME(a, b, field) assert_true((a)->field == (b)->field)

void oracle_compare_payments(const struct payment_row *a, const struct payment_row *b)
{
    assert_true(uuid_equal(&a->payment_id, &b->payment_id));
    assert_true(token_equal(a->token, b->token));
    ASSERT_SAME(a, b, pg_account);
    ASSERT_SAME(a, b, claimed_age_ms);
    ASSERT_SAME(a, b, cancel_age_ms);
    ASSERT_SAME(a, b, due_in_ms);
    ASSERT_SAME(a, b, amount_krw);
    ASSERT_SAME(a, b, epoch);
    ASSERT_SAME(a, b, trip_id);
    ASSERT_SAME(a, b, user_id);
    ASSERT_SAME(a, b, method_id);
    ASSERT_SAME(a, b, pg_id);
    ASSERT_SAME(a, b, refund_pg_id);
    ASSERT_SAME(a, b, traceparent);
    ASSERT_SAME(a, b, code);
    ASSERT_SAME(a, b, cancel_no);
    ASSERT_SAME(a, b, attempts);
    ASSERT_SAME(a, b, status);
    ASSERT_SAME(a, b, refund_state);
    ASSERT_SAME(a, b, absent_count);
    ASSERT_SAME(a, b, recheck_no);
    ASSERT_SAME(a, b, needs_operator);
    ASSERT_SAME(a, b, reason);
}

void oracle_compare_outbox_rows(const struct outbox_row *a, const struct outbox_row *b)
{
    ASSERT_SAME(a, b, row_id);
    assert_true(uuid_equal(&a->event_id, &b->event_id));
    assert_true(token_equal(a->token, b->token));
    ASSERT_SAME(a, b, due_in_ms);
    ASSERT_SAME(a, b, record_at_ms);
    ASSERT_SAME(a, b, epoch);
    ASSERT_SAME(a, b, attempts);
    ASSERT_SAME(a, b, status);
    ASSERT_SAME(a, b, has_key);
    ASSERT_SAME(a, b, has_body);
    ASSERT_SAME(a, b, topic);
    ASSERT_SAME(a, b, key);
    ASSERT_SAME(a, b, body);
    ASSERT_SAME(a, b, headers);
}

void oracle_compare_failed_events(const struct failed_event_row *a,
                                  const struct failed_event_row *b)
{
    ASSERT_SAME(a, b, row_id);
    assert_true(token_equal(a->token, b->token));
    ASSERT_SAME(a, b, origin_offset);
    ASSERT_SAME(a, b, origin_at_ms);
    ASSERT_SAME(a, b, created_age_ms);
    ASSERT_SAME(a, b, origin_partition);
    ASSERT_SAME(a, b, epoch);
    ASSERT_SAME(a, b, status);
    ASSERT_SAME(a, b, has_key);
    ASSERT_SAME(a, b, has_body);
    ASSERT_SAME(a, b, topic);
    ASSERT_SAME(a, b, key);
    ASSERT_SAME(a, b, body);
    ASSERT_SAME(a, b, headers);
    ASSERT_SAME(a, b, error);
}

void oracle_compare_results(const struct unit_result *a, const struct unit_result *model,
                            uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (a[i].verdict != model[i].verdict) {
            fail_msg("unit %u: verdict %u instead of %u", (unsigned)i, (unsigned)a[i].verdict,
                     (unsigned)model[i].verdict);
        }
        assert_int_equal(a[i].has_row, model[i].has_row);
        if (model[i].has_row) {
            oracle_compare_payments(&a[i].row, &model[i].row);
        }
    }
}

static void compare_scans(struct oracle *oracle, const struct store_scan *scan)
{
    static union store_row sqlite_rows[STORE_PAGE_MAX];
    static union store_row model_rows[STORE_PAGE_MAX];
    struct store *model = &oracle->model.base;
    struct store_page sqlite_page = {.rows = sqlite_rows, .texts = oracle->texts};
    struct store_page model_page = {.rows = model_rows, .texts = oracle->texts};
    assert_int_equal(oracle->sqlite->ops->scan(oracle->sqlite, scan, &sqlite_page), STORE_OK);
    assert_int_equal(model->ops->scan(model, scan, &model_page), STORE_OK);
    assert_int_equal(sqlite_page.count, model_page.count);
    for (uint32_t i = 0; i < model_page.count; i++) {
        if (scan->kind == SCAN_PAYMENTS_DUE) {
            oracle_compare_payments(&sqlite_rows[i].payment, &model_rows[i].payment);
        } else if (scan->kind == SCAN_OUTBOX_DUE) {
            oracle_compare_outbox_rows(&sqlite_rows[i].outbox, &model_rows[i].outbox);
        } else {
            oracle_compare_failed_events(&sqlite_rows[i].failed_event, &model_rows[i].failed_event);
        }
    }
    if (oracle->mysql != NULL) {
        oracle_mysql_compare_scan(oracle, scan, model_rows, model_page.count);
    }
}

static void compare_purges(struct oracle *oracle)
{
    struct store *model = &oracle->model.base;
    int64_t older_than_ms = oracle_draw(oracle, 20000);
    uint32_t limit = oracle_draw(oracle, 400);
    uint32_t counts[2] = {0, 0};
    assert_int_equal(oracle->sqlite->ops->purge(oracle->sqlite, PURGE_OUTBOX_DONE, older_than_ms,
                                                limit, &counts[0]),
                     STORE_OK);
    assert_int_equal(model->ops->purge(model, PURGE_OUTBOX_DONE, older_than_ms, limit, &counts[1]),
                     STORE_OK);
    assert_int_equal(counts[0], counts[1]);
    if (oracle->mysql != NULL) {
        oracle_mysql_compare_purge(oracle, older_than_ms, limit, counts[1]);
    }
}

static void compare_payment_reads(struct oracle *oracle, text_id trip)
{
    struct store *model = &oracle->model.base;
    size_t len;
    const char *trip_id = texts_get(oracle->texts, trip, &len);
    struct payment_view a = {0};
    struct payment_view b = {0};
    enum store_status status =
        oracle->sqlite->ops->read_payment(oracle->sqlite, trip_id, len, oracle->texts, &a);
    assert_int_equal(status, model->ops->read_payment(model, trip_id, len, oracle->texts, &b));
    oracle_compare_payments(&a.row, &b.row);
    ASSERT_SAME(&a, &b, requested_at_ms);
    ASSERT_SAME(&a, &b, completed_at_ms);
    if (oracle->mysql != NULL) {
        oracle_mysql_compare_payment(oracle, trip, status, &b);
    }
}

static void compare_failed_event_reads(struct oracle *oracle, int64_t row_id)
{
    struct store *model = &oracle->model.base;
    struct failed_event_row a = {0};
    struct failed_event_row b = {0};
    enum store_status status =
        oracle->sqlite->ops->read_failed_event(oracle->sqlite, row_id, oracle->texts, &a);
    assert_int_equal(status, model->ops->read_failed_event(model, row_id, oracle->texts, &b));
    oracle_compare_failed_events(&a, &b);
    if (oracle->mysql != NULL) {
        oracle_mysql_compare_failed_event(oracle, row_id, status, &b);
    }
}

void oracle_compare_reads(struct oracle *oracle)
{
    uint32_t failed_events = model_store_failed_event_count(&oracle->model);
    switch (oracle_draw(oracle, 8)) {
    case 0:
        compare_purges(oracle);
        return;
    case 1:
        compare_payment_reads(oracle, oracle_trip(oracle, oracle_draw(oracle, oracle->trips)));
        return;
    case 2:
        compare_failed_event_reads(oracle, oracle_draw(oracle, failed_events + 2));
        return;
    default:
        break;
    }
    bool topic = oracle_chance(oracle, 50);
    struct store_scan scan = {
        .kind = (uint8_t)(1 + oracle_draw(oracle, 3)),
        .limit = oracle_draw(oracle, STORE_PAGE_MAX + 1),
        .after_id = oracle_draw(oracle, failed_events + 2),
        .topic = topic ? oracle_text(oracle, "topic-%u", oracle_draw(oracle, 4)) : TEXT_NONE};
    compare_scans(oracle, &scan);
}

static sqlite3 *db_of(struct oracle *oracle)
{
    return ((struct sqlite_store *)oracle->sqlite)->db;
}

static int64_t count_rows(struct oracle *oracle, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_prepare_v2(db_of(oracle), sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int64_t count = sqlite3_column_int64(statement, 0);
    assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
    return count;
}

static uint8_t outbox_status_of(const char *name)
{
    if (strcmp(name, "READY") == 0) {
        return OUTBOX_READY;
    }
    return strcmp(name, "DONE") == 0 ? OUTBOX_DONE : OUTBOX_PUBLISHING;
}

/* One row by plain SQL: no scan shows those that are DONE. */
static void compare_outbox_row(struct oracle *oracle, sqlite3_stmt *statement,
                               const struct outbox_row *expected)
{
    bind_int(statement, 1, expected->row_id);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    struct outbox_row row = {.row_id = expected->row_id,
                             .token = column_token(statement, 1),
                             .due_in_ms = column_due_in(statement, 3, oracle->now_ms),
                             .record_at_ms = sqlite3_column_int64(statement, 4),
                             .epoch = (uint32_t)sqlite3_column_int64(statement, 5),
                             .attempts = (uint16_t)sqlite3_column_int(statement, 6),
                             .status = outbox_status_of(column_name(statement, 7))};
    assert_true(column_uuid(statement, 0, &row.event_id));
    assert_true(column_text(statement, 8, oracle->texts, &row.topic));
    assert_true(column_text(statement, 9, oracle->texts, &row.key));
    assert_true(column_text(statement, 10, oracle->texts, &row.body));
    assert_true(column_text(statement, 11, oracle->texts, &row.headers));
    row.has_key = row.key != TEXT_NONE;
    row.has_body = row.body != TEXT_NONE;
    oracle_compare_outbox_rows(&row, expected);
    assert_int_equal(sqlite3_reset(statement), SQLITE_OK);
}

static void compare_outbox(struct oracle *oracle)
{
    sqlite3_stmt *statement = NULL;
    assert_int_equal(
        sqlite3_prepare_v2(db_of(oracle),
                           "SELECT event_id, token_process, token_sequence, due_at, record_at,"
                           " epoch, attempts, status, topic, record_key, body, headers"
                           " FROM payment_outbox WHERE id = ?1",
                           -1, &statement, NULL),
        SQLITE_OK);
    int64_t count = 0;
    for (uint32_t i = 0; i < model_store_outbox_places(&oracle->model); i++) {
        struct outbox_row row;
        if (model_store_outbox_at(&oracle->model, i, &row)) {
            compare_outbox_row(oracle, statement, &row);
            count++;
        }
    }
    assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
    assert_int_equal(count_rows(oracle, "SELECT count(*) FROM payment_outbox"), count);
    assert_true(count > 0);
}

static void compare_leases(struct oracle *oracle)
{
    sqlite3_stmt *statement = NULL;
    assert_int_equal(
        sqlite3_prepare_v2(db_of(oracle),
                           "SELECT lock_until, locked_at, locked_by FROM shedlock WHERE name = ?1",
                           -1, &statement, NULL),
        SQLITE_OK);
    for (enum lease_name name = 0; name < LEASE_COUNT; name++) {
        struct model_store_lease lease = model_store_lease_at(&oracle->model, name);
        bind_name(statement, 1, lease_name_text(name));
        assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
        assert_int_equal(sqlite3_column_int64(statement, 0), lease.lock_until_ms);
        assert_int_equal(sqlite3_column_int64(statement, 1), lease.locked_at_ms);
        assert_string_equal(column_name(statement, 2), texts_string(oracle->texts, lease.holder));
        assert_int_equal(sqlite3_reset(statement), SQLITE_OK);
    }
    assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
}

void oracle_compare_tables(struct oracle *oracle)
{
    uint32_t payments = model_store_payment_count(&oracle->model);
    for (uint32_t i = 0; i < payments; i++) {
        struct payment_view view;
        model_store_payment_at(&oracle->model, i, &view);
        compare_payment_reads(oracle, view.row.trip_id);
    }
    assert_int_equal(count_rows(oracle, "SELECT count(*) FROM payments"), payments);
    uint32_t failed_events = model_store_failed_event_count(&oracle->model);
    for (uint32_t i = 0; i < failed_events; i++) {
        compare_failed_event_reads(oracle, (int64_t)i + 1);
    }
    assert_int_equal(count_rows(oracle, "SELECT count(*) FROM failed_event"), failed_events);
    compare_outbox(oracle);
    compare_leases(oracle);
    if (oracle->mysql != NULL) {
        oracle_mysql_compare_tables(oracle);
    }
}
