/* How long answers take: each distribution keeps its bounds and its shape. */
#include "unit_support.h"

#include "fakepg_delay.h"

#include <string.h>

#define DRAWS 20000

static int below(const struct fakepg_delay *delay, int64_t ms)
{
    uint64_t seed = 1;
    int count = 0;
    for (int i = 0; i < DRAWS; i++) {
        int64_t drawn = fakepg_delay_draw(delay, random_next(&seed));
        assert_true(drawn >= 0 && drawn <= FAKEPG_DELAY_MAX_MS);
        count += drawn < ms;
    }
    return count;
}

static void a_fixed_delay_is_always_the_same(void **state)
{
    const struct fakepg_delay delay = {.kind = FAKEPG_DELAY_FIXED, .ms = 500};
    (void)state;
    assert_int_equal(fakepg_delay_draw(&delay, 0), 500);
    assert_int_equal(fakepg_delay_draw(&delay, UINT64_MAX), 500);
}

static void a_uniform_delay_reaches_both_ends_and_not_beyond(void **state)
{
    const struct fakepg_delay delay = {.kind = FAKEPG_DELAY_UNIFORM, .ms = 100, .max_ms = 109};
    (void)state;
    assert_int_equal(fakepg_delay_draw(&delay, 0), 100);
    assert_int_equal(fakepg_delay_draw(&delay, UINT64_MAX), 109);
    assert_int_equal(below(&delay, 100), 0);
    assert_in_range(below(&delay, 105), DRAWS * 45 / 100, DRAWS * 55 / 100);
}

static void an_exponential_delay_has_its_mean_and_its_end(void **state)
{
    const struct fakepg_delay delay = {.kind = FAKEPG_DELAY_EXPONENTIAL, .ms = 100, .max_ms = 400};
    (void)state;
    assert_in_range(below(&delay, 69), DRAWS * 47 / 100, DRAWS * 53 / 100); /* ln 2 of 100 */
    assert_int_equal(below(&delay, 401), DRAWS);
    assert_true(below(&delay, 400) < DRAWS);
}

static void a_long_tail_has_its_median_and_its_percentile(void **state)
{
    const struct fakepg_delay delay = {
        .kind = FAKEPG_DELAY_LONG_TAIL, .ms = 200, .p99_ms = 2000, .max_ms = 60000};
    (void)state;
    assert_in_range(below(&delay, 200), DRAWS * 48 / 100, DRAWS * 52 / 100);
    assert_in_range(below(&delay, 2000), DRAWS * 985 / 1000, DRAWS * 995 / 1000);
}

static void times_out_of_order_are_refused(void **state)
{
    static const struct fakepg_delay wrong[] = {
        {FAKEPG_DELAY_FIXED, -1, 0, 0},      {FAKEPG_DELAY_FIXED, FAKEPG_DELAY_MAX_MS + 1, 0, 0},
        {FAKEPG_DELAY_UNIFORM, 10, 0, 9},    {FAKEPG_DELAY_LONG_TAIL, 0, 10, 20},
        {FAKEPG_DELAY_LONG_TAIL, 10, 9, 20}, {FAKEPG_DELAY_LONG_TAIL, 10, 21, 20},
    };
    const struct fakepg_delay none = {0};
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(fakepg_delay_ok(&wrong[i]));
    }
    assert_true(fakepg_delay_ok(&none));
}

static void each_kind_is_known_by_its_name(void **state)
{
    enum fakepg_delay_kind kind;
    (void)state;
    for (int i = FAKEPG_DELAY_FIXED; i <= FAKEPG_DELAY_LONG_TAIL; i++) {
        assert_true(fakepg_delay_parse(fakepg_delay_name((enum fakepg_delay_kind)i), &kind));
        assert_int_equal(kind, i);
    }
    assert_false(fakepg_delay_parse("", &kind));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fixed_delay_is_always_the_same),
        cmocka_unit_test(a_uniform_delay_reaches_both_ends_and_not_beyond),
        cmocka_unit_test(an_exponential_delay_has_its_mean_and_its_end),
        cmocka_unit_test(a_long_tail_has_its_median_and_its_percentile),
        cmocka_unit_test(times_out_of_order_are_refused),
        cmocka_unit_test(each_kind_is_known_by_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
