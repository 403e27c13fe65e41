#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "codec_records.h"
#include "dead_letter_codec.h"
#include "record_headers.h"

#include <stdlib.h>
#include <string.h>

#define ORIGINAL  "kafka_dlt-original-"
#define EXCEPTION "kafka_dlt-exception-"

static const struct dead_letter_exception malformed = {
    .fqcn = "farebox.MalformedTrip",
    .cause_fqcn = "farebox.MISSING_MEMBER",
    .message = "userId is missing",
    .stacktrace = "farebox.MalformedTrip: userId is missing",
};

/* A record together with the memory that its headers live in. */
struct held {
    struct kafka_record record;
    struct kafka_header list[KAFKA_HEADERS_MAX];
    uint8_t bytes[KAFKA_HEADERS_BYTES_MAX];
};

static struct held dlt;
static struct held retried;

static void hold_headers(struct held *held, size_t len)
{
    held->record.headers = held->list;
    assert_true(record_headers_decode(held->bytes, len, held->list, KAFKA_HEADERS_MAX,
                                      &held->record.header_count));
}

/* What stands in the DLT at this offset after `origin` failed. */
static void bury(const struct kafka_record *origin, int64_t offset)
{
    size_t len = 0;
    dlt.record = *origin;
    assert_true(dead_letter_codec_headers(origin, "payment-service-reactive-group", &malformed,
                                          dlt.bytes, sizeof(dlt.bytes), &len));
    hold_headers(&dlt, len);
    dlt.record.topic = "trip_events.DLT";
    dlt.record.topic_len = strlen(dlt.record.topic);
    dlt.record.offset = offset;
    dlt.record.timestamp_ms = INT64_C(1799999999999);
}

/* What stands in trip_events at this offset after the dead letter was sent back. */
static void send_back(int64_t offset, int64_t timestamp_ms)
{
    size_t len = 0;
    retried.record = codec_record("hello", 5);
    assert_true(
        dead_letter_codec_retry_headers(&dlt.record, retried.bytes, sizeof(retried.bytes), &len));
    hold_headers(&retried, len);
    retried.record.offset = offset;
    retried.record.timestamp_ms = timestamp_ms;
}

static size_t count_of(const struct kafka_record *record, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < record->header_count; i++) {
        count += record_headers_is(&record->headers[i], name) ? 1 : 0;
    }
    return count;
}

static void assert_bytes(const struct kafka_record *record, const char *name, const void *bytes,
                         size_t len)
{
    const struct kafka_header *header =
        record_headers_last(record->headers, record->header_count, name);
    assert_non_null(header);
    assert_true(header->has_value);
    assert_int_equal(header->value_len, len);
    assert_memory_equal(header->value, bytes, len);
}

static void assert_text(const struct kafka_record *record, const char *name, const char *text)
{
    assert_bytes(record, name, text, strlen(text));
}

static void a_dead_letter_has_spring_s_headers(void **state)
{
    (void)state;
    struct kafka_record origin = codec_record("hello", 5);
    origin.offset = INT64_C(0x0102030405060708);
    origin.partition = 258;
    origin.timestamp_ms = 1000;
    bury(&origin, 3);
    assert_int_equal(dlt.record.header_count, 10);
    assert_text(&dlt.record, ORIGINAL "topic", "trip_events");
    assert_bytes(&dlt.record, ORIGINAL "partition", "\x00\x00\x01\x02", 4);
    assert_bytes(&dlt.record, ORIGINAL "offset", "\x01\x02\x03\x04\x05\x06\x07\x08", 8);
    assert_bytes(&dlt.record, ORIGINAL "timestamp", "\0\0\0\0\0\0\x03\xe8", 8);
    assert_text(&dlt.record, ORIGINAL "timestamp-type", "CreateTime");
    assert_text(&dlt.record, ORIGINAL "consumer-group", "payment-service-reactive-group");
    assert_text(&dlt.record, EXCEPTION "fqcn", malformed.fqcn);
    assert_text(&dlt.record, EXCEPTION "cause-fqcn", malformed.cause_fqcn);
    assert_text(&dlt.record, EXCEPTION "message", malformed.message);
    assert_text(&dlt.record, EXCEPTION "stacktrace", malformed.stacktrace);
}

static void the_broker_s_own_timestamps_are_named_so(void **state)
{
    (void)state;
    struct kafka_record origin = codec_record("hello", 5);
    origin.timestamp_type = KAFKA_TIMESTAMP_LOG_APPEND;
    bury(&origin, 3);
    assert_text(&dlt.record, ORIGINAL "timestamp-type", "LogAppendTime");
}

static void the_record_s_own_headers_come_first_and_unchanged(void **state)
{
    (void)state;
    struct kafka_header own[] = {codec_header("__TypeId__", "java.lang.String"),
                                 codec_header("null", NULL), codec_header("__TypeId__", "again")};
    struct kafka_record origin = codec_record("hello", 5);
    origin.headers = own;
    origin.header_count = 3;
    bury(&origin, 3);
    assert_int_equal(dlt.record.header_count, 13);
    for (size_t i = 0; i < 3; i++) {
        const struct kafka_header *header = &dlt.record.headers[i];
        assert_true(record_headers_is(header, own[i].name));
        assert_int_equal(header->has_value, own[i].has_value);
        assert_int_equal(header->value_len, own[i].value_len);
    }
}

static void texts_that_are_missing_make_no_header(void **state)
{
    (void)state;
    struct kafka_record origin = codec_record("hello", 5);
    struct dead_letter_exception bare = {.message = "m"};
    uint8_t bytes[1024];
    size_t len = 0;
    assert_true(dead_letter_codec_headers(&origin, "g", &bare, bytes, sizeof(bytes), &len));
    memcpy(dlt.bytes, bytes, len);
    hold_headers(&dlt, len);
    assert_int_equal(dlt.record.header_count, 7);
    assert_int_equal(count_of(&dlt.record, EXCEPTION "stacktrace"), 0);
}

static void long_texts_are_cut_at_a_character_s_end(void **state)
{
    (void)state;
    char text[2000];
    for (size_t i = 0; i + 3 < sizeof(text); i += 3) {
        memcpy(text + i, "\xec\x9b\x90", 4);
    }
    struct kafka_record origin = codec_record("hello", 5);
    struct dead_letter_exception exception = {.message = text};
    size_t len = 0;
    assert_true(
        dead_letter_codec_headers(&origin, "g", &exception, dlt.bytes, sizeof(dlt.bytes), &len));
    hold_headers(&dlt, len);
    assert_bytes(&dlt.record, EXCEPTION "message", text, 999);
}

/* Trap 11. */
static void a_dead_letter_goes_back_to_its_origin_never_to_the_dlt(void **state)
{
    (void)state;
    struct kafka_record origin = codec_record("hello", 5);
    bury(&origin, 3);
    struct dead_letter_decoded letter;
    assert_true(dead_letter_codec_read(&dlt.record, &letter));
    assert_string_equal(letter.topic, "trip_events");
    assert_true(letter.from_headers);
    assert_int_equal(letter.partition, origin.partition);
    assert_int_equal(letter.offset, origin.offset);
    assert_int_equal(letter.timestamp_ms, origin.timestamp_ms);
    assert_int_equal(letter.first_timestamp_ms, origin.timestamp_ms);
    assert_string_equal(letter.error, malformed.message);

    struct kafka_header liar = codec_header(ORIGINAL "topic", "trip_events.DLT.DLT");
    dlt.record.headers = &liar;
    dlt.record.header_count = 1;
    assert_true(dead_letter_codec_read(&dlt.record, &letter));
    assert_string_equal(letter.topic, "trip_events");
}

static void without_headers_the_dlt_s_own_name_and_coordinates_tell(void **state)
{
    (void)state;
    struct kafka_record record = codec_record("hello", 5);
    record.topic = "trip_events.DLT";
    record.topic_len = strlen(record.topic);
    struct dead_letter_decoded letter;
    assert_true(dead_letter_codec_read(&record, &letter));
    assert_string_equal(letter.topic, "trip_events");
    assert_false(letter.from_headers);
    assert_int_equal(letter.partition, record.partition);
    assert_int_equal(letter.offset, record.offset);
    assert_int_equal(letter.timestamp_ms, record.timestamp_ms);
    assert_int_equal(letter.first_timestamp_ms, record.timestamp_ms);
    assert_string_equal(letter.error, "");
}

static void without_a_topic_to_go_back_to_there_is_no_letter(void **state)
{
    (void)state;
    struct dead_letter_decoded letter;
    const char *const names[] = {"trip_events", ".DLT", "", "trip events.DLT", "DLT"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct kafka_record record = codec_record("hello", 5);
        record.topic = names[i];
        record.topic_len = strlen(names[i]);
        assert_false(dead_letter_codec_read(&record, &letter));
    }
}

static void headers_of_another_length_leave_the_record_its_own_coordinates(void **state)
{
    (void)state;
    const char *const names[] = {ORIGINAL "partition", ORIGINAL "offset", ORIGINAL "timestamp",
                                 ORIGINAL "topic"};
    for (size_t i = 0; i < 4; i++) {
        struct kafka_record origin = codec_record("hello", 5);
        bury(&origin, 77);
        for (size_t j = 0; j < dlt.record.header_count; j++) {
            if (record_headers_is(&dlt.list[j], names[i])) {
                dlt.list[j].value_len = i == 3 ? 0 : 3;
            }
        }
        struct dead_letter_decoded letter;
        assert_true(dead_letter_codec_read(&dlt.record, &letter));
        assert_string_equal(letter.topic, "trip_events");
        if (i < 3) {
            assert_false(letter.from_headers);
            assert_int_equal(letter.offset, 77);
        }
    }
}

static void an_origin_that_no_record_has_leaves_the_record_its_own_coordinates(void **state)
{
    (void)state;
    const char *const names[] = {ORIGINAL "partition", ORIGINAL "offset"};
    static const uint8_t lowest[8] = {0x80};
    for (size_t i = 0; i < 2; i++) {
        struct kafka_record origin = codec_record("hello", 5);
        struct dead_letter_decoded letter;
        bury(&origin, 77);
        for (size_t j = 0; j < dlt.record.header_count; j++) {
            if (record_headers_is(&dlt.list[j], names[i])) {
                dlt.list[j].value = lowest;
            }
        }
        assert_true(dead_letter_codec_read(&dlt.record, &letter));
        assert_string_equal(letter.topic, "trip_events");
        assert_false(letter.from_headers);
        assert_int_equal(letter.partition, dlt.record.partition);
        assert_int_equal(letter.offset, 77);
        assert_int_equal(letter.first_timestamp_ms, origin.timestamp_ms);
    }
}

static void a_second_round_keeps_the_first_timestamp_and_tells_the_last_origin(void **state)
{
    (void)state;
    struct kafka_record origin = codec_record("hello", 5);
    bury(&origin, 3);
    send_back(90, origin.timestamp_ms + 5);
    assert_int_equal(count_of(&retried.record, EXCEPTION "message"), 0);
    assert_int_equal(count_of(&retried.record, ORIGINAL "timestamp"), 1);
    bury(&retried.record, 4);
    struct dead_letter_decoded letter;
    assert_true(dead_letter_codec_read(&dlt.record, &letter));
    assert_int_equal(letter.offset, 90);
    assert_int_equal(letter.timestamp_ms, origin.timestamp_ms + 5);
    assert_int_equal(letter.first_timestamp_ms, origin.timestamp_ms);
    assert_int_equal(count_of(&dlt.record, ORIGINAL "offset"), 2);
    assert_int_equal(count_of(&dlt.record, EXCEPTION "message"), 1);
}

static void a_record_that_comes_round_for_ever_does_not_grow(void **state)
{
    (void)state;
    struct kafka_header own = codec_header("own", "value");
    struct kafka_record origin = codec_record("hello", 5);
    origin.headers = &own;
    origin.header_count = 1;
    bury(&origin, 0);
    size_t full = 0;
    for (int64_t round = 1; round < 40; round++) {
        send_back(100 + round, origin.timestamp_ms + round);
        bury(&retried.record, round);
        struct dead_letter_decoded letter;
        assert_true(dead_letter_codec_read(&dlt.record, &letter));
        assert_int_equal(letter.offset, 100 + round);
        assert_int_equal(letter.first_timestamp_ms, origin.timestamp_ms);
        size_t sets =
            round + 1 < DEAD_LETTER_ORIGINS_MAX ? (size_t)round + 1 : DEAD_LETTER_ORIGINS_MAX;
        assert_int_equal(count_of(&dlt.record, ORIGINAL "offset"), sets);
        assert_int_equal(count_of(&dlt.record, ORIGINAL "topic"), sets);
        assert_int_equal(count_of(&dlt.record, "own"), 1);
        size_t size = record_headers_size(dlt.record.headers, dlt.record.header_count);
        if (round == DEAD_LETTER_ORIGINS_MAX) {
            full = size;
        }
        assert_true(round <= DEAD_LETTER_ORIGINS_MAX || size == full);
    }
}

static void headers_at_the_bounds_still_make_a_dead_letter_with_its_origin(void **state)
{
    (void)state;
    static struct kafka_header many[KAFKA_HEADERS_MAX];
    static char big[KAFKA_HEADERS_BYTES_MAX - 64];
    memset(big, 'b', sizeof(big) - 1);
    for (size_t i = 0; i < KAFKA_HEADERS_MAX; i++) {
        many[i] = codec_header("h", "v");
    }
    struct kafka_record origin = codec_record("hello", 5);
    origin.headers = many;
    origin.header_count = KAFKA_HEADERS_MAX;
    struct dead_letter_decoded letter;
    bury(&origin, 3);
    assert_true(dead_letter_codec_read(&dlt.record, &letter));
    assert_true(letter.from_headers);
    assert_int_equal(dlt.record.header_count, KAFKA_HEADERS_MAX);

    struct kafka_header large = codec_header("big", big);
    origin.headers = &large;
    origin.header_count = 1;
    bury(&origin, 3);
    assert_true(dead_letter_codec_read(&dlt.record, &letter));
    assert_true(letter.from_headers);
    assert_int_equal(count_of(&dlt.record, "big"), 0);
}

static void a_buffer_that_is_too_small_is_refused(void **state)
{
    (void)state;
    struct kafka_record origin = codec_record("hello", 5);
    uint8_t bytes[64];
    size_t len = 99;
    assert_false(dead_letter_codec_headers(&origin, "g", &malformed, bytes, sizeof(bytes), &len));
    bury(&origin, 3);
    assert_false(dead_letter_codec_retry_headers(&dlt.record, bytes, sizeof(bytes), &len));
    assert_int_equal(len, 99);
}

static void an_error_text_is_utf_8_whatever_the_header_holds(void **state)
{
    (void)state;
    struct kafka_record record = codec_record("hello", 5);
    struct kafka_header message = codec_header(EXCEPTION "message", "");
    record.topic = "t.DLT";
    record.topic_len = 5;
    record.headers = &message;
    record.header_count = 1;
    const char raw[] = "a\xff\0\xc0\x80\xed\xa0\x80\xf0\x9f\x9a\x95\xec\x9b";
    message.value = (const uint8_t *)raw;
    message.value_len = sizeof(raw) - 1;
    struct dead_letter_decoded letter;
    assert_true(dead_letter_codec_read(&record, &letter));
    assert_string_equal(letter.error, "a???????\xf0\x9f\x9a\x95??");

    char text[DEAD_LETTER_TEXT_MAX + 2];
    memset(text, 'x', sizeof(text));
    memcpy(text + DEAD_LETTER_TEXT_MAX - 1, "\xec\x9b\x90", 3);
    message.value = (const uint8_t *)text;
    message.value_len = sizeof(text);
    assert_true(dead_letter_codec_read(&record, &letter));
    assert_int_equal(strlen(letter.error), DEAD_LETTER_TEXT_MAX - 1);
}

static void random_headers_never_break_the_reader(void **state)
{
    (void)state;
    static const char *const names[] = {ORIGINAL "topic",    ORIGINAL "partition",
                                        ORIGINAL "offset",   ORIGINAL "timestamp",
                                        EXCEPTION "message", ORIGINAL,
                                        EXCEPTION,           "x"};
    uint64_t seed = 17;
    for (int round = 0; round < 30000; round++) {
        struct kafka_header list[12];
        uint8_t *values[12];
        struct kafka_record record = codec_record("hello", 5);
        record.headers = list;
        record.header_count = codec_random_below(&seed, 12);
        for (size_t i = 0; i < record.header_count; i++) {
            size_t len = codec_random_below(&seed, 12);
            values[i] = malloc(len == 0 ? 1 : len);
            assert_non_null(values[i]);
            for (size_t j = 0; j < len; j++) {
                values[i][j] = (uint8_t)codec_random(&seed);
            }
            list[i] = codec_header(names[codec_random_below(&seed, 8)], "");
            list[i].value = values[i];
            list[i].value_len = len;
            list[i].has_value = codec_random_below(&seed, 5) != 0;
        }
        struct dead_letter_decoded letter;
        if (dead_letter_codec_read(&record, &letter)) {
            assert_in_range(strlen(letter.topic), 1, KAFKA_TOPIC_MAX);
        }
        bury(&record, 1);
        send_back(1, 1);
        for (size_t i = 0; i < record.header_count; i++) {
            free(values[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dead_letter_has_spring_s_headers),
        cmocka_unit_test(the_broker_s_own_timestamps_are_named_so),
        cmocka_unit_test(the_record_s_own_headers_come_first_and_unchanged),
        cmocka_unit_test(texts_that_are_missing_make_no_header),
        cmocka_unit_test(long_texts_are_cut_at_a_character_s_end),
        cmocka_unit_test(a_dead_letter_goes_back_to_its_origin_never_to_the_dlt),
        cmocka_unit_test(without_headers_the_dlt_s_own_name_and_coordinates_tell),
        cmocka_unit_test(without_a_topic_to_go_back_to_there_is_no_letter),
        cmocka_unit_test(headers_of_another_length_leave_the_record_its_own_coordinates),
        cmocka_unit_test(an_origin_that_no_record_has_leaves_the_record_its_own_coordinates),
        cmocka_unit_test(a_second_round_keeps_the_first_timestamp_and_tells_the_last_origin),
        cmocka_unit_test(a_record_that_comes_round_for_ever_does_not_grow),
        cmocka_unit_test(headers_at_the_bounds_still_make_a_dead_letter_with_its_origin),
        cmocka_unit_test(a_buffer_that_is_too_small_is_refused),
        cmocka_unit_test(an_error_text_is_utf_8_whatever_the_header_holds),
        cmocka_unit_test(random_headers_never_break_the_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
