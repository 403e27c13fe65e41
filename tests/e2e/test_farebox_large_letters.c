/* More dead letters with one large body than a lane's pool holds where each has a copy of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "farebox_process.h"
#include "http_client.h"
#include "trip_sender.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

/* A lane has 128 MiB for a batch of up to 256 units. */
#define LETTERS    160
#define BODY_LEN   1000000
#define PARTITIONS 8
/* The broker keeps 5 MiB of a partition: a record must be fetched before five more are there. */
#define PAUSE_MS 40

static struct kafka_broker *broker;
static struct farebox_process process;
static struct trip_sender sender;

static int open_all(void **state)
{
    (void)state;
    broker = trip_sender_broker(PARTITIONS);
    farebox_process_init(&process, kafka_broker_bootstrap(broker));
    farebox_process_set(&process, "FAREBOX_STORE_LANES", "1");
    farebox_process_start(&process);
    trip_sender_open(&sender, kafka_broker_bootstrap(broker));
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    farebox_process_stop(&process);
    trip_sender_close(&sender);
    farebox_process_clear(&process);
    kafka_broker_close(broker);
    return 0;
}

static void send_letter(const char *body, size_t len, int32_t partition)
{
    const struct kafka_outgoing record = {
        .topic = "trip_events.DLT", .value = body, .value_len = len, .partition = partition};
    trip_sender_send(&sender, &record);
    trip_sender_flush(&sender);
}

static int64_t stored(sqlite3 *db)
{
    sqlite3_stmt *statement = NULL;
    assert_int_equal(
        sqlite3_prepare_v2(db, "SELECT COUNT(*) FROM failed_event", -1, &statement, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int64_t count = sqlite3_column_int64(statement, 0);
    assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
    return count;
}

static void await_stored(sqlite3 *db, int64_t count)
{
    int64_t until_ms = process_clock_ms() + PROCESS_PATIENCE_MS;
    while (stored(db) < count && process_clock_ms() < until_ms) {
        process_pause(50);
    }
    assert_int_equal(stored(db), count);
}

/* Dead letters that the process has taken in and not stored yet. */
static int64_t in_work(void)
{
    return (int64_t)http_client_metric(process.http_port, "farebox_in_work{what=\"dead_letters\"}");
}

static void one_batch_of_equal_large_letters_is_stored(void **state)
{
    char *body = malloc(BODY_LEN);
    sqlite3 *db = NULL;
    (void)state;
    assert_non_null(body);
    memset(body, 'x', BODY_LEN);
    assert_int_equal(sqlite3_open(process.store, &db), SQLITE_OK);
    send_letter("first", 5, 0);
    await_stored(db, 1);
    /* While the store is locked, the letters gather behind a batch of one. */
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    send_letter("second", 6, 0);
    for (int32_t i = 0; i < LETTERS; i++) {
        send_letter(body, BODY_LEN, i % PARTITIONS);
        process_pause(PAUSE_MS);
    }
    int64_t until_ms = process_clock_ms() + PROCESS_PATIENCE_MS;
    while (in_work() < LETTERS + 1 && process_clock_ms() < until_ms) {
        process_pause(50);
    }
    assert_int_equal(in_work(), LETTERS + 1);
    assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    await_stored(db, LETTERS + 2);
    assert_false(process_file_holds(process.log, "a batch has no room"));
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    free(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_batch_of_equal_large_letters_is_stored),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
