#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "codec_records.h"
#include "outcome_codec.h"
#include "record_headers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID    "f4a57785-1b51-509a-b967-c59595c25688"
#define TRACE "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

static char body[OUTCOME_BODY_MAX];
static uint8_t headers[OUTCOME_HEADERS_MAX];
static struct kafka_header list[KAFKA_HEADERS_MAX];
static const struct outcome_settings defaults = {.type_prefix = NULL};

static struct outcome_event completed(void)
{
    struct outcome_event event = {.type = OUTCOME_COMPLETED,
                                  .fare_krw = 15200,
                                  .occurred_at_ms = INT64_C(1763803271482),
                                  .trip_id = "trip-0001",
                                  .user_id = "user-001",
                                  .traceparent = TRACE};
    assert_true(uuid_from_text(ID, strlen(ID), &event.payment_id));
    return event;
}

static struct outcome_event failed(void)
{
    struct outcome_event event = completed();
    event.type = OUTCOME_FAILED;
    event.reason = "DECLINED";
    return event;
}

static struct kafka_record encode(const struct outcome_event *event,
                                  const struct outcome_settings *settings)
{
    size_t body_len = 0;
    size_t headers_len = 0;
    assert_true(outcome_codec_body(event, body, sizeof(body), &body_len));
    assert_true(outcome_codec_headers(event, settings, headers, sizeof(headers), &headers_len));
    struct kafka_record record = codec_record(body, body_len);
    record.headers = list;
    assert_true(
        record_headers_decode(headers, headers_len, list, KAFKA_HEADERS_MAX, &record.header_count));
    return record;
}

static void assert_header(const struct kafka_record *record, const char *name, const char *value)
{
    const struct kafka_header *header =
        record_headers_first(record->headers, record->header_count, name);
    assert_non_null(header);
    assert_ptr_equal(header, record_headers_last(record->headers, record->header_count, name));
    assert_true(header->has_value);
    assert_int_equal(header->value_len, strlen(value));
    assert_memory_equal(header->value, value, strlen(value));
}

static void assert_body(const struct kafka_record *record, const char *expected)
{
    assert_int_equal(record->value_len, strlen(expected));
    assert_memory_equal(record->value, expected, strlen(expected));
}

static void bodies_have_the_members_of_the_contract_in_its_order(void **state)
{
    (void)state;
    struct outcome_event event = completed();
    struct kafka_record record = encode(&event, &defaults);
    assert_body(&record, "{\"tripId\":\"trip-0001\",\"fare\":15200,\"userId\":\"user-001\"}");
    event = failed();
    record = encode(&event, &defaults);
    assert_body(&record, "{\"tripId\":\"trip-0001\",\"reason\":\"DECLINED\"}");
}

static void headers_route_identify_and_trace(void **state)
{
    (void)state;
    struct outcome_event event = completed();
    struct kafka_record record = encode(&event, &defaults);
    const char *type = "com.example.payment_service.kafka.dto.PaymentCompletedEvent";
    assert_int_equal(record.header_count, 9);
    assert_header(&record, "__TypeId__", type);
    assert_header(&record, "id", ID);
    assert_header(&record, "ce_specversion", "1.0");
    assert_header(&record, "ce_id", ID);
    assert_header(&record, "ce_source", "/farebox");
    assert_header(&record, "ce_type", type);
    assert_header(&record, "ce_time", "2025-11-22T09:21:11.482Z");
    assert_header(&record, "content-type", "application/json");
    assert_header(&record, "traceparent", TRACE);
}

static void prefix_and_source_are_settings(void **state)
{
    (void)state;
    struct outcome_event event = failed();
    struct outcome_settings settings = {.type_prefix = "p.", .source = "//here/farebox"};
    struct kafka_record record = encode(&event, &settings);
    assert_header(&record, "__TypeId__", "p.PaymentFailedEvent");
    assert_header(&record, "ce_type", "p.PaymentFailedEvent");
    assert_header(&record, "ce_source", "//here/farebox");
}

static void without_a_trace_there_is_no_traceparent_header(void **state)
{
    (void)state;
    struct outcome_event event = completed();
    event.traceparent = "";
    struct kafka_record record = encode(&event, &defaults);
    assert_null(record_headers_first(record.headers, record.header_count, "traceparent"));
    event.traceparent = NULL;
    record = encode(&event, &defaults);
    assert_null(record_headers_first(record.headers, record.header_count, "traceparent"));
}

static void times_are_those_of_the_gregorian_calendar(void **state)
{
    (void)state;
    const struct {
        int64_t ms;
        const char *text;
    } known[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {INT64_C(951782399999), "2000-02-28T23:59:59.999Z"},
        {INT64_C(951782400000), "2000-02-29T00:00:00.000Z"},
        {INT64_C(951868800001), "2000-03-01T00:00:00.001Z"},
        {INT64_C(1735689599000), "2024-12-31T23:59:59.000Z"},
        {INT64_C(4107542400000), "2100-03-01T00:00:00.000Z"},
        {INT64_C(253402300799999), "9999-12-31T23:59:59.999Z"},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        struct outcome_event event = completed();
        event.occurred_at_ms = known[i].ms;
        struct kafka_record record = encode(&event, &defaults);
        assert_header(&record, "ce_time", known[i].text);
    }
    struct outcome_event event = completed();
    size_t len = 0;
    event.occurred_at_ms = -1;
    assert_false(outcome_codec_headers(&event, &defaults, headers, sizeof(headers), &len));
    event.occurred_at_ms = INT64_C(253402300800000);
    assert_false(outcome_codec_headers(&event, &defaults, headers, sizeof(headers), &len));
}

static void what_is_encoded_is_decoded_the_same(void **state)
{
    (void)state;
    uint64_t seed = 5;
    for (int round = 0; round < 3000; round++) {
        struct outcome_event event = round % 2 == 0 ? completed() : failed();
        char trip[STORE_ID_MAX + 1];
        size_t len = codec_random_below(&seed, STORE_ID_MAX) + 1;
        for (size_t i = 0; i < len; i++) {
            trip[i] = (char)(' ' + codec_random_below(&seed, 95));
        }
        trip[len] = '\0';
        event.trip_id = trip;
        event.fare_krw = (int32_t)codec_random_below(&seed, INT32_MAX);
        struct kafka_record record = encode(&event, &defaults);
        struct outcome_decoded decoded;
        assert_true(outcome_codec_decode(&record, &decoded));
        assert_int_equal(decoded.type, event.type);
        assert_string_equal(decoded.trip_id, trip);
        assert_string_equal(decoded.traceparent, TRACE);
        assert_true(decoded.has_event_id);
        assert_true(uuid_equal(&decoded.event_id, &event.payment_id));
        if (event.type == OUTCOME_COMPLETED) {
            assert_int_equal(decoded.fare_krw, event.fare_krw);
            assert_string_equal(decoded.user_id, event.user_id);
        } else {
            assert_string_equal(decoded.reason, event.reason);
        }
    }
}

static void the_largest_event_fits_the_documented_buffers(void **state)
{
    (void)state;
    char text[STORE_ID_MAX + 1];
    char prefix[OUTCOME_PREFIX_MAX + 1];
    memset(text, '"', sizeof(text) - 1);
    text[STORE_ID_MAX] = '\0';
    memset(prefix, 'p', sizeof(prefix) - 1);
    prefix[OUTCOME_PREFIX_MAX] = '\0';
    struct outcome_event event = completed();
    event.trip_id = text;
    event.user_id = text;
    struct outcome_settings settings = {.type_prefix = prefix, .source = prefix};
    (void)encode(&event, &settings);
}

static void assert_not_encoded(const struct outcome_event *event)
{
    size_t len = 99;
    assert_false(outcome_codec_body(event, body, sizeof(body), &len));
    assert_int_equal(len, 99);
}

static void events_beyond_their_limits_are_not_encoded(void **state)
{
    (void)state;
    char text[STORE_ID_MAX + 2];
    memset(text, 'x', sizeof(text) - 1);
    text[STORE_ID_MAX + 1] = '\0';
    struct outcome_event event = completed();
    event.trip_id = text;
    assert_not_encoded(&event);
    event = completed();
    event.trip_id = "";
    assert_not_encoded(&event);
    event = completed();
    event.user_id = NULL;
    assert_not_encoded(&event);
    event = completed();
    event.fare_krw = -1;
    assert_not_encoded(&event);
    event = failed();
    event.reason = "\xff";
    assert_not_encoded(&event);
    event = completed();
    event.type = OUTCOME_NONE;
    assert_not_encoded(&event);
}

static void a_buffer_that_is_too_small_is_refused(void **state)
{
    (void)state;
    struct outcome_event event = completed();
    struct kafka_record record = encode(&event, &defaults);
    size_t needed = record.value_len;
    size_t len = 0;
    for (size_t capacity = 0; capacity < needed; capacity++) {
        char *small = malloc(capacity + 1);
        assert_non_null(small);
        assert_false(outcome_codec_body(&event, small, capacity, &len));
        free(small);
    }
    assert_true(outcome_codec_body(&event, body, needed, &len));
    assert_false(outcome_codec_headers(&event, &defaults, headers, 100, &len));
}

static bool decodes(const char *value, const char *type)
{
    struct kafka_record record = codec_record(value, strlen(value));
    struct kafka_header header = codec_header("__TypeId__", type);
    record.headers = &header;
    record.header_count = type == NULL ? 0 : 1;
    struct outcome_decoded decoded;
    return outcome_codec_decode(&record, &decoded);
}

static void a_decoder_takes_only_the_two_events(void **state)
{
    (void)state;
    const char *done = "{\"tripId\":\"t\",\"fare\":0,\"userId\":\"u\"}";
    const char *lost = "{\"tripId\":\"t\",\"reason\":\"r\"}";
    assert_true(decodes(done, NULL));
    assert_true(decodes(lost, NULL));
    assert_true(decodes(done, "PaymentCompletedEvent"));
    assert_true(decodes(lost, "a.PaymentFailedEvent"));
    assert_false(decodes(lost, "a.PaymentCompletedEvent"));
    assert_false(decodes(done, "a.PaymentFailedEvent"));
    assert_false(decodes(done, "a.NotPaymentCompletedEvent"));
    assert_false(decodes("{\"tripId\":\"t\",\"fare\":1.5,\"userId\":\"u\"}", NULL));
    assert_false(decodes("{\"tripId\":\"t\",\"fare\":1,\"fare\":1,\"userId\":\"u\"}", NULL));
    assert_false(decodes("[]", NULL));
    assert_false(decodes("", NULL));
    struct kafka_record none = codec_record(NULL, 0);
    struct outcome_decoded decoded;
    assert_false(outcome_codec_decode(&none, &decoded));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_have_the_members_of_the_contract_in_its_order),
        cmocka_unit_test(headers_route_identify_and_trace),
        cmocka_unit_test(prefix_and_source_are_settings),
        cmocka_unit_test(without_a_trace_there_is_no_traceparent_header),
        cmocka_unit_test(times_are_those_of_the_gregorian_calendar),
        cmocka_unit_test(what_is_encoded_is_decoded_the_same),
        cmocka_unit_test(the_largest_event_fits_the_documented_buffers),
        cmocka_unit_test(events_beyond_their_limits_are_not_encoded),
        cmocka_unit_test(a_buffer_that_is_too_small_is_refused),
        cmocka_unit_test(a_decoder_takes_only_the_two_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
