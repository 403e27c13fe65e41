/* Scans of due payments. */
#include "store_suite.h"

#include <stdlib.h>

static void open_due(struct store_fixture *f, const char *trip_id, uint64_t number,
                     enum payment_status status, int64_t due_in_ms)
{
    struct payment_row image = suite_image(f, trip_id, number);
    image.status = (uint8_t)status;
    image.due_in_ms = due_in_ms;
    struct unit unit = suite_open(f, &image);
    suite_expect(f, &unit, UNIT_APPLIED);
}

static void due_payments_come_by_due_time_then_by_id_whatever_their_status(void **state)
{
    struct store_fixture *f = *state;
    open_due(f, "later", 1, PAYMENT_PROCESSING, 300);
    open_due(f, "never", 2, PAYMENT_FAILED, DUE_NEVER);
    open_due(f, "tie-1", 3, PAYMENT_COMPLETED, 200);
    open_due(f, "tie-2", 4, PAYMENT_UNKNOWN, 200);
    open_due(f, "past", 5, PAYMENT_FAILED, -50);
    open_due(f, "exactly", 6, PAYMENT_REQUESTED, 301);
    union store_row rows[STORE_PAGE_MAX];
    assert_int_equal(suite_scan(f, SCAN_PAYMENTS_DUE, 10, rows), 1);
    f->now_ms += 300;
    const char *const expected[] = {"past", "tie-1", "tie-2", "later"};
    assert_int_equal(suite_scan(f, SCAN_PAYMENTS_DUE, 10, rows), 4);
    for (int i = 0; i < 4; i++) {
        assert_string_equal(texts_string(f->texts, rows[i].payment.trip_id), expected[i]);
    }
    assert_true(rows[0].payment.due_in_ms == -350);
    assert_true(rows[0].payment.claimed_age_ms == 300);
    f->now_ms += 1;
    assert_int_equal(suite_scan(f, SCAN_PAYMENTS_DUE, 10, rows), 5);
    assert_int_equal(suite_scan(f, SCAN_PAYMENTS_DUE, 2, rows), 2);
    assert_string_equal(texts_string(f->texts, rows[1].payment.trip_id), "tie-1");
    assert_int_equal(suite_scan(f, SCAN_PAYMENTS_DUE, 0, rows), 0);
}

/* Trap 3: the claim gives the row a new due time, however old it is. */
static void old_requested_row_is_not_due_once_it_is_claimed(void **state)
{
    struct store_fixture *f = *state;
    open_due(f, "old", 1, PAYMENT_REQUESTED, 0);
    f->now_ms += 86400000;
    struct payment_row image = suite_image(f, "old", 1);
    struct unit claim = suite_move(f, &image, PAYMENT_REQUESTED, 1);
    claim.as.payment.claimed_at = INSTANT_NOW;
    suite_expect(f, &claim, UNIT_APPLIED);
    union store_row rows[STORE_PAGE_MAX];
    assert_int_equal(suite_scan(f, SCAN_PAYMENTS_DUE, 10, rows), 0);
    f->now_ms += 600000;
    assert_int_equal(suite_scan(f, SCAN_PAYMENTS_DUE, 10, rows), 1);
    assert_true(rows[0].payment.claimed_age_ms == 600000);
}

static void scan_decides_and_changes_nothing(void **state)
{
    struct store_fixture *f = *state;
    open_due(f, "trip", 1, PAYMENT_PROCESSING, 0);
    union store_row first[STORE_PAGE_MAX];
    union store_row second[STORE_PAGE_MAX];
    assert_int_equal(suite_scan(f, SCAN_PAYMENTS_DUE, 10, first), 1);
    assert_int_equal(suite_scan(f, SCAN_PAYMENTS_DUE, 10, second), 1);
    suite_assert_row(&second[0].payment, &first[0].payment, 1, first[0].payment.token);
}

static void delays_beyond_a_century_are_cut_to_it(void **state)
{
    struct store_fixture *f = *state;
    const int64_t century_ms = INT64_C(3155760000000);
    open_due(f, "far", 1, PAYMENT_PROCESSING, DUE_NEVER - 1);
    open_due(f, "long ago", 2, PAYMENT_PROCESSING, INT64_MIN);
    assert_true(suite_read(f, "far").row.due_in_ms == century_ms);
    assert_true(suite_read(f, "long ago").row.due_in_ms == -century_ms);
}

static void second_connection_sees_the_same_rows_and_ages(void **state)
{
    struct store_fixture *f = *state;
    open_due(f, "trip", 1, PAYMENT_PROCESSING, 700);
    f->now_ms += 400;
    struct payment_row before = suite_read(f, "trip").row;
    struct store *first = f->store;
    f->store = f->factory->connect(f->data, f, f->texts);
    assert_non_null(f->store);
    struct payment_row row = suite_read(f, "trip").row;
    suite_assert_row(&row, &before, 1, before.token);
    assert_true(row.due_in_ms == 300);
    assert_true(row.claimed_age_ms == 400);
    f->store->ops->close(f->store);
    f->store = first;
}

/* Ten due payments into a pool with room for `entries` texts. */
static enum store_status scan_small(struct store_fixture *f, uint32_t entries,
                                    struct store_page *page)
{
    void *block = malloc(texts_size(entries, 4096));
    assert_non_null(block);
    struct store_scan scan = {.kind = SCAN_PAYMENTS_DUE, .limit = 10};
    page->texts = texts_init(block, entries, 4096);
    enum store_status status = f->store->ops->scan(f->store, &scan, page);
    free(block);
    return status;
}

static void page_is_shorter_where_the_pool_is_nearly_full(void **state)
{
    struct store_fixture *f = *state;
    for (uint64_t i = 0; i < 10; i++) {
        char trip_id[] = {'t', (char)('0' + (int)i), '\0'};
        open_due(f, trip_id, i + 1, PAYMENT_PROCESSING, 0);
    }
    union store_row rows[STORE_PAGE_MAX];
    struct store_page page = {.rows = rows};
    /* User and method are shared; each trip is one more. */
    assert_int_equal(scan_small(f, 6, &page), STORE_OK);
    assert_int_equal(page.count, 4);
    assert_int_equal(scan_small(f, 2, &page), STORE_UNAVAILABLE);
}

static void read_of_a_payment_that_is_not_there_leaves_the_view_alone(void **state)
{
    struct store_fixture *f = *state;
    struct payment_view view = {.requested_at_ms = 42};
    assert_int_equal(f->store->ops->read_payment(f->store, "none", 4, f->texts, &view),
                     STORE_NOT_FOUND);
    assert_true(view.requested_at_ms == 42);
    open_due(f, "trip", 1, PAYMENT_PROCESSING, 0);
    char longer[1000] = "trip";
    assert_int_equal(f->store->ops->read_payment(f->store, longer, sizeof(longer), f->texts, &view),
                     STORE_NOT_FOUND);
    assert_int_equal(f->store->ops->read_payment(f->store, longer, 5, f->texts, &view),
                     STORE_NOT_FOUND);
}

int store_suite_scans(void)
{
    const struct CMUnitTest tests[] = {
        SUITE_TEST(due_payments_come_by_due_time_then_by_id_whatever_their_status),
        SUITE_TEST(old_requested_row_is_not_due_once_it_is_claimed),
        SUITE_TEST(scan_decides_and_changes_nothing),
        SUITE_TEST(delays_beyond_a_century_are_cut_to_it),
        SUITE_TEST(second_connection_sees_the_same_rows_and_ages),
        SUITE_TEST(page_is_shorter_where_the_pool_is_nearly_full),
        SUITE_TEST(read_of_a_payment_that_is_not_there_leaves_the_view_alone),
    };
    return cmocka_run_group_tests_name("store: scans", tests, NULL, NULL);
}
