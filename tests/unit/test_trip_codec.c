#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "codec_records.h"
#include "trip_codec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DTO "com.example.trip_service.kafka.dto."
#define TRIP(members)                                                                              \
    "{\"tripId\":\"t-1\",\"userId\":\"u-1\",\"distanceMeters\":8200,\"durationSeconds\":"          \
    "1260," members "}"
#define ENDED(time) TRIP("\"endedAt\":" time)
#define GOOD        ENDED("\"2026-11-22T09:14:31.5\"")

static struct trip_decoded result;

static enum trip_verdict decode_bytes(const void *value, size_t len, const char *type)
{
    struct kafka_record record = codec_record(value, len);
    struct kafka_header header = codec_header("__TypeId__", type);
    if (type != NULL) {
        record.headers = &header;
        record.header_count = 1;
    }
    return trip_codec_decode(&record, &result);
}

static enum trip_verdict decode(const char *value, const char *type)
{
    return decode_bytes(value, strlen(value), type);
}

static void assert_malformed(const char *value, enum trip_malformed reason)
{
    assert_int_equal(decode(value, NULL), TRIP_MALFORMED);
    if (result.malformed != reason) {
        fail_msg("%s: %s (%s), not %s", value, trip_codec_malformed_name(result.malformed),
                 result.message, trip_codec_malformed_name(reason));
    }
    assert_true(result.message[0] != '\0');
    assert_string_equal(result.completed.trip_id, "");
}

static void a_plain_object_is_decoded_whole(void **state)
{
    (void)state;
    const char *value = "{\"tripId\":\"t-1\",\"userId\":\"u-1\",\"driverId\":\"d-1\","
                        "\"distanceMeters\":8200,\"durationSeconds\":1260,"
                        "\"endedAt\":\"2026-11-22T09:14:31.482913\"}";
    assert_int_equal(decode(value, DTO "TripCompletedEvent"), TRIP_COMPLETED);
    assert_string_equal(result.completed.trip_id, "t-1");
    assert_string_equal(result.completed.user_id, "u-1");
    assert_string_equal(result.completed.driver_id, "d-1");
    assert_int_equal(result.completed.distance_meters, 8200);
    assert_int_equal(result.completed.duration_seconds, 1260);
    assert_string_equal(result.completed.ended_at, "2026-11-22T09:14:31.482913");
    assert_string_equal(result.completed.traceparent, "");
    assert_string_equal(result.message, "");
}

static void the_quoted_form_is_unwrapped_and_so_is_a_quoted_dead_letter_of_it(void **state)
{
    (void)state;
    const char *once =
        "\"{\\\"tripId\\\":\\\"t\\\",\\\"userId\\\":\\\"u\\\",\\\"distanceMeters\\\":1,"
        "\\\"durationSeconds\\\":2,\\\"endedAt\\\":\\\"2026-11-22T09:14\\\"}\"";
    assert_int_equal(decode(once, "java.lang.String"), TRIP_COMPLETED);
    assert_string_equal(result.completed.trip_id, "t");
    assert_int_equal(decode(once, DTO "TripCompletedEvent"), TRIP_COMPLETED);
    const char *twice = "\"\\\"{\\\\\\\"tripId\\\\\\\":\\\\\\\"t\\\\\\\","
                        "\\\\\\\"canceledBy\\\\\\\":\\\\\\\"u\\\\\\\"}\\\"\"";
    assert_int_equal(decode(twice, "java.lang.String"), TRIP_IGNORED);
    assert_int_equal(result.ignored, TRIP_CANCELED);
    assert_malformed("\"\\\"\\\\\\\"{}\\\\\\\"\\\"\"", TRIP_NOT_AN_OBJECT);
    assert_malformed("\"\"", TRIP_NOT_JSON);
    assert_malformed("\"hello\"", TRIP_NOT_JSON);
}

static void the_header_s_last_segment_names_the_type(void **state)
{
    (void)state;
    const char *arrived = "{\"tripId\":\"t\",\"userId\":\"u\"}";
    assert_int_equal(decode(GOOD, "TripCompletedEvent"), TRIP_COMPLETED);
    assert_int_equal(decode(GOOD, "x.y.DriverArrivedEvent"), TRIP_IGNORED);
    assert_int_equal(result.ignored, TRIP_DRIVER_ARRIVED);
    assert_int_equal(decode(GOOD, "TripCanceledEvent"), TRIP_IGNORED);
    assert_int_equal(result.ignored, TRIP_CANCELED);
    /* The header says completed: then members that look like another type do not help. */
    assert_int_equal(decode(arrived, DTO "TripCompletedEvent"), TRIP_MALFORMED);
    assert_int_equal(result.malformed, TRIP_MISSING_MEMBER);
    assert_int_equal(decode(arrived, "a.b.MyTripCompletedEvent"), TRIP_IGNORED);
    assert_int_equal(decode(GOOD, "tripcompletedevent.x"), TRIP_COMPLETED);
}

static void java_names_unknown_names_and_no_name_leave_it_to_the_members(void **state)
{
    (void)state;
    const char *const types[] = {
        NULL,    "",   "java.lang.String",   "java.util.LinkedHashMap", "java.x.TripCanceledEvent",
        "token", "[B", "TripCompletedEvent."};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        assert_int_equal(decode(GOOD, types[i]), TRIP_COMPLETED);
        assert_int_equal(decode("{\"tripId\":\"t\",\"userId\":\"u\"}", types[i]), TRIP_IGNORED);
        assert_int_equal(result.ignored, TRIP_DRIVER_ARRIVED);
        assert_int_equal(decode("{\"tripId\":\"t\",\"canceledBy\":null}", types[i]), TRIP_IGNORED);
        assert_int_equal(result.ignored, TRIP_CANCELED);
    }
}

static void the_last_type_header_counts(void **state)
{
    (void)state;
    struct kafka_record record = codec_record(GOOD, strlen(GOOD));
    struct kafka_header list[] = {codec_header("__TypeId__", "TripCanceledEvent"),
                                  codec_header("__TypeId__", "TripCompletedEvent"),
                                  codec_header("other", "TripCanceledEvent")};
    record.headers = list;
    record.header_count = 3;
    assert_int_equal(trip_codec_decode(&record, &result), TRIP_COMPLETED);
    list[1].has_value = false;
    assert_int_equal(trip_codec_decode(&record, &result), TRIP_COMPLETED);
}

/* Trap 16. */
static void another_event_type_is_never_read_as_a_completed_trip_with_nulls(void **state)
{
    (void)state;
    assert_int_equal(decode("{\"tripId\":\"t\",\"userId\":\"u\"}", "java.lang.String"),
                     TRIP_IGNORED);
    assert_int_equal(decode("{\"tripId\":\"t\",\"driverId\":\"d\",\"canceledBy\":\"USER\"}", NULL),
                     TRIP_IGNORED);
    assert_int_equal(decode("{\"tripId\":\"t\",\"userId\":\"u\"}", DTO "DriverArrivedEvent"),
                     TRIP_IGNORED);
}

static void one_member_of_a_completed_trip_makes_it_one_even_null(void **state)
{
    (void)state;
    assert_malformed("{\"tripId\":\"t\",\"userId\":\"u\",\"endedAt\":null}", TRIP_MISSING_MEMBER);
    assert_malformed("{\"tripId\":\"t\",\"userId\":\"u\",\"distanceMeters\":null}",
                     TRIP_MISSING_MEMBER);
    assert_malformed("{\"durationSeconds\":1,\"canceledBy\":\"USER\"}", TRIP_MISSING_MEMBER);
}

static void members_that_fit_no_type_are_malformed(void **state)
{
    (void)state;
    assert_malformed("{}", TRIP_UNKNOWN_SHAPE);
    assert_malformed("{\"tripId\":\"t\"}", TRIP_UNKNOWN_SHAPE);
    assert_malformed("{\"tripId\":\"t\",\"userId\":\"u\",\"startedAt\":1}", TRIP_UNKNOWN_SHAPE);
    assert_malformed("{\"tripId\":\"t\",\"userId\":null}", TRIP_UNKNOWN_SHAPE);
}

static void each_needed_member_is_needed(void **state)
{
    (void)state;
    const char *const names[] = {"tripId", "userId", "distanceMeters", "durationSeconds",
                                 "endedAt"};
    const char *const values[] = {"\"t\"", "\"u\"", "1", "2", "\"2026-11-22T09:14\""};
    for (size_t left_out = 0; left_out < 5; left_out++) {
        for (int as_null = 0; as_null < 2; as_null++) {
            char value[256] = "{\"x\":0";
            for (size_t i = 0; i < 5; i++) {
                size_t at = strlen(value);
                if (i == left_out && as_null == 0) {
                    continue;
                }
                (void)snprintf(value + at, sizeof(value) - at, ",\"%s\":%s", names[i],
                               i == left_out ? "null" : values[i]);
            }
            strcat(value, "}");
            assert_malformed(value, TRIP_MISSING_MEMBER);
            assert_non_null(strstr(result.message, names[left_out]));
        }
    }
}

static void the_driver_may_be_missing_or_null_but_not_wrong(void **state)
{
    (void)state;
    assert_int_equal(decode(GOOD, NULL), TRIP_COMPLETED);
    assert_string_equal(result.completed.driver_id, "");
    assert_int_equal(decode(TRIP("\"endedAt\":[2026,1,1,0,0],\"driverId\":null"), NULL),
                     TRIP_COMPLETED);
    assert_malformed(TRIP("\"endedAt\":[2026,1,1,0,0],\"driverId\":7"), TRIP_BAD_ID);
    assert_malformed(TRIP("\"endedAt\":[2026,1,1,0,0],\"driverId\":\"\""), TRIP_BAD_ID);
}

static void a_member_twice_is_malformed_also_where_it_is_quoted_or_escaped(void **state)
{
    (void)state;
    assert_malformed(TRIP("\"tripId\":\"t-2\",\"endedAt\":[2026,1,1,0,0]"), TRIP_DOUBLE_MEMBER);
    assert_malformed(TRIP("\"trip\\u0049d\":\"t-2\",\"endedAt\":[2026,1,1,0,0]"),
                     TRIP_DOUBLE_MEMBER);
    assert_malformed("\"{\\\"tripId\\\":1,\\\"tripId\\\":2}\"", TRIP_DOUBLE_MEMBER);
    assert_malformed(TRIP("\"endedAt\":[2026,1,1,0,0],\"x\":{\"y\":1,\"y\":1}"),
                     TRIP_DOUBLE_MEMBER);
}

static void unknown_members_are_ignored(void **state)
{
    (void)state;
    assert_int_equal(decode(TRIP("\"endedAt\":[2026,1,1,0,0],\"x\":[1,{\"y\":\"\\u0000\"}]"), NULL),
                     TRIP_COMPLETED);
}

/* Trap 9: what cannot be read has a verdict of its own, and a reason. */
static void bytes_that_are_not_json_are_malformed(void **state)
{
    (void)state;
    assert_malformed("hello", TRIP_NOT_JSON);
    assert_malformed("", TRIP_NOT_JSON);
    assert_malformed(" ", TRIP_NOT_JSON);
    assert_malformed("{\"tripId\":", TRIP_NOT_JSON);
    assert_malformed(GOOD "x", TRIP_NOT_JSON);
    assert_malformed(GOOD GOOD, TRIP_NOT_JSON);
    assert_malformed("\xef\xbb\xbf" GOOD, TRIP_NOT_JSON);
    assert_malformed("{\"tripId\":\"\xff\"}", TRIP_NOT_JSON);
    assert_malformed("{\"tripId\":\"\xed\xa0\x80\"}", TRIP_NOT_JSON);
    assert_malformed("{\"x\":1e999}", TRIP_NOT_JSON);
    assert_malformed("null", TRIP_NOT_AN_OBJECT);
    assert_malformed("[]", TRIP_NOT_AN_OBJECT);
    assert_malformed("42", TRIP_NOT_AN_OBJECT);
    assert_int_equal(decode_bytes("{}\0", 3, NULL), TRIP_MALFORMED);
}

static void a_tombstone_is_malformed_whatever_its_type(void **state)
{
    (void)state;
    assert_int_equal(decode_bytes(NULL, 0, NULL), TRIP_MALFORMED);
    assert_int_equal(result.malformed, TRIP_NO_VALUE);
    assert_int_equal(decode_bytes(NULL, 0, "TripCanceledEvent"), TRIP_MALFORMED);
}

static void a_typed_record_must_still_be_readable_to_be_skipped(void **state)
{
    (void)state;
    assert_int_equal(decode("hello", "TripCanceledEvent"), TRIP_MALFORMED);
}

static void assert_trip_id(const char *json, enum trip_verdict verdict)
{
    char value[1024];
    (void)snprintf(value, sizeof(value),
                   "{\"tripId\":%s,\"userId\":\"u\",\"distanceMeters\":1,"
                   "\"durationSeconds\":1,\"endedAt\":[2026,1,1,0,0]}",
                   json);
    assert_int_equal(decode(value, NULL), verdict);
    if (verdict == TRIP_MALFORMED) {
        assert_int_equal(result.malformed, TRIP_BAD_ID);
        assert_non_null(strstr(result.message, "tripId"));
    }
}

/* Trap 22: nothing that a collation could fold, cut or pad gets past this. */
static void ids_are_1_to_255_printable_ascii_characters(void **state)
{
    (void)state;
    char id[300];
    memset(id, 'x', sizeof(id));
    id[0] = '"';
    id[256] = '"';
    id[257] = '\0';
    assert_trip_id(id, TRIP_COMPLETED);
    assert_int_equal(strlen(result.completed.trip_id), 255);
    id[256] = 'x';
    id[257] = '"';
    id[258] = '\0';
    assert_trip_id(id, TRIP_MALFORMED);
    assert_trip_id("\" ~\"", TRIP_COMPLETED);
    assert_string_equal(result.completed.trip_id, " ~");
    assert_trip_id("\"\"", TRIP_MALFORMED);
    assert_trip_id("\"\xc3\xa1\"", TRIP_MALFORMED);
    assert_trip_id("\"\\u00e1\"", TRIP_MALFORMED);
    assert_trip_id("\"a\\u0000b\"", TRIP_MALFORMED);
    assert_trip_id("\"a\\tb\"", TRIP_MALFORMED);
    assert_trip_id("\"a\x7f\"", TRIP_MALFORMED);
    assert_trip_id("17", TRIP_MALFORMED);
    assert_trip_id("[\"t\"]", TRIP_MALFORMED);
}

static void assert_distance(const char *json, enum trip_verdict verdict)
{
    char value[512];
    (void)snprintf(value, sizeof(value),
                   "{\"tripId\":\"t\",\"userId\":\"u\",\"distanceMeters\":%s,"
                   "\"durationSeconds\":1,\"endedAt\":[2026,1,1,0,0]}",
                   json);
    assert_int_equal(decode(value, NULL), verdict);
}

static void distance_and_duration_are_whole_numbers_in_range(void **state)
{
    (void)state;
    assert_distance("0", TRIP_COMPLETED);
    assert_distance("2147483647", TRIP_COMPLETED);
    assert_int_equal(result.completed.distance_meters, INT32_MAX);
    const char *const wrong[] = {
        "-1", "2147483648", "9223372036854775807", "1.0", "1.5", "1e3", "\"1\"", "true", "[1]"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_distance(wrong[i], TRIP_MALFORMED);
        assert_int_equal(result.malformed, TRIP_BAD_NUMBER);
    }
    assert_distance("99999999999999999999", TRIP_MALFORMED);
    assert_malformed("{\"tripId\":\"t\",\"userId\":\"u\",\"distanceMeters\":1,"
                     "\"durationSeconds\":-7,\"endedAt\":[2026,1,1,0,0]}",
                     TRIP_BAD_NUMBER);
    assert_non_null(strstr(result.message, "durationSeconds is -7"));
    assert_non_null(strstr(result.message, "2147483647"));
}

static void assert_trace(const char *given, const char *expected)
{
    struct kafka_record record = codec_record(GOOD, strlen(GOOD));
    struct kafka_header header = codec_header("traceparent", given);
    record.headers = &header;
    record.header_count = 1;
    assert_int_equal(trip_codec_decode(&record, &result), TRIP_COMPLETED);
    assert_string_equal(result.completed.traceparent, expected);
}

static void only_a_valid_traceparent_is_carried_on(void **state)
{
    (void)state;
#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
    const char *good = "00-" TRACE "-00f067aa0ba902b7-01";
    assert_trace(good, good);
    assert_trace("00-" TRACE "-00f067aa0ba902b7-0", "");
    assert_trace("00-" TRACE "-00f067aa0ba902b7-012", "");
    assert_trace("ff-" TRACE "-00f067aa0ba902b7-01", "");
    assert_trace("00-" TRACE "-0000000000000000-01", "");
    assert_trace("00-00000000000000000000000000000000-00f067aa0ba902b7-01", "");
    assert_trace("00-4BF92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "");
    assert_trace("00_" TRACE "-00f067aa0ba902b7-01", "");
    assert_trace("", "");
    assert_trace(NULL, "");
}

static void values_up_to_1_mb_are_read_and_larger_ones_refused(void **state)
{
    (void)state;
    const char *start = TRIP("\"endedAt\":[2026,1,1,0,0],\"x\":\"\"");
    size_t start_len = strlen(start) - 2;
    size_t len = KAFKA_VALUE_MAX + 1;
    char *value = malloc(len);
    assert_non_null(value);
    memset(value, 'x', len);
    memcpy(value, start, start_len);
    memcpy(value + KAFKA_VALUE_MAX - 2, "\"}", 2);
    assert_int_equal(decode_bytes(value, KAFKA_VALUE_MAX, NULL), TRIP_COMPLETED);
    value[KAFKA_VALUE_MAX] = ' ';
    assert_int_equal(decode_bytes(value, KAFKA_VALUE_MAX + 1, NULL), TRIP_MALFORMED);
    assert_int_equal(result.malformed, TRIP_TOO_LARGE);
    free(value);
}

static void deep_nesting_is_refused_not_followed(void **state)
{
    (void)state;
    size_t len = KAFKA_VALUE_MAX;
    char *value = malloc(len);
    assert_non_null(value);
    memset(value, '[', len);
    assert_int_equal(decode_bytes(value, len, NULL), TRIP_MALFORMED);
    assert_int_equal(result.malformed, TRIP_NOT_JSON);
    free(value);
}

static void headers_beyond_the_bounds_are_malformed(void **state)
{
    (void)state;
    struct kafka_record record = codec_record(GOOD, strlen(GOOD));
    record.headers_cut = true;
    assert_int_equal(trip_codec_decode(&record, &result), TRIP_MALFORMED);
    assert_int_equal(result.malformed, TRIP_TOO_LARGE);
}

static void a_message_is_printable_and_short_whatever_the_input(void **state)
{
    (void)state;
    char value[2048];
    char text[1500];
    memset(text, 'z', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    memcpy(text, "a\\nb\xec\x9b\x90", 7);
    (void)snprintf(value, sizeof(value), TRIP("\"endedAt\":\"%s\""), text);
    assert_malformed(value, TRIP_BAD_TIME);
    assert_true(strlen(result.message) < TRIP_MESSAGE_SIZE);
    assert_null(strstr(result.message, "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"));
    for (const char *c = result.message; *c != '\0'; c++) {
        assert_in_range(*c, ' ', '~');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_object_is_decoded_whole),
        cmocka_unit_test(the_quoted_form_is_unwrapped_and_so_is_a_quoted_dead_letter_of_it),
        cmocka_unit_test(the_header_s_last_segment_names_the_type),
        cmocka_unit_test(java_names_unknown_names_and_no_name_leave_it_to_the_members),
        cmocka_unit_test(the_last_type_header_counts),
        cmocka_unit_test(another_event_type_is_never_read_as_a_completed_trip_with_nulls),
        cmocka_unit_test(one_member_of_a_completed_trip_makes_it_one_even_null),
        cmocka_unit_test(members_that_fit_no_type_are_malformed),
        cmocka_unit_test(each_needed_member_is_needed),
        cmocka_unit_test(the_driver_may_be_missing_or_null_but_not_wrong),
        cmocka_unit_test(a_member_twice_is_malformed_also_where_it_is_quoted_or_escaped),
        cmocka_unit_test(unknown_members_are_ignored),
        cmocka_unit_test(bytes_that_are_not_json_are_malformed),
        cmocka_unit_test(a_tombstone_is_malformed_whatever_its_type),
        cmocka_unit_test(a_typed_record_must_still_be_readable_to_be_skipped),
        cmocka_unit_test(ids_are_1_to_255_printable_ascii_characters),
        cmocka_unit_test(distance_and_duration_are_whole_numbers_in_range),
        cmocka_unit_test(only_a_valid_traceparent_is_carried_on),
        cmocka_unit_test(values_up_to_1_mb_are_read_and_larger_ones_refused),
        cmocka_unit_test(deep_nesting_is_refused_not_followed),
        cmocka_unit_test(headers_beyond_the_bounds_are_malformed),
        cmocka_unit_test(a_message_is_printable_and_short_whatever_the_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
