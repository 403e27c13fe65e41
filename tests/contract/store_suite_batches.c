/* Batches: all or nothing, but for the units that can never be written. */
#include "store_suite.h"

#include <stdio.h>
#include <stdlib.h>

static void batch_without_units_is_committed(void **state)
{
    struct store_fixture *f = *state;
    suite_submit(f, NULL, 0, NULL);
}

static struct unit numbered_open(struct store_fixture *f, uint32_t number)
{
    char trip_id[32];
    (void)snprintf(trip_id, sizeof(trip_id), "trip-%u", number);
    struct payment_row image = suite_image(f, trip_id, number + 1);
    image.status = PAYMENT_FAILED;
    struct unit unit = suite_open(f, &image);
    suite_outcome(f, &unit, OUTCOME_FAILED);
    return unit;
}

/* A move of this payment, which has its outcome already, that brings another one. */
static struct unit second_outcome(struct store_fixture *f, const struct unit *first)
{
    struct payment_row image = first->as.payment.row;
    image.status = PAYMENT_COMPLETED;
    struct unit unit = suite_move(f, &image, PAYMENT_FAILED, 1);
    suite_outcome(f, &unit, OUTCOME_COMPLETED);
    return unit;
}

/* Trap 23: one bad row among 255 good payments. */
static void bad_units_fail_alone_and_the_others_commit(void **state)
{
    struct store_fixture *f = *state;
    struct unit *units = calloc(STORE_BATCH_MAX, sizeof(*units));
    struct unit_result *results = calloc(STORE_BATCH_MAX, sizeof(*results));
    assert_non_null(units);
    assert_non_null(results);
    for (uint32_t i = 0; i < STORE_BATCH_MAX; i++) {
        units[i] = numbered_open(f, i);
    }
    struct unit ended = numbered_open(f, STORE_BATCH_MAX);
    suite_expect(f, &ended, UNIT_APPLIED);
    units[0].as.payment.row.amount_krw = -1;                /* checked before */
    units[100].as.payment.row.payment_id = suite_uuid(100); /* trip-99's */
    suite_outcome(f, &units[100], OUTCOME_FAILED);
    units[200] = second_outcome(f, &ended);
    units[255].kind = 99; /* no such kind */
    suite_submit(f, units, STORE_BATCH_MAX, results);
    uint32_t errors = 0;
    for (uint32_t i = 0; i < STORE_BATCH_MAX; i++) {
        bool bad = i == 0 || i == 100 || i == 200 || i == 255;
        assert_int_equal(results[i].verdict, bad ? UNIT_ERROR : UNIT_APPLIED);
        char trip_id[32];
        (void)snprintf(trip_id, sizeof(trip_id), "trip-%u", i);
        assert_int_equal(suite_trip_exists(f, trip_id), !bad);
        errors += bad;
    }
    union store_row *rows = calloc(STORE_PAGE_MAX, sizeof(*rows));
    assert_non_null(rows);
    assert_int_equal(suite_outbox_all(f, rows), STORE_BATCH_MAX - errors + 1);
    struct payment_row row = suite_read(f, "trip-256").row;
    suite_assert_row(&row, &ended.as.payment.row, 1, ended.token);
    free(rows);
    free(results);
    free(units);
}

static void batch_of_all_kinds_gives_each_unit_its_own_verdict(void **state)
{
    struct store_fixture *f = *state;
    struct unit before[3] = {numbered_open(f, 1), numbered_open(f, 2), suite_dead_letter(f, 7)};
    struct unit_result results[7];
    suite_submit(f, before, 3, results);
    struct payment_row image = before[0].as.payment.row;
    image.reason = REASON_DECLINED;
    struct unit units[7] = {numbered_open(f, 3),
                            suite_move(f, &image, PAYMENT_FAILED, 1),
                            numbered_open(f, 2),
                            suite_outbox_move(f, 2, OUTBOX_PUBLISHING, 1, OUTBOX_DONE, DUE_NEVER),
                            suite_dead_letter(f, 7),
                            suite_dead_letter_move(f, 1, 1, FAILED_EVENT_IGNORED, 0),
                            suite_lease(f, "a", LEASE_TAKE, 1000, 0)};
    suite_submit(f, units, 7, results);
    const enum unit_verdict expected[7] = {UNIT_APPLIED, UNIT_APPLIED,   UNIT_DUPLICATE,
                                           UNIT_APPLIED, UNIT_DUPLICATE, UNIT_APPLIED,
                                           UNIT_APPLIED};
    for (int i = 0; i < 7; i++) {
        assert_int_equal(results[i].verdict, expected[i]);
        assert_int_equal(results[i].has_row, i == 2);
    }
    assert_int_equal(results[2].row.trip_id, before[1].as.payment.row.trip_id);
}

/* The rows that come back need room in the batch's pool. */
static void batch_whose_results_do_not_fit_changes_nothing(void **state)
{
    struct store_fixture *f = *state;
    struct payment_row image = suite_image(f, "trip-1", 1);
    image.code = suite_text(f, "A_CODE");
    image.pg_id = suite_text(f, "pg-1");
    struct unit first = suite_open(f, &image);
    suite_expect(f, &first, UNIT_APPLIED);

    struct texts *pool = f->texts;
    void *block = malloc(texts_size(4, 64));
    assert_non_null(block);
    f->texts = texts_init(block, 4, 64);
    struct payment_row other = suite_image(f, "trip-2", 2);
    struct payment_row same = suite_image(f, "trip-1", 1);
    struct unit units[2] = {suite_open(f, &other), suite_open(f, &same)};
    struct unit_result results[2] = {{.verdict = 77}, {.verdict = 77}};
    struct store_batch batch = {units, results, 2, f->texts};
    assert_int_equal(f->store->ops->submit(f->store, &batch), BATCH_ABORTED);
    assert_int_equal(results[0].verdict, 77);
    assert_int_equal(results[1].verdict, 77);
    f->texts = pool;
    free(block);
    assert_false(suite_trip_exists(f, "trip-2"));
    struct payment_row third = suite_image(f, "trip-3", 3);
    struct unit unit = suite_open(f, &third);
    suite_expect(f, &unit, UNIT_APPLIED); /* the connection works on */
}

#define ALIKE 3

/* Gives the row another value in its n-th column; false: there are no more. */
static bool alter(struct store_fixture *f, struct payment_row *row, int column)
{
    switch (column) {
    case 0:
        return true; /* all alike */
    case 1:
        row->due_in_ms = DUE_NEVER;
        return true;
    case 2:
        row->amount_krw = 1;
        return true;
    case 3:
        row->user_id = suite_text(f, "other-user");
        return true;
    case 4:
        row->method_id = suite_text(f, "");
        return true;
    case 5:
        row->pg_id = suite_text(f, "pg-1");
        return true;
    case 6:
        row->refund_pg_id = suite_text(f, "pg-2");
        return true;
    case 7:
        row->traceparent = suite_text(f, "00-trace");
        return true;
    case 8:
        row->code = suite_text(f, "A_CODE");
        return true;
    case 9:
        row->cancel_no = 7;
        return true;
    case 10:
        row->attempts = 8;
        return true;
    case 11:
        row->status = PAYMENT_UNKNOWN;
        return true;
    case 12:
        row->refund_state = REFUND_INTENDED;
        return true;
    case 13:
        row->absent_count = 1;
        return true;
    case 14:
        row->recheck_no = 2;
        return true;
    case 15:
        row->needs_operator = 1;
        return true;
    case 16:
        row->reason = REASON_NO_ANSWER;
        return true;
    case 17:
        row->pg_account = 3;
        return true;
    default:
        return false;
    }
}

/* Opens three payments that are alike but for one column of the last one, then moves them to
 * images of which the first one is unlike the others. */
static void expect_own_values(struct store_fixture *f, int column)
{
    struct payment_row images[ALIKE];
    struct unit units[ALIKE] = {0};
    struct unit_result results[ALIKE];
    char trips[ALIKE][32];
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < ALIKE; i++) {
            (void)snprintf(trips[i], sizeof(trips[i]), "trip-%d-%u", column, i);
            images[i] = suite_image(f, trips[i], 100U * (uint32_t)column + i + 1);
            if (i == (pass == 0 ? ALIKE - 1 : 0)) {
                (void)alter(f, &images[i], column);
            }
            uint8_t before = units[i].as.payment.row.status;
            units[i] = pass == 0 ? suite_open(f, &images[i])
                                 : suite_move(f, &images[i], (enum payment_status)before, 1);
            units[i].as.payment.claimed_at = INSTANT_NOW;
        }
        suite_submit(f, units, ALIKE, results);
        for (int i = 0; i < ALIKE; i++) {
            assert_int_equal(results[i].verdict, UNIT_APPLIED);
            struct payment_view view = suite_read(f, trips[i]);
            suite_assert_row(&view.row, &images[i], pass == 0 ? 1 : 2, units[i].token);
        }
    }
}

static void payments_of_one_batch_keep_what_only_one_of_them_has(void **state)
{
    struct store_fixture *f = *state;
    struct payment_row row = {0};
    for (int column = 0; alter(f, &row, column); column++) {
        expect_own_values(f, column);
    }
}

/* The instants, too: one is claimed, one keeps its claim, one loses it. */
static void payments_of_one_batch_keep_their_own_instants_and_guards(void **state)
{
    struct store_fixture *f = *state;
    const enum instant_write writes[ALIKE] = {INSTANT_NOW, INSTANT_KEEP, INSTANT_CLEAR};
    const enum payment_status before[ALIKE] = {PAYMENT_PROCESSING, PAYMENT_UNKNOWN,
                                               PAYMENT_PROCESSING};
    struct payment_row images[ALIKE];
    struct unit units[ALIKE];
    struct unit_result results[ALIKE];
    for (uint32_t i = 0; i < ALIKE; i++) {
        char trip_id[] = "trip-0";
        trip_id[5] = (char)('0' + i);
        images[i] = suite_image(f, trip_id, i + 1);
        images[i].status = (uint8_t)before[i];
        units[i] = suite_open(f, &images[i]);
        units[i].as.payment.claimed_at = INSTANT_NOW;
        units[i].as.payment.cancel_at = INSTANT_NOW;
    }
    suite_submit(f, units, ALIKE, results);
    f->now_ms += 1000;
    for (uint32_t i = 0; i < ALIKE; i++) {
        images[i].status = PAYMENT_PROCESSING;
        units[i] = suite_move(f, &images[i], before[i], i == 2 ? 9 : 1);
        units[i].as.payment.claimed_at = (uint8_t)writes[i];
        units[i].as.payment.cancel_at = (uint8_t)writes[2 - i];
    }
    suite_submit(f, units, ALIKE, results);
    assert_int_equal(results[0].verdict, UNIT_APPLIED);
    assert_int_equal(results[1].verdict, UNIT_APPLIED);
    assert_int_equal(results[2].verdict, UNIT_REFUSED);
    struct payment_row first = suite_read(f, "trip-0").row;
    struct payment_row second = suite_read(f, "trip-1").row;
    assert_int_equal(first.claimed_age_ms, 0);
    assert_int_equal(first.cancel_age_ms, AGE_NONE);
    assert_int_equal(second.claimed_age_ms, 1000);
    assert_int_equal(second.cancel_age_ms, 1000);
    assert_int_equal(suite_read(f, "trip-2").row.claimed_age_ms, 1000);
    assert_int_equal(suite_read(f, "trip-2").row.epoch, 1);
}

int store_suite_batches(void)
{
    const struct CMUnitTest tests[] = {
        SUITE_TEST(batch_without_units_is_committed),
        SUITE_TEST(bad_units_fail_alone_and_the_others_commit),
        SUITE_TEST(batch_of_all_kinds_gives_each_unit_its_own_verdict),
        SUITE_TEST(batch_whose_results_do_not_fit_changes_nothing),
        SUITE_TEST(payments_of_one_batch_keep_what_only_one_of_them_has),
        SUITE_TEST(payments_of_one_batch_keep_their_own_instants_and_guards),
    };
    return cmocka_run_group_tests_name("store: batches", tests, NULL, NULL);
}
