/*
 * Moving in where the Spring service lived: its tables, with rows in every state and odd ones, the
 * real binary on them, and the way back and forth again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "farebox_process.h"
#include "http_client.h"
#include "mariadb_server.h"
#include "old_ledger.h"
#include "old_service.h"
#include "outcome_codec.h"
#include "trip_sender.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AMOUNT      5200
#define TRIP_AGE_S  "20"
#define EVENTS_MAX  100
#define ORDER(tail) "6f2d5f3c-0000-4000-8000-0000000000" tail

static struct mariadb_server server;
static struct sql_client sql;
static struct kafka_broker *broker;
static struct farebox_process process;
static struct trip_sender sender;
static char database[40];

static void open_all(const char *charset, const char *collation)
{
    static unsigned count;
    (void)snprintf(database, sizeof(database), "farebox_old%u", ++count);
    old_service_open(&sql, &server, database, charset, collation);
    old_service_make_tables(&sql);
    broker = trip_sender_broker(TRIP_SENDER_PARTITIONS);
    trip_sender_open(&sender, kafka_broker_bootstrap(broker));
    farebox_process_init(&process, kafka_broker_bootstrap(broker));
    farebox_process_hurry(&process);
    farebox_process_set(&process, "FAREBOX_STORE", "mysql://" MARIADB_USER "@127.0.0.1:%u/%s",
                        (unsigned)server.port, database);
    farebox_process_set(&process, "FAREBOX_STORE_PASSWORD", "%s", MARIADB_PASSWORD);
    farebox_process_set(&process, "FAREBOX_ADMIN_TOKEN", "%s", FIXTURE_TOKEN);
    farebox_process_set(&process, "FAREBOX_MAX_TRIP_AGE_S", TRIP_AGE_S);
}

static int teardown(void **state)
{
    (void)state;
    sql_client_close(&sql);
    trip_sender_close(&sender);
    farebox_process_clear(&process);
    kafka_broker_close(broker);
    broker = NULL;
    return 0;
}

static void await_count(const char *query, int64_t count)
{
    int64_t deadline_ms = process_clock_ms() + 2 * PROCESS_PATIENCE_MS;
    while (sql_client_number(&sql, "%s", query) != count) {
        if (process_clock_ms() >= deadline_ms) {
            farebox_process_show_log(&process);
            fail_msg("%lld instead of %lld: %s", (long long)sql_client_number(&sql, "%s", query),
                     (long long)count, query);
        }
        process_pause(50);
    }
}

static void await_payment(const char *trip_id, const char *status, const char *more)
{
    char query[400];
    (void)snprintf(query, sizeof(query),
                   "SELECT COUNT(*) FROM payments WHERE trip_id = '%s' AND status = '%s'%s%s",
                   trip_id, status, more == NULL ? "" : " AND ", more == NULL ? "" : more);
    await_count(query, 1);
}

/* The row is an operator's: nothing proves that there was a charge, or that there was none. */
static void await_operator(const char *trip_id)
{
    await_payment(trip_id, "UNKNOWN",
                  "needs_operator = 1 AND reason = 'LEGACY_ABSENT' AND due_at IS NULL");
}

/* Refunded, or never charged, by proof. */
static void await_failed(const char *trip_id)
{
    await_payment(trip_id, "FAILED", "needs_operator = 0");
}

/* Every record of payment_events; counted again and again, as the topic grows. */
struct seen {
    struct outcome_decoded events[EVENTS_MAX];
    bool keyed[EVENTS_MAX]; /* the key is the trip id, and __TypeId__ says what the members say */
    uint32_t count;
};

static struct seen seen;

static void see(void *context, const struct kafka_record *record)
{
    (void)context;
    struct outcome_decoded *event = &seen.events[seen.count];
    struct kafka_record bare = *record;
    struct outcome_decoded by_shape;
    assert_in_range(seen.count, 0, EVENTS_MAX - 1);
    assert_true(outcome_codec_decode(record, event));
    bare.header_count = 0;
    assert_true(outcome_codec_decode(&bare, &by_shape));
    seen.keyed[seen.count] = by_shape.type == event->type && event->has_event_id &&
                             record->key_len == strlen(event->trip_id) &&
                             memcmp(record->key, event->trip_id, record->key_len) == 0 &&
                             record->header_count >= 8;
    seen.count++;
}

/* Distinct events of a trip, by id. */
static uint32_t events_of(const char *trip_id)
{
    uint32_t distinct = 0;
    seen.count = 0;
    (void)trip_sender_read(kafka_broker_bootstrap(broker), "payment_events", see, NULL);
    for (uint32_t i = 0; i < seen.count; i++) {
        bool again = strcmp(seen.events[i].trip_id, trip_id) != 0;
        for (uint32_t j = 0; j < i && !again; j++) {
            again = uuid_equal(&seen.events[i].event_id, &seen.events[j].event_id);
        }
        distinct += again ? 0 : 1;
        assert_true(seen.keyed[i]);
    }
    return distinct;
}

static void await_events(const char *trip_id, uint32_t count)
{
    int64_t deadline_ms = process_clock_ms() + PROCESS_PATIENCE_MS;
    while (events_of(trip_id) != count) {
        if (process_clock_ms() >= deadline_ms) {
            farebox_process_show_log(&process);
            fail_msg("%u events of %s instead of %u", (unsigned)events_of(trip_id), trip_id,
                     (unsigned)count);
        }
        process_pause(100);
    }
}

static void trip_send(const char *trip_id)
{
    trip_sender_trip(&sender, trip_id, "user-1", 5200, 900, KAFKA_PARTITION_BY_KEY);
}

static void expect_get(const char *trip_id, const char *member, const char *value)
{
    json_t *payment = http_client_payment(process.http_port, trip_id);
    const char *seen_value = json_string_value(json_object_get(payment, member));
    if (seen_value == NULL || strcmp(seen_value, value) != 0) {
        fail_msg("%s of %s is %s instead of %s", member, trip_id, seen_value, value);
    }
    json_decref(payment);
}

static int64_t retry_all(void)
{
    struct reply reply;
    http_client_ask(process.http_port, "POST /api/payments/admin/failed-events/retry-all",
                    FIXTURE_AUTHORIZATION "Content-Length: 0\r\n", &reply);
    json_t *json = reply_json(&reply, 200);
    int64_t retried = json_integer_value(json_object_get(json, "retried"));
    assert_int_equal(json_integer_value(json_object_get(json, "refused")), 0);
    json_decref(json);
    reply_clear(&reply);
    return retried;
}

static void expect_ledger(const char *order, int64_t captured_krw, int64_t refunded_krw)
{
    struct pg_ledger_totals totals = old_ledger_totals(process.ledger, order);
    assert_int_equal(totals.captured_krw, captured_krw);
    assert_int_equal(totals.refunded_krw, refunded_krw);
}

/* --- what the old service left ------------------------------------------------------------- */

#define LETTER(trip)                                                                               \
    "{\\\"tripId\\\":\\\"" trip "\\\",\\\"userId\\\":\\\"user-1\\\",\\\"driverId\\\":\\\"d\\\","   \
    "\\\"distanceMeters\\\":5200,\\\"durationSeconds\\\":900,"                                     \
    "\\\"endedAt\\\":\\\"2026-10-01T12:00:00\\\"}"

/* A backslash for JSON is two in SQL. */
static void letter_make(const char *json, const char *status, int hours)
{
    char doubled[600];
    size_t len = 0;
    for (; *json != '\0' && len < sizeof(doubled) - 2; json++) {
        if (*json == '\\') {
            doubled[len++] = '\\';
        }
        doubled[len++] = *json;
    }
    doubled[len] = '\0';
    int64_t id = old_service_failed_event(&sql, doubled, status);
    sql_client_run(&sql,
                   "UPDATE failed_event SET created_at = created_at - INTERVAL %d HOUR WHERE id ="
                   " %lld",
                   hours, (long long)id);
}

static void payments_make(void)
{
    char pg_id[PG_LEDGER_PG_ID_SIZE];
    old_service_payment(&sql, "done", ORDER("01"), "COMPLETED", "tx_70f181ee", 3);
    sql_client_run(&sql, "UPDATE payments SET requested_at = '2026-07-01 12:00:00.5',"
                         " completed_at = '2026-07-01 12:00:03' WHERE trip_id = 'done'");
    old_service_payment(&sql, "failed", ORDER("02"), "FAILED", NULL, 3);
    old_service_payment(&sql, "unknown-absent", ORDER("03"), "UNKNOWN", NULL, 48);
    old_service_payment(&sql, "processing-absent", ORDER("04"), "PROCESSING", NULL, 1);
    old_service_payment(&sql, "processing-strange", ORDER("05"), "PROCESSING", "tx_00000000", 1);
    old_service_payment(&sql, "processing-charged", ORDER("06"), "PROCESSING", NULL, 1);
    old_ledger_charge(process.ledger, ORDER("06"), AMOUNT, NULL);
    old_ledger_charge(process.ledger, ORDER("07"), AMOUNT, pg_id);
    old_service_payment(&sql, "processing-known", ORDER("07"), "PROCESSING", pg_id, 1);
    old_service_payment(&sql, "processing-cancelled", ORDER("08"), "PROCESSING", NULL, 1);
    old_ledger_charge(process.ledger, ORDER("08"), AMOUNT, pg_id);
    old_ledger_cancel(process.ledger, pg_id);
    old_service_payment(&sql, "unknown-charged", ORDER("09"), "UNKNOWN", NULL, 1);
    old_ledger_charge(process.ledger, ORDER("09"), AMOUNT, NULL);
    old_service_payment(&sql, "unknown-wrong", ORDER("10"), "UNKNOWN", NULL, 1);
    old_ledger_charge(process.ledger, ORDER("10"), AMOUNT + 1, NULL);
    old_service_payment(&sql, "requested-record", ORDER("11"), "REQUESTED", NULL, 0);
    old_service_payment(&sql, "requested-lost", ORDER("12"), "REQUESTED", NULL, 1);
    old_service_payment(&sql, "a", ORDER("13"), "COMPLETED", "tx_1", 1);
    old_service_payment(&sql, "no-uuid", "payment 14", "PROCESSING", NULL, 1);
}

static void events_make(void)
{
    (void)old_service_outbox(
        &sql, "event-1", "{\"tripId\":\"event-1\",\"fare\":5200,\"userId\":\"user-1\"}", "READY");
    (void)old_service_outbox(&sql, "event-1", "{\"tripId\":\"event-1\",\"reason\":\"refunded\"}",
                             "READY");
    (void)old_service_outbox(&sql, "event-2", "{\"tripId\":\"event-2\",\"reason\":\"declined\"}",
                             "PUBLISHING");
    (void)old_service_outbox(&sql, "event-3", "{\"tripId\":\"event-3\",\"reason\":\"sent\"}",
                             "DONE");
    (void)old_service_outbox(&sql, "event-4", "no JSON", "READY");
}

static void letters_make(void)
{
    letter_make("\"" LETTER("letter-1") "\"", "PENDING", 0);
    letter_make("eyJ0cmlwSWQiOiJsZXR0ZXItMiJ9", "PENDING", 0); /* {"tripId":"letter-2"} */
    letter_make("\"" LETTER("letter-old") "\"", "PENDING", 2);
    letter_make("\"" LETTER("letter-ignored") "\"", "IGNORED", 0);
    letter_make("\"" LETTER("letter-resolved") "\"", "RESOLVED", 0);
}

/* --- and what becomes of it ---------------------------------------------------------------- */

/* Without a word to migrate the start refuses; a dry run changes nothing. */
static void migrate(void)
{
    farebox_process_set(&process, "FAREBOX_STORE_MIGRATE", "false");
    assert_int_equal(farebox_process_run(&process, NULL), 1);
    char *log = farebox_process_read_log(&process);
    assert_non_null(strstr(log, "has no tables of Farebox, and migrating is off: run `farebox "
                                "migrate`"));
    free(log);
    assert_int_equal(farebox_process_run(&process, "migrate --dry-run"), 0);
    char *dry = farebox_process_read_out(&process);
    assert_non_null(strstr(dry, "ALTER TABLE payments ADD INDEX farebox_payments_due"));
    assert_non_null(strstr(dry, "Nothing was run"));
    free(dry);
    assert_int_equal(sql_client_number(&sql, "SELECT COUNT(*) FROM information_schema.tables WHERE"
                                             " table_schema = DATABASE()"),
                     3);
    assert_int_equal(farebox_process_run(&process, "migrate"), 0);
    assert_int_equal(farebox_process_run(&process, "migrate --dry-run"), 0);
    dry = farebox_process_read_out(&process);
    assert_memory_equal(dry, "-- Nothing to do", 16);
    free(dry);
}

static void payments_expect(void)
{
    await_operator("unknown-absent");
    await_operator("processing-absent");
    await_operator("processing-strange");
    await_operator("requested-lost");
    await_failed("processing-charged");
    await_failed("processing-known");
    await_failed("processing-cancelled");
    await_failed("unknown-charged");
    await_failed("unknown-wrong");
    await_payment("requested-record", "COMPLETED", "payment_id = '" ORDER("11") "'");
    await_payment("no-uuid", "PROCESSING", "needs_operator = 1 AND due_at IS NULL");
    await_payment("done", "COMPLETED", "due_at IS NULL AND epoch = 0");
    await_payment("failed", "FAILED", "due_at IS NULL AND epoch = 0");
    expect_get("done", "requestedAt", "2026-07-01T12:00:00.500");
    expect_get("done", "completedAt", "2026-07-01T12:00:03");
    expect_get("done", "pgTransactionId", "tx_70f181ee");
    expect_get("done", "paymentId", ORDER("01"));
    expect_get("unknown-absent", "status", "UNKNOWN");
    await_events("processing-charged", 1);
    await_events("processing-cancelled", 1);
    await_events("requested-record", 1);
    assert_int_equal(events_of("unknown-absent") + events_of("done") + events_of("failed"), 0);
}

/* Nothing was charged but the trip with a record; what was charged is refunded. */
static void ledger_expect(void)
{
    static const char *const untouched[] = {ORDER("01"), ORDER("02"), ORDER("03"), ORDER("04"),
                                            ORDER("05"), ORDER("12"), ORDER("13")};
    for (size_t i = 0; i < sizeof(untouched) / sizeof(untouched[0]); i++) {
        expect_ledger(untouched[i], 0, 0);
        assert_int_equal(old_ledger_totals(process.ledger, untouched[i]).charges_seen, 0);
    }
    expect_ledger(ORDER("06"), AMOUNT, AMOUNT);
    expect_ledger(ORDER("07"), AMOUNT, AMOUNT);
    expect_ledger(ORDER("08"), AMOUNT, AMOUNT);
    expect_ledger(ORDER("09"), AMOUNT, AMOUNT);
    expect_ledger(ORDER("10"), AMOUNT + 1, AMOUNT + 1);
    int64_t fare = sql_client_number(&sql, "SELECT amount FROM payments WHERE trip_id ="
                                           " 'requested-record'");
    expect_ledger(ORDER("11"), fare, 0);
}

static void events_expect(void)
{
    await_events("event-1", 2);
    await_events("event-2", 1);
    assert_int_equal(events_of("event-3"), 0);
    assert_int_equal(events_of("event-4"), 0);
    /* In the order of the rows. */
    uint32_t first = EVENTS_MAX;
    for (uint32_t i = 0; i < seen.count; i++) {
        if (strcmp(seen.events[i].trip_id, "event-1") == 0 && first == EVENTS_MAX) {
            first = i;
        }
    }
    assert_int_equal(seen.events[first].type, OUTCOME_COMPLETED);
    await_count("SELECT COUNT(*) FROM payment_outbox WHERE status <> 'DONE' AND due_at IS NOT NULL",
                0);
    assert_int_equal(sql_client_number(&sql, "SELECT COUNT(*) FROM payment_outbox WHERE"
                                             " payload = 'no JSON' AND status = 'READY'"),
                     1);
}

static void letters_expect(void)
{
    await_payment("letter-1", "COMPLETED", NULL);
    await_events("letter-1", 1);
    /* What is no completed trip, or is too old, is a dead letter again: of the origin, with a key.
     */
    await_count("SELECT COUNT(*) FROM failed_event WHERE status = 'PENDING' AND topic ="
                " 'trip_events' AND kafka_key = 'letter-2'",
                1);
    await_count("SELECT COUNT(*) FROM failed_event WHERE status = 'PENDING' AND topic ="
                " 'trip_events' AND kafka_key = 'letter-old'",
                1);
    assert_int_equal(sql_client_number(&sql, "SELECT COUNT(*) FROM payments WHERE trip_id IN"
                                             " ('letter-2', 'letter-old', 'letter-ignored',"
                                             " 'letter-resolved')"),
                     0);
    assert_int_equal(sql_client_number(&sql, "SELECT COUNT(*) FROM failed_event WHERE status ="
                                             " 'IGNORED'"),
                     1);
}

/* Ids that only a collation confuses are never one trip. */
static void collisions_expect(bool cases_differ)
{
    await_count("SELECT COUNT(*) FROM failed_event WHERE kafka_key = 'a ' AND error LIKE"
                " '%%id_collision%%' AND LENGTH(kafka_key) = 2",
                1);
    if (cases_differ) {
        await_payment("A", "COMPLETED", "CAST(trip_id AS BINARY) = _binary'A'");
    } else {
        await_count("SELECT COUNT(*) FROM failed_event WHERE CAST(kafka_key AS BINARY) ="
                    " _binary'A' AND error LIKE '%%id_collision%%'",
                    1);
    }
    assert_int_equal(
        sql_client_number(&sql, "SELECT COUNT(*) FROM payments WHERE payment_id ="
                                " '" ORDER("13") "' AND status = 'COMPLETED' AND"
                                                 " CAST(trip_id AS BINARY) = _binary'a' AND"
                                                 " pg_transaction_id = 'tx_1' AND epoch = 0"),
        1);
}

/* The old service comes back, works for a while, and leaves rows behind once more. */
static void back_and_forth(void)
{
    old_service_work(&sql, "back");
    /* A payment of Farebox's is one of its own to it. */
    assert_int_equal(sql_client_run(&sql,
                                    "UPDATE payments SET updated_at = NOW(6), status = status,"
                                    " user_id = user_id WHERE trip_id = 'letter-1' AND"
                                    " completed_at > NOW(6) - INTERVAL 10 MINUTE"),
                     1);
    old_service_payment(&sql, "back-charged", ORDER("21"), "PROCESSING", NULL, 0);
    old_ledger_charge(process.ledger, ORDER("21"), AMOUNT, NULL);
    old_service_payment(&sql, "back-absent", ORDER("22"), "PROCESSING", NULL, 0);
    old_service_payment(&sql, "back-record", ORDER("23"), "REQUESTED", NULL, 0);
    (void)old_service_outbox(&sql, "back-event", "{\"tripId\":\"back-event\",\"reason\":\"r\"}",
                             "READY");
    letter_make("\"" LETTER("back-letter") "\"", "PENDING", 0);
    trip_send("back-record");
    trip_sender_flush(&sender);
    farebox_process_start(&process);
    (void)retry_all();
    await_failed("back-charged");
    await_operator("back-absent");
    await_operator("back-2"); /* old_service_work() has left it UNKNOWN */
    await_payment("back-record", "COMPLETED", NULL);
    await_payment("back-letter", "COMPLETED", NULL);
    await_events("back-event", 1);
    await_payment("back-0", "COMPLETED", "due_at IS NULL AND epoch = 0");
    await_payment("back-1", "FAILED", "due_at IS NULL AND epoch = 0");
    assert_int_equal(sql_client_number(&sql, "SELECT COUNT(*) FROM payments WHERE due_at = 0"), 0);
    assert_int_equal(events_of("event-1"), 2);
    farebox_process_stop(&process);
    expect_ledger(ORDER("21"), AMOUNT, AMOUNT);
    expect_ledger(ORDER("22"), 0, 0);
}

static void move_in(const char *charset, const char *collation, bool cases_differ)
{
    open_all(charset, collation);
    payments_make();
    events_make();
    letters_make();
    old_service_work(&sql, "before");
    migrate();
    /* A slow machine has needed a good part of what a trip's age may be. */
    sql_client_run(&sql, "UPDATE failed_event SET created_at = NOW(6) WHERE created_at > NOW(6) -"
                         " INTERVAL 1 HOUR");
    trip_send("requested-record");
    trip_send("A");
    trip_send("a ");
    trip_send("no-uuid");
    trip_sender_flush(&sender);
    farebox_process_start(&process);
    assert_int_equal(retry_all() >= 3, 1);
    letters_expect();
    events_expect();
    collisions_expect(cases_differ);
    payments_expect();
    farebox_process_stop(&process);
    ledger_expect();
    back_and_forth();
}

static void old_rows_end_by_proof_or_with_an_operator(void **state)
{
    (void)state;
    move_in("utf8mb4", "utf8mb4_general_ci", false);
}

static void old_rows_do_so_in_a_binary_collation(void **state)
{
    (void)state;
    move_in("utf8mb4", "utf8mb4_bin", true);
}

static void old_rows_do_so_in_latin1(void **state)
{
    (void)state;
    move_in("latin1", "latin1_swedish_ci", false);
}

int main(void)
{
    if (!mariadb_server_is_there()) {
        return 0;
    }
    if (!mariadb_server_open(&server, true)) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(old_rows_end_by_proof_or_with_an_operator, teardown),
        cmocka_unit_test_teardown(old_rows_do_so_in_a_binary_collation, teardown),
        cmocka_unit_test_teardown(old_rows_do_so_in_latin1, teardown),
    };
    int failed = cmocka_run_group_tests_name("farebox moves in", tests, NULL, NULL);
    mariadb_server_close(&server);
    return failed;
}
