/* What the bus makes of consumed records, and the bytes that it keeps of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bus_internal.h"
#include "raw_record.h"
#include "record_headers.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_MS INT64_C(1760000000000)

static const char trip[] = "{\"tripId\":\"trip-1\",\"userId\":\"user-1\",\"distanceMeters\":5,"
                           "\"durationSeconds\":6,\"endedAt\":\"2026-10-01T15:40:09\"}";

static struct bus bus = {.trip_topic = "trip_events"};
static struct bus_consumer trips = {.bus = &bus, .topic = TOPIC_TRIPS, .name = "trip_events"};
static struct bus_consumer dead = {.bus = &bus, .topic = TOPIC_DLT, .name = "trip_events.DLT"};
static const struct kafka_partition where = {"trip_events", 2, 7};

static struct kafka_record record_of(const char *topic, const char *value)
{
    return (struct kafka_record){.topic = topic,
                                 .topic_len = strlen(topic),
                                 .value = (const uint8_t *)value,
                                 .value_len = value == NULL ? 0 : strlen(value),
                                 .has_value = value != NULL,
                                 .key = (const uint8_t *)"k\0y",
                                 .key_len = 3,
                                 .has_key = true,
                                 .offset = 42,
                                 .partition = 2,
                                 .timestamp_ms = FIRST_MS + 1000,
                                 .timestamp_type = KAFKA_TIMESTAMP_CREATE};
}

static void a_kept_record_is_what_was_consumed(void **state)
{
    const struct kafka_header headers[] = {{"a", (const uint8_t *)"\0\xff", 1, 2, true},
                                           {"b", NULL, 1, 0, false}};
    struct kafka_record record = record_of("trip_events", trip);
    struct record_message *message;
    struct raw_record raw;

    (void)state;
    record.headers = headers;
    record.header_count = 2;
    message = bus_record_read(&trips, &where, &record);
    raw_record_decode(message->bytes, message->raw_len, &raw);
    assert_int_equal(raw.record.topic_len, record.topic_len);
    assert_memory_equal(raw.record.topic, record.topic, record.topic_len);
    assert_int_equal(raw.record.key_len, 3);
    assert_memory_equal(raw.record.key, "k\0y", 3);
    assert_int_equal(raw.record.value_len, strlen(trip));
    assert_memory_equal(raw.record.value, trip, strlen(trip));
    assert_int_equal(raw.record.offset, 42);
    assert_int_equal(raw.record.partition, 2);
    assert_int_equal(raw.record.timestamp_ms, FIRST_MS + 1000);
    assert_int_equal(raw.record.timestamp_type, KAFKA_TIMESTAMP_CREATE);
    assert_int_equal(raw.record.header_count, 2);
    assert_memory_equal(raw.record.headers[0].value, "\0\xff", 2);
    assert_false(raw.record.headers[1].has_value);
    free(message);
}

static void a_null_key_and_a_null_value_are_not_empty_ones(void **state)
{
    struct kafka_record record = record_of("trip_events", NULL);
    struct record_message *message;
    struct raw_record raw;

    (void)state;
    record.has_key = false;
    message = bus_record_read(&trips, &where, &record);
    assert_int_equal(message->kind, RECORD_MALFORMED);
    raw_record_decode(message->bytes, message->raw_len, &raw);
    assert_false(raw.record.has_key);
    assert_false(raw.record.has_value);
    free(message);
}

static void a_trip_carries_its_payment_id_and_where_it_came_from(void **state)
{
    struct kafka_record record = record_of("trip_events", trip);
    struct record_message *message = bus_record_read(&trips, &where, &record);
    struct raw_trip priced;

    (void)state;
    assert_int_equal(message->kind, RECORD_TRIP);
    assert_string_equal(message->as.trip.trip_id, "trip-1");
    assert_string_equal(message->as.trip.user_id, "user-1");
    assert_false(uuid_is_nil(&message->as.trip.payment_id));
    assert_int_equal(message->partition, 2);
    assert_int_equal(message->assignment, 7);
    assert_int_equal(message->offset, 42);
    assert_int_equal(message->timestamp_ms, FIRST_MS + 1000);
    raw_record_trip(message->bytes, message->raw_len, &priced);
    assert_int_equal(priced.distance_meters, 5);
    assert_int_equal(priced.duration_seconds, 6);
    assert_string_equal(priced.ended_at, "2026-10-01T15:40:09");
    free(message);
}

/* The first time that it was sent counts for its age, however often it was sent back. */
static void a_record_sent_back_keeps_its_first_timestamp(void **state)
{
    static uint8_t bytes[KAFKA_HEADERS_BYTES_MAX];
    struct kafka_header headers[KAFKA_HEADERS_MAX];
    const struct dead_letter_exception exception = {.fqcn = "x", .message = "y"};
    struct kafka_record record = record_of("trip_events", trip);
    struct record_message *message;
    size_t len = 0;
    size_t count = 0;

    (void)state;
    record.timestamp_ms = FIRST_MS;
    assert_true(
        dead_letter_codec_headers(&record, "group", &exception, bytes, sizeof(bytes), &len));
    assert_true(record_headers_decode(bytes, len, headers, KAFKA_HEADERS_MAX, &count));
    record.headers = headers;
    record.header_count = count;
    record.timestamp_ms = FIRST_MS + 1000;
    message = bus_record_read(&trips, &where, &record);
    assert_int_equal(message->kind, RECORD_TRIP);
    assert_int_equal(message->timestamp_ms, FIRST_MS);
    free(message);
}

static void a_malformed_record_says_what_is_wrong(void **state)
{
    struct kafka_record record = record_of("trip_events", "hello");
    struct record_message *message = bus_record_read(&trips, &where, &record);

    (void)state;
    assert_int_equal(message->kind, RECORD_MALFORMED);
    assert_non_null(strstr(message->as.error, "NOT_JSON"));
    free(message);
}

static void a_dead_letter_without_origin_goes_back_where_trips_come_from(void **state)
{
    struct kafka_record record = record_of("odd-name", "hello");
    struct record_message *message = bus_record_read(&dead, &where, &record);

    (void)state;
    assert_int_equal(message->kind, RECORD_DEAD);
    assert_string_equal(message->as.dead.topic, "trip_events");
    assert_int_equal(message->as.dead.partition, 2);
    assert_int_equal(message->as.dead.offset, 42);
    free(message);
}

static const struct kafka_header broke = {"kafka_dlt-exception-message",
                                          (const uint8_t *)"it broke", 27, 8, true};

/* A record of the DLT as it was sent, but for a part that is this long. */
static struct kafka_record long_dead_letter(size_t key_len, size_t value_len)
{
    static uint8_t bytes[STORE_BODY_MAX + 1];
    struct kafka_record record = record_of("trip_events.DLT", NULL);

    record.key = bytes;
    record.key_len = key_len;
    record.value = bytes;
    record.value_len = value_len;
    record.has_value = true;
    record.headers = &broke;
    record.header_count = 1;
    return record;
}

static void a_dead_letter_at_the_store_s_limits_is_kept_whole(void **state)
{
    const struct kafka_record record = long_dead_letter(STORE_KEY_MAX, STORE_BODY_MAX);
    struct record_message *message = bus_record_read(&dead, &where, &record);
    struct raw_record raw;

    (void)state;
    raw_record_decode(message->bytes, message->raw_len, &raw);
    assert_int_equal(raw.record.key_len, STORE_KEY_MAX);
    assert_int_equal(raw.record.value_len, STORE_BODY_MAX);
    assert_string_equal(message->as.dead.error, "it broke");
    free(message);
}

static void what_the_store_can_t_hold_of_a_dead_letter_is_left_out_and_named(void **state)
{
    struct kafka_record record = long_dead_letter(STORE_KEY_MAX + 1, STORE_BODY_MAX);
    struct record_message *message = bus_record_read(&dead, &where, &record);
    struct raw_record raw;

    (void)state;
    raw_record_decode(message->bytes, message->raw_len, &raw);
    assert_false(raw.record.has_key);
    assert_int_equal(raw.record.value_len, STORE_BODY_MAX);
    assert_int_equal(raw.record.header_count, 1);
    assert_string_equal(message->as.dead.error,
                        "key of 65537 bytes left out (limit 65536); the whole record is in "
                        "trip_events.DLT partition 2 offset 42: it broke");
    assert_string_equal(message->as.dead.topic, "trip_events");
    free(message);

    record = long_dead_letter(70000, STORE_BODY_MAX + 1);
    record.headers_cut = true;
    record.header_count = 0;
    message = bus_record_read(&dead, &where, &record);
    raw_record_decode(message->bytes, message->raw_len, &raw);
    assert_false(raw.record.has_key || raw.record.has_value);
    assert_string_equal(message->as.dead.error,
                        "key of 70000 bytes left out (limit 65536), "
                        "value of 1048577 bytes left out (limit 1048576), "
                        "some headers left out (limit 256, and 262144 bytes); "
                        "the whole record is in trip_events.DLT partition 2 offset 42");
    free(message);
}

static void a_note_before_a_long_error_ends_at_a_character_s_end(void **state)
{
    char error[DEAD_LETTER_TEXT_MAX + 1] = {0};
    struct kafka_header header = broke;
    struct kafka_record record = long_dead_letter(70000, 1);
    size_t lens[3];

    (void)state;
    header.value = (const uint8_t *)error;
    header.value_len = DEAD_LETTER_TEXT_MAX;
    record.headers = &header;
    for (size_t shift = 0; shift < 3; shift++) {
        struct record_message *message;

        memset(error, 'x', DEAD_LETTER_TEXT_MAX);
        for (size_t at = shift; at + 3 <= DEAD_LETTER_TEXT_MAX; at += 3) {
            memcpy(error + at, "\xec\x9b\x90", 3);
        }
        message = bus_record_read(&dead, &where, &record);
        lens[shift] = strlen(message->as.dead.error);
        assert_in_range(lens[shift], DEAD_LETTER_TEXT_MAX - 2, DEAD_LETTER_TEXT_MAX);
        assert_memory_equal(message->as.dead.error, "key of 70000 bytes", 18);
        assert_memory_equal(message->as.dead.error + lens[shift] - 3, "\xec\x9b\x90", 3);
        free(message);
    }
    /* Each of the three places in a character was a limit once. */
    assert_int_equal(lens[0] + lens[1] + lens[2], 3 * DEAD_LETTER_TEXT_MAX - 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kept_record_is_what_was_consumed),
        cmocka_unit_test(a_null_key_and_a_null_value_are_not_empty_ones),
        cmocka_unit_test(a_trip_carries_its_payment_id_and_where_it_came_from),
        cmocka_unit_test(a_record_sent_back_keeps_its_first_timestamp),
        cmocka_unit_test(a_malformed_record_says_what_is_wrong),
        cmocka_unit_test(a_dead_letter_without_origin_goes_back_where_trips_come_from),
        cmocka_unit_test(a_dead_letter_at_the_store_s_limits_is_kept_whole),
        cmocka_unit_test(what_the_store_can_t_hold_of_a_dead_letter_is_left_out_and_named),
        cmocka_unit_test(a_note_before_a_long_error_ends_at_a_character_s_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
