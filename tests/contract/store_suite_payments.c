/* Payments: open and move, by guard, epoch and token. */
#include "store_suite.h"

#include <string.h>

static struct payment_row full_image(struct store_fixture *f, const char *trip_id, uint64_t number)
{
    struct payment_row image = suite_image(f, trip_id, number);
    image.pg_account = UINT64_MAX;
    image.due_in_ms = -7;
    image.amount_krw = INT32_MAX;
    image.method_id = suite_text(f, "");
    image.pg_id = suite_text(f, "tviva20261001");
    image.refund_pg_id = suite_text(f, "refund-pg");
    image.traceparent = suite_text(f, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    image.code = suite_text(f, "REJECT_CARD_PAYMENT");
    image.cancel_no = UINT16_MAX;
    image.attempts = UINT16_MAX;
    image.status = PAYMENT_UNKNOWN;
    image.refund_state = REFUND_INTENDED;
    image.absent_count = UINT8_MAX;
    image.recheck_no = UINT8_MAX;
    image.needs_operator = 1;
    image.reason = REASON_CANCEL_REFUSED;
    return image;
}

static void open_stores_every_column_with_epoch_one_and_the_token(void **state)
{
    struct store_fixture *f = *state;
    struct payment_row image = full_image(f, "trip-1", 1);
    struct unit unit = suite_open(f, &image);
    unit.token = (struct token){UINT64_MAX, UINT64_MAX - 1};
    unit.as.payment.claimed_at = INSTANT_KEEP;
    suite_expect(f, &unit, UNIT_APPLIED);
    struct payment_view view = suite_read(f, "trip-1");
    suite_assert_row(&view.row, &image, 1, unit.token);
    assert_true(view.row.claimed_age_ms == AGE_NONE);
    assert_true(view.row.cancel_age_ms == AGE_NONE);
    assert_true(view.requested_at_ms == f->now_ms);
    assert_true(view.completed_at_ms == AGE_NONE);
}

static void open_keeps_missing_texts_missing_and_never_due_never(void **state)
{
    struct store_fixture *f = *state;
    struct payment_row image = suite_image(f, "trip-1", 1);
    image.due_in_ms = DUE_NEVER;
    image.pg_account = 0;
    struct unit unit = suite_open(f, &image);
    suite_expect(f, &unit, UNIT_APPLIED);
    struct payment_view view = suite_read(f, "trip-1");
    suite_assert_row(&view.row, &image, 1, unit.token);
    assert_int_equal(view.row.pg_id, TEXT_NONE);
}

static void open_of_a_free_ride_is_completed_with_its_event(void **state)
{
    struct store_fixture *f = *state;
    struct payment_row image = suite_image(f, "trip-1", 1);
    image.status = PAYMENT_COMPLETED;
    image.amount_krw = 0;
    image.due_in_ms = DUE_NEVER;
    struct unit unit = suite_open(f, &image);
    suite_outcome(f, &unit, OUTCOME_COMPLETED);
    suite_expect(f, &unit, UNIT_APPLIED);
    struct payment_view view = suite_read(f, "trip-1");
    suite_assert_row(&view.row, &image, 1, unit.token);
    assert_true(view.completed_at_ms == f->now_ms);
    union store_row rows[STORE_PAGE_MAX];
    assert_int_equal(suite_outbox_all(f, rows), 1);
    assert_true(token_equal(rows[0].outbox.token, unit.token));
}

/* Trap 6: the loser of the race gets the row, and its event is not published. */
static void second_open_of_a_trip_is_a_duplicate_with_the_row_and_no_event(void **state)
{
    struct store_fixture *f = *state;
    struct payment_row image = full_image(f, "trip-1", 1);
    struct unit first = suite_open(f, &image);
    suite_expect(f, &first, UNIT_APPLIED);
    f->now_ms += 1000;
    struct payment_row other = suite_image(f, "trip-1", 2);
    other.status = PAYMENT_FAILED;
    struct unit second = suite_open(f, &other);
    suite_outcome(f, &second, OUTCOME_FAILED);
    struct unit_result result = suite_submit_one(f, &second);
    assert_int_equal(result.verdict, UNIT_DUPLICATE);
    assert_int_equal(result.has_row, 1);
    image.due_in_ms -= 1000;
    suite_assert_row(&result.row, &image, 1, first.token);
    assert_true(result.row.claimed_age_ms == 1000);
    union store_row rows[STORE_PAGE_MAX];
    assert_int_equal(suite_outbox_all(f, rows), 0);
}

static void open_sent_again_is_applied_once_with_one_event(void **state)
{
    struct store_fixture *f = *state;
    struct payment_row image = suite_image(f, "trip-1", 1);
    image.status = PAYMENT_FAILED;
    struct unit unit = suite_open(f, &image);
    suite_outcome(f, &unit, OUTCOME_FAILED);
    suite_expect(f, &unit, UNIT_APPLIED);
    f->now_ms += 5000;
    suite_expect(f, &unit, UNIT_APPLIED);
    struct payment_view view = suite_read(f, "trip-1");
    assert_true(view.row.due_in_ms == 595000); /* not written a second time */
    assert_int_equal(view.row.epoch, 1);
    union store_row rows[STORE_PAGE_MAX];
    assert_int_equal(suite_outbox_all(f, rows), 1);
}

static void open_with_another_trips_payment_id_is_an_error(void **state)
{
    struct store_fixture *f = *state;
    struct payment_row image = suite_image(f, "trip-1", 1);
    struct unit first = suite_open(f, &image);
    suite_expect(f, &first, UNIT_APPLIED);
    struct payment_row other = suite_image(f, "trip-2", 1);
    struct unit second = suite_open(f, &other);
    suite_expect(f, &second, UNIT_ERROR);
    assert_false(suite_trip_exists(f, "trip-2"));
}

static void open_without_a_payment_id_is_an_error(void **state)
{
    struct store_fixture *f = *state;
    struct payment_row image = suite_image(f, "trip-1", 1);
    memset(&image.payment_id, 0, sizeof(image.payment_id));
    struct unit unit = suite_open(f, &image);
    suite_expect(f, &unit, UNIT_ERROR);
    assert_false(suite_trip_exists(f, "trip-1"));
}

/* Trap 22. An accent is not ASCII: refused by name, and never taken for the plain letter. */
static void trips_that_a_loose_collation_confuses_stay_apart(void **state)
{
    struct store_fixture *f = *state;
    const char *const trips[] = {"a", "A", "a "};
    for (uint64_t i = 0; i < 3; i++) {
        struct payment_row image = suite_image(f, trips[i], i + 1);
        image.amount_krw = (int32_t)i;
        struct unit unit = suite_open(f, &image);
        suite_expect(f, &unit, UNIT_APPLIED);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(suite_read(f, trips[i]).row.amount_krw, i);
    }
    struct payment_row image = suite_image(f, "\xC3\xA1", 4);
    struct unit unit = suite_open(f, &image);
    suite_expect(f, &unit, UNIT_ERROR);
    assert_false(suite_trip_exists(f, "\xC3\xA1"));
    assert_false(suite_trip_exists(f, "a  "));
    assert_false(suite_trip_exists(f, ""));
}

/* Opens trip-1 as PROCESSING with epoch 1, and gives its image. */
static struct payment_row opened(struct store_fixture *f)
{
    struct payment_row image = suite_image(f, "trip-1", 1);
    struct unit unit = suite_open(f, &image);
    suite_expect(f, &unit, UNIT_APPLIED);
    return image;
}

static void move_writes_the_image_and_raises_the_epoch(void **state)
{
    struct store_fixture *f = *state;
    (void)opened(f);
    f->now_ms += 2000;
    struct payment_row image = full_image(f, "trip-1", 1);
    struct unit unit = suite_move(f, &image, PAYMENT_PROCESSING, 1);
    unit.as.payment.claimed_at = INSTANT_NOW;
    suite_expect(f, &unit, UNIT_APPLIED);
    struct payment_view view = suite_read(f, "trip-1");
    suite_assert_row(&view.row, &image, 2, unit.token);
    assert_true(view.row.claimed_age_ms == 0);
    assert_true(view.requested_at_ms == f->now_ms - 2000);
}

static void move_never_changes_the_trip(void **state)
{
    struct store_fixture *f = *state;
    struct payment_row image = opened(f);
    image.trip_id = suite_text(f, "trip-2");
    struct unit unit = suite_move(f, &image, PAYMENT_PROCESSING, 1);
    suite_expect(f, &unit, UNIT_APPLIED);
    assert_int_equal(suite_read(f, "trip-1").row.epoch, 2);
    assert_false(suite_trip_exists(f, "trip-2"));
}

static void only_a_claim_changes_the_pg_account(void **state)
{
    struct store_fixture *f = *state;
    struct payment_row image = opened(f);
    image.pg_account = 77;
    struct unit unit = suite_move(f, &image, PAYMENT_PROCESSING, 1);
    suite_expect(f, &unit, UNIT_APPLIED);
    assert_true(suite_read(f, "trip-1").row.pg_account == UINT64_C(0xACC0000000000001));
    unit = suite_move(f, &image, PAYMENT_PROCESSING, 2);
    unit.as.payment.claimed_at = INSTANT_NOW;
    suite_expect(f, &unit, UNIT_APPLIED);
    assert_true(suite_read(f, "trip-1").row.pg_account == 77);
}

/* Trap 4: a late worker cannot overwrite. */
static void move_with_a_stale_guard_is_refused_with_the_row_and_no_event(void **state)
{
    struct store_fixture *f = *state;
    struct payment_row image = opened(f);
    struct unit takeover = suite_move(f, &image, PAYMENT_PROCESSING, 1);
    suite_expect(f, &takeover, UNIT_APPLIED);
    struct payment_row late = image;
    late.status = PAYMENT_COMPLETED;
    const struct {
        enum payment_status status;
        uint32_t epoch;
    } guards[] = {{PAYMENT_PROCESSING, 1}, {PAYMENT_PROCESSING, 3}, {PAYMENT_REQUESTED, 2}};
    for (int i = 0; i < 3; i++) {
        struct unit unit = suite_move(f, &late, guards[i].status, guards[i].epoch);
        suite_outcome(f, &unit, OUTCOME_COMPLETED);
        struct unit_result result = suite_submit_one(f, &unit);
        assert_int_equal(result.verdict, UNIT_REFUSED);
        assert_int_equal(result.has_row, 1);
        suite_assert_row(&result.row, &image, 2, takeover.token);
    }
    union store_row rows[STORE_PAGE_MAX];
    assert_int_equal(suite_outbox_all(f, rows), 0);
    assert_true(suite_read(f, "trip-1").completed_at_ms == AGE_NONE);
}

static void move_of_a_payment_that_is_not_there_is_refused_without_a_row(void **state)
{
    struct store_fixture *f = *state;
    struct payment_row image = suite_image(f, "trip-1", 1);
    struct unit unit = suite_move(f, &image, PAYMENT_PROCESSING, 1);
    struct unit_result result = suite_submit_one(f, &unit);
    assert_int_equal(result.verdict, UNIT_REFUSED);
    assert_int_equal(result.has_row, 0);
}

/* Trap 5: after a lost COMMIT the same unit is sent again. */
static void move_sent_again_is_applied_once_with_one_event(void **state)
{
    struct store_fixture *f = *state;
    struct payment_row image = opened(f);
    image.status = PAYMENT_COMPLETED;
    struct unit unit = suite_move(f, &image, PAYMENT_PROCESSING, 1);
    suite_outcome(f, &unit, OUTCOME_COMPLETED);
    suite_expect(f, &unit, UNIT_APPLIED);
    int64_t completed_at_ms = f->now_ms;
    f->now_ms += 9000;
    suite_expect(f, &unit, UNIT_APPLIED);
    struct payment_view view = suite_read(f, "trip-1");
    assert_int_equal(view.row.epoch, 2);
    assert_true(view.completed_at_ms == completed_at_ms);
    union store_row rows[STORE_PAGE_MAX];
    assert_int_equal(suite_outbox_all(f, rows), 1);
}

static void move_sent_again_after_a_later_one_is_refused(void **state)
{
    struct store_fixture *f = *state;
    struct payment_row image = opened(f);
    struct unit first = suite_move(f, &image, PAYMENT_PROCESSING, 1);
    suite_expect(f, &first, UNIT_APPLIED);
    struct unit second = suite_move(f, &image, PAYMENT_PROCESSING, 2);
    suite_expect(f, &second, UNIT_APPLIED);
    struct unit_result result = suite_submit_one(f, &first);
    assert_int_equal(result.verdict, UNIT_REFUSED);
    assert_true(token_equal(result.row.token, second.token));
}

static void instants_are_kept_set_or_cleared_as_told(void **state)
{
    struct store_fixture *f = *state;
    struct payment_row image = opened(f);
    const struct {
        enum instant_write claimed;
        enum instant_write cancel;
        int64_t claimed_age_ms;
        int64_t cancel_age_ms;
    } steps[] = {{INSTANT_KEEP, INSTANT_NOW, 100, 0},
                 {INSTANT_NOW, INSTANT_KEEP, 0, 100},
                 {INSTANT_CLEAR, INSTANT_KEEP, AGE_NONE, 200},
                 {INSTANT_KEEP, INSTANT_CLEAR, AGE_NONE, AGE_NONE},
                 {INSTANT_NOW, INSTANT_KEEP, 0, AGE_NONE}};
    for (uint32_t i = 0; i < 5; i++) {
        f->now_ms += 100;
        struct unit unit = suite_move(f, &image, PAYMENT_PROCESSING, i + 1);
        unit.as.payment.claimed_at = (uint8_t)steps[i].claimed;
        unit.as.payment.cancel_at = (uint8_t)steps[i].cancel;
        suite_expect(f, &unit, UNIT_APPLIED);
        struct payment_row row = suite_read(f, "trip-1").row;
        assert_true(row.claimed_age_ms == steps[i].claimed_age_ms);
        assert_true(row.cancel_age_ms == steps[i].cancel_age_ms);
    }
}

static void completed_at_is_set_when_the_status_becomes_completed_and_stays(void **state)
{
    struct store_fixture *f = *state;
    struct payment_row image = opened(f);
    f->now_ms += 100;
    image.status = PAYMENT_COMPLETED;
    struct unit unit = suite_move(f, &image, PAYMENT_PROCESSING, 1);
    suite_expect(f, &unit, UNIT_APPLIED);
    int64_t completed_at_ms = f->now_ms;
    f->now_ms += 100;
    image.refund_state = REFUND_INTENDED;
    unit = suite_move(f, &image, PAYMENT_COMPLETED, 2);
    suite_expect(f, &unit, UNIT_APPLIED);
    assert_true(suite_read(f, "trip-1").completed_at_ms == completed_at_ms);
}

/* Law 5: one outcome event for each payment, whatever the guard says. */
static void second_outcome_of_a_payment_fails_the_whole_unit(void **state)
{
    struct store_fixture *f = *state;
    struct payment_row image = opened(f);
    image.status = PAYMENT_FAILED;
    struct unit failed = suite_move(f, &image, PAYMENT_PROCESSING, 1);
    suite_outcome(f, &failed, OUTCOME_FAILED);
    suite_expect(f, &failed, UNIT_APPLIED);
    struct payment_row again = image;
    again.status = PAYMENT_COMPLETED;
    struct unit unit = suite_move(f, &again, PAYMENT_FAILED, 2);
    suite_outcome(f, &unit, OUTCOME_COMPLETED);
    suite_expect(f, &unit, UNIT_ERROR);
    struct payment_row row = suite_read(f, "trip-1").row;
    suite_assert_row(&row, &image, 2, failed.token);
    union store_row rows[STORE_PAGE_MAX];
    assert_int_equal(suite_outbox_all(f, rows), 1);
}

static void outcome_with_another_id_than_its_payments_fails_the_whole_unit(void **state)
{
    struct store_fixture *f = *state;
    struct payment_row image = opened(f);
    struct unit units[2];
    units[0] = suite_move(f, &image, PAYMENT_PROCESSING, 1);
    struct payment_row other = suite_image(f, "trip-2", 2);
    units[1] = suite_open(f, &other);
    for (int i = 0; i < 2; i++) {
        suite_outcome(f, &units[i], OUTCOME_FAILED);
        units[i].as.payment.outcome.record.event_id = suite_uuid(501);
        suite_expect(f, &units[i], UNIT_ERROR);
    }
    assert_int_equal(suite_read(f, "trip-1").row.epoch, 1);
    assert_false(suite_trip_exists(f, "trip-2"));
    union store_row rows[STORE_PAGE_MAX];
    assert_int_equal(suite_outbox_all(f, rows), 0);
}

int store_suite_payments(void)
{
    const struct CMUnitTest tests[] = {
        SUITE_TEST(open_stores_every_column_with_epoch_one_and_the_token),
        SUITE_TEST(open_keeps_missing_texts_missing_and_never_due_never),
        SUITE_TEST(open_of_a_free_ride_is_completed_with_its_event),
        SUITE_TEST(second_open_of_a_trip_is_a_duplicate_with_the_row_and_no_event),
        SUITE_TEST(open_sent_again_is_applied_once_with_one_event),
        SUITE_TEST(open_with_another_trips_payment_id_is_an_error),
        SUITE_TEST(open_without_a_payment_id_is_an_error),
        SUITE_TEST(trips_that_a_loose_collation_confuses_stay_apart),
        SUITE_TEST(move_writes_the_image_and_raises_the_epoch),
        SUITE_TEST(move_never_changes_the_trip),
        SUITE_TEST(only_a_claim_changes_the_pg_account),
        SUITE_TEST(move_with_a_stale_guard_is_refused_with_the_row_and_no_event),
        SUITE_TEST(move_of_a_payment_that_is_not_there_is_refused_without_a_row),
        SUITE_TEST(move_sent_again_is_applied_once_with_one_event),
        SUITE_TEST(move_sent_again_after_a_later_one_is_refused),
        SUITE_TEST(instants_are_kept_set_or_cleared_as_told),
        SUITE_TEST(completed_at_is_set_when_the_status_becomes_completed_and_stays),
        SUITE_TEST(second_outcome_of_a_payment_fails_the_whole_unit),
        SUITE_TEST(outcome_with_another_id_than_its_payments_fails_the_whole_unit),
    };
    return cmocka_run_group_tests_name("store: payments", tests, NULL, NULL);
}
