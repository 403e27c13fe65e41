/* A connection remembers where the rows are that it has in work, and little else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mysql_row_ids.h"

#include <stdlib.h>
#include <string.h>

static struct row_ids *ids;

static int setup(void **state)
{
    (void)state;
    ids = calloc(1, sizeof(*ids));
    return ids == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    free(ids);
    return 0;
}

/* SplitMix64: as random as a hash. */
static uint64_t mixed(uint64_t number)
{
    uint64_t value = number * UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

static struct uuid random_id(uint64_t number)
{
    struct uuid id;
    const uint64_t halves[2] = {mixed(number), mixed(number + (UINT64_C(1) << 40))};
    memcpy(id.bytes, halves, sizeof(halves));
    return id;
}

/* Ids that differ in a few bits only, as no hash makes them. */
static struct uuid plain_id(uint64_t number)
{
    struct uuid id = {.bytes = {0xFA, 0x4E}};
    memcpy(id.bytes + 8, &number, sizeof(number));
    return id;
}

static void nothing_is_known_at_first(void **state)
{
    (void)state;
    const struct uuid none = {{0}};
    struct uuid id = random_id(1);
    assert_int_equal(row_ids_find(ids, &id), 0);
    assert_int_equal(row_ids_find(ids, &none), 0);
}

static void what_was_learned_last_counts(void **state)
{
    (void)state;
    struct uuid first = plain_id(1);
    struct uuid second = plain_id(2);
    row_ids_learn(ids, &first, 77);
    row_ids_learn(ids, &second, INT64_MAX);
    assert_int_equal(row_ids_find(ids, &first), 77);
    assert_int_equal(row_ids_find(ids, &second), INT64_MAX);
    row_ids_learn(ids, &first, 78);
    assert_int_equal(row_ids_find(ids, &first), 78);
    assert_int_equal(row_ids_find(ids, &second), INT64_MAX);
}

/* Learned again and again, one payment takes one place only. */
static void a_payment_pushes_nobody_out_twice(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 4096; i++) {
        struct uuid id = plain_id(i);
        row_ids_learn(ids, &id, (int64_t)i + 1);
    }
    struct uuid busy = plain_id(5);
    for (int64_t row_id = 1; row_id <= 100; row_id++) {
        row_ids_learn(ids, &busy, row_id);
    }
    for (uint64_t i = 0; i < 4096; i++) {
        struct uuid id = plain_id(i);
        assert_int_equal(row_ids_find(ids, &id), i == 5 ? 100 : (int64_t)i + 1);
    }
}

/* How many of a million are gone when as many others were learned since as are in flight. */
static uint32_t lost_of_a_million(uint64_t in_flight, struct uuid make(uint64_t number))
{
    uint32_t lost = 0;
    for (uint64_t i = 1; i <= 1000000 + in_flight; i++) {
        struct uuid id = make(i);
        row_ids_learn(ids, &id, (int64_t)i);
        if (i > in_flight) {
            struct uuid old = make(i - in_flight);
            int64_t found = row_ids_find(ids, &old);
            assert_true(found == 0 || found == (int64_t)(i - in_flight));
            lost += found == 0;
        }
    }
    return lost;
}

static void the_usual_number_in_flight_is_remembered(void **state)
{
    (void)state;
    assert_int_equal(lost_of_a_million(4096, random_id), 0);
    assert_int_equal(lost_of_a_million(4096, plain_id), 0);
}

static void nearly_all_of_22000_on_two_connections_are_remembered(void **state)
{
    (void)state;
    assert_in_range(lost_of_a_million(11000, random_id), 1, 300);
}

static void old_ones_make_room(void **state)
{
    (void)state;
    assert_in_range(lost_of_a_million(200000, random_id), 999000, 1000000);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_known_at_first),
        TEST(what_was_learned_last_counts),
        TEST(a_payment_pushes_nobody_out_twice),
        TEST(the_usual_number_in_flight_is_remembered),
        TEST(nearly_all_of_22000_on_two_connections_are_remembered),
        TEST(old_ones_make_room),
    };
    return cmocka_run_group_tests_name("mysql row ids", tests, NULL, NULL);
}
