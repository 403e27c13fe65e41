/* The outbox: leases of its rows, take-over, back-off, purge. */
#include "store_suite.h"

#include <stdlib.h>
#include <string.h>

/* A failed payment with its event. */
static struct unit open_with_event(struct store_fixture *f, const char *trip_id, uint64_t number)
{
    struct payment_row image = suite_image(f, trip_id, number);
    image.status = PAYMENT_FAILED;
    image.due_in_ms = DUE_NEVER;
    struct unit unit = suite_open(f, &image);
    suite_outcome(f, &unit, OUTCOME_FAILED);
    return unit;
}

static void outcome_is_stored_as_rendered(void **state)
{
    struct store_fixture *f = *state;
    struct unit unit = open_with_event(f, "trip-1", 1);
    struct outbox_row *record = &unit.as.payment.outcome.record;
    record->record_at_ms = 1234567890123;
    suite_expect(f, &unit, UNIT_APPLIED);
    union store_row rows[STORE_PAGE_MAX];
    f->now_ms += 30000;
    assert_int_equal(suite_scan(f, SCAN_OUTBOX_DUE, 10, rows), 1);
    const struct outbox_row *row = &rows[0].outbox;
    assert_true(row->row_id > 0);
    assert_true(uuid_equal(&row->event_id, &record->event_id));
    assert_true(token_equal(row->token, unit.token));
    assert_true(row->due_in_ms == 0);
    assert_true(row->record_at_ms == 1234567890123);
    assert_int_equal(row->epoch, 1);
    assert_int_equal(row->attempts, 0);
    assert_int_equal(row->status, OUTBOX_PUBLISHING);
    assert_int_equal(row->has_key, 1);
    assert_int_equal(row->has_body, 1);
    assert_int_equal(row->topic, record->topic);
    assert_int_equal(row->key, record->key);
    assert_int_equal(row->body, record->body);
    assert_int_equal(row->headers, record->headers);
}

static void records_without_key_value_or_headers_keep_that_apart_from_empty_ones(void **state)
{
    struct store_fixture *f = *state;
    struct unit none = open_with_event(f, "trip-1", 1);
    none.as.payment.outcome.record.has_key = 0;
    none.as.payment.outcome.record.has_body = 0;
    none.as.payment.outcome.record.headers = TEXT_NONE;
    suite_expect(f, &none, UNIT_APPLIED);
    struct unit empty = open_with_event(f, "trip-2", 2);
    empty.as.payment.outcome.record.key = suite_text(f, "");
    empty.as.payment.outcome.record.body = suite_text(f, "");
    empty.as.payment.outcome.record.headers = suite_text(f, "");
    suite_expect(f, &empty, UNIT_APPLIED);
    union store_row rows[STORE_PAGE_MAX];
    assert_int_equal(suite_outbox_all(f, rows), 2);
    assert_int_equal(rows[0].outbox.has_key, 0);
    assert_int_equal(rows[0].outbox.has_body, 0);
    assert_int_equal(rows[0].outbox.key, TEXT_NONE);
    assert_int_equal(rows[0].outbox.body, TEXT_NONE);
    assert_int_equal(rows[0].outbox.headers, TEXT_NONE);
    assert_int_equal(rows[1].outbox.has_key, 1);
    assert_int_equal(rows[1].outbox.has_body, 1);
    assert_int_equal(rows[1].outbox.key, suite_text(f, ""));
    assert_int_equal(rows[1].outbox.body, suite_text(f, ""));
    assert_int_equal(rows[1].outbox.headers, suite_text(f, ""));
}

/* Trap 8: an event that is being sent right now is not sent again. */
static void leased_row_is_not_due_before_its_lease_ends(void **state)
{
    struct store_fixture *f = *state;
    struct unit unit = open_with_event(f, "trip-1", 1);
    suite_expect(f, &unit, UNIT_APPLIED);
    union store_row rows[STORE_PAGE_MAX];
    f->now_ms += 29999;
    assert_int_equal(suite_scan(f, SCAN_OUTBOX_DUE, 10, rows), 0);
    f->now_ms += 1;
    assert_int_equal(suite_scan(f, SCAN_OUTBOX_DUE, 10, rows), 1);
    struct unit take = suite_outbox_move(f, 1, OUTBOX_PUBLISHING, 1, OUTBOX_PUBLISHING, 30000);
    suite_expect(f, &take, UNIT_APPLIED);
    assert_int_equal(suite_scan(f, SCAN_OUTBOX_DUE, 10, rows), 0);
    f->now_ms += 30000;
    assert_int_equal(suite_scan(f, SCAN_OUTBOX_DUE, 10, rows), 1);
    assert_int_equal(rows[0].outbox.epoch, 2);
}

static void writer_whose_row_was_taken_over_cannot_mark_it_done(void **state)
{
    struct store_fixture *f = *state;
    struct unit unit = open_with_event(f, "trip-1", 1);
    suite_expect(f, &unit, UNIT_APPLIED);
    struct unit take = suite_outbox_move(f, 1, OUTBOX_PUBLISHING, 1, OUTBOX_PUBLISHING, 30000);
    suite_expect(f, &take, UNIT_APPLIED);
    struct unit late = suite_outbox_move(f, 1, OUTBOX_PUBLISHING, 1, OUTBOX_DONE, DUE_NEVER);
    suite_expect(f, &late, UNIT_REFUSED);
    struct unit done = suite_outbox_move(f, 1, OUTBOX_PUBLISHING, 2, OUTBOX_DONE, DUE_NEVER);
    suite_expect(f, &done, UNIT_APPLIED);
    suite_expect(f, &done, UNIT_APPLIED); /* sent again */
    suite_expect(f, &take, UNIT_REFUSED);
    union store_row rows[STORE_PAGE_MAX];
    assert_int_equal(suite_outbox_all(f, rows), 0);
}

/* By event id: the outcome of the payment whose id it is. */
static void row_is_moved_by_its_row_id_or_its_event_id(void **state)
{
    struct store_fixture *f = *state;
    struct unit units[2] = {open_with_event(f, "trip-1", 1), open_with_event(f, "trip-2", 2)};
    struct unit_result results[2];
    suite_submit(f, units, 2, results);
    union store_row rows[STORE_PAGE_MAX];
    assert_int_equal(suite_outbox_all(f, rows), 2);
    struct unit move = suite_outbox_move(f, 999, OUTBOX_PUBLISHING, 1, OUTBOX_READY, 5000);
    move.as.outbox.row_id = rows[1].outbox.row_id;
    move.as.outbox.attempts = 3;
    suite_expect(f, &move, UNIT_APPLIED); /* the row id counts */
    move.token = suite_token(f);
    move.as.outbox.row_id = 1000;
    suite_expect(f, &move, UNIT_REFUSED);
    move.as.outbox.row_id = 0;
    suite_expect(f, &move, UNIT_REFUSED);
    f->now_ms += 5000;
    assert_int_equal(suite_scan(f, SCAN_OUTBOX_DUE, 10, rows), 1);
    assert_true(uuid_equal(&rows[0].outbox.event_id, &units[1].as.payment.outcome.record.event_id));
    assert_int_equal(rows[0].outbox.status, OUTBOX_READY);
    assert_int_equal(rows[0].outbox.attempts, 3);
    move = suite_outbox_move(f, 1, OUTBOX_PUBLISHING, 1, OUTBOX_DONE, DUE_NEVER);
    suite_expect(f, &move, UNIT_APPLIED);
    assert_int_equal(suite_outbox_all(f, rows), 1);
    assert_true(uuid_equal(&rows[0].outbox.event_id, &units[1].as.payment.row.payment_id));
}

/* A row that the broker refuses backs off and blocks no other (trap 25). */
static void rows_come_by_due_time_so_a_refused_one_falls_behind(void **state)
{
    struct store_fixture *f = *state;
    struct unit units[3] = {open_with_event(f, "trip-1", 1), open_with_event(f, "trip-2", 2),
                            open_with_event(f, "trip-3", 3)};
    struct unit_result results[3];
    suite_submit(f, units, 3, results);
    f->now_ms += 30000;
    union store_row rows[STORE_PAGE_MAX];
    assert_int_equal(suite_scan(f, SCAN_OUTBOX_DUE, 2, rows), 2);
    assert_string_equal(texts_string(f->texts, rows[0].outbox.key), "trip-1");
    struct unit refused = suite_outbox_move(f, 1, OUTBOX_PUBLISHING, 1, OUTBOX_READY, 1);
    suite_expect(f, &refused, UNIT_APPLIED);
    f->now_ms += 1;
    assert_int_equal(suite_scan(f, SCAN_OUTBOX_DUE, 2, rows), 2);
    assert_string_equal(texts_string(f->texts, rows[0].outbox.key), "trip-2");
    assert_string_equal(texts_string(f->texts, rows[1].outbox.key), "trip-3");
}

static void page_is_bounded_in_bytes_but_has_a_row(void **state)
{
    struct store_fixture *f = *state;
    char *body = malloc(STORE_BODY_MAX);
    assert_non_null(body);
    for (uint64_t i = 1; i <= 3; i++) {
        memset(body, (int)('a' + i), STORE_BODY_MAX);
        char trip_id[] = {'t', (char)('0' + (int)i), '\0'};
        struct unit unit = open_with_event(f, trip_id, i);
        unit.as.payment.outcome.record.body = suite_bytes(f, body, STORE_BODY_MAX - (i == 1) * 20);
        suite_expect(f, &unit, UNIT_APPLIED);
    }
    free(body);
    union store_row rows[STORE_PAGE_MAX];
    assert_int_equal(suite_outbox_all(f, rows), 2); /* just under 2 MiB */
    struct unit done = suite_outbox_move(f, 1, OUTBOX_PUBLISHING, 1, OUTBOX_DONE, DUE_NEVER);
    suite_expect(f, &done, UNIT_APPLIED);
    assert_int_equal(suite_outbox_all(f, rows), 1); /* two would be over it */
}

static uint32_t purge(struct store_fixture *f, int64_t older_than_ms, uint32_t limit)
{
    uint32_t deleted = UINT32_MAX;
    assert_int_equal(
        f->store->ops->purge(f->store, PURGE_OUTBOX_DONE, older_than_ms, limit, &deleted),
        STORE_OK);
    return deleted;
}

static void purge_takes_old_done_rows_in_chunks_and_no_others(void **state)
{
    struct store_fixture *f = *state;
    for (uint64_t i = 1; i <= 6; i++) {
        char trip_id[] = {'t', (char)('0' + (int)i), '\0'};
        struct unit unit = open_with_event(f, trip_id, i);
        suite_expect(f, &unit, UNIT_APPLIED);
    }
    for (uint64_t i = 1; i <= 5; i++) {
        struct unit done = suite_outbox_move(f, i, OUTBOX_PUBLISHING, 1, OUTBOX_DONE, DUE_NEVER);
        suite_expect(f, &done, UNIT_APPLIED);
        f->now_ms += 1000;
    }
    assert_int_equal(purge(f, 5000, 10), 0); /* "more than" */
    assert_int_equal(purge(f, 4999, 10), 1);
    assert_int_equal(purge(f, 0, 3), 3);
    assert_int_equal(purge(f, 0, 3), 1);
    assert_int_equal(purge(f, 0, 3), 0);
    union store_row rows[STORE_PAGE_MAX];
    assert_int_equal(suite_outbox_all(f, rows), 1);
    struct unit gone = suite_outbox_move(f, 1, OUTBOX_DONE, 2, OUTBOX_READY, 0);
    suite_expect(f, &gone, UNIT_REFUSED);
}

static void row_id_of_a_purged_row_does_not_come_back(void **state)
{
    struct store_fixture *f = *state;
    struct unit unit = open_with_event(f, "trip-1", 1);
    suite_expect(f, &unit, UNIT_APPLIED);
    union store_row rows[STORE_PAGE_MAX];
    assert_int_equal(suite_outbox_all(f, rows), 1);
    int64_t first = rows[0].outbox.row_id;
    struct unit done = suite_outbox_move(f, 1, OUTBOX_PUBLISHING, 1, OUTBOX_DONE, DUE_NEVER);
    suite_expect(f, &done, UNIT_APPLIED);
    f->now_ms += 1;
    assert_int_equal(purge(f, 0, 1), 1);
    unit = open_with_event(f, "trip-2", 2);
    suite_expect(f, &unit, UNIT_APPLIED);
    assert_int_equal(suite_outbox_all(f, rows), 1);
    assert_true(rows[0].outbox.row_id > first);
}

/* A payment whose COMMIT was answered too late: its event was taken, published and deleted by
 * another instance before the units came again, here together with a new one. */
static void unit_sent_again_is_applied_though_its_event_was_taken_or_purged(void **state)
{
    struct store_fixture *f = *state;
    struct unit units[3] = {open_with_event(f, "trip-1", 1), open_with_event(f, "trip-2", 2),
                            open_with_event(f, "trip-3", 3)};
    struct unit_result results[3];
    union store_row rows[STORE_PAGE_MAX];
    suite_submit(f, units, 1, results);
    struct unit take = suite_outbox_move(f, 1, OUTBOX_PUBLISHING, 1, OUTBOX_PUBLISHING, 30000);
    suite_expect(f, &take, UNIT_APPLIED);
    suite_submit(f, units, 2, results);
    assert_int_equal(results[0].verdict, UNIT_APPLIED);
    assert_int_equal(results[1].verdict, UNIT_APPLIED);
    assert_int_equal(suite_outbox_all(f, rows), 2);
    struct unit done = suite_outbox_move(f, 1, OUTBOX_PUBLISHING, 2, OUTBOX_DONE, DUE_NEVER);
    suite_expect(f, &done, UNIT_APPLIED);
    f->now_ms += 1;
    assert_int_equal(purge(f, 0, 10), 1);
    suite_submit(f, units, 3, results);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(results[i].verdict, UNIT_APPLIED);
    }
    assert_int_equal(suite_outbox_all(f, rows), 2);
}

int store_suite_outbox(void)
{
    const struct CMUnitTest tests[] = {
        SUITE_TEST(outcome_is_stored_as_rendered),
        SUITE_TEST(records_without_key_value_or_headers_keep_that_apart_from_empty_ones),
        SUITE_TEST(leased_row_is_not_due_before_its_lease_ends),
        SUITE_TEST(writer_whose_row_was_taken_over_cannot_mark_it_done),
        SUITE_TEST(row_is_moved_by_its_row_id_or_its_event_id),
        SUITE_TEST(rows_come_by_due_time_so_a_refused_one_falls_behind),
        SUITE_TEST(page_is_bounded_in_bytes_but_has_a_row),
        SUITE_TEST(purge_takes_old_done_rows_in_chunks_and_no_others),
        SUITE_TEST(row_id_of_a_purged_row_does_not_come_back),
        SUITE_TEST(unit_sent_again_is_applied_though_its_event_was_taken_or_purged),
    };
    return cmocka_run_group_tests_name("store: outbox", tests, NULL, NULL);
}
