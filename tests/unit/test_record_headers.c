#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "codec_records.h"
#include "record_headers.h"

#include <stdlib.h>
#include <string.h>

static uint8_t encoded[KAFKA_HEADERS_BYTES_MAX];
static struct kafka_header decoded[KAFKA_HEADERS_MAX];

static void assert_same(const struct kafka_header *a, const struct kafka_header *b)
{
    assert_int_equal(a->name_len, b->name_len);
    assert_memory_equal(a->name, b->name, a->name_len);
    assert_int_equal(a->has_value, b->has_value);
    assert_int_equal(a->value_len, b->value_len);
    if (a->value_len > 0) {
        assert_memory_equal(a->value, b->value, a->value_len);
    }
}

static void no_headers_are_no_bytes(void **state)
{
    (void)state;
    size_t len = 99;
    size_t count = 99;
    assert_true(record_headers_encode(NULL, 0, encoded, sizeof(encoded), &len));
    assert_int_equal(len, 0);
    assert_true(record_headers_decode(encoded, 0, decoded, KAFKA_HEADERS_MAX, &count));
    assert_int_equal(count, 0);
}

static void the_format_is_as_documented(void **state)
{
    (void)state;
    struct kafka_header list[] = {codec_header("id", "x"), codec_header("n", NULL)};
    const uint8_t expected[] = {1,   0, 2, 'i', 'd',  0,    0,    0,   1,
                                'x', 0, 1, 'n', 0xff, 0xff, 0xff, 0xff};
    size_t len = 0;
    assert_true(record_headers_encode(list, 2, encoded, sizeof(encoded), &len));
    assert_int_equal(len, sizeof(expected));
    assert_memory_equal(encoded, expected, sizeof(expected));
}

static void a_null_value_is_not_an_empty_one(void **state)
{
    (void)state;
    struct kafka_header list[] = {codec_header("null", NULL), codec_header("empty", "")};
    size_t len = 0;
    size_t count = 0;
    assert_true(record_headers_encode(list, 2, encoded, sizeof(encoded), &len));
    assert_true(record_headers_decode(encoded, len, decoded, KAFKA_HEADERS_MAX, &count));
    assert_int_equal(count, 2);
    assert_false(decoded[0].has_value);
    assert_true(decoded[1].has_value);
    assert_int_equal(decoded[1].value_len, 0);
}

static void random_lists_survive_a_round_trip(void **state)
{
    (void)state;
    static uint8_t bytes[512];
    uint64_t seed = 7;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)codec_random(&seed);
    }
    for (int round = 0; round < 5000; round++) {
        struct kafka_header list[20];
        size_t count = codec_random_below(&seed, 20);
        for (size_t i = 0; i < count; i++) {
            list[i] = (struct kafka_header){.name = (const char *)bytes,
                                            .name_len = codec_random_below(&seed, 40),
                                            .value = bytes + 40,
                                            .value_len = codec_random_below(&seed, 200),
                                            .has_value = true};
            if (codec_random_below(&seed, 4) == 0) {
                list[i].has_value = false;
                list[i].value_len = 0;
            }
        }
        size_t len = 0;
        size_t found = 0;
        assert_true(record_headers_encode(list, count, encoded, sizeof(encoded), &len));
        assert_int_equal(len, record_headers_size(list, count));
        assert_true(record_headers_decode(encoded, len, decoded, KAFKA_HEADERS_MAX, &found));
        assert_int_equal(found, count);
        for (size_t i = 0; i < count; i++) {
            assert_same(&decoded[i], &list[i]);
        }
    }
}

static void what_exceeds_a_bound_is_not_encoded(void **state)
{
    (void)state;
    size_t len = 99;
    static struct kafka_header many[KAFKA_HEADERS_MAX + 1];
    for (size_t i = 0; i < KAFKA_HEADERS_MAX + 1; i++) {
        many[i] = codec_header("h", "v");
    }
    assert_true(record_headers_size(many, KAFKA_HEADERS_MAX) < SIZE_MAX);
    assert_true(record_headers_size(many, KAFKA_HEADERS_MAX + 1) == SIZE_MAX);
    assert_false(
        record_headers_encode(many, KAFKA_HEADERS_MAX + 1, encoded, sizeof(encoded), &len));

    struct kafka_header big = codec_header("big", "");
    big.value = encoded;
    big.value_len = KAFKA_HEADERS_BYTES_MAX - 1 - 6 - 3;
    assert_int_equal(record_headers_size(&big, 1), KAFKA_HEADERS_BYTES_MAX);
    big.value_len++;
    assert_true(record_headers_size(&big, 1) == SIZE_MAX);

    assert_false(record_headers_encode(many, 2, encoded, 16, &len));
    assert_int_equal(len, 99);
    assert_true(record_headers_encode(many, 2, encoded, 17, &len));
}

static void every_cut_of_a_list_is_refused_or_a_shorter_list(void **state)
{
    (void)state;
    struct kafka_header list[] = {codec_header("first", "one"), codec_header("second", NULL),
                                  codec_header("third", "three")};
    size_t len = 0;
    assert_true(record_headers_encode(list, 3, encoded, sizeof(encoded), &len));
    size_t accepted = 0;
    for (size_t cut = 1; cut < len; cut++) {
        /* A copy of its own, so that ASan sees a read past the end. */
        uint8_t *copy = malloc(cut);
        assert_non_null(copy);
        memcpy(copy, encoded, cut);
        size_t count = 99;
        if (record_headers_decode(copy, cut, decoded, KAFKA_HEADERS_MAX, &count)) {
            accepted++;
            assert_in_range(count, 1, 2);
        } else {
            assert_int_equal(count, 99);
        }
        free(copy);
    }
    assert_int_equal(accepted, 2);
}

static void random_bytes_are_never_trusted(void **state)
{
    (void)state;
    uint64_t seed = 11;
    for (int round = 0; round < 100000; round++) {
        uint8_t bytes[64];
        size_t len = codec_random_below(&seed, sizeof(bytes)) + 1;
        for (size_t i = 0; i < len; i++) {
            bytes[i] = (uint8_t)codec_random_below(&seed, 6);
        }
        bytes[0] = 1;
        uint8_t *copy = malloc(len);
        assert_non_null(copy);
        memcpy(copy, bytes, len);
        size_t count = 0;
        if (record_headers_decode(copy, len, decoded, KAFKA_HEADERS_MAX, &count)) {
            size_t again = 0;
            assert_true(record_headers_encode(decoded, count, encoded, sizeof(encoded), &again));
            assert_int_equal(again, len);
            assert_memory_equal(encoded, copy, len);
        }
        free(copy);
    }
}

static void another_version_is_refused(void **state)
{
    (void)state;
    struct kafka_header list[] = {codec_header("id", "x")};
    size_t len = 0;
    size_t count = 0;
    assert_true(record_headers_encode(list, 1, encoded, sizeof(encoded), &len));
    encoded[0] = 2;
    assert_false(record_headers_decode(encoded, len, decoded, KAFKA_HEADERS_MAX, &count));
}

static void more_headers_than_there_is_room_for_are_refused(void **state)
{
    (void)state;
    struct kafka_header list[] = {codec_header("a", "x"), codec_header("b", "y")};
    size_t len = 0;
    size_t count = 0;
    assert_true(record_headers_encode(list, 2, encoded, sizeof(encoded), &len));
    assert_false(record_headers_decode(encoded, len, decoded, 1, &count));
    assert_true(record_headers_decode(encoded, len, decoded, 2, &count));
}

static void first_and_last_are_found_by_the_whole_name(void **state)
{
    (void)state;
    struct kafka_header list[] = {codec_header("id2", "no"), codec_header("id", "first"),
                                  codec_header("ID", "no"), codec_header("id", "last"),
                                  codec_header("i", "no")};
    assert_ptr_equal(record_headers_first(list, 5, "id"), &list[1]);
    assert_ptr_equal(record_headers_last(list, 5, "id"), &list[3]);
    assert_null(record_headers_last(list, 5, "none"));
    assert_null(record_headers_first(list, 0, "id"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_headers_are_no_bytes),
        cmocka_unit_test(the_format_is_as_documented),
        cmocka_unit_test(a_null_value_is_not_an_empty_one),
        cmocka_unit_test(random_lists_survive_a_round_trip),
        cmocka_unit_test(what_exceeds_a_bound_is_not_encoded),
        cmocka_unit_test(every_cut_of_a_list_is_refused_or_a_shorter_list),
        cmocka_unit_test(random_bytes_are_never_trusted),
        cmocka_unit_test(another_version_is_refused),
        cmocka_unit_test(more_headers_than_there_is_room_for_are_refused),
        cmocka_unit_test(first_and_last_are_found_by_the_whole_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
