/* What is kept of a consumed record while it waits, and what pricing wants of its trip. */
#include "raw_record.h"
#include "unit_support.h"

#include <stdlib.h>
#include <string.h>

struct kept {
    const uint8_t *bytes;
    size_t len;
};

static struct kafka_record record_of(const char *value)
{
    static const struct kafka_header headers[] = {{"a", (const uint8_t *)"\0\xff", 1, 2, true},
                                                  {"b", NULL, 1, 0, false}};

    return (struct kafka_record){.topic = "trip_events",
                                 .topic_len = 11,
                                 .key = (const uint8_t *)"k\0y",
                                 .key_len = 3,
                                 .has_key = true,
                                 .value = (const uint8_t *)value,
                                 .value_len = value == NULL ? 0 : strlen(value),
                                 .has_value = value != NULL,
                                 .headers = headers,
                                 .header_count = 2,
                                 .offset = INT64_C(1) << 40,
                                 .partition = 2,
                                 .timestamp_ms = INT64_C(1760000000000),
                                 .timestamp_type = KAFKA_TIMESTAMP_CREATE};
}

/* Exactly as long as it is: a byte beyond it is found. */
static struct kept keep(const struct kafka_record *record, const struct trip_completed *trip)
{
    size_t len = raw_record_size(record);
    uint8_t *bytes = malloc(len);

    assert_non_null(bytes);
    memset(bytes, 0xa5, len);
    raw_record_encode(record, trip, bytes);
    return (struct kept){bytes, len};
}

static void kept_free(struct kept *kept)
{
    free((void *)(uintptr_t)kept->bytes);
}

static void expect_record(const struct kept *kept, const struct kafka_record *record)
{
    struct raw_record raw;

    raw_record_decode(kept->bytes, kept->len, &raw);
    assert_int_equal(raw.record.topic_len, record->topic_len);
    assert_memory_equal(raw.record.topic, record->topic, record->topic_len);
    assert_int_equal(raw.record.has_key, record->has_key);
    assert_int_equal(raw.record.key_len, record->key_len);
    assert_memory_equal(raw.record.key, record->key, record->key_len);
    assert_int_equal(raw.record.has_value, record->has_value);
    assert_int_equal(raw.record.value_len, record->value_len);
    if (record->value_len > 0) {
        assert_memory_equal(raw.record.value, record->value, record->value_len);
    }
    assert_int_equal(raw.record.offset, record->offset);
    assert_int_equal(raw.record.partition, record->partition);
    assert_int_equal(raw.record.timestamp_ms, record->timestamp_ms);
    assert_int_equal(raw.record.timestamp_type, record->timestamp_type);
    assert_int_equal(raw.record.headers_cut, record->headers_cut);
    assert_int_equal(raw.record.header_count, 2);
    assert_memory_equal(raw.record.headers[0].name, "a", 1);
    assert_int_equal(raw.record.headers[0].value_len, 2);
    assert_memory_equal(raw.record.headers[0].value, "\0\xff", 2);
    assert_false(raw.record.headers[1].has_value);
}

static void what_pricing_wants_of_a_trip_comes_back_as_it_was(void **state)
{
    static const struct trip_completed trips[] = {
        {.ended_at = "2026-10-01T15:40", .distance_meters = 0, .duration_seconds = 0},
        {.ended_at = "2026-10-01T15:40:09.123456789",
         .distance_meters = INT32_MAX,
         .duration_seconds = INT32_MAX - 1},
        {.ended_at = "2026-12-31T23:59:59", .distance_meters = 8200, .duration_seconds = 1260},
    };
    const struct kafka_record record = record_of("{\"tripId\":\"trip-1\"}");

    (void)state;
    for (size_t i = 0; i < sizeof(trips) / sizeof(trips[0]); i++) {
        struct kept kept = keep(&record, &trips[i]);
        struct raw_trip trip;

        memset(&trip, 0xa5, sizeof(trip));
        raw_record_trip(kept.bytes, kept.len, &trip);
        assert_int_equal(trip.distance_meters, trips[i].distance_meters);
        assert_int_equal(trip.duration_seconds, trips[i].duration_seconds);
        assert_string_equal(trip.ended_at, trips[i].ended_at);
        kept_free(&kept);
    }
}

static void a_record_is_what_was_consumed_with_a_trip_and_without(void **state)
{
    static const struct trip_completed trip = {
        .ended_at = "2026-10-01T15:40:09", .distance_meters = 5, .duration_seconds = 6};
    struct kafka_record record = record_of("{\"tripId\":\"trip-1\"}");
    const struct kafka_record tombstone = record_of(NULL);
    struct kept with;
    struct kept without;
    struct kept dead;

    (void)state;
    record.headers_cut = true;
    with = keep(&record, &trip);
    without = keep(&record, NULL);
    dead = keep(&tombstone, NULL);
    expect_record(&with, &record);
    expect_record(&without, &record);
    expect_record(&dead, &tombstone);
    assert_int_equal(with.len, without.len);
    kept_free(&with);
    kept_free(&without);
    kept_free(&dead);
}

static void read_trip(void *context)
{
    const struct kept *kept = context;
    struct raw_trip trip;

    raw_record_trip(kept->bytes, kept->len, &trip);
}

static void read_record(void *context)
{
    const struct kept *kept = context;
    struct raw_record raw;

    raw_record_decode(kept->bytes, kept->len, &raw);
}

static void a_trip_read_of_a_record_without_one_is_a_broken_invariant(void **state)
{
    static const struct trip_completed trip = {.ended_at = "2026-10-01T15:40:09"};
    const struct kafka_record record = record_of("not a trip");
    struct kept with = keep(&record, &trip);
    struct kept without = keep(&record, NULL);

    (void)state;
    assert_false(ends_the_process(read_trip, &with));
    assert_true(ends_the_process(read_trip, &without));
    assert_false(ends_the_process(read_record, &without));
    kept_free(&with);
    kept_free(&without);
}

static void bytes_of_another_length_are_a_broken_invariant(void **state)
{
    static const struct trip_completed trip = {.ended_at = "2026-10-01T15:40:09"};
    const struct kafka_record record = record_of("{}");
    const struct kept whole = keep(&record, &trip);
    struct kept kept = whole;

    (void)state;
    for (kept.len = 0; kept.len < whole.len; kept.len += 7) {
        assert_true(ends_the_process(read_trip, &kept));
        assert_true(ends_the_process(read_record, &kept));
    }
    kept.len = whole.len - 1;
    assert_true(ends_the_process(read_trip, &kept));
    assert_true(ends_the_process(read_record, &kept));
    kept_free(&kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_pricing_wants_of_a_trip_comes_back_as_it_was),
        cmocka_unit_test(a_record_is_what_was_consumed_with_a_trip_and_without),
        cmocka_unit_test(a_trip_read_of_a_record_without_one_is_a_broken_invariant),
        cmocka_unit_test(bytes_of_another_length_are_a_broken_invariant),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
