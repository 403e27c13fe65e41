#include "backoff.h"
#include "unit_support.h"

#define BASE_MS INT64_C(1000)
#define CAP_MS  INT64_C(60000)

static void half_of_the_wait_is_fixed_and_half_is_drawn(void **state)
{
    (void)state;
    assert_int_equal(backoff_delay_ms(0, BASE_MS, CAP_MS, 0), 500);
    assert_int_equal(backoff_delay_ms(0, BASE_MS, CAP_MS, 500), 1000);
    assert_int_equal(backoff_delay_ms(0, BASE_MS, CAP_MS, 501), 500);
    assert_int_equal(backoff_delay_ms(0, BASE_MS, CAP_MS, 123), 623);
}

static void each_attempt_doubles_the_wait_up_to_the_cap(void **state)
{
    (void)state;
    static const int64_t half_ms[] = {500, 1000, 2000, 4000, 8000, 16000, 30000, 30000};
    for (uint32_t attempt = 0; attempt < 8; attempt++) {
        assert_int_equal(backoff_delay_ms(attempt, BASE_MS, CAP_MS, 0), half_ms[attempt]);
    }
    assert_int_equal(backoff_delay_ms(UINT32_MAX, BASE_MS, CAP_MS, 30000), CAP_MS);
}

static void a_base_above_the_cap_waits_the_cap(void **state)
{
    (void)state;
    assert_int_equal(backoff_delay_ms(0, 100, 10, 5), 10);
    assert_int_equal(backoff_delay_ms(9, INT64_MAX, INT64_MAX, 0), INT64_MAX / 2 + 1);
}

static void no_wait_where_the_base_is_zero(void **state)
{
    (void)state;
    assert_int_equal(backoff_delay_ms(0, 0, CAP_MS, 7), 0);
    assert_int_equal(backoff_delay_ms(UINT32_MAX, 0, CAP_MS, UINT64_MAX), 0);
}

static void a_wait_is_never_zero_and_never_above_the_cap(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (int i = 0; i < 100000; i++) {
        uint32_t attempt = random_below(&random, 80);
        int64_t base_ms = 1 + (int64_t)(random_next(&random) >> random_below(&random, 63) >> 1);
        int64_t cap_ms = 1 + (int64_t)(random_next(&random) >> random_below(&random, 63) >> 2);
        int64_t delay_ms = backoff_delay_ms(attempt, base_ms, cap_ms, random_next(&random));
        assert_true(delay_ms >= 1);
        assert_true(delay_ms <= cap_ms);
        assert_true(delay_ms >= (base_ms < cap_ms ? base_ms : cap_ms) / 2);
    }
}

static void wait_without_cap(void *context)
{
    (void)context;
    (void)backoff_delay_ms(0, 1, 0, 0);
}

static void a_cap_of_zero_is_a_broken_invariant(void **state)
{
    (void)state;
    assert_true(ends_the_process(wait_without_cap, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(half_of_the_wait_is_fixed_and_half_is_drawn),
        cmocka_unit_test(each_attempt_doubles_the_wait_up_to_the_cap),
        cmocka_unit_test(a_base_above_the_cap_waits_the_cap),
        cmocka_unit_test(no_wait_where_the_base_is_zero),
        cmocka_unit_test(a_wait_is_never_zero_and_never_above_the_cap),
        cmocka_unit_test(a_cap_of_zero_is_a_broken_invariant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
