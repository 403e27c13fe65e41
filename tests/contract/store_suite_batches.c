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
    suite_outcome(f, &unit, OUTCOME_FAILED, 5000 + number);
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
    units[0].as.payment.row.amount_krw = -1;                                /* checked before */
    units[100].as.payment.row.payment_id = suite_uuid(100);                 /* trip-99's */
    units[200].as.payment.outcome.record.event_id = suite_uuid(5000 + 199); /* trip-199's */
    units[255].kind = 99;                                                   /* no such kind */
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
    assert_int_equal(suite_outbox_all(f, rows), STORE_BATCH_MAX - errors);
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
    struct unit units[7] = {
        numbered_open(f, 3),
        suite_move(f, &image, PAYMENT_FAILED, 1),
        numbered_open(f, 2),
        suite_outbox_move(f, 5001, OUTBOX_PUBLISHING, 1, OUTBOX_DONE, DUE_NEVER),
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

int store_suite_batches(void)
{
    const struct CMUnitTest tests[] = {
        SUITE_TEST(batch_without_units_is_committed),
        SUITE_TEST(bad_units_fail_alone_and_the_others_commit),
        SUITE_TEST(batch_of_all_kinds_gives_each_unit_its_own_verdict),
        SUITE_TEST(batch_whose_results_do_not_fit_changes_nothing),
    };
    return cmocka_run_group_tests_name("store: batches", tests, NULL, NULL);
}
