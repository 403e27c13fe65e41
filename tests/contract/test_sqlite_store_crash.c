/* SQLite only: what is committed outlives faults of the file system and SIGKILL. */
#define _POSIX_C_SOURCE 200809L /* fork, kill */
#include "store_factories.h"
#include "store_fault_vfs.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define KILLS 20
#define BATCH 5u

static void file_path(const struct store_fixture *f, char *path, size_t path_size)
{
    /* The factory's data begins with its folder. */
    (void)snprintf(path, path_size, "%s/crash.db", (const char *)f->data);
}

/* The batch with this number: BATCH failed payments with their events. */
static void batch_fill(struct store_fixture *f, uint32_t number, struct unit *units)
{
    for (uint32_t i = 0; i < BATCH; i++) {
        char trip_id[40];
        (void)snprintf(trip_id, sizeof(trip_id), "trip-%u-%u", number, i);
        uint64_t id = (uint64_t)number * BATCH + i + 1;
        struct payment_row image = suite_image(f, trip_id, id);
        image.status = PAYMENT_FAILED;
        image.due_in_ms = DUE_NEVER;
        units[i] = suite_open(f, &image);
        suite_outcome(f, &units[i], OUTCOME_FAILED);
    }
}

static bool batch_exists(struct store_fixture *f, uint32_t number)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < BATCH; i++) {
        char trip_id[40];
        (void)snprintf(trip_id, sizeof(trip_id), "trip-%u-%u", number, i);
        found += suite_trip_exists(f, trip_id);
    }
    assert_true(found == 0 || found == BATCH); /* a batch is there as a whole */
    return found == BATCH;
}

/* Marks every row DONE: the fixture's scan sees those of the next round only. */
static uint32_t outbox_drain(struct store_fixture *f)
{
    union store_row *rows = calloc(STORE_PAGE_MAX, sizeof(*rows));
    struct unit *units = calloc(STORE_PAGE_MAX, sizeof(*units));
    struct unit_result *results = calloc(STORE_PAGE_MAX, sizeof(*results));
    assert_true(rows != NULL && units != NULL && results != NULL);
    uint32_t drained = 0;
    uint32_t count;
    while ((count = suite_outbox_all(f, rows)) > 0) {
        for (uint32_t i = 0; i < count; i++) {
            units[i] = suite_outbox_move(f, 0, OUTBOX_PUBLISHING, 1, OUTBOX_DONE, DUE_NEVER);
            units[i].as.outbox.row_id = rows[i].outbox.row_id;
        }
        suite_submit(f, units, count, results);
        drained += count;
    }
    free(results);
    free(units);
    free(rows);
    return drained;
}

/* One batch with the nth operation of a new connection failing. False: there was no such one. */
static bool fault_round(struct store_fixture *f, const char *path, uint32_t nth, int *aborted,
                        int *unknown)
{
    struct store *usual = f->store;
    f->store = store_sqlite_connect(path, f, STORE_FAULT_VFS);
    assert_non_null(f->store);
    struct unit units[BATCH];
    struct unit_result results[BATCH];
    batch_fill(f, nth, units);
    struct store_batch batch = {units, results, BATCH, f->texts};
    store_fault_arm(nth);
    enum batch_outcome outcome = f->store->ops->submit(f->store, &batch);
    bool struck = store_fault_clear();
    if (outcome == BATCH_ABORTED) {
        assert_false(batch_exists(f, nth));
        ++*aborted;
    }
    *unknown += outcome == BATCH_UNKNOWN;
    assert_true(struck || outcome == BATCH_COMMITTED);
    /* The same connection takes the same units again. */
    suite_submit(f, units, BATCH, results);
    for (uint32_t i = 0; i < BATCH; i++) {
        assert_int_equal(results[i].verdict, UNIT_APPLIED);
    }
    assert_int_equal(outbox_drain(f), BATCH);
    f->store->ops->close(f->store);
    f->store = usual;
    return struck;
}

static void batch_is_aborted_or_unknown_after_a_fault_and_can_be_sent_again(void **state)
{
    struct store_fixture *f = *state;
    char path[400];
    file_path(f, path, sizeof(path));
    store_fault_register();
    f->store->ops->close(f->store);
    f->store = store_sqlite_connect(path, f, NULL);
    assert_non_null(f->store);
    int aborted = 0;
    int unknown = 0;
    uint32_t nth = 1;
    while (fault_round(f, path, nth, &aborted, &unknown)) {
        nth++;
        assert_true(nth < 1000);
    }
    print_message("%u operations failed in turn: %d aborted, %d unknown\n", nth - 1, aborted,
                  unknown);
    assert_true(aborted > 0);
    assert_true(unknown > 0);
    for (uint32_t i = 1; i <= nth; i++) {
        assert_true(batch_exists(f, i));
    }
}

static void read_that_meets_a_fault_is_unavailable(void **state)
{
    struct store_fixture *f = *state;
    char path[400];
    file_path(f, path, sizeof(path));
    store_fault_register();
    struct store *store = store_sqlite_connect(path, f, STORE_FAULT_VFS);
    assert_non_null(store);
    union store_row rows[2];
    struct store_scan scan = {.kind = SCAN_OUTBOX_DUE, .limit = 2};
    struct store_page page = {.rows = rows, .texts = f->texts};
    struct payment_view view = {.requested_at_ms = 42};
    uint32_t deleted = 0;
    /* Another connection changes the file, so that this one has to read it anew. */
    struct store *usual = f->store;
    f->store = store_sqlite_connect(path, f, NULL);
    assert_non_null(f->store);
    struct unit units[BATCH];
    struct unit_result results[BATCH];
    batch_fill(f, 1, units);
    suite_submit(f, units, BATCH, results);
    f->now_ms += 100000;
    store_fault_arm(1);
    assert_int_equal(store->ops->scan(store, &scan, &page), STORE_UNAVAILABLE);
    assert_int_equal(store->ops->read_payment(store, "trip-1-0", 8, f->texts, &view),
                     STORE_UNAVAILABLE);
    assert_int_equal(store->ops->purge(store, PURGE_OUTBOX_DONE, 0, 10, &deleted),
                     STORE_UNAVAILABLE);
    assert_true(store_fault_clear());
    assert_true(view.requested_at_ms == 42);
    assert_int_equal(store->ops->read_payment(store, "trip-1-0", 8, f->texts, &view), STORE_OK);
    store->ops->close(store);
    f->store->ops->close(f->store);
    f->store = usual;
}

/* The child: commits batch after batch and reports each, until it is killed. */
static void child_run(struct store_fixture *f, const char *path, uint32_t number, int report)
{
    f->sequence = (uint64_t)number * 1000; /* tokens of its own */
    f->store = store_sqlite_connect(path, f, NULL);
    while (f->store != NULL) {
        struct unit units[BATCH];
        struct unit_result results[BATCH];
        batch_fill(f, number, units);
        struct store_batch batch = {units, results, BATCH, f->texts};
        if (f->store->ops->submit(f->store, &batch) != BATCH_COMMITTED ||
            write(report, &number, sizeof(number)) != (ssize_t)sizeof(number)) {
            break;
        }
        number++;
    }
    _exit(1);
}

/* Kills a writer after it has reported some batches; returns the last one reported. */
static uint32_t kill_round(struct store_fixture *f, const char *path, uint32_t first,
                           uint32_t reports)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)close(ends[0]);
        child_run(f, path, first, ends[1]);
    }
    (void)close(ends[1]);
    uint32_t last = first - 1;
    for (uint32_t i = 0; i < reports; i++) {
        assert_int_equal(read(ends[0], &last, sizeof(last)), sizeof(last));
    }
    assert_int_equal(kill(child, SIGKILL), 0);
    while (read(ends[0], &last, sizeof(last)) == (ssize_t)sizeof(last)) {
        continue; /* what it reported between the two */
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    (void)close(ends[0]);
    return last;
}

static void every_batch_that_was_reported_committed_outlives_a_kill(void **state)
{
    struct store_fixture *f = *state;
    char path[400];
    file_path(f, path, sizeof(path));
    uint32_t first = 1;
    uint32_t random = 12345;
    for (int round = 0; round < KILLS; round++) {
        random = random * 1664525u + 1013904223u;
        uint32_t last = kill_round(f, path, first, (random >> 24) % 16);
        struct store *usual = f->store;
        f->store = store_sqlite_connect(path, f, NULL);
        assert_non_null(f->store);
        for (uint32_t number = first; number <= last; number++) {
            assert_true(batch_exists(f, number));
        }
        /* The one on its way at the kill is there or not; each payment has its event. */
        uint32_t batches = last - first + 1 + batch_exists(f, last + 1);
        assert_false(batch_exists(f, last + 2));
        assert_int_equal(outbox_drain(f), batches * BATCH);
        f->store->ops->close(f->store);
        f->store = usual;
        first = last + 2;
    }
}

int main(void)
{
    store_fixture_use(&store_factory_sqlite);
    const struct CMUnitTest tests[] = {
        SUITE_TEST(batch_is_aborted_or_unknown_after_a_fault_and_can_be_sent_again),
        SUITE_TEST(read_that_meets_a_fault_is_unavailable),
        SUITE_TEST(every_batch_that_was_reported_committed_outlives_a_kill),
    };
    return cmocka_run_group_tests_name("sqlite: crashes", tests, NULL, NULL);
}
