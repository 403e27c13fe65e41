#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "codec_records.h"
#include "trip_codec.h"

#include <stdio.h>
#include <string.h>

static struct trip_decoded result;

static enum trip_verdict decode_ended_at(const char *json)
{
    char value[512];
    (void)snprintf(value, sizeof(value),
                   "{\"tripId\":\"t\",\"userId\":\"u\",\"distanceMeters\":1,"
                   "\"durationSeconds\":1,\"endedAt\":%s}",
                   json);
    struct kafka_record record = codec_record(value, strlen(value));
    return trip_codec_decode(&record, &result);
}

static void assert_ended_at(const char *json, const char *expected)
{
    if (decode_ended_at(json) != TRIP_COMPLETED) {
        fail_msg("%s: %s", json, result.message);
    }
    assert_string_equal(result.completed.ended_at, expected);
}

static void assert_bad_time(const char *json)
{
    if (decode_ended_at(json) != TRIP_MALFORMED) {
        fail_msg("%s was taken", json);
    }
    assert_int_equal(result.malformed, TRIP_BAD_TIME);
    assert_non_null(strstr(result.message, "endedAt"));
}

static void every_text_that_java_prints_is_read(void **state)
{
    (void)state;
    assert_ended_at("\"2026-11-22T09:14\"", "2026-11-22T09:14:00");
    assert_ended_at("\"2026-11-22T09:14:31\"", "2026-11-22T09:14:31");
    assert_ended_at("\"2026-11-22T00:00:00\"", "2026-11-22T00:00:00");
    assert_ended_at("\"2026-11-22T09:14:31.4\"", "2026-11-22T09:14:31.4");
    assert_ended_at("\"2026-11-22T09:14:31.400\"", "2026-11-22T09:14:31.4");
    assert_ended_at("\"2026-11-22T09:14:31.000001\"", "2026-11-22T09:14:31.000001");
    assert_ended_at("\"2026-11-22T09:14:31.123456789\"", "2026-11-22T09:14:31.123456789");
    assert_ended_at("\"2024-02-29T23:59:59.999999999\"", "2024-02-29T23:59:59.999999999");
    assert_ended_at("\"0001-01-01T00:00\"", "0001-01-01T00:00:00");
    assert_ended_at("\"9999-12-31T23:59\"", "9999-12-31T23:59:00");
}

static void every_array_that_jackson_prints_is_read(void **state)
{
    (void)state;
    assert_ended_at("[2026,11,22,9,14]", "2026-11-22T09:14:00");
    assert_ended_at("[2026,11,22,0,0]", "2026-11-22T00:00:00");
    assert_ended_at("[2026,11,22,9,14,31]", "2026-11-22T09:14:31");
    assert_ended_at("[2026,11,22,9,14,0,1000]", "2026-11-22T09:14:00.000001");
    assert_ended_at("[2026,11,22,9,14,31,118000000]", "2026-11-22T09:14:31.118");
    assert_ended_at("[2000,2,29,9,14]", "2000-02-29T09:14:00");
}

static void date_times_that_do_not_exist_are_refused(void **state)
{
    (void)state;
    const char *const wrong[] = {"\"2026-13-01T00:00\"",
                                 "\"2026-00-01T00:00\"",
                                 "\"2026-01-32T00:00\"",
                                 "\"2026-04-31T00:00\"",
                                 "\"2026-02-29T00:00\"",
                                 "\"1900-02-29T00:00\"",
                                 "\"2026-01-00T00:00\"",
                                 "\"2026-01-01T24:00\"",
                                 "\"2026-01-01T00:60\"",
                                 "\"2026-01-01T00:00:60\"",
                                 "\"0000-01-01T00:00\"",
                                 "[2026,2,29,0,0]",
                                 "[2026,1,1,24,0]",
                                 "[2026,1,1,0,60]",
                                 "[2026,1,1,0,0,60]",
                                 "[2026,1,1,0,0,0,1000000000]",
                                 "[2026,1,1,0,0,0,-1]",
                                 "[10000,1,1,0,0]",
                                 "[0,1,1,0,0]",
                                 "[-1,1,1,0,0]",
                                 "[2026,13,1,0,0]",
                                 "[9223372036854775807,1,1,0,0]",
                                 "[2026,9223372036854775807,1,0,0]"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_bad_time(wrong[i]);
    }
}

static void other_forms_of_a_date_time_are_refused(void **state)
{
    (void)state;
    const char *const wrong[] = {"\"\"",
                                 "\"2026-11-22\"",
                                 "\"2026-11-22T09\"",
                                 "\"2026-11-22T09:14:31Z\"",
                                 "\"2026-11-22T09:14:31+09:00\"",
                                 "\"2026-11-22T09:14:31.\"",
                                 "\"2026-11-22T09:14:\"",
                                 "\"2026-11-22T09:14:31.1234567890\"",
                                 "\"2026-11-22T09:14:31.0000000000\"",
                                 "\"2026-11-22t09:14:31\"",
                                 "\"2026-11-22 09:14:31\"",
                                 "\" 2026-11-22T09:14\"",
                                 "\"2026-11-22T09:14 \"",
                                 "\"26-11-22T09:14\"",
                                 "\"+12026-11-22T09:14\"",
                                 "\"2026-1-22T09:14\"",
                                 "\"2026-11-22T09:14.5\"",
                                 "\"2026-11-22T09:14:31\\u0000\"",
                                 "[]",
                                 "[2026,11,22]",
                                 "[2026,11,22,9]",
                                 "[2026,11,22,9,14,31,0,0]",
                                 "[2026,11,22,9,14.0]",
                                 "[2026,11,22,9,\"14\"]",
                                 "[2026,11,22,9,null]",
                                 "1763800000000",
                                 "1763800000.5",
                                 "true",
                                 "{\"year\":2026}"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_bad_time(wrong[i]);
    }
}

static void text_and_array_of_one_instant_give_one_text(void **state)
{
    (void)state;
    uint64_t seed = 3;
    for (int round = 0; round < 5000; round++) {
        unsigned n[7] = {1 + (unsigned)codec_random_below(&seed, 9999),
                         1 + (unsigned)codec_random_below(&seed, 12),
                         1 + (unsigned)codec_random_below(&seed, 28),
                         (unsigned)codec_random_below(&seed, 24),
                         (unsigned)codec_random_below(&seed, 60),
                         (unsigned)codec_random_below(&seed, 60),
                         (unsigned)codec_random_below(&seed, 1000000000)};
        char json[128];
        char first[TRIP_ENDED_AT_SIZE];
        (void)snprintf(json, sizeof(json), "[%u,%u,%u,%u,%u,%u,%u]", n[0], n[1], n[2], n[3], n[4],
                       n[5], n[6]);
        assert_int_equal(decode_ended_at(json), TRIP_COMPLETED);
        memcpy(first, result.completed.ended_at, sizeof(first));
        (void)snprintf(json, sizeof(json), "\"%04u-%02u-%02uT%02u:%02u:%02u.%09u\"", n[0], n[1],
                       n[2], n[3], n[4], n[5], n[6]);
        assert_ended_at(json, first);
        (void)snprintf(json, sizeof(json), "\"%s\"", first);
        assert_ended_at(json, first);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_text_that_java_prints_is_read),
        cmocka_unit_test(every_array_that_jackson_prints_is_read),
        cmocka_unit_test(date_times_that_do_not_exist_are_refused),
        cmocka_unit_test(other_forms_of_a_date_time_are_refused),
        cmocka_unit_test(text_and_array_of_one_instant_give_one_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
