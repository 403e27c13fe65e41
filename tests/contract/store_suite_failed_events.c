/* Dead letters: raw bytes kept, unique by origin, retried to where they came from. */
#include "store_suite.h"

#include <stdlib.h>
#include <string.h>

static struct failed_event_row read_event(struct store_fixture *f, int64_t row_id)
{
    struct failed_event_row row = {0};
    assert_int_equal(f->store->ops->read_failed_event(f->store, row_id, f->texts, &row), STORE_OK);
    return row;
}

static void assert_event(const struct failed_event_row *row, const struct unit *unit)
{
    const struct failed_event_row *letter = &unit->as.failed_event.row;
    assert_true(token_equal(row->token, unit->token));
    assert_true(row->origin_offset == letter->origin_offset);
    assert_true(row->origin_at_ms == letter->origin_at_ms);
    assert_int_equal(row->origin_partition, letter->origin_partition);
    assert_int_equal(row->epoch, 1);
    assert_int_equal(row->status, FAILED_EVENT_PENDING);
    assert_int_equal(row->has_key, letter->has_key);
    assert_int_equal(row->has_body, letter->has_body);
    assert_int_equal(row->topic, letter->topic);
    assert_int_equal(row->key, letter->has_key ? letter->key : TEXT_NONE);
    assert_int_equal(row->body, letter->has_body ? letter->body : TEXT_NONE);
    assert_int_equal(row->headers, letter->headers);
    assert_int_equal(row->error, letter->error);
}

static void dead_letter_is_kept_with_its_origin(void **state)
{
    struct store_fixture *f = *state;
    struct unit unit = suite_dead_letter(f, INT64_MAX);
    unit.as.failed_event.row.origin_partition = INT32_MAX;
    suite_expect(f, &unit, UNIT_APPLIED);
    struct failed_event_row row = read_event(f, 1);
    assert_event(&row, &unit);
    assert_int_equal(row.row_id, 1);
    assert_int_equal(f->store->ops->read_failed_event(f->store, 2, f->texts, &row),
                     STORE_NOT_FOUND);
    assert_int_equal(f->store->ops->read_failed_event(f->store, -1, f->texts, &row),
                     STORE_NOT_FOUND);
}

/* Null, empty, NULs, broken UTF-8, one megabyte: the very bytes come back. */
static void raw_bytes_come_back_as_they_were(void **state)
{
    struct store_fixture *f = *state;
    char *large = malloc(STORE_BODY_MAX);
    assert_non_null(large);
    memset(large, 0xFF, STORE_BODY_MAX); /* not UTF-8 at all */
    struct unit units[5];
    for (int i = 0; i < 5; i++) {
        units[i] = suite_dead_letter(f, i);
    }
    units[0].as.failed_event.row.has_key = 0;
    units[0].as.failed_event.row.key = TEXT_NONE;
    units[0].as.failed_event.row.has_body = 0;
    units[0].as.failed_event.row.body = TEXT_NONE;
    units[0].as.failed_event.row.headers = TEXT_NONE;
    units[0].as.failed_event.row.error = TEXT_NONE;
    units[1].as.failed_event.row.key = suite_text(f, "");
    units[1].as.failed_event.row.body = suite_text(f, "");
    units[2].as.failed_event.row.key = suite_bytes(f, "k\0\xFF", 3);
    units[2].as.failed_event.row.body = suite_bytes(f, "\0\xC3\x28\xED\xA0\x80\xF5", 7);
    units[3].as.failed_event.row.body = suite_bytes(f, large, STORE_BODY_MAX);
    units[4].as.failed_event.row.key = suite_bytes(f, large, STORE_KEY_MAX);
    units[4].as.failed_event.row.headers = suite_bytes(f, large, STORE_HEADERS_MAX);
    free(large);
    struct unit_result results[5];
    suite_submit(f, units, 5, results);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(results[i].verdict, UNIT_APPLIED);
        struct failed_event_row row = read_event(f, i + 1);
        assert_event(&row, &units[i]);
    }
}

static void dead_letter_is_unique_by_all_parts_of_its_origin(void **state)
{
    struct store_fixture *f = *state;
    struct unit first = suite_dead_letter(f, 7);
    suite_expect(f, &first, UNIT_APPLIED);
    struct unit unit = suite_dead_letter(f, 7);
    unit.as.failed_event.row.body = suite_text(f, "other");
    suite_expect(f, &unit, UNIT_DUPLICATE);
    suite_expect(f, &first, UNIT_APPLIED); /* sent again */
    unit.as.failed_event.row.origin_partition = 1;
    suite_expect(f, &unit, UNIT_APPLIED);
    unit = suite_dead_letter(f, 7);
    unit.as.failed_event.row.origin_at_ms++;
    suite_expect(f, &unit, UNIT_APPLIED);
    unit = suite_dead_letter(f, 7);
    unit.as.failed_event.row.topic = suite_text(f, "Trip_events");
    suite_expect(f, &unit, UNIT_APPLIED);
    unit = suite_dead_letter(f, 8);
    suite_expect(f, &unit, UNIT_APPLIED);
    union store_row rows[STORE_PAGE_MAX];
    assert_int_equal(suite_scan(f, SCAN_FAILED_EVENTS, 10, rows), 5);
    struct failed_event_row row = read_event(f, 1);
    assert_event(&row, &first);
}

/* Trap 11: never to the DLT, and with key, headers and first timestamp. */
static void retry_goes_to_the_origin_topic_with_the_whole_record(void **state)
{
    struct store_fixture *f = *state;
    struct unit letter = suite_dead_letter(f, 7);
    const struct failed_event_row *row = &letter.as.failed_event.row;
    suite_expect(f, &letter, UNIT_APPLIED);
    f->now_ms += 60000;
    struct unit retry = suite_dead_letter_move(f, 1, 1, FAILED_EVENT_RESOLVED, 900);
    suite_expect(f, &retry, UNIT_APPLIED);
    union store_row rows[STORE_PAGE_MAX];
    assert_int_equal(suite_scan(f, SCAN_OUTBOX_DUE, 10, rows), 1);
    const struct outbox_row *record = &rows[0].outbox;
    struct uuid event_id = suite_uuid(900);
    assert_true(uuid_equal(&record->event_id, &event_id));
    assert_true(token_equal(record->token, retry.token));
    assert_string_equal(texts_string(f->texts, record->topic), "trip_events");
    assert_int_equal(record->key, row->key);
    assert_int_equal(record->body, row->body);
    assert_int_equal(record->headers, row->headers);
    assert_true(record->record_at_ms == row->origin_at_ms);
    assert_true(record->due_in_ms == 0);
    assert_int_equal(record->status, OUTBOX_READY);
    assert_int_equal(record->epoch, 1);
    struct failed_event_row resolved = read_event(f, 1);
    assert_int_equal(resolved.status, FAILED_EVENT_RESOLVED);
    assert_int_equal(resolved.epoch, 2);
    assert_true(token_equal(resolved.token, retry.token));
}

static void retry_of_a_record_without_key_and_value_has_none_either(void **state)
{
    struct store_fixture *f = *state;
    struct unit letter = suite_dead_letter(f, 7);
    letter.as.failed_event.row.has_key = 0;
    letter.as.failed_event.row.has_body = 0;
    letter.as.failed_event.row.headers = TEXT_NONE;
    suite_expect(f, &letter, UNIT_APPLIED);
    struct unit retry = suite_dead_letter_move(f, 1, 1, FAILED_EVENT_RESOLVED, 900);
    suite_expect(f, &retry, UNIT_APPLIED);
    union store_row rows[STORE_PAGE_MAX];
    assert_int_equal(suite_scan(f, SCAN_OUTBOX_DUE, 10, rows), 1);
    assert_int_equal(rows[0].outbox.has_key, 0);
    assert_int_equal(rows[0].outbox.has_body, 0);
    assert_int_equal(rows[0].outbox.key, TEXT_NONE);
    assert_int_equal(rows[0].outbox.body, TEXT_NONE);
    assert_int_equal(rows[0].outbox.headers, TEXT_NONE);
}

static void dead_letter_tells_its_age_by_the_stores_clock(void **state)
{
    struct store_fixture *f = *state;
    struct unit letter = suite_dead_letter(f, 7);
    suite_expect(f, &letter, UNIT_APPLIED);
    f->now_ms += 1234;
    union store_row rows[STORE_PAGE_MAX];
    assert_int_equal(suite_scan(f, SCAN_FAILED_EVENTS, 10, rows), 1);
    assert_int_equal(rows[0].failed_event.created_age_ms, 1234);
    assert_int_equal(read_event(f, 1).created_age_ms, 1234);
}

static void retry_sent_again_writes_one_record(void **state)
{
    struct store_fixture *f = *state;
    struct unit letter = suite_dead_letter(f, 7);
    suite_expect(f, &letter, UNIT_APPLIED);
    struct unit retry = suite_dead_letter_move(f, 1, 1, FAILED_EVENT_RESOLVED, 900);
    suite_expect(f, &retry, UNIT_APPLIED);
    suite_expect(f, &retry, UNIT_APPLIED);
    union store_row rows[STORE_PAGE_MAX];
    assert_int_equal(suite_outbox_all(f, rows), 1);
}

static void only_a_pending_event_of_that_epoch_moves(void **state)
{
    struct store_fixture *f = *state;
    struct unit letter = suite_dead_letter(f, 7);
    suite_expect(f, &letter, UNIT_APPLIED);
    struct unit stale = suite_dead_letter_move(f, 1, 2, FAILED_EVENT_RESOLVED, 900);
    suite_expect(f, &stale, UNIT_REFUSED);
    struct unit unknown = suite_dead_letter_move(f, 9, 1, FAILED_EVENT_IGNORED, 0);
    suite_expect(f, &unknown, UNIT_REFUSED);
    struct unit ignore = suite_dead_letter_move(f, 1, 1, FAILED_EVENT_IGNORED, 0);
    suite_expect(f, &ignore, UNIT_APPLIED);
    suite_expect(f, &ignore, UNIT_APPLIED); /* sent again */
    struct unit retry = suite_dead_letter_move(f, 1, 2, FAILED_EVENT_RESOLVED, 900);
    suite_expect(f, &retry, UNIT_REFUSED);
    assert_int_equal(read_event(f, 1).status, FAILED_EVENT_IGNORED);
    union store_row rows[STORE_PAGE_MAX];
    assert_int_equal(suite_outbox_all(f, rows), 0);
}

static void pending_events_are_listed_by_id_and_topic_without_their_bytes(void **state)
{
    struct store_fixture *f = *state;
    for (int64_t i = 0; i < 6; i++) {
        struct unit letter = suite_dead_letter(f, i);
        if (i % 2 == 1) {
            letter.as.failed_event.row.topic = suite_text(f, "other_events");
        }
        suite_expect(f, &letter, UNIT_APPLIED);
    }
    struct unit ignore = suite_dead_letter_move(f, 3, 1, FAILED_EVENT_IGNORED, 0);
    suite_expect(f, &ignore, UNIT_APPLIED);
    union store_row rows[STORE_PAGE_MAX];
    assert_int_equal(suite_scan(f, SCAN_FAILED_EVENTS, 2, rows), 2);
    assert_int_equal(rows[0].failed_event.row_id, 1);
    assert_int_equal(rows[0].failed_event.has_key, 1);
    assert_int_equal(rows[0].failed_event.has_body, 1);
    assert_int_equal(rows[0].failed_event.key, TEXT_NONE);
    assert_int_equal(rows[0].failed_event.body, TEXT_NONE);
    assert_int_equal(rows[0].failed_event.headers, TEXT_NONE);
    assert_int_equal(rows[0].failed_event.error, TEXT_NONE);
    struct store_scan scan = {.kind = SCAN_FAILED_EVENTS,
                              .limit = 10,
                              .after_id = 1,
                              .topic = suite_text(f, "trip_events")};
    struct store_page page = {.rows = rows, .texts = f->texts};
    assert_int_equal(f->store->ops->scan(f->store, &scan, &page), STORE_OK);
    assert_int_equal(page.count, 1); /* 3 is ignored */
    assert_int_equal(rows[0].failed_event.row_id, 5);
    scan.topic = suite_text(f, "nobody's");
    assert_int_equal(f->store->ops->scan(f->store, &scan, &page), STORE_OK);
    assert_int_equal(page.count, 0);
    scan.topic = TEXT_NONE;
    scan.after_id = 2;
    assert_int_equal(f->store->ops->scan(f->store, &scan, &page), STORE_OK);
    assert_int_equal(page.count, 3);
    assert_int_equal(rows[0].failed_event.row_id, 4);
}

int store_suite_failed_events(void)
{
    const struct CMUnitTest tests[] = {
        SUITE_TEST(dead_letter_is_kept_with_its_origin),
        SUITE_TEST(raw_bytes_come_back_as_they_were),
        SUITE_TEST(dead_letter_is_unique_by_all_parts_of_its_origin),
        SUITE_TEST(retry_goes_to_the_origin_topic_with_the_whole_record),
        SUITE_TEST(retry_of_a_record_without_key_and_value_has_none_either),
        SUITE_TEST(dead_letter_tells_its_age_by_the_stores_clock),
        SUITE_TEST(retry_sent_again_writes_one_record),
        SUITE_TEST(only_a_pending_event_of_that_epoch_moves),
        SUITE_TEST(pending_events_are_listed_by_id_and_topic_without_their_bytes),
    };
    return cmocka_run_group_tests_name("store: failed events", tests, NULL, NULL);
}
