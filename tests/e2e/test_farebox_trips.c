/* The samples: trip events in every form that the wire knows, and what becomes of each. */
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

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How each of the fake users' billing keys begins. */
#define BILLING_KEY "bk_"

static struct kafka_broker *broker;
static struct farebox_process process;
static struct trip_sender sender;
static struct farebox_audit audit;

enum fate { PAID, IGNORED, DEAD };

/* A sample, and what must become of it. */
struct sample {
    const char *key;
    enum fate fate;
    const char *user;
    int32_t distance_meters;
    int32_t duration_seconds;
};

static const struct sample samples[] = {
    {"trip-0001", PAID, "user-001", 8200, 1260},
    {"trip-0002", PAID, "user-002", 1540, 420},
    {"trip-0003", PAID, "user-003", 22310, 2710},
    {"trip-0004", PAID, "user-004", 3050, 600},
    {"trip-0005", IGNORED, "", 0, 0},
    {"trip-0006", IGNORED, "", 0, 0},
    {"trip-0007", DEAD, "", 0, 0},
    {"trip-0008", DEAD, "", 0, 0},
    {"trip-0009", PAID, "user-009", 5009, 609},
    {"trip-0010", PAID, "user-010", 5010, 610},
    {"trip-0011", PAID, "user-011", 5011, 611},
    {"trip-0012", PAID, "user-012", 5012, 612},
    {"trip-0013", PAID, "user-013", 5013, 613},
    {"trip-0014", PAID, "user-014", 0, 0},
    {"trip-0015", IGNORED, "", 0, 0},
    {"trip-0016", DEAD, "", 0, 0},
    {"trip-0017", DEAD, "", 0, 0},
    {"trip-0018", DEAD, "", 0, 0},
    {"trip-0019", DEAD, "", 0, 0},
    {"trip-0020", DEAD, "", 0, 0},
};
#define SAMPLES (sizeof(samples) / sizeof(samples[0]))

/* The record of a sample as the topic shows it. */
struct sent {
    const struct sample *sample;
    char value[2048];
    size_t value_len;
    bool has_value;
    int32_t partition;
    int64_t offset;
    int64_t timestamp_ms;
    bool is_in_topic;
    bool is_in_dlt;
};
static struct sent sents[SAMPLES];

static int open_all(void **state)
{
    (void)state;
    broker = trip_sender_broker(TRIP_SENDER_PARTITIONS);
    farebox_process_init(&process, kafka_broker_bootstrap(broker));
    farebox_process_set(&process, "FAREBOX_FAKE_PG_DELAY_MAX_MS", "50");
    farebox_process_set(&process, "FAREBOX_LOG_LEVEL", "debug");
    farebox_process_set(&process, "FAREBOX_ADMIN_TOKEN", "%s", FIXTURE_TOKEN);
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

static struct sent *sent_of(const struct kafka_record *record)
{
    for (size_t i = 0; i < SAMPLES; i++) {
        sents[i].sample = &samples[i];
        if (record->has_key && strlen(samples[i].key) == record->key_len &&
            memcmp(samples[i].key, record->key, record->key_len) == 0) {
            return &sents[i];
        }
    }
    return NULL;
}

static void send_line(const json_t *line)
{
    struct kafka_header headers[4];
    uint8_t bytes[1024];
    size_t count = 0;
    const char *name = NULL;
    json_t *text = NULL;
    json_t *list = json_object_get(line, "headers");
    const char *value = json_string_value(json_object_get(line, "value"));
    const char *key = json_string_value(json_object_get(line, "key"));
    struct kafka_outgoing record = {.topic = "trip_events",
                                    .key = key,
                                    .key_len = strlen(key),
                                    .value = value,
                                    .value_len = value != NULL ? strlen(value) : 0,
                                    .headers = bytes,
                                    .partition = KAFKA_PARTITION_BY_KEY};
    json_object_foreach(list, name, text)
    {
        headers[count++] = (struct kafka_header){.name = name,
                                                 .name_len = strlen(name),
                                                 .value = (const uint8_t *)json_string_value(text),
                                                 .value_len = json_string_length(text),
                                                 .has_value = true};
    }
    assert_true(record_headers_encode(headers, count, bytes, sizeof(bytes), &record.headers_len));
    trip_sender_send(&sender, &record);
}

static void send_samples(void)
{
    char line[4096];
    FILE *file = fopen("samples/trip_events.jsonl", "r");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        json_t *json = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(json);
        send_line(json);
        json_decref(json);
    }
    (void)fclose(file);
    trip_sender_flush(&sender);
}

/* Notes the first record of each key: the others are copies. */
static void on_sent(void *context, const struct kafka_record *record)
{
    struct sent *sent = sent_of(record);
    (void)context;
    if (sent == NULL || sent->is_in_topic) {
        return;
    }
    sent->is_in_topic = true;
    sent->partition = record->partition;
    sent->offset = record->offset;
    sent->timestamp_ms = record->timestamp_ms;
    sent->has_value = record->has_value;
    assert_true(record->value_len <= sizeof(sent->value));
    sent->value_len = record->value_len;
    memcpy(sent->value, record->has_value ? record->value : (const uint8_t *)"", record->value_len);
}

static void every_sample_becomes_what_it_says(void **state)
{
    size_t dead = 0;
    struct audit_findings findings;
    (void)state;
    send_samples();
    for (size_t i = 0; i < SAMPLES; i++) {
        dead += samples[i].fate == DEAD;
        if (samples[i].fate == PAID) {
            farebox_audit_add(&audit, samples[i].key, samples[i].user, samples[i].distance_meters,
                              samples[i].duration_seconds);
        }
    }
    farebox_wait_for_settled(&process, &audit);
    farebox_wait_for_records(&process, kafka_broker_bootstrap(broker), "trip_events.DLT", dead);
    farebox_audit_expect(&audit, true, &findings);
    assert_int_equal(findings.completed, audit.count);
    assert_int_equal(findings.dead, dead);
    assert_int_equal(findings.events, audit.count);
}

static void trap_16_other_event_types_are_counted_and_never_paid(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLES; i++) {
        char line[100];
        struct reply reply;
        if (samples[i].fate == PAID) {
            continue;
        }
        (void)snprintf(line, sizeof(line), "GET /internal/api/payments?tripId=%s", samples[i].key);
        http_client_ask(process.http_port, line, "", &reply);
        assert_int_equal(reply.status, 404);
        reply_clear(&reply);
    }
    assert_true(http_client_metric(process.http_port,
                                   "farebox_records_total{topic=\"trips\",kind=\"ignored\"}") == 3);
}

static int64_t big_endian(const struct kafka_record *record, const char *name, size_t size)
{
    const struct kafka_header *header =
        record_headers_first(record->headers, record->header_count, name);
    uint64_t number = 0;
    assert_non_null(header);
    assert_int_equal(header->value_len, size);
    for (size_t i = 0; i < size; i++) {
        number = number << 8 | header->value[i];
    }
    return (int64_t)number;
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

static void on_dead_letter(void *context, const struct kafka_record *record)
{
    struct sent *sent = sent_of(record);
    (void)context;
    if (sent == NULL || sent->sample->fate != DEAD) {
        fail_msg("a dead letter of '%.*s'", (int)record->key_len, (const char *)record->key);
        return;
    }
    assert_false(sent->is_in_dlt);
    sent->is_in_dlt = true;
    assert_int_equal(record->partition, sent->partition);
    assert_int_equal(record->has_value, sent->has_value);
    assert_int_equal(record->value_len, sent->value_len);
    if (sent->has_value) {
        assert_memory_equal(record->value, sent->value, sent->value_len);
    }
    assert_int_equal(big_endian(record, "kafka_dlt-original-partition", 4), sent->partition);
    assert_int_equal(big_endian(record, "kafka_dlt-original-offset", 8), sent->offset);
    assert_int_equal(big_endian(record, "kafka_dlt-original-timestamp", 8), sent->timestamp_ms);
    assert_string_equal(header_text(record, "kafka_dlt-original-topic"), "trip_events");
    assert_string_equal(header_text(record, "kafka_dlt-original-timestamp-type"), "CreateTime");
    assert_string_equal(header_text(record, "kafka_dlt-original-consumer-group"),
                        "payment-service-reactive-group");
    assert_true(header_text(record, "kafka_dlt-exception-fqcn")[0] != '\0');
    assert_true(header_text(record, "kafka_dlt-exception-message")[0] != '\0');
    if (strcmp(sent->sample->key, "trip-0007") == 0) {
        assert_string_equal(header_text(record, "__TypeId__"),
                            "com.example.trip_service.kafka.dto.TripCompletedEvent");
    }
}

static void trap_09_each_bad_record_is_a_dead_letter_as_it_was_sent(void **state)
{
    (void)state;
    (void)trip_sender_read(kafka_broker_bootstrap(broker), "trip_events", on_sent, NULL);
    (void)trip_sender_read(kafka_broker_bootstrap(broker), "trip_events.DLT", on_dead_letter, NULL);
    for (size_t i = 0; i < SAMPLES; i++) {
        assert_true(sents[i].is_in_topic);
        assert_int_equal(sents[i].is_in_dlt, samples[i].fate == DEAD);
    }
}

static void on_outcome(void *context, const struct kafka_record *record)
{
    const struct sent *sent = sent_of(record);
    char id[64];
    (void)context;
    assert_non_null(sent);
    (void)snprintf(id, sizeof(id), "%s", header_text(record, "id"));
    assert_int_equal(strlen(id), 36);
    assert_string_equal(header_text(record, "__TypeId__"),
                        "com.example.payment_service.kafka.dto.PaymentCompletedEvent");
    assert_string_equal(header_text(record, "ce_specversion"), "1.0");
    assert_string_equal(header_text(record, "ce_id"), id);
    assert_string_equal(header_text(record, "ce_type"),
                        "com.example.payment_service.kafka.dto.PaymentCompletedEvent");
    assert_string_equal(header_text(record, "ce_source"), "farebox");
    assert_string_equal(header_text(record, "content-type"), "application/json");
    assert_int_equal(strlen(header_text(record, "ce_time")), strlen("2026-10-01T06:40:09.123Z"));
    assert_string_equal(header_text(record, "traceparent"),
                        strcmp(sent->sample->key, "trip-0013") == 0
                            ? "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
                            : "");
    json_t *json =
        json_loadb((const char *)record->value, record->value_len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    assert_int_equal(json_object_size(json), 3);
    assert_string_equal(json_string_value(json_object_get(json, "tripId")), sent->sample->key);
    assert_string_equal(json_string_value(json_object_get(json, "userId")), sent->sample->user);
    assert_true(json_is_integer(json_object_get(json, "fare")));
    json_decref(json);
}

static void an_outcome_event_has_the_headers_that_consumers_route_on(void **state)
{
    (void)state;
    int64_t count =
        trip_sender_read(kafka_broker_bootstrap(broker), "payment_events", on_outcome, NULL);
    assert_int_equal(count, audit.count);
}

static void get_shows_each_payment(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLES; i++) {
        if (samples[i].fate != PAID) {
            continue;
        }
        json_t *json = http_client_payment(process.http_port, samples[i].key);
        bool is_free = samples[i].distance_meters == 0;
        assert_int_equal(json_object_size(json), 7);
        assert_string_equal(json_string_value(json_object_get(json, "tripId")), samples[i].key);
        assert_string_equal(json_string_value(json_object_get(json, "status")), "COMPLETED");
        assert_int_equal(json_string_length(json_object_get(json, "paymentId")), 36);
        assert_int_equal(json_is_string(json_object_get(json, "pgTransactionId")), !is_free);
        assert_true(json_is_integer(json_object_get(json, "amount")));
        assert_true(json_string_length(json_object_get(json, "requestedAt")) >= 16);
        assert_true(json_string_length(json_object_get(json, "completedAt")) >= 16);
        json_decref(json);
    }
}

static bool holds(const void *bytes, size_t len, const char *secret)
{
    return len > 0 && memmem(bytes, len, secret, strlen(secret)) != NULL;
}

static void expect_no_secret(void *context, const struct kafka_record *record)
{
    (void)context;
    assert_false(holds(record->value, record->value_len, BILLING_KEY));
    assert_false(holds(record->key, record->key_len, BILLING_KEY));
    for (size_t i = 0; i < record->header_count; i++) {
        assert_false(holds(record->headers[i].value, record->headers[i].value_len, BILLING_KEY));
    }
}

static void expect_no_secret_over_http(const char *line)
{
    struct reply reply;
    http_client_ask(process.http_port, line, FIXTURE_AUTHORIZATION, &reply);
    assert_int_equal(reply.status, 200);
    assert_null(strstr(reply.body, BILLING_KEY));
    assert_null(strstr(reply.body, FIXTURE_TOKEN));
    reply_clear(&reply);
}

/* The last one: of everything that the others made it do. The ledger, which is the PG's, has the
 * keys: they were used. */
static void no_billing_key_and_no_token_is_told_anywhere(void **state)
{
    static const char *const topics[] = {"payment_events", "trip_events.DLT"};
    char wal[PROCESS_PATH_SIZE + 8];
    (void)state;
    assert_true(process_file_holds(process.ledger, BILLING_KEY));
    assert_true(process_file_holds(process.log, "payment completed"));
    farebox_process_expect_untold(&process, BILLING_KEY);
    farebox_process_expect_untold(&process, FIXTURE_TOKEN);
    (void)snprintf(wal, sizeof(wal), "%s-wal", process.store);
    assert_true(process_file_holds(process.store, "trip-0001") ||
                process_file_holds(wal, "trip-0001"));
    assert_false(process_file_holds(process.store, BILLING_KEY));
    assert_false(process_file_holds(wal, BILLING_KEY));
    for (size_t i = 0; i < 2; i++) {
        assert_true(trip_sender_read(kafka_broker_bootstrap(broker), topics[i], expect_no_secret,
                                     NULL) > 0);
    }
    expect_no_secret_over_http("GET /metrics");
    expect_no_secret_over_http("GET /actuator/health");
    expect_no_secret_over_http("GET /internal/api/payments?tripId=trip-0001");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_sample_becomes_what_it_says),
        cmocka_unit_test(trap_16_other_event_types_are_counted_and_never_paid),
        cmocka_unit_test(trap_09_each_bad_record_is_a_dead_letter_as_it_was_sent),
        cmocka_unit_test(an_outcome_event_has_the_headers_that_consumers_route_on),
        cmocka_unit_test(get_shows_each_payment),
        cmocka_unit_test(no_billing_key_and_no_token_is_told_anywhere),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
