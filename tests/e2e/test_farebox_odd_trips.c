/* Trips at and beyond the limits, ids that look alike, and copies of a trip at once. */
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

#include <stdio.h>
#include <string.h>
#include <time.h>

#define COPIES 10
#define TRIPS  60

static struct kafka_broker *broker;
static struct farebox_process process;
static struct trip_sender sender;
static struct farebox_audit audit;

static int open_all(void **state)
{
    (void)state;
    broker = trip_sender_broker(TRIP_SENDER_PARTITIONS);
    farebox_process_init(&process, kafka_broker_bootstrap(broker));
    farebox_process_set(&process, "FAREBOX_FAKE_PG_DELAY_MAX_MS", "50");
    farebox_process_start(&process);
    trip_sender_open(&sender, kafka_broker_bootstrap(broker));
    farebox_audit_init(&audit, process.store, process.ledger, kafka_broker_bootstrap(broker));
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    farebox_process_stop(&process);
    trip_sender_close(&sender);
    farebox_process_clear(&process);
    farebox_audit_clear(&audit);
    kafka_broker_close(broker);
    return 0;
}

static const char *header_text(const struct kafka_record *record, const char *name)
{
    static char text[4096];
    const struct kafka_header *header =
        record_headers_first(record->headers, record->header_count, name);
    if (header == NULL || !header->has_value) {
        return "";
    }
    (void)snprintf(text, sizeof(text), "%.*s", (int)header->value_len, (const char *)header->value);
    return text;
}

static void send_value(const char *key, const char *value, int64_t timestamp_ms)
{
    const struct kafka_outgoing record = {.topic = "trip_events",
                                          .key = key,
                                          .key_len = strlen(key),
                                          .value = value,
                                          .value_len = strlen(value),
                                          .timestamp_ms = timestamp_ms,
                                          .partition = KAFKA_PARTITION_BY_KEY};
    trip_sender_send(&sender, &record);
}

#define TRIP(id, user, meters, more)                                                               \
    "{\"tripId\":\"" id "\",\"userId\":\"" user "\",\"distanceMeters\":" meters                    \
    ",\"durationSeconds\":60,\"endedAt\":\"2026-11-22T09:20\"" more "}"

struct reasons {
    char text[8192]; /* key=message; of each dead letter */
    size_t count;
};

static void note_reason(void *context, const struct kafka_record *record)
{
    struct reasons *reasons = context;
    size_t len = strlen(reasons->text);
    reasons->count++;
    (void)snprintf(reasons->text + len, sizeof(reasons->text) - len, "%.*s=%s;",
                   (int)record->key_len, (const char *)record->key,
                   header_text(record, "kafka_dlt-exception-message"));
}

static void what_may_never_be_charged_is_a_dead_letter_that_says_why(void **state)
{
    static const char *const bad[][2] = {
        {"dear", TRIP("dear", "user-w", "2147483647", "")},
        {"far", TRIP("far", "user-w", "2147483648", "")},
        {"back", TRIP("back", "user-w", "-1", "")},
        {"half", TRIP("half", "user-w", "1.5", "")},
        {"text", TRIP("text", "user-w", "\"100\"", "")},
        {"empty", TRIP("", "user-w", "100", "")},
        {"hangul", TRIP("\xed\x83\x9d", "user-w", "100", "")},
        {"latin", "{\"tripId\":\"\xff\"}"},
        {"twice", TRIP("twice", "user-w", "100", ",\"rating\":1,\"rating\":2")},
        {"list", "[]"},
        {"cut", "{\"tripId\":\"cut\""},
    };
    const size_t count = sizeof(bad) / sizeof(bad[0]);
    struct reasons reasons = {.count = 0};
    struct audit_findings findings;
    (void)state;
    for (size_t i = 0; i < count; i++) {
        send_value(bad[i][0], bad[i][1], 0);
    }
    send_value("old", TRIP("old", "user-w", "100", ""),
               ((int64_t)time(NULL) - 7 * 86400 - 60) * 1000);
    send_value("young", TRIP("young", "user-w", "100", ""),
               ((int64_t)time(NULL) - 7 * 86400 + 3600) * 1000);
    trip_sender_flush(&sender);
    farebox_audit_add(&audit, "young", "user-w", 100, 60);
    farebox_wait_for_records(&process, kafka_broker_bootstrap(broker), "trip_events.DLT",
                             count + 1);
    farebox_wait_for_settled(&process, &audit);
    farebox_audit_expect(&audit, true, &findings);
    (void)trip_sender_read(kafka_broker_bootstrap(broker), "trip_events.DLT", note_reason,
                           &reasons);
    assert_int_equal(reasons.count, count + 1);
    for (size_t i = 0; i < count; i++) {
        char entry[64];
        (void)snprintf(entry, sizeof(entry), "%s=;", bad[i][0]);
        assert_null(strstr(reasons.text, entry));
    }
    assert_non_null(strstr(reasons.text, "old=too_old"));
    assert_non_null(strstr(reasons.text, "dear=fare_refused"));
}

static void the_longest_id_is_paid_and_a_longer_one_is_not(void **state)
{
    char id[STORE_ID_MAX + 2];
    struct audit_findings findings;
    (void)state;
    memset(id, 'x', sizeof(id));
    id[STORE_ID_MAX + 1] = '\0';
    trip_sender_trip(&sender, id, "user-w", 100, 60, KAFKA_PARTITION_BY_KEY);
    id[STORE_ID_MAX] = '\0';
    trip_sender_trip(&sender, id, "user-w", 100, 60, KAFKA_PARTITION_BY_KEY);
    trip_sender_flush(&sender);
    farebox_audit_add(&audit, id, "user-w", 100, 60);
    farebox_wait_for_records(&process, kafka_broker_bootstrap(broker), "trip_events.DLT", 12 + 1);
    farebox_wait_for_settled(&process, &audit);
    farebox_audit_expect(&audit, true, &findings);
    json_decref(http_client_payment(process.http_port, id));
}

static void trap_22_ids_that_a_loose_collation_mixes_up_are_trips_of_their_own(void **state)
{
    static const char *const ids[] = {"collate-a", "collate-A", "collate-a ", "collate-A "};
    struct audit_findings findings;
    (void)state;
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        int32_t meters = (int32_t)(1000 * (i + 1));
        trip_sender_trip(&sender, ids[i], "user-w", meters, 60, 0);
        farebox_audit_add(&audit, ids[i], "user-w", meters, 60);
    }
    trip_sender_flush(&sender);
    farebox_wait_for_settled(&process, &audit);
    farebox_audit_expect(&audit, true, &findings);
}

static void trap_06_ten_copies_of_a_trip_at_once_are_one_charge_and_one_event(void **state)
{
    struct audit_findings before;
    struct audit_findings findings;
    (void)state;
    farebox_audit_judge(&audit, true, &before);
    for (int copy = 0; copy < COPIES; copy++) {
        for (int trip = 0; trip < TRIPS; trip++) {
            char id[32];
            (void)snprintf(id, sizeof(id), "copied-%03d", trip);
            trip_sender_trip(&sender, id, "user-c", 1000 + trip, 300,
                             (copy + trip) % TRIP_SENDER_PARTITIONS);
            if (copy == 0) {
                farebox_audit_add(&audit, id, "user-c", 1000 + trip, 300);
            }
        }
    }
    trip_sender_flush(&sender);
    farebox_wait_for_settled(&process, &audit);
    farebox_audit_expect(&audit, true, &findings);
    assert_int_equal(findings.completed, before.completed + TRIPS);
    assert_int_equal(findings.events, before.events + TRIPS);
    assert_int_equal(findings.dead, before.dead);
    assert_int_equal(findings.refunded_krw, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_may_never_be_charged_is_a_dead_letter_that_says_why),
        cmocka_unit_test(the_longest_id_is_paid_and_a_longer_one_is_not),
        cmocka_unit_test(trap_22_ids_that_a_loose_collation_mixes_up_are_trips_of_their_own),
        cmocka_unit_test(trap_06_ten_copies_of_a_trip_at_once_are_one_charge_and_one_event),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
