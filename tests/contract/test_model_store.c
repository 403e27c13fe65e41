/* The store contract on the model, and what only the model promises. */
#include "store_factories.h"

#include "model_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The simulator's way: the store's pool is the batches' too. */
static struct store *shared_connect(void *data, struct store_fixture *fixture, struct texts *texts)
{
    struct store *store = store_factory_model.connect(data, fixture, texts);
    if (store != NULL) {
        ((struct model_store *)store)->texts = texts;
    }
    return store;
}

/* A model of these limits, with the fixture's clock and pool, in a block of its own. */
static void model_open(struct store_fixture *f, struct model_store *model,
                       const struct model_store_limits *limits)
{
    void *block = malloc(model_store_size(limits));
    assert_non_null(block);
    model_store_init(block, limits);
    f->store->ops->close(f->store);
    f->store = model_store_open(model, block, f->texts, store_fixture_now, f);
}

static void model_close(struct store_fixture *f, struct model_store *model)
{
    free(model->block);
    f->store->ops->close(f->store);
    f->store = NULL;
}

static struct unit failed_payment(struct store_fixture *f, const char *trip_id, uint64_t number)
{
    struct payment_row image = suite_image(f, trip_id, number);
    image.status = PAYMENT_FAILED;
    struct unit unit = suite_open(f, &image);
    suite_outcome(f, &unit, OUTCOME_FAILED);
    return unit;
}

static void copy_of_the_block_is_a_copy_of_the_store(void **state)
{
    struct store_fixture *f = *state;
    const struct model_store_limits limits = {4, 8, 2};
    struct model_store model;
    model_open(f, &model, &limits);
    struct unit unit = failed_payment(f, "trip-1", 1);
    suite_expect(f, &unit, UNIT_APPLIED);
    size_t size = model_store_size(&limits);
    void *snapshot = malloc(size);
    assert_non_null(snapshot);
    memcpy(snapshot, model.block, size);
    unit = failed_payment(f, "trip-2", 2);
    suite_expect(f, &unit, UNIT_APPLIED);
    struct unit lease = suite_lease(f, "a", LEASE_TAKE, 1000, 0);
    suite_expect(f, &lease, UNIT_APPLIED);
    assert_true(suite_trip_exists(f, "trip-2"));

    void *later = model.block;
    model.block = snapshot;
    assert_true(suite_trip_exists(f, "trip-1"));
    assert_false(suite_trip_exists(f, "trip-2"));
    suite_expect(f, &unit, UNIT_APPLIED);
    suite_expect(f, &lease, UNIT_APPLIED);
    assert_memory_equal(snapshot, later, size); /* the same history, the same bytes */
    model.block = later;
    free(snapshot);
    model_close(f, &model);
}

static void store_of_a_small_world_is_small(void **state)
{
    (void)state;
    const struct model_store_limits small = {2, 4, 2};
    assert_true(model_store_size(&small) <= 2048);
    const struct model_store_limits payments = {1024, 1, 1};
    assert_true(model_store_size(&payments) <= 1024 * 160 + 1024);
    const struct model_store_limits outbox = {1, 1024, 1};
    assert_true(model_store_size(&outbox) <= 1024 * 112 + 1024);
}

static void full_table_aborts_the_whole_batch(void **state)
{
    struct store_fixture *f = *state;
    const struct model_store_limits limits = {2, 2, 1};
    struct model_store model;
    model_open(f, &model, &limits);
    struct unit units[3] = {failed_payment(f, "trip-1", 1), failed_payment(f, "trip-2", 2),
                            failed_payment(f, "trip-3", 3)};
    struct unit_result results[3];
    struct store_batch batch = {units, results, 3, f->texts};
    assert_int_equal(f->store->ops->submit(f->store, &batch), BATCH_ABORTED);
    assert_int_equal(model_store_payment_count(&model), 0);
    suite_submit(f, units, 2, results);
    suite_submit(f, units, 2, results); /* needs no room */
    units[2] = suite_dead_letter(f, 1);
    suite_expect(f, &units[2], UNIT_APPLIED);
    struct unit retry = suite_dead_letter_move(f, 1, 1, FAILED_EVENT_RESOLVED, 900);
    batch = (struct store_batch){&retry, results, 1, f->texts};
    assert_int_equal(f->store->ops->submit(f->store, &batch), BATCH_ABORTED); /* outbox */
    struct unit done = suite_outbox_move(f, 1, OUTBOX_PUBLISHING, 1, OUTBOX_DONE, DUE_NEVER);
    suite_expect(f, &done, UNIT_APPLIED);
    f->now_ms += 1;
    uint32_t deleted = 0;
    assert_int_equal(f->store->ops->purge(f->store, PURGE_OUTBOX_DONE, 0, 9, &deleted), STORE_OK);
    assert_int_equal(deleted, 1);
    suite_expect(f, &retry, UNIT_APPLIED); /* the purged row's place */
    model_close(f, &model);
}

/* As many rows as hash heads: chains are long enough to break. */
static void rows_that_a_purge_leaves_are_still_found(void **state)
{
    struct store_fixture *f = *state;
    const struct model_store_limits limits = {64, 64, 1};
    struct model_store model;
    model_open(f, &model, &limits);
    for (uint64_t i = 0; i < 64; i++) {
        char trip_id[32];
        (void)snprintf(trip_id, sizeof(trip_id), "trip-%u", (unsigned)i);
        struct unit unit = failed_payment(f, trip_id, i + 1);
        suite_expect(f, &unit, UNIT_APPLIED);
    }
    for (uint64_t i = 0; i < 64; i += 2) {
        struct unit done =
            suite_outbox_move(f, i + 1, OUTBOX_PUBLISHING, 1, OUTBOX_DONE, DUE_NEVER);
        suite_expect(f, &done, UNIT_APPLIED);
    }
    f->now_ms += 1;
    uint32_t deleted = 0;
    assert_int_equal(f->store->ops->purge(f->store, PURGE_OUTBOX_DONE, 0, 64, &deleted), STORE_OK);
    assert_int_equal(deleted, 32);
    for (uint64_t i = 0; i < 64; i++) {
        enum unit_verdict expected = i % 2 == 0 ? UNIT_REFUSED : UNIT_APPLIED;
        struct unit by_event = suite_outbox_move(f, i + 1, OUTBOX_PUBLISHING, 1, OUTBOX_READY, 0);
        suite_expect(f, &by_event, expected);
        struct unit by_row = suite_outbox_move(f, i + 1, OUTBOX_READY, 2, OUTBOX_DONE, 0);
        by_row.as.outbox.row_id = (int64_t)i + 1;
        suite_expect(f, &by_row, expected);
    }
    model_close(f, &model);
}

static void texts_of_rows_outlive_a_sweep_once_marked(void **state)
{
    struct store_fixture *f = *state;
    const struct model_store_limits limits = {4, 8, 2};
    struct model_store model;
    model_open(f, &model, &limits);
    struct unit unit = failed_payment(f, "trip-1", 1);
    suite_expect(f, &unit, UNIT_APPLIED);
    struct unit letter = suite_dead_letter(f, 1);
    suite_expect(f, &letter, UNIT_APPLIED);
    struct unit lease = suite_lease(f, "holder", LEASE_TAKE, 1000, 0);
    suite_expect(f, &lease, UNIT_APPLIED);
    (void)suite_text(f, "nobody holds this");
    model_store_mark_texts(&model);
    texts_sweep(f->texts);
    assert_int_equal(texts_find(f->texts, "nobody holds this", 17), TEXT_NONE);
    struct payment_view view = suite_read(f, "trip-1");
    assert_string_equal(texts_string(f->texts, view.row.user_id), "user-1");
    union store_row rows[STORE_PAGE_MAX];
    assert_int_equal(suite_outbox_all(f, rows), 1);
    assert_string_equal(texts_string(f->texts, rows[0].outbox.headers), "headers");
    struct failed_event_row event;
    model_store_failed_event_at(&model, 0, &event);
    assert_string_equal(texts_string(f->texts, event.body), "{broken");
    struct model_store_lease held = model_store_lease_at(&model, LEASE_RESCUE);
    assert_string_equal(texts_string(f->texts, held.holder), "holder");
    model_close(f, &model);
}

static void auditor_sees_every_row(void **state)
{
    struct store_fixture *f = *state;
    const struct model_store_limits limits = {4, 8, 2};
    struct model_store model;
    model_open(f, &model, &limits);
    struct unit units[2] = {failed_payment(f, "trip-1", 1), failed_payment(f, "trip-2", 2)};
    struct unit_result results[2];
    suite_submit(f, units, 2, results);
    struct unit done = suite_outbox_move(f, 1, OUTBOX_PUBLISHING, 1, OUTBOX_DONE, DUE_NEVER);
    suite_expect(f, &done, UNIT_APPLIED);
    assert_int_equal(model_store_payment_count(&model), 2);
    struct payment_view view;
    model_store_payment_at(&model, 1, &view);
    suite_assert_row(&view.row, &units[1].as.payment.row, 1, units[1].token);
    assert_int_equal(model_store_outbox_places(&model), 2);
    struct outbox_row row;
    assert_true(model_store_outbox_at(&model, 0, &row)); /* the DONE one too */
    assert_int_equal(row.status, OUTBOX_DONE);
    f->now_ms += 1;
    uint32_t deleted = 0;
    assert_int_equal(f->store->ops->purge(f->store, PURGE_OUTBOX_DONE, 0, 9, &deleted), STORE_OK);
    assert_false(model_store_outbox_at(&model, 0, &row));
    assert_true(model_store_outbox_at(&model, 1, &row));
    model_close(f, &model);
}

static int model_tests(void)
{
    const struct CMUnitTest tests[] = {
        SUITE_TEST(copy_of_the_block_is_a_copy_of_the_store),
        cmocka_unit_test(store_of_a_small_world_is_small),
        SUITE_TEST(full_table_aborts_the_whole_batch),
        SUITE_TEST(rows_that_a_purge_leaves_are_still_found),
        SUITE_TEST(texts_of_rows_outlive_a_sweep_once_marked),
        SUITE_TEST(auditor_sees_every_row),
    };
    return cmocka_run_group_tests_name("model store", tests, NULL, NULL);
}

int main(void)
{
    struct store_factory shared = store_factory_model;
    shared.connect = shared_connect;
    int failed = store_suite_run(&store_factory_model) + store_suite_run(&shared);
    return failed + model_tests();
}
