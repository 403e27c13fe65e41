/* Rows of the old service as records that can be sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "old_service_codec.h"
#include "record_headers.h"

#include <string.h>

#define COMPLETED "{\"tripId\":\"t-1\",\"fare\":5200,\"userId\":\"u\"}"
#define FAILED    "{\"tripId\":\"t-1\",\"reason\":\"declined\"}"

static const struct outcome_settings settings = {0};
static char body[4096];

static struct old_event event_of(int64_t row_id, const char *payload)
{
    return (struct old_event){.row_id = row_id,
                              .created_at_ms = INT64_C(1790000000000),
                              .payload = payload,
                              .payload_len = strlen(payload)};
}

static struct old_event_record must_make(int64_t row_id, const char *payload)
{
    struct old_event event = event_of(row_id, payload);
    struct old_event_record record;
    if (!old_service_event(&event, &settings, body, &record)) {
        fail_msg("%s", payload);
    }
    return record;
}

static void expect_type(const struct old_event_record *record, const char *type)
{
    struct kafka_header headers[KAFKA_HEADERS_MAX];
    size_t count = 0;
    char id[UUID_TEXT_SIZE];
    assert_true(record_headers_decode(record->headers, record->headers_len, headers,
                                      KAFKA_HEADERS_MAX, &count));
    const struct kafka_header *found = record_headers_first(headers, count, "__TypeId__");
    assert_non_null(found);
    assert_int_equal(found->value_len, strlen(type));
    assert_memory_equal(found->value, type, found->value_len);
    found = record_headers_first(headers, count, "id");
    assert_non_null(found);
    uuid_format(&record->event_id, id);
    assert_memory_equal(found->value, id, UUID_TEXT_SIZE - 1);
    assert_non_null(record_headers_first(headers, count, "ce_time"));
}

static void event_has_key_type_and_the_body_as_it_was(void **state)
{
    (void)state;
    struct old_event_record record = must_make(7, COMPLETED);
    assert_string_equal(record.trip_id, "t-1");
    assert_int_equal(record.body_len, strlen(COMPLETED));
    assert_memory_equal(body, COMPLETED, record.body_len);
    expect_type(&record, OUTCOME_TYPE_PREFIX_DEFAULT "PaymentCompletedEvent");
    record = must_make(7, "\"{\\\"tripId\\\":\\\"t-1\\\",\\\"reason\\\":\\\"declined\\\"}\"");
    assert_memory_equal(body, FAILED, record.body_len);
    expect_type(&record, OUTCOME_TYPE_PREFIX_DEFAULT "PaymentFailedEvent");
}

/* Consumers deduplicate by it: one row, one event, however often; two rows, two events. */
static void id_is_the_rows(void **state)
{
    (void)state;
    struct uuid id = must_make(7, COMPLETED).event_id;
    struct uuid again = must_make(7, COMPLETED).event_id;
    struct uuid other_row = must_make(8, COMPLETED).event_id;
    struct uuid other_text = must_make(7, FAILED).event_id;
    assert_true(uuid_equal(&id, &again));
    assert_false(uuid_equal(&id, &other_row));
    assert_false(uuid_equal(&id, &other_text));
    char text[UUID_TEXT_SIZE];
    uuid_format(&id, text);
    assert_string_equal(text, "10c727e2-f374-553b-af73-44e90dd3faa9");
}

static void what_is_neither_event_makes_none(void **state)
{
    (void)state;
    static const char *const payloads[] = {"",
                                           "no JSON",
                                           "[]",
                                           "12",
                                           "{}",
                                           "{\"tripId\":\"t\"}",
                                           "{\"tripId\":\"t\",\"fare\":1,\"reason\":\"r\"}",
                                           "{\"fare\":1,\"userId\":\"u\"}",
                                           "{\"tripId\":\"\",\"fare\":1}",
                                           "{\"tripId\":\"\xc3\xa1\",\"fare\":1}",
                                           "{\"tripId\":7,\"reason\":\"r\"}",
                                           "{\"tripId\":\"t\",\"tripId\":\"u\",\"reason\":\"r\"}"};
    struct old_event_record record;
    for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
        struct old_event event = event_of(1, payloads[i]);
        if (old_service_event(&event, &settings, body, &record)) {
            fail_msg("%s", payloads[i]);
        }
    }
}

static void expect_letter(const char *payload, const char *key, const char *value)
{
    struct old_letter_record record;
    assert_true(old_service_letter("trip_events.DLT", payload, strlen(payload), body, &record));
    assert_string_equal(record.topic, "trip_events");
    assert_string_equal(record.key, key);
    assert_int_equal(record.body_len, strlen(value));
    assert_memory_equal(body, value, record.body_len);
}

static void dead_letter_goes_to_its_origin_with_its_trips_key(void **state)
{
    (void)state;
#define TRIP "{\"tripId\":\"t-1\"}"
    expect_letter(TRIP, "t-1", TRIP);
    expect_letter("\"{\\\"tripId\\\":\\\"t-1\\\"}\"", "t-1", TRIP);
    expect_letter("\"\\\"{\\\\\\\"tripId\\\\\\\":\\\\\\\"t-1\\\\\\\"}\\\"\"", "t-1", TRIP);
    expect_letter("eyJ0cmlwSWQiOiJ0LTEifQ==", "t-1", TRIP);
    expect_letter("\"eyJ0cmlwSWQiOiJ0LTEifQ==\"", "t-1", TRIP);
}

static void dead_letter_that_says_no_trip_has_no_key(void **state)
{
    (void)state;
    expect_letter("no JSON", "", "no JSON");
    expect_letter("\"no JSON\"", "", "no JSON");
    expect_letter("{\"tripId\":null}", "", "{\"tripId\":null}");
    expect_letter("\"bm8gSlNPTg==\"", "", "no JSON");
    expect_letter("", "", "");
    expect_letter("12345678", "", "12345678"); /* a number, not base64 */
    expect_letter("bm8gSlNPTg=", "", "bm8gSlNPTg=");
}

static void no_dead_letter_goes_back_to_a_dlt(void **state)
{
    (void)state;
    struct old_letter_record record;
    assert_true(old_service_letter("trip_events.DLT.DLT", "", 0, body, &record));
    assert_string_equal(record.topic, "trip_events");
    assert_false(old_service_letter("trip_events", "", 0, body, &record));
    assert_false(old_service_letter(".DLT", "", 0, body, &record));
    assert_false(old_service_letter("trip events.DLT", "", 0, body, &record));
    assert_false(old_service_letter("", "", 0, body, &record));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(event_has_key_type_and_the_body_as_it_was),
        cmocka_unit_test(id_is_the_rows),
        cmocka_unit_test(what_is_neither_event_makes_none),
        cmocka_unit_test(dead_letter_goes_to_its_origin_with_its_trips_key),
        cmocka_unit_test(dead_letter_that_says_no_trip_has_no_key),
        cmocka_unit_test(no_dead_letter_goes_back_to_a_dlt),
    };
    return cmocka_run_group_tests_name("old service codec", tests, NULL, NULL);
}
