#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "codec_records.h"
#include "trip_codec.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLES            "samples/trip_events.jsonl"
#define SAMPLES_MAX        64
#define SAMPLE_HEADERS_MAX 8
#define MUTATIONS          100000

struct sample {
    json_t *json; /* owns the texts */
    struct kafka_record record;
    struct kafka_header headers[SAMPLE_HEADERS_MAX];
};

static struct sample samples[SAMPLES_MAX];
static size_t sample_count;

static void read_sample(const char *line, struct sample *sample)
{
    sample->json = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(sample->json);
    json_t *value = json_object_get(sample->json, "value");
    assert_non_null(value);
    sample->record = codec_record(json_string_value(value), json_string_length(value));
    sample->record.headers = sample->headers;
    const char *name = NULL;
    json_t *header = NULL;
    json_object_foreach(json_object_get(sample->json, "headers"), name, header)
    {
        assert_true(sample->record.header_count < SAMPLE_HEADERS_MAX);
        sample->headers[sample->record.header_count++] =
            codec_header(name, json_string_value(header));
    }
}

static int read_samples(void **state)
{
    (void)state;
    FILE *file = fopen(SAMPLES, "r");
    assert_non_null(file);
    static char line[8192];
    while (fgets(line, sizeof(line), file) != NULL) {
        assert_true(sample_count < SAMPLES_MAX);
        read_sample(line, &samples[sample_count++]);
    }
    (void)fclose(file);
    return 0;
}

static int free_samples(void **state)
{
    (void)state;
    for (size_t i = 0; i < sample_count; i++) {
        json_decref(samples[i].json);
    }
    return 0;
}

struct expected {
    enum trip_verdict verdict;
    int detail; /* enum trip_ignored or enum trip_malformed */
    const char *trip_id;
    const char *ended_at;
};

static void each_sample_has_its_verdict(void **state)
{
    (void)state;
    const struct expected expected[] = {
        {TRIP_COMPLETED, 0, "trip-0001", "2026-11-22T09:14:31.482913"},
        {TRIP_COMPLETED, 0, "trip-0002", "2026-11-22T09:15:02.118"},
        {TRIP_COMPLETED, 0, "trip-0003", "2026-11-22T09:15:44.118"},
        {TRIP_COMPLETED, 0, "trip-0004", "2026-11-22T09:16:00"},
        {TRIP_COMPLETED, 0, "trip-0001", "2026-11-22T09:14:31.482913"},
        {TRIP_IGNORED, TRIP_DRIVER_ARRIVED, "", ""},
        {TRIP_IGNORED, TRIP_CANCELED, "", ""},
        {TRIP_MALFORMED, TRIP_MISSING_MEMBER, "", ""},
        {TRIP_MALFORMED, TRIP_NOT_JSON, "", ""},
        {TRIP_COMPLETED, 0, "trip-0009", "2026-11-22T09:20:00"},
        {TRIP_COMPLETED, 0, "trip-0010", "2026-11-22T09:21:00"},
        {TRIP_COMPLETED, 0, "trip-0011", "2026-11-22T09:22:05"},
        {TRIP_COMPLETED, 0, "trip-0012", "2026-11-22T09:23:07.123456789"},
        {TRIP_COMPLETED, 0, "trip-0013", "2026-11-22T09:20:00"},
        {TRIP_COMPLETED, 0, "trip-0014", "2026-11-22T09:20:00"},
        {TRIP_IGNORED, TRIP_CANCELED, "", ""},
        {TRIP_MALFORMED, TRIP_DOUBLE_MEMBER, "", ""},
        {TRIP_MALFORMED, TRIP_NO_VALUE, "", ""},
        {TRIP_MALFORMED, TRIP_BAD_ID, "", ""},
        {TRIP_MALFORMED, TRIP_BAD_TIME, "", ""},
        {TRIP_MALFORMED, TRIP_UNKNOWN_SHAPE, "", ""},
    };
    assert_int_equal(sample_count, sizeof(expected) / sizeof(expected[0]));
    for (size_t i = 0; i < sample_count; i++) {
        struct trip_decoded decoded;
        print_message("%s\n", json_string_value(json_object_get(samples[i].json, "what")));
        assert_int_equal(trip_codec_decode(&samples[i].record, &decoded), expected[i].verdict);
        int detail = (int)decoded.ignored + (int)decoded.malformed;
        assert_int_equal(detail, expected[i].detail);
        assert_string_equal(decoded.completed.trip_id, expected[i].trip_id);
        assert_string_equal(decoded.completed.ended_at, expected[i].ended_at);
    }
}

static void assert_whole(const struct trip_decoded *decoded, enum trip_verdict verdict)
{
    assert_int_equal(decoded->verdict, verdict);
    assert_int_equal(decoded->ignored != TRIP_IGNORED_NONE, verdict == TRIP_IGNORED);
    assert_int_equal(decoded->malformed != TRIP_MALFORMED_NONE, verdict == TRIP_MALFORMED);
    assert_int_equal(decoded->message[0] != '\0', verdict == TRIP_MALFORMED);
    assert_int_equal(decoded->completed.trip_id[0] != '\0', verdict == TRIP_COMPLETED);
    if (verdict == TRIP_COMPLETED) {
        assert_in_range(strlen(decoded->completed.user_id), 1, 255);
        assert_in_range(strlen(decoded->completed.ended_at), 19, 29);
        assert_true(decoded->completed.distance_meters >= 0);
        assert_true(decoded->completed.duration_seconds >= 0);
    }
}

/* Changes, inserts, drops or repeats a few bytes; returns the new length. */
static size_t mutate(uint8_t *bytes, size_t len, size_t capacity, uint64_t *seed)
{
    static const char telling[] = "\"\\{}[]:,0192-eE+.nulTtrueZ \t\n\x80\xff";
    for (size_t n = codec_random_below(seed, 4) + 1; n > 0; n--) {
        size_t at = len == 0 ? 0 : codec_random_below(seed, len);
        uint8_t byte = codec_random_below(seed, 2) == 0
                           ? (uint8_t)codec_random(seed)
                           : (uint8_t)telling[codec_random_below(seed, sizeof(telling))];
        switch (codec_random_below(seed, 4)) {
        case 0:
            bytes[at] = byte;
            len = len == 0 ? 1 : len;
            break;
        case 1:
            if (len < capacity) {
                memmove(bytes + at + 1, bytes + at, len - at);
                bytes[at] = byte;
                len++;
            }
            break;
        case 2: {
            size_t drop = len == 0 ? 0 : codec_random_below(seed, len - at < 9 ? len - at : 9);
            memmove(bytes + at, bytes + at + drop, len - at - drop);
            len -= drop;
            break;
        }
        default:
            len = codec_random_below(seed, 8) == 0 ? at : len;
            break;
        }
    }
    return len;
}

static void mutated_samples_end_in_one_of_three_verdicts(void **state)
{
    (void)state;
    static uint8_t bytes[8192];
    uint64_t seed = 2026;
    size_t seen[TRIP_MALFORMED + 1] = {0};
    for (int round = 0; round < MUTATIONS; round++) {
        struct kafka_record record = samples[codec_random_below(&seed, sample_count)].record;
        size_t len = record.value_len;
        if (len > 0) {
            memcpy(bytes, record.value, len);
        }
        len = mutate(bytes, len, sizeof(bytes) - 8, &seed);
        /* A copy of its own, so that ASan sees a read past the end. */
        uint8_t *copy = malloc(len + 1);
        assert_non_null(copy);
        memcpy(copy, bytes, len);
        uint8_t *exact = realloc(copy, len == 0 ? 1 : len);
        assert_non_null(exact);
        record.value = exact;
        record.value_len = len;
        record.has_value = true;
        struct trip_decoded decoded;
        enum trip_verdict verdict = trip_codec_decode(&record, &decoded);
        assert_in_range(verdict, TRIP_COMPLETED, TRIP_MALFORMED);
        assert_whole(&decoded, verdict);
        seen[verdict]++;
        free(exact);
    }
    assert_true(seen[TRIP_COMPLETED] > 0 && seen[TRIP_IGNORED] > 0 && seen[TRIP_MALFORMED] > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_sample_has_its_verdict),
        cmocka_unit_test(mutated_samples_end_in_one_of_three_verdicts),
    };
    return cmocka_run_group_tests(tests, read_samples, free_samples);
}
