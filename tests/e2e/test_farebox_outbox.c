/*
 * What consumers get of an outcome is what was committed of it: topic, key, body and headers of
 * each record are those of the outbox row of its event, though the row is published from memory
 * while the next batches are made.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "farebox_audit.h"
#include "farebox_process.h"
#include "farebox_waits.h"
#include "http_client.h"
#include "record_headers.h"
#include "trip_sender.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRIPS        3000 /* before the known ones come again */
#define NEW_TRIPS    500
#define ROWS         (TRIPS + NEW_TRIPS)
#define EVENT_ID_LEN 36

/* An outbox row, as the store has it. */
struct row {
    char event_id[EVENT_ID_LEN + 1];
    char topic[64];
    uint8_t *bytes; /* key, body, headers */
    size_t key_len;
    size_t body_len;
    size_t headers_len;
    uint32_t records; /* that were consumed of it */
};

struct rows {
    struct row list[ROWS];
    size_t count;
};

static struct kafka_broker *broker;
static struct farebox_process process;
static struct trip_sender sender;
static struct farebox_audit audit;
static struct rows rows;

static int setup(void **state)
{
    (void)state;
    broker = trip_sender_broker(TRIP_SENDER_PARTITIONS);
    farebox_process_init(&process, kafka_broker_bootstrap(broker));
    farebox_process_hurry(&process);
    /* Short answers make full batches; some charges are declined, some end unknown at first. */
    farebox_process_set(&process, "FAREBOX_FAKE_PG_DELAY_MAX_MS", "5");
    farebox_process_set(&process, "FAREBOX_FAKE_UPSTREAM_DELAY_MAX_MS", "5");
    farebox_process_set(&process, "FAREBOX_FAKE_PG_FAULT_PERMILLE", "100");
    trip_sender_open(&sender, kafka_broker_bootstrap(broker));
    farebox_audit_init(&audit, process.store, process.ledger, kafka_broker_bootstrap(broker));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < rows.count; i++) {
        free(rows.list[i].bytes);
    }
    trip_sender_close(&sender);
    farebox_process_clear(&process);
    farebox_audit_clear(&audit);
    kafka_broker_close(broker);
    return 0;
}

/* A free ride is opened and completed by one unit, which is a duplicate when it comes again. */
static bool is_free(uint32_t number)
{
    return number >= TRIPS || number % 4 == 0;
}

/* No two outcomes have a text in common; their lengths differ, too. */
static void send_trip(uint32_t number, bool is_known)
{
    const uint32_t meters = is_free(number) ? 0 : number + 1000;
    const uint32_t seconds = is_free(number) ? 0 : number + 60;
    static uint8_t bytes[256];
    char trip_id[64];
    char user_id[64];
    char value[512];
    char traceparent[64];
    struct kafka_header header = {.name = "traceparent",
                                  .name_len = strlen("traceparent"),
                                  .value = (const uint8_t *)traceparent,
                                  .has_value = true};
    struct kafka_outgoing record = {.topic = "trip_events",
                                    .key = trip_id,
                                    .value = value,
                                    .headers = bytes,
                                    .partition = KAFKA_PARTITION_BY_KEY};

    (void)snprintf(trip_id, sizeof(trip_id), "trip-%.*s-%u", (int)(number % 17),
                   "abcdefghijklmnopq", (unsigned)number);
    (void)snprintf(user_id, sizeof(user_id), "user-%u", (unsigned)number);
    header.value_len = (size_t)snprintf(traceparent, sizeof(traceparent),
                                        "00-4bf92f3577b34da6a3ce929d%08x-00f067aa%08x-01",
                                        (unsigned)number + 1, (unsigned)number + 1);
    record.value_len = (size_t)snprintf(
        value, sizeof(value),
        "{\"tripId\":\"%s\",\"userId\":\"%s\",\"distanceMeters\":%u,\"durationSeconds\":%u,"
        "\"endedAt\":\"2026-10-01T15:40:09\"}",
        trip_id, user_id, (unsigned)meters, (unsigned)seconds);
    record.key_len = strlen(trip_id);
    assert_true(
        record_headers_encode(&header, number % 3 != 0, bytes, sizeof(bytes), &record.headers_len));
    trip_sender_send(&sender, &record);
    if (!is_known) {
        farebox_audit_add(&audit, trip_id, user_id, (int32_t)meters, (int32_t)seconds);
    }
}

static size_t copy_column(sqlite3_stmt *statement, int column, uint8_t *to)
{
    size_t len = (size_t)sqlite3_column_bytes(statement, column);

    if (len > 0) {
        memcpy(to, sqlite3_column_blob(statement, column), len);
    }
    return len;
}

static void read_row(sqlite3_stmt *statement)
{
    struct row *row = &rows.list[rows.count++];
    size_t size = 1;

    for (int column = 2; column < 5; column++) {
        size += (size_t)sqlite3_column_bytes(statement, column);
    }
    row->bytes = malloc(size);
    assert_non_null(row->bytes);
    (void)snprintf(row->event_id, sizeof(row->event_id), "%s",
                   (const char *)sqlite3_column_text(statement, 0));
    (void)snprintf(row->topic, sizeof(row->topic), "%s",
                   (const char *)sqlite3_column_text(statement, 1));
    row->key_len = copy_column(statement, 2, row->bytes);
    row->body_len = copy_column(statement, 3, row->bytes + row->key_len);
    row->headers_len = copy_column(statement, 4, row->bytes + row->key_len + row->body_len);
}

/* In the order of their ids' text. */
static void read_rows(void)
{
    static const char query[] = "SELECT event_id, topic, record_key, body, headers"
                                " FROM payment_outbox ORDER BY event_id";
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;

    assert_int_equal(sqlite3_open_v2(process.store, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, query, -1, &statement, NULL), SQLITE_OK);
    while (rows.count < ROWS && sqlite3_step(statement) == SQLITE_ROW) {
        read_row(statement);
    }
    (void)sqlite3_finalize(statement);
    (void)sqlite3_close(db);
}

static int compare_rows(const void *a, const void *b)
{
    return strcmp(((const struct row *)a)->event_id, ((const struct row *)b)->event_id);
}

static struct row *row_of(const struct kafka_record *record)
{
    const struct kafka_header *id =
        record_headers_first(record->headers, record->header_count, "id");
    struct row key;

    assert_non_null(id);
    assert_int_equal(id->value_len, EVENT_ID_LEN);
    (void)snprintf(key.event_id, sizeof(key.event_id), "%.*s", EVENT_ID_LEN,
                   (const char *)id->value);
    return bsearch(&key, rows.list, rows.count, sizeof(rows.list[0]), compare_rows);
}

static void expect_row(void *context, const struct kafka_record *record)
{
    static uint8_t headers[KAFKA_HEADERS_BYTES_MAX];
    struct row *row = row_of(record);
    size_t headers_len = 0;

    (void)context;
    assert_non_null(row);
    assert_int_equal(record->topic_len, strlen(row->topic));
    assert_memory_equal(record->topic, row->topic, record->topic_len);
    assert_int_equal(record->key_len, row->key_len);
    assert_memory_equal(record->key, row->bytes, row->key_len);
    assert_int_equal(record->value_len, row->body_len);
    assert_memory_equal(record->value, row->bytes + row->key_len, row->body_len);
    assert_true(record_headers_encode(record->headers, record->header_count, headers,
                                      sizeof(headers), &headers_len));
    assert_int_equal(headers_len, row->headers_len);
    assert_memory_equal(headers, row->bytes + row->key_len + row->body_len, headers_len);
    row->records++;
}

static void what_is_consumed_of_an_outcome_is_its_outbox_row(void **state)
{
    struct audit_findings findings;

    (void)state;
    for (uint32_t i = 0; i < TRIPS; i++) {
        send_trip(i, false);
    }
    trip_sender_flush(&sender);
    farebox_process_start(&process);
    farebox_wait_for_settled(&process, &audit);
    /* Outcomes that are committed beside others that are not. */
    for (uint32_t i = 0; i < NEW_TRIPS; i++) {
        send_trip(4 * i, true);
        send_trip(TRIPS + i, false);
    }
    trip_sender_flush(&sender);
    farebox_wait_for_settled(&process, &audit);
    farebox_audit_expect(&audit, true, &findings);
    assert_true(findings.failed > 0);
    read_rows();
    assert_int_equal(rows.count, ROWS);
    (void)trip_sender_read(kafka_broker_bootstrap(broker), "payment_events", expect_row, NULL);
    for (size_t i = 0; i < rows.count; i++) {
        assert_true(rows.list[i].records > 0);
    }
    farebox_process_stop(&process);
    /* A record of other texts may be none that can be sent: then polling mends it, later. */
    assert_false(process_file_holds(process.log, "a record can't be sent"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_consumed_of_an_outcome_is_its_outbox_row, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
