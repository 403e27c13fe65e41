/* Dead letters in an operator's hands, and outages that must not make any. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "farebox_audit.h"
#include "farebox_process.h"
#include "http_client.h"
#include "record_headers.h"
#include "trip_sender.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define TRIPS 150
/* Of the right token and of a wrong one that is much like it. */
#define TOKEN_START "0123456789abcdef-toke"
/* How each of the fake users' billing keys begins. */
#define BILLING_KEY "bk_"
#define HOUR_MS     INT64_C(3600000)
#define DAY_MS      (24 * HOUR_MS)

static const char pending[] = "SELECT count(*) FROM failed_event WHERE status = 'PENDING'";
static const char stored[] = "SELECT count(*) FROM failed_event";

static struct kafka_broker *broker;
static struct farebox_process process;
static struct trip_sender sender;
static struct farebox_audit audit;

static int setup(void **state)
{
    (void)state;
    broker = trip_sender_broker(TRIP_SENDER_PARTITIONS);
    farebox_process_init(&process, kafka_broker_bootstrap(broker));
    farebox_process_hurry(&process);
    farebox_process_set(&process, "FAREBOX_ADMIN_TOKEN", "%s", FIXTURE_TOKEN);
    farebox_process_set(&process, "FAREBOX_LOG_LEVEL", "debug");
    trip_sender_open(&sender, kafka_broker_bootstrap(broker));
    farebox_audit_init(&audit, process.store, process.ledger, kafka_broker_bootstrap(broker));
    return 0;
}

/* Whatever a test made go wrong, its output tells neither token nor billing key. */
static int teardown(void **state)
{
    bool is_told = process_file_holds(process.log, TOKEN_START) ||
                   process_file_holds(process.out, TOKEN_START) ||
                   process_file_holds(process.log, BILLING_KEY) ||
                   process_file_holds(process.out, BILLING_KEY);
    (void)state;
    trip_sender_close(&sender);
    farebox_process_clear(&process);
    farebox_audit_clear(&audit);
    kafka_broker_close(broker);
    return is_told ? -1 : 0;
}

static int64_t now_ms(void)
{
    return (int64_t)time(NULL) * 1000;
}

static void await_rows(const char *query, int64_t count)
{
    if (!farebox_audit_await(&audit, query, count, PROCESS_PATIENCE_MS)) {
        farebox_process_show_log(&process);
        fail_msg("%s: not %" PRId64, query, count);
    }
}

static void await_settled(void)
{
    if (!farebox_audit_await_settled(&audit, 2 * PROCESS_PATIENCE_MS)) {
        farebox_process_show_log(&process);
        fail_msg("not all payments are settled");
    }
}

static int post(const char *path, const char *token, json_t **json)
{
    char line[512];
    char headers[256];
    struct reply reply;
    (void)snprintf(line, sizeof(line), "POST /api/payments/admin/failed-events%s", path);
    (void)snprintf(headers, sizeof(headers), "%s%s%sContent-Length: 0\r\n",
                   token != NULL ? "Authorization: Bearer " : "", token != NULL ? token : "",
                   token != NULL ? "\r\n" : "");
    http_client_ask(process.http_port, line, headers, &reply);
    int status = reply.status;
    if (json != NULL) {
        *json = reply_json(&reply, 200);
    }
    reply_clear(&reply);
    return status;
}

static void expect_retried(const char *path, int64_t retried)
{
    json_t *json = NULL;
    assert_int_equal(post(path, FIXTURE_TOKEN, &json), 200);
    assert_int_equal(json_integer_value(json_object_get(json, "retried")), retried);
    assert_int_equal(json_integer_value(json_object_get(json, "refused")), 0);
    json_decref(json);
}

static void put_big_endian(uint8_t *bytes, size_t size, int64_t number)
{
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)((uint64_t)number >> (8 * (size - 1 - i)));
    }
}

static struct kafka_header header_of(const char *name, const void *value, size_t len)
{
    return (struct kafka_header){.name = name,
                                 .name_len = strlen(name),
                                 .value = value,
                                 .value_len = len,
                                 .has_value = true};
}

/* What another service's dead-letter publisher writes about a good trip: it can be retried. */
static void send_dead_letter(const char *trip_id, const char *topic, int64_t offset,
                             int64_t timestamp_ms)
{
    char value[512];
    uint8_t numbers[20];
    uint8_t bytes[1024];
    size_t len = 0;
    put_big_endian(numbers, 4, 1);
    put_big_endian(numbers + 4, 8, offset);
    put_big_endian(numbers + 12, 8, timestamp_ms);
    const struct kafka_header headers[] = {
        header_of("origin", "kept", 4),
        header_of("kafka_dlt-original-topic", topic, strlen(topic)),
        header_of("kafka_dlt-original-partition", numbers, 4),
        header_of("kafka_dlt-original-offset", numbers + 4, 8),
        header_of("kafka_dlt-original-timestamp", numbers + 12, 8),
        header_of("kafka_dlt-exception-message", "it broke", 8),
    };
    assert_true(record_headers_encode(headers, 6, bytes, sizeof(bytes), &len));
    (void)snprintf(value, sizeof(value),
                   "{\"tripId\":\"%s\",\"userId\":\"user-a\",\"distanceMeters\":1000,"
                   "\"durationSeconds\":60,\"endedAt\":\"2026-11-22T09:20\"}",
                   trip_id);
    const struct kafka_outgoing record = {.topic = "trip_events.DLT",
                                          .key = trip_id,
                                          .key_len = strlen(trip_id),
                                          .value = value,
                                          .value_len = strlen(value),
                                          .headers = bytes,
                                          .headers_len = len,
                                          .partition = 1};
    trip_sender_send(&sender, &record);
    trip_sender_flush(&sender);
}

/* The records of a key in a topic. */
struct sight {
    const char *key;
    size_t count;
    int64_t timestamp_ms; /* of the last */
    bool has_origin;
    bool has_exception;
};

static void look(void *context, const struct kafka_record *record)
{
    struct sight *sight = context;
    if (record->key_len == strlen(sight->key) &&
        memcmp(record->key, sight->key, record->key_len) == 0) {
        sight->count++;
        sight->timestamp_ms = record->timestamp_ms;
        sight->has_origin =
            record_headers_first(record->headers, record->header_count, "origin") != NULL;
        sight->has_exception = record_headers_first(record->headers, record->header_count,
                                                    "kafka_dlt-exception-message") != NULL;
    }
}

static struct sight sight_of(const char *topic, const char *key)
{
    struct sight sight = {.key = key};
    (void)trip_sender_read(kafka_broker_bootstrap(broker), topic, look, &sight);
    return sight;
}

static void trap_11_a_retry_goes_to_the_origin_with_key_headers_and_first_timestamp(void **state)
{
    const int64_t first_ms = now_ms() - HOUR_MS;
    struct audit_findings findings;
    (void)state;
    farebox_process_start(&process);
    send_dead_letter("retry-1", "trip_events", 71, first_ms);
    await_rows(pending, 1);
    assert_int_equal(sight_of("trip_events", "retry-1").count, 0);
    expect_retried("/retry-all", 1);
    farebox_audit_add(&audit, "retry-1", "user-a", 1000, 60);
    await_settled();
    struct sight sight = sight_of("trip_events", "retry-1");
    assert_int_equal(sight.count, 1);
    assert_int_equal(sight.timestamp_ms, first_ms);
    assert_true(sight.has_origin && !sight.has_exception);
    /* Nothing of it went to the DLT again. */
    assert_int_equal(sight_of("trip_events.DLT", "retry-1").count, 1);
    assert_int_equal(farebox_audit_count(&audit, pending), 0);
    expect_retried("/retry-all", 0);
    farebox_process_stop(&process);
    /* Judged but for the dead letter, which the test itself had put there. */
    farebox_audit_judge(&audit, true, &findings);
    assert_int_equal(audit.subjects[0].verdict, AUDIT_OK);
    assert_int_equal(findings.completed, 1);
    assert_int_equal(findings.dead, 1);
}

static void a_retry_that_is_too_old_by_its_first_timestamp_is_never_charged(void **state)
{
    (void)state;
    farebox_process_start(&process);
    send_dead_letter("old-1", "trip_events", 72, now_ms() - 8 * DAY_MS);
    await_rows(pending, 1);
    expect_retried("/retry-all", 1);
    await_rows(stored, 2);
    assert_int_equal(farebox_audit_count(&audit, "SELECT count(*) FROM payments"), 0);
    assert_int_equal(farebox_audit_count(&audit, "SELECT count(*) FROM failed_event WHERE"
                                                 " status = 'PENDING' AND"
                                                 " error_message LIKE '%too_old%'"),
                     1);
    farebox_process_stop(&process);
}

static void retry_all_of_a_topic_leaves_the_others(void **state)
{
    (void)state;
    farebox_process_start(&process);
    send_dead_letter("topic-1", "trip_events", 1, now_ms());
    send_dead_letter("topic-2", "payment_events", 2, now_ms());
    await_rows(pending, 2);
    expect_retried("/retry-all?topic=nothing.of.it", 0);
    expect_retried("/retry-all?topic=trip_events", 1);
    assert_int_equal(farebox_audit_count(&audit, pending), 1);
    await_rows("SELECT count(*) FROM payments WHERE trip_id = 'topic-1'", 1);
    expect_retried("/retry-all", 1);
    await_rows("SELECT count(*) FROM payment_outbox WHERE status = 'DONE'", 3);
    assert_int_equal(sight_of("payment_events", "topic-2").count, 1);
    farebox_process_stop(&process);
}

static void the_same_dead_letter_twice_is_stored_once(void **state)
{
    const int64_t at_ms = now_ms();
    (void)state;
    farebox_process_start(&process);
    send_dead_letter("same-1", "trip_events", 9, at_ms);
    send_dead_letter("same-1", "trip_events", 9, at_ms);
    send_dead_letter("same-2", "trip_events", 10, at_ms);
    await_rows(stored, 2);
    await_rows("SELECT count(*) FROM failed_event WHERE kafka_key = 'same-2'", 1);
    assert_int_equal(farebox_audit_count(&audit, stored), 2);
    farebox_process_stop(&process);
}

static void send_malformed(const char *key, size_t key_len)
{
    const struct kafka_outgoing record = {.topic = "trip_events",
                                          .key = key,
                                          .key_len = key_len,
                                          .value = "hello",
                                          .value_len = 5,
                                          .partition = 1};
    trip_sender_send(&sender, &record);
    trip_sender_flush(&sender);
}

/* The dead letter is whole in the DLT; a row that could never be written would stop its partition.
 */
static void a_dead_letter_with_a_key_that_no_row_can_hold_is_stored_without_it(void **state)
{
    static char key[70000];
    (void)state;
    memset(key, 'k', sizeof(key));
    farebox_process_start(&process);
    send_malformed(key, sizeof(key));
    await_rows(pending, 1);
    send_malformed("next", 4);
    await_rows("SELECT count(*) FROM failed_event WHERE kafka_key = 'next'"
               " AND error_message LIKE 'malformed: %'",
               1);
    assert_int_equal(
        farebox_audit_count(&audit, "SELECT count(*) FROM failed_event WHERE record_key IS NULL"
                                    " AND body = CAST('hello' AS BLOB) AND origin_partition = 1"
                                    " AND origin_offset = 0 AND topic = 'trip_events'"
                                    " AND error_message LIKE 'key of 70000 bytes left out"
                                    " (limit 65536); the whole record is in trip_events.DLT"
                                    " partition 1 offset 0: malformed: %'"),
        1);
    expect_retried("/retry-all", 2);
    /* Both are as malformed as they were. */
    await_rows(stored, 4);
    farebox_process_stop(&process);
}

static void an_ignored_dead_letter_stays_where_it_is(void **state)
{
    (void)state;
    farebox_process_start(&process);
    send_dead_letter("ignore-1", "trip_events", 5, now_ms());
    await_rows(pending, 1);
    assert_int_equal(post("/1/ignore", FIXTURE_TOKEN, NULL), 200);
    assert_int_equal(post("/1/ignore", FIXTURE_TOKEN, NULL), 409);
    assert_int_equal(post("/2/ignore", FIXTURE_TOKEN, NULL), 404);
    expect_retried("/retry-all", 0);
    assert_int_equal(sight_of("trip_events", "ignore-1").count, 0);
    assert_int_equal(
        farebox_audit_count(&audit, "SELECT count(*) FROM failed_event WHERE status = 'IGNORED'"),
        1);
    farebox_process_stop(&process);
}

static void nobody_without_the_token_changes_anything(void **state)
{
    (void)state;
    farebox_process_start(&process);
    send_dead_letter("closed-1", "trip_events", 5, now_ms());
    await_rows(pending, 1);
    assert_int_equal(post("/retry-all", NULL, NULL), 401);
    assert_int_equal(post("/retry-all", "0123456789abcdef-tokem", NULL), 401);
    assert_int_equal(post("/1/ignore", NULL, NULL), 401);
    assert_int_equal(farebox_audit_count(&audit, pending), 1);
    farebox_process_stop(&process);
    farebox_process_set(&process, "FAREBOX_ADMIN_TOKEN", NULL);
    farebox_process_start(&process);
    assert_int_equal(post("/retry-all", FIXTURE_TOKEN, NULL), 403);
    assert_int_equal(post("/1/ignore", FIXTURE_TOKEN, NULL), 403);
    assert_int_equal(farebox_audit_count(&audit, pending), 1);
    farebox_process_stop(&process);
}

static void send_trip(int number)
{
    char id[32];
    (void)snprintf(id, sizeof(id), "lag-%04d", number);
    trip_sender_trip(&sender, id, "user-l", 1000 + number, 300, number % TRIP_SENDER_PARTITIONS);
    farebox_audit_add(&audit, id, "user-l", 1000 + number, 300);
}

/* Nine of ten calls of the PG go wrong: no verdict, breakers open, and nothing is given up. */
static void an_outage_of_the_pg_is_a_lag_and_no_dead_letter(void **state)
{
    struct audit_findings findings;
    int64_t deadline_ms = process_clock_ms() + PROCESS_PATIENCE_MS;
    (void)state;
    farebox_process_set(&process, "FAREBOX_FAKE_PG_FAULT_PERMILLE", "900");
    farebox_process_start(&process);
    for (int i = 0; i < TRIPS; i++) {
        send_trip(i);
    }
    trip_sender_flush(&sender);
    while (http_client_metric(process.http_port, "farebox_events_total{what=\"breaker_opened\"}") <
           2) {
        if (process_clock_ms() > deadline_ms) {
            farebox_process_show_log(&process);
            fail_msg("the breaker does not open");
        }
        process_pause(50);
    }
    farebox_process_stop(&process);
    farebox_audit_expect(&audit, false, &findings);
    assert_int_equal(findings.dead, 0);
    assert_true(findings.completed + findings.failed < TRIPS);
    farebox_process_set(&process, "FAREBOX_FAKE_PG_FAULT_PERMILLE", "0");
    farebox_process_start(&process);
    await_settled();
    farebox_process_stop(&process);
    farebox_audit_expect(&audit, true, &findings);
    assert_int_equal(findings.dead, 0);
    assert_int_equal(findings.completed + findings.failed, TRIPS);
}

/* Outcome events wait in the outbox, dead letters with their records. */
static void trap_10_an_outage_of_the_broker_loses_neither_events_nor_dead_letters(void **state)
{
    struct audit_findings findings;
    (void)state;
    farebox_process_set(&process, "FAREBOX_FAKE_PG_DELAY_MAX_MS", "400");
    farebox_process_start(&process);
    for (int i = 0; i < TRIPS; i++) {
        char key[16];
        int len = snprintf(key, sizeof(key), "bad-%03d", i);
        const struct kafka_outgoing bad = {.topic = "trip_events",
                                           .key = key,
                                           .key_len = (size_t)len,
                                           .value = key,
                                           .value_len = (size_t)len,
                                           .partition = i % TRIP_SENDER_PARTITIONS};
        trip_sender_send(&sender, &bad);
        send_trip(i);
    }
    trip_sender_flush(&sender);
    await_rows("SELECT count(*) FROM payments", 10);
    kafka_broker_set_down(broker, true);
    await_rows("SELECT count(*) FROM payments WHERE status = 'COMPLETED'", 10);
    await_rows("SELECT count(*) FROM payment_outbox WHERE status <> 'DONE'", 1);
    kafka_broker_set_down(broker, false);
    await_settled();
    await_rows("SELECT count(DISTINCT kafka_key) FROM failed_event", TRIPS);
    farebox_process_stop(&process);
    farebox_audit_expect(&audit, true, &findings);
    assert_int_equal(findings.completed, TRIPS);
}

#define RULE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RULE(trap_11_a_retry_goes_to_the_origin_with_key_headers_and_first_timestamp),
        RULE(a_retry_that_is_too_old_by_its_first_timestamp_is_never_charged),
        RULE(retry_all_of_a_topic_leaves_the_others),
        RULE(the_same_dead_letter_twice_is_stored_once),
        RULE(a_dead_letter_with_a_key_that_no_row_can_hold_is_stored_without_it),
        RULE(an_ignored_dead_letter_stays_where_it_is),
        RULE(nobody_without_the_token_changes_anything),
        RULE(an_outage_of_the_pg_is_a_lag_and_no_dead_letter),
        RULE(trap_10_an_outage_of_the_broker_loses_neither_events_nor_dead_letters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
