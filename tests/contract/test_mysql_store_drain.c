/*
 * Three instances that drain one outbox: what an outage left READY is published once, and how much
 * of their work is in vain is printed. FAREBOX_DRAIN_ROWS says how many rows (2,000).
 */
#define _POSIX_C_SOURCE 200809L /* clock_gettime */
#include "mysql_kit.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DRAINERS     3u
#define ROWS_DEFAULT 2000u
#define LEASE_MS     30000
#define TEXTS        8192u
#define TEXTS_BYTES  (4u << 20)
#define TRIES_MAX    1000

/* What one instance does and counts; no assertions, for cmocka's are not for threads. */
struct drainer {
    struct store *store;
    void *block;
    struct texts *texts;
    uint64_t process;
    uint64_t sequence;
    uint32_t scans;
    uint32_t pages; /* that had rows */
    uint32_t taken;
    uint32_t refused;
    uint32_t again; /* batches and scans that were sent again: deadlocks */
    uint32_t lost;  /* rows that it had taken and could not mark */
    bool gave_up;
    union store_row rows[STORE_PAGE_MAX];
    struct unit units[STORE_PAGE_MAX];
    struct unit_result results[STORE_PAGE_MAX];
    pthread_t thread;
};

static atomic_uint rows_left;

static struct unit move(struct drainer *drainer, const struct outbox_row *row,
                        enum outbox_status status, uint32_t epoch)
{
    struct unit unit = {.token = {drainer->process, ++drainer->sequence}, .kind = UNIT_OUTBOX_MOVE};
    unit.as.outbox = (struct unit_outbox){
        .row_id = row->row_id,
        .guard_epoch = epoch,
        .guard_status =
            (uint8_t)(status == OUTBOX_DONE ? OUTBOX_PUBLISHING : (enum outbox_status)row->status),
        .status = (uint8_t)status,
        .due_in_ms = status == OUTBOX_DONE ? DUE_NEVER : LEASE_MS};
    return unit;
}

static void submit(struct drainer *drainer, uint32_t count)
{
    struct store_batch batch = {drainer->units, drainer->results, count, drainer->texts};
    enum batch_outcome outcome = drainer->store->ops->submit(drainer->store, &batch);
    for (int i = 0; i < TRIES_MAX && outcome != BATCH_COMMITTED; i++) {
        drainer->again++;
        outcome = drainer->store->ops->submit(drainer->store, &batch);
    }
    drainer->gave_up |= outcome != BATCH_COMMITTED;
}

/* A page as the relay does it: all of it taken in one batch, what was won marked in another. */
static void page_drain(struct drainer *drainer, uint32_t count)
{
    uint32_t won = 0;
    drainer->pages++;
    for (uint32_t i = 0; i < count; i++) {
        const struct outbox_row *row = &drainer->rows[i].outbox;
        drainer->units[i] = move(drainer, row, OUTBOX_PUBLISHING, row->epoch);
    }
    submit(drainer, count);
    for (uint32_t i = 0; i < count; i++) {
        const struct outbox_row *row = &drainer->rows[i].outbox;
        if (drainer->results[i].verdict == UNIT_APPLIED) {
            drainer->units[won++] = move(drainer, row, OUTBOX_DONE, row->epoch + 1);
        }
    }
    drainer->taken += won;
    drainer->refused += count - won;
    if (won == 0) {
        return;
    }
    submit(drainer, won);
    for (uint32_t i = 0; i < won; i++) {
        drainer->lost += drainer->results[i].verdict != UNIT_APPLIED;
    }
    atomic_fetch_sub(&rows_left, won);
}

static void *drain(void *argument)
{
    struct drainer *drainer = argument;
    struct store_scan scan = {.kind = SCAN_OUTBOX_DUE, .limit = STORE_PAGE_MAX};
    for (int empty = 0; atomic_load(&rows_left) > 0 && empty < TRIES_MAX && !drainer->gave_up;) {
        drainer->texts = texts_init(drainer->block, TEXTS, TEXTS_BYTES);
        struct store_page page = {.rows = drainer->rows, .texts = drainer->texts};
        drainer->scans++;
        if (drainer->store->ops->scan(drainer->store, &scan, &page) != STORE_OK) {
            drainer->again++;
            empty++;
        } else if (page.count == 0) {
            const struct timespec pause = {.tv_nsec = 10000000};
            (void)nanosleep(&pause, NULL);
            empty++;
        } else {
            page_drain(drainer, page.count);
        }
    }
    return NULL;
}

static void drainer_open(struct store_fixture *f, struct drainer *drainer, uint32_t number)
{
    struct mysql_store_options options = mysql_kit_options(f, 10, 30);
    char error[700];
    options.now_ms = NULL;
    *drainer = (struct drainer){.process = number + 1};
    drainer->block = malloc(texts_size(TEXTS, TEXTS_BYTES));
    assert_non_null(drainer->block);
    if (!mysql_store_open(&options, &drainer->store, error, sizeof(error))) {
        fail_msg("%s", error);
    }
}

static void outbox_fill(MYSQL *root, unsigned rows)
{
    char query[600];
    (void)snprintf(query, sizeof(query),
                   "INSERT INTO payment_outbox (status, topic, event_id, epoch, due_at, record_key,"
                   " body) SELECT 'READY', 'payment_events', UNHEX(MD5(seq)), 1, seq DIV 10,"
                   " CONCAT('trip-', seq), REPEAT('x', 300) FROM seq_1_to_%u",
                   rows);
    mysql_kit_run(root, query);
}

static void backlog_is_drained_once_by_three_instances(void **state)
{
    struct store_fixture *f = *state;
    static struct drainer drainers[DRAINERS];
    const char *setting = getenv("FAREBOX_DRAIN_ROWS");
    unsigned rows = setting == NULL ? ROWS_DEFAULT : (unsigned)strtoul(setting, NULL, 10);
    struct timespec start;
    struct timespec end;
    MYSQL *root = mysql_kit_root(f);
    outbox_fill(root, rows);
    atomic_store(&rows_left, rows);
    for (uint32_t i = 0; i < DRAINERS; i++) {
        drainer_open(f, &drainers[i], i);
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &start);
    for (uint32_t i = 0; i < DRAINERS; i++) {
        assert_int_equal(pthread_create(&drainers[i].thread, NULL, drain, &drainers[i]), 0);
    }
    uint32_t taken = 0;
    uint32_t refused = 0;
    for (uint32_t i = 0; i < DRAINERS; i++) {
        struct drainer *drainer = &drainers[i];
        assert_int_equal(pthread_join(drainer->thread, NULL), 0);
        print_message("drainer %u: %u scans, %u pages, %u rows taken, %u refused, %u sent"
                      " again\n",
                      i, drainer->scans, drainer->pages, drainer->taken, drainer->refused,
                      drainer->again);
        assert_false(drainer->gave_up);
        assert_int_equal(drainer->lost, 0);
        taken += drainer->taken;
        refused += drainer->refused;
        drainer->store->ops->close(drainer->store);
        free(drainer->block);
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    print_message("%u rows taken in %lld ms, %u takes refused\n", taken,
                  (long long)(end.tv_sec - start.tv_sec) * 1000 +
                      (end.tv_nsec - start.tv_nsec) / 1000000,
                  refused);
    assert_int_equal(taken, rows);
    assert_int_equal(mysql_kit_number(root, "SELECT COUNT(*) FROM payment_outbox WHERE"
                                            " status = 'DONE' AND epoch = 3 AND due_at IS NULL"),
                     rows);
    mysql_close(root);
}

int main(void)
{
    if (!mariadb_server_is_there()) {
        return 0;
    }
    if (!mysql_factory_start(true)) {
        return 1;
    }
    store_fixture_use(&store_factory_mysql);
    const struct CMUnitTest tests[] = {
        SUITE_TEST(backlog_is_drained_once_by_three_instances),
    };
    int failed = cmocka_run_group_tests_name("mysql store: drain", tests, NULL, NULL);
    mysql_factory_stop();
    return failed;
}
